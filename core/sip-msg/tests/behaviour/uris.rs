//! URIs.

use tandem_sip_msg::{Host, Scheme, Uri, escape_user};

fn uri(text: &str) -> Uri<'_> {
    Uri::parse(text).unwrap_or_else(|| panic!("{text} is a URI"))
}

#[test]
fn a_sip_uri_tells_its_parts() {
    let u = uri("sip:alice:secret@example.com:5070;transport=tcp;lr?Subject=a%20b&X=1");
    assert_eq!((u.scheme(), u.user(), u.password()), (Scheme::Sip, Some("alice"), Some("secret")));
    assert_eq!((u.host(), u.port()), (Host::Name("example.com"), Some(5070)));
    assert_eq!((u.params().get("TRANSPORT"), u.params().get("lr")), (Some("tcp"), Some("")));
    assert_eq!(u.headers(), Some("Subject=a%20b&X=1"));
    assert_eq!(u.params().as_str(), ";transport=tcp;lr");
}

#[test]
fn a_sip_uri_needs_no_user() {
    let u = uri("SIPS:[::1]:5070;x");
    assert_eq!((u.scheme(), u.user(), u.port()), (Scheme::Sips, None, Some(5070)));
    assert_eq!(u.host(), Host::Ip("::1".parse().unwrap()));
    assert_eq!(u.host().to_string(), "[::1]");
    assert_eq!(uri("sip:@192.0.2.1").user(), None);
}

#[test]
fn addresses_are_told_from_names() {
    assert_eq!(uri("sip:192.0.2.1").host(), Host::Ip("192.0.2.1".parse().unwrap()));
    for name in
        ["192.0.2", "192.0.2.256", "192.0.02.1", "192.0.2.1.5", "1.example", "0x7f.1", "a_b.c", "1..2.3", "."]
    {
        assert_eq!(uri(&format!("sip:{name}")).host(), Host::Name(name));
    }
}

#[test]
fn the_user_part_may_have_semicolons_questions_and_slashes() {
    let u = uri("sip:a;b=c?d/e,f@example.com;g");
    assert_eq!(u.user(), Some("a;b=c?d/e,f"));
    assert_eq!(u.params().as_str(), ";g");
    assert_eq!(u.headers(), None);
}

#[test]
fn an_at_sign_behind_the_host_belongs_to_a_parameter() {
    let u = uri("sip:a@example.com;line=x@y");
    assert_eq!((u.host(), u.params().get("line")), (Host::Name("example.com"), Some("x@y")));
    assert!(Uri::parse("sip:a@b@c").is_none(), "two hosts");
}

#[test]
fn tel_uris_have_a_number_and_parameters() {
    let u = uri("tel:+1-201-555-0123;phone-context=example.com;ext=7");
    assert_eq!((u.scheme(), u.user(), u.host()), (Scheme::Tel, Some("+1-201-555-0123"), Host::Name("")));
    assert_eq!(u.params().get("phone-context"), Some("example.com"));
    assert!(Uri::parse("tel:;x").is_none());
}

#[test]
fn other_schemes_are_only_text() {
    let u = uri("urn:service:sos?x");
    assert_eq!(
        (u.scheme(), u.as_str(), u.user(), u.host()),
        (Scheme::Other, "urn:service:sos?x", None, Host::Name(""))
    );
}

#[test]
fn what_is_no_uri_is_none() {
    for text in [
        "",
        "sip",
        "sip:",
        ":x",
        "1a:x",
        "a b:c",
        "sip:a b@c",
        "sip:a@",
        "sip:a@b c",
        "sip:a@b:",
        "sip:a@b:x",
        "sip:a@b:65536",
        "sip:a@b:5060x",
        "sip:a@[::1",
        "sip:a@[::1]x",
        "sip:a@[zz]",
        "sip:2001:db8::10",
        "<sip:a@b>",
        "sip:a@b>",
        "sip:\"a\"@b",
        "sip:a@b\r\n",
        "sip:a@b\0",
        "sip:a@b/c",
        "sip:a@;x",
        "sip:a@ü",
        "sip:a@[::1%eth0]",
    ] {
        assert!(Uri::parse(text).is_none(), "{text:?}");
    }
}

#[test]
fn escapes_resolve_and_broken_ones_stay() {
    assert_eq!(uri("sip:%2B49%3a%00@h").user_unescaped().unwrap(), "+49:\0");
    assert_eq!(uri("sip:50%@h").user_unescaped().unwrap(), "50%");
    assert_eq!(uri("sip:%zz%4@h").user_unescaped().unwrap(), "%zz%4");
    assert_eq!(uri("sip:%C3%BC@h").user_unescaped().unwrap(), "ü");
    assert_eq!(uri("sip:%ff@h").user_unescaped().unwrap(), "\u{fffd}");
    assert!(matches!(uri("sip:plain@h").user_unescaped(), Some(std::borrow::Cow::Borrowed("plain"))));
    assert_eq!(uri("sip:h").user_unescaped(), None);
}

#[test]
fn users_are_escaped_as_little_as_needed() {
    assert_eq!(escape_user("+49;x=1&y"), "+49;x=1&y");
    assert_eq!(escape_user("a b@c:%#\"<>\r\n"), "a%20b%40c%3A%25%23%22%3C%3E%0D%0A");
    assert_eq!(escape_user("ü"), "%C3%BC");
}

/// The examples of RFC 3261 §19.1.4.
#[test]
fn uris_are_equivalent_as_the_rfc_says() {
    for (a, b) in [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtlanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+1-201-555-0123", "tel:+1(201)5550123"),
        ("urn:service:sos", "urn:service:sos"),
    ] {
        assert!(uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)), "{a} {b}");
    }
}

#[test]
fn uris_differ_as_the_rfc_says() {
    for (a, b) in [
        ("SIP:ALICE@AtlanTa.CoM;Transport=udp", "sip:alice@AtlanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:biloxi.com"),
        ("sip:bob:x@biloxi.com", "sip:bob:y@biloxi.com"),
        ("sip:bob@biloxi.com;maddr=192.0.2.1", "sip:bob@biloxi.com"),
        ("tel:+12015550123", "tel:+12015550124"),
        ("tel:5550123;phone-context=+1", "tel:5550123"),
    ] {
        assert!(!uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)), "{a} {b}");
    }
}
