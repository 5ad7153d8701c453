//! Trunks over TLS, and trunks that say by DNS how they are to be reached.

mod world;

use serde_json::json;
use tandem_model::TrunkState;
use tandem_sip_msg::Transport;
use tandem_sip_txn::Failure;
use world::*;

const NAMES: [&str; 3] = ["192.0.2.1:5060", "192.0.2.2:5060", "192.0.2.3:5060"];

#[test]
fn over_tls_the_name_to_prove_is_the_configured_one_wherever_the_dns_leads() {
    let mut world = World::with(&[trunk(1, json!({"host": "SIP.example.com", "transport": "tls"}))]);
    let query = world.queries.front().unwrap();
    assert_eq!((query.port, query.transport), (None, Some(Transport::Tls)));
    world.resolve(&["203.0.113.1:5071"], 60);
    let register = world.register();
    assert_eq!(
        (register.flow.transport, register.flow.remote),
        (Transport::Tls, address("203.0.113.1:5071"))
    );
    assert_eq!(world.domains[&register.flow.domain.unwrap()], "sip.example.com");
    assert!(register.message.top_via().as_str().starts_with("SIP/2.0/TLS 198.51.100.1:5061"));
    let contact = register.message.contact().unwrap();
    assert_eq!(contact.uri().params().get("transport"), Some("tls"));
    assert_eq!(register.message.request_uri().unwrap().params().get("transport"), Some("tls"));
}

#[test]
fn each_next_hop_has_a_name_of_its_own_and_an_address_is_one() {
    let fields = json!({"host": "192.0.2.1", "registrar": "192.0.2.9:5099", "transport": "tls"});
    let mut world = World::with(&[trunk(1, fields)]);
    let register = world.register();
    assert_eq!(register.flow.remote, address("192.0.2.9:5099"));
    assert_eq!(world.domains[&register.flow.domain.unwrap()], "192.0.2.9");
    let call = world.trunks.targets(id(1))[0];
    assert_eq!(call.remote, address("192.0.2.1:5061"), "the port of TLS");
    assert_eq!(world.domains[&call.domain.unwrap()], "192.0.2.1");
}

#[test]
fn what_a_connection_failed_for_is_the_reason_of_the_trunk_until_it_answers() {
    let fields = json!({"host": "192.0.2.1", "transport": "tls"});
    let mut world = World::with(&[trunk(1, fields.clone()), trunk(2, json!({"transport": "udp"}))]);
    let register = std::iter::repeat_with(|| world.expect("REGISTER"))
        .find(|sent| sent.flow.transport == Transport::Tls)
        .unwrap();
    let (remote, domain, now) = (register.flow.remote, register.flow.domain, world.now);
    world.trunks.connection_failed(remote, domain, "the certificate is for other.example", now);
    world.pass(secs(32));
    let status = world.trunks.status(id(1)).unwrap();
    assert_eq!(status.state, TrunkState::Unreachable);
    let expected =
        "REGISTER could not be delivered to tls:192.0.2.1:5061: the certificate is for other.example";
    assert_eq!(status.reason, expected);
    let other = world.trunks.status(id(2)).unwrap().reason;
    assert!(!other.contains("certificate"), "{other}");
    let again = std::iter::repeat_with(|| world.expect("REGISTER"))
        .find(|sent| sent.flow.transport == Transport::Tls)
        .unwrap();
    world.accept(&again, 3600);
    assert_eq!(world.trunks.status(id(1)).unwrap().state, TrunkState::Registered);
}

#[test]
fn without_a_tls_listener_the_trunk_says_so() {
    let fields = json!({"host": "2001:db8::1", "transport": "tls"});
    let mut world = World::with(&[trunk(1, fields)]);
    world.pass(secs(3));
    let status = world.status();
    assert!(status.reason.contains("no TLS listener"), "{}", status.reason);
}

#[test]
fn a_host_that_names_transports_is_reached_as_it_says() {
    let mut world = World::with(&[trunk(1, json!({"host": "sip.example.com", "transport": "auto"}))]);
    assert_eq!(world.queries.front().unwrap().transport, None);
    world.resolve_with_transports(
        &[
            (Transport::Tls, "192.0.2.1:5061"),
            (Transport::Tcp, "192.0.2.1:5060"),
            (Transport::Udp, "192.0.2.1:5060"),
        ],
        60,
    );
    let tried: Vec<Transport> = (0..4).map(|_| world.expect("REGISTER").flow.transport).collect();
    assert_eq!(tried[..3], [Transport::Tls, Transport::Tcp, Transport::Udp], "one after the other");
    assert_eq!(tried[3], Transport::Tls, "the host's wish counts, not the last failure");
}

#[test]
fn a_target_that_failed_comes_last_for_a_minute_and_then_has_its_place_again() {
    let mut world = World::with(&[trunk(1, json!({"host": "sip.example.com", "mode": "ip_auth"}))]);
    world.resolve(&NAMES, 3600);
    let order = |world: &World| -> Vec<String> {
        world.trunks.targets(id(1)).iter().map(|flow| flow.remote.to_string()).collect()
    };
    assert_eq!(order(&world), NAMES);
    let first = world.udp_to(NAMES[0]);
    world.act(|trunks, sip| trunks.call_evidence(id(1), first, Err(Failure::Transport), sip));
    assert_eq!(order(&world), [NAMES[1], NAMES[2], NAMES[0]]);
    assert!(world.is_up());
    world.pass(secs(30));
    let second = world.udp_to(NAMES[1]);
    world.act(|trunks, sip| trunks.call_evidence(id(1), second, Err(Failure::Timeout), sip));
    assert_eq!(order(&world), [NAMES[2], NAMES[0], NAMES[1]]);
    world.pass(secs(31));
    assert_eq!(order(&world), [NAMES[0], NAMES[2], NAMES[1]]);
    world.pass(secs(30));
    assert_eq!(order(&world), NAMES);
    world.act(|trunks, sip| trunks.call_evidence(id(1), first, Err(Failure::Transport), sip));
    world.act(|trunks, sip| trunks.call_evidence(id(1), first, Ok(()), sip));
    assert_eq!(order(&world), NAMES, "an answer redeems it at once");
}

#[test]
fn calls_prefer_the_target_that_took_the_registration() {
    let mut world = World::with(&[trunk(1, json!({"host": "sip.example.com", "register_timeout": 5}))]);
    world.resolve(&NAMES[..2], 3600);
    world.expect("REGISTER");
    let second = world.register();
    assert_eq!(second.flow.remote, address(NAMES[1]));
    world.pass(secs(120));
    assert_eq!(
        world.trunks.targets(id(1))[0].remote,
        address(NAMES[1]),
        "when the first has been forgiven too"
    );
}

#[test]
fn one_address_is_judged_by_each_transport_apart() {
    let fields = json!({"host": "sip.example.com", "mode": "ip_auth", "transport": "auto", "ping_interval": 30, "ping_fail": 1});
    let mut world = World::with(&[trunk(1, fields)]);
    let both = [(Transport::Udp, NAMES[0]), (Transport::Tcp, NAMES[0])];
    world.resolve_with_transports(&both, 3600);
    let mut probes: Vec<_> = (0..2).map(|_| world.expect("OPTIONS")).collect();
    probes.sort_by_key(|probe| probe.flow.transport);
    world.answer(&probes[1], 200, &[]);
    world.pass(secs(10));
    assert_eq!(world.trunks.targets(id(1))[0].transport, Transport::Tcp);
    assert_eq!(world.state(), TrunkState::Degraded);
    assert!(world.is_up());
}

#[test]
fn trunks_are_found_by_the_names_in_certificates() {
    let mut world = World::with(&[
        trunk(1, json!({"mtls_san": ["SBC1.example.com", "sbc2.example.com"]})),
        trunk(2, json!({"mtls_san": ["sbc2.example.com"], "mode": "ip_auth"})),
    ]);
    let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(world.trunks.certified(&names(&["x.example", "sbc1.example.COM"])), [id(1)]);
    assert_eq!(world.trunks.certified(&names(&["sbc2.example.com"])), [id(1), id(2)]);
    assert_eq!(world.trunks.certified(&names(&["example.com"])), []);
    world.configure(&[]);
    world.pass(secs(10));
    assert_eq!(world.trunks.certified(&names(&["sbc1.example.com"])), []);
}
