//! Who calls, at the border of trust: what is believed of whom, what is told to whom, and what stays here.

use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::Kind;
use tandem_sim::{Line, SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};

const NUMBER: &str = "15550001";
const ANONYMOUS: &str = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A call in transit from one carrier to another; what the other gets. `from`: settings of the first, `to`: of the second.
fn transit(from: Value, to: Value, line: Line) -> (World, Message) {
    let mut w = World::new();
    let (caller, _) = w.plain_carrier("caller", from);
    let (callee, trunk) = w.plain_carrier("callee", to);
    w.create(Kind::Number, json!({"number": NUMBER, "trunk_id": trunk}));
    w.dial_line(caller, line);
    w.run_for(secs(2));
    assert_eq!(w.stage(callee), Stage::Talking);
    let invite = w.last_call(callee).invite.clone().expect("it was called");
    w.hang_up(callee);
    w.run_for(secs(1));
    (w, invite)
}

fn line() -> Line {
    Line::number(NUMBER, SERVER).with_from("\"Ann\" <sip:+4930111@a.example>")
}

fn all(invite: &Message, name: Header) -> Vec<String> {
    invite.headers(name).map(str::to_owned).collect()
}

/// From, without its tag.
fn from(invite: &Message) -> String {
    let from = invite.from().as_str();
    from[..from.find(";tag").unwrap()].to_owned()
}

/// A phone whose extension has a number of its own for trunks, and a carrier.
fn office(more: Value) -> (World, usize, usize) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", more);
    w.route(&[&trunk]);
    let extension =
        json!({"name": "Bob", "number": "1002", "password": "1002-password", "outbound_cid": "15550100"});
    w.create(Kind::Extension, extension);
    let phone = w.another_phone("bob", "1002");
    (w, phone, carrier)
}

fn called(w: &mut World, phone: usize, carrier: usize, line: Line) -> Message {
    w.dial_line(phone, line);
    w.run_for(secs(2));
    w.last_call(carrier).invite.clone().expect("it was called")
}

#[test]
fn a_trusted_trunk_is_believed_and_the_other_is_told_in_our_own_name() {
    let line = line()
        .with(Header::PAssertedIdentity, "\"Ann Smith\" <sip:+4930999@a.example>, <tel:+49-30-999>")
        .with(Header::PPreferredIdentity, "<sip:+1@a.example>");
    let (w, invite) = transit(json!({}), json!({}), line);
    assert!(from(&invite).starts_with("Ann <sip:+4930111@"), "{}", from(&invite));
    let asserted = all(&invite, Header::PAssertedIdentity);
    assert_eq!(asserted.len(), 2);
    assert!(
        asserted[0].starts_with("\"Ann Smith\" <sip:+4930999@")
            || asserted[0].starts_with("Ann Smith <sip:+4930999@")
    );
    assert_eq!(asserted[1], "<tel:+4930999>");
    assert!(all(&invite, Header::PPreferredIdentity).is_empty());
    assert!(
        !String::from_utf8_lossy(invite.as_bytes()).contains("a.example"),
        "where it came from stays here"
    );
    assert_eq!(w.records[0].caller.number, "+4930999");
}

#[test]
fn what_an_untrusted_trunk_asserts_is_dropped() {
    let line = line()
        .with(Header::PAssertedIdentity, "<sip:+4930999@a.example>")
        .with(Header::RemotePartyId, "<sip:+4930999@a.example>;party=calling")
        .with(Header::PPreferredIdentity, "<sip:+4930999@a.example>")
        .with(Header::Diversion, "<sip:+4930888@a.example>;reason=user-busy")
        .with(Header::HistoryInfo, "<sip:+4930777@a.example>;index=1");
    let (w, invite) = transit(json!({"trust_identity": false}), json!({}), line);
    for lie in ["999", "888", "777"] {
        assert!(!String::from_utf8_lossy(invite.as_bytes()).contains(lie), "{lie}");
    }
    assert!(all(&invite, Header::PAssertedIdentity)[0].contains("sip:+4930111@"));
    assert_eq!(w.records[0].caller.number, "+4930111");
}

#[test]
fn an_untrusted_trunk_is_told_what_from_may_say_and_no_more() {
    let line = line()
        .with(Header::PAssertedIdentity, "<sip:+4930999@a.example>, <tel:+4930999>")
        .with(Header::Diversion, "<sip:+4930888@a.example>;reason=user-busy")
        .with(Header::HistoryInfo, "<sip:+4930777@a.example>;index=1");
    let (_, invite) = transit(json!({}), json!({"trust_identity": false}), line);
    for secret in ["999", "888", "777"] {
        assert!(!String::from_utf8_lossy(invite.as_bytes()).contains(secret), "{secret}");
    }
    assert!(all(&invite, Header::PAssertedIdentity)[0].contains("sip:+4930111@"));
}

#[test]
fn who_wants_to_stay_unknown_does_and_only_the_trusted_know() {
    for trusted in [true, false] {
        let line = line()
            .with(Header::PAssertedIdentity, "<sip:+4930999@a.example>")
            .with(Header::Privacy, "id")
            .with(Header::Identity, "eyJ.eyJ.sig;info=<https://a.example/c>");
        let (w, invite) = transit(json!({}), json!({"trust_identity": trusted}), line);
        assert_eq!(from(&invite), ANONYMOUS);
        assert_eq!(invite.contact().unwrap().uri().user(), Some("anonymous"));
        assert_eq!(all(&invite, Header::Privacy), ["id"]);
        assert_eq!(all(&invite, Header::PAssertedIdentity).len(), usize::from(trusted));
        assert!(!String::from_utf8_lossy(invite.as_bytes()).contains("4930111"), "nor is what From said");
        assert!(all(&invite, Header::Identity).is_empty(), "it would tell the number");
        assert_eq!(w.records[0].caller.number, "+4930999");
    }
}

#[test]
fn an_anonymous_from_is_a_wish_as_well() {
    let line = Line::number(NUMBER, SERVER).with_from("<sip:anonymous@anonymous.invalid>");
    let (w, invite) = transit(json!({}), json!({}), line);
    assert_eq!(from(&invite), ANONYMOUS);
    assert!(all(&invite, Header::PAssertedIdentity).is_empty(), "nothing is known that could be asserted");
    assert_eq!(w.records[0].caller.number, "anonymous");
}

#[test]
fn a_phone_is_what_it_is_whatever_it_claims() {
    let (mut w, phone, carrier) = office(json!({}));
    let line = Line::number("5551234", SERVER)
        .with_from("\"The Police\" <sip:110@x.example>")
        .with(Header::PAssertedIdentity, "<sip:110@x.example>")
        .with(Header::PPreferredIdentity, "<sip:110@x.example>")
        .with(Header::RemotePartyId, "<sip:110@x.example>;party=calling")
        .with(Header::Diversion, "<sip:110@x.example>;reason=user-busy")
        .with(Header::HistoryInfo, "<sip:110@x.example>;index=1")
        .with(Header::Identity, "eyJ.eyJ.sig;info=<https://x.example/c>");
    let invite = called(&mut w, phone, carrier, line);
    let text = String::from_utf8_lossy(invite.as_bytes()).into_owned();
    assert!(!text.contains("110@") && !text.contains("Police") && !text.contains("x.example"), "{text}");
    assert!(from(&invite).starts_with("Bob <sip:15550100@"));
    assert!(all(&invite, Header::PAssertedIdentity)[0].starts_with("Bob <sip:15550100@"));
}

#[test]
fn the_wish_of_a_phone_is_honoured_and_its_number_asserted_to_the_carrier() {
    let (mut w, phone, carrier) = office(json!({}));
    let invite =
        called(&mut w, phone, carrier, Line::number("5551234", SERVER).with(Header::Privacy, "id;critical"));
    assert_eq!(from(&invite), ANONYMOUS);
    assert_eq!(all(&invite, Header::Privacy), ["id;critical"]);
    assert!(all(&invite, Header::PAssertedIdentity)[0].contains("sip:15550100@"));
    let other = w.phone("1001");
    let line = Line::number("1001", SERVER).with(Header::Privacy, "user");
    w.dial_line(phone, line);
    w.run_for(secs(1));
    let invite = w.last_call(other).invite.clone().unwrap();
    assert_eq!(from(&invite), ANONYMOUS);
    assert!(!String::from_utf8_lossy(invite.as_bytes()).contains("1002"));
}

#[test]
fn the_account_stays_in_from_for_who_wants_to_be_unknown() {
    let (mut w, phone, carrier) =
        office(json!({"mode": "credential", "username": "acme", "password": "secret"}));
    let invite = called(&mut w, phone, carrier, Line::number("5551234", SERVER).with(Header::Privacy, "id"));
    assert!(from(&invite).starts_with("Anonymous <sip:acme@"), "{}", from(&invite));
    assert_eq!(invite.contact().unwrap().uri().user(), Some("acme"));
}

#[test]
fn a_trunk_may_keep_everybody_unknown_but_those_who_want_to_be_shown() {
    for (wish, hidden) in [(None, true), (Some("none"), false)] {
        let (mut w, phone, carrier) = office(json!({"privacy_default": "id"}));
        let line = Line::number("5551234", SERVER);
        let line = wish.into_iter().fold(line, |line, wish| line.with(Header::Privacy, wish));
        let invite = called(&mut w, phone, carrier, line);
        assert_eq!(from(&invite) == ANONYMOUS, hidden);
        assert_eq!(all(&invite, Header::Privacy), [if hidden { "id" } else { "none" }]);
    }
}

#[test]
fn a_trunk_is_told_in_the_header_that_it_wants() {
    for (header, expected) in [
        ("none", None),
        ("pai", Some((Header::PAssertedIdentity, ""))),
        ("ppi", Some((Header::PPreferredIdentity, ""))),
        ("rpid", Some((Header::RemotePartyId, ";party=calling;screen=yes;privacy=off"))),
    ] {
        let (mut w, phone, carrier) = office(json!({"identity_header": header}));
        let invite = called(&mut w, phone, carrier, Line::number("5551234", SERVER));
        for name in [Header::PAssertedIdentity, Header::PPreferredIdentity, Header::RemotePartyId] {
            match expected {
                Some((wanted, end)) if wanted == name => {
                    let values = all(&invite, name);
                    assert_eq!(values.len(), 1, "{header}");
                    let whole = values[0].starts_with("Bob <sip:15550100@") && values[0].ends_with(end);
                    assert!(whole, "{}", values[0]);
                }
                _ => assert!(all(&invite, name).is_empty(), "{header}: {name:?}"),
            }
        }
    }
}

#[test]
fn remote_party_id_is_understood_with_its_privacy() {
    let line = line().with(
        Header::RemotePartyId,
        "<sip:called@a.example>;party=called, \"A\" <sip:+4930999@a.example>;party=calling;privacy=full;screen=yes",
    );
    let (_, invite) = transit(json!({}), json!({"identity_header": "rpid"}), line);
    assert_eq!(from(&invite), ANONYMOUS);
    let told = all(&invite, Header::RemotePartyId);
    assert!(
        told[0].contains("+4930999@") && told[0].ends_with(";party=calling;screen=yes;privacy=full"),
        "{told:?}"
    );
}

#[test]
fn diversions_are_made_anew_passed_or_kept_back() {
    for (mode, expected) in [
        ("none", vec![]),
        (
            "pass",
            vec![
                "\"A, B\" <sip:+4930888@a.example>;reason=user-busy;counter=1",
                "<tel:+4930777>;reason=unconditional",
            ],
        ),
        (
            "make",
            vec![
                "\"A, B\" <sip:+4930888@10.0.1.2>;reason=user-busy;counter=1",
                "<tel:+4930777>;reason=unconditional",
            ],
        ),
    ] {
        let line = line().with(
            Header::Diversion,
            "\"A, B\" <sip:+4930888@a.example>;reason=user-busy;counter=1, <tel:+4930777>;reason=unconditional",
        );
        let (_, invite) = transit(json!({}), json!({"diversion": mode}), line);
        assert_eq!(all(&invite, Header::Diversion), expected, "{mode}");
    }
}

#[test]
fn history_goes_on_with_an_entry_of_our_own() {
    let line = line().with(
        Header::HistoryInfo,
        "<sip:+4930777@a.example?Reason=SIP%3Bcause%3D302>;index=1, <sip:15550001@a.example>;index=1.2;mp=1",
    );
    let (_, invite) = transit(json!({}), json!({}), line.clone());
    assert_eq!(
        all(&invite, Header::HistoryInfo),
        [
            "<sip:+4930777@10.0.1.2?Reason=SIP%3Bcause%3D302>;index=1",
            "<sip:15550001@10.0.1.2>;index=1.2;mp=1",
            "<sip:15550001@10.0.1.2:5060>;index=1.2.1;np=1.2",
        ]
    );
    let (_, invite) = transit(json!({}), json!({"diversion": "none"}), line);
    assert!(all(&invite, Header::HistoryInfo).is_empty());
}

#[test]
fn a_second_trunk_is_told_the_same_history_as_the_first() {
    let mut w = World::new();
    let (caller, _) = w.plain_carrier("caller", json!({}));
    let (phone_line, trunk) = w.plain_carrier("callee", json!({}));
    w.create(Kind::Number, json!({"number": NUMBER, "trunk_id": trunk}));
    w.treat(phone_line, tandem_sim::Behaviour::refuse(503, "Service Unavailable"));
    w.dial_line(caller, line().with(Header::HistoryInfo, "<sip:15550001@a.example>;index=1"));
    w.run_for(secs(1));
    let told = w.ladder.requests(SERVER, w.address(phone_line), "INVITE");
    for (_, invite) in told {
        let indices: Vec<String> = all(&invite, Header::HistoryInfo)
            .iter()
            .map(|value| value.split("index=").nth(1).unwrap().to_owned())
            .collect();
        assert_eq!(indices, ["1", "1.1;np=1"]);
    }
}

#[test]
fn signed_identities_pass_to_the_byte_with_their_date() {
    let signed = [
        "eyJhbGciOiJFUzI1NiJ9.eyJhdHRlc3QiOiJBIn0.c2ln-_Q==;info=<https://cert.example.org/p.cer>;alg=ES256;ppt=\"shaken\"",
        "eyJhbGciOiJFUzI1NiJ9.eyJkaXYiOnt9fQ.ZGl2;info=<https://cert.example.org/d.cer>;alg=ES256;ppt=\"div\", odd",
    ];
    let date = "Sat, 13 Nov 2010 23:29:00 GMT";
    let line = signed.iter().fold(line(), |line, value| line.with(Header::Identity, *value));
    let (_, invite) = transit(json!({}), json!({}), line.with(Header::Date, date));
    assert_eq!(all(&invite, Header::Identity), signed);
    assert_eq!(invite.header(Header::Date), Some(date));
}

#[test]
fn a_date_alone_and_signatures_beyond_all_measure_are_left_out() {
    let long = format!("{};info=<https://x.example>", "e".repeat(6_000));
    let line = line()
        .with(Header::Date, "Sat, 13 Nov 2010 23:29:00 GMT")
        .with(Header::Identity, long.clone())
        .with(Header::Identity, long.clone())
        .with(Header::Identity, "short;info=<https://x.example>");
    let (_, invite) = transit(json!({}), json!({}), line);
    assert_eq!(all(&invite, Header::Identity), [long.as_str(), "short;info=<https://x.example>"]);
    let alone = self::line().with(Header::Date, "Sat, 13 Nov 2010 23:29:00 GMT");
    let (_, invite) = transit(json!({}), json!({}), alone);
    assert_eq!(invite.header(Header::Date), None);
}

#[test]
fn a_pbx_that_registers_is_not_trusted_unless_said_so() {
    for trusted in [false, true] {
        let mut w = World::new();
        let mut trunk =
            json!({"name": "pbx", "mode": "register_in", "username": "branch", "password": "branch-secret"});
        if trusted {
            trunk["trust_identity"] = json!(true);
        }
        w.create(Kind::Trunk, trunk);
        let phone = w.phone("1001");
        w.number(NUMBER, "1001");
        let pbx = w.add("pbx", "branch");
        w.ua(pbx).set_password("branch-secret");
        w.register(pbx);
        let line = Line::number(NUMBER, SERVER)
            .with_from("<sip:branch@pbx.example>")
            .with(Header::PAssertedIdentity, "<sip:+4930999@pbx.example>");
        w.dial_line(pbx, line);
        w.run_for(secs(1));
        let shown = if trusted { "sip:+4930999@" } else { "sip:branch@" };
        assert!(w.last_call(phone).from.contains(shown), "{}", w.last_call(phone).from);
    }
}
