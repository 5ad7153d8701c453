//! RFC 3261 §18.1.1: requests too large for a datagram.

use super::rig::Rig;
use crate::ClientKey;
use tandem_sip_msg::{Flow, Header, ListenerId, Message, Transport};

const LARGE: usize = 1300;

/// The transport of every request so far, as its flow has it and as its Via says, which must be the same.
#[track_caller]
fn transports(rig: &Rig) -> Vec<Transport> {
    let sent = rig.sent.iter().zip(&rig.flows).map(|(bytes, flow)| {
        let named = Message::parse(bytes.clone()).unwrap().top_via().transport();
        assert_eq!(named, Some(flow.transport), "the Via names the transport that is used");
        flow.transport
    });
    sent.collect()
}

fn fail(rig: &mut Rig, key: ClientKey) {
    rig.txn.send_failed(key, rig.now);
    rig.drain();
}

#[test]
fn a_request_up_to_1300_bytes_goes_over_udp_and_a_larger_one_over_tcp() {
    let mut rig = Rig::with_a_stream_beside();
    rig.request_of("OPTIONS", 1);
    let room = LARGE - rig.sent[0].len();
    rig.request_of("OPTIONS", 1 + room);
    assert_eq!(rig.sent[1].len(), LARGE);
    rig.request_of("OPTIONS", 2 + room);
    assert_eq!(transports(&rig), [Transport::Udp, Transport::Udp, Transport::Tcp]);
    let wanted = Flow { transport: Transport::Tcp, listener: ListenerId(1), ..rig.flow };
    assert_eq!(rig.flows[2], wanted);
    assert_eq!(rig.txn.counters().streamed, 1);
}

#[test]
fn without_a_listener_for_tcp_or_leave_to_use_it_every_request_goes_over_udp() {
    let mut rig = Rig::with_a_stream_beside();
    rig.txn.config.streams.clear();
    rig.request_of("INVITE", LARGE);
    let mut stranger = Rig::with_a_stream_beside();
    stranger.flow.remote = "192.0.2.77:5060".parse().unwrap();
    stranger.request_of("INVITE", LARGE);
    assert_eq!((transports(&rig), transports(&stranger)), (vec![Transport::Udp], vec![Transport::Udp]));
}

#[test]
fn a_large_invite_over_tcp_is_sent_once_and_its_owner_hears_of_the_way_that_it_wanted() {
    let mut rig = Rig::with_a_stream_beside();
    let wanted = rig.flow;
    let key = rig.request_of("INVITE", LARGE);
    rig.run_to(0.9);
    rig.flow = rig.flows[0];
    rig.answer(0, 180, "b");
    rig.cancel(key);
    rig.run_to(20.0);
    rig.answer(0, 487, "b");
    rig.expect(&["0.0 sent INVITE", "0.9 got 180", "0.9 sent CANCEL", "20.0 sent ACK", "20.0 got 487"]);
    assert_eq!(transports(&rig), [Transport::Tcp; 3]);
    assert_eq!(rig.owners_flows, [wanted; 2]);
}

#[test]
fn when_no_connection_can_be_made_it_goes_over_udp_at_once_and_so_do_others_for_an_hour() {
    let mut rig = Rig::with_a_stream_beside();
    let key = rig.request_of("INVITE", LARGE);
    fail(&mut rig, key);
    rig.run_to(0.5);
    rig.answer(1, 486, "b");
    rig.request_of("OPTIONS", LARGE);
    rig.answer(4, 200, "b");
    rig.expect(&[
        "0.0 sent INVITE",
        "0.0 sent INVITE",
        "0.5 sent INVITE",
        "0.5 sent ACK",
        "0.5 got 486",
        "0.5 sent OPTIONS",
        "0.5 got 200",
    ]);
    use Transport::{Tcp, Udp};
    assert_eq!(transports(&rig), [Tcp, Udp, Udp, Udp, Udp]);
    assert_eq!(rig.txn.counters().fallen_back, 1);
    rig.run_to(3601.0);
    rig.request_of("OPTIONS", LARGE);
    assert_eq!(transports(&rig).last(), Some(&Tcp));
}

#[test]
fn when_nothing_is_heard_over_tcp_for_a_second_it_goes_over_udp_as_from_its_beginning() {
    let mut rig = Rig::with_a_stream_beside();
    rig.request_of("OPTIONS", LARGE);
    rig.run_to(1.2);
    rig.expect(&["0.0 sent OPTIONS", "1.0 sent OPTIONS"]);
    rig.run_to(40.0);
    assert_eq!(transports(&rig)[1..], [Transport::Udp; 11]);
    rig.expect_empty();
}

#[test]
fn the_same_transaction_takes_an_answer_by_either_way() {
    let mut rig = Rig::with_a_stream_beside();
    rig.request_of("OPTIONS", LARGE);
    rig.run_to(1.2);
    let branch =
        |n: usize| Message::parse(rig.sent[n].clone()).unwrap().top_via().branch().unwrap().to_owned();
    assert_eq!(branch(0), branch(1));
    rig.flow = rig.flows[0];
    rig.answer(0, 200, "b");
    rig.expect(&["0.0 sent OPTIONS", "1.0 sent OPTIONS", "1.2 got 200"]);
    rig.request_of("OPTIONS", 0);
    rig.flow = Flow { transport: Transport::Udp, listener: ListenerId(0), ..rig.flow };
    rig.request_of("OPTIONS", LARGE);
    assert_eq!(transports(&rig).last(), Some(&Transport::Tcp), "it does answer over TCP");
}

#[test]
fn a_cancel_that_waited_goes_the_way_of_its_invite() {
    let mut rig = Rig::with_a_stream_beside();
    let key = rig.request_of("INVITE", LARGE);
    rig.cancel(key);
    fail(&mut rig, key);
    rig.answer(1, 180, "b");
    rig.expect(&["0.0 sent INVITE", "0.0 sent INVITE", "0.0 got 180", "0.0 sent CANCEL"]);
    assert_eq!(transports(&rig), [Transport::Tcp, Transport::Udp, Transport::Udp]);
    let cancel = Message::parse(rig.sent[2].clone()).unwrap();
    assert_eq!(cancel.header(Header::Reason), Some("SIP ;cause=200"));
}

#[test]
fn a_connection_that_breaks_after_the_first_response_brings_no_second_copy() {
    let mut rig = Rig::with_a_stream_beside();
    let key = rig.request_of("OPTIONS", LARGE);
    rig.answer(0, 100, "");
    fail(&mut rig, key);
    rig.expect(&["0.0 sent OPTIONS", "0.0 got 100", "0.0 failed Transport"]);
    rig.expect_empty();
}

#[test]
fn a_large_ack_takes_a_stream_only_where_one_was_answered_over() {
    let mut rig = Rig::with_a_stream_beside();
    let ack = |rig: &mut Rig| {
        let ack =
            format!("ACK sip:b@example.net SIP/2.0\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(LARGE));
        rig.txn.send_ack(ack.into(), rig.flow, &mut rig.rng).1.transport
    };
    assert_eq!(ack(&mut rig), Transport::Udp);
    while rig.txn.poll_output().is_some() {}
    rig.request_of("OPTIONS", LARGE);
    let udp = std::mem::replace(&mut rig.flow, rig.flows[0]);
    rig.answer(0, 200, "b");
    rig.flow = udp;
    assert_eq!(ack(&mut rig), Transport::Tcp);
}
