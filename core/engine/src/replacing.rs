//! Where one call meets another: a leg that is replaced by a new dialog, and two calls that a transfer joins.

use crate::Engine;
use crate::refuse::Refusal;
use tandem_call::{Replacement, Source};
use tandem_sip_dialog::Leg;
use tandem_sip_msg::{Flow, Header, Message, Replaces};
use tandem_sip_txn::ServerKey;
use tandem_time::Time;

const NO_MATCH: (u16, &str) = (481, "No Such Call");

impl Engine {
    /// An INVITE that is to take the place of a dialog (RFC 3891 §3).
    pub(crate) fn on_replaces(
        &mut self,
        key: ServerKey,
        message: Message,
        flow: Flow,
        source: Source,
        now: Time,
    ) {
        match self.leg_to_replace(&message, &source) {
            Ok((no, leg)) => {
                let replacement = Replacement { invite: key, message, flow, source };
                self.with_call(no, now, |call, ctx| call.replace(leg, replacement, ctx));
            }
            Err((code, why)) => {
                let (phrase, reason) = match code {
                    403 => ("Forbidden", "REPLACES_NOT_ALLOWED"),
                    _ => (why, "REPLACES_NO_CALL"),
                };
                let asked = (key, &message, flow, now);
                self.turn_down(asked, &source, &Refusal::new(code, phrase), reason, why.to_owned());
            }
        }
    }

    fn leg_to_replace(
        &self,
        message: &Message,
        source: &Source,
    ) -> Result<(u64, usize), (u16, &'static str)> {
        let mut values = message.headers(Header::Replaces);
        let replaces = match (values.next(), values.next()) {
            (Some(value), None) => Replaces::parse(value).ok_or((400, "Bad Replaces"))?,
            _ => return Err((400, "Several Replaces")),
        };
        let (no, leg) = self.place_of(&replaces).ok_or(NO_MATCH)?;
        let call = self.calls.get(&no).ok_or(NO_MATCH)?;
        let owner = call.owner_of(leg).ok_or(NO_MATCH)?;
        // Who may not replace a dialog learns nothing of it.
        call.replaceable(leg, &replaces).or_else(|refused| match refused {
            NO_MATCH => Err(NO_MATCH),
            refused => self.may_replace(source, &owner).and(Err(refused)),
        })?;
        self.may_replace(source, &owner)?;
        Ok((no, leg))
    }

    /// A device takes the place of one of the same extension, or of somebody who talks with it: who had it called in its own place
    /// (RFC 5589 §7). A trunk's only that trunk's, where it may transfer at all.
    fn may_replace(&self, source: &Source, owner: &Source) -> Result<(), (u16, &'static str)> {
        if !source.may_transfer() {
            return Err((403, "a trunk may not replace a call, unless its `allow_transfer` says so"));
        }
        let is_own = source.is_same(owner);
        let both_extensions = matches!((source, owner), (Source::Extension(_), Source::Extension(_)));
        let talk = || {
            self.by_id.values().filter_map(|no| self.calls.get(no)).any(|call| call.connects(source, owner))
        };
        match is_own || (both_extensions && talk()) {
            true => Ok(()),
            false => Err((403, "the call to be replaced is another's")),
        }
    }

    fn place_of(&self, replaces: &Replaces) -> Option<(u64, usize)> {
        Leg::owner_of_tag(&replaces.to_tag).map(|owner| self.places.of(owner))
    }

    /// A call is to be joined to the one that has this dialog: whoever talks there comes into it.
    pub(crate) fn join(&mut self, no: u64, replaces: &Replaces, now: Time) {
        let found = self.leg_to_join(no, replaces);
        let to = self.calls.get(&no).map(|call| call.id());
        let mut moved = None;
        if let (Ok((other, leg)), Some(to)) = (found, to) {
            self.with_call(other, now, |call, ctx| moved = call.let_go(leg, to, ctx));
        }
        let mut adopted = None;
        self.with_call(no, now, |call, ctx| match (moved, found) {
            (Some(moved), _) => adopted = call.join(moved, ctx),
            (None, refused) => call.not_found(refused.err().unwrap_or(NO_MATCH), ctx),
        });
        if let Some((owner, leg)) = adopted {
            self.places.moved(owner, (no, leg));
        }
    }

    fn leg_to_join(&mut self, no: u64, replaces: &Replaces) -> Result<(u64, usize), (u16, &'static str)> {
        let (other, leg) = self.place_of(replaces).ok_or(NO_MATCH)?;
        if other == no {
            return Err((482, "They talk to each other already"));
        }
        let seeker = self.calls.get(&no).and_then(|call| call.seeker()).cloned().ok_or(NO_MATCH)?;
        let call = self.calls.get_mut(&other).filter(|call| call.has_leg(leg)).ok_or(NO_MATCH)?;
        call.may_let_go(leg, replaces, &seeker)?;
        match (self.calls.get(&no), self.calls.get(&other)) {
            (Some(here), Some(there)) if here.fits(there, leg) => Ok((other, leg)),
            _ => Err((488, "No Common Codec")),
        }
    }
}
