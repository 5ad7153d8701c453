//! What a trunk is sent, by its settings: From, Contact, the number, headers.

use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::Kind;
use tandem_sim::{Line, SERVER, World};
use tandem_sip_msg::{Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A phone with the number 1002 and a carrier whose trunk has these settings.
fn office(more: Value) -> (World, usize, usize) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", more);
    w.route(&[&trunk]);
    let phone = w.phone("1002");
    (w, phone, carrier)
}

/// What the carrier gets of a call.
fn called(more: Value, line: Line) -> Message {
    let (mut w, phone, carrier) = office(more);
    w.dial_line(phone, line);
    w.run_for(secs(1));
    let invite = w.last_call(carrier).invite.clone().expect("it was called");
    w.hang_up(carrier);
    w.run_for(secs(1));
    assert_eq!(w.records.len(), 1);
    invite
}

fn account(more: Value) -> Value {
    let mut body = json!({"mode": "credential", "username": "+acme", "password": "secret"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn line() -> Line {
    Line::number("+4989123456", SERVER)
}

/// From, without its tag.
fn from(invite: &Message) -> String {
    let from = invite.from().as_str();
    from[..from.find(";tag").unwrap()].to_owned()
}

fn contact(invite: &Message) -> String {
    invite.contact().unwrap().uri().as_str().to_owned()
}

#[test]
fn the_caller_can_be_the_user_of_from_at_the_domain_of_the_trunk() {
    let invite = called(account(json!({"from_user": "caller"})), line());
    assert_eq!(from(&invite), "<sip:1002@10.0.1.1>");
    assert_eq!(contact(&invite), "sip:+acme@10.0.0.1:5060");
}

#[test]
fn caller_id_in_from_leaves_from_user_out_and_keeps_from_domain() {
    let named = account(json!({"caller_id_in_from": true, "from_user": "u", "from_domain": "d.example"}));
    let invite = called(named, line());
    assert_eq!(from(&invite), "<sip:1002@d.example>");
    assert_eq!(contact(&invite), "sip:+acme@10.0.0.1:5060", "the account is in Contact");
    let invite = called(account(json!({"caller_id_in_from": true, "from_user": "u"})), line());
    assert_eq!(from(&invite), "<sip:1002@10.0.0.1>", "at our own address");
    let invite = called(account(json!({"from_user": "u"})), line());
    assert_eq!(from(&invite), "<sip:u@10.0.1.1>", "without it the account is in From");
}

#[test]
fn the_host_of_from_can_be_that_of_the_callers_own() {
    let line = || line().with_from("\"Desk\" <sip:1002@office.example>");
    for word in ["aleg_domain", "auto-aleg-domain"] {
        let invite = called(account(json!({"from_domain": word})), line());
        assert_eq!(from(&invite), "<sip:+acme@office.example>");
        let invite = called(account(json!({"from_domain": word, "caller_id_in_from": true})), line());
        assert_eq!(from(&invite), "<sip:1002@office.example>");
    }
}

#[test]
fn the_whole_from_of_the_caller_can_be_told_but_no_other_ones() {
    for word in ["aleg_full", "auto-aleg-full"] {
        let line = || line().with_from("\"Desk\" <sip:1002@office.example>");
        let invite = called(account(json!({"from_domain": word})), line());
        assert_eq!(from(&invite), "Desk <sip:1002@office.example>");
    }
    let lie = line().with_from("\"The Police\" <sip:110@office.example>");
    let invite = called(account(json!({"from_domain": "aleg_full"})), lie);
    assert_eq!(from(&invite), "<sip:1002@office.example>");
    let shy = line().with_from("\"Desk\" <sip:1002@office.example>").with(Header::Privacy, "id");
    let invite = called(account(json!({"from_domain": "aleg_full"})), shy);
    assert_eq!(from(&invite), "Anonymous <sip:+acme@10.0.1.1>");
}

#[test]
fn the_number_of_the_trunk_is_shown_for_who_has_none_or_for_everybody() {
    for (own, overrides, shown) in [
        (None, false, "Acme <sip:+15550000@"),
        (Some("15550100"), false, "<sip:15550100@"),
        (Some("15550100"), true, "Acme <sip:+15550000@"),
    ] {
        let mut w = World::new();
        let more = json!({"caller_id_number": "+15550000", "caller_id_name": "Acme", "override_extension_cid": overrides});
        let (carrier, trunk) = w.plain_carrier("carrier", more);
        w.route(&[&trunk]);
        let mut body = json!({"number": "1002", "password": "1002-password"});
        if let Some(own) = own {
            body["outbound_cid"] = own.into();
        }
        w.create(Kind::Extension, body);
        let phone = w.another_phone("bob", "1002");
        w.dial_line(phone, line());
        w.run_for(secs(1));
        let invite = w.last_call(carrier).invite.clone().unwrap();
        assert!(from(&invite).starts_with(shown), "{}", from(&invite));
        assert!(invite.header(Header::PAssertedIdentity).unwrap().starts_with(shown));
    }
}

#[test]
fn contact_has_the_user_host_and_parameters_that_are_asked_for() {
    let more = json!({"slug": "carrier-1", "contact_user": "token", "contact_host": "pbx.example", "contact_params": "line=1"});
    let invite = called(account(more), line());
    assert_eq!(contact(&invite), "sip:gw+carrier-1@pbx.example:5060;line=1");
    let invite = called(account(json!({"outbound_rfc5626": true})), line());
    assert_eq!(contact(&invite), "sip:+acme@10.0.0.1:5060;ob");
}

#[test]
fn the_contact_of_a_call_from_a_trunk_has_its_settings_too() {
    let mut w = World::new();
    let more = json!({"contact_host": "pbx.example:5090", "contact_params": "line=1"});
    let (carrier, _) = w.plain_carrier("carrier", more);
    w.phone("1001");
    w.number("15550001", "1001");
    w.dial(carrier, "15550001");
    w.run_for(secs(1));
    let answers = w.sent_to(carrier);
    let ok = answers.iter().find(|message| message.code() == Some(200)).unwrap();
    assert_eq!(ok.contact().unwrap().uri().as_str(), "sip:15550001@pbx.example:5090;line=1");
}

#[test]
fn the_number_is_formatted_stripped_and_put_between_prefix_and_postfix() {
    for (more, sent) in [
        (json!({}), "+4989123456"),
        (json!({"strip_plus": true}), "4989123456"),
        (json!({"number_format_out": "e164"}), "4989123456"),
        (json!({"number_format_out": "national", "country_code": "49", "national_prefix": "0"}), "089123456"),
        (json!({"number_format_out": "international_prefix"}), "004989123456"),
        (json!({"tech_prefix": "9#", "tech_postfix": ";x=1", "strip_plus": true}), "9#4989123456;x=1"),
    ] {
        let invite = called(more.clone(), line());
        let uri = invite.request_uri().unwrap();
        assert_eq!(uri.user_unescaped().unwrap(), sent, "{more}");
        assert_eq!(invite.to().uri().user_unescaped().unwrap(), sent, "{more}");
    }
}

#[test]
fn an_area_and_a_country_complete_a_number() {
    let germany = json!({"country_code": "49", "area_code": "30", "national_prefix": "0"});
    let america = json!({"country_code": "1", "national_prefix": "1", "international_prefix": "011"});
    for (country, format, dialled, sent) in [
        (&germany, "e164_plus", "1234567", "+49301234567"),
        (&germany, "e164_plus", "089123456", "+4989123456"),
        (&germany, "international_prefix", "089123456", "004989123456"),
        (&germany, "national", "+12125550100", "0012125550100"),
        (&germany, "as_dialled", "089123456", "089123456"),
        (&america, "e164_plus", "2125550100", "+12125550100"),
        (&america, "e164_plus", "0114989123456", "+4989123456"),
        (&america, "national", "+4989123456", "0114989123456"),
        (&america, "e164_plus", "911", "911"),
    ] {
        let mut more = country.clone();
        more["number_format_out"] = json!(format);
        let invite = called(more, Line::number(dialled, SERVER));
        assert_eq!(invite.request_uri().unwrap().user(), Some(sent), "{country} {format} {dialled}");
    }
}

#[test]
fn a_trunk_that_wants_no_plus_gets_none_in_the_callers_number_either() {
    let more = json!({"strip_plus": true, "caller_id_number": "+15550000"});
    let invite = called(more, line());
    assert_eq!(invite.from().uri().user(), Some("15550000"));
    assert!(invite.header(Header::PAssertedIdentity).unwrap().contains("sip:15550000@"));
}

#[test]
fn request_uri_and_to_can_be_tel_uris() {
    let invite = called(json!({"tel_uri_rline": true}), line());
    assert_eq!(invite.request_uri().unwrap().as_str(), "tel:+4989123456");
    assert!(invite.to().uri().as_str().starts_with("sip:+4989123456@"));
    let invite = called(json!({"tel_uri_to": true}), line());
    assert!(invite.request_uri().unwrap().as_str().starts_with("sip:+4989123456@"));
    assert_eq!(invite.to().uri().as_str(), "tel:+4989123456");
    let invite = called(json!({"tel_uri_rline": true, "strip_plus": true}), line());
    assert_eq!(invite.request_uri().unwrap().as_str(), "tel:4989123456;phone-context=10.0.1.1");
}

#[test]
fn headers_of_the_trunk_are_added_and_those_of_the_caller_told_by_the_name_they_have_there() {
    let more = json!({
        "extra_headers": {"X-Account": "7; a=\"b\""},
        "header_map": {"p-called-party-id": "X-Called", "Warning": "Warning", "X-Never-Sent": "X-Y"},
    });
    let line = line()
        .with(Header::PCalledPartyId, "<sip:5@h>")
        .with(Header::Warning, "399 h \"w\"")
        .with(Header::Date, "Sat, 13 Nov 2010 23:29:00 GMT");
    let invite = called(more, line);
    assert_eq!(invite.header_named("X-Account"), Some("7; a=\"b\""));
    assert_eq!(invite.header_named("X-Called"), Some("<sip:5@h>"));
    assert_eq!(invite.header(Header::Warning), Some("399 h \"w\""));
    for absent in ["X-Y", "P-Called-Party-ID", "Date"] {
        assert_eq!(invite.header_named(absent), None, "{absent} was not asked for");
    }
}

#[test]
fn a_request_has_one_via_and_it_is_ours() {
    let invite = called(json!({"single_via": true, "rewrite_via": true}), line());
    let vias: Vec<String> = invite.vias().map(|via| via.as_str().to_owned()).collect();
    assert_eq!(vias.len(), 1);
    assert!(vias[0].contains("10.0.0.1:5060"), "{vias:?}");
}
