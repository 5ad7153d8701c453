//! Flows of what a dialog can do beyond RFC 3261: PRACK, UPDATE, session timers, forks.

use super::Stage;
use serde_json::json;
use std::time::Duration;
use tandem_model::Kind;
use tandem_sdp::Direction;
use tandem_sim::{Behaviour, CallRef, Rel, SERVER, SessionWish};

fn early(ring: u64) -> Behaviour {
    Behaviour::Answer { ring: Duration::from_millis(ring), early: true, talks: false }
}

impl Stage {
    /// A phone and a carrier that know PRACK and UPDATE; the carrier plays early media for so many milliseconds.
    fn modern_pair(&mut self, ring: u64) -> (usize, usize) {
        let (phone, carrier) = self.pair(500);
        for ua in [phone, carrier] {
            self.w.ua(ua).rel = Rel::Supported;
            self.w.ua(ua).knows_update = true;
        }
        self.w.treat(carrier, early(ring));
        (phone, carrier)
    }

    /// The latest call of somebody, unless it is over.
    fn live(&mut self, ua: usize) -> Option<CallRef> {
        let call = self.w.ua(ua).last_call()?;
        (self.w.call(ua, call).stage != tandem_sim::Stage::Over).then_some(call)
    }

    fn update(&mut self, ua: usize, offer: Option<Direction>) {
        if let Some(call) = self.live(ua) {
            self.w.with_ua(ua, |ua, now| ua.update(call, offer, now));
        }
    }

    /// A phone and a carrier whose sessions last 90 seconds, and who refreshes them.
    fn short_sessions(&mut self, refresher: &'static str, knows_update: bool) -> usize {
        let (carrier, trunk) = self.w.plain_carrier("carrier", json!({"session_timer": 90}));
        self.w.treat(carrier, Behaviour::answer_after(500));
        self.w.route(&[&trunk]);
        let phone = self.phone("1001");
        for ua in [phone, carrier] {
            self.w.ua(ua).is_mute = true;
            self.w.ua(ua).knows_update = knows_update;
            let wish = SessionWish { expires: 90, min_se: 90, refresher: Some(refresher) };
            self.w.ua(ua).session = Some(wish);
        }
        self.caller = Some(phone);
        phone
    }
}

pub fn early_media_is_acknowledged(s: &mut Stage) {
    let (phone, carrier) = s.modern_pair(3_000);
    s.talk(phone);
    s.end(carrier);
    s.settle();
}

pub fn a_caller_requires_acknowledgements(s: &mut Stage) {
    let (phone, carrier) = s.modern_pair(3_000);
    s.w.ua(phone).rel = Rel::Required;
    s.w.treat(carrier, Behaviour::RingForever);
    s.begin();
    s.w.dial(phone, "5551234");
    s.wait(1_000);
    if let Some(ringing) = s.live(carrier) {
        s.w.with_ua(carrier, |ua, now| ua.play_early(ringing, now));
        s.settle();
        s.w.with_ua(carrier, |ua, now| ua.answer_call(ringing, now));
    }
    s.settle();
    s.end(phone);
    s.settle();
}

pub fn the_answer_comes_at_once(s: &mut Stage) {
    let (phone, _) = s.modern_pair(0);
    s.talk(phone);
    s.end(phone);
    s.settle();
}

pub fn a_prack_is_challenged(s: &mut Stage) {
    let (carrier, trunk) = s.w.carrier_with_account("carrier", "credential", json!({}));
    s.w.ua(carrier).is_mute = true;
    s.w.ua(carrier).rel = Rel::Supported;
    s.w.ua(carrier).challenges_pracks = true;
    s.w.treat(carrier, early(1_000));
    s.w.route(&[&trunk]);
    let phone = s.phone("1001");
    s.caller = Some(phone);
    s.talk(phone);
    s.end(phone);
    s.settle();
}

pub fn a_prack_offers(s: &mut Stage) {
    let (phone, _) = s.modern_pair(6_000);
    s.begin();
    let call = s.w.dial(phone, "5551234");
    s.w.with_ua(phone, |ua, _| ua.offer_in_prack(call, Direction::SendOnly));
    s.settle();
    s.settle();
    s.end(phone);
    s.settle();
}

pub fn a_cancel_meets_early_media(s: &mut Stage) {
    let (phone, _) = s.modern_pair(60_000);
    s.begin();
    s.w.lose_to(SERVER, "PRACK");
    s.w.dial(phone, "5551234");
    s.wait(4_000);
    s.w.cancel(phone);
    s.w.lose_no_more();
    s.settle();
}

pub fn a_refusal_follows_early_media(s: &mut Stage) {
    let (phone, carrier) = s.modern_pair(60_000);
    s.begin();
    s.w.dial(phone, "5551234");
    s.wait(3_000);
    s.end(carrier);
    s.settle();
}

pub fn updates_before_the_answer(s: &mut Stage) {
    let (phone, carrier) = s.modern_pair(30_000);
    s.begin();
    s.w.dial(phone, "5551234");
    s.settle();
    s.update(phone, Some(Direction::SendOnly));
    s.settle();
    s.update(carrier, Some(Direction::SendOnly));
    s.settle();
    s.update(carrier, None);
    s.settle();
    s.end(carrier);
    s.settle();
}

pub fn an_answer_meets_an_update(s: &mut Stage) {
    let (phone, carrier) = s.modern_pair(60_000);
    s.begin();
    s.w.dial(phone, "5551234");
    s.settle();
    s.update(phone, Some(Direction::SendOnly));
    if let Some(ringing) = s.live(carrier) {
        s.w.with_ua(carrier, |ua, now| ua.answer_call(ringing, now));
    }
    s.settle();
    s.end(phone);
    s.settle();
}

pub fn an_update_here_is_a_change_there(s: &mut Stage) {
    let (phone, carrier) = s.modern_pair(500);
    s.w.ua(carrier).knows_update = false;
    s.talk(phone);
    s.update(phone, Some(Direction::SendOnly));
    s.settle();
    s.change(carrier, Direction::SendRecv, false);
    s.settle();
    s.end(phone);
    s.settle();
}

pub fn updates_meet(s: &mut Stage) {
    let (phone, carrier) = s.modern_pair(500);
    s.talk(phone);
    s.update(phone, Some(Direction::SendOnly));
    s.update(carrier, Some(Direction::SendOnly));
    s.settle();
    s.update(carrier, Some(Direction::SendRecv));
    s.settle();
    s.end(carrier);
    s.settle();
}

pub fn a_refused_update(s: &mut Stage) {
    let (phone, carrier) = s.modern_pair(500);
    s.w.ua(carrier).refuses_changes = Some(488);
    s.talk(phone);
    s.update(phone, Some(Direction::SendOnly));
    s.settle();
    s.end(phone);
    s.settle();
}

pub fn an_update_meets_a_bye(s: &mut Stage) {
    let (phone, carrier) = s.modern_pair(500);
    s.talk(phone);
    s.update(phone, Some(Direction::SendOnly));
    s.end(carrier);
    s.settle();
    s.end(phone);
    s.settle();
}

pub fn we_refresh_by_update(s: &mut Stage) {
    // The phone has us refresh, and so does the carrier.
    let phone = s.short_sessions("uas", true);
    s.talk(phone);
    s.w.run_for(Duration::from_secs(100));
    s.end(phone);
    s.settle();
}

pub fn we_refresh_by_re_invite(s: &mut Stage) {
    let phone = s.short_sessions("uac", false);
    s.talk(phone);
    s.w.run_for(Duration::from_secs(100));
    s.end(phone);
    s.settle();
}

pub fn nobody_knows_of_session_timers(s: &mut Stage) {
    let phone = s.short_sessions("uac", false);
    for ua in [phone, phone - 1] {
        s.w.ua(ua).session = None;
    }
    s.talk(phone);
    s.w.run_for(Duration::from_secs(100));
    s.end(phone);
    s.settle();
}

pub fn a_session_interval_is_too_small(s: &mut Stage) {
    let phone = s.short_sessions("uac", true);
    let carrier = phone - 1;
    s.w.ua(phone).session = Some(SessionWish { expires: 60, min_se: 30, refresher: None });
    s.w.ua(carrier).session = Some(SessionWish { expires: 600, min_se: 300, refresher: None });
    s.talk(phone);
    s.end(carrier);
    s.settle();
}

pub fn a_peer_is_gone(s: &mut Stage) {
    let phone = s.short_sessions("uac", true);
    s.talk(phone);
    s.w.with_ua(phone, |ua, _| ua.forget_calls());
    s.w.run_for(Duration::from_secs(100));
}

pub fn a_carrier_forks(s: &mut Stage) {
    let (phone, carrier) = s.modern_pair(0);
    s.w.treat(carrier, Behaviour::Fork(vec![early(60_000), Behaviour::RingForever, early(4_000)]));
    s.talk(phone);
    s.end(phone);
    s.settle();
}

pub fn two_branches_answer(s: &mut Stage) {
    let (phone, carrier) = s.pair(500);
    s.w.ua(carrier).forks_answer_twice = true;
    s.w.treat(carrier, Behaviour::Fork(vec![early(1_000), early(1_003)]));
    s.talk(phone);
    s.end(phone);
    s.settle();
}

pub fn another_phone_answers_than_the_one_that_was_heard(s: &mut Stage) {
    let (carrier, _) = s.carrier("carrier", 500);
    s.caller = Some(carrier);
    let desk = s.phone("1001");
    let mobile = s.w.another_phone("mobile", "1001");
    s.w.ua(mobile).is_mute = true;
    s.w.number("15550001", "1001");
    s.w.ua(carrier).rel = Rel::Supported;
    s.w.ua(desk).codecs = vec!["PCMU"];
    s.w.ua(mobile).codecs = vec!["PCMA"];
    // Not for so long that our INVITE over a connection that was cut is given up before.
    s.w.treat(desk, early(25_000));
    s.w.treat(mobile, Behaviour::answer_after(9_000));
    s.begin();
    s.w.dial(carrier, "15550001");
    s.settle();
    s.settle();
    s.end(carrier);
    s.settle();
}

pub fn codecs_and_addresses_change(s: &mut Stage) {
    let (carrier, trunk) = s.w.plain_carrier("carrier", json!({"codecs": ["PCMU", "PCMA"]}));
    s.w.ua(carrier).is_mute = true;
    s.w.create(Kind::Route, json!({"name": "out", "steps": [{"trunk_id": trunk}]}));
    let phone = s.phone("1001");
    s.caller = Some(phone);
    s.talk(phone);
    s.w.ua(phone).codecs = vec!["PCMA"];
    s.w.ua(phone).move_media();
    s.change(phone, Direction::SendRecv, false);
    s.settle();
    s.w.ua(carrier).move_media();
    s.change(carrier, Direction::SendRecv, false);
    s.settle();
    s.end(phone);
    s.settle();
}
