//! The flows that are swept. Nobody talks in them: signalling is the matter, and silence makes them quick.

mod dialogs;
mod media;

pub use dialogs::*;
pub use media::*;

use crate::chaos::anything_goes;
use crate::stage::{Flow, LONGEST, Stage};
use serde_json::json;
use std::time::Duration;
use tandem_model::Kind;
use tandem_sdp::Direction;
use tandem_sim::{Behaviour, CallRef, Line, SERVER};
use tandem_sip_msg::Header;

/// Those that follow a script, and end their calls themselves.
pub const SCRIPTED: &[(&str, Flow)] = &[
    ("the caller hangs up", the_caller_hangs_up),
    ("the callee hangs up", the_callee_hangs_up),
    ("the caller cancels", the_caller_cancels),
    ("a cancel crosses the answer", a_cancel_crosses_the_answer),
    ("the callee is busy", the_callee_is_busy),
    ("nobody answers", nobody_answers),
    ("two phones ring", two_phones_ring),
    ("two phones answer at once", two_phones_answer_at_once),
    ("the third trunk answers", the_third_trunk_answers),
    ("every trunk refuses", every_trunk_refuses),
    ("a challenged call with early media", a_challenged_call_with_early_media),
    ("hold and resume", hold_and_resume),
    ("a change without offer", a_change_without_offer),
    ("changes meet", changes_meet),
    ("an offer that comes late", an_offer_that_comes_late),
    ("byes cross", byes_cross),
    ("a change meets a bye", a_change_meets_a_bye),
    ("a call in transit", a_call_in_transit),
    ("a call too large for a datagram", a_call_too_large_for_a_datagram),
    ("the longest duration", the_longest_duration),
    ("a silent address is passed over", a_silent_address_is_passed_over),
    ("media goes directly", media_goes_directly),
    ("early media moves before a failover", early_media_moves_before_a_failover),
    ("a call turns into a fax and back", a_call_turns_into_a_fax_and_back),
    ("video comes and goes", video_comes_and_goes),
    ("registrations come and go", registrations_come_and_go),
    ("a call is turned away and made again", a_call_is_turned_away_and_made_again),
    ("a blind transfer", a_blind_transfer),
    ("a blind transfer of who is held", a_blind_transfer_of_who_is_held),
    ("a blind transfer that fails", a_blind_transfer_that_fails),
    ("a transfer that outlives who asked for it", a_transfer_that_outlives_who_asked_for_it),
    ("who remains leaves during a transfer", who_remains_leaves_during_a_transfer),
    ("two calls become one", two_calls_become_one),
    ("a call is taken over", a_call_is_taken_over),
    ("early media is acknowledged", early_media_is_acknowledged),
    ("a caller requires acknowledgements", a_caller_requires_acknowledgements),
    ("the answer comes at once", the_answer_comes_at_once),
    ("a prack is challenged", a_prack_is_challenged),
    ("a prack offers", a_prack_offers),
    ("a cancel meets early media", a_cancel_meets_early_media),
    ("a refusal follows early media", a_refusal_follows_early_media),
    ("updates before the answer", updates_before_the_answer),
    ("an answer meets an update", an_answer_meets_an_update),
    ("an update here is a change there", an_update_here_is_a_change_there),
    ("updates meet", updates_meet),
    ("a refused update", a_refused_update),
    ("an update meets a bye", an_update_meets_a_bye),
    ("we refresh by update", we_refresh_by_update),
    ("we refresh by re invite", we_refresh_by_re_invite),
    ("nobody knows of session timers", nobody_knows_of_session_timers),
    ("a session interval is too small", a_session_interval_is_too_small),
    ("a peer is gone", a_peer_is_gone),
    ("a carrier forks", a_carrier_forks),
    ("two branches answer", two_branches_answer),
    ("another phone answers than the one that was heard", another_phone_answers_than_the_one_that_was_heard),
    ("codecs and addresses change", codecs_and_addresses_change),
    ("digits are told by info", digits_are_told_by_info),
];

/// So many seeds in a row play the one without a script.
const UNSCRIPTED: usize = 4;

/// The flow that a seed plays on a random network.
pub fn of_seed(seed: u64) -> (&'static str, Flow) {
    let n = seed as usize % (SCRIPTED.len() + UNSCRIPTED);
    SCRIPTED.get(n).copied().unwrap_or(("anything goes", anything_goes))
}

/// So long that one lost or late packet is made good.
const TIME_ENOUGH: Duration = Duration::from_secs(9);

impl Stage {
    fn wait(&mut self, millis: u64) {
        self.w.run_for(Duration::from_millis(millis));
    }

    fn settle(&mut self) {
        self.w.run_for(TIME_ENOUGH);
    }

    /// A carrier that answers after `ring` milliseconds.
    fn carrier(&mut self, name: &str, ring: u64) -> (usize, String) {
        let (carrier, trunk) = self.w.plain_carrier(name, json!({}));
        self.w.ua(carrier).is_mute = true;
        self.w.treat(carrier, Behaviour::answer_after(ring));
        (carrier, trunk)
    }

    fn phone(&mut self, number: &str) -> usize {
        let phone = self.w.phone(number);
        self.w.ua(phone).is_mute = true;
        phone
    }

    /// A phone with a carrier to call over: (phone, carrier).
    fn pair(&mut self, ring: u64) -> (usize, usize) {
        let (carrier, trunk) = self.carrier("carrier", ring);
        self.w.route(&[&trunk]);
        let phone = self.phone("1001");
        self.caller = Some(phone);
        (phone, carrier)
    }

    /// The faults begin and the phone dials; after a while they talk, unless the network is too bad.
    fn talk(&mut self, phone: usize) {
        self.begin();
        self.w.dial(phone, "5551234");
        self.settle();
    }

    /// Somebody ends what it has.
    fn end(&mut self, ua: usize) {
        self.w.with_ua(ua, |ua, now| ua.hang_up_all(now));
    }

    fn change(&mut self, ua: usize, direction: Direction, late: bool) {
        if let Some(call) = self.talking(ua) {
            self.w.with_ua(ua, |ua, now| ua.change(call, direction, late, now));
        }
    }

    fn inform(&mut self, ua: usize) {
        if let Some(call) = self.talking(ua) {
            let body = "Signal=5\r\nDuration=160\r\n";
            self.w.with_ua(ua, |ua, now| ua.inform(call, "application/dtmf-relay", body, now));
        }
    }

    fn talking(&mut self, ua: usize) -> Option<CallRef> {
        let call = self.w.ua(ua).last_call()?;
        Some(call).filter(|call| self.w.call(ua, *call).stage == tandem_sim::Stage::Talking)
    }
}

pub fn the_caller_hangs_up(s: &mut Stage) {
    let (phone, _) = s.pair(500);
    s.talk(phone);
    s.end(phone);
    s.settle();
}

pub fn the_callee_hangs_up(s: &mut Stage) {
    let (phone, carrier) = s.pair(500);
    s.talk(phone);
    s.end(carrier);
    s.settle();
}

pub fn the_caller_cancels(s: &mut Stage) {
    let (phone, carrier) = s.pair(500);
    s.w.treat(carrier, Behaviour::RingForever);
    s.begin();
    s.w.dial(phone, "5551234");
    s.wait(4_000);
    s.end(phone);
    s.settle();
}

pub fn a_cancel_crosses_the_answer(s: &mut Stage) {
    let (phone, _) = s.pair(2_000);
    s.begin();
    s.w.dial(phone, "5551234");
    s.wait(2_018);
    s.w.cancel(phone);
    s.settle();
    s.end(phone);
    s.settle();
}

pub fn the_callee_is_busy(s: &mut Stage) {
    let (phone, carrier) = s.pair(500);
    s.w.treat(carrier, Behaviour::refuse(486, "Busy Here"));
    s.talk(phone);
}

pub fn nobody_answers(s: &mut Stage) {
    let (caller, _) = s.carrier("carrier", 500);
    s.caller = Some(caller);
    let phone = s.phone("1001");
    s.w.number("5550001", "1001");
    s.w.treat(phone, Behaviour::RingForever);
    s.begin();
    s.w.dial(caller, "5550001");
    s.wait(40_000);
}

pub fn two_phones_ring(s: &mut Stage) {
    let (caller, _) = s.carrier("carrier", 500);
    s.caller = Some(caller);
    let first = s.phone("1001");
    let second = s.w.another_phone("second", "1001");
    s.w.ua(second).is_mute = true;
    s.w.number("5550001", "1001");
    s.w.treat(first, Behaviour::answer_after(3_000));
    s.w.treat(second, Behaviour::RingForever);
    s.begin();
    s.w.dial(caller, "5550001");
    s.settle();
    s.end(caller);
    s.settle();
}

pub fn two_phones_answer_at_once(s: &mut Stage) {
    let (caller, _) = s.carrier("carrier", 500);
    s.caller = Some(caller);
    let first = s.phone("1001");
    let second = s.w.another_phone("second", "1001");
    s.w.ua(second).is_mute = true;
    s.w.number("5550001", "1001");
    for phone in [first, second] {
        s.w.treat(phone, Behaviour::answer_after(1_000));
    }
    s.begin();
    s.w.dial(caller, "5550001");
    s.settle();
    s.end(caller);
    s.settle();
}

pub fn the_third_trunk_answers(s: &mut Stage) {
    let (a, first) = s.carrier("a", 500);
    let (b, second) = s.carrier("b", 500);
    let (_, third) = s.carrier("c", 500);
    s.w.treat(a, Behaviour::refuse(503, "Service Unavailable"));
    s.w.treat(b, Behaviour::Silent);
    s.w.route(&[&first, &second, &third]);
    let phone = s.phone("1001");
    s.caller = Some(phone);
    s.talk(phone);
    s.settle();
    s.end(phone);
    s.settle();
}

pub fn every_trunk_refuses(s: &mut Stage) {
    let (a, first) = s.carrier("a", 500);
    let (b, second) = s.carrier("b", 500);
    s.w.treat(a, Behaviour::refuse(500, "Server Internal Error"));
    s.w.treat(b, Behaviour::refuse(404, "Not Found"));
    s.w.route(&[&first, &second]);
    let phone = s.phone("1001");
    s.caller = Some(phone);
    s.talk(phone);
    s.settle();
}

pub fn a_challenged_call_with_early_media(s: &mut Stage) {
    let (carrier, trunk) = s.w.carrier_with_account("carrier", "credential", json!({}));
    s.w.ua(carrier).is_mute = true;
    s.w.treat(carrier, Behaviour::Answer { ring: Duration::from_secs(1), early: true, talks: false });
    s.w.route(&[&trunk]);
    let phone = s.phone("1001");
    s.caller = Some(phone);
    s.talk(phone);
    s.end(carrier);
    s.settle();
}

pub fn hold_and_resume(s: &mut Stage) {
    let (phone, carrier) = s.pair(500);
    s.talk(phone);
    s.change(phone, Direction::SendOnly, false);
    s.settle();
    s.change(phone, Direction::SendRecv, false);
    s.settle();
    s.change(carrier, Direction::SendOnly, false);
    s.settle();
    s.end(carrier);
    s.settle();
}

/// From either side, with credentials where they are asked for; the last crosses the end.
pub fn digits_are_told_by_info(s: &mut Stage) {
    let (carrier, trunk) = s.w.carrier_with_account("carrier", "credential", json!({"dtmf": "info"}));
    s.w.ua(carrier).is_mute = true;
    s.w.ua(carrier).challenges_infos = true;
    s.w.route(&[&trunk]);
    let phone = s.phone("1001");
    s.caller = Some(phone);
    s.talk(phone);
    for ua in [phone, carrier, phone] {
        s.inform(ua);
        s.inform(ua);
        s.settle();
    }
    s.inform(carrier);
    s.inform(phone);
    s.end(phone);
    s.settle();
}

pub fn a_change_without_offer(s: &mut Stage) {
    let (phone, carrier) = s.pair(500);
    s.talk(phone);
    s.change(carrier, Direction::SendRecv, true);
    s.settle();
    s.change(phone, Direction::SendRecv, true);
    s.settle();
    s.end(phone);
    s.settle();
}

pub fn changes_meet(s: &mut Stage) {
    let (phone, carrier) = s.pair(500);
    s.talk(phone);
    s.change(phone, Direction::SendOnly, false);
    s.change(carrier, Direction::SendOnly, false);
    s.settle();
    s.change(carrier, Direction::SendRecv, false);
    s.settle();
    s.end(carrier);
    s.settle();
}

pub fn an_offer_that_comes_late(s: &mut Stage) {
    let (phone, _) = s.pair(500);
    s.w.ua(phone).offers_late = true;
    s.talk(phone);
    s.end(phone);
    s.settle();
}

pub fn byes_cross(s: &mut Stage) {
    let (phone, carrier) = s.pair(500);
    s.talk(phone);
    s.end(phone);
    s.end(carrier);
    s.settle();
}

pub fn a_change_meets_a_bye(s: &mut Stage) {
    let (phone, carrier) = s.pair(500);
    s.talk(phone);
    s.change(phone, Direction::SendOnly, false);
    s.end(carrier);
    s.settle();
    s.end(phone);
    s.settle();
}

pub fn a_call_in_transit(s: &mut Stage) {
    let (caller, _) = s.carrier("carrier", 500);
    s.caller = Some(caller);
    let (pbx, trunk) = s.carrier("pbx", 500);
    s.w.create(Kind::Number, json!({"number": "5550077", "trunk_id": trunk}));
    s.begin();
    s.w.dial(caller, "5550077");
    s.settle();
    s.end(pbx);
    s.settle();
}

pub fn a_call_too_large_for_a_datagram(s: &mut Stage) {
    let (caller, _) = s.carrier("carrier", 500);
    s.caller = Some(caller);
    let (pbx, trunk) = s.carrier("pbx", 500);
    s.w.create(Kind::Number, json!({"number": "5550077", "trunk_id": trunk}));
    s.begin();
    let signature = format!("{};info=<https://a.example/c>", "e".repeat(1400));
    s.w.dial_line(caller, Line::number("5550077", SERVER).with(Header::Identity, signature));
    s.settle();
    s.end(pbx);
    s.settle();
}

pub fn the_longest_duration(s: &mut Stage) {
    let (phone, _) = s.pair(500);
    s.talk(phone);
    s.w.run_for(LONGEST);
}

pub fn a_silent_address_is_passed_over(s: &mut Stage) {
    let (silent, second) = (s.w.add("silent", "x"), s.w.add("second", "x"));
    let at = vec![s.w.address(silent), s.w.address(second)];
    s.w.dns.insert("sip.carrier.example".to_owned(), at);
    s.w.ua(second).is_mute = true;
    s.w.treat(silent, Behaviour::Silent);
    let trunk =
        json!({"name": "named", "mode": "ip_auth", "host": "sip.carrier.example", "ping_interval": 0});
    let trunk = s.w.create(Kind::Trunk, trunk);
    let route = s.w.route(&[&trunk]);
    let phone = s.phone("1001");
    s.caller = Some(phone);
    s.wait(1_000);
    s.talk(phone);
    s.settle();
    s.end(second);
    s.settle();
    s.w.delete(Kind::Route, &route);
    s.w.delete(Kind::Trunk, &trunk);
}

pub fn a_call_is_turned_away_and_made_again(s: &mut Stage) {
    let (phone, carrier) = s.pair(500);
    s.begin();
    s.w.engine.set_lag(Duration::from_secs(1));
    s.w.dial(phone, "5551234");
    s.settle();
    s.w.engine.set_lag(Duration::ZERO);
    s.w.dial(phone, "5551234");
    s.settle();
    s.end(carrier);
    s.settle();
}

impl Stage {
    /// A caller from outside and two phones; (caller, 1001, 1002).
    fn office(&mut self) -> (usize, usize, usize) {
        let (caller, _) = self.carrier("carrier", 500);
        let (first, second) = (self.phone("1001"), self.phone("1002"));
        self.everybody_leaves = vec![caller, first, second];
        self.w.number("5550001", "1001");
        (caller, first, second)
    }

    /// The caller talks with 1001.
    fn called(&mut self) -> (usize, usize, usize) {
        let (caller, first, second) = self.office();
        self.begin();
        self.w.dial(caller, "5550001");
        self.settle();
        (caller, first, second)
    }

    fn talks(&mut self, ua: usize) -> Option<tandem_sim::CallRef> {
        let call = self.w.ua(ua).last_call()?;
        (self.w.call(ua, call).stage == tandem_sim::Stage::Talking).then_some(call)
    }

    fn refer(&mut self, ua: usize, number: &str) {
        if self.talks(ua).is_some() {
            self.w.refer(ua, number);
        }
    }
}

pub fn a_blind_transfer(s: &mut Stage) {
    let (caller, first, _) = s.called();
    s.refer(first, "1002");
    s.settle();
    s.settle();
    s.end(caller);
    s.settle();
}

pub fn a_blind_transfer_of_who_is_held(s: &mut Stage) {
    let (caller, first, second) = s.called();
    s.w.ua(second).codecs = vec!["PCMA", "telephone-event"];
    s.w.ua(first).leaves = tandem_sim::Leaves::Never;
    s.change(first, Direction::SendOnly, false);
    s.settle();
    s.refer(first, "1002");
    s.settle();
    s.settle();
    s.change(caller, Direction::SendOnly, false);
    s.settle();
    s.end(second);
    s.settle();
}

pub fn a_blind_transfer_that_fails(s: &mut Stage) {
    let (caller, first, second) = s.called();
    s.w.treat(second, Behaviour::RingThenRefuse { code: 486, ring: Duration::from_secs(2) });
    s.refer(first, "1002");
    s.settle();
    s.settle();
    s.end(caller);
    s.settle();
}

pub fn a_transfer_that_outlives_who_asked_for_it(s: &mut Stage) {
    let (_, first, second) = s.called();
    s.w.ua(first).leaves = tandem_sim::Leaves::Accepted;
    s.w.treat(second, Behaviour::answer_after(4_000));
    s.refer(first, "1002");
    s.settle();
    s.settle();
    s.end(second);
    s.settle();
}

pub fn who_remains_leaves_during_a_transfer(s: &mut Stage) {
    let (caller, first, second) = s.called();
    s.w.treat(second, Behaviour::RingForever);
    s.refer(first, "1002");
    s.wait(4_000);
    s.end(caller);
    s.settle();
}

pub fn two_calls_become_one(s: &mut Stage) {
    let (caller, first, second) = s.called();
    s.change(first, Direction::SendOnly, false);
    s.settle();
    let one = s.talks(first);
    s.w.dial(first, "1002");
    s.settle();
    if let (Some(one), Some(other)) = (one, s.talks(first).filter(|other| Some(*other) != one)) {
        s.w.with_ua(first, |ua, now| ua.refer_to_call(one, other, now));
    }
    s.settle();
    s.settle();
    s.change(second, Direction::SendOnly, false);
    s.settle();
    s.end(caller);
    s.settle();
    s.end(first);
    s.settle();
}

pub fn a_call_is_taken_over(s: &mut Stage) {
    let (caller, first, _) = s.office();
    let mobile = s.w.another_phone("mobile", "1001");
    s.w.ua(mobile).is_mute = true;
    s.w.treat(mobile, Behaviour::RingForever);
    s.everybody_leaves.push(mobile);
    s.begin();
    s.w.dial(caller, "5550001");
    s.settle();
    if let Some(call) = s.talks(first) {
        let value = s.w.ua(first).replaces(call);
        let line = tandem_sim::Line::number("1001", SERVER).with(tandem_sip_msg::Header::Replaces, value);
        s.w.dial_line(mobile, line);
    }
    s.settle();
    s.settle();
    s.end(caller);
    s.settle();
    s.end(mobile);
    s.settle();
}

pub fn registrations_come_and_go(s: &mut Stage) {
    let (carrier, trunk) = s.w.carrier_with_account("carrier", "register_out", json!({"expires": 60}));
    let phone = s.phone("1001");
    s.begin();
    s.w.with_ua(phone, |ua, now| ua.register_at(SERVER, 60, now));
    s.wait(100_000);
    s.w.with_ua(phone, |ua, now| ua.register_at(SERVER, 0, now));
    s.w.delete(Kind::Trunk, &trunk);
    s.settle();
    let _ = carrier;
}
