//! Name-addr values and their parameters.

use tandem_sip_msg::{NameAddr, Scheme, quote_display};

fn address(text: &str) -> NameAddr<'_> {
    NameAddr::parse(text).unwrap_or_else(|| panic!("{text} is an address"))
}

#[test]
fn a_name_addr_keeps_uri_and_header_parameters_apart() {
    let a = address(" \"Bob\" <sip:bob@example.com;lr>;tag=1;x=\"a;b\";y ");
    assert_eq!(a.display().unwrap(), "Bob");
    assert_eq!(a.uri().as_str(), "sip:bob@example.com;lr");
    assert_eq!((a.tag(), a.params().get("X"), a.params().get("y")), (Some("1"), Some("a;b"), Some("")));
    assert!(!a.params().has("lr") && a.uri().params().has("lr"));
    assert_eq!(a.as_str(), "\"Bob\" <sip:bob@example.com;lr>;tag=1;x=\"a;b\";y");
}

#[test]
fn in_an_addr_spec_parameters_belong_to_the_header() {
    let a = address("sip:bob@example.com;user=phone;tag=2");
    assert_eq!(a.uri().as_str(), "sip:bob@example.com");
    assert_eq!((a.tag(), a.params().get("user"), a.display()), (Some("2"), Some("phone"), None));
}

#[test]
fn an_addr_spec_with_a_question_mark_or_comma_is_refused() {
    assert!(NameAddr::parse("sip:bob@example.com?Route=x").is_none());
    assert!(NameAddr::parse("sip:bob,x@example.com").is_none());
    assert!(NameAddr::parse("sip:bob@example.com;a=b,c").is_none());
}

#[test]
fn display_names_come_in_every_shape() {
    assert_eq!(address("Alice Smith <sip:a@b>").display().unwrap(), "Alice Smith");
    assert_eq!(address("Ärger <sip:a@b>").display().unwrap(), "Ärger");
    assert_eq!(address("\"a \\\"b\\\" \\\\\" <sip:a@b>").display().unwrap(), "a \"b\" \\");
    assert_eq!(address("\"<sip:x@y>\" <sip:a@b>").display().unwrap(), "<sip:x@y>");
    assert_eq!(address("\"<sip:x@y>\" <sip:a@b>").uri().as_str(), "sip:a@b");
    assert_eq!(address("\"\" <sip:a@b>").display(), None);
    assert_eq!(address("<tel:+1>").display(), None);
    assert_eq!(address("sip:a@b <sip:a@b>").display().unwrap(), "sip:a@b");
}

#[test]
fn what_has_two_readings_or_none_is_refused() {
    for text in [
        "",
        "<>",
        "<sip:a@b",
        "sip:a@b>",
        "\"a <sip:a@b>",
        "\"a\"",
        "\"a\" sip:a@b",
        "<sip:a@b> x",
        "<sip:a@b>x;y",
        "<sip:a@b>;;y",
        "<sip:a@b>;y;;",
        "<sip:a@b>;=1",
        "<sip:a@b>;x=\"1",
        "<sip:a@b>;x=\"1\"2",
        "<sip:a@b>;x=1\"2\"",
        "<sip:a@b>, <sip:c@d>",
        "sip:a@b;tag=1 <sip:c@d>",
        "<sip:a@b>;x=<y>",
        "<sip:a@b>;x y",
        "*",
        "bob",
    ] {
        assert!(NameAddr::parse(text).is_none(), "{text:?}");
    }
}

#[test]
fn one_lone_semicolon_at_the_end_is_forgiven() {
    assert_eq!(address("<sip:a@b>;tag=1;").tag(), Some("1"));
    assert_eq!(address("<sip:a@b>;").params().iter().count(), 0);
}

#[test]
fn white_space_stands_anywhere_around_parameters() {
    let a = address("<sip:a@b> ; tag \t= 1 ;  q = \"0.5\" ");
    assert_eq!(a.params().iter().collect::<Vec<_>>(), [("tag", Some("1")), ("q", Some("0.5"))]);
}

#[test]
fn other_schemes_are_addresses_too() {
    assert_eq!(address("<http://example.com/?a=b>;tag=x").uri().scheme(), Scheme::Other);
    assert_eq!(address("urn:service:sos").uri().as_str(), "urn:service:sos");
}

#[test]
fn display_names_are_quoted_where_needed() {
    assert_eq!(quote_display(""), "");
    assert_eq!(quote_display("  "), "");
    assert_eq!(quote_display("Alice"), "Alice ");
    assert_eq!(quote_display("Alice Smith"), "Alice Smith ");
    assert_eq!(quote_display("Smith, A."), "\"Smith, A.\" ");
    assert_eq!(quote_display("a\"b\\"), "\"a\\\"b\\\\\" ");
    assert_eq!(quote_display("a\r\nb\0<"), "\"ab<\" ");
    assert_eq!(quote_display("Zoë"), "\"Zoë\" ");
}

#[test]
fn a_quoted_display_name_parses_back() {
    for name in ["Bob", "a b", "a\"\\", "\\", "\"", "<sip:x@y>", "a;b,c", "Zoë 大"] {
        let text = format!("{}<sip:a@b>", quote_display(name));
        assert_eq!(address(&text).display().unwrap(), name, "{text}");
        assert_eq!(address(&text).uri().as_str(), "sip:a@b");
    }
}
