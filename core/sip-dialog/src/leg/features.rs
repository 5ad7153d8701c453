//! What both ends of a leg can do beyond RFC 3261: our Allow and Supported, and the peer's.

use tandem_sip_msg::{Header, Message};

/// Methods that a leg takes, for Allow.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE";

/// Extensions that a leg knows, for Supported; what a peer may name in Require.
pub const SUPPORTED: &str = "100rel, timer";

/// The same for requests whose provisional responses must not be reliable: an offer in one could not be answered, as the call has
/// nothing to answer it with before the peer has answered (RFC 3262 §5).
pub(super) const SUPPORTED_PLAIN: &str = "timer";

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
            self.update = !self.denied_update && names(message, Header::Allow, "UPDATE");
        }
        if message.header(Header::Supported).is_some() {
            self.timer = names(message, Header::Supported, "timer");
        }
    }
}

/// Whether a list header has this token.
pub(super) fn names(message: &Message, header: Header, token: &str) -> bool {
    message.headers(header).any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// What of a request's Require we do not know, for Unsupported (RFC 3261 §8.2.2.3).
pub fn unsupported(request: &Message) -> Option<String> {
    let known = |option: &str| SUPPORTED.split(", ").any(|ours| ours.eq_ignore_ascii_case(option));
    let unknown: Vec<&str> =
        request.headers(Header::Require).filter(|option| !known(option.trim())).collect();
    (!unknown.is_empty()).then(|| unknown.join(", "))
}
