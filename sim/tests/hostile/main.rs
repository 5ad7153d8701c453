//! One datagram must not cost much, whatever is in it and whoever sends it, and must not be multiplied. `cargo run --release -p
//! tandem-sim --example datagram_cost` prints what each costs.

mod bench;
mod generators;

use bench::{Bench, From};
use generators::{Datagram, all};
use std::time::Duration;

const SIZE: usize = 60_000;
/// A release build has 5 ms of a processor for a datagram and takes one at most; a debug build gets room. Quadratic work would take
/// seconds.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 250 } else { 5 });

/// The best of some: other work on the machine is not ours.
fn costs_little(from: From) {
    let mut bench = Bench::new();
    for datagram in all(SIZE) {
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let cost = bench.cost(&datagram, from);
            best = best.min(cost.time);
            if best < LIMIT {
                break;
            }
            bench.clear();
        }
        assert!(best < LIMIT, "{} took {best:?}", datagram.name);
    }
}

#[test]
fn whatever_a_trunk_sends_costs_little() {
    costs_little(From::Trunk);
}

#[test]
fn whatever_a_stranger_sends_costs_little() {
    costs_little(From::Stranger);
}

#[test]
fn a_stranger_gets_back_no_more_than_three_times_what_came() {
    let mut bench = Bench::new();
    for size in [1, 40, 300, 3_000] {
        for datagram in all(size) {
            let cost = bench.cost(&datagram, From::Stranger);
            assert!(cost.bytes <= 3 * datagram.bytes.len(), "{} brought {} bytes", datagram.name, cost.bytes);
        }
    }
}

/// As short as a request can be that somebody would write.
fn short(method: &str, more: &str) -> Datagram {
    let text = format!(
        "{method} sip:h SIP/2.0\r\nv:SIP/2.0/UDP h{more}\r\nf:<sip:a@b>;tag=1\r\nt:<sip:c@d>\r\ni:{method}\r\nCSeq:1 {method}\r\n\r\n"
    );
    Datagram { name: method.to_owned(), bytes: text.into() }
}

#[test]
fn the_shortest_requests_are_not_multiplied_either() {
    let mut bench = Bench::new();
    for method in ["INVITE", "REGISTER", "OPTIONS", "BYE", "CANCEL", "ACK", "SUBSCRIBE", "MESSAGE", "X"] {
        for more in ["", ";branch=z9hG4bK1", ";rport;branch=z9hG4bK2"] {
            let datagram = short(method, more);
            for _ in 0..3 {
                let cost = bench.cost(&datagram, From::Stranger);
                assert!(
                    cost.bytes <= 3 * datagram.bytes.len(),
                    "{method}{more} brought {} bytes",
                    cost.bytes
                );
            }
        }
    }
    assert!(bench.left_out() > 0, "some answers would have been longer");
    for text in ["A sip:b SIP/2.0\r\nv:SIP/2.0/UDP h\r\n\r\n", "A b SIP/3.0\r\nv:SIP/2.0/UDP h;rport\r\n"] {
        let datagram = Datagram { name: text.to_owned(), bytes: text.to_owned().into() };
        let cost = bench.cost(&datagram, From::Stranger);
        assert!(cost.bytes <= 3 * text.len(), "{text:?} brought {} bytes", cost.bytes);
    }
}

#[test]
fn an_ordinary_request_of_a_stranger_is_challenged_all_the_same() {
    let mut bench = Bench::new();
    let register = Datagram {
        name: "REGISTER".to_owned(),
        bytes: "REGISTER sip:10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.7:5060;branch=z9hG4bK7;rport\r\n\
            Max-Forwards: 70\r\nFrom: <sip:1001@10.0.0.1>;tag=a1\r\nTo: <sip:1001@10.0.0.1>\r\nCall-ID: 8f3a@203.0.113.7\r\n\
            CSeq: 1 REGISTER\r\nContact: <sip:1001@203.0.113.7:5060>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
            .into(),
    };
    assert!(bench.cost(&register, From::Stranger).bytes > 300);
}
