//! Our registration at a provider: each row of the state machine as a dialogue in virtual time.

mod world;

use serde_json::json;
use tandem_model::{RegistrationState, TrunkState};
use tandem_sip_msg::Header;
use world::*;

#[test]
fn a_trunk_registers_by_itself_within_a_second_of_the_start() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let start = world.now;
    assert_eq!(world.state(), TrunkState::Registering);
    let register = world.expect("REGISTER");
    assert!(register.at > start && register.at.since(start) <= secs(1));
    assert_eq!(register.flow.remote, address("192.0.2.1:5060"));
    world.accept(&register, 3600);
    assert_eq!(world.state(), TrunkState::Registered);
    assert!(world.is_up());
    assert_eq!(world.status().registered_until, Some((register.at + secs(3600)).as_millis()));
    assert_eq!(world.told(), [TrunkState::Registering, TrunkState::Registered]);
}

#[test]
fn a_register_says_who_we_are_where_we_are_and_for_how_long() {
    let account = json!({
        "host": "192.0.2.1", "port": 5070, "username": "+1 555", "from_user": "line", "from_domain": "carrier.example",
        "contact_params": "x=1", "expires": 600,
    });
    let mut world = World::with(&[trunk(1, account)]);
    let register = world.expect("REGISTER");
    let message = &register.message;
    assert_eq!(message.request_uri().unwrap().as_str(), "sip:192.0.2.1:5070");
    assert_eq!(message.from().uri().as_str(), "sip:line@carrier.example");
    assert!(message.from_tag().is_some());
    assert_eq!(register.header(Header::To), "<sip:line@carrier.example>");
    let contact = message.contact().unwrap();
    assert!(contact.uri().as_str().starts_with("sip:+1%20555@198.51.100.1:5060;x=1;gw="));
    let token = contact.uri().params().get("gw").unwrap();
    assert!(token.len() >= 16);
    assert_eq!(world.trunks.by_contact_token(token), Some(id(1)));
    assert_eq!(contact.params().get("expires"), Some("600"));
    assert_eq!(message.expires(), Some(600));
    assert_eq!(message.max_forwards(), Some(70));
    assert_eq!(register.header(Header::UserAgent), "Tandem");
    assert_eq!(message.cseq(), 1);
}

#[test]
fn a_realm_that_is_no_host_name_stays_out_of_the_address_of_record() {
    for (realm, host) in
        [("carrier.example", "carrier.example"), ("My PBX", "192.0.2.1"), ("a>b", "192.0.2.1")]
    {
        let mut world = World::with(&[trunk(1, json!({"realm": realm}))]);
        let register = world.expect("REGISTER");
        assert_eq!(register.message.from().uri().as_str(), format!("sip:1001@{host}"));
    }
}

#[test]
fn over_tcp_the_uris_say_so() {
    let mut world = World::with(&[trunk(1, json!({"transport": "tcp"}))]);
    let register = world.expect("REGISTER");
    assert_eq!(register.message.request_uri().unwrap().as_str(), "sip:192.0.2.1;transport=tcp");
    assert_eq!(register.message.contact().unwrap().uri().params().get("transport"), Some("tcp"));
    assert_eq!(register.flow.transport, tandem_sip_msg::Transport::Tcp);
}

#[test]
fn a_challenge_is_answered_under_the_same_call_id_with_the_next_cseq() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let first = world.expect("REGISTER");
    world.answer(&first, 401, &[(Header::WwwAuthenticate, NONCE)]);
    let second = world.at_once("REGISTER");
    assert_eq!(second.message.call_id(), first.message.call_id());
    assert_eq!(second.message.from_tag(), first.message.from_tag());
    assert_eq!(second.message.cseq(), first.message.cseq() + 1);
    assert!(credentials_are_right(&second));
    world.accept(&second, 3600);
    assert_eq!(world.state(), TrunkState::Registered);
}

#[test]
fn a_refresh_uses_the_nonce_that_is_known_and_counts_it() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let first = world.expect("REGISTER");
    world.answer(&first, 401, &[(Header::WwwAuthenticate, NONCE)]);
    let second = world.expect("REGISTER");
    world.accept(&second, 3600);
    let refresh = world.expect("REGISTER");
    let credentials = refresh.credentials().unwrap();
    assert_eq!((credentials.nonce.as_str(), credentials.nc.as_deref()), ("n1", Some("00000002")));
    assert!(credentials_are_right(&refresh));
}

#[test]
fn a_407_is_answered_and_a_401_behind_it_too() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let first = world.expect("REGISTER");
    let proxy = r#"Digest realm="edge", nonce="p1", qop="auth""#;
    world.answer(&first, 407, &[(Header::ProxyAuthenticate, proxy)]);
    let second = world.expect("REGISTER");
    assert!(second.message.header(Header::ProxyAuthorization).is_some());
    world.answer(&second, 401, &[(Header::WwwAuthenticate, NONCE)]);
    let third = world.expect("REGISTER");
    assert!(third.message.header(Header::ProxyAuthorization).is_some());
    assert!(third.message.header(Header::Authorization).is_some());
    world.accept(&third, 3600);
    assert_eq!(world.state(), TrunkState::Registered);
}

#[test]
fn a_stale_nonce_or_a_new_one_is_a_retry_and_no_failure() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let first = world.expect("REGISTER");
    world.answer(&first, 401, &[(Header::WwwAuthenticate, NONCE)]);
    let second = world.expect("REGISTER");
    let stale = r#"Digest realm="carrier", nonce="n1", stale=TRUE, qop="auth""#;
    world.answer(&second, 401, &[(Header::WwwAuthenticate, stale)]);
    let third = world.at_once("REGISTER");
    let new = r#"Digest realm="carrier", nonce="n2", qop="auth""#;
    world.answer(&third, 401, &[(Header::WwwAuthenticate, new)]);
    let fourth = world.expect("REGISTER");
    assert_eq!(fourth.credentials().unwrap().nonce, "n2");
    world.accept(&fourth, 3600);
    assert_eq!(world.told(), [TrunkState::Registering, TrunkState::Registered]);
}

#[test]
fn a_peer_that_challenges_for_ever_is_left_after_three_answers() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let mut n = 0;
    world.carrier = Some(Box::new(move |_| {
        n += 1;
        let challenge = format!(r#"Digest realm="carrier", nonce="n{n}", qop="auth", stale=true"#);
        Some((401, vec![(Header::WwwAuthenticate, challenge)]))
    }));
    world.pass(secs(60));
    assert_eq!(world.sent.len(), 4);
    assert_eq!(world.status().registration, RegistrationState::AuthFailed);
}

#[test]
fn a_wrong_password_is_told_in_plain_words_and_tried_slowly_for_ever() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let first = world.expect("REGISTER");
    world.answer(&first, 401, &[(Header::WwwAuthenticate, NONCE)]);
    let second = world.expect("REGISTER");
    world.answer(&second, 401, &[(Header::WwwAuthenticate, NONCE)]);
    let status = world.status();
    assert_eq!((status.state, status.registration), (TrunkState::AuthFailed, RegistrationState::AuthFailed));
    let words = "401 Unauthorized after our credentials were sent: the username or password is wrong";
    assert!(status.reason.starts_with(words), "{}", status.reason);
    assert_eq!(status.last_code, Some(401));
    assert!(!world.is_up());

    world.carrier = Some(Box::new(|_| Some((401, vec![(Header::WwwAuthenticate, NONCE.to_owned())]))));
    let mut wait = 300.0;
    for _ in 0..30 {
        let before = world.now;
        assert_eq!(world.status().next_retry_at.map(|at| at > before.as_millis()), Some(true));
        let again = world.find(secs(3700), |sent| sent.credentials().is_some()).expect("it never gives up");
        let waited = again.at.since(before).as_secs_f64();
        assert!(waited >= wait * 0.8 && waited <= (wait * 1.2_f64).min(3600.0), "{waited} of {wait}");
        wait = (wait * 2.0_f64).min(3600.0);
        world.pass(millis(1));
    }
    assert_eq!(world.told(), [TrunkState::Registering, TrunkState::AuthFailed]);
}

#[test]
fn a_challenge_of_another_realm_than_the_configured_one_gets_no_credentials() {
    let mut world = World::with(&[trunk(1, json!({"realm": "mine", "from_domain": "a.example"}))]);
    let register = world.expect("REGISTER");
    world.answer(&register, 401, &[(Header::WwwAuthenticate, NONCE)]);
    assert_eq!(world.state(), TrunkState::AuthFailed);
    assert!(world.status().reason.contains("realm \"carrier\""));
    world.expect_none("REGISTER", secs(200));
}

#[test]
fn the_granted_lifetime_is_that_of_our_own_contact_else_expires_else_the_one_asked_for() {
    let until = |headers: &dyn Fn(&str) -> Vec<(Header, String)>| {
        let mut world = World::with(&[trunk(1, json!({"expires": 900}))]);
        let register = world.expect("REGISTER");
        let contact = register.message.contact().unwrap().uri().as_str().to_owned();
        let headers = headers(&contact);
        let headers: Vec<(Header, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        world.answer(&register, 200, &headers);
        (world.status().registered_until.unwrap() - world.now.as_millis()) / 1000
    };
    let other = "<sip:1001@203.0.113.9;gw=other>;expires=77";
    assert_eq!(until(&|c| vec![(Header::Contact, format!("{other}, <{c}>;expires=120"))]), 120);
    assert_eq!(
        until(&|_| vec![(Header::Contact, format!("{other}, {other}1")), (Header::Expires, "300".into())]),
        300
    );
    assert_eq!(until(&|c| vec![(Header::Contact, format!("<{c}>")), (Header::Expires, "200".into())]), 200);
    assert_eq!(until(&|_| vec![]), 900);
    // Registrars that lose our parameter, or put the address that they saw in place of ours.
    assert_eq!(
        until(&|_| vec![(Header::Contact, "<sip:1001@198.51.100.1:5060>;expires=66, <sip:x@y>".into())]),
        66
    );
    assert_eq!(until(&|_| vec![(Header::Contact, "<sip:1001@10.0.0.1:1024>;expires=55".into())]), 55);
}

#[test]
fn a_registration_is_refreshed_well_before_its_end() {
    for (granted, earliest, latest) in
        [(3600, 3168, 3240), (120, 102, 105), (60, 43, 45), (30, 14, 15), (4, 1, 2)]
    {
        let mut world = World::with(&[trunk(1, json!({}))]);
        let register = world.expect("REGISTER");
        world.accept(&register, granted);
        let refresh = world.expect("REGISTER");
        let waited = refresh.at.since(register.at).as_secs_f64();
        assert!(waited >= f64::from(earliest) && waited <= f64::from(latest), "{granted}: {waited}");
        assert_eq!(world.status().registration, RegistrationState::Refreshing);
        assert_eq!(world.state(), TrunkState::Registered);
        assert_eq!(refresh.message.call_id(), register.message.call_id());
        assert_eq!(refresh.message.cseq(), register.message.cseq() + 1);
    }
}

#[test]
fn a_registration_granted_for_nothing_is_none() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let register = world.expect("REGISTER");
    world.accept(&register, 0);
    assert_eq!(world.state(), TrunkState::Unreachable);
    assert!(world.status().reason.contains("lifetime of 0"));
    world.expect("REGISTER");
}

#[test]
fn an_interval_too_brief_is_raised_and_tried_again_at_once() {
    let mut world = World::with(&[trunk(1, json!({"expires": 60}))]);
    let register = world.expect("REGISTER");
    world.answer(&register, 423, &[(Header::MinExpires, "1800")]);
    let again = world.expect("REGISTER");
    assert_eq!(again.at, register.at);
    assert_eq!(again.message.expires(), Some(1800));
    world.accept(&again, 1800);
    let refresh = world.expect("REGISTER");
    assert_eq!(refresh.message.expires(), Some(1800));
}

#[test]
fn a_registrar_that_raises_its_minimum_for_ever_is_not_followed() {
    let mut world = World::with(&[trunk(1, json!({"expires": 60}))]);
    let mut min = 100;
    world.carrier = Some(Box::new(move |_| {
        min += 1;
        Some((423, vec![(Header::MinExpires, min.to_string())]))
    }));
    world.pass(secs(60));
    assert_eq!(world.sent.len(), 3);
    assert_eq!(world.state(), TrunkState::Rejected);
}

#[test]
fn silence_is_a_timeout_that_is_tried_again_in_ever_longer_waits_up_to_the_cap() {
    let mut world = World::with(&[trunk(1, json!({"retry_base": 30, "retry_max": 300}))]);
    let mut wait = 30.0;
    world.expect("REGISTER");
    for _ in 0..12 {
        world.pass(millis(32_001));
        let failed = world.now;
        let status = world.status();
        assert_eq!(
            (status.state, status.registration),
            (TrunkState::Unreachable, RegistrationState::Timeout)
        );
        let words = "No answer to REGISTER from udp:192.0.2.1:5060 within 32 s";
        assert!(status.reason.starts_with(words), "{}", status.reason);
        let again = world.expect("REGISTER");
        let waited = again.at.since(failed).as_secs_f64();
        assert!(waited >= wait * 0.8 - 0.1 && waited <= (wait * 1.2_f64).min(300.0), "{waited} of {wait}");
        wait = (wait * 2.0_f64).min(300.0);
    }
}

#[test]
fn a_short_register_timeout_is_kept_to() {
    let mut world = World::with(&[trunk(1, json!({"register_timeout": 5}))]);
    world.expect("REGISTER");
    world.pass(secs(4));
    assert_eq!(world.state(), TrunkState::Registering);
    world.pass(secs(1));
    assert_eq!(world.status().registration, RegistrationState::Timeout);
}

#[test]
fn where_nobody_listens_we_know_at_once_and_wait_as_after_silence() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let register = world.expect("REGISTER");
    world.unreachable(&register);
    assert_eq!(world.status().registration, RegistrationState::Timeout);
    assert!(world.status().reason.contains("could not be delivered to udp:192.0.2.1:5060"));
    let again = world.expect("REGISTER");
    let waited = again.at.since(register.at);
    assert!(waited >= secs(24) && waited <= secs(36), "{waited:?}");
}

#[test]
fn what_may_pass_is_tried_again_in_the_fast_lane() {
    for code in [480, 500, 502, 503, 504, 408, 429, 491] {
        let mut world = World::with(&[trunk(1, json!({}))]);
        let register = world.expect("REGISTER");
        world.answer(&register, code, &[]);
        let status = world.status();
        assert_eq!(status.state, TrunkState::Unreachable, "{code}");
        assert!(status.reason.starts_with(&code.to_string()), "{}", status.reason);
        let waited = world.expect("REGISTER").at.since(register.at);
        assert!(waited >= secs(24) && waited <= secs(36), "{code}: {waited:?}");
    }
}

#[test]
fn a_retry_after_wins_within_an_hour() {
    for (asked, least, most) in
        [("77", 77, 77), ("0", 5, 5), ("120 (maintenance);duration=60", 120, 120), ("999999", 3600, 3600)]
    {
        let mut world = World::with(&[trunk(1, json!({}))]);
        let register = world.expect("REGISTER");
        world.answer(&register, 503, &[(Header::RetryAfter, asked)]);
        let waited = world.expect("REGISTER").at.since(register.at);
        assert!(waited >= secs(least) && waited <= secs(most), "{asked}: {waited:?}");
    }
}

#[test]
fn a_refusal_goes_to_the_slow_lane_and_says_what_it_means() {
    let cases = [
        (403, TrunkState::AuthFailed, RegistrationState::AuthFailed, "403 Forbidden"),
        (
            404,
            TrunkState::Rejected,
            RegistrationState::Rejected,
            "404 Not Found to our REGISTER: sip:1001@192.0.2.1 is not known",
        ),
        (405, TrunkState::Rejected, RegistrationState::Rejected, "405"),
        (439, TrunkState::Rejected, RegistrationState::Rejected, "439"),
        (302, TrunkState::Rejected, RegistrationState::Rejected, "302"),
        (603, TrunkState::Rejected, RegistrationState::Rejected, "603"),
    ];
    for (code, state, registration, words) in cases {
        let mut world = World::with(&[trunk(1, json!({}))]);
        let register = world.expect("REGISTER");
        world.answer(&register, code, &[]);
        let status = world.status();
        assert_eq!((status.state, status.registration), (state, registration), "{code}");
        assert!(status.reason.starts_with(words), "{}", status.reason);
        let waited = world.expect("REGISTER").at.since(register.at);
        assert!(waited >= secs(240) && waited <= secs(360), "{code}: {waited:?}");
    }
}

#[test]
fn the_next_target_is_tried_within_the_attempt_and_calls_follow_it() {
    let mut world = World::with(&[trunk(1, json!({"host": "sip.example.com", "register_timeout": 10}))]);
    world.resolve(&["192.0.2.1:5060", "192.0.2.2:5060", "192.0.2.3:5060", "192.0.2.4:5060"], 600);
    let first = world.expect("REGISTER");
    assert_eq!(first.flow.remote, address("192.0.2.1:5060"));
    world.answer(&first, 503, &[]);
    let second = world.expect("REGISTER");
    assert_eq!((second.flow.remote, second.at), (address("192.0.2.2:5060"), first.at));
    world.unreachable(&second);
    let third = world.expect("REGISTER");
    assert_eq!((third.flow.remote, third.at), (address("192.0.2.3:5060"), first.at));
    let fourth = world.expect("REGISTER");
    assert_eq!((fourth.flow.remote, fourth.at), (address("192.0.2.4:5060"), first.at + secs(10)));
    assert_eq!(world.state(), TrunkState::Registering);
    world.answer(&fourth, 401, &[(Header::WwwAuthenticate, NONCE)]);
    let fifth = world.expect("REGISTER");
    assert_eq!(fifth.flow.remote, address("192.0.2.4:5060"));
    world.accept(&fifth, 3600);
    let targets = world.trunks.targets(id(1));
    assert_eq!(targets.len(), 4);
    assert_eq!(targets[0].remote, address("192.0.2.4:5060"));
    assert_eq!(targets[1].remote, address("192.0.2.1:5060"));
    let refresh = world.expect("REGISTER");
    assert_eq!(refresh.flow.remote, address("192.0.2.4:5060"));
}

#[test]
fn a_refresh_that_fails_leaves_the_trunk_usable_until_the_registration_ends() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let register = world.expect("REGISTER");
    world.accept(&register, 600);
    let refresh = world.expect("REGISTER");
    world.answer(&refresh, 500, &[]);
    let status = world.status();
    assert_eq!((status.state, status.registration), (TrunkState::Degraded, RegistrationState::Refreshing));
    assert!(
        status.reason.starts_with("The registration still holds, but was not renewed. 500"),
        "{}",
        status.reason
    );
    assert!(world.is_up());
    // It is tried again before the end, however long the fast lane would wait.
    world.carrier = Some(Box::new(|_| Some((500, vec![]))));
    world.pass((register.at + secs(599)).since(world.now));
    assert!(world.sent.len() >= 3, "{}", world.sent.len());
    assert!(world.is_up());
    world.pass(secs(1));
    assert!(!world.is_up());
    assert_eq!(world.state(), TrunkState::Unreachable);
    world.carrier = Some(good_carrier());
    world.pass(secs(1900));
    assert_eq!(world.state(), TrunkState::Registered);
    assert_eq!(
        world.told(),
        [
            TrunkState::Registering,
            TrunkState::Registered,
            TrunkState::Degraded,
            TrunkState::Unreachable,
            TrunkState::Registered
        ]
    );
}

#[test]
fn a_refresh_that_is_refused_for_the_password_ends_the_trunk_at_once() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    world.register();
    let refresh = world.expect("REGISTER");
    world.answer(&refresh, 403, &[]);
    assert_eq!(world.state(), TrunkState::AuthFailed);
    assert!(!world.is_up());
}

#[test]
fn trunks_of_one_host_start_a_little_apart() {
    let trunks: Vec<_> = (1..=40).map(|n| trunk(n, json!({}))).collect();
    let mut world = World::with(&trunks);
    let start = world.now;
    world.carrier = Some(good_carrier());
    world.pass(secs(5));
    let mut first: Vec<u64> = world
        .sent
        .iter()
        .filter(|sent| sent.message.cseq() == 1)
        .map(|sent| sent.at.since(start).as_millis() as u64)
        .collect();
    assert_eq!(first.len(), 40);
    first.sort_unstable();
    assert!(first[39] >= 2000 && first[39] <= 3000, "{first:?}");
    assert!(first.windows(5).all(|five| five[4] > five[0]));
}

#[test]
fn a_sick_trunk_touches_no_other() {
    let sick = [
        trunk(1, json!({"host": "dead.example.com"})),
        trunk(2, json!({"host": "192.0.2.66"})),
        trunk(3, json!({"host": "2001:db8::1"})),
    ];
    let mut all = sick.to_vec();
    all.push(trunk(4, json!({"host": "192.0.2.4", "ping_interval": 30})));
    let mut world = World::with(&all);
    world.fail_to_resolve("SERVFAIL");
    let mut good = good_carrier();
    world.carrier = Some(Box::new(move |sent| match sent.flow.remote.ip().to_string().as_str() {
        "192.0.2.4" => good(sent),
        _ => None,
    }));
    world.pass(secs(2));
    for _ in 0..200 {
        world.pass(secs(30));
        while !world.queries.is_empty() {
            world.fail_to_resolve("SERVFAIL");
        }
        assert_eq!(world.trunks.status(id(4)).unwrap().state, TrunkState::Registered);
        assert!(world.trunks.is_up(id(4)));
    }
    assert_eq!(world.state(), TrunkState::Unreachable);
    assert!(world.status().reason.contains("dead.example.com could not be looked up (SERVFAIL)"));
    let no_listener = world.trunks.status(id(3)).unwrap();
    assert!(no_listener.reason.contains("no UDP listener"), "{}", no_listener.reason);
}

#[test]
fn whatever_comes_or_does_not_a_registration_is_always_tried_again() {
    use rand::RngExt;
    for seed in 0..150 {
        let mut world = World::empty(seed);
        world.configure(&[trunk(
            1,
            json!({"host": "sip.example.com", "ping_interval": 30, "register_timeout": 5}),
        )]);
        for _ in 0..40 {
            match world.rng.random_range(0..7) {
                0 if !world.queries.is_empty() => world.fail_to_resolve("no"),
                1 if !world.queries.is_empty() => world.resolve(&["192.0.2.1:5060", "192.0.2.2:5060"], 60),
                2 => drop(world.act(|trunks, sip| trunks.register_now(id(1), sip))),
                3 => {
                    let wait = world.rng.random_range(1..400_000);
                    world.pass(millis(wait));
                }
                _ => {
                    let codes = [100, 200, 200, 301, 401, 403, 404, 407, 408, 423, 480, 500, 503, 600];
                    let code = codes[world.rng.random_range(0..codes.len())];
                    let nonce =
                        format!(r#"Digest realm="c", nonce="{}", qop="auth""#, world.rng.random_range(0..4));
                    let headers = [
                        (Header::WwwAuthenticate, nonce.as_str()),
                        (Header::MinExpires, "7200"),
                        (Header::Expires, "100"),
                    ];
                    if let Some(sent) = world.sent.pop_back() {
                        world.answer(&sent, code, &headers);
                    }
                }
            }
            assert!(world.trunks.poll_timeout().is_some(), "seed {seed}");
        }
        while !world.queries.is_empty() {
            world.resolve(&["192.0.2.1:5060"], 60);
        }
        world.carrier = Some(good_carrier());
        for _ in 0..80 {
            world.pass(secs(60));
            while !world.queries.is_empty() {
                world.resolve(&["192.0.2.1:5060"], 60);
            }
        }
        assert_eq!(world.state(), TrunkState::Registered, "seed {seed}");
    }
}

/// Registers, is probed, is edited, takes its leave: with one datagram lost or doubled, each in turn.
#[test]
fn whichever_datagram_is_lost_or_doubled_the_outcome_is_the_same() {
    let life = |lost, doubled| {
        let mut world = World::empty(3);
        (world.lost, world.doubled, world.delay) = (lost, doubled, millis(20));
        world.carrier = Some(good_carrier());
        let fields = json!({"ping_interval": 10, "expires": 60});
        world.configure(&[trunk(1, fields.clone())]);
        world.pass(secs(100));
        assert_eq!(world.state(), TrunkState::Registered, "{lost:?} {doubled:?}");
        let mut edited = fields;
        edited["auth_username"] = json!("other");
        world.configure(&[trunk(1, edited)]);
        world.pass(secs(100));
        assert_eq!(world.state(), TrunkState::Registered, "{lost:?} {doubled:?}");
        world.configure(&[]);
        world.pass(secs(60));
        assert_eq!(world.trunks.poll_timeout(), None);
        assert_eq!(world.txn.len(), (0, 0));
        let last = world.sent.iter().rev().find(|sent| sent.is("REGISTER")).unwrap();
        assert!(last.unregisters() && credentials_are_right(last), "{lost:?} {doubled:?}");
        world.datagrams
    };
    let datagrams = life(None, None);
    assert!(datagrams > 40);
    for n in 1..=datagrams {
        life(Some(n), None);
        life(None, Some(n));
    }
}

#[test]
fn no_secret_is_shown_anywhere() {
    let mut world = World::with(&[trunk(1, json!({}))]);
    let first = world.expect("REGISTER");
    world.answer(&first, 401, &[(Header::WwwAuthenticate, NONCE)]);
    let second = world.expect("REGISTER");
    world.answer(&second, 401, &[(Header::WwwAuthenticate, NONCE)]);
    let shown =
        format!("{:?} {:?} {:?} {:?}", world.trunks, world.events, world.status(), world.trunks.views());
    assert!(!shown.contains("Zebra"));
    assert!(shown.contains("AuthFailed"));
}

#[test]
fn the_view_of_a_registration_shows_what_the_api_needs() {
    let mut world = World::with(&[trunk(1, json!({})), trunk(2, json!({"mode": "ip_auth"}))]);
    let register = world.register();
    let views = world.trunks.views();
    assert_eq!(views.len(), 1);
    let view = &views[0];
    assert_eq!(
        (view.direction.as_str(), view.trunk_id, view.username.as_str()),
        ("outbound", Some(id(1)), "1001")
    );
    assert_eq!(view.contact, register.message.contact().unwrap().uri().as_str());
    assert_eq!(view.address, "udp:192.0.2.1:5060");
    assert_eq!((view.state, view.failures, view.last_code), (RegistrationState::Registered, 0, Some(200)));
    assert!(view.next_at.unwrap() < view.expires_at.unwrap());
}

#[test]
fn a_contact_is_written_as_the_trunk_wants_it() {
    let more = json!({
        "slug": "main", "contact_user": "token", "contact_host": "pbx.example", "contact_params": "line=1", "transport": "tcp",
    });
    let mut world = World::with(&[trunk(1, more)]);
    let register = world.expect("REGISTER");
    let contact = register.header(Header::Contact);
    assert!(contact.starts_with("<sip:gw+main@pbx.example:5060;line=1;transport=tcp;gw="), "{contact}");
}

#[test]
fn to_of_a_register_is_the_identity_of_from_unless_it_is_to_be_distinct() {
    for (distinct, to) in [(false, "<sip:line@carrier.example>"), (true, "<sip:acme@192.0.2.1>")] {
        let more = json!({
            "host": "192.0.2.1", "username": "acme", "from_user": "line", "from_domain": "carrier.example", "distinct_to": distinct,
        });
        let mut world = World::with(&[trunk(1, more)]);
        let register = world.expect("REGISTER");
        assert_eq!(register.header(Header::To), to);
        assert_eq!(register.message.from().uri().as_str(), "sip:line@carrier.example");
    }
}

#[test]
fn what_from_copies_of_callers_is_not_in_a_register() {
    let more =
        json!({"host": "192.0.2.1", "username": "acme", "from_user": "caller", "from_domain": "aleg_full"});
    let mut world = World::with(&[trunk(1, more)]);
    assert_eq!(world.expect("REGISTER").message.from().uri().as_str(), "sip:acme@192.0.2.1");
}

#[test]
fn an_outbound_registration_says_which_instance_and_flow_it_is() {
    let mut world = World::with(&[trunk(1, json!({"outbound_rfc5626": true}))]);
    let register = world.expect("REGISTER");
    let contact = register.message.contact().unwrap();
    let params = contact.params();
    assert!(register.header(Header::Contact).contains(";+sip.instance=\"<urn:uuid:"));
    assert_eq!(params.get("reg-id"), Some("1"));
    assert!(register.message.headers(Header::Supported).eq(["path", "outbound"]));
    let mut other = World::with(&[trunk(1, json!({}))]);
    let plain = other.expect("REGISTER");
    assert!(!plain.header(Header::Contact).contains("reg-id"));
    assert!(plain.message.headers(Header::Supported).eq(["path"]));
}

#[test]
fn a_challenge_from_elsewhere_gets_no_credentials_unless_it_may_come_from_there() {
    for (more, answered) in [
        (json!({}), false),
        (json!({"challengers": ["203.0.113.0/24"]}), true),
        (json!({"associated_ips": ["203.0.113.9"]}), true),
    ] {
        let mut world = World::with(&[trunk(1, more)]);
        let register = world.expect("REGISTER");
        world.answer_from("203.0.113.9:5060", &register, 401, &[(Header::WwwAuthenticate, NONCE)]);
        if answered {
            assert!(world.expect("REGISTER").credentials().is_some());
        } else {
            assert_eq!(world.state(), TrunkState::AuthFailed);
            let reason = world.status().reason;
            assert!(reason.contains("203.0.113.9") && reason.contains("challengers"), "{reason}");
        }
    }
}

#[test]
fn silence_can_have_a_wait_of_its_own_that_does_not_grow() {
    let more = json!({"timeout_retry": 20, "register_timeout": 5, "retry_base": 300});
    let mut world = World::with(&[trunk(1, more)]);
    let mut last = world.expect("REGISTER").at;
    for _ in 0..4 {
        let again = world.expect("REGISTER").at;
        assert_eq!(again.since(last), secs(5 + 20));
        assert_eq!(world.status().registration, RegistrationState::Registering);
        last = again;
    }
    let mut world = World::with(&[trunk(1, json!({"timeout_retry": 20, "retry_base": 300}))]);
    let register = world.expect("REGISTER");
    world.answer(&register, 500, &[]);
    world.expect_none("REGISTER", secs(200));
}

#[test]
fn any_character_of_a_username_gets_through() {
    for (username, written) in
        [("+1555", "+1555"), ("a:b", "a%3Ab"), ("50%", "50%25"), ("a$b", "a$b"), ("a@b c", "a%40b%20c")]
    {
        let mut world = World::with(&[trunk(1, json!({"username": username}))]);
        let register = world.expect("REGISTER");
        assert_eq!(register.message.from().uri().user(), Some(written));
        assert_eq!(register.message.contact().unwrap().uri().user(), Some(written));
        world.answer(&register, 401, &[(Header::WwwAuthenticate, NONCE)]);
        let again = world.expect("REGISTER");
        assert_eq!(again.credentials().unwrap().username, username);
    }
}
