//! SIP messages of calls over trunks, kept while it is not known yet whether anybody will want them.

use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tandem_doctor::masked;
use tandem_model::{CallId, CallRecord, Capture, Captured, CapturedMessage, Outcome, Trunk, TrunkId};
use tandem_sip_msg::Flow;
use tandem_time::Time;

/// Messages of one call over one trunk, at most; what comes later is not kept.
const MOST: usize = 64;
/// Bytes of all calls together, at most.
const ROOM: usize = 64 * 1024 * 1024;
/// How long the last messages of a call may take, as the ACK of a failure.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// What is kept of calls under way.
#[derive(Default)]
pub(crate) struct Captures {
    /// By the SIP Call-ID of the leg.
    reels: BTreeMap<Box<str>, Reel>,
    /// The legs of each call by its number, those that nothing is kept of as well.
    calls: BTreeMap<u64, Legs>,
    /// Calls that nothing is left of, and until when messages are waited for.
    leaving: VecDeque<(Time, u64)>,
    bytes: usize,
}

#[derive(Default)]
struct Legs {
    /// Attempts that were looked at.
    seen: usize,
    call_ids: Vec<Box<str>>,
}

struct Reel {
    trunk: TrunkId,
    mode: Capture,
    /// The trunk called us.
    is_caller: bool,
    messages: Vec<Caught>,
    /// The call is over, and this is to be kept of it.
    of: Option<CallId>,
}

struct Caught {
    at: Time,
    sent: bool,
    flow: Flow,
    bytes: Bytes,
}

impl Captures {
    /// Whether nothing is to be caught.
    pub(crate) fn is_idle(&self) -> bool {
        self.reels.is_empty()
    }

    /// How many attempts of a call were looked at.
    pub(crate) fn seen(&self, no: u64) -> usize {
        self.calls.get(&no).map_or(0, |legs| legs.seen)
    }

    /// A trunk calls.
    pub(crate) fn called_by(&mut self, no: u64, trunk: &Trunk, call_id: &str) {
        self.begin(no, trunk, call_id, true);
    }

    /// A trunk is called, or, where there is none, somebody else.
    pub(crate) fn calls(&mut self, no: u64, trunk: Option<&Trunk>, call_id: &str) {
        self.calls.entry(no).or_default().seen += 1;
        if let Some(trunk) = trunk {
            self.begin(no, trunk, call_id, false);
        }
    }

    fn begin(&mut self, no: u64, trunk: &Trunk, call_id: &str, is_caller: bool) {
        if trunk.capture == Capture::Off || self.bytes >= ROOM {
            return;
        }
        let reel = Reel { trunk: trunk.id, mode: trunk.capture, is_caller, messages: Vec::new(), of: None };
        self.reels.insert(call_id.into(), reel);
        self.calls.entry(no).or_default().call_ids.push(call_id.into());
    }

    /// A message of a call, perhaps.
    pub(crate) fn catch(&mut self, call_id: &str, sent: bool, flow: Flow, bytes: &Bytes, now: Time) {
        let Some(reel) = self.reels.get_mut(call_id) else { return };
        if reel.messages.len() < MOST && self.bytes < ROOM {
            self.bytes += bytes.len();
            // What came is part of a larger buffer, which is not to be held.
            let bytes = Bytes::copy_from_slice(bytes);
            reel.messages.push(Caught { at: now, sent, flow, bytes });
        }
    }

    /// A call was answered: what is kept for failures only is not needed of those who talk.
    pub(crate) fn answered(&mut self, no: u64, record: &CallRecord) {
        self.drop_unless(no, |reel| {
            let talks = match reel.is_caller {
                true => true,
                false => record
                    .attempts
                    .iter()
                    .any(|attempt| attempt.trunk_id == Some(reel.trunk) && attempt.answered_at.is_some()),
            };
            reel.mode != Capture::OnFailure || !talks
        });
    }

    /// A call is over. What is to be kept of it comes with [`Captures::poll`], some time after the call is gone.
    pub(crate) fn over(&mut self, no: u64, record: &CallRecord) {
        self.drop_unless(no, |reel| {
            let has_failed = match reel.is_caller {
                true => record.outcome == Outcome::Failed,
                false => record
                    .attempts
                    .iter()
                    .any(|attempt| attempt.trunk_id == Some(reel.trunk) && is_failure(attempt.code)),
            };
            reel.of = Some(record.id);
            reel.mode != Capture::OnFailure || has_failed
        });
    }

    fn drop_unless(&mut self, no: u64, mut keeps: impl FnMut(&mut Reel) -> bool) {
        let Some(legs) = self.calls.get_mut(&no) else { return };
        let (reels, bytes) = (&mut self.reels, &mut self.bytes);
        legs.call_ids.retain(|call_id| {
            let keep = reels.get_mut(call_id).is_some_and(&mut keeps);
            if !keep && let Some(reel) = reels.remove(call_id) {
                *bytes -= reel.size();
            }
            keep
        });
    }

    /// Nothing of a call is left.
    pub(crate) fn gone(&mut self, no: u64, now: Time) {
        match self.calls.get(&no) {
            Some(legs) if legs.call_ids.is_empty() => drop(self.calls.remove(&no)),
            Some(_) => self.leaving.push_back((now + STRAGGLERS, no)),
            None => {}
        }
    }

    /// When [`Captures::poll`] has something next.
    pub(crate) fn due(&self) -> Option<Time> {
        self.leaving.front().map(|(due, _)| *due)
    }

    /// What is kept of a call that is gone for long enough.
    pub(crate) fn poll(&mut self, now: Time) -> Vec<Captured> {
        let Some((_, no)) = self.leaving.pop_front_if(|(due, _)| *due <= now) else { return Vec::new() };
        let legs = self.calls.remove(&no).unwrap_or_default();
        let reels = legs.call_ids.iter().filter_map(|call_id| self.reels.remove(call_id));
        let mut taken = Vec::new();
        for reel in reels {
            self.bytes -= reel.size();
            taken.extend(reel.develop());
        }
        taken
    }
}

/// A busy line, a decline and a caller who gave up are none.
fn is_failure(code: u16) -> bool {
    code >= 400 && !matches!(code, 486 | 487 | 600 | 603)
}

impl Reel {
    fn size(&self) -> usize {
        self.messages.iter().map(|caught| caught.bytes.len()).sum()
    }

    fn develop(self) -> Option<Captured> {
        let message = |caught: Caught| CapturedMessage {
            at: caught.at.as_millis(),
            trunk_id: self.trunk,
            sent: caught.sent,
            peer: format!("{}:{}", caught.flow.transport.param_name(), caught.flow.remote),
            text: masked(&caught.bytes),
        };
        let (call, trunk, mode) = (self.of?, self.trunk, self.mode);
        Some(Captured { call, trunk, mode, messages: self.messages.into_iter().map(message).collect() })
    }
}

/// The Call-ID of a message of our own, in which the header has its long name.
pub(crate) fn call_id_of(message: &[u8]) -> Option<&str> {
    const NAME: &[u8] = b"\r\nCall-ID: ";
    let start = message.windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let length = message[start..].iter().position(|byte| *byte == b'\r')?;
    std::str::from_utf8(&message[start..start + length]).ok()
}
