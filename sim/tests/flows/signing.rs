//! Callers who are signed for, and what a trunk found out about the numbers of those that call over it (RFC 8224, RFC 8588).

use crate::tenants::{Town, town};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::{Event, Kind};
use tandem_sim::{Line, SERVER, World};
use tandem_sip_msg::{Header, Message};
use tandem_stir::{Attestation, Passport, Signer};

const URL: &str = "https://certificates.example.com/ours.pem";
const CALLED: &str = "12125550100";
const OWNED: &str = "13322496214";

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A private key that nobody has, of the bytes 1 to 32 (RFC 5915).
fn key() -> String {
    let mut der = vec![0x30, 0x31, 0x02, 0x01, 0x01, 0x04, 0x20];
    der.extend(1..=32);
    der.extend([0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
    let text = BASE64_STANDARD.encode(der);
    let (line, rest) = text.split_at(64);
    format!("-----BEGIN EC PRIVATE KEY-----\n{line}\n{rest}\n-----END EC PRIVATE KEY-----\n")
}

fn signs(more: Value) -> Value {
    let mut settings = json!({"stir_sign": true, "stir_key": key(), "stir_certificate_url": URL});
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    settings
}

/// Acme with a phone that shows a number of its own, and a carrier that wants calls signed.
fn acme(more: Value) -> (Town, usize) {
    let mut town = town();
    let (acme, trunk) = (town.acme.clone(), town.trunk.clone());
    town.w.patch(Kind::Trunk, &trunk, signs(more));
    let (phone, _) = town.phone(&acme, "100", json!({"outbound_cid": OWNED}));
    (town, phone)
}

fn invite(w: &mut World, carrier: usize) -> Message {
    // What is signed is too large for a datagram, and a stream is tried before.
    w.run_for(secs(10));
    w.last_call(carrier).invite.clone().expect("it was called")
}

/// That the one Identity is of the key, and says this of the call that was recorded last.
fn is_signed(w: &mut World, carrier: usize, invite: &Message, attest: Attestation, [orig, dest]: [&str; 2]) {
    w.hang_up(carrier);
    w.run_for(secs(1));
    let record = w.records.last().unwrap();
    let origid = record.id.to_string();
    let passport = Passport { attest, orig, dest, iat: record.started_at / 1_000, origid: &origid };
    let expected = Signer::from_pem(&key()).unwrap().identity(&passport, URL);
    assert_eq!(invite.headers(Header::Identity).collect::<Vec<_>>(), [expected]);
}

#[test]
fn a_call_is_signed_for_a_caller_of_ours_who_owns_the_number() {
    let (mut town, phone) = acme(json!({}));
    town.dials(phone, "acme", CALLED);
    let invite = invite(&mut town.w, town.carrier);
    assert!(invite.header(Header::Date).unwrap().ends_with(" GMT"));
    is_signed(&mut town.w, town.carrier, &invite, Attestation::A, [OWNED, CALLED]);
}

#[test]
fn the_trunk_may_say_what_is_attested() {
    for (text, attest) in [("A", Attestation::A), ("B", Attestation::B), ("C", Attestation::C)] {
        let (mut town, phone) = acme(json!({"stir_attest": text}));
        town.dials(phone, "acme", CALLED);
        let invite = invite(&mut town.w, town.carrier);
        is_signed(&mut town.w, town.carrier, &invite, attest, [OWNED, CALLED]);
    }
}

/// A call over another carrier to one that wants calls signed, and what that gets.
fn passing(line: impl FnOnce(Line) -> Line) -> (World, usize, Message) {
    passing_to(json!({}), line)
}

fn passing_to(settings: Value, line: impl FnOnce(Line) -> Line) -> (World, usize, Message) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", signs(settings));
    w.create(Kind::Number, json!({"number": CALLED, "trunk_id": trunk}));
    let (other, _) = w.plain_carrier("other", json!({}));
    w.dial_line(other, line(Line::number(CALLED, SERVER).with_from("<sip:+4930123456@a.example>")));
    let invite = invite(&mut w, carrier);
    (w, carrier, invite)
}

#[test]
fn a_pbx_of_ours_is_known_and_its_number_is_not() {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", signs(json!({})));
    w.route(&[&trunk]);
    let pbx = w.add("pbx", "pbx");
    let address = w.address(pbx).ip().to_string();
    w.create(Kind::Trunk, json!({"name": "pbx", "mode": "peer_in", "associated_ips": [address]}));
    w.dial_line(pbx, Line::number(CALLED, SERVER).with_from("<sip:+4930123456@a.example>"));
    let invite = invite(&mut w, carrier);
    is_signed(&mut w, carrier, &invite, Attestation::B, ["4930123456", CALLED]);
}

#[test]
fn who_calls_over_another_trunk_is_not_known() {
    let (mut w, carrier, invite) = passing(|line| line);
    is_signed(&mut w, carrier, &invite, Attestation::C, ["4930123456", CALLED]);
}

#[test]
fn what_came_signed_is_not_signed_again_and_who_is_unknown_not_at_all() {
    let theirs = "eyJ.eyJ.sig;info=<https://a.example/c>";
    let (_, _, invite) = passing(|line| line.with(Header::Identity, theirs));
    assert_eq!(invite.headers(Header::Identity).collect::<Vec<_>>(), [theirs]);
    let (_, _, invite) = passing(|line| line.with(Header::Privacy, "id"));
    assert_eq!(invite.header(Header::Identity), None);
    let (_, _, invite) = passing(|line| line.with_from("<sip:ann@a.example>"));
    assert_eq!(invite.header(Header::Identity), None, "a name is no number");
}

#[test]
fn no_signature_tells_an_untrusted_trunk_the_number_that_it_is_not_told() {
    for (trusted, is_signed) in [(true, true), (false, false)] {
        let (_, _, invite) = passing_to(json!({"trust_identity": trusted}), |line| {
            line.with(Header::PAssertedIdentity, "<sip:+4930999999@a.example>")
        });
        assert_eq!(invite.header(Header::Identity).is_some(), is_signed);
        assert_eq!(invite.header(Header::Date).is_some(), is_signed);
    }
    let (mut w, carrier, invite) = passing_to(json!({"trust_identity": false}), |line| line);
    is_signed(&mut w, carrier, &invite, Attestation::C, ["4930123456", CALLED]);
}

#[test]
fn an_explanation_says_what_would_be_attested() {
    let (mut town, _) = acme(json!({}));
    let extension = town.w.config().extensions.values().next().unwrap().id.to_string();
    let explained = town.explain(json!({ "extension_id": extension, "number": CALLED }));
    assert_eq!(explained.tries[0].attestation.as_deref(), Some("A"));
}

/// What a caller hears whose number rings a phone over a trunk with this policy, by how the carrier writes the caller.
fn answered(policy: &str, asserted: Option<&str>) -> (World, u16) {
    let mut w = World::new();
    let (carrier, _) = w.plain_carrier("carrier", json!({"stir_policy": policy}));
    w.phone("1001");
    w.number("+15550001", "1001");
    let line = Line::number("15550001", SERVER).with_from("<sip:+4930123456@a.example>");
    let line = asserted.into_iter().fold(line, |line, value| line.with(Header::PAssertedIdentity, value));
    w.dial_line(carrier, line);
    w.run_for(secs(2));
    let code = w.last_call(carrier).code.unwrap();
    (w, code)
}

#[test]
fn calls_are_refused_by_what_the_trunk_found_out_about_the_number() {
    let passed = Some("<sip:+4930123456;verstat=TN-Validation-Passed-A@a.example;user=phone>");
    let failed = Some("<tel:+4930123456;verstat=TN-Validation-Failed>");
    let unknown = Some("<sip:+4930123456@a.example>;verstat=No-TN-Validation");
    for (policy, codes) in [
        ("off", [200, 200, 200, 200]),
        ("refuse_failed", [200, 438, 200, 200]),
        ("require_passed", [200, 438, 428, 428]),
    ] {
        for (asserted, code) in [passed, failed, unknown, None].into_iter().zip(codes) {
            let (w, heard) = answered(policy, asserted);
            assert_eq!(heard, code, "{policy} {asserted:?}");
            let told = w
                .events
                .iter()
                .any(|event| matches!(event, Event::RequestRefused { reason: "CALLER_NOT_VERIFIED", .. }));
            assert_eq!(told, code != 200, "{policy} {asserted:?}");
        }
    }
}

#[test]
fn what_stands_behind_a_number_in_a_uri_is_no_part_of_it() {
    let mut w = World::new();
    let (carrier, _) = w.plain_carrier("carrier", json!({}));
    let phone = w.phone("1001");
    w.number("+15550001", "1001");
    let line = Line::to(format!("sip:+15550001;npdi;rn=+15550009@{SERVER};user=phone"))
        .with_from("<sip:+4930123456;verstat=TN-Validation-Passed@a.example;user=phone>");
    w.dial_line(carrier, line);
    w.run_for(secs(2));
    let invite = w.last_call(phone).invite.clone().expect("it rang");
    assert_eq!(invite.from().uri().user(), Some("+4930123456"));
}
