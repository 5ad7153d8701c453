//! 2xx that come when the leg which called is gone: another branch of a fork has answered, or was heard, late. Nobody talks there;
//! each is acknowledged and ended all the same, or the peer would ring on and bill (RFC 3261 §13.2.2.4).

use crate::{Dialog, Sip};
use bytes::Bytes;
use std::collections::VecDeque;
use std::time::Duration;
use tandem_sip_msg::{Flow, Message, Method};
use tandem_time::Time;

/// 64*T1: for so long a 2xx is repeated.
const REPEATED_FOR: Duration = Duration::from_secs(32);
/// So many are remembered. Of more, the oldest would be sent another BYE when they are repeated, which does no harm.
const REMEMBERED: usize = 256;
/// The branch may have been sent PRACKs: its BYE has a CSeq above theirs (RFC 3261 §12.2.1.1).
const BEYOND_PRACKS: u32 = 1_000;

/// The late answers that may still be repeated, oldest first.
#[derive(Default)]
pub struct LateAnswers(VecDeque<Late>);

struct Late {
    call_id: String,
    tag: String,
    cseq: u32,
    ack: (Bytes, Flow),
    until: Time,
}

impl LateAnswers {
    /// Acknowledges a 2xx to an INVITE of ours that nobody waits for, and hangs up there; repeated, it gets its ACK again.
    pub fn end(&mut self, ok: &Message, flow: Flow, sip: &mut Sip) {
        while self.0.front().is_some_and(|late| late.until <= sip.now) || self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        if let Some(known) = self.0.iter().find(|late| late.is(ok)) {
            let (ack, flow) = known.ack.clone();
            return sip.txn.send_raw(ack, flow);
        }
        let mut branch = Dialog::uac(ok, flow);
        let ack = sip.txn.send_ack(branch.ack(ok.cseq()).finish(), branch.flow, sip.rng);
        branch.local_cseq += BEYOND_PRACKS;
        let bye = sip.txn.request(branch.request(Method::Bye).finish(), branch.flow, 0, sip.rng, sip.now);
        sip.txn.disown(bye);
        let (call_id, tag) = (branch.call_id, branch.remote_tag.unwrap_or_default());
        self.0.push_back(Late { call_id, tag, cseq: ok.cseq(), ack, until: sip.now + REPEATED_FOR });
    }
}

impl Late {
    fn is(&self, ok: &Message) -> bool {
        self.cseq == ok.cseq() && self.call_id == ok.call_id() && self.tag == ok.to_tag().unwrap_or_default()
    }
}
