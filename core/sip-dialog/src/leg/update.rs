//! UPDATE as it comes: a refresh, or an offer outside of any INVITE (RFC 3311 §5.2).

use super::change::Change;
use super::{Leg, LegEvent, Place, State, sdp_of};
use crate::Sip;
use tandem_sip_msg::{Flow, Message, Method};
use tandem_sip_txn::ServerKey;

/// Whether an offer of the peer may come now.
enum OfferState {
    /// Every offer has its answer.
    Complete,
    /// One of ours has none.
    OursOpen,
    /// One of theirs has none.
    TheirsOpen,
}

impl Leg {
    pub(super) fn on_update(
        &mut self,
        place: Place,
        key: ServerKey,
        message: &Message,
        flow: Flow,
        sip: &mut Sip,
    ) {
        if matches!(self.state, State::Closing { .. }) {
            return self.reply(key, message, 481, "Call Is Ending", sip);
        }
        if matches!(self.change, Change::Asking { method: Method::Update, .. }) {
            return self.reply_retry_later(key, message, sip);
        }
        let body = sdp_of(message);
        if body.is_some() {
            match self.offer_state(place) {
                OfferState::Complete => {}
                OfferState::OursOpen => return self.reply(key, message, 491, "Request Pending", sip),
                OfferState::TheirsOpen => return self.reply_retry_later(key, message, sip),
            }
        }
        if self.refuse_brief_session(key, message, sip) {
            return;
        }
        self.dialog_at(place).refresh_target(message, flow);
        self.peer_at(place).hear(message);
        sip.txn.own(key, self.owner);
        match body {
            None => drop(self.accept(key, None, sip)),
            Some(body) => {
                self.change = Change::Asking { key, cseq: message.cseq(), method: Method::Update };
                self.events.push_back(LegEvent::ChangeAsked { body: Some(body), by: Method::Update });
            }
        }
    }

    fn offer_state(&self, place: Place) -> OfferState {
        match (&self.change, &self.state) {
            (Change::Asked { .. }, _) => OfferState::OursOpen,
            (Change::Answering { .. } | Change::Asking { .. } | Change::Accepted(_), _) => {
                OfferState::TheirsOpen
            }
            (Change::None, State::Calling(_)) => match place {
                Place::Early(n) if self.early[n].answered => OfferState::Complete,
                _ => OfferState::OursOpen,
            },
            (Change::None, State::Incoming { .. }) if self.reliable.is_answered() => OfferState::Complete,
            (Change::None, State::Incoming { .. } | State::Answering { .. } | State::Accepted(_)) => {
                OfferState::TheirsOpen
            }
            (Change::None, State::Confirmed | State::Closing { .. } | State::Gone) => OfferState::Complete,
        }
    }

    /// Whether an offer of ours may go out in an UPDATE now: the peer takes that, and every offer so far has its answer.
    pub fn can_update(&self) -> bool {
        let complete = match &self.state {
            State::Confirmed => self.peer.update,
            State::Incoming { answer: None, .. } => self.peer.update && self.reliable.is_settled(),
            // Of several branches none is the one.
            State::Calling(_) => {
                matches!(self.early.as_slice(), [only] if only.answered && only.peer.update)
            }
            _ => false,
        };
        complete && matches!(self.change, Change::None)
    }
}
