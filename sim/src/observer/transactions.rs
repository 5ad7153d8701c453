//! Transactions as they look from outside (RFC 3261 §17): what is answered, once, and what is asked.

use super::Seen;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_sip_msg::Transport;
use tandem_time::Time;

/// 64*T1: how long a request waits for its first response, and an INVITE that was cancelled for its last.
const PATIENCE: Duration = Duration::from_secs(32);

type Key = (String, String, String);

#[derive(Default)]
pub(super) struct Transactions {
    /// Requests that the server got.
    server: BTreeMap<Key, Server>,
    /// Requests that it sent, by branch and method.
    client: BTreeMap<(String, String), Client>,
}

struct Server {
    request: Bytes,
    /// Copies of it differ, or it was broken on the way: what they are answered with may differ too.
    spoilt: bool,
    answer: Option<(u16, Answer)>,
    /// When that was given first: 64*T1 later it is forgotten (Timers H, J and L), and a copy of the request is a request.
    answered: Option<Time>,
}

/// A final response, as far as it has to be the same each time.
struct Answer {
    to_tag: Option<String>,
    bytes: Option<Bytes>,
}

impl Answer {
    fn of(seen: &Seen) -> Answer {
        // One that challenges may have another nonce.
        Answer { to_tag: seen.to_tag.clone(), bytes: (seen.code < 300).then(|| seen.bytes.clone()) }
    }

    fn is_like(&self, seen: &Seen) -> bool {
        self.to_tag.as_ref().is_none_or(|tag| seen.to_tag.as_ref() == Some(tag))
            && self.bytes.as_ref().is_none_or(|bytes| *bytes == seen.bytes)
    }
}

struct Client {
    request: Bytes,
    peer: SocketAddr,
    transport: Transport,
    began: Time,
    heard: bool,
    /// What it asks for concerns a dialog that stands: an ICMP message is no answer to it.
    insists: bool,
    /// It was cancelled, or found nobody there: from then on the server need not wait for it.
    given_up: Option<Time>,
    /// The final response.
    code: Option<u16>,
}

fn key(seen: &Seen) -> Key {
    (seen.branch.clone(), seen.method.clone(), seen.sent_by.clone())
}

impl Transactions {
    pub(super) fn received(&mut self, seen: &Seen) {
        if !seen.is_request {
            if let Some(client) = self.client.get_mut(&(seen.branch.clone(), seen.method.clone())) {
                client.heard = true;
                if seen.is_final() {
                    client.code.get_or_insert(seen.code);
                }
            }
        } else if seen.method != "ACK" {
            let fresh =
                || Server { request: seen.bytes.clone(), spoilt: false, answer: None, answered: None };
            let server = self.server.entry(key(seen)).or_insert_with(fresh);
            server.spoilt |= server.request != seen.bytes;
        }
    }

    /// Nobody is there, says the network: what waits for a first response from there has none to wait for, unless a dialog stands.
    pub(super) fn unreachable(&mut self, peer: SocketAddr, at: Time) {
        let waiting = self.client.values_mut().filter(|client| client.peer == peer && !client.heard);
        let waiting = waiting.filter(|client| !client.insists);
        for client in waiting.filter(|client| client.transport == Transport::Udp) {
            client.given_up.get_or_insert(at);
        }
    }

    /// Whether a response comes when the server need not know any more what it asked (RFC 3261 §9.1, §17.1.1.2, §18.4). After a
    /// refusal an answer means nothing.
    pub(super) fn is_too_late(&self, seen: &Seen) -> bool {
        let client = self.client.get(&(seen.branch.clone(), seen.method.clone()));
        client.is_none_or(|client| {
            let silent = !client.heard && seen.at >= client.began + PATIENCE;
            let refused = client.code.is_some_and(|code| code >= 300) && seen.code / 100 == 2;
            silent || refused || client.given_up.is_some_and(|at| seen.at >= at)
        })
    }

    /// A request came that is not sound.
    pub(super) fn spoil(&mut self, seen: &Seen) {
        self.received(seen);
        if let Some(server) = self.server.get_mut(&key(seen)) {
            server.spoilt = true;
        }
    }

    pub(super) fn sent(&mut self, seen: &Seen, wrong: &mut Vec<String>) {
        match seen.is_request {
            true => self.sent_request(seen, wrong),
            false => self.sent_response(seen, wrong),
        }
    }

    fn sent_response(&mut self, seen: &Seen, wrong: &mut Vec<String>) {
        let Some(server) = self.server.get_mut(&key(seen)) else {
            return wrong.push("it answers nothing that was asked".to_owned());
        };
        if server.spoilt || server.answered.is_some_and(|at| seen.at >= at + PATIENCE) {
            return;
        }
        if seen.is_final() {
            server.answered.get_or_insert(seen.at);
        }
        match &server.answer {
            Some((code, _)) if !seen.is_final() => {
                wrong.push(format!("it comes after the final response {code}"))
            }
            // A stranger is refused and forgotten; a copy may be refused for another reason, but it never gets in.
            Some((code, _))
                if seen.is_forgotten && *code >= 300 && seen.code >= 300 && *code != seen.code => {}
            Some((code, before)) if *code != seen.code || !before.is_like(seen) => {
                wrong.push(format!("it is another final response than the {code} before"));
            }
            // A CANCEL that comes again may find its INVITE gone.
            None if seen.is_final() && seen.method == "CANCEL" => server.spoilt = true,
            None if seen.is_final() => server.answer = Some((seen.code, Answer::of(seen))),
            _ => {}
        }
    }

    fn sent_request(&mut self, seen: &Seen, wrong: &mut Vec<String>) {
        let invite = self.client.get(&(seen.branch.clone(), "INVITE".to_owned()));
        match (seen.method.as_str(), invite) {
            ("ACK", Some(invite)) if invite.code.is_none_or(|code| code < 300) => {
                wrong.push("it has the branch of an INVITE that was not refused".to_owned());
            }
            ("CANCEL", None) => wrong.push("it cancels no INVITE".to_owned()),
            ("CANCEL", Some(invite)) if !invite.heard => {
                wrong.push("the INVITE had no provisional response yet (RFC 3261 §9.1)".to_owned());
            }
            _ => {}
        }
        if seen.method == "CANCEL"
            && let Some(invite) = self.client.get_mut(&(seen.branch.clone(), "INVITE".to_owned()))
        {
            invite.given_up.get_or_insert(seen.at + PATIENCE);
        }
        let key = (seen.branch.clone(), seen.method.clone());
        let Some(client) = self.client.get_mut(&key) else {
            let Seen { peer, transport, at: began, .. } = *seen;
            let request = seen.bytes.clone();
            let insists = seen.to_tag.is_some() && ["INVITE", "UPDATE", "PRACK"].contains(&&*seen.method);
            let (heard, given_up, code) = (false, None, None);
            let client = Client { request, peer, transport, began, heard, insists, given_up, code };
            self.client.insert(key, client);
            return;
        };
        if !client.heard && falls_back(&client.request, seen) {
            client.request = seen.bytes.clone();
            client.transport = seen.transport;
        } else if client.request != seen.bytes {
            wrong.push("its branch was that of another request".to_owned());
        } else if seen.method == "ACK" {
            // Sent again for each final response that comes again.
        } else if seen.transport.is_reliable() {
            wrong.push("it is repeated over a stream".to_owned());
        } else if client.code.is_some() {
            wrong.push("it is repeated after its final response".to_owned());
        } else if client.heard && seen.method == "INVITE" {
            wrong.push("it is repeated after a provisional response".to_owned());
        }
    }
}

/// Whether a request that went over TCP for its size comes over UDP now (RFC 3261 §18.1.1): but for what its Via says of that it is
/// the same.
fn falls_back(before: &[u8], seen: &Seen) -> bool {
    const NAME: &[u8] = b"SIP/2.0/TCP";
    let Some(at) = before.windows(NAME.len()).position(|text| text == NAME) else { return false };
    let (head, rest) = (&before[..at], &before[at + NAME.len()..]);
    !seen.transport.is_reliable() && *seen.bytes == *[head, b"SIP/2.0/UDP", rest].concat()
}
