//! Those who register to us: RFC 3261 §10.3 as dialogues between phones and the registrar.

mod house;
mod world;

use house::*;
use serde_json::json;
use tandem_model::{Binding, BindingOwner, Entity, Event, RegistrationState, TrunkId};
use tandem_sip_dialog::digest::Algorithm;
use tandem_sip_msg::{Challenge, ConnectionId, Flow, Header, ListenerId, Transport};
use tandem_trunk::BindingChange;
use world::{address, secs};

#[test]
fn a_phone_is_challenged_and_then_registered_where_it_came_from() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let challenged = house.bare(&mut phone, &[(Header::Contact, "<sip:phone-1@10.0.0.1:5062>")]);
    let challenges: Vec<Challenge> =
        challenged.headers(Header::WwwAuthenticate).filter_map(Challenge::parse).collect();
    assert_eq!(challenges.len(), 2);
    assert_eq!(challenges[0].algorithm.as_deref(), Some("SHA-256"));
    assert_eq!(challenges[1].algorithm.as_deref(), Some("MD5"));
    assert!(challenges.iter().all(|c| c.realm == "tandem" && c.qop == ["auth"] && !c.stale));
    assert!(challenged.to_tag().is_some());
    let answer =
        house.with_credentials(&mut phone, &challenged, &[(Header::Contact, "<sip:phone-1@10.0.0.1:5062>")]);
    let answer = answer.unwrap();
    assert_eq!(answer.code(), Some(200));
    assert_eq!(listed(&answer), [pair("sip:phone-1@10.0.0.1:5062", "3600")]);
    let contacts = house.registrar.contacts(owner(1), house.now);
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0].flow, udp("203.0.113.5:40001"));
    assert_eq!(house.registrar.at(address("203.0.113.5:40001"), house.now), Some(owner(1)));
    assert_eq!(house.registrar.at(address("203.0.113.5:40002"), house.now), None);
    assert!(matches!(&house.events[0], Event::RegistrationAdded { expires: 3600, .. }));
}

#[test]
fn an_algorithm_that_was_not_offered_is_not_taken() {
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let contact = [(Header::Contact, "<sip:phone-1@10.0.0.1:5062>")];
    let mut md5 = House::offering(&[Algorithm::MD5]);
    let challenged = md5.bare(&mut phone, &contact);
    assert_eq!(challenged.headers(Header::WwwAuthenticate).count(), 1);
    // The nonce is as good here, only the algorithm is not.
    let mut sha = House::offering(&[Algorithm::SHA_256]);
    assert_eq!(sha.with_credentials(&mut phone, &challenged, &contact).unwrap().code(), Some(401));
    assert_eq!(md5.with_credentials(&mut phone, &challenged, &contact).unwrap().code(), Some(200));
}

#[test]
fn nothing_is_acknowledged_before_it_is_written() {
    let mut house = House::new();
    house.disk = false;
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let contact = phone.contact.clone();
    assert!(house.try_register(&mut phone, &[(Header::Contact, &contact)]).is_none());
    assert!(house.uris(1).is_empty());
    let (id, changes) = house.writes.pop().unwrap();
    let [BindingChange::Put(binding)] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(binding.contact, "sip:phone-1@10.0.0.1:5062");
    assert_eq!(binding.expires_at, house.now.as_secs() + 3600);
    house.persisted(id, true);
    assert_eq!(house.answers.pop().unwrap().code(), Some(200));
    assert_eq!(house.uris(1), ["sip:phone-1@10.0.0.1:5062"]);
}

#[test]
fn what_could_not_be_written_is_refused_and_changes_nothing() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    house.sign_in(&mut phone);
    house.disk = false;
    let changed = [(Header::Contact, "<sip:phone-1@10.0.0.9>, <sip:phone-1@10.0.0.1:5062>;expires=0")];
    assert!(house.try_register(&mut phone, &changed).is_none());
    let (id, _) = house.writes.pop().unwrap();
    house.persisted(id, false);
    let answer = house.answers.pop().unwrap();
    assert_eq!(answer.code(), Some(503));
    assert!(answer.header(Header::RetryAfter).is_some());
    assert_eq!(house.uris(1), ["sip:phone-1@10.0.0.1:5062"]);
    assert!(house.ended().is_empty());
}

#[test]
fn a_store_that_never_answers_holds_up_one_phone_and_not_the_others() {
    let mut house = House::new();
    house.disk = false;
    let mut slow = Phone::new(1, "203.0.113.5:40001");
    let contact = slow.contact.clone();
    assert!(house.try_register(&mut slow, &[(Header::Contact, &contact)]).is_none());
    let (slow_write, _) = house.writes.pop().unwrap();
    house.disk = true;
    house.sign_in(&mut Phone::new(2, "203.0.113.6:40001"));
    house.answers.clear();
    house.pass(secs(10));
    assert_eq!(house.answers.iter().filter(|answer| answer.code() == Some(503)).count(), 1);
    let again = house.register(&mut slow, &[(Header::Contact, &contact)]);
    assert_eq!(again.code(), Some(503));
    // Written after all: then it holds, although nobody was told.
    house.persisted(slow_write, true);
    assert_eq!(house.uris(1), ["sip:phone-1@10.0.0.1:5062"]);
    house.sign_in(&mut slow);
}

#[test]
fn registers_of_one_account_at_once_are_carried_out_one_after_another() {
    let mut house = House::new();
    house.disk = false;
    let mut desk = Phone::new(1, "203.0.113.5:40001");
    let mut mobile = Phone::new(1, "203.0.113.6:40002");
    mobile.contact = "<sip:phone-1@10.0.0.2>".into();
    mobile.call_id = "mobile".into();
    let (desk_contact, mobile_contact) = (desk.contact.clone(), mobile.contact.clone());
    assert!(house.try_register(&mut desk, &[(Header::Contact, &desk_contact)]).is_none());
    assert!(house.try_register(&mut mobile, &[(Header::Contact, &mobile_contact)]).is_none());
    assert!(house.try_register(&mut desk, &[(Header::Contact, "*"), (Header::Expires, "0")]).is_none());
    assert_eq!(house.writes.len(), 1);
    let mut sizes = vec![];
    while let Some((id, changes)) = house.writes.pop() {
        sizes.push(changes.len());
        house.persisted(id, true);
    }
    // Put, put, and then both are there to be deleted.
    assert_eq!(sizes, [1, 1, 2]);
    assert!(house.uris(1).is_empty());
    assert_eq!(house.answers.iter().map(|a| a.code().unwrap()).collect::<Vec<_>>(), [200, 200, 200]);
}

#[test]
fn a_query_lists_the_bindings_with_the_time_they_have_left() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    house.sign_in(&mut phone);
    house.pass(secs(100));
    let answer = house.register(&mut phone, &[]);
    assert_eq!(answer.code(), Some(200));
    assert_eq!(listed(&answer), [pair("sip:phone-1@10.0.0.1:5062", "3500")]);
}

#[test]
fn a_lifetime_is_that_of_the_contact_else_of_expires_else_ours_within_bounds() {
    let granted = |headers: &[(Header, &str)]| {
        let mut house = House::new();
        let answer = house.register(&mut Phone::new(1, "203.0.113.5:40001"), headers);
        assert_eq!(answer.code(), Some(200));
        listed(&answer).into_iter().map(|(_, expires)| expires).collect::<Vec<_>>()
    };
    assert_eq!(
        granted(&[(Header::Contact, "<sip:a@10.0.0.1>;expires=120"), (Header::Expires, "900")]),
        ["120"]
    );
    assert_eq!(granted(&[(Header::Contact, "<sip:a@10.0.0.1>"), (Header::Expires, "900")]), ["900"]);
    assert_eq!(granted(&[(Header::Contact, "<sip:a@10.0.0.1>")]), ["3600"]);
    assert_eq!(granted(&[(Header::Contact, "<sip:a@10.0.0.1>;expires=99999999999")]), ["7200"]);
    assert_eq!(granted(&[(Header::Contact, "<sip:a@10.0.0.1>;expires=soon")]), ["3600"]);
    assert_eq!(granted(&[(Header::Contact, "<sip:a@10.0.0.1>;expires=60")]), ["60"]);
    let two = "<sip:a@10.0.0.1>;expires=60, <sip:b@10.0.0.1>;expires=600";
    assert_eq!(granted(&[(Header::Contact, two)]), ["60", "600"]);
}

#[test]
fn too_short_a_lifetime_is_refused_with_the_shortest_and_nothing_of_the_request_is_done() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let contacts = "<sip:a@10.0.0.1>;expires=600, <sip:b@10.0.0.1>;expires=59";
    let answer = house.register(&mut phone, &[(Header::Contact, contacts)]);
    assert_eq!(answer.code(), Some(423));
    assert_eq!(answer.header(Header::MinExpires), Some("60"));
    assert!(house.uris(1).is_empty());
}

#[test]
fn a_contact_is_removed_by_a_lifetime_of_nothing_and_all_by_a_star() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    house.register(&mut phone, &[(Header::Contact, "<sip:a@10.0.0.1>, <sip:b@10.0.0.1>, <sip:c@10.0.0.1>")]);
    let answer = house.register(&mut phone, &[(Header::Contact, "<sip:b@10.0.0.1>;expires=0")]);
    assert_eq!(listed(&answer).len(), 2);
    assert_eq!(house.ended(), [("sip:b@10.0.0.1".to_owned(), "removed")]);
    let answer = house.register(&mut phone, &[(Header::Contact, "*"), (Header::Expires, "0")]);
    assert_eq!((answer.code(), listed(&answer).len()), (Some(200), 0));
    assert!(house.uris(1).is_empty() && house.registrar.is_empty());
    assert_eq!(house.ended().len(), 3);
    // What is not there is removed all the same.
    let answer = house.register(&mut phone, &[(Header::Contact, "<sip:b@10.0.0.1>;expires=0")]);
    assert_eq!(answer.code(), Some(200));
}

#[test]
fn a_star_needs_to_be_alone_and_to_say_expires_0() {
    for headers in [
        vec![(Header::Contact, "*")],
        vec![(Header::Contact, "*"), (Header::Expires, "60")],
        vec![(Header::Contact, "*, <sip:a@10.0.0.1>"), (Header::Expires, "0")],
        vec![(Header::Contact, "<sip:a@10.0.0.1>"), (Header::Contact, "*"), (Header::Expires, "0")],
    ] {
        let mut house = House::new();
        let mut phone = Phone::new(1, "203.0.113.5:40001");
        house.sign_in(&mut phone);
        assert_eq!(house.register(&mut phone, &headers).code(), Some(400), "{headers:?}");
        assert_eq!(house.uris(1).len(), 1);
    }
}

#[test]
fn a_request_that_was_overtaken_is_refused() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let contact = phone.contact.clone();
    let challenged = house.bare(&mut phone, &[(Header::Contact, &contact)]);
    phone.cseq = 50;
    assert_eq!(
        house.with_credentials(&mut phone, &challenged, &[(Header::Contact, &contact)]).unwrap().code(),
        Some(200)
    );
    for headers in [
        vec![(Header::Contact, contact.as_str())],
        vec![(Header::Contact, contact.as_str()), (Header::Expires, "0")],
        vec![(Header::Contact, "*"), (Header::Expires, "0")],
        vec![(Header::Contact, "<sip:new@10.0.0.3>, <sip:phone-1@10.0.0.1:5062>")],
    ] {
        phone.cseq = 20;
        assert_eq!(house.register(&mut phone, &headers).code(), Some(500), "{headers:?}");
        assert_eq!(house.uris(1), ["sip:phone-1@10.0.0.1:5062"]);
    }
    // Another Call-ID has an order of its own.
    phone.cseq = 0;
    phone.call_id = "restarted".into();
    house.sign_in(&mut phone);
}

#[test]
fn the_same_place_written_otherwise_is_the_same_binding() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    house.register(&mut phone, &[(Header::Contact, "<sip:phone-1@Phone.Example:5062;transport=udp>")]);
    house.kept.clear();
    let answer =
        house.register(&mut phone, &[(Header::Contact, "<sip:phone-1@phone.example:5062;transport=UDP>")]);
    assert_eq!(listed(&answer).len(), 1);
    assert_eq!(house.registrar.len(), 1);
    let [BindingChange::Delete { contact, .. }, BindingChange::Put(_)] = house.kept.as_slice() else {
        panic!()
    };
    assert_eq!(contact, "sip:phone-1@Phone.Example:5062;transport=udp");
    assert!(house.ended().is_empty());
}

#[test]
fn a_further_device_takes_the_place_of_the_oldest() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    for n in 1..=3 {
        house.register(&mut phone, &[(Header::Contact, &format!("<sip:d{n}@10.0.0.1>"))]);
    }
    // The first is refreshed, so that the second is the oldest.
    house.register(&mut phone, &[(Header::Contact, "<sip:d1@10.0.0.1>")]);
    let answer = house.register(&mut phone, &[(Header::Contact, "<sip:d4@10.0.0.1>")]);
    assert_eq!(answer.code(), Some(200));
    assert_eq!(house.uris(1), ["sip:d4@10.0.0.1", "sip:d1@10.0.0.1", "sip:d3@10.0.0.1"]);
    assert_eq!(house.ended(), [("sip:d2@10.0.0.1".to_owned(), "replaced")]);
}

#[test]
fn one_device_may_not_bring_more_contacts_than_the_account_may_have() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let many: Vec<String> = (0..7).map(|n| format!("<sip:d{n}@10.0.0.1>")).collect();
    house.register(&mut phone, &[(Header::Contact, &many.join(", "))]);
    assert_eq!(house.registrar.len(), 3);
    let many: Vec<String> = (0..11).map(|n| format!("<sip:d{n}@10.0.0.1>")).collect();
    assert_eq!(house.register(&mut phone, &[(Header::Contact, &many.join(", "))]).code(), Some(400));
}

#[test]
fn contacts_that_could_do_harm_are_refused() {
    let long = format!("<sip:{}@10.0.0.1>", "a".repeat(600));
    for contact in [
        "<sip:a@10.0.0.1?Route=%3Csip:evil%3E>",
        "<sip:a@10.0.0.1;transport=udp?Replaces=x>",
        "<tel:+15551234567>",
        "<mailto:a@b.example>",
        "<sips:a@10.0.0.1>",
        long.as_str(),
    ] {
        let mut house = House::new();
        let answer = house.register(&mut Phone::new(1, "203.0.113.5:40001"), &[(Header::Contact, contact)]);
        assert_eq!(answer.code(), Some(400), "{contact}");
        assert!(house.registrar.is_empty());
    }
}

#[test]
fn bindings_end_when_their_time_is_up() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    house.register(
        &mut phone,
        &[(Header::Contact, "<sip:a@10.0.0.1>;expires=60, <sip:b@10.0.0.1>;expires=120")],
    );
    house.pass(secs(59));
    assert_eq!(house.uris(1).len(), 2);
    house.kept.clear();
    house.pass(secs(1));
    assert_eq!(house.uris(1), ["sip:b@10.0.0.1"]);
    assert_eq!(house.ended(), [("sip:a@10.0.0.1".to_owned(), "expired")]);
    assert!(matches!(house.kept.as_slice(), [BindingChange::Delete { .. }]));
    house.pass(secs(60));
    assert!(house.registrar.is_empty());
    assert_eq!(house.registrar.at(address("203.0.113.5:40001"), house.now), None);
}

#[test]
fn a_binding_that_is_being_renewed_does_not_end_meanwhile() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    house.register(&mut phone, &[(Header::Contact, "<sip:a@10.0.0.1>;expires=60")]);
    house.pass(secs(58));
    house.disk = false;
    assert!(house.try_register(&mut phone, &[(Header::Contact, "<sip:a@10.0.0.1>;expires=60")]).is_none());
    house.pass(secs(4));
    // Nothing was written that would take the renewal off the disk again.
    assert_eq!(house.writes.len(), 1);
    let (id, _) = house.writes.pop().unwrap();
    house.persisted(id, true);
    assert_eq!(house.uris(1), ["sip:a@10.0.0.1"]);
    assert!(house.ended().is_empty());
}

#[test]
fn a_device_that_has_moved_is_reached_at_its_new_address() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    house.sign_in(&mut phone);
    phone.from = udp("203.0.113.99:2222");
    house.sign_in(&mut phone);
    let contacts = house.registrar.contacts(owner(1), house.now);
    assert_eq!(contacts.len(), 1);
    assert_eq!(contacts[0].flow.remote, address("203.0.113.99:2222"));
    assert_eq!(house.registrar.at(address("203.0.113.5:40001"), house.now), None);
    assert_eq!(house.registrar.at(address("203.0.113.99:2222"), house.now), Some(owner(1)));
}

#[test]
fn two_accounts_behind_one_address_are_not_taken_for_each_other() {
    let mut house = House::new();
    house.sign_in(&mut Phone::new(1, "203.0.113.5:40001"));
    house.sign_in(&mut Phone::new(2, "203.0.113.5:40001"));
    assert_eq!(house.registrar.at(address("203.0.113.5:40001"), house.now), None);
    house.configure(vec![extension(1, json!({}))]);
    assert_eq!(house.registrar.at(address("203.0.113.5:40001"), house.now), Some(owner(1)));
}

#[test]
fn a_connection_is_used_while_it_lasts() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let connection = Some(ConnectionId(77));
    phone.from = Flow { transport: Transport::Tcp, listener: ListenerId(1), connection, ..phone.from };
    house.sign_in(&mut phone);
    assert_eq!(house.registrar.contacts(owner(1), house.now)[0].flow, phone.from);
    house.registrar.disconnected(ConnectionId(76));
    house.registrar.disconnected(ConnectionId(77));
    let flow = house.registrar.contacts(owner(1), house.now)[0].flow;
    assert_eq!(flow, Flow { connection: None, ..phone.from });
}

#[test]
fn a_device_whose_connection_is_gone_is_called_where_it_listens() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let connection = Some(ConnectionId(77));
    phone.from = Flow { transport: Transport::Tcp, listener: ListenerId(1), connection, ..phone.from };
    house.try_register(&mut phone, &[(Header::Contact, "<sip:phone-1@203.0.113.5:5062;transport=tcp>")]);
    house.registrar.disconnected(ConnectionId(77));
    let flow = house.registrar.contacts(owner(1), house.now)[0].flow;
    assert_eq!(flow, Flow { connection: None, remote: address("203.0.113.5:5062"), ..phone.from });
}

#[test]
fn a_path_is_kept_and_sent_back() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let contact = phone.contact.clone();
    let path = "<sip:edge.example;lr>";
    let headers = [(Header::Contact, contact.as_str()), (Header::Path, path), (Header::Supported, "path")];
    let answer = house.register(&mut phone, &headers);
    assert_eq!(answer.header(Header::Path), Some(path));
    assert_eq!(house.registrar.contacts(owner(1), house.now)[0].path, [path]);
    let bad = [(Header::Contact, contact.as_str()), (Header::Path, "<sip:edge.example;lr?X=y>")];
    assert_eq!(house.register(&mut phone, &bad).code(), Some(400));
}

#[test]
fn an_extension_that_we_do_not_have_is_named() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let contact = phone.contact.clone();
    let headers = [(Header::Contact, contact.as_str()), (Header::Require, "gruu, path, foo")];
    let answer = house.register(&mut phone, &headers);
    assert_eq!(answer.code(), Some(420));
    assert_eq!(answer.headers(Header::Unsupported).collect::<Vec<_>>(), ["gruu", "foo"]);
}

#[test]
fn nobody_registers_for_another() {
    for (to, code) in
        [("phone-1", 200), ("101", 200), ("phone-2", 403), ("102", 403), ("pbx", 403), ("nobody", 403)]
    {
        let mut house = House::new();
        let mut phone = Phone::new(1, "203.0.113.5:40001");
        phone.to = to.into();
        let contact = phone.contact.clone();
        let answer = house.register(&mut phone, &[(Header::Contact, &contact)]);
        assert_eq!(answer.code(), Some(code), "{to}");
        assert_eq!(house.registrar.len(), usize::from(code == 200));
        assert!(house.uris(2).is_empty());
    }
}

#[test]
fn a_trunk_registers_with_its_own_name() {
    let mut house = House::new();
    let mut pbx = Phone::named("pbx", PASSWORD, "203.0.113.50:5060");
    house.sign_in(&mut pbx);
    let trunk = BindingOwner::Trunk(TrunkId(uuid::Uuid::from_u128(9)));
    assert!(house.registrar.is_bound(trunk, house.now));
    assert_eq!(house.registrar.at(address("203.0.113.50:5060"), house.now), Some(trunk));
    let views = house.registrar.views(house.now);
    assert_eq!(views.len(), 1);
    assert_eq!((views[0].direction.as_str(), views[0].username.as_str()), ("inbound", "pbx"));
    assert_eq!(views[0].trunk_id, Some(TrunkId(uuid::Uuid::from_u128(9))));
    assert_eq!(
        (views[0].state, views[0].address.as_str()),
        (RegistrationState::Registered, "udp:203.0.113.50:5060")
    );
}

#[test]
fn a_configuration_ends_the_bindings_of_those_who_may_no_longer_register() {
    let cases: Vec<(&str, Vec<Entity>, usize)> = vec![
        ("unchanged", everybody(), 2),
        ("renamed", vec![extension(1, json!({"name": "other", "max_contacts": 9})), guest(json!({}))], 2),
        ("gone", vec![guest(json!({}))], 1),
        ("disabled", vec![extension(1, json!({"enabled": false})), guest(json!({}))], 1),
        ("another password", vec![extension(1, json!({"password": "Quagga-9-Quagga"})), guest(json!({}))], 1),
        ("trunk disabled", vec![extension(1, json!({})), guest(json!({"enabled": false}))], 1),
    ];
    for (what, entities, left) in cases {
        let mut house = House::new();
        house.sign_in(&mut Phone::new(1, "203.0.113.5:40001"));
        house.sign_in(&mut Phone::named("pbx", PASSWORD, "203.0.113.6:40001"));
        house.kept.clear();
        house.configure(entities);
        assert_eq!(house.registrar.len(), left, "{what}");
        assert_eq!(house.kept.len(), 2 - left, "{what}");
        assert_eq!(house.ended().len(), 2 - left, "{what}");
    }
}

#[test]
fn who_is_disabled_while_his_registration_is_written_is_not_registered() {
    let mut house = House::new();
    house.disk = false;
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let contact = phone.contact.clone();
    assert!(house.try_register(&mut phone, &[(Header::Contact, &contact)]).is_none());
    house.configure(vec![extension(1, json!({"enabled": false}))]);
    let (id, _) = house.writes.pop().unwrap();
    house.persisted(id, true);
    assert_eq!(house.answers.pop().unwrap().code(), Some(403));
    assert!(house.registrar.is_empty());
    let (_, changes) = house.writes.pop().unwrap();
    assert!(matches!(changes.as_slice(), [BindingChange::Delete { .. }]));
}

#[test]
fn registrations_outlive_a_restart() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let connection = Some(ConnectionId(5));
    phone.from = Flow { transport: Transport::Tcp, listener: ListenerId(1), connection, ..phone.from };
    house.sign_in(&mut phone);
    let short = [(Header::Contact, "<sip:short@10.0.0.1>;expires=60")];
    house.register(&mut phone, &short);
    let mut kept: Vec<Binding> = house
        .kept
        .iter()
        .filter_map(|change| match change {
            BindingChange::Put(binding) => Some(binding.clone()),
            BindingChange::Delete { .. } => None,
        })
        .collect();
    kept[1].expires_at = house.now.as_secs() - 1;
    let mut again = House::with(kept);
    assert_eq!(again.uris(1), ["sip:phone-1@10.0.0.1:5062"]);
    let flow = again.registrar.contacts(owner(1), again.now)[0].flow;
    assert_eq!(flow, Flow { connection: None, ..phone.from });
    assert_eq!(again.ended(), [("sip:short@10.0.0.1".to_owned(), "expired")]);
    // Whose acknowledgement was lost in the crash sends the same again, and it is no error.
    phone.cseq -= 4;
    let contact = phone.contact.clone();
    let challenged = again.bare(&mut phone, &[(Header::Contact, &contact)]);
    assert_eq!(
        again.with_credentials(&mut phone, &challenged, &[(Header::Contact, &contact)]).unwrap().code(),
        Some(200)
    );
}

#[test]
fn a_sips_contact_registers_over_tls_alone() {
    let mut house = House::new();
    let mut phone = Phone::new(1, "203.0.113.5:40001");
    let contact = [(Header::Contact, "<sips:phone-1@10.0.0.1:5062>")];
    let refused = house.try_register(&mut phone, &contact).unwrap();
    assert_eq!((refused.code(), refused.reason_phrase()), (Some(400), "A SIPS Contact Registers Over TLS"));
    assert!(house.uris(1).is_empty());
    phone.from = Flow {
        transport: Transport::Tls,
        listener: ListenerId(2),
        connection: Some(ConnectionId(4)),
        ..phone.from
    };
    assert_eq!(house.try_register(&mut phone, &contact).unwrap().code(), Some(200));
    let contacts = house.registrar.contacts(owner(1), house.now);
    assert_eq!((contacts[0].uri.as_str(), contacts[0].flow), ("sips:phone-1@10.0.0.1:5062", phone.from));
}
