//! What happens in a world: the verbs of a test.

use super::{SERVER, World};
use crate::{Behaviour, CallRef, Line, Stage, Ua, UaCall};
use std::time::Duration;
use tandem_model::CallRecord;
use tandem_sdp::Direction;
use tandem_time::Time;

impl World {
    /// A phone calls a number at the server.
    pub fn dial(&mut self, phone: usize, number: &str) -> CallRef {
        let now = self.now;
        let call = self.uas[phone].dial(SERVER, number, now);
        self.drain_ua(phone);
        call
    }

    /// Does something with a user agent at this moment.
    pub fn with_ua<T>(&mut self, n: usize, act: impl FnOnce(&mut Ua, Time) -> T) -> T {
        let now = self.now;
        let result = act(&mut self.uas[n], now);
        self.drain_ua(n);
        result
    }

    /// A call of a user agent.
    pub fn call(&self, ua: usize, call: CallRef) -> &UaCall {
        self.uas[ua].call(call)
    }

    /// The latest call of a user agent.
    pub fn last_call(&self, ua: usize) -> &UaCall {
        self.uas[ua].calls().last().unwrap_or_else(|| panic!("{} has had no call", self.uas[ua].name))
    }

    /// How a user agent treats calls from now on.
    pub fn treat(&mut self, ua: usize, behaviour: Behaviour) {
        self.uas[ua].treat_calls(move |_| behaviour.clone());
    }

    /// Somebody calls at the server with an INVITE addressed so.
    pub fn dial_line(&mut self, ua: usize, line: Line) -> CallRef {
        self.with_ua(ua, |ua, now| ua.dial_line(SERVER, line, now))
    }

    /// A phone calls a number and waits until somebody answers.
    pub fn talk(&mut self, phone: usize, number: &str) -> CallRef {
        let call = self.dial(phone, number);
        self.run_until("the call is answered", |w| w.call(phone, call).stage == Stage::Talking);
        self.run_for(Duration::from_millis(100));
        call
    }

    /// Somebody hangs up the latest call.
    pub fn hang_up(&mut self, ua: usize) {
        let call = self.uas[ua].last_call().expect("there is a call");
        self.with_ua(ua, |ua, now| ua.hang_up(call, now));
    }

    /// A caller takes its latest call back.
    pub fn cancel(&mut self, ua: usize) {
        let call = self.uas[ua].last_call().expect("there is a call");
        self.with_ua(ua, |ua, now| ua.cancel(call, now));
    }

    /// Somebody changes the session of the latest call, and it takes effect.
    pub fn change(&mut self, ua: usize, direction: Direction) {
        let call = self.uas[ua].last_call().expect("there is a call");
        self.with_ua(ua, |ua, now| ua.change(call, direction, false, now));
        self.run_for(Duration::from_millis(200));
    }

    /// Somebody has the other side of its latest call connected to a number.
    pub fn refer(&mut self, ua: usize, number: &str) {
        let call = self.uas[ua].last_call().expect("there is a call");
        self.with_ua(ua, |ua, now| ua.refer(call, &format!("<sip:{number}@{SERVER}>"), now));
    }

    /// Waits until a call is over on this side.
    pub fn run_until_over(&mut self, ua: usize) {
        self.run_until("the call is over", |w| w.last_call(ua).stage == Stage::Over);
    }

    /// How far the latest call of somebody is.
    pub fn stage(&self, ua: usize) -> Stage {
        self.last_call(ua).stage
    }

    /// Packets of audio that reach somebody during a second.
    pub fn hears_packets(&mut self, ua: usize) -> u64 {
        let before = self.last_call(ua).packets_received();
        self.run_for(Duration::from_secs(1));
        self.last_call(ua).packets_received() - before
    }

    /// The one record that there is, of a call that is over everywhere.
    pub fn only_record(&mut self) -> &CallRecord {
        self.run_for(Duration::from_secs(3));
        assert_eq!(self.records.len(), 1, "records: {:#?}", self.records);
        &self.records[0]
    }

    /// Asserts that nothing of any call is left anywhere, after the longest linger of the transactions.
    pub fn assert_quiet(&mut self) {
        self.run_for(Duration::from_secs(100));
        if let Some(what) = self.leftovers() {
            panic!("{what}\n{}", self.ladder.text(0, &["OPTIONS", "REGISTER"]));
        }
    }

    /// The same where registrations go on for ever: their transactions do not count.
    pub fn assert_quiet_but_for_registrations(&mut self) {
        self.run_for(Duration::from_secs(100));
        assert_eq!((self.engine.call_count(), self.engine.media_ports_in_use()), (0, 0));
    }

    /// What is left of calls, in words.
    pub fn leftovers(&self) -> Option<String> {
        let engine = &self.engine;
        if engine.call_count() > 0 {
            return Some(format!("{} calls are left in the engine", engine.call_count()));
        }
        if engine.transaction_count() != (0, 0) {
            return Some(format!("{:?} transactions are left", engine.transaction_count()));
        }
        if engine.media_ports_in_use() > 0 {
            return Some(format!("{} media ports are in use", engine.media_ports_in_use()));
        }
        let ports = self.board.ports().len();
        if ports > 0 {
            return Some(format!("{ports} media ports are open"));
        }
        for ua in &self.uas {
            for call in ua.calls() {
                if call.stage != Stage::Over {
                    return Some(format!("a call of {} is {:?}", ua.name, call.stage));
                }
            }
        }
        None
    }
}
