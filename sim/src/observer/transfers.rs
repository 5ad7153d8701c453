//! Transfers as they look from outside (RFC 3515, RFC 3891): which dialogs may end while their call goes on, and which calls became
//! one.

use super::Seen;
use super::dialogs::Key;
use std::collections::{BTreeMap, BTreeSet};
use tandem_call::LEGS;
use tandem_sip_dialog::Leg;
use tandem_sip_msg::{Header, Message, NameAddr, Replaces};

#[derive(Default)]
pub(super) struct Transfers {
    /// Who asked for a transfer last, and the other dialog that was named.
    asked: BTreeMap<Key, Option<Key>>,
    /// INVITEs that are to replace a dialog, by Call-ID and tag.
    replacing: BTreeMap<(String, String), Key>,
    aside: BTreeSet<Key>,
    /// Dialogs that took the place of another one.
    successors: BTreeSet<Key>,
    /// Calls that went into another one.
    joined: BTreeMap<u64, u64>,
}

/// What a NOTIFY says.
pub(super) struct Notify {
    pub(super) is_last: bool,
    pub(super) succeeded: bool,
}

impl Notify {
    pub(super) fn of(seen: &Seen) -> Notify {
        let message = Message::parse(seen.bytes.clone()).ok();
        let state = message.as_ref().and_then(|message| message.header_named("Subscription-State"));
        let is_last = state.is_some_and(|state| state.starts_with("terminated"));
        let fragment = message.as_ref().map(Message::body).unwrap_or_default();
        Notify { is_last, succeeded: is_last && fragment.starts_with(b"SIP/2.0 2") }
    }
}

/// The dialog that a REFER names in its Refer-To.
pub(super) fn replaced_by(refer: &Seen) -> Option<Key> {
    let message = Message::parse(refer.bytes.clone()).ok()?;
    let uri = NameAddr::parse(message.header(Header::ReferTo)?)?.uri();
    uri.embedded("Replaces").next().and_then(|value| named(&value))
}

/// Call-ID, the server's tag, the peer's.
fn named(value: &str) -> Option<Key> {
    let Replaces { call_id, to_tag, from_tag, .. } = Replaces::parse(value)?;
    Some((call_id, to_tag, from_tag))
}

impl Transfers {
    pub(super) fn called(&mut self, invite: &Seen) {
        let value = Message::parse(invite.bytes.clone()).ok();
        let replaced = value.and_then(|message| named(message.header(Header::Replaces)?));
        if let (Some(replaced), Some(tag)) = (replaced, invite.from_tag.clone()) {
            self.replacing.insert((invite.call_id.clone(), tag), replaced);
        }
    }

    pub(super) fn asked(&mut self, by: Key, named: Option<Key>) {
        self.asked.insert(by, named);
    }

    pub(super) fn answered(&mut self, key: &Key) {
        if let Some(replaced) = self.replacing.remove(&(key.0.clone(), key.2.clone())) {
            self.aside.insert(replaced);
            self.successors.insert(key.clone());
        }
    }

    /// Whoever transfers may leave, with both of its dialogs.
    pub(super) fn accepted(&mut self, by: &Key) {
        self.aside.insert(by.clone());
        self.aside.extend(self.asked.get(by).cloned().flatten());
    }

    /// Those who are left belong together.
    pub(super) fn succeeded(&mut self, by: &Key) {
        let call = |key: &Key| Leg::owner_of_tag(&key.1).map(|owner| owner / LEGS);
        let other = self.asked.get(by).cloned().flatten();
        if let (Some(one), Some(other)) = (call(by), other.as_ref().and_then(call)) {
            let (one, other) = (self.call_of(one), self.call_of(other));
            if one != other {
                self.joined.insert(other, one);
            }
        }
    }

    /// Whether a dialog began no call of its own, but went on with another.
    pub(super) fn is_successor(&self, key: &Key) -> bool {
        self.successors.contains(key)
    }

    pub(super) fn stood_aside(&self, key: &Key) -> bool {
        self.aside.contains(key)
    }

    pub(super) fn call_of(&self, mut call: u64) -> u64 {
        while let Some(into) = self.joined.get(&call) {
            call = *into;
        }
        call
    }
}
