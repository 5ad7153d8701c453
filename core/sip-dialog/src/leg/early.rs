//! Early dialogs: the branches of our INVITE that were heard of, each with its own tag, route set, CSeq and RSeq, and the PRACKs
//! that they get (RFC 3261 §12.1.2, RFC 3262 §4).

use super::features::{Peer, names};
use super::{Leg, LegEvent, MAX_FORKS, Place, State, sdp_of};
use crate::{Dialog, Sip};
use bytes::Bytes;
use tandem_sip_msg::{Flow, Header, Message, Method};
use tandem_sip_txn::ClientKey;

/// PRACKs that may be under way at once.
const MAX_PRACKS: usize = 16;

/// One branch.
pub(super) struct Early {
    pub(super) dialog: Dialog,
    pub(super) peer: Peer,
    /// RSeq of the last reliable response in order.
    rseq: Option<u32>,
    /// Its latest SDP, for a 2xx that has none.
    pub(super) sdp: Option<Bytes>,
    /// Our offer was answered in a reliable response.
    pub(super) answered: bool,
}

/// A PRACK under way.
pub(super) struct Prack {
    pub(super) key: ClientKey,
    /// The peer's tag in its dialog.
    tag: String,
    rack: String,
}

impl Leg {
    /// A provisional response to our INVITE.
    pub(super) fn provisional(&mut self, message: &Message, code: u16, flow: Flow, sip: &mut Sip) {
        let State::Calling(calling) = &self.state else { return };
        let (cancelled, offered) = (calling.is_cancelled(), calling.has_offer());
        let body = sdp_of(message);
        if let Some(tag) = message.to_tag().filter(|_| code > 100) {
            let Some(n) = self.branch(tag, message, flow) else { return };
            if offered && names(message, Header::Require, "100rel") {
                if !self.acknowledge_reliable(n, message, sip) {
                    return;
                }
                self.early[n].answered |= body.is_some();
            }
            let early = &mut self.early[n];
            early.peer.hear(message);
            if body.is_some() {
                early.sdp = body.clone();
            }
        }
        if !cancelled {
            self.events.push_back(LegEvent::Progress { code, body });
        }
    }

    /// The branch with this tag, found or begun; `None` when there are more than anybody rings.
    fn branch(&mut self, tag: &str, message: &Message, flow: Flow) -> Option<usize> {
        let known = self.early.iter().position(|early| early.dialog.remote_tag.as_deref() == Some(tag));
        if let Some(n) = known {
            self.early[n].dialog.refresh_target(message, flow);
            return Some(n);
        }
        if self.early.len() >= MAX_FORKS {
            return None;
        }
        let mut dialog = self.dialog.clone();
        dialog.establish(message, flow);
        self.early.push(Early { dialog, peer: self.peer, rseq: None, sdp: None, answered: false });
        Some(self.early.len() - 1)
    }

    /// PRACK for a reliable response that is the next in order; `false` for one that came before or too soon (RFC 3262 §4).
    fn acknowledge_reliable(&mut self, n: usize, message: &Message, sip: &mut Sip) -> bool {
        let rseq = message.header(Header::RSeq).and_then(|rseq| rseq.trim().parse::<u32>().ok());
        let Some(rseq) = rseq.filter(|_| self.pracks.len() < MAX_PRACKS) else { return false };
        let early = &mut self.early[n];
        if early.rseq.is_some_and(|last| last.wrapping_add(1) != rseq) {
            return false;
        }
        early.rseq = Some(rseq);
        let tag = early.dialog.remote_tag.clone().unwrap_or_default();
        self.send_prack(tag, format!("{rseq} {} INVITE", message.cseq()), None, sip);
        true
    }

    fn send_prack(
        &mut self,
        tag: String,
        rack: String,
        credentials: Option<(Header, String)>,
        sip: &mut Sip,
    ) {
        let owner = self.owner;
        let Some(dialog) = self.dialog_of(Some(&tag)) else { return };
        let mut w = dialog.request(Method::Prack);
        w.header(Header::RAck, &rack);
        if let Some((name, value)) = credentials {
            w.header(name, value);
        }
        let key = sip.txn.request(w.finish(), dialog.flow, owner, sip.rng, sip.now);
        sip.txn.insist(key);
        self.pracks.push(Prack { key, tag, rack });
    }

    /// A final response to a PRACK. What a refusal means for the call is the peer's to say, in its response to the INVITE.
    pub(super) fn prack_response(&mut self, n: usize, message: &Message, sip: &mut Sip) {
        if message.code().is_none_or(|code| code < 200) {
            return;
        }
        let Prack { tag, rack, .. } = self.pracks.swap_remove(n);
        match message.code() {
            Some(200..=299) => {
                if let Some(digest) = &mut self.digest {
                    digest.accepted();
                }
            }
            Some(401 | 407) => {
                if let Some(credentials) = self.answer_to(message, Method::Prack, Some(&tag), sip) {
                    self.send_prack(tag, rack, Some(credentials), sip);
                }
            }
            _ => {}
        }
    }

    /// The dialog that a message of the peer is within.
    pub(super) fn place_of(&self, message: &Message) -> Option<Place> {
        if self.dialog.owns(message) {
            return Some(Place::Own);
        }
        let early = self.early.iter().position(|early| early.dialog.owns(message));
        early.filter(|_| matches!(self.state, State::Calling(_))).map(Place::Early)
    }

    pub(super) fn dialog_at(&mut self, place: Place) -> &mut Dialog {
        match place {
            Place::Own => &mut self.dialog,
            Place::Early(n) => &mut self.early[n].dialog,
        }
    }

    pub(super) fn peer_at(&mut self, place: Place) -> &mut Peer {
        match place {
            Place::Own => &mut self.peer,
            Place::Early(n) => &mut self.early[n].peer,
        }
    }

    /// The dialog with a peer of this tag; without one the leg's own.
    pub(super) fn dialog_of(&mut self, tag: Option<&str>) -> Option<&mut Dialog> {
        if tag.is_none() || self.dialog.remote_tag.as_deref() == tag {
            return Some(&mut self.dialog);
        }
        let mut all = self.early.iter_mut().map(|early| &mut early.dialog);
        all.find(|dialog| dialog.remote_tag.as_deref() == tag)
    }
}
