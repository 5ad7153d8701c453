//! What the fields of an extension do to the calls of its devices.

use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::Kind;
use tandem_sim::{Behaviour, Line, SERVER, Stage, World};
use tandem_sip_msg::{Header, Message};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A carrier, and a phone whose extension has these settings and is called at 15550001.
fn office(more: Value) -> (World, usize, usize) {
    let mut w = World::new();
    let (carrier, trunk) = w.plain_carrier("carrier", json!({}));
    w.route(&[&trunk]);
    let mut body = json!({"number": "1001", "password": "1001-password"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    w.create(Kind::Extension, body);
    let phone = w.another_phone("phone", more["username"].as_str().unwrap_or("1001"));
    w.number("15550001", "1001");
    (w, carrier, phone)
}

fn audio(message: &Message) -> String {
    let text = String::from_utf8_lossy(message.body()).into_owned();
    let line = text.lines().find(|line| line.starts_with("m=audio")).expect("a line").to_owned();
    line.split("RTP/AVP ").nth(1).unwrap().to_owned()
}

#[test]
fn codecs_are_those_of_the_extension_in_its_order() {
    for (codecs, order) in [
        (json!(["PCMU", "PCMA"]), "0 8"),
        (json!(["PCMA", "PCMU"]), "8 0"),
        (json!(["PCMA", "telephone-event"]), "8 101"),
    ] {
        let (mut w, carrier, phone) = office(json!({"codecs": codecs}));
        w.talk(carrier, "15550001");
        let invite = w.last_call(phone).invite.clone().unwrap();
        assert_eq!(audio(&invite), order, "{codecs}");
    }
}

#[test]
fn it_rings_for_as_long_as_it_says() {
    for ring in [5, 40] {
        let (mut w, carrier, phone) = office(json!({"ring_timeout": ring}));
        w.treat(phone, Behaviour::RingForever);
        let call = w.dial(carrier, "15550001");
        w.run_for(secs(ring - 1));
        assert_eq!(w.call(carrier, call).stage, Stage::Ringing);
        w.run_for(secs(2));
        assert_eq!(w.call(carrier, call).code, Some(480));
    }
}

#[test]
fn it_may_register_by_another_name_than_it_is_dialled_by() {
    let mut w = World::new();
    let body =
        json!({"name": "Desk", "number": "1001", "username": "+desk.phone", "password": "desk-password"});
    w.create(Kind::Extension, body);
    let phone = w.add("desk", "+desk.phone");
    w.ua(phone).set_password("desk-password");
    w.register(phone);
    assert_eq!(w.ua(phone).registration_code(), Some(200));
    let caller = w.phone("1002");
    w.talk(caller, "1001");
    assert_eq!(w.stage(phone), Stage::Talking);
    w.hang_up(caller);
    w.run_for(secs(1));
    w.talk(phone, "1002");
    assert!(w.last_call(caller).from.contains("Desk") && w.last_call(caller).from.contains("sip:1001@"));
}

#[test]
fn one_that_is_off_neither_registers_nor_calls() {
    let (mut w, carrier, phone) = office(json!({}));
    let extension = w.config().extensions.values().next().unwrap().id.to_string();
    w.patch(Kind::Extension, &extension, json!({"enabled": false}));
    w.run_for(secs(1));
    let call = w.dial(phone, "5551234");
    w.run_for(secs(1));
    assert!(w.call(phone, call).code.is_some_and(|code| code >= 400));
    assert!(w.ua(carrier).calls().is_empty());
    w.register(phone);
    assert_ne!(w.ua(phone).registration_code(), Some(200));
}

#[test]
fn it_calls_without_a_number_always_never_or_as_its_phone_asks() {
    for (anonymous, asks, hidden) in
        [("auto", false, false), ("auto", true, true), ("always", false, true), ("never", true, false)]
    {
        let (mut w, carrier, phone) = office(json!({"anonymous": anonymous}));
        let mut line = Line::number("+4989123456", SERVER);
        if asks {
            line = line.with(Header::Privacy, "id");
        }
        w.dial_line(phone, line);
        w.run_for(secs(1));
        let invite = w.last_call(carrier).invite.clone().expect("it was called");
        let from = invite.from().uri().user().unwrap_or_default().to_owned();
        let expected = if hidden { ("anonymous", Some("id")) } else { ("1001", None) };
        assert_eq!((from.as_str(), invite.header(Header::Privacy)), expected, "{anonymous}, asked: {asks}");
    }
}
