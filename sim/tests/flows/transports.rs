//! What goes over which transport: requests too large for a datagram, and dialogs that outlive their connection.

use serde_json::json;
use std::time::Duration;
use tandem_model::Kind;
use tandem_sim::{Line, SERVER, Stage, World};
use tandem_sip_msg::{Header, Message, Transport};

const NUMBER: &str = "15550001";

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Two carriers on UDP and a number that leads from one to the other: (world, caller, callee).
fn transit() -> (World, usize, usize) {
    let mut w = World::new();
    let (caller, _) = w.plain_carrier("caller", json!({}));
    let (callee, trunk) = w.plain_carrier("callee", json!({"transport": "udp"}));
    w.create(Kind::Number, json!({"number": NUMBER, "trunk_id": trunk}));
    (w, caller, callee)
}

/// A signed call, of which the signature alone is over 1300 bytes.
fn large() -> Line {
    let signature = format!("{};info=<https://a.example/c>", "e".repeat(1400));
    Line::number(NUMBER, SERVER).with(Header::Identity, signature)
}

/// The transports that the Vias of our INVITEs to a carrier name, in order.
fn named(w: &World, to: usize) -> Vec<Transport> {
    let invites = w.ladder.requests(SERVER, w.address(to), "INVITE");
    invites.iter().map(|(_, invite): &(_, Message)| invite.top_via().transport().unwrap()).collect()
}

#[test]
fn a_large_invite_to_a_carrier_on_udp_goes_over_tcp_where_that_is_answered() {
    let (mut w, caller, callee) = transit();
    w.ua(callee).transport = Transport::Tcp;
    w.dial_line(caller, large());
    w.run_for(millis(900));
    assert_eq!(named(&w, callee), [Transport::Tcp]);
    assert_eq!(w.stage(callee), Stage::Talking);
    w.hang_up(caller);
    w.run_for(millis(500));
    assert_eq!(w.stage(callee), Stage::Over);
    w.assert_quiet();
}

#[test]
fn a_carrier_that_takes_no_tcp_gets_it_over_udp_a_second_later_and_the_next_at_once() {
    let (mut w, caller, callee) = transit();
    w.dial_line(caller, large());
    w.run_for(millis(900));
    assert_eq!(named(&w, callee), [Transport::Tcp]);
    w.run_for(millis(300));
    assert_eq!(named(&w, callee), [Transport::Tcp, Transport::Udp]);
    w.run_for(millis(900));
    assert_eq!(w.stage(callee), Stage::Talking);
    w.hang_up(callee);
    w.run_for(millis(500));
    w.dial_line(caller, large());
    w.run_for(millis(900));
    assert_eq!(named(&w, callee).last(), Some(&Transport::Udp));
    assert_eq!((named(&w, callee).len(), w.stage(callee)), (3, Stage::Talking));
    w.hang_up(callee);
    w.assert_quiet();
}

#[test]
fn a_large_invite_that_its_caller_takes_back_before_anything_was_heard_is_cancelled_over_udp() {
    let (mut w, caller, callee) = transit();
    w.dial_line(caller, large());
    w.run_for(millis(200));
    w.cancel(caller);
    w.run_for(millis(2000));
    let cancels = w.ladder.requests(SERVER, w.address(callee), "CANCEL");
    assert_eq!(
        cancels.iter().map(|(_, c)| c.top_via().transport()).collect::<Vec<_>>(),
        [Some(Transport::Udp)]
    );
    assert_eq!(w.last_call(callee).code, Some(487));
    w.assert_quiet();
}

#[test]
fn a_phone_whose_connection_was_lost_in_the_middle_of_a_call_hears_that_it_is_over() {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    w.transport = Transport::Tcp;
    let phone = w.phone("1001");
    w.talk(phone, "5551234");
    // It says something, and that is where the connection breaks.
    w.cut_after(10);
    w.with_ua(phone, |ua, now| ua.register_at(SERVER, 3600, now));
    w.run_for(millis(3000));
    assert_eq!((w.stage(phone), w.stage(carrier)), (Stage::Talking, Stage::Talking));
    w.hang_up(carrier);
    w.run_for(millis(1000));
    assert_eq!(w.stage(phone), Stage::Over);
    w.only_record();
}
