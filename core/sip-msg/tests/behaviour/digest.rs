//! Digest challenges and credentials.

use tandem_sip_msg::{Challenge, Credentials};

#[test]
fn a_challenge_tells_its_parts() {
    let c = Challenge::parse(
        "Digest realm=\"biloxi.com\", qop=\"auth, auth-int\",nonce=\"dcd98b71:+/=\" , opaque=\"5ccc\",\tstale=TRUE, \
         algorithm=SHA-256, domain=\"sip:a b\", charset=UTF-8",
    )
    .unwrap();
    assert_eq!((c.realm.as_str(), c.nonce.as_str()), ("biloxi.com", "dcd98b71:+/="));
    assert_eq!((c.opaque.as_deref(), c.algorithm.as_deref()), (Some("5ccc"), Some("SHA-256")));
    assert_eq!(c.qop, ["auth", "auth-int"]);
    assert!(c.stale);
}

#[test]
fn a_bare_challenge_needs_realm_and_nonce_only() {
    let c = Challenge::parse("digest NONCE=abc,Realm=\"\"").unwrap();
    assert_eq!((c.realm.as_str(), c.nonce.as_str(), c.stale), ("", "abc", false));
    assert!(c.qop.is_empty() && c.opaque.is_none() && c.algorithm.is_none());
    assert_eq!(Challenge::parse("Digest realm=\"a\""), None);
    assert_eq!(Challenge::parse("Digest nonce=\"a\""), None);
}

#[test]
fn credentials_tell_their_parts() {
    let c = Credentials::parse(
        "Digest username=\"bob\", realm=\"biloxi.com\", nonce=\"dcd98b\", uri=\"sip:bob@biloxi.com\", qop=auth, \
         nc=00000001, cnonce=\"0a4f113b\", response=\"6629fae4\", opaque=\"5ccc\", algorithm=MD5",
    )
    .unwrap();
    assert_eq!(c.username, "bob");
    assert_eq!(
        (c.realm.as_str(), c.nonce.as_str(), c.uri.as_str()),
        ("biloxi.com", "dcd98b", "sip:bob@biloxi.com")
    );
    assert_eq!(
        (c.response.as_str(), c.qop.as_deref(), c.nc.as_deref()),
        ("6629fae4", Some("auth"), Some("00000001"))
    );
    assert_eq!((c.cnonce.as_deref(), c.opaque.as_deref()), (Some("0a4f113b"), Some("5ccc")));
    assert_eq!(c.algorithm.as_deref(), Some("MD5"));
}

#[test]
fn special_characters_in_values_survive() {
    let c = Credentials::parse(
        "Digest username=\"+49%20:$x\",realm=\"a \\\"b\\\" \\\\c, d=e\",nonce=\"\",uri=\"sip:%2B1:x@h;a=b\",response=\"\"",
    )
    .unwrap();
    assert_eq!(c.username, "+49%20:$x");
    assert_eq!(c.realm, "a \"b\" \\c, d=e");
    assert_eq!(c.uri, "sip:%2B1:x@h;a=b");
}

#[test]
fn every_mandatory_field_is_missed() {
    let fields = ["username=\"u\"", "realm=\"r\"", "nonce=\"n\"", "uri=\"sip:u\"", "response=\"00\""];
    assert!(Credentials::parse(&format!("Digest {}", fields.join(","))).is_some());
    for left_out in 0..fields.len() {
        let rest: Vec<_> =
            fields.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, f)| *f).collect();
        assert_eq!(Credentials::parse(&format!("Digest {}", rest.join(","))), None);
    }
}

#[test]
fn a_field_given_twice_is_refused_and_an_unknown_one_is_not() {
    let good = "Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"sip:u\",response=\"00\"";
    assert!(Credentials::parse(&format!("{good},x=1,x=\"2\"")).is_some());
    assert_eq!(Credentials::parse(&format!("{good},USERNAME=\"root\"")), None);
    assert_eq!(Challenge::parse("Digest realm=\"a\",nonce=\"b\",nonce=\"b\""), None);
}

#[test]
fn other_schemes_and_broken_syntax_are_none() {
    for text in [
        "",
        "Digest",
        "Basic realm=\"a\",nonce=\"b\"",
        "Digestrealm=\"a\",nonce=\"b\"",
        "Digest realm=\"a\",nonce=\"b",
        "Digest realm=\"a\" nonce=\"b\"",
        "Digest realm=\"a\",nonce",
        "Digest realm=\"a\",nonce=",
        "Digest realm=\"a\",=b,nonce=\"b\"",
        "Digest realm=\"a\",nonce=\"b\"x",
        "Digest realm=\"a\", Basic nonce=\"b\"",
    ] {
        assert_eq!(Challenge::parse(text), None, "{text}");
    }
}

#[test]
fn empty_list_elements_are_passed_over() {
    assert!(Challenge::parse("Digest ,, realm=\"a\",,nonce = \"b\",").is_some());
}
