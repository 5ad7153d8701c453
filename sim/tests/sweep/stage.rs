//! Where a flow is played, and what must hold when it is over.

use crate::weather::Weather;
use std::collections::BTreeSet;
use std::time::Duration;
use tandem_engine::Limits;
use tandem_model::Outcome::Answered;
use tandem_model::{CallId, Event, Side};
use tandem_sim::{Faults, Services, World};
use tandem_sip_msg::Transport;

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
    /// Packets, outputs and bytes of streams before the flow began.
    began: [u64; 3],
    /// Who cleans up after a random network.
    pub caller: Option<usize>,
    /// Who does where there is no one caller.
    pub everybody_leaves: Vec<usize>,
    pub seed: u64,
    /// Somebody may be cut off from the server: then everybody leaves at the end, and calls may end without BYE.
    cuts_off: bool,
    /// Bytes may come other than they were sent.
    corrupts: bool,
    /// The random network that the flow is played on.
    weather: Option<Weather>,
}

/// What was left when a flow was over.
pub struct Outcome {
    /// What the flow itself came to.
    pub packets: u64,
    pub outputs: u64,
    pub streamed: u64,
    first_output: u64,
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
        Stage {
            w,
            begin: None,
            began: [0; 3],
            caller: None,
            everybody_leaves: Vec::new(),
            seed,
            cuts_off: false,
            corrupts: false,
            weather: None,
        }
    }

    /// Everybody uses TCP.
    pub fn over_tcp(seed: u64) -> Stage {
        let mut stage = Stage::new(seed, Faults::default());
        stage.w.transport = Transport::Tcp;
        stage
    }

    /// A random network.
    pub fn in_weather(seed: u64, weather: Weather) -> Stage {
        let mut stage = Stage::new(seed, Faults::default());
        stage.cuts_off = weather.cuts_off();
        stage.corrupts = weather.corrupts();
        stage.w.on_tcp = weather.on_tcp;
        stage.weather = Some(weather);
        stage
    }

    /// From here on everything is as bad as it is to be.
    pub fn begin(&mut self) {
        self.began = [self.w.packets_sent(), self.w.outputs(), self.w.bytes_streamed()];
        if let Some(begin) = self.begin.take() {
            begin(&mut self.w);
        }
    }

    /// Plays a flow that ends its calls itself.
    pub fn play(mut self, flow: Flow, begin: impl FnOnce(&mut World) + 'static) -> Outcome {
        self.begin = Some(Box::new(begin));
        flow(&mut self);
        let came_to = self.came_to();
        self.w.run_for(QUIET);
        self.outcome(came_to)
    }

    /// Plays a flow in which the server dies with this output, counted from the beginning of the flow.
    pub fn play_crash(mut self, flow: Flow, output: u64, after: bool) -> Outcome {
        self.cuts_off = true;
        self.begin = Some(Box::new(move |w| w.die_at(output, after)));
        self.play_to_the_end(flow)
    }

    /// Plays a flow in which the stream that carries this byte, counted from the beginning of the flow, is cut.
    pub fn play_cut(mut self, flow: Flow, byte: u64) -> Outcome {
        self.cuts_off = true;
        self.begin = Some(Box::new(move |w| w.cut_after(byte)));
        self.play_to_the_end(flow)
    }

    /// Plays a flow on a network so bad that it may not get as far as its end: then the caller ends what is left.
    pub fn play_random(mut self, flow: Flow) -> Outcome {
        if let Some(weather) = self.weather {
            self.begin = Some(Box::new(move |w| {
                w.set_faults(weather.faults);
                w.services = weather.services;
                if let Some((output, after)) = weather.death {
                    w.die_at(output, after);
                }
            }));
        }
        self.play_to_the_end(flow)
    }

    fn play_to_the_end(mut self, flow: Flow) -> Outcome {
        flow(&mut self);
        let came_to = self.came_to();
        self.w.run_for(Duration::from_secs(45));
        let leavers: Vec<usize> = match self.cuts_off {
            true => (0..self.w.everybody().len()).collect(),
            false => self.caller.iter().chain(&self.everybody_leaves).copied().collect(),
        };
        self.w.set_faults(Faults::default());
        for _ in 0..2 {
            for leaver in &leavers {
                self.w.with_ua(*leaver, |ua, now| ua.hang_up_all(now));
            }
            self.w.run_for(QUIET);
        }
        // Who was cut off with its BYE under way is not heard of again: then the longest duration ends the call.
        if self.cuts_off && self.w.leftovers().is_some() {
            self.w.run_for(LONGEST + QUIET);
        }
        self.outcome(came_to)
    }

    fn came_to(&self) -> [u64; 3] {
        let [packets, outputs, streamed] = self.began;
        [self.w.packets_sent() - packets, self.w.outputs() - outputs, self.w.bytes_streamed() - streamed]
    }

    fn outcome(mut self, [packets, outputs, streamed]: [u64; 3]) -> Outcome {
        let wrong = self.wrong();
        let records = self
            .w
            .records
            .iter()
            .map(|record| (record.outcome, record.ended_by, record.cause.code))
            .collect();
        Outcome { packets, outputs, streamed, first_output: self.began[1], records, wrong, w: self.w }
    }

    fn wrong(&mut self) -> Option<String> {
        let complaint = self.w.observer.complaints().into_iter().next().filter(|_| !self.corrupts);
        self.w.leftovers().or(complaint).or_else(|| self.wrong_records()).or_else(|| self.wrong_ends())
    }

    /// A call has one record. Of one that was not answered there may be none if the server died.
    fn wrong_records(&self) -> Option<String> {
        let w = &self.w;
        let ids = |pick: fn(&Event) -> Option<CallId>| w.events.iter().filter_map(pick).collect::<Vec<_>>();
        let started: BTreeSet<_> = ids(|event| match event {
            Event::CallStarted { call_id, .. } => Some(*call_id),
            _ => None,
        })
        .into_iter()
        .collect();
        let answered = ids(|event| match event {
            Event::CallAnswered { call_id, .. } => Some(*call_id),
            _ => None,
        });
        let ended = ids(|event| match event {
            Event::CallEnded { call_id, .. } => Some(*call_id),
            _ => None,
        });
        let recorded: BTreeSet<_> = w.records.iter().map(|record| record.id).collect();
        let says = |what: &str| {
            Some(format!(
                "{what}: {} calls began, {} records: {:#?}",
                started.len(),
                w.records.len(),
                w.records
            ))
        };
        if recorded.len() != w.records.len() {
            return says("a call has two records");
        }
        if w.crashes() > 0 {
            let recorded = w.records.iter().filter(|record| record.outcome == Answered).count();
            let on_the_wire = w.observer.answered_calls();
            // Of a disk that is slow or fails nobody waits for more than a moment.
            let least = if w.services == Services::default() { on_the_wire } else { 0 };
            let fits = self.corrupts || (least..=answered.len()).contains(&recorded);
            return if fits { None } else { says(&format!("{on_the_wire} calls were answered")) };
        }
        if answered.iter().any(|id| !recorded.contains(id)) {
            return says("an answered call has no record");
        }
        if recorded != started {
            return says("not every call has a record");
        }
        if ended.len() != started.len() {
            return says("calls did not end once each");
        }
        None
    }

    /// What is left after the calls, and how they ended for those who had them.
    fn wrong_ends(&mut self) -> Option<String> {
        let w = &self.w;
        for ua in w.everybody() {
            for call in ua.calls() {
                if !self.corrupts && call.answered_at.is_some() && call.ended_by_peer.is_none() {
                    return Some(format!("an answered call of {} ended without BYE", ua.name));
                }
            }
            if let Some(until) = ua.registered_until().filter(|until| *until > w.now)
                && !w.bindings().any(|binding| binding.contact.contains(&ua.address.to_string()))
            {
                return Some(format!(
                    "the registration of {} is lost; it was told that it holds until {until:?}",
                    ua.name
                ));
            }
        }
        if w.bindings().count() < w.engine.binding_count() {
            return Some("a registration is not on disk".to_owned());
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
            self.check_peers(what);
            assert_eq!(self.records.len(), clean.records.len(), "{what}: records\n{}", self.ladder());
            assert!(
                is_race || self.records == clean.records,
                "{what}: {:?}\n{}",
                self.records,
                self.ladder()
            );
        }
    }

    /// Panics with what somebody has to complain about: an answer that was never acknowledged, a rule that was broken towards it.
    pub fn check_peers(&self, what: &str) {
        for ua in self.w.everybody() {
            let breach = ua.breaches().first();
            assert!(breach.is_none(), "{what}: {}\n{}", breach.expect("one"), self.ladder());
            for call in ua.calls() {
                assert!(!call.never_acked, "{what}: an answer was never acknowledged\n{}", self.ladder());
            }
        }
    }

    /// What is wrong, if anything is.
    pub fn wrong(&self) -> Option<&str> {
        self.wrong.as_deref()
    }

    /// Whether this output of the flow was the first after the engine had nothing to put out.
    pub fn is_first(&self, output: u64) -> bool {
        self.w.is_first(self.first_output + output)
    }

    /// Who sent what to whom.
    pub fn ladder(&self) -> String {
        self.w.ladder.text(0, &["OPTIONS"])
    }
}
