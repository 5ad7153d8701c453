//! Dialogs as they look from outside (RFC 3261 §12 to §15): CSeq, ACK, BYE, and that none outlives the other of its call.

use super::Seen;
use super::transfers::{Notify, Transfers, replaced_by};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_call::LEGS;
use tandem_sip_dialog::Leg;
use tandem_time::Time;

/// 64*T1: the longest that one side of a call may wait for the other to be told.
const BOUND: Duration = Duration::from_secs(32);
/// What the network and the rounding of timers add.
const MARGIN: Duration = Duration::from_secs(3);

/// Call-ID, the server's tag, and the peer's.
pub(super) type Key = (String, String, String);

#[derive(Default)]
pub(super) struct Dialogs {
    all: BTreeMap<Key, Dialog>,
    /// The server's requests outside a dialog, by Call-ID and tag.
    outside: BTreeMap<(String, String), Requests>,
    transfers: Transfers,
    /// Those of before a restart, which nobody can end any more.
    answered_before: usize,
}

/// Requests of the server by their CSeq: the branch of each.
#[derive(Clone, Default)]
struct Requests(BTreeMap<u32, String>);

impl Requests {
    /// RFC 3261 §12.2.1.1: each new one has a CSeq above all before. Only a copy of one, with its branch, has the same.
    fn note(&mut self, seen: &Seen, wrong: &mut Vec<String>) -> bool {
        let last = self.0.last_key_value().map_or(0, |(cseq, _)| *cseq);
        match self.0.get(&seen.cseq) {
            Some(branch) if *branch == seen.branch => return false,
            Some(_) => wrong.push(format!("CSeq {} was that of another request", seen.cseq)),
            None if seen.cseq <= last => wrong.push(format!("CSeq {} comes after {last}", seen.cseq)),
            None => drop(self.0.insert(seen.cseq, seen.branch.clone())),
        }
        true
    }
}

struct Dialog {
    peer: SocketAddr,
    /// The server was called.
    is_incoming: bool,
    /// The server's, those that opened it included.
    requests: Requests,
    /// INVITEs of the server by CSeq: whether a 2xx came, and whether it was acknowledged.
    invites: BTreeMap<u32, bool>,
    /// Until when the server waits for the ACK of its first 2xx.
    unacked: Option<(u32, Time)>,
    /// The peer has asked for a transfer, and waits for its outcome.
    subscribed: bool,
    answered: Option<Time>,
    ended: Option<Time>,
}

impl Dialog {
    fn new(peer: SocketAddr, is_incoming: bool, requests: Requests) -> Dialog {
        let (invites, subscribed) = (BTreeMap::new(), false);
        Dialog {
            peer,
            is_incoming,
            requests,
            invites,
            unacked: None,
            subscribed,
            answered: None,
            ended: None,
        }
    }
}

/// The dialog that a message which the server sends (or gets) is within; `None` while one side has no tag yet.
fn key(seen: &Seen, sent: bool) -> Option<Key> {
    let (from, to) = (seen.from_tag.clone()?, seen.to_tag.clone()?);
    let (ours, theirs) = if sent == seen.is_request { (from, to) } else { (to, from) };
    Some((seen.call_id.clone(), ours, theirs))
}

impl Dialogs {
    pub(super) fn received(&mut self, seen: &Seen) {
        if seen.is_request && seen.method == "INVITE" && seen.to_tag.is_none() {
            self.transfers.called(seen);
        }
        let Some(key) = key(seen, false) else { return };
        if !seen.is_request {
            return self.received_response(key, seen);
        }
        let Some(dialog) = self.all.get_mut(&key) else { return };
        match seen.method.as_str() {
            "REFER" => self.transfers.asked(key, replaced_by(seen)),
            "ACK" if dialog.unacked.is_some_and(|(cseq, _)| cseq == seen.cseq) => dialog.unacked = None,
            "BYE" => drop(dialog.ended.get_or_insert(seen.at)),
            _ => {}
        }
    }

    fn received_response(&mut self, key: Key, seen: &Seen) {
        if seen.method != "INVITE" {
            return;
        }
        if seen.code / 100 != 2 {
            return;
        }
        let outside = self.outside.get(&(key.0.clone(), key.1.clone())).cloned();
        let dialog = match (self.all.entry(key), outside) {
            (Entry::Occupied(entry), _) => entry.into_mut(),
            (Entry::Vacant(entry), Some(requests)) => entry.insert(Dialog::new(seen.peer, false, requests)),
            // It answers nothing that was asked since the server is there.
            (Entry::Vacant(_), None) => return,
        };
        dialog.answered.get_or_insert(seen.at);
        dialog.invites.entry(seen.cseq).or_insert(false);
    }

    pub(super) fn sent(&mut self, seen: &Seen, wrong: &mut Vec<String>) {
        match seen.is_request {
            true => self.sent_request(seen, wrong),
            false => self.sent_response(seen),
        }
    }

    fn sent_response(&mut self, seen: &Seen) {
        let Some(key) = key(seen, true) else { return };
        if seen.method == "REFER" && seen.code == 202 {
            self.transfers.accepted(&key);
            if let Some(dialog) = self.all.get_mut(&key) {
                dialog.subscribed = true;
            }
        }
        if seen.method == "INVITE" && seen.code / 100 == 2 {
            self.transfers.answered(&key);
            let dialog =
                self.all.entry(key).or_insert_with(|| Dialog::new(seen.peer, true, Requests::default()));
            if dialog.answered.is_none() {
                dialog.answered = Some(seen.at);
                dialog.unacked = Some((seen.cseq, seen.at + BOUND));
            }
        }
    }

    fn sent_request(&mut self, seen: &Seen, wrong: &mut Vec<String>) {
        let Some(tag) = seen.from_tag.clone() else { return };
        let is_numbered = !matches!(seen.method.as_str(), "ACK" | "CANCEL");
        let Some(key) = key(seen, true) else {
            if is_numbered {
                self.outside.entry((seen.call_id.clone(), tag)).or_default().note(seen, wrong);
            }
            return;
        };
        let Some(dialog) = self.all.get_mut(&key) else { return };
        let is_new = is_numbered && dialog.requests.note(seen, wrong);
        match seen.method.as_str() {
            "ACK" => {
                // Where there is none it is of an INVITE that was refused: the transaction's matter.
                if let Some(acked) = dialog.invites.get_mut(&seen.cseq) {
                    *acked = true;
                }
            }
            "BYE" => {
                let waits = dialog.unacked.is_some_and(|(_, until)| seen.at < until);
                if waits && dialog.ended.is_none() {
                    wrong.push("no ACK of the 2xx yet (RFC 3261 §15)".to_owned());
                }
                dialog.ended.get_or_insert(seen.at);
            }
            // A subscription goes on without its call (RFC 5057 §5.1).
            "NOTIFY" if is_new => {
                let notify = Notify::of(seen);
                if !std::mem::replace(&mut dialog.subscribed, !notify.is_last) {
                    wrong.push("nobody subscribed to it, or it has ended".to_owned());
                }
                if notify.succeeded {
                    self.transfers.succeeded(&key);
                }
            }
            _ if is_new && dialog.ended.is_some() => wrong.push("the dialog has ended".to_owned()),
            _ => {}
        }
    }

    pub(super) fn restarted(&mut self) {
        self.answered_before = self.answered_calls();
        self.all.clear();
        self.outside.clear();
        self.transfers = Transfers::default();
    }

    pub(super) fn answered_calls(&self) -> usize {
        let calls = self.all.iter().filter(|(key, _)| !self.transfers.is_successor(key));
        let now = calls.filter(|(_, dialog)| dialog.is_incoming && dialog.answered.is_some());
        self.answered_before + now.count()
    }

    /// Every answered dialog has ended, and the two of a call together.
    pub(super) fn finish(&self, wrong: &mut Vec<String>) {
        let mut calls: BTreeMap<u64, Vec<(Time, &Key, &Dialog)>> = BTreeMap::new();
        for (key, dialog) in &self.all {
            let Dialog { peer, answered, ended, .. } = dialog;
            let Some(at) = answered else { continue };
            let Some(ended) = ended else {
                wrong.push(format!("the dialog {} with {peer}, answered at {at:?}, has no end", key.0));
                continue;
            };
            if dialog.invites.values().any(|acked| !acked) {
                wrong.push(format!("a 2xx of {peer} in {} was not acknowledged", key.0));
            }
            // Hung up at the moment of its answer, because another had answered before: it never was one of the two.
            let came_too_late = !dialog.is_incoming && ended == at;
            let counts = !came_too_late && !self.transfers.stood_aside(key);
            if let Some(owner) = Leg::owner_of_tag(&key.1).filter(|_| counts) {
                calls.entry(self.transfers.call_of(owner / LEGS)).or_default().push((*ended, key, dialog));
            }
        }
        for mut ends in calls.into_values() {
            ends.sort_by_key(|(at, ..)| *at);
            if let [.., (first, _, one), (last, _, other)] = ends[..]
                && last.since(first) > BOUND + MARGIN
            {
                let late = last.since(first);
                wrong.push(format!("the leg of {} outlived that of {} by {late:?}", other.peer, one.peer));
            }
        }
    }
}
