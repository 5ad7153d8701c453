//! Somebody who sees every signalling message that the server sends and gets, knows the RFCs and nothing of the server's inside,
//! and complains.

mod dialogs;
mod form;
mod hiding;
mod offers;
mod sdp;
mod sheet;
mod transactions;
mod transfers;

use bytes::Bytes;
use dialogs::Dialogs;
use hiding::Hiding;
use offers::Offers;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use tandem_sip_msg::{Header, Message, ParseError, Transport};
use tandem_time::Time;
use transactions::Transactions;

/// More complaints than this say nothing new.
const ENOUGH: usize = 5;

/// The observer.
#[derive(Default)]
pub struct Observer {
    transactions: Transactions,
    dialogs: Dialogs,
    offers: Offers,
    hiding: Hiding,
    complaints: Vec<String>,
    /// Hashes of all that the server sent, so that copies are known.
    sent: BTreeSet<u64>,
    /// Media goes directly between the two sides of a call: each is told the addresses of the other.
    pub direct_media: bool,
}

/// What is looked at in a message.
pub(crate) struct Seen {
    pub(crate) at: Time,
    /// The other end.
    pub(crate) peer: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) is_request: bool,
    pub(crate) method: String,
    /// 0 for a request.
    pub(crate) code: u16,
    pub(crate) call_id: String,
    pub(crate) from_tag: Option<String>,
    pub(crate) to_tag: Option<String>,
    pub(crate) cseq: u32,
    pub(crate) branch: String,
    pub(crate) sent_by: String,
    pub(crate) sdp: Option<Bytes>,
    /// A provisional response that is acknowledged (RFC 3262).
    pub(crate) is_reliable: bool,
    /// A refusal of the server itself and not of a call: nothing is remembered of it (RFC 3261 §8.2.7).
    pub(crate) is_forgotten: bool,
    pub(crate) bytes: Bytes,
}

impl Seen {
    fn of(message: &Message, at: Time, peer: SocketAddr, transport: Transport) -> Seen {
        let via = message.top_via();
        let code = message.code().unwrap_or(0);
        let is_sdp = message.content_type().is_some_and(|kind| kind.starts_with("application/sdp"));
        Seen {
            at,
            peer,
            transport,
            is_request: message.is_request(),
            method: message.method_name().to_owned(),
            code,
            call_id: message.call_id().to_owned(),
            from_tag: message.from_tag().map(str::to_owned),
            to_tag: message.to_tag().map(str::to_owned),
            cseq: message.cseq(),
            branch: via.branch().unwrap_or_default().to_owned(),
            sent_by: format!("{:?}:{:?}", via.host(), via.port()),
            sdp: (is_sdp && !message.body().is_empty()).then(|| message.body_bytes()),
            is_reliable: code / 100 == 2
                || (code > 100 && message.headers(Header::Require).any(|value| value == "100rel")),
            is_forgotten: code >= 300 && message.header(Header::Server).is_some(),
            bytes: message.as_bytes().clone(),
        }
    }

    /// `INVITE`, or `200 [INVITE]`.
    pub(crate) fn what(&self) -> String {
        match self.is_request {
            true => self.method.clone(),
            false => format!("{} [{}]", self.code, self.method),
        }
    }

    pub(crate) fn is_final(&self) -> bool {
        self.code >= 200
    }
}

impl Observer {
    /// Somebody with this address is on the network.
    pub fn meet(&mut self, ip: IpAddr) {
        self.hiding.meet(ip);
    }

    /// The server sends.
    pub fn sent(&mut self, at: Time, peer: SocketAddr, transport: Transport, bytes: &Bytes) {
        if self.complaints.len() >= ENOUGH {
            return;
        }
        let mut wrong = Vec::new();
        if let Err(why) = form::check(bytes, transport) {
            wrong.push(why);
        }
        if let Ok(message) = Message::parse(bytes.clone()) {
            let seen = Seen::of(&message, at, peer, transport);
            self.transactions.sent(&seen, &mut wrong);
            if self.sent.insert(hash(bytes)) {
                self.dialogs.sent(&seen, &mut wrong);
                self.offers.sent(&seen, &mut wrong);
            }
            if !self.direct_media {
                self.hiding.sent(&seen, &mut wrong);
            }
            let what = seen.what();
            self.complaints.extend(wrong.into_iter().map(|why| format!("{at:?}, {what} to {peer}: {why}")));
        } else {
            wrong.push("it is no SIP message".to_owned());
            self.complaints.extend(wrong.into_iter().map(|why| format!("{at:?}, sent to {peer}: {why}")));
        }
    }

    /// The server gets something, as it comes out of the network.
    pub fn received(&mut self, at: Time, peer: SocketAddr, transport: Transport, bytes: &Bytes) {
        let message = match Message::parse(bytes.clone()) {
            Ok(message) => message,
            Err(ParseError::Refuse { message, .. }) => {
                return self.transactions.spoil(&Seen::of(&message, at, peer, transport));
            }
            Err(ParseError::Junk(_)) => return,
        };
        let seen = Seen::of(&message, at, peer, transport);
        if !seen.is_request && self.transactions.is_too_late(&seen) {
            // At the very moment it may just have been in time, and is acknowledged then.
            if seen.code >= 300 {
                self.transactions.received(&seen);
            }
            return;
        }
        self.transactions.received(&seen);
        self.dialogs.received(&seen);
        self.offers.received(&seen);
        self.hiding.received(&seen);
    }

    /// The server is told that nobody is there.
    pub fn unreachable(&mut self, at: Time, peer: SocketAddr) {
        self.transactions.unreachable(peer, at);
    }

    /// The server died and was started again: it knows nothing of what was.
    pub fn restarted(&mut self) {
        self.transactions = Transactions::default();
        self.dialogs.restarted();
        self.offers = Offers::default();
    }

    /// Calls that somebody was told are answered: the INVITEs to the server that got a 2xx.
    pub fn answered_calls(&self) -> usize {
        self.dialogs.answered_calls()
    }

    /// Everything that was wrong, now that all is over.
    pub fn complaints(&self) -> Vec<String> {
        let mut all = self.complaints.clone();
        self.dialogs.finish(&mut all);
        all
    }
}

fn hash(bytes: &Bytes) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
