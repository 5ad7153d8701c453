//! Flows of media: directly from peer to peer, fax in the place of the sound, video beside it.

use super::Stage;
use serde_json::json;
use std::time::Duration;
use tandem_model::Kind;
use tandem_sdp::Direction;
use tandem_sim::Behaviour;

impl Stage {
    fn fax(&mut self, ua: usize, fax: bool) {
        if let Some(call) = self.talking(ua) {
            self.w.with_ua(ua, |ua, now| ua.change_to_fax(call, fax, now));
        }
    }
}

/// A phone and carriers whose media may go directly, and what the first carrier does.
fn direct(s: &mut Stage, first: Behaviour) -> (usize, usize) {
    s.w.observer.direct_media = true;
    let (one, a) = s.w.plain_carrier("one", json!({"direct_media": true}));
    let (two, b) = s.w.plain_carrier("two", json!({}));
    s.w.treat(one, first);
    for carrier in [one, two] {
        s.w.ua(carrier).is_mute = true;
    }
    s.w.route(&[&a, &b]);
    let body = json!({"name": "1001", "number": "1001", "password": "1001-password", "direct_media": true});
    s.w.create(Kind::Extension, body);
    let phone = s.w.another_phone("1001", "1001");
    s.w.ua(phone).is_mute = true;
    s.caller = Some(phone);
    (phone, one)
}

pub fn media_goes_directly(s: &mut Stage) {
    let (phone, carrier) = direct(s, Behaviour::answer_after(500));
    s.talk(phone);
    s.change(phone, Direction::SendOnly, false);
    s.settle();
    s.change(carrier, Direction::SendRecv, true);
    s.settle();
    s.end(carrier);
    s.settle();
}

pub fn early_media_moves_before_a_failover(s: &mut Stage) {
    let (phone, _) = direct(s, Behaviour::PlayThenRefuse { code: 503, play: Duration::from_secs(1) });
    s.talk(phone);
    s.settle();
    s.end(phone);
    s.settle();
}

pub fn a_call_turns_into_a_fax_and_back(s: &mut Stage) {
    let (phone, carrier) = s.pair(500);
    s.w.ua(carrier).takes_fax = true;
    s.talk(phone);
    s.fax(phone, true);
    s.settle();
    s.fax(phone, false);
    s.settle();
    // The phone has no fax: it is refused, and the sound stays.
    s.fax(carrier, true);
    s.settle();
    s.end(phone);
    s.settle();
}

pub fn video_comes_and_goes(s: &mut Stage) {
    let (phone, carrier) = s.pair(500);
    s.w.ua(carrier).has_video = true;
    s.talk(phone);
    s.w.ua(phone).has_video = true;
    s.change(phone, Direction::SendRecv, false);
    s.settle();
    s.w.ua(phone).has_video = false;
    s.change(phone, Direction::SendRecv, false);
    s.settle();
    s.end(carrier);
    s.settle();
}
