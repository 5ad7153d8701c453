//! Client and server against each other, and the client against challenges as peers write them.

use super::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::net::IpAddr;
use std::time::Duration;
use tandem_sip_msg::{Challenge, Credentials, Header, Message, Writer};
use tandem_time::Time;

const WHO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn rng() -> StdRng {
    StdRng::seed_from_u64(5)
}

fn login() -> Login {
    Login::new("bob", "zanzibar")
}

/// A response with these challenges.
fn challenged(code: u16, values: &[&str]) -> Message {
    let name = if code == 407 { Header::ProxyAuthenticate } else { Header::WwwAuthenticate };
    let mut request = Writer::request("REGISTER", "sip:example.com");
    request
        .header(Header::Via, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1")
        .header(Header::From, "<sip:bob@example.com>;tag=1")
        .header(Header::To, "<sip:bob@example.com>")
        .header(Header::CallId, "1")
        .header(Header::CSeq, "1 REGISTER");
    let request = Message::parse(request.finish()).unwrap();
    let mut writer = Writer::reply(&request, "192.0.2.1:5060".parse().unwrap(), code, "Who", Some("t"));
    for value in values {
        writer.header(name, value);
    }
    Message::parse(writer.finish()).unwrap()
}

fn answer(client: &mut DigestClient, values: &[&str]) -> Result<Credentials, Unanswered> {
    let (name, value) = client.answer(&challenged(401, values), "REGISTER", "sip:example.com", &mut rng())?;
    assert_eq!(name, Header::Authorization);
    Ok(Credentials::parse(&value).expect("what we write can be read"))
}

fn nonce(n: u32) -> String {
    format!(r#"Digest realm="r", nonce="{n}", qop="auth""#)
}

#[test]
fn every_algorithm_is_answered_so_that_the_server_side_accepts_it() {
    for algorithm in ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"] {
        for qop in ["", r#", qop="auth""#, r#", qop="auth-int, auth""#] {
            let value = format!(r#"Digest realm="r", nonce="n", algorithm={algorithm}{qop}"#);
            let credentials = answer(&mut DigestClient::new(login()), &[&value]).unwrap();
            assert_eq!(credentials.algorithm.as_deref(), Some(algorithm));
            assert_eq!(credentials.qop.is_some(), !qop.is_empty());
            assert!(verify(&credentials, "REGISTER", "zanzibar"), "{value}");
            assert!(!verify(&credentials, "REGISTER", "Zanzibar"));
            assert!(!verify(&credentials, "INVITE", "zanzibar"));
        }
    }
}

#[test]
fn without_an_algorithm_it_is_md5_and_none_is_sent_back() {
    let credentials = answer(&mut DigestClient::new(login()), &[r#"Digest realm="r", nonce="n""#]).unwrap();
    assert_eq!((credentials.algorithm.as_deref(), credentials.qop.as_deref()), (None, None));
    assert_eq!(credentials.response.len(), 32);
    assert!(verify(&credentials, "REGISTER", "zanzibar"));
}

#[test]
fn the_strongest_of_several_challenges_is_taken() {
    let md5 = r#"Digest realm="a", nonce="1", algorithm=MD5"#;
    let sha = r#"Digest realm="b", nonce="2", algorithm=SHA-256, qop="auth""#;
    let odd = r#"Digest realm="c", nonce="3", algorithm=AKAv2-SHA-256"#;
    let int = r#"Digest realm="d", nonce="4", algorithm=SHA-512-256, qop="auth-int""#;
    for values in [[md5, sha, odd, int], [int, odd, sha, md5]] {
        assert_eq!(answer(&mut DigestClient::new(login()), &values).unwrap().realm, "b");
    }
    // Of equally strong ones the topmost.
    let other = r#"Digest realm="e", nonce="5", algorithm=MD5-sess, qop="auth""#;
    assert_eq!(answer(&mut DigestClient::new(login()), &[md5, other]).unwrap().realm, "a");
}

#[test]
fn a_challenge_that_cannot_be_answered_is_not() {
    let mut client = DigestClient::new(Login { realm: Some("mine".into()), ..login() });
    assert_eq!(answer(&mut client, &[&nonce(1)]).unwrap_err(), Unanswered::NoMatch);
    for values in [&[][..], &["Basic realm=\"r\""], &[r#"Digest realm="r", nonce="n", algorithm=X"#]] {
        assert_eq!(answer(&mut DigestClient::new(login()), values).unwrap_err(), Unanswered::NoMatch);
    }
    let ok = challenged(200, &[]);
    let mut client = DigestClient::new(login());
    assert_eq!(client.answer(&ok, "REGISTER", "sip:x", &mut rng()).unwrap_err(), Unanswered::NoMatch);
}

#[test]
fn a_nonce_is_answered_once_unless_it_is_stale() {
    let mut client = DigestClient::new(login());
    assert!(answer(&mut client, &[&nonce(1)]).is_ok());
    assert_eq!(answer(&mut client, &[&nonce(1)]).unwrap_err(), Unanswered::Refused);
    let stale = r#"Digest realm="r", nonce="1", qop="auth", stale=TRUE"#;
    let again = answer(&mut client, &[stale]).unwrap();
    assert_eq!(again.nc.as_deref(), Some("00000002"));
    assert!(answer(&mut client, &[&nonce(2)]).is_ok());
    assert_eq!(answer(&mut client, &[&nonce(3)]).unwrap_err(), Unanswered::Loop);
    client.accepted();
    assert!(answer(&mut client, &[&nonce(1)]).is_ok());
}

#[test]
fn two_requests_of_a_dialog_may_be_challenged_at_the_same_time() {
    let mut client = DigestClient::new(login());
    let message = challenged(401, &[&nonce(1)]);
    for method in ["INVITE", "UPDATE"] {
        assert!(client.answer(&message, method, "sip:x", &mut rng()).is_ok(), "{method}");
        assert!(client.answer(&message, method, "sip:x", &mut rng()).is_err(), "{method}");
    }
}

#[test]
fn counts_go_up_per_nonce_and_begin_anew_with_another() {
    let mut client = DigestClient::new(login());
    assert_eq!(client.preemptive("REGISTER", "sip:x", &mut rng()), None);
    assert_eq!(answer(&mut client, &[&nonce(1)]).unwrap().nc.as_deref(), Some("00000001"));
    client.accepted();
    for n in 2..20 {
        let (name, value) = client.preemptive("BYE", "sip:y", &mut rng()).unwrap();
        let credentials = Credentials::parse(&value).unwrap();
        assert_eq!(name, Header::Authorization);
        assert_eq!(credentials.nc, Some(format!("{n:08x}")));
        assert!(verify(&credentials, "BYE", "zanzibar"));
    }
    assert_eq!(answer(&mut client, &[&nonce(2)]).unwrap().nc.as_deref(), Some("00000001"));
}

#[test]
fn a_proxy_and_the_server_behind_it_both_get_theirs() {
    let mut client = DigestClient::new(login());
    let proxy = client.answer(&challenged(407, &[&nonce(1)]), "INVITE", "sip:x", &mut rng()).unwrap();
    assert_eq!(proxy.0, Header::ProxyAuthorization);
    assert_eq!(client.companion(proxy.0, "INVITE", "sip:x"), None);
    let server = client.answer(&challenged(401, &[&nonce(2)]), "INVITE", "sip:x", &mut rng()).unwrap();
    assert_eq!(server.0, Header::Authorization);
    let companion = client.companion(server.0, "INVITE", "sip:x").unwrap();
    assert_eq!(companion.0, Header::ProxyAuthorization);
    assert_eq!(Credentials::parse(&companion.1).unwrap().nc.as_deref(), Some("00000002"));
}

#[test]
fn whatever_stands_in_names_and_passwords_survives() {
    let mut random = rng();
    let alphabet: Vec<char> = r#"ab"\:%$@+,;= é雪"#.chars().collect();
    for _ in 0..2000 {
        let mut text = || -> String {
            let length = random.random_range(0..12);
            (0..length).map(|_| alphabet[random.random_range(0..alphabet.len())]).collect()
        };
        let (username, password, realm, opaque) = (text(), text(), text(), text());
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let value = format!(
            r#"Digest realm="{}", nonce="n", opaque="{}", qop="auth", algorithm=SHA-256"#,
            quoted(&realm),
            quoted(&opaque)
        );
        let mut client = DigestClient::new(Login::new(username.clone(), password.clone()));
        let credentials = answer(&mut client, &[&value]).unwrap();
        assert_eq!((&credentials.username, &credentials.realm), (&username, &realm));
        assert_eq!(credentials.opaque.as_ref(), Some(&opaque));
        assert!(verify(&credentials, "REGISTER", &password));
    }
}

#[test]
fn a_password_is_in_no_debug_output() {
    let mut client = DigestClient::new(login());
    answer(&mut client, &[&nonce(1)]).unwrap();
    assert!(!format!("{client:?}").contains("zanzibar"));
}

fn nonces() -> Nonces {
    Nonces::new([9; 32], Duration::from_secs(300))
}

fn at(secs: u64) -> Time {
    Time::from_secs(1_000_000 + secs)
}

/// Credentials with this count, or without qop.
fn counted(nc: Option<&str>) -> Credentials {
    let mut credentials =
        Credentials::parse(r#"Digest username="u", realm="r", nonce="n", uri="x", response="0", cnonce="c""#)
            .unwrap();
    credentials.qop = nc.map(|_| "auth".to_owned());
    credentials.nc = nc.map(str::to_owned);
    credentials
}

fn fresh(nonces: &Nonces, now: Time) -> Ticket {
    let nonce = nonces.issue(WHO, &mut StdRng::seed_from_u64(now.as_micros()), now);
    let Standing::Fresh(ticket) = nonces.standing(&nonce, WHO, now) else { panic!("{nonce}") };
    ticket
}

#[test]
fn challenges_can_be_read_by_our_own_reader() {
    let values = challenge_values(r#"a "b" \ c"#, "n", true, &[Algorithm::SHA_256, Algorithm::MD5]);
    let read: Vec<Challenge> = values.iter().filter_map(|value| Challenge::parse(value)).collect();
    assert_eq!(read.len(), 2);
    assert!(read.iter().all(|challenge| challenge.realm == r#"a "b" \ c"# && challenge.stale));
    assert_eq!(read[0].algorithm.as_deref(), Some("SHA-256"));
}

#[test]
fn a_nonce_holds_for_its_time_for_its_address_and_for_its_secret() {
    let nonces = nonces();
    let nonce = nonces.issue(WHO, &mut rng(), at(0));
    assert!(matches!(nonces.standing(&nonce, WHO, at(299)), Standing::Fresh(_)));
    assert_eq!(nonces.standing(&nonce, WHO, at(300)), Standing::Stale);
    assert_eq!(nonces.standing(&nonce, "192.0.2.2".parse().unwrap(), at(1)), Standing::Stale);
    assert!(matches!(
        nonces.standing(&nonce, "::ffff:192.0.2.1".parse().unwrap(), at(1)),
        Standing::Fresh(_)
    ));
    let other = Nonces::new([8; 32], Duration::from_secs(300));
    assert_eq!(other.standing(&nonce, WHO, at(1)), Standing::Stale);
    // A clock that was set back does not lengthen its life.
    assert_eq!(nonces.standing(&nonce, WHO, Time::from_secs(10)), Standing::Stale);
}

#[test]
fn a_nonce_with_one_character_changed_is_not_ours() {
    let nonces = nonces();
    let nonce = nonces.issue(WHO, &mut rng(), at(0));
    for n in 0..nonce.len() {
        let mut forged = nonce.clone().into_bytes();
        forged[n] = if forged[n] == b'0' { b'1' } else { b'0' };
        let forged = String::from_utf8(forged).unwrap();
        assert_eq!(nonces.standing(&forged, WHO, at(0)), Standing::Stale, "{n}");
        assert_eq!(nonces.standing(&nonce[..n], WHO, at(0)), Standing::Stale);
    }
    assert_eq!(nonces.standing("éééééééééééééééééééé", WHO, at(0)), Standing::Stale);
}

#[test]
fn a_count_is_good_once_and_may_come_a_little_late() {
    let mut nonces = nonces();
    let ticket = fresh(&nonces, at(0));
    let mut spend = |nc: &str| nonces.spend(ticket, &counted(Some(nc)), at(1));
    assert!(spend("00000001"));
    assert!(!spend("00000001"));
    assert!(spend("00000003"));
    assert!(spend("00000002"));
    assert!(!spend("00000002"));
    assert!(!spend("00000003"));
    assert!(spend("00000100"));
    assert!(spend("000000c1"));
    assert!(!spend("000000c0"));
    assert!(!spend("000000c1"));
    for junk in ["00000000", "", "x", "+0000101", "100000000", "-1"] {
        assert!(!spend(junk), "{junk}");
    }
    assert!(spend("ffffffff"));
    assert!(!spend("ffffffff"));
}

#[test]
fn without_a_count_a_nonce_is_good_once() {
    let mut nonces = nonces();
    let ticket = fresh(&nonces, at(0));
    assert!(nonces.spend(ticket, &counted(None), at(1)));
    assert!(!nonces.spend(ticket, &counted(None), at(1)));
    assert!(!nonces.spend(ticket, &counted(Some("00000001")), at(1)));
    let ticket = fresh(&nonces, at(2));
    assert!(nonces.spend(ticket, &counted(Some("00000001")), at(2)));
    assert!(!nonces.spend(ticket, &counted(None), at(2)));
}

#[test]
fn memory_of_counts_is_bounded_and_no_count_is_good_twice_for_that() {
    let mut nonces = nonces();
    let first = nonces.issue(WHO, &mut rng(), at(0));
    let Standing::Fresh(ticket) = nonces.standing(&first, WHO, at(0)) else { panic!() };
    assert!(nonces.spend(ticket, &counted(Some("00000001")), at(0)));
    for n in 1..40_000_u64 {
        let now = at(0) + Duration::from_millis(n);
        let ticket = fresh(&nonces, now);
        assert!(nonces.spend(ticket, &counted(Some("00000001")), now));
    }
    assert!(nonces.counted() <= 16_384);
    assert_eq!(nonces.standing(&first, WHO, at(41)), Standing::Stale);
    let ticket = fresh(&nonces, at(1000));
    assert!(nonces.spend(ticket, &counted(Some("00000001")), at(1000)));
    assert_eq!(nonces.counted(), 1, "what has expired is forgotten");
}

#[test]
fn only_those_who_may_challenge_are_answered() {
    let nets: Vec<ipnet::IpNet> = vec!["192.0.2.0/24".parse().unwrap()];
    let mut client = DigestClient::new(Login { challengers: Some(nets.into()), ..login() });
    for (source, answered) in [("198.51.100.1", false), ("192.0.2.9", true), ("::ffff:192.0.2.7", true)] {
        client.heard_from(source.parse().unwrap());
        let answer = answer(&mut client, &[&nonce(1)]);
        assert_eq!(answer.is_ok(), answered, "{source}");
        client.accepted();
        if !answered {
            assert_eq!(answer.unwrap_err(), Unanswered::Stranger);
        }
    }
}
