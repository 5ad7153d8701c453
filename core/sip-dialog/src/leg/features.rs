//! What both ends of a leg can do beyond RFC 3261: our Allow and Supported, and the peer's.

use tandem_sip_msg::{Header, Message, Method};

/// Methods that a leg takes, for Allow.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE";

/// Extensions that a leg knows, for Supported; what a peer may name in Require.
pub const SUPPORTED: &str = "100rel, timer";

/// The same for requests whose provisional responses must not be reliable: an offer in one could not be answered, as the call has
/// nothing to answer it with before the peer has answered (RFC 3262 §5).
const SUPPORTED_PLAIN: &str = "timer";

/// What we tell a peer in Allow and Supported, by what it may do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ours {
    pub(super) transfers: bool,
    pub(super) digits: bool,
}

impl Ours {
    /// The value of Allow, in pieces.
    pub(super) fn allow(self) -> [&'static str; 3] {
        let also = |may: bool, method: &'static str| if may { method } else { "" };
        [ALLOW, also(self.transfers, ", REFER"), also(self.digits, ", INFO")]
    }

    /// The value of Supported, for messages that may have a reliable provisional response or not.
    pub(super) fn supported(self, reliable: bool) -> [&'static str; 2] {
        let plain = if reliable { SUPPORTED } else { SUPPORTED_PLAIN };
        [plain, if self.transfers { ", replaces, norefersub" } else { "" }]
    }
}

/// What a peer can do, as of the last message of its that says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Peer {
    /// It takes UPDATE (RFC 3311 §4).
    pub(super) update: bool,
    /// It answered one with 405, whatever its Allow says.
    pub(super) denied_update: bool,
    /// It knows session timers (RFC 4028).
    pub(super) timer: bool,
}

impl Peer {
    /// It does not take UPDATE after all.
    pub(super) fn deny_update(&mut self) {
        (self.update, self.denied_update) = (false, true);
    }

    /// Takes notice of Allow and Supported, where a message has them.
    pub(super) fn hear(&mut self, message: &Message) {
        if message.header(Header::Allow).is_some() {
            // Methods are told apart by case (RFC 3261 §7.1).
            let allowed = message.headers(Header::Allow).any(|method| method.trim() == "UPDATE");
            self.update = allowed && !self.denied_update;
        }
        if message.header(Header::Supported).is_some() {
            self.timer = names(message, Header::Supported, "timer");
        }
    }
}

/// Whether a list header has this option tag.
pub(super) fn names(message: &Message, header: Header, token: &str) -> bool {
    message.headers(header).any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// What of a request's Require we do not know, for Unsupported (RFC 3261 §8.2.2.3).
pub fn unsupported(request: &Message) -> Option<String> {
    // Whether the peer may do so at all is another question.
    let of_transfers: &[&str] = match request.method() {
        Method::Invite => &["replaces"],
        Method::Refer => &["replaces", "norefersub"],
        _ => &[],
    };
    let ours = || SUPPORTED.split(", ").chain(of_transfers.iter().copied());
    let known = |option: &str| ours().any(|ours| ours.eq_ignore_ascii_case(option));
    let unknown: Vec<&str> =
        request.headers(Header::Require).filter(|option| !known(option.trim())).collect();
    (!unknown.is_empty()).then(|| unknown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(headers: &str) -> Message {
        let text = format!(
            "OPTIONS sip:x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: <sip:y@10.0.0.2>;tag=1\r\nTo: <sip:x@10.0.0.1>\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n{headers}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.into()).unwrap()
    }

    #[test]
    fn what_a_peer_can_do_is_what_it_said_last() {
        let mut peer = Peer::default();
        peer.hear(&options("Allow: INVITE, update\r\nAllow: BYE\r\nk: Timer\r\n"));
        assert!(!peer.update, "methods are told apart by case (RFC 3261 §7.1)");
        peer.hear(&options("Allow: INVITE\r\nAllow: BYE, UPDATE\r\n"));
        assert!(peer.update && peer.timer);
        peer.hear(&options(""));
        assert!(peer.update && peer.timer, "silence says nothing");
        peer.hear(&options("Supported: path\r\nAllow: INVITE\r\n"));
        assert!(!peer.update && !peer.timer);
    }

    #[test]
    fn a_peer_that_refused_update_is_not_believed_again() {
        let mut peer = Peer::default();
        peer.deny_update();
        peer.hear(&options("Allow: UPDATE\r\n"));
        assert!(!peer.update);
    }

    #[test]
    fn what_is_required_and_not_known_is_named() {
        assert_eq!(unsupported(&options("")), None);
        assert_eq!(unsupported(&options("Require: 100rel, Timer\r\n")), None);
        let both = options("Require: timer, gruu\r\nRequire: path\r\n");
        assert_eq!(unsupported(&both).as_deref(), Some("gruu, path"));
    }
}
