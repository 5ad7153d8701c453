//! Offers and answers as they look from outside (RFC 3264, RFC 6337): one offer at a time, and answers that fit.

use super::Seen;
use super::sdp::Description;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Call-ID, the server's tag, and the peer's.
type Key = (String, String, String);

#[derive(Default)]
pub(super) struct Offers {
    dialogs: BTreeMap<Key, Dialog>,
    /// INVITEs of the server that open dialogs, by Call-ID, tag and CSeq: their offers.
    invites: BTreeMap<(String, String, u32), Option<Bytes>>,
    /// INVITEs to the server that do, by Call-ID, the peer's tag and CSeq.
    invited: BTreeMap<(String, String, u32), Option<Bytes>>,
    /// What the server last said of itself, by Call-ID and tag.
    said: BTreeMap<(String, String), Bytes>,
    /// Requests that came before anybody could know their dialog: refused, and copies of them are refused again.
    too_early: BTreeSet<(Key, String, u32)>,
}

#[derive(Default)]
struct Dialog {
    open: Open,
    /// INVITEs whose offer was answered before their final response, or is answered in it; by whom they were sent.
    done: Vec<(bool, String, u32)>,
    /// Requests seen, so that copies are told from new ones.
    requests: Vec<(bool, String, u32)>,
    /// An offer was acknowledged without an answer.
    owes_bye: bool,
    /// One side has said BYE.
    is_over: bool,
}

/// The offer that has no answer yet.
#[derive(Default)]
enum Open {
    #[default]
    None,
    /// Of the server, in its request or in a response to the peer's.
    Ours { in_request: bool, method: String, cseq: u32 },
    /// Of the peer, likewise.
    Theirs { in_request: bool, method: String, cseq: u32, offer: Bytes },
}

fn key(seen: &Seen, sent: bool) -> Option<Key> {
    let (from, to) = (seen.from_tag.clone()?, seen.to_tag.clone()?);
    let (ours, theirs) = if sent == seen.is_request { (from, to) } else { (to, from) };
    Some((seen.call_id.clone(), ours, theirs))
}

fn may_offer(method: &str) -> bool {
    matches!(method, "INVITE" | "UPDATE" | "PRACK")
}

impl Dialog {
    /// Whether a request is new here.
    fn is_new(&mut self, by_us: bool, seen: &Seen) -> bool {
        let id = (by_us, seen.method.clone(), seen.cseq);
        let is_new = !self.requests.contains(&id);
        if is_new {
            self.requests.push(id);
        }
        is_new
    }

    fn is_done(&self, by_us: bool, seen: &Seen) -> bool {
        self.done
            .iter()
            .any(|(ours, method, cseq)| (*ours, method, *cseq) == (by_us, &seen.method, seen.cseq))
    }

    fn settle(&mut self, by_us: bool, seen: &Seen) {
        self.open = Open::None;
        self.done.push((by_us, seen.method.clone(), seen.cseq));
    }
}

impl Offers {
    pub(super) fn sent(&mut self, seen: &Seen, wrong: &mut Vec<String>) {
        if !may_offer(&seen.method) && !matches!(seen.method.as_str(), "ACK" | "BYE") {
            return;
        }
        self.check_version(seen, wrong);
        match seen.is_request {
            true => self.sent_request(seen, wrong),
            false => self.sent_response(seen, wrong),
        }
    }

    /// What the server says of itself has a new version whenever it is not what it said before (RFC 3264 §8).
    fn check_version(&mut self, seen: &Seen, wrong: &mut Vec<String>) {
        let tag = if seen.is_request { &seen.from_tag } else { &seen.to_tag };
        let (Some(tag), Some(sdp)) = (tag, &seen.sdp) else { return };
        let now = match Description::read(sdp) {
            Ok(now) => now,
            Err(why) => return wrong.push(why),
        };
        let Some(before) = self.said.insert((seen.call_id.clone(), tag.clone()), sdp.clone()) else { return };
        let Ok(then) = Description::read(&before) else { return };
        if now.origin.0 != then.origin.0 {
            wrong.push("its SDP is of another session than before".to_owned());
        } else if now.origin.1 < then.origin.1 || (now.origin.1 == then.origin.1 && before != *sdp) {
            wrong.push("its SDP has changed and its version has not".to_owned());
        }
    }

    fn sent_request(&mut self, seen: &Seen, wrong: &mut Vec<String>) {
        let Some(key) = key(seen, true) else {
            if let Some(tag) = seen.from_tag.clone().filter(|_| seen.method == "INVITE") {
                self.invites.insert((seen.call_id.clone(), tag, seen.cseq), seen.sdp.clone());
            }
            return;
        };
        let Some(dialog) = self.dialogs.get_mut(&key) else { return };
        dialog.is_over |= seen.method == "BYE";
        if std::mem::take(&mut dialog.owes_bye) && !dialog.is_over {
            wrong.push("the ACK before had no answer to an offer, and the call goes on".to_owned());
        }
        if seen.method == "ACK" {
            return sent_ack(dialog, seen, wrong);
        }
        if !dialog.is_new(true, seen) {
            return;
        }
        let answers_reliable =
            matches!(&dialog.open, Open::Theirs { in_request: false, .. }) && seen.method == "PRACK";
        match (&dialog.open, &seen.sdp) {
            (Open::Theirs { offer, .. }, sdp) if answers_reliable => {
                answer(sdp.as_ref(), offer, wrong);
                dialog.open = Open::None;
            }
            (Open::None, Some(_)) => {
                dialog.open = Open::Ours { in_request: true, method: seen.method.clone(), cseq: seen.cseq };
            }
            (Open::Ours { .. }, Some(_)) => wrong.push("our offer before has no answer yet".to_owned()),
            (Open::Theirs { .. }, Some(_)) => {
                wrong.push("the offer of the peer has no answer yet".to_owned())
            }
            // RFC 3261 §14.1: no INVITE while another has no final response, offer or none.
            (_, None) => {}
        }
    }

    fn sent_response(&mut self, seen: &Seen, wrong: &mut Vec<String>) {
        let Some(key) = key(seen, true) else { return };
        let invited = self.invited.get(&(key.0.clone(), key.2.clone(), seen.cseq)).cloned();
        let dialog = match invited.filter(|_| seen.method == "INVITE") {
            Some(offer) => self.dialogs.entry(key).or_insert_with(|| Dialog {
                open: offer.map_or(Open::None, |offer| Open::Theirs {
                    in_request: true,
                    method: seen.method.clone(),
                    cseq: seen.cseq,
                    offer,
                }),
                ..Dialog::default()
            }),
            None => match self.dialogs.get_mut(&key) {
                Some(dialog) => dialog,
                None => return,
            },
        };
        let asked = match &dialog.open {
            Open::Theirs { in_request: true, method, cseq, offer }
                if (method, *cseq) == (&seen.method, seen.cseq) =>
            {
                Some(offer.clone())
            }
            _ => None,
        };
        match (asked, &seen.sdp) {
            (Some(offer), sdp) if seen.is_reliable && (seen.is_final() || sdp.is_some()) => {
                answer(sdp.as_ref(), &offer, wrong);
                dialog.settle(false, seen);
            }
            (Some(offer), Some(sdp)) => answer(Some(sdp), &offer, wrong),
            (Some(_), None) if seen.code >= 300 => dialog.open = Open::None,
            (None, Some(_)) if seen.is_reliable && !dialog.is_done(false, seen) => {
                match (&dialog.open, seen.method.as_str()) {
                    (Open::None, "INVITE") => {
                        dialog.settle(false, seen);
                        dialog.open =
                            Open::Ours { in_request: false, method: seen.method.clone(), cseq: seen.cseq };
                    }
                    (Open::None, _) => wrong.push("its SDP answers no offer".to_owned()),
                    (Open::Ours { .. }, _) => wrong.push("our offer before has no answer yet".to_owned()),
                    (Open::Theirs { .. }, _) => {
                        wrong.push("another offer of the peer has no answer yet".to_owned())
                    }
                }
            }
            _ => {}
        }
    }

    pub(super) fn received(&mut self, seen: &Seen) {
        match seen.is_request {
            true => self.received_request(seen),
            false => self.received_response(seen),
        }
    }

    fn received_request(&mut self, seen: &Seen) {
        let Some(key) = key(seen, false) else {
            if let Some(tag) = seen.from_tag.clone().filter(|_| seen.method == "INVITE") {
                self.invited.entry((seen.call_id.clone(), tag, seen.cseq)).or_insert(seen.sdp.clone());
            }
            return;
        };
        let id = (key, seen.method.clone(), seen.cseq);
        let Some(dialog) = self.dialogs.get_mut(&id.0).filter(|_| !self.too_early.contains(&id)) else {
            self.too_early.insert(id);
            return;
        };
        dialog.is_over |= seen.method == "BYE";
        if seen.method == "ACK" {
            if matches!(&dialog.open, Open::Ours { in_request: false, cseq, .. } if *cseq == seen.cseq) {
                dialog.open = Open::None;
            }
            return;
        }
        if !may_offer(&seen.method) || !dialog.is_new(false, seen) {
            return;
        }
        match (&dialog.open, &seen.sdp) {
            (Open::Ours { in_request: false, .. }, _) if seen.method == "PRACK" => dialog.open = Open::None,
            (Open::None, Some(offer)) => {
                let (method, cseq, offer) = (seen.method.clone(), seen.cseq, offer.clone());
                dialog.open = Open::Theirs { in_request: true, method, cseq, offer };
            }
            // A second offer: to be refused, which leaves what is open as it is.
            _ => {}
        }
    }

    fn received_response(&mut self, seen: &Seen) {
        let Some(key) = key(seen, false) else { return };
        let invite = self.invites.get(&(key.0.clone(), key.1.clone(), seen.cseq));
        if let Some(offer) = invite.filter(|_| seen.method == "INVITE") {
            let open = match offer {
                Some(_) => Open::Ours { in_request: true, method: seen.method.clone(), cseq: seen.cseq },
                None => Open::None,
            };
            self.dialogs.entry(key.clone()).or_insert_with(|| Dialog { open, ..Dialog::default() });
        }
        let Some(dialog) = self.dialogs.get_mut(&key) else { return };
        let ours = matches!(&dialog.open, Open::Ours { in_request: true, method, cseq }
            if (method, *cseq) == (&seen.method, seen.cseq));
        if ours && (seen.is_final() || (seen.is_reliable && seen.sdp.is_some())) {
            dialog.settle(true, seen);
        } else if !ours
            && seen.is_reliable
            && seen.method == "INVITE"
            && !dialog.is_done(true, seen)
            && matches!(dialog.open, Open::None)
            && let Some(offer) = &seen.sdp
        {
            dialog.settle(true, seen);
            let (method, cseq, offer) = (seen.method.clone(), seen.cseq, offer.clone());
            dialog.open = Open::Theirs { in_request: false, method, cseq, offer };
        }
    }
}

fn sent_ack(dialog: &mut Dialog, seen: &Seen, wrong: &mut Vec<String>) {
    match &dialog.open {
        Open::Theirs { in_request: false, cseq, offer, .. } if *cseq == seen.cseq => {
            // Without an answer only because a BYE follows it.
            match &seen.sdp {
                Some(sdp) => answer(Some(sdp), offer, wrong),
                None => dialog.owes_bye = true,
            }
            dialog.open = Open::None;
            dialog.done.push((true, "ACK".to_owned(), seen.cseq));
        }
        _ if seen.sdp.is_some() && !dialog.done.contains(&(true, "ACK".to_owned(), seen.cseq)) => {
            wrong.push("its SDP answers no offer".to_owned());
        }
        _ => {}
    }
}

fn answer(sdp: Option<&Bytes>, offer: &Bytes, wrong: &mut Vec<String>) {
    let Some(sdp) = sdp else { return wrong.push("the offer has no answer in it".to_owned()) };
    // An offer that makes no sense may be answered with anything.
    if let (Ok(ours), Ok(theirs)) = (Description::read(sdp), Description::read(offer))
        && let Err(why) = ours.answers(&theirs)
    {
        wrong.push(format!("its answer does not fit the offer: {why}"));
    }
}
