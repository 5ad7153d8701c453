//! The shortest way through everything: register, call out, talk, hang up.

use std::time::Duration;
use tandem_model::Outcome;
use tandem_sim::{Stage, World};

#[test]
fn a_phone_calls_out_over_a_trunk_and_both_hear_each_other() {
    let mut w = World::new();
    let (carrier, trunk) = w.carrier("carrier");
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    let call = w.dial(phone, "5551234");
    w.run_until("the call is answered", |w| w.call(phone, call).stage == Stage::Talking);
    w.run_for(Duration::from_secs(2));
    println!("{}", w.ladder.text(0, &["OPTIONS"]));
    let (phone_tone, carrier_tone) = (w.ua(phone).tone, w.ua(carrier).tone);
    assert!(w.call(phone, call).hears(carrier_tone));
    assert!(w.last_call(carrier).hears(phone_tone));
    w.with_ua(phone, |ua, now| ua.hang_up(call, now));
    w.run_for(Duration::from_secs(1));
    assert_eq!(w.last_call(carrier).stage, Stage::Over);
    assert_eq!(w.records.len(), 1);
    assert_eq!(w.records[0].outcome, Outcome::Answered);
    println!("{:#?}", w.records[0]);
}
