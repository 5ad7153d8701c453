//! Where a flow is played, and what must hold when it is over.

use std::collections::BTreeSet;
use std::time::Duration;
use tandem_engine::Limits;
use tandem_model::{Event, Side};
use tandem_sim::{Faults, World};

/// The longest that anything of a call may linger after its end: a BYE unanswered, then what the transactions keep.
const QUIET: Duration = Duration::from_secs(110);

/// The longest that a call may last; longer than any flow but the one that is about it.
pub const LONGEST: Duration = Duration::from_secs(1_000);

/// What a flow does: it prepares on a good network, says [`Stage::begin`], and goes on as the network is then.
pub type Flow = fn(&mut Stage);

/// What makes the network bad.
type Begin = Box<dyn FnOnce(&mut World)>;

/// A world, and what is done to it when a flow begins in earnest.
pub struct Stage {
    pub w: World,
    begin: Option<Begin>,
    began: u64,
    /// Who cleans up after a random network.
    pub caller: Option<usize>,
    /// Who does where there is no one caller.
    pub everybody_leaves: Vec<usize>,
    pub seed: u64,
}

/// What was left when a flow was over.
pub struct Outcome {
    pub packets: u64,
    /// How each call ended.
    records: Vec<(tandem_model::Outcome, Side, u16)>,
    wrong: Option<String>,
    w: World,
}

impl Stage {
    /// No limit ends a call here before everything else is over: what is forgotten stays and is found.
    pub fn new(seed: u64, faults: Faults) -> Stage {
        let limits =
            Limits { duration: Some(LONGEST), media_timeout: None, hold_timeout: None, ..Limits::default() };
        let w = World::with_settings(seed, faults, |settings| settings.limits = limits);
        Stage { w, begin: None, began: 0, caller: None, everybody_leaves: Vec::new(), seed }
    }

    /// From here on the network is as bad as it is to be.
    pub fn begin(&mut self) {
        self.began = self.w.packets_sent();
        if let Some(begin) = self.begin.take() {
            begin(&mut self.w);
        }
    }

    /// Plays a flow that ends its calls itself.
    pub fn play(mut self, flow: Flow, begin: impl FnOnce(&mut World) + 'static) -> Outcome {
        self.begin = Some(Box::new(begin));
        flow(&mut self);
        let packets = self.w.packets_sent() - self.began;
        self.w.run_for(QUIET);
        self.outcome(packets)
    }

    /// Plays a flow on a network so bad that it may not get as far as its end: then the caller ends what is left.
    pub fn play_random(mut self, flow: Flow, faults: Faults) -> Outcome {
        self.begin = Some(Box::new(move |w| w.set_faults(faults)));
        flow(&mut self);
        let packets = self.w.packets_sent() - self.began;
        self.w.run_for(Duration::from_secs(45));
        for _ in 0..2 {
            for leaver in self.caller.iter().chain(&self.everybody_leaves) {
                self.w.with_ua(*leaver, |ua, now| ua.hang_up_all(now));
            }
            self.w.run_for(QUIET);
        }
        self.outcome(packets)
    }

    fn outcome(mut self, packets: u64) -> Outcome {
        let wrong = self.wrong();
        let records = self
            .w
            .records
            .iter()
            .map(|record| (record.outcome, record.ended_by, record.cause.code))
            .collect();
        Outcome { packets, records, wrong, w: self.w }
    }

    fn wrong(&mut self) -> Option<String> {
        let w = &self.w;
        if let Some(what) = w.leftovers() {
            return Some(what);
        }
        if let Some(complaint) = w.observer.complaints().first() {
            return Some(complaint.clone());
        }
        let started: BTreeSet<_> = w
            .events
            .iter()
            .filter_map(|event| match event {
                Event::CallStarted { call_id, .. } => Some(*call_id),
                _ => None,
            })
            .collect();
        let recorded: BTreeSet<_> = w.records.iter().map(|record| record.id).collect();
        if recorded != started || recorded.len() != w.records.len() {
            return Some(format!(
                "{} calls began, {} records: {:#?}",
                started.len(),
                w.records.len(),
                w.records
            ));
        }
        let ended = |event: &&Event| matches!(event, Event::CallEnded { .. });
        if w.events.iter().filter(ended).count() != started.len() {
            return Some("calls did not end once each".to_owned());
        }
        for ua in w.everybody() {
            for call in ua.calls() {
                if call.answered_at.is_some() && call.ended_by_peer.is_none() {
                    return Some(format!("an answered call of {} ended without BYE", ua.name));
                }
            }
        }
        if w.engine.trunk_statuses(w.now).values().any(|status| status.calls > 0) {
            return Some("a seat is taken".to_owned());
        }
        let soon = w.now + Duration::from_secs(60);
        let due = self.w.engine.poll_timeout().filter(|due| *due < soon);
        due.map(|due| format!("a timer is left, due in {:?}", due.since(self.w.now)))
    }
}

impl Outcome {
    /// Panics with what is wrong and the ladder. Beside `clean`, the same calls have to have been made, and, unless the flow is a
    /// race, to have ended in the same way.
    pub fn check(&self, what: &str, clean: Option<(&Outcome, bool)>) {
        if let Some(wrong) = &self.wrong {
            panic!("{what}: {wrong}\n{}", self.ladder());
        }
        if let Some((clean, is_race)) = clean {
            for call in self.w.everybody().iter().flat_map(|ua| ua.calls()) {
                assert!(!call.never_acked, "{what}: an answer was never acknowledged\n{}", self.ladder());
            }
            assert_eq!(self.records.len(), clean.records.len(), "{what}: records\n{}", self.ladder());
            assert!(
                is_race || self.records == clean.records,
                "{what}: {:?}\n{}",
                self.records,
                self.ladder()
            );
        }
    }

    fn ladder(&self) -> String {
        self.w.ladder.text(0, &["OPTIONS"])
    }
}
