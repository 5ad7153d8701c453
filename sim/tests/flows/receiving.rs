//! What comes from a trunk, by its settings: whose call it is, for which number, who calls, with which variables.

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tandem_model::{Event, Kind};
use tandem_sim::{Line, SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A carrier with these settings, and a phone that 15550001 rings.
fn office(more: Value) -> (World, usize, usize) {
    let mut w = World::new();
    let (carrier, _) = w.plain_carrier("carrier", more);
    let phone = w.phone("1001");
    w.number("15550001", "1001");
    (w, carrier, phone)
}

/// Whether a call of the carrier with these settings gets to the phone.
fn rings(more: Value, line: Line) -> bool {
    let (mut w, carrier, phone) = office(more);
    w.dial_line(carrier, line);
    w.run_for(secs(1));
    !w.with_ua(phone, |ua, _| ua.calls().is_empty())
}

const OTHER: &str = "15559999";

fn line() -> Line {
    Line::number(OTHER, SERVER).with_to("sip:15558888@carrier.example")
}

#[test]
fn the_called_number_is_where_the_trunk_has_it() {
    let known = "<sip:15550001@carrier.example>";
    for (source, line) in [
        ("request_uri", Line::number("15550001", SERVER)),
        ("to", line().with_to("sip:+15550001@carrier.example")),
        ("to", line().with_to("tel:+15550001")),
        ("diversion", line().with(Header::Diversion, known).with(Header::Diversion, "<sip:7@h>")),
        ("p_called_party_id", line().with(Header::PCalledPartyId, known)),
        ("header:warning", line().with(Header::Warning, "15550001")),
        ("header:Warning", line().with(Header::Warning, known)),
    ] {
        assert!(rings(json!({"did_source": source}), line.clone()), "{source}");
        if source != "request_uri" {
            assert!(!rings(json!({"did_source": "request_uri"}), line), "only there");
        }
    }
    assert!(!rings(json!({"did_source": "to"}), line()), "no other place is looked at");
    let absent = Line::number("15550001", SERVER);
    assert!(rings(json!({"did_source": "diversion"}), absent), "without the header as usual");
}

#[test]
fn the_called_number_is_taken_out_by_a_pattern_or_between_delimiters() {
    let line = || line().with(Header::Warning, "a=1;did=15550001;b=2");
    for how in
        [json!({"did_pattern": "did=(\\d+)"}), json!({"did_delimiters": {"after": "did=", "before": ";"}})]
    {
        let mut more = json!({"did_source": "header:Warning"});
        more.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
        assert!(rings(more, line()), "{how}");
    }
    let prefixed = Line::number("99915550001", SERVER);
    assert!(
        rings(json!({"did_pattern": "^sip:999([0-9]+)@"}), prefixed),
        "of the Request-URI where nothing else is said"
    );
}

#[test]
fn an_inbound_extension_takes_every_call_of_the_trunk() {
    assert!(rings(json!({"inbound_extension": "1001"}), line()), "an extension");
    assert!(rings(json!({"inbound_extension": "+15550001"}), line()), "a number");
    assert!(!rings(json!({"inbound_extension": "1002"}), Line::number("15550001", SERVER)), "and no other");
    let to = line().with_to("sip:15550001@carrier.example");
    assert!(rings(json!({"inbound_extension": "auto_to_user"}), to));
}

#[test]
fn auto_takes_to_only_where_our_token_was_called() {
    let more = || json!({"slug": "main", "contact_user": "token", "inbound_extension": "auto"});
    let to = |user: &str| Line::number(user, SERVER).with_to("sip:15550001@carrier.example");
    assert!(rings(more(), to("gw+main")));
    assert!(!rings(more(), to(OTHER).with_to("sip:15558888@h")));
    let (mut w, carrier, phone) = office(more());
    w.dial_line(carrier, Line::number("15550001", SERVER).with_to("sip:15558888@h"));
    w.run_for(secs(1));
    assert_eq!(w.stage(phone), Stage::Talking, "else the Request-URI counts");
}

#[test]
fn a_token_without_an_extension_stands_for_the_account() {
    let mut w = World::new();
    let account = json!({"mode": "credential", "username": "15550001", "password": "secret", "slug": "main"});
    let (carrier, _) = w.plain_carrier("carrier", account);
    let phone = w.phone("1001");
    w.number("15550001", "1001");
    w.dial_line(carrier, Line::number("gw+main", SERVER));
    w.run_for(secs(1));
    assert_eq!(w.stage(phone), Stage::Talking);
}

/// Two trunks to one address, by their names.
fn two_accounts(north: Value, south: Value) -> (World, usize, [String; 2]) {
    let mut w = World::new();
    let carrier = w.add("carrier", "carrier");
    let trunk = |name: &str, more: Value| {
        let mut body = json!({
            "name": name, "mode": "credential", "host": "10.0.1.1", "port": 5060, "username": name, "password": "secret",
            "ping_interval": 0,
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let trunks = [trunk("north", north), trunk("south", south)].map(|body| w.create(Kind::Trunk, body));
    w.phone("1001");
    w.number("15550001", "1001");
    (w, carrier, trunks)
}

/// The trunk that a call is taken for.
fn whose(w: &mut World, carrier: usize, line: Line) -> Option<String> {
    w.records.clear();
    w.dial_line(carrier, line);
    w.run_for(secs(1));
    if w.stage(carrier) == Stage::Talking {
        w.hang_up(carrier);
        w.run_for(secs(1));
    }
    w.records.first().map(|record| record.caller.trunk_id.unwrap().to_string())
}

#[test]
fn accounts_on_one_address_are_told_apart_by_slug_account_and_to() {
    let (mut w, carrier, [north, south]) = two_accounts(
        json!({}),
        json!({"contact_user": "extension",
        "inbound_extension": "1001"}),
    );
    let to = "sip:15550001@carrier.example";
    for (line, trunk) in [
        (Line::number("gw+north", SERVER).with_to(to), &north),
        (Line::number("gw+south", SERVER).with_to(to), &south),
        (Line::to(format!("sip:15550001@{SERVER};gw=north")), &north),
        (Line::number("north", SERVER).with_to(to), &north),
        (Line::number("south", SERVER).with_to(to), &south),
        (Line::number("1001", SERVER).with_to(to), &south),
        (Line::number("15550001", SERVER).with_to("sip:south@carrier.example"), &south),
    ] {
        assert_eq!(whose(&mut w, carrier, line.clone()).as_ref(), Some(trunk), "{line:?}");
    }
    assert_eq!(whose(&mut w, carrier, Line::number("15550001", SERVER)), None);
    let message = w.events.iter().find_map(|event| match event {
        Event::InboundAmbiguous { message, .. } => Some(message.clone()),
        _ => None,
    });
    assert!(message.unwrap().contains("`north`, `south`"));
}

#[test]
fn a_slug_opens_the_door_to_nobody() {
    let (mut w, _, _) = two_accounts(json!({}), json!({}));
    let stranger = w.add("stranger", "stranger");
    for uri in [format!("sip:gw+north@{SERVER}"), format!("sip:15550001@{SERVER};gw=north")] {
        w.dial_line(stranger, Line::to(uri).with_to("sip:15550001@x.example"));
        w.run_for(secs(1));
        assert_eq!(w.last_call(stranger).code, Some(407));
    }
    assert!(w.records.is_empty());
}

#[test]
fn of_two_trunks_that_an_address_fits_the_one_with_the_longer_prefix_has_it() {
    let mut w = World::new();
    let (carrier, near) = w.plain_carrier("carrier", json!({"port": 5080, "username": "near"}));
    let net = json!({
        "name": "net", "mode": "ip_auth", "host": "10.9.9.9", "associated_ips": ["10.0.1.0/24"], "username": "net",
        "ping_interval": 0,
    });
    let net = w.create(Kind::Trunk, net);
    w.phone("1001");
    w.number("15550001", "1001");
    assert_eq!(whose(&mut w, carrier, Line::number("15550001", SERVER)), Some(near));
    let line = Line::number("net", SERVER).with_to("sip:15550001@x");
    assert_eq!(whose(&mut w, carrier, line), Some(net.clone()), "an account that is named goes first");
    let other = w.add("other", "other");
    assert_eq!(whose(&mut w, other, Line::number("15550001", SERVER)), Some(net));
}

#[test]
fn the_addresses_of_the_host_need_not_be_believed() {
    assert!(rings(json!({}), Line::number("15550001", SERVER)));
    assert!(!rings(json!({"resolve_host_to_acl": false}), Line::number("15550001", SERVER)));
    let listed = json!({"resolve_host_to_acl": false, "associated_ips": ["10.0.1.1"]});
    assert!(rings(listed, Line::number("15550001", SERVER)));
}

#[test]
fn the_addresses_of_the_host_are_followed_through_the_name_service() {
    let mut w = World::new();
    let sbcs = [w.add("sbc-1", "sbc"), w.add("sbc-2", "sbc")];
    let at = |w: &World, n: usize| vec![w.address(sbcs[n])];
    let before = at(&w, 0);
    w.dns.insert("sip.carrier.example".to_owned(), before);
    let trunk =
        json!({"name": "named", "mode": "ip_auth", "host": "sip.carrier.example", "ping_interval": 0});
    w.create(Kind::Trunk, trunk);
    w.phone("1001");
    w.number("15550001", "1001");
    w.run_for(secs(3));
    for moved in [false, true] {
        if moved {
            let after = at(&w, 1);
            w.dns.insert("sip.carrier.example".to_owned(), after);
            w.run_for(secs(70));
        }
        for (n, sbc) in sbcs.into_iter().enumerate() {
            w.dial(sbc, "15550001");
            w.run_for(secs(1));
            let known = n == usize::from(moved);
            assert_eq!(w.last_call(sbc).code, Some(if known { 200 } else { 407 }), "{moved} {n}");
            w.with_ua(sbc, |ua, now| ua.hang_up_all(now));
            w.run_for(secs(1));
        }
    }
}

#[test]
fn the_port_that_calls_come_from_can_count() {
    for (verify, port, rings) in [(false, 5070, true), (true, 5070, false), (true, 5060, true)] {
        let mut w = World::new();
        w.plain_carrier("carrier", json!({"verify_source_port": verify, "associated_ips": ["10.0.7.0/24"]}));
        let phone = w.phone("1001");
        w.number("15550001", "1001");
        for ip in [[10, 0, 1, 1], [10, 0, 7, 1]] {
            if ip == [10, 0, 1, 1] && port == 5060 {
                continue; // that is the carrier itself
            }
            let other = w.add_at("other", "other", SocketAddr::from((ip, port)));
            w.dial(other, "15550001");
            w.run_for(secs(1));
            assert_eq!(!w.with_ua(phone, |ua, _| ua.calls().is_empty()), rings, "{verify} {port} {ip:?}");
        }
    }
}

#[test]
fn additional_hosts_are_followed_through_the_name_service() {
    let mut w = World::new();
    let at = |n: u8| vec![SocketAddr::from(([10, 0, 1, n], 5060))];
    w.dns.insert("sbc.example".to_owned(), at(2));
    let (_, trunk) = w.plain_carrier("carrier", json!({"associated_hosts": ["sbc.example"]}));
    let first = w.add("sbc-1", "sbc");
    let second = w.add("sbc-2", "sbc");
    w.phone("1001");
    w.number("15550001", "1001");
    w.run_for(secs(1));
    assert_eq!(whose(&mut w, first, Line::number("15550001", SERVER)), Some(trunk.clone()));
    assert_eq!(whose(&mut w, second, Line::number("15550001", SERVER)), None);
    w.dns.insert("sbc.example".to_owned(), at(3));
    w.run_for(secs(3600 + 600));
    assert_eq!(whose(&mut w, second, Line::number("15550001", SERVER)), Some(trunk.clone()), "it has moved");
    assert_eq!(whose(&mut w, first, Line::number("15550001", SERVER)), None);
    w.dns.remove("sbc.example");
    w.run_for(secs(2 * 3600));
    assert_eq!(
        whose(&mut w, second, Line::number("15550001", SERVER)),
        Some(trunk.clone()),
        "the last good is kept"
    );
    w.patch(Kind::Trunk, &trunk, json!({"associated_hosts": []}));
    w.run_for(secs(1));
    assert_eq!(whose(&mut w, second, Line::number("15550001", SERVER)), None, "an edit counts at once");
}

#[test]
fn the_caller_is_where_the_trunk_has_it() {
    let line = || {
        Line::number("15550001", SERVER)
            .with_from("\"Ann\" <sip:+4930111@a.example>")
            .with(Header::PAssertedIdentity, "\"Pai\" <sip:+4930222@a.example>")
            .with(Header::RemotePartyId, "\"Rpid\" <sip:+4930333@a.example>;party=calling")
            .with(Header::Warning, "cid=4930444;x")
    };
    for (more, number) in [
        (json!({}), "+4930111"),
        (json!({"cid_source": "from"}), "+4930111"),
        (json!({"cid_source": "pai"}), "+4930222"),
        (json!({"cid_source": "rpid"}), "+4930333"),
        (json!({"cid_source": "header:Warning", "cid_pattern": "cid=([0-9]+)"}), "4930444"),
        (
            json!({"cid_source": "header:Warning", "cid_delimiters": {"after": "cid=", "before": ";"}}),
            "4930444",
        ),
        (json!({"cid_source": "from", "cid_pattern": "sip:\\+49([0-9]+)@"}), "30111"),
        (json!({"cid_source": "header:X-Absent"}), "+4930111"),
    ] {
        let (mut w, carrier, phone) = office(more.clone());
        w.dial_line(carrier, line());
        w.run_for(secs(1));
        let invite = w.last_call(phone).invite.clone().unwrap();
        assert_eq!(invite.from().uri().user_unescaped().unwrap(), number, "{more}");
    }
}

#[test]
fn an_anonymous_caller_stays_so_wherever_its_number_is() {
    let (mut w, carrier, phone) = office(json!({"cid_source": "pai"}));
    let line = Line::number("15550001", SERVER)
        .with(Header::PAssertedIdentity, "<sip:+4930222@a.example>")
        .with(Header::Privacy, "id");
    w.dial_line(carrier, line);
    w.run_for(secs(1));
    let invite = w.last_call(phone).invite.clone().unwrap();
    assert!(!String::from_utf8_lossy(invite.as_bytes()).contains("4930222"));
}

#[test]
fn variables_of_both_trunks_are_headers_or_stand_in_headers() {
    let mut w = World::new();
    let inbound =
        json!({"inbound_context_vars": {"customer": "7", "sip_h_X-In": "in", "sip_h_X-Both": "caller"}});
    let (caller, _) = w.plain_carrier("caller", inbound);
    let outbound = json!({
        "outbound_vars": {"region": "eu", "sip_h_X-Both": "called"},
        "extra_headers": {"X-Customer": "${customer}-${region}-${nothing}."},
    });
    let (callee, trunk) = w.plain_carrier("callee", outbound);
    w.create(Kind::Number, json!({"number": "15550002", "trunk_id": trunk}));
    let phone = w.phone("1001");
    w.number("15550001", "1001");
    w.dial(caller, "15550002");
    w.run_for(secs(1));
    let invite: Message = w.last_call(callee).invite.clone().unwrap();
    assert_eq!(invite.header_named("X-Customer"), Some("7-eu-."));
    assert_eq!(invite.header_named("X-In"), Some("in"));
    assert_eq!(invite.header_named("X-Both"), Some("called"), "the called trunk's own go first");
    assert_eq!(invite.lines().filter(|(name, _)| *name == "X-Both").count(), 1);
    w.dial(caller, "15550001");
    w.run_for(secs(1));
    assert_eq!(w.last_call(phone).invite.as_ref().unwrap().header_named("X-In"), Some("in"));
}

/// A carrier that challenges INVITEs; how the call of a phone fares.
fn challenged(more: Value, algorithm: &'static str) -> Option<u16> {
    let mut w = World::new();
    let (carrier, trunk) = w.carrier_with_account("carrier", "credential", more);
    w.ua(carrier).algorithm = algorithm;
    w.route(&[&trunk]);
    let phone = w.phone("1001");
    let call = w.dial(phone, "5551234");
    w.run_for(secs(2));
    match w.call(phone, call).stage {
        Stage::Talking => Some(200),
        _ => w.call(phone, call).code,
    }
}

#[test]
fn challenges_are_answered_with_the_algorithms_that_the_trunk_allows() {
    for (algorithms, offered, good) in [
        (json!(["MD5", "SHA-256"]), "MD5", true),
        (json!(["MD5", "SHA-256"]), "SHA-256", true),
        (json!(["SHA-256"]), "MD5", false),
        (json!(["MD5"]), "SHA-256", false),
        (json!(["SHA-256"]), "SHA-256", true),
    ] {
        let code = challenged(json!({"auth_algorithms": algorithms}), offered);
        assert_eq!(code == Some(200), good, "{algorithms} {offered}: {code:?}");
    }
}
