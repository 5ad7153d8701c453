//! No script at all: everybody does anything at any time.

use crate::stage::Stage;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use std::time::Duration;
use tandem_sdp::Direction;
use tandem_sim::{Behaviour, CallRef, Leaves, Line, Rel, SERVER, SessionWish};
use tandem_sip_msg::Header;

/// Phones and carriers that call one another, change, cancel and hang up at random, and treat calls at random.
pub fn anything_goes(s: &mut Stage) {
    let mut rng = StdRng::seed_from_u64(s.seed ^ 0xc4a05);
    let direct = rng.random_bool(0.2);
    s.w.observer.direct_media = direct;
    let open =
        s.w.plain_carrier("open", json!({"max_calls": 3, "dtmf": "auto_info", "direct_media": direct}));
    let strict = s.w.carrier_with_account("strict", "credential", json!({"direct_media": direct}));
    let steps = json!([{"trunk_id": open.1, "timeout": 6}, {"trunk_id": strict.1, "timeout": 20}]);
    s.w.create(tandem_model::Kind::Route, json!({"name": "out", "steps": steps}));
    for number in ["1001", "1002"] {
        let password = format!("{number}-password");
        let body = json!({"name": number, "number": number, "password": password, "direct_media": direct});
        s.w.create(tandem_model::Kind::Extension, body);
    }
    let phones = ["1001", "1002", "second"].map(|name| {
        let number = if name == "second" { "1002" } else { name };
        s.w.another_phone(name, number)
    });
    s.w.number("5550001", "1001");
    s.w.number("5550002", "1002");
    let everybody = [phones[0], phones[1], phones[2], open.0, strict.0];
    for ua in everybody {
        s.w.ua(ua).is_mute = true;
        s.w.ua(ua).offers_late = rng.random_bool(0.2);
        s.w.ua(ua).refuses_changes = rng.random_bool(0.1).then_some(488);
        s.w.ua(ua).rel = [Rel::Unknown, Rel::Supported, Rel::Required][rng.random_range(0..3)];
        s.w.ua(ua).knows_update = rng.random_bool(0.5);
        s.w.ua(ua).has_video = rng.random_bool(0.2);
        s.w.ua(ua).takes_fax = rng.random_bool(0.3);
        let refresher = [None, Some("uac"), Some("uas")][rng.random_range(0..3)];
        let expires = rng.random_range(60..200);
        let wish = SessionWish { expires, min_se: rng.random_range(60..150), refresher };
        s.w.ua(ua).session = rng.random_bool(0.5).then_some(wish);
        let mut taste = StdRng::seed_from_u64(rng.random());
        s.w.ua(ua).treat_calls(move |_| behaviour(&mut taste));
    }
    s.begin();
    for _ in 0..rng.random_range(10..40) {
        let ua = everybody[rng.random_range(0..everybody.len())];
        act(s, ua, &mut rng);
        let pause = if rng.random_bool(0.4) { rng.random_range(0..20) } else { rng.random_range(0..6_000) };
        s.w.run_for(Duration::from_millis(pause));
    }
    s.everybody_leaves = everybody.to_vec();
}

fn behaviour(rng: &mut StdRng) -> Behaviour {
    let ring = Duration::from_millis(rng.random_range(0..4_000));
    match rng.random_range(0..11) {
        10 => {
            let early = Behaviour::Answer { ring, early: true, talks: false };
            Behaviour::Fork(vec![Behaviour::answer_after(3_000), early, Behaviour::RingForever])
        }
        0..=4 => Behaviour::Answer { ring, early: rng.random_bool(0.3), talks: false },
        5 => Behaviour::refuse([302, 404, 480, 486, 500, 503, 603][rng.random_range(0..7)], "No"),
        6 => Behaviour::RingThenRefuse { code: [480, 486, 500][rng.random_range(0..3)], ring },
        7 => Behaviour::RingForever,
        8 => Behaviour::Stuck,
        _ => Behaviour::Silent,
    }
}

/// Somebody has the other side of a call connected to a number, or to that of another call of its own.
fn transfer(s: &mut Stage, ua: usize, call: CallRef, rng: &mut StdRng) {
    s.w.ua(ua).leaves = [Leaves::Accepted, Leaves::Told, Leaves::Never][rng.random_range(0..3)];
    s.w.ua(ua).challenges_notify = rng.random_bool(0.1);
    let calls = s.w.ua(ua).calls().len();
    if rng.random_bool(0.5) {
        let other = CallRef(rng.random_range(0..calls));
        return s.w.with_ua(ua, |ua, now| ua.refer_to_call(call, other, now));
    }
    let number = ["1001", "1002", "5551234", "000"][rng.random_range(0..4)];
    s.w.with_ua(ua, |ua, now| ua.refer(call, &format!("<sip:{number}@{SERVER}>"), now));
}

fn act(s: &mut Stage, ua: usize, rng: &mut StdRng) {
    let calls = s.w.ua(ua).calls().len();
    let call = (calls > 0).then(|| tandem_sim::CallRef(rng.random_range(0..calls)));
    let stage = call.map(|call| s.w.call(ua, call).stage);
    match (rng.random_range(0..8), call.zip(stage)) {
        (7, Some((call, tandem_sim::Stage::Talking))) => {
            s.w.with_ua(ua, |ua, now| ua.inform(call, "application/dtmf", "5", now));
        }
        (6, Some((call, tandem_sim::Stage::Talking))) => match rng.random_bool(0.5) {
            true => {
                let fax = !s.w.call(ua, call).is_fax();
                s.w.with_ua(ua, |ua, now| ua.change_to_fax(call, fax, now));
            }
            false => {
                s.w.ua(ua).has_video ^= true;
                s.w.with_ua(ua, |ua, now| ua.change(call, Direction::SendRecv, false, now));
            }
        },
        (4, Some((call, tandem_sim::Stage::Talking))) => transfer(s, ua, call, rng),
        (5, Some((call, tandem_sim::Stage::Talking | tandem_sim::Stage::Ringing))) => {
            let value = s.w.ua(ua).replaces(call);
            let thief = rng.random_range(0..s.w.everybody().len());
            let line = Line::number("1001", SERVER).with(Header::Replaces, value);
            s.w.dial_line(thief, line);
        }
        (0, Some((call, tandem_sim::Stage::Talking))) => s.w.with_ua(ua, |ua, now| ua.hang_up(call, now)),
        (2, Some((call, tandem_sim::Stage::Talking | tandem_sim::Stage::Ringing)))
            if s.w.ua(ua).knows_update && rng.random_bool(0.5) =>
        {
            let offer = rng.random_bool(0.7).then_some(Direction::SendOnly);
            s.w.with_ua(ua, |ua, now| ua.update(call, offer, now));
        }
        (1 | 2, Some((call, tandem_sim::Stage::Talking))) => {
            let direction =
                [Direction::SendRecv, Direction::SendOnly, Direction::Inactive][rng.random_range(0..3)];
            let late = rng.random_bool(0.3);
            s.w.with_ua(ua, |ua, now| ua.change(call, direction, late, now));
        }
        (0 | 1, Some((call, tandem_sim::Stage::Calling | tandem_sim::Stage::Ringing))) => {
            let outgoing = s.w.call(ua, call).is_outgoing;
            s.w.with_ua(
                ua,
                |ua, now| if outgoing { ua.cancel(call, now) } else { ua.answer_call(call, now) },
            );
        }
        _ => {
            let number =
                ["5550001", "5550002", "1001", "1002", "5551234", "5559999", "000"][rng.random_range(0..7)];
            s.w.dial(ua, number);
        }
    }
}
