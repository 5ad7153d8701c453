//! The engine fed with mutated dialogues: phones and carriers that keep to the rules call one another, and beside them copies
//! of their messages arrive, changed in any way.

use crate::input::Input;
use bytes::Bytes;
use serde_json::json;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_sdp::Direction;
use tandem_sim::{Behaviour, Faults, SERVER, World};
use tandem_sip_msg::{Message, ParseError};
use tandem_time::Time;

/// Steps of a script at most.
const STEPS: usize = 60;
/// What this many steps may leave in the tables at once.
const BOUND: usize = 40 * STEPS;
/// A transaction remembers its answer for so long (64*T1).
const REMEMBERED: Duration = Duration::from_secs(30);

/// A script: who does what, what comes in between, and how much time passes.
pub fn engine(data: &[u8]) {
    let mut input = Input::new(data);
    let mut cast = Cast::new(u64::from(input.byte()));
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        cast.step(&mut input);
        let (clients, servers) = cast.w.engine.transaction_count();
        assert!(clients + servers <= BOUND && cast.w.engine.call_count() <= BOUND);
    }
    cast.end();
}

struct Cast {
    w: World,
    everybody: [usize; 3],
}

impl Cast {
    /// Two phones and a carrier that rings one of them.
    fn new(seed: u64) -> Cast {
        let mut w = World::with(seed, Faults::default());
        let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
        w.route(&[&trunk]);
        let everybody = [w.phone("1001"), w.phone("1002"), carrier];
        w.number("5550001", "1001");
        for ua in everybody {
            w.ua(ua).is_mute = true;
            w.treat(ua, Behaviour::answer_after(100));
        }
        Cast { w, everybody }
    }

    fn step(&mut self, input: &mut Input) {
        let ua = input.pick(&self.everybody);
        match input.byte() % 12 {
            0 | 1 => {
                let number = input.pick(&["5550001", "1001", "1002", "5551234"]);
                self.w.dial(ua, number);
            }
            2 => self.w.with_ua(ua, |ua, now| ua.hang_up_all(now)),
            3 => {
                let direction = input.pick(&[Direction::SendRecv, Direction::SendOnly, Direction::Inactive]);
                let late = input.byte().is_multiple_of(4);
                if let Some(call) = self.w.ua(ua).last_call()
                    && self.w.call(ua, call).stage == tandem_sim::Stage::Talking
                {
                    self.w.with_ua(ua, |ua, now| ua.change(call, direction, late, now));
                }
            }
            4 => {
                let refuse = Behaviour::refuse(input.pick(&[302, 404, 486, 491, 500, 503, 603]), "No");
                let behaviour = match input.byte() % 4 {
                    0 => refuse,
                    1 => Behaviour::RingForever,
                    2 => Behaviour::Silent,
                    _ => Behaviour::answer_after(u64::from(input.byte())),
                };
                self.w.treat(ua, behaviour);
            }
            5 => self.w.run_for(Duration::from_millis(input.number() as u64)),
            6 => self.w.disk_is_full = input.byte() % 2 == 1,
            7 => {
                let at = self.w.address(ua);
                let bytes = input.bytes(300).to_vec();
                self.w.inject(at, SERVER, bytes);
            }
            _ => self.mutated_copy(ua, input),
        }
        self.w.run_for(Duration::from_millis(u64::from(input.byte())));
    }

    /// One of the last messages of somebody comes again, changed.
    fn mutated_copy(&mut self, ua: usize, input: &mut Input) {
        let at = self.w.address(ua);
        let sent = self.w.ladder.messages(at, SERVER);
        let back = usize::from(input.byte() % 16);
        let Some(message) = sent.len().checked_sub(back + 1).map(|n| &sent[n]) else { return };
        let mut bytes = message.as_bytes().to_vec();
        for _ in 0..input.byte() % 6 {
            let (at, from) = (input.number() % (bytes.len() + 1), input.number() % (bytes.len() + 1));
            match input.byte() % 5 {
                0 if at < bytes.len() => bytes[at] = input.byte(),
                1 => drop(bytes.splice(at..at, input.bytes(8).iter().copied())),
                2 => drop(bytes.drain(at..(at + 12).min(bytes.len()))),
                3 => {
                    let copy = bytes[from..(from + 40).min(bytes.len())].to_vec();
                    bytes.splice(at..at, copy);
                }
                _ => change_method(&mut bytes, input),
            }
        }
        self.w.inject(at, SERVER, bytes);
    }

    /// Everybody leaves, the server goes down, and nothing may be left.
    fn end(mut self) {
        self.w.disk_is_full = false;
        for ua in self.everybody {
            self.w.with_ua(ua, |ua, now| ua.hang_up_all(now));
        }
        self.w.run_for(Duration::from_secs(40));
        let now = self.w.now;
        self.w.engine.shut_down(now);
        self.w.run_for(Duration::from_secs(150));
        let engine = &self.w.engine;
        assert_eq!(engine.call_count(), 0, "calls are left");
        assert_eq!(engine.transaction_count(), (0, 0), "transactions are left");
        assert_eq!(engine.media_ports_in_use(), 0, "media ports are left");
        let counters = engine.counters();
        assert_eq!(counters.calls_started, counters.calls_ended);
        assert_eq!(counters.calls_started, self.w.records.len() as u64, "one record a call");
        self.one_final_response_each();
    }

    /// No INVITE is both accepted and refused.
    fn one_final_response_each(&self) {
        for ua in self.everybody {
            let to = self.w.address(ua);
            let mut answered: BTreeMap<String, (Time, u16)> = BTreeMap::new();
            for (at, response) in responses(&self.w, to) {
                let code = response.code().unwrap_or(0);
                // Challenges and refusals for their form are forgotten at once: their INVITE is new when it comes again.
                let stateless =
                    matches!(code, 0..200 | 400..=401 | 403 | 405..=407 | 413..=420 | 481..=485 | 500..);
                if response.method_name() != "INVITE" || stateless {
                    continue;
                }
                let key = response.top_via().as_str().to_owned();
                match answered.get(&key) {
                    Some((since, before)) if at.since(*since) < REMEMBERED => {
                        assert_eq!(*before, code, "two answers to {key}");
                    }
                    _ => drop(answered.insert(key, (at, code))),
                }
            }
        }
    }
}

fn change_method(bytes: &mut Vec<u8>, input: &mut Input) {
    const METHODS: [&str; 10] =
        ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "UPDATE", "REFER", "NOTIFY"];
    let text = String::from_utf8_lossy(bytes).into_owned();
    let Some(old) = text.split(' ').next().filter(|word| METHODS.contains(word)) else { return };
    let new = input.pick(&METHODS);
    *bytes = text.replacen(old, new, 1).replace(&format!(" {old}\r\n"), &format!(" {new}\r\n")).into_bytes();
}

fn responses(w: &World, to: SocketAddr) -> Vec<(Time, Message)> {
    w.ladder.moments(SERVER, to).filter_map(|(at, bytes)| Some((at, parse(bytes)?))).collect()
}

fn parse(bytes: Bytes) -> Option<Message> {
    match Message::parse(bytes) {
        Ok(message) | Err(ParseError::Refuse { message, .. }) if message.code().is_some() => Some(message),
        _ => None,
    }
}
