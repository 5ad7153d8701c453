//! Every parameter of a gateway: its default, its corrections, and what becomes of it.

use crate::{field, imported, imported_into, plan, plan_in, subjects};
use serde_json::{Value, json};
use tandem_import::{Action, NoteKind, PlanItem};
use tandem_model::{Config, RejectionKind};

/// A gateway that registers, with these lines in it.
fn registering(lines: &str) -> PlanItem {
    let text = format!(
        "<include><gateway name=\"provider\">\n<param name=\"username\" value=\"acme\"/><param name=\"password\" value=\"hunter-two\"/>\
         <param name=\"proxy\" value=\"sip.example.com\"/>\n{lines}\n</gateway></include>"
    );
    plan(&text).items.remove(0)
}

fn param(name: &str, value: &str) -> String {
    format!("<param name=\"{name}\" value=\"{value}\"/>")
}

/// What one parameter makes of one field.
fn outcome(name: &str, value: &str, of: &str) -> (Value, bool) {
    let item = registering(&param(name, value));
    let (value, coerced) = field(&item, of);
    (value.clone(), coerced.is_some())
}

#[test]
fn without_parameters_everything_is_as_freeswitch_has_it_by_default() {
    let item = registering("");
    for (name, value) in [
        ("name", json!("provider")),
        ("slug", json!("provider")),
        ("mode", json!("register_out")),
        ("username", json!("acme")),
        ("password", json!("***")),
        ("auth_username", Value::Null),
        ("realm", Value::Null),
        ("host", json!("sip.example.com")),
        ("port", Value::Null),
        ("registrar", Value::Null),
        ("outbound_proxy", Value::Null),
        ("transport", json!("udp")),
        ("from_user", Value::Null),
        ("from_domain", Value::Null),
        ("caller_id_in_from", json!(false)),
        ("expires", json!(3600)),
        ("retry_base", json!(30)),
        ("register_timeout", json!(60)),
        ("inbound_extension", Value::Null),
        ("contact_user", json!("token")),
        ("contact_params", Value::Null),
        ("contact_host", Value::Null),
        ("distinct_to", json!(false)),
        ("outbound_rfc5626", json!(false)),
        ("tech_prefix", json!("")),
        ("ping_interval", json!(0)),
        ("ping_ok", json!(1)),
        ("ping_fail", json!(1)),
        ("challengers", json!([])),
        ("identity_header", json!("rpid")),
        ("number_format_out", json!("as_dialled")),
    ] {
        assert_eq!(field(&item, name).0, &value, "{name}");
    }
}

#[test]
fn times_below_five_are_what_freeswitch_makes_of_them() {
    for (name, value, of, outcome_, coerced) in [
        ("expire-seconds", "4", "expires", 3600, true),
        ("expire-seconds", "0", "expires", 3600, true),
        ("expire-seconds", "soon", "expires", 3600, true),
        ("expire-seconds", "60", "expires", 60, false),
        ("expire-seconds", "5", "expires", 5, false),
        ("expire-seconds", "86401", "expires", 86_400, true),
        ("retry-seconds", "4", "retry_base", 30, true),
        ("retry-seconds", "5", "retry_base", 5, false),
        ("retry-seconds", "-1", "retry_base", 30, true),
        ("timeout-seconds", "4", "register_timeout", 60, true),
        ("timeout-seconds", "20", "register_timeout", 20, false),
        ("timeout-seconds", "500", "register_timeout", 120, true),
        ("ping", "4", "ping_interval", 0, true),
        ("ping", "5", "ping_interval", 5, false),
        ("ping", "25", "ping_interval", 25, false),
        ("ping", "4000", "ping_interval", 3600, true),
    ] {
        assert_eq!(outcome(name, value, of), (json!(outcome_), coerced), "{name}={value}");
    }
}

#[test]
fn switches_are_read_by_many_words() {
    for (name, of) in [
        ("caller-id-in-from", "caller_id_in_from"),
        ("distinct-to", "distinct_to"),
        ("rfc-5626", "outbound_rfc5626"),
    ] {
        for on in ["true", "yes", "on", "1", "enabled"] {
            assert_eq!(outcome(name, on, of), (json!(true), false), "{name}={on}");
        }
        assert_eq!(outcome(name, "false", of), (json!(false), false), "{name}");
        assert_eq!(outcome(name, "perhaps", of), (json!(false), true), "{name}");
    }
    assert_eq!(outcome("extension-in-contact", "true", "contact_user"), (json!("extension"), false));
}

#[test]
fn texts_go_to_their_fields() {
    for (name, value, of, outcome_, coerced) in [
        ("auth-username", "acme-1", "auth_username", json!("acme-1"), false),
        ("realm", "example.com", "realm", json!("example.com"), false),
        ("from-user", "4930", "from_user", json!("4930"), false),
        ("from-domain", "d.example", "from_domain", json!("d.example"), false),
        ("from-domain", "auto-aleg-full", "from_domain", json!("aleg_full"), false),
        ("from-domain", "auto-aleg-domain", "from_domain", json!("aleg_domain"), false),
        ("register-proxy", "reg.example:5070", "registrar", json!("reg.example:5070"), false),
        ("outbound-proxy", "sip:edge.example;lr", "outbound_proxy", json!("edge.example"), true),
        ("register-transport", "TCP", "transport", json!("tcp"), false),
        ("extension", "1000", "inbound_extension", json!("1000"), false),
        ("extension", "auto_to_user", "inbound_extension", json!("auto_to_user"), false),
        ("extension", "auto", "inbound_extension", json!("auto"), false),
        ("contact-params", "tport=tcp", "contact_params", json!("tport=tcp"), false),
        ("contact-params", ";a=b", "contact_params", json!("a=b"), true),
        ("contact-host", "pbx.example", "contact_host", json!("pbx.example"), false),
        ("contact-host", "sip-ip", "contact_host", Value::Null, true),
        ("destination-prefix", "99*", "tech_prefix", json!("99*"), false),
        ("gw-auth-acl", "192.0.2.0/24", "challengers", json!(["192.0.2.0/24"]), false),
        ("ping-min", "3", "ping_ok", json!(3), false),
        ("ping-max", "4", "ping_fail", json!(4), false),
    ] {
        assert_eq!(outcome(name, value, of), (outcome_, coerced), "{name}={value}");
    }
}

#[test]
fn ping_counts_are_those_of_a_counter_between_min_and_max() {
    let item = registering(&(param("ping-min", "2") + &param("ping-max", "5")));
    // From 5 it takes four failures to come below 2; from 0 two answers to come to it.
    assert_eq!((field(&item, "ping_ok").0, field(&item, "ping_fail").0), (&json!(2), &json!(4)));
    let item = registering(&param("ping-min", "3"));
    assert_eq!((field(&item, "ping_ok").0, field(&item, "ping_fail").0), (&json!(3), &json!(1)));
    assert!(field(&item, "ping_fail").1.is_some());
}

#[test]
fn the_place_falls_back_from_proxy_to_realm_to_name() {
    let gateway = |lines: &str| {
        let text = format!(
            "<gateway name=\"gw.example\"><param name=\"username\" value=\"u\"/><param name=\"password\" value=\"p\"/>{lines}</gateway>"
        );
        plan(&text).items.remove(0)
    };
    let item = gateway(&(param("proxy", "sip:p.example:5080;transport=tcp") + &param("realm", "r.example")));
    assert_eq!((field(&item, "host").0, field(&item, "port").0), (&json!("p.example"), &json!(5080)));
    assert_eq!(field(&item, "transport").0, &json!("tcp"));
    assert!(subjects(&item.notes, NoteKind::Wire).contains(&"from-domain"), "{:#?}", item.notes);
    let item = gateway(&param("realm", "r.example"));
    assert_eq!(field(&item, "host").0, &json!("r.example"));
    assert!(field(&item, "host").1.unwrap().contains("realm"));
    let item = gateway("");
    assert_eq!(field(&item, "host").0, &json!("gw.example"));
    assert!(field(&item, "host").1.unwrap().contains("name"));
}

#[test]
fn who_does_not_register_needs_no_account() {
    let config = imported(
        "<gateway name=\"a\"><param name=\"proxy\" value=\"192.0.2.1\"/><param name=\"register\" value=\"false\"/></gateway>",
    );
    let trunk = config.trunk_by_slug("a").unwrap();
    assert_eq!((trunk.username.as_deref(), &trunk.password), (Some("FreeSWITCH"), &None));
    assert_eq!(serde_json::to_value(trunk.mode).unwrap(), "ip_auth");
    let config = imported(
        "<gateway name=\"a\"><param name=\"proxy\" value=\"192.0.2.1\"/><param name=\"register\" value=\"no\"/>\
         <param name=\"username\" value=\"u\"/><param name=\"password\" value=\"secret\"/></gateway>",
    );
    let trunk = config.trunk_by_slug("a").unwrap();
    assert_eq!(serde_json::to_value(trunk.mode).unwrap(), "credential");
    assert_eq!(trunk.password.as_ref().unwrap().expose(), "secret");
}

#[test]
fn what_freeswitch_would_skip_is_skipped_and_named() {
    let ok = "<gateway name=\"ok\"><param name=\"register\" value=\"false\"/><param name=\"proxy\" value=\"a.example\"/></gateway>";
    let text = format!(
        "<include>{ok}\n<gateway name=\"with space\"><param name=\"register\" value=\"false\"/></gateway>\n\
         <gateway name=\"a\"><param name=\"password\" value=\"x\"/></gateway>\n<gateway name=\"b\"><param name=\"username\" value=\"x\"/></gateway>\n\
         {ok}\n<gateway name=\"c\"><param name=\"register\" value=\"no\"/><param name=\"register-transport\" value=\"pigeon\"/></gateway></include>"
    );
    let plan = plan(&text);
    assert_eq!(plan.items.len(), 1);
    let skipped: Vec<Option<usize>> = plan.notes.iter().map(|note| note.line).collect();
    assert_eq!(skipped, [Some(2), Some(3), Some(4), Some(5), Some(6)], "{:#?}", plan.notes);
    assert!(plan.notes.iter().all(|note| note.kind == NoteKind::Skipped));
}

#[test]
fn variables_go_both_ways_unless_they_have_a_direction() {
    let item = registering(
        "<variables><variable name=\"both\" value=\"1\"/><variable name=\"in\" value=\"2\" direction=\"inbound\"/>\
         <variable name=\"out\" value=\"3\" direction=\"outbound\"/><variable name=\"lost\" value=\"4\" direction=\"sideways\"/></variables>",
    );
    assert_eq!(field(&item, "inbound_context_vars").0, &json!({ "both": "1", "in": "2" }));
    assert_eq!(field(&item, "outbound_vars").0, &json!({ "both": "1", "out": "3" }));
    assert_eq!(subjects(&item.notes, NoteKind::Coerced), ["lost"]);
}

#[test]
fn variables_that_are_fields_here_become_them() {
    let item = registering(
        "<variables><variable name=\"absolute_codec_string\" value=\"G722,PCMU@8000h@20i\" direction=\"outbound\"/>\
         <variable name=\"sip_cid_type\" value=\"pid\" direction=\"outbound\"/></variables>",
    );
    assert_eq!(field(&item, "codecs").0, &json!(["G722", "PCMU", "telephone-event"]));
    assert_eq!(field(&item, "identity_header").0, &json!("pai"));
    assert_eq!(field(&item, "outbound_vars").0, &json!({}));
    for (written, here) in [("rfc2833", "rfc4733"), ("info", "info"), ("none", "inband")] {
        let variable = format!("<variables><variable name=\"dtmf_type\" value=\"{written}\"/></variables>");
        assert_eq!(field(&registering(&variable), "dtmf").0, &json!(here));
    }
    let item = registering(
        "<variables><variable name=\"codec_string\" value=\"SPEEX\" direction=\"outbound\"/></variables>",
    );
    assert_eq!(subjects(&item.notes, NoteKind::NoEquivalent), ["codec_string"]);
    assert_eq!(field(&item, "outbound_vars").0, &json!({ "codec_string": "SPEEX" }));
}

#[test]
fn preprocessor_variables_stay_and_are_told_of() {
    let item = registering("<variables><variable name=\"site\" value=\"$${domain}\"/></variables>");
    assert_eq!(subjects(&item.notes, NoteKind::Variable), ["site"]);
    let import = plan_in(
        &Config::default(),
        "<gateway name=\"a\"><param name=\"register\" value=\"false\"/>\n<param name=\"proxy\" value=\"$${sip_host}\"/></gateway>",
        None,
        None,
    );
    let problem = &import.plan.problems[0];
    assert_eq!((problem.field.as_str(), problem.reason), ("trunk[a].host", "BAD_FORMAT"));
    assert!(problem.message.starts_with("line 2: ") && import.changes.is_empty(), "{problem:?}");
    assert_eq!(import.refusal.unwrap().kind, RejectionKind::Invalid);
}

#[test]
fn what_has_no_equivalent_is_named_and_kept() {
    let lines = [
        ("context", "public"),
        ("reg-id", "2"),
        ("ping-monitoring", "true"),
        ("cid-type", "pid"),
        ("never-heard-of", "x"),
        ("gw-auth-acl", "carriers"),
    ];
    let config = {
        let text: String = lines.iter().map(|(name, value)| param(name, value)).collect();
        let item = registering(&text);
        assert_eq!(
            subjects(&item.notes, NoteKind::NoEquivalent),
            ["cid-type", "gw-auth-acl", "context", "reg-id", "ping-monitoring", "never-heard-of"]
        );
        imported(&format!(
            "<gateway name=\"a\">{}{}{text}</gateway>",
            param("register", "false"),
            param("proxy", "a.example")
        ))
    };
    let kept = &config.trunk_by_slug("a").unwrap().imported_params;
    for (name, value) in lines {
        assert_eq!(kept.get(&format!("freeswitch.{name}")).map(String::as_str), Some(value), "{name}");
    }
}

#[test]
fn a_subscription_is_told_of_with_the_times_that_it_would_have() {
    let item = registering(
        "<subscriptions><subscription event=\"message-summary\"><param name=\"expire-seconds\" value=\"3\"/>\
         <param name=\"retry-seconds\" value=\"9\"/></subscription></subscriptions>",
    );
    let note = item.notes.iter().find(|note| note.subject == "subscription").unwrap();
    assert!(note.message.contains("3598 s") && note.message.contains("30 s"), "{}", note.message);
    assert_eq!(field(&item, "expires").0, &json!(3600), "those of the gateway are its own");
}

#[test]
fn gateways_of_the_directory_are_found() {
    let text = "<?xml version=\"1.0\"?>\n<include>\n<user id=\"1000\">\n<params><param name=\"register-gateway\" value=\"all\"/></params>\n\
                <gateways>\n<gateway name=\"own\">\n<param name=\"username\" value=\"u\"/>\n<param name=\"password\" value=\"p\"/>\n\
                <param name=\"proxy\" value=\"a.example\"/></gateway></gateways></user></include>";
    let plan = plan(text);
    assert_eq!((plan.items[0].name.as_str(), plan.items[0].line), ("own", Some(6)));
    assert!(plan.items[0].notes.iter().any(|note| note.subject == "user" && note.message.contains("1000")));
    assert_eq!(subjects(&plan.notes, NoteKind::NoEquivalent), ["register-gateway"]);
}

#[test]
fn files_that_cannot_be_read_are_refused_with_their_line() {
    for (text, line, reason) in [
        ("<include>\n<gateway name=\"a\">\n</include>", Some(3), "MALFORMED_XML"),
        ("<gateway name=\"a\">", None, "MALFORMED_XML"),
        (
            "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><gateway name=\"&e;\"/>",
            Some(1),
            "MALFORMED_XML",
        ),
        (
            "<gateway name=\"a\">\n<param name=\"password\" value=\"s3cret & more\"/></gateway>",
            Some(2),
            "MALFORMED_XML",
        ),
        ("<include>\n<!--<gateway name=\"a\">-->\n</include>", None, "NOTHING_TO_IMPORT"),
        (&"<a>".repeat(100_000), None, "MALFORMED_XML"),
    ] {
        let request = tandem_import::Request { text, format: None, name: None };
        let rejection =
            tandem_import::import(&request, &Config::default(), &mut uuid::Uuid::nil).unwrap_err();
        let problem = &rejection.problems[0];
        assert_eq!(problem.reason, reason, "{problem:?}");
        assert!(!problem.fix.is_empty() && !problem.message.contains("s3cret"), "{problem:?}");
        if let Some(line) = line {
            assert!(problem.message.starts_with(&format!("line {line}: ")), "{problem:?}");
        }
    }
}

#[test]
fn a_plan_holds_no_password() {
    let text = "<gateway name=\"a\"><param name=\"username\" value=\"u\"/><param name=\"password\" value=\"hunter-two\"/>\
                <param name=\"proxy\" value=\"a.example\"/><param name=\"api-secret\" value=\"hunter-three\"/></gateway>";
    let plan = plan_in(&Config::default(), text, None, None);
    let told = format!("{:?} {}", plan.plan, serde_json::to_string(&plan.plan).unwrap());
    assert!(!told.contains("hunter"), "{told}");
}

#[test]
fn a_gateway_that_is_there_is_changed_and_what_it_does_not_speak_of_stays() {
    let text = |expires: &str| {
        format!(
            "<gateway name=\"a\">{}{}{}{}</gateway>",
            param("username", "u"),
            param("password", "secret-1"),
            param("proxy", "a.example"),
            param("expire-seconds", expires)
        )
    };
    let config = imported(&text("600"));
    let again = plan_in(&config, &text("600"), None, None);
    assert_eq!((again.plan.items[0].action, again.changes.len()), (Action::Keep, 0));
    let trunk = config.trunk_by_slug("a").unwrap();
    let limited = tandem_model::Entity::Trunk(trunk.clone()).patch(json!({ "max_calls": 7 })).unwrap();
    let config = config.apply(&[tandem_model::Change::Put(limited)]).unwrap();
    let changed = plan_in(&config, &text("900"), None, None);
    let expires = changed.plan.items[0].fields.iter().find(|field| field.field == "expires").unwrap();
    assert_eq!((&expires.before, &expires.value), (&json!(600), &json!(900)));
    let config = imported_into(&config, &text("900"));
    let trunk = config.trunk_by_slug("a").unwrap();
    assert_eq!((config.trunks.len(), trunk.expires, trunk.max_calls), (1, 900, 7));
}
