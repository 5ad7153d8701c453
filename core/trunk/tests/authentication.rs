//! Who may register and call: right and wrong credentials, replays, guesses and floods.

mod house;
mod world;

use house::*;
use std::net::SocketAddr;
use tandem_model::{BindingOwner, Event, TrunkId};
use tandem_sip_dialog::Sip;
use tandem_sip_dialog::digest::{DigestClient, Login};
use tandem_sip_msg::{Challenge, Header, Message, Writer};
use tandem_trunk::Authentication;
use world::{address, secs};

#[test]
fn known_unknown_and_disabled_users_get_the_same_answers() {
    let mut shapes = vec![];
    for user in ["phone-1", "phone-3", "nobody"] {
        let mut house = House::new();
        let mut phone = Phone::named(user, "wrong", "203.0.113.5:40001");
        let first = house.bare(&mut phone, &[(Header::Contact, "<sip:a@10.0.0.1>")]);
        let second =
            house.with_credentials(&mut phone, &first, &[(Header::Contact, "<sip:a@10.0.0.1>")]).unwrap();
        assert_eq!(house.failures(), 1);
        let shape = |answer: &Message| {
            let names: Vec<String> = answer.lines().map(|(name, _)| name.to_owned()).collect();
            let challenges: Vec<Challenge> =
                answer.headers(Header::WwwAuthenticate).filter_map(Challenge::parse).collect();
            let bare: Vec<Challenge> =
                challenges.into_iter().map(|c| Challenge { nonce: String::new(), ..c }).collect();
            (answer.code(), answer.reason_phrase().to_owned(), names, bare)
        };
        shapes.push((shape(&first), shape(&second)));
    }
    assert_eq!(shapes[0], shapes[1]);
    assert_eq!(shapes[1], shapes[2]);
    // The right password of someone disabled is as wrong as any other.
    let mut house = House::new();
    let answer =
        house.register(&mut Phone::new(3, "203.0.113.5:40001"), &[(Header::Contact, "<sip:a@10.0.0.1>")]);
    assert_eq!(answer.code(), Some(401));
    assert_eq!(house.failures(), 1);
}

#[test]
fn after_fifty_wrong_passwords_a_source_is_shut_out_and_others_notice_nothing() {
    let mut house = House::new();
    let mut thief = Phone::named("phone-1", "guess", "203.0.113.66:1");
    let contact = [(Header::Contact, "<sip:a@10.0.0.1>")];
    for _ in 0..50 {
        thief.digest = DigestClient::new(Login::new("phone-1", "guess"));
        assert_eq!(house.register(&mut thief, &contact).code(), Some(401));
    }
    assert_eq!(house.failures(), 50);
    let blocked = |event: &&Event| matches!(event, Event::AuthBlocked { seconds: 600, .. });
    assert_eq!(house.events.iter().filter(blocked).count(), 1);
    assert!(house.registrar.is_banned(address("203.0.113.66:999"), house.now));
    house.sign_in(&mut Phone::new(1, "203.0.113.5:40001"));
    assert!(!house.registrar.is_banned(address("203.0.113.5:40001"), house.now));
    house.pass(secs(601));
    assert!(!house.registrar.is_banned(address("203.0.113.66:999"), house.now));
}

#[test]
fn plain_challenges_never_count_and_a_success_forgives() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    for _ in 0..500 {
        assert_eq!(house.bare(&mut phone, &[]).code(), Some(401));
    }
    for round in 0..5 {
        let mut wrong = Phone::named("phone-1", "guess", "203.0.113.5:40001");
        for _ in 0..40 {
            wrong.digest = DigestClient::new(Login::new("phone-1", "guess"));
            assert_eq!(house.register(&mut wrong, &[]).code(), Some(401), "round {round}");
        }
        house.sign_in(&mut phone);
    }
}

#[test]
fn nobody_can_have_another_shut_out_with_nonces_that_are_not_his() {
    let mut house = House::new();
    let mut victim = Phone::new(1, "203.0.113.5:40001");
    let mut thief = Phone::named("phone-1", "guess", "203.0.113.66:1");
    for _ in 0..100 {
        // A nonce that the thief was given, in a packet that claims to come from the victim.
        let challenged = house.bare(&mut thief, &[]);
        thief.digest = DigestClient::new(Login::new("phone-1", "guess"));
        let flow = std::mem::replace(&mut thief.from, victim.from);
        let answer = house.with_credentials(&mut thief, &challenged, &[]).unwrap();
        thief.from = flow;
        assert_eq!(answer.code(), Some(401));
    }
    assert_eq!(house.failures(), 0);
    house.sign_in(&mut victim);
}

#[test]
fn a_flood_of_strangers_costs_no_memory() {
    let mut house = House::new();
    for n in 0..3000_u32 {
        let source = SocketAddr::from(([203, 0, (n >> 8) as u8, n as u8], 5060));
        let mut stranger = Phone::named("nobody", "x", &source.to_string());
        house.register(&mut stranger, &[(Header::Contact, "<sip:a@10.0.0.1>")]);
    }
    assert_eq!(house.txn.len(), (0, 0));
    assert!(house.registrar.is_empty());
    assert_eq!(house.registrar.poll_timeout(), None);
}

#[test]
fn a_nonce_that_is_too_old_is_answered_with_a_stale_challenge() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let challenged = house.bare(&mut phone, &[]);
    house.pass(secs(301));
    let answer = house.with_credentials(&mut phone, &challenged, &[]).unwrap();
    assert_eq!(answer.code(), Some(401));
    assert!(Challenge::parse(answer.header(Header::WwwAuthenticate).unwrap()).unwrap().stale);
    assert_eq!(house.with_credentials(&mut phone, &answer, &[]).unwrap().code(), Some(200));
    assert_eq!(house.failures(), 0);
}

#[test]
fn credentials_are_good_once() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let contact = [(Header::Contact, "<sip:phone-1@10.0.0.1>")];
    let challenged = house.bare(&mut phone, &contact);
    let credentials =
        phone.digest.answer(&challenged, "REGISTER", "sip:tandem.example", &mut house.rng).unwrap();
    let first = phone.register(&contact, Some(credentials.clone()), 900);
    assert_eq!(house.receive(first, phone.from).unwrap().code(), Some(200));
    // Overheard, and sent again with another Contact.
    let stolen = [(Header::Contact, "<sip:thief@198.18.0.1>")];
    let second = phone.register(&stolen, Some(credentials), 901);
    let answer = house.receive(second, phone.from).unwrap();
    assert_eq!(answer.code(), Some(401));
    assert!(Challenge::parse(answer.header(Header::WwwAuthenticate).unwrap()).unwrap().stale);
    assert_eq!(house.uris(1), ["sip:phone-1@10.0.0.1"]);
    // The phone itself goes on with the next count.
    let next = phone.digest.preemptive("REGISTER", "sip:tandem.example", &mut house.rng);
    let third = phone.register(&contact, next, 902);
    assert_eq!(house.receive(third, phone.from).unwrap().code(), Some(200));
}

#[test]
fn broken_credentials_are_answered_with_a_challenge() {
    for value in [
        "Digest",
        "Basic cGhvbmUtMTp4",
        r#"Digest username="phone-1""#,
        r#"Digest username="phone-1", realm="tandem", nonce="", uri="x", response="y""#,
        r#"Digest username="phone-1", realm="tandem", nonce="zzzz", uri="x", response="y", algorithm=FOO"#,
        r#"Digest username="phone-1", realm="other", nonce="n", uri="x", response="y""#,
        r#"Digest username="phone-1", realm="tandem", nonce="é", uri="x", response="y""#,
    ] {
        let mut house = House::new();
        let mut phone = Phone::new(1, "203.0.113.5:40001");
        let bytes = phone.register(&[], Some((Header::Authorization, value.to_owned())), 1);
        assert_eq!(house.receive(bytes, phone.from).unwrap().code(), Some(401), "{value}");
        assert_eq!(house.failures(), 0);
    }
}

#[test]
fn an_invite_is_authenticated_by_the_same_rules() {
    let mut house = House::new();
    let source = address("203.0.113.5:40001");
    let invite = |credentials: Option<(Header, String)>| {
        let mut writer = Writer::request("INVITE", "sip:5551234@tandem.example");
        writer
            .header(Header::Via, "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKi")
            .header(Header::From, "<sip:phone-1@tandem.example>;tag=a")
            .header(Header::To, "<sip:5551234@tandem.example>")
            .header(Header::CallId, "call")
            .header(Header::CSeq, "1 INVITE");
        if let Some((name, value)) = credentials {
            writer.header(name, value);
        }
        Message::parse(writer.finish()).unwrap()
    };
    let check = |house: &mut House, message: &Message| {
        let mut sip = Sip { txn: &mut house.txn, rng: &mut house.rng, now: house.now };
        let result = house.registrar.authenticate(message, source, &mut sip);
        house.drain();
        result
    };
    for (password, user, expected) in [
        (PASSWORD, "phone-1", Authentication::Ok(owner(1))),
        ("wrong", "phone-1", Authentication::Refused),
        (PASSWORD, "phone-3", Authentication::Refused),
        (PASSWORD, "pbx", Authentication::Ok(BindingOwner::Trunk(TrunkId(uuid::Uuid::from_u128(9))))),
    ] {
        let request = invite(None);
        let Authentication::Challenge(values) = check(&mut house, &request) else { panic!() };
        let mut writer = Writer::reply(&request, source, 407, "Proxy Authentication Required", Some("t"));
        for value in values {
            writer.header(Header::ProxyAuthenticate, value);
        }
        let challenged = Message::parse(writer.finish()).unwrap();
        let login = Login::new(user, password);
        let mut digest = DigestClient::new(login);
        let credentials =
            digest.answer(&challenged, "INVITE", "sip:5551234@tandem.example", &mut house.rng).unwrap();
        assert_eq!(check(&mut house, &invite(Some(credentials))), expected, "{user} {password}");
    }
}

#[test]
fn no_secret_is_shown() {
    let mut house = House::new();
    house.sign_in(&mut Phone::new(1, "203.0.113.5:40001"));
    house.register(&mut Phone::named("phone-1", "guess", "203.0.113.7:1"), &[]);
    let shown = format!("{:?} {:?} {:?}", house.registrar, house.events, house.registrar.views(house.now));
    assert!(!shown.contains("Zebra") && !shown.contains("guess"));
}

#[test]
fn a_device_that_gives_up_at_two_algorithms_is_asked_again_with_md5_alone() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let contact = [(Header::Contact, "<sip:a@10.0.0.1>")];
    let algorithms = |answer: &Message| -> Vec<String> {
        answer
            .headers(Header::WwwAuthenticate)
            .filter_map(Challenge::parse)
            .filter_map(|c| c.algorithm)
            .collect()
    };
    let first = house.bare(&mut phone, &contact);
    assert_eq!(algorithms(&first), ["SHA-256", "MD5"]);
    let second = house.bare(&mut phone, &contact);
    assert_eq!(algorithms(&second), ["MD5"]);
    assert_eq!(house.with_credentials(&mut phone, &second, &contact).unwrap().code(), Some(200));
    // It is remembered for its calls; another device at the same address is asked as before.
    assert_eq!(algorithms(&house.bare(&mut phone, &contact)), ["MD5"]);
    assert_eq!(
        algorithms(&house.bare(&mut Phone::new(2, "203.0.113.5:40001"), &contact)),
        ["SHA-256", "MD5"]
    );
}

#[test]
fn a_device_that_answers_with_sha_256_is_always_offered_it() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    for _ in 0..3 {
        let contact = [(Header::Contact, "<sip:a@10.0.0.1>")];
        let asked = house.bare(&mut phone, &contact);
        assert_eq!(asked.headers(Header::WwwAuthenticate).count(), 2);
        assert_eq!(house.with_credentials(&mut phone, &asked, &contact).unwrap().code(), Some(200));
    }
}
