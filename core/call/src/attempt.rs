//! One attempt to reach one device or trunk.

use crate::callee::number_of;
use crate::change::Talker;
use crate::media_end::MediaEnd;
use crate::{Seat, Target};
use std::time::Duration;
use tandem_model::{Attempt, q850_of};
use tandem_routing::{Onward, Round};
use tandem_sip_dialog::{Leg, LegFailure};
use tandem_sip_msg::Flow;
use tandem_time::Time;

/// How far an attempt is. Whatever it is, its leg lives on until nothing of it is left on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    /// Nothing was heard of the peer yet.
    Calling,
    /// It works on it (100).
    Trying,
    /// It rings or plays early media.
    Ringing,
    /// It answered and was taken.
    Answered,
    /// It failed, or was given up.
    Over,
}

/// One attempt.
pub(crate) struct Outgoing {
    pub(crate) leg: Leg,
    pub(crate) media: MediaEnd,
    pub(crate) stage: Stage,
    /// Whom it goes to.
    pub(crate) target: Target,
    /// After which failures the next round is begun.
    pub(crate) onward: Onward,
    /// Its place among the attempts of the call.
    pub(crate) place: usize,
    /// How long it may take to ring, and again to answer, where that is limited apart from the first response.
    pub(crate) timeout: Option<Duration>,
    /// Give it up at this moment unless it has got further.
    pub(crate) give_up: Option<Time>,
    /// How long its route lets it talk, and until when that is.
    pub(crate) longest: Option<Duration>,
    pub(crate) until: Option<Time>,
    pub(crate) record: Attempt,
    /// The seat on its trunk.
    pub(crate) seat: Option<Seat>,
    pub(crate) started: Time,
}

impl Outgoing {
    pub(crate) fn talker(&mut self) -> Talker<'_> {
        Talker { leg: &mut self.leg, media: &mut self.media }
    }

    /// It answered, and its part in the call is over: another took its place, or it went into another call.
    pub(crate) fn leaves(&mut self, now: Time) {
        self.stage = Stage::Over;
        self.seat = None;
        self.record.ended_at = now.as_millis();
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Calling | Stage::Trying | Stage::Ringing)
    }

    /// It failed: what the record says of it, and the seat is free.
    pub(crate) fn failed(&mut self, failure: &LegFailure, now: Time) {
        self.stage = Stage::Over;
        self.give_up = None;
        self.seat = None;
        self.record.code = failure.code;
        self.record.reason = failure.phrase.clone();
        self.record.q850 = q850_in(&failure.reasons).or(Some(q850_of(failure.code)));
        self.record.ended_at = now.as_millis();
    }

    /// It answered.
    pub(crate) fn answers(&mut self, now: Time) {
        self.rings(now);
        self.stage = Stage::Answered;
        self.give_up = None;
        self.until = self.longest.map(|longest| now + longest);
        self.record.answered_at = Some(now.as_millis());
        self.record.code = 200;
        self.record.reason = "OK".to_owned();
    }

    /// The first sign of ringing.
    pub(crate) fn rings(&mut self, now: Time) {
        self.stage = Stage::Ringing;
        self.record.pdd_ms.get_or_insert(now.since(self.started).as_millis() as u64);
    }
}

/// The record of an attempt that is only beginning, or never could.
pub(crate) fn blank_record(round: &Round, flow: Option<&Flow>, now: Time) -> Attempt {
    let (country, charge) = match round {
        Round::Extension { .. } | Round::Refuse { .. } => (None, None),
        Round::Trunk(step) => (step.country.map(str::to_owned), step.charge.clone()),
    };
    let (trunk_id, extension_id, route_id, step) = match round {
        Round::Extension { extension, .. } => (None, Some(extension.id), None, None),
        Round::Refuse { .. } => (None, None, None, None),
        Round::Trunk(step) => {
            let (route, place) = step.route().unzip();
            (Some(step.trunk.id), None, route, place)
        }
    };
    Attempt {
        trunk_id,
        extension_id,
        route_id,
        step,
        forwarded: round.forwarded(),
        number: number_of(round).to_owned(),
        target: flow
            .map(|flow| format!("{}:{}", flow.transport.param_name(), flow.remote))
            .unwrap_or_default(),
        started_at: now.as_millis(),
        pdd_ms: None,
        answered_at: None,
        ended_at: now.as_millis(),
        code: 0,
        reason: String::new(),
        q850: None,
        codec: None,
        country,
        charge,
    }
}

/// The record of a leg that talks from its beginning here: it came from elsewhere.
pub(crate) fn present(target: &Target, number: String, flow: &Flow, reason: &str, now: Time) -> Attempt {
    let (trunk_id, extension_id) = match target {
        Target::Trunk(trunk) => (Some(trunk.id), None),
        Target::Extension(extension) => (None, Some(extension.id)),
        Target::Guest(_) => (None, None),
    };
    Attempt {
        trunk_id,
        extension_id,
        route_id: None,
        step: None,
        forwarded: None,
        number,
        target: format!("{}:{}", flow.transport.param_name(), flow.remote),
        started_at: now.as_millis(),
        pdd_ms: None,
        answered_at: Some(now.as_millis()),
        ended_at: now.as_millis(),
        code: 200,
        reason: reason.to_owned(),
        q850: None,
        codec: None,
        country: None,
        charge: None,
    }
}

/// The Q.850 cause among Reason header values (RFC 3326 §2).
pub(crate) fn q850_in(reasons: &[String]) -> Option<u8> {
    reasons.iter().find_map(|reason| {
        let (protocol, params) = reason.split_once(';')?;
        if !protocol.trim().eq_ignore_ascii_case("Q.850") {
            return None;
        }
        let cause = params.split(';').find_map(|param| param.trim().strip_prefix("cause="))?;
        cause.trim().parse().ok().filter(|cause| (1..=127).contains(cause))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_q850_cause_is_found_among_reasons() {
        let reasons = ["SIP;cause=486".to_owned(), "Q.850 ;text=\"User busy\";cause=17".to_owned()];
        assert_eq!(q850_in(&reasons), Some(17));
        assert_eq!(q850_in(&["Q.850;cause=999".to_owned()]), None);
        assert_eq!(q850_in(&[]), None);
    }
}
