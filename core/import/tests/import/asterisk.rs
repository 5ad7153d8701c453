//! Asterisk's pjsip.conf.

use crate::{field, imported, plan, plan_in, subjects};
use serde_json::{Value, json};
use tandem_import::{Format, NoteKind};
use tandem_model::Config;

const REGISTERING: &str = "
[transport-tcp]
type=transport
protocol=tcp
bind=0.0.0.0

[trunk-defaults](!)
type=endpoint
context=from-trunk
disallow=all
allow=ulaw,alaw
send_pai=yes

[acme-reg]
type=registration
transport=transport-tcp
outbound_auth=acme-auth
server_uri=sip:sip.acme.example:5070
client_uri=sip:4930@sip.acme.example
contact_user=4930
expiration=900
retry_interval=20
max_retries=10
endpoint=acme

[acme-auth]
type=auth
auth_type=userpass
username=4930
password=hunter-two ; not in the plan

[acme](trunk-defaults)
aors=acme
outbound_auth=acme-auth
from_domain=acme.example
timers=no

[acme]
type=aor
contact=sip:sip.acme.example:5070
qualify_frequency=60

[acme-id]
type=identify
endpoint=acme
match=192.0.2.10,198.51.100.0/24
match=edge.acme.example

[office](!)
type=endpoint
[phone1](office)
auth=phone1
aors=phone1
[phone1]
type=aor
max_contacts=1
";

#[test]
fn a_trunk_is_put_together_from_its_objects() {
    let plan = plan(REGISTERING);
    assert_eq!(plan.format, Format::Asterisk);
    assert_eq!(plan.items.len(), 1, "the phone is none: {:#?}", plan.items);
    let item = &plan.items[0];
    for (name, value) in [
        ("name", json!("acme")),
        ("mode", json!("register_out")),
        ("host", json!("sip.acme.example")),
        ("port", json!(5070)),
        ("transport", json!("tcp")),
        ("username", json!("4930")),
        ("password", json!("***")),
        ("expires", json!(900)),
        ("retry_base", json!(20)),
        ("contact_user", json!("username")),
        ("from_domain", json!("acme.example")),
        ("codecs", json!(["PCMU", "PCMA", "telephone-event"])),
        ("identity_header", json!("pai")),
        ("session_timer", json!(0)),
        ("ping_interval", json!(60)),
        ("ping_timeout", json!(3)),
        ("trust_identity", json!(false)),
        ("caller_id_in_from", json!(true)),
        ("associated_ips", json!(["192.0.2.10/32", "198.51.100.0/24"])),
        ("associated_hosts", json!(["edge.acme.example"])),
    ] {
        assert_eq!(field(item, name).0, &value, "{name}");
    }
    assert!(subjects(&item.notes, NoteKind::NoEquivalent).contains(&"endpoint.context"), "{:#?}", item.notes);
    assert!(subjects(&item.notes, NoteKind::Wire).contains(&"max_retries"), "{:#?}", item.notes);
    assert_eq!(subjects(&plan.notes, NoteKind::Skipped), ["endpoint phone1"]);
    assert!(!format!("{plan:?}").contains("hunter"));
    let config = imported(REGISTERING);
    assert_eq!(config.trunk_by_slug("acme").unwrap().password.as_ref().unwrap().expose(), "hunter-two");
}

#[test]
fn what_is_not_written_is_as_asterisk_has_it_by_default() {
    let plan = plan(
        "[a]\ntype=registration\noutbound_auth=a\nserver_uri=sip:a.example\nclient_uri=sip:u@a.example\n[a]\ntype=auth\nusername=u\npassword=p\n",
    );
    for (name, value) in [
        ("expires", json!(3600)),
        ("retry_base", json!(60)),
        ("ping_interval", json!(0)),
        ("identity_header", json!("none")),
        ("port", Value::Null),
    ] {
        let found =
            plan.items[0].fields.iter().find(|field| field.field == name).map(|field| field.value.clone());
        assert_eq!(found.unwrap_or_default(), value, "{name}");
    }
}

#[test]
fn a_trunk_without_registration_is_known_by_credentials_or_address() {
    let config = imported(
        "[a]\ntype=endpoint\naors=a\noutbound_auth=a\nfrom_user=me\n[a]\ntype=auth\nusername=u\npassword=p\n[a]\ntype=aor\ncontact=sip:a.example\n\
         [b]\ntype=endpoint\naors=b\n[b]\ntype=aor\ncontact=sip:192.0.2.7:5080\n[b]\ntype=identify\nendpoint=b\nmatch=192.0.2.7\n",
    );
    let mode = |slug: &str| serde_json::to_value(config.trunk_by_slug(slug).unwrap().mode).unwrap();
    assert_eq!((mode("a"), mode("b")), (json!("credential"), json!("ip_auth")));
    let a = config.trunk_by_slug("a").unwrap();
    assert_eq!((a.from_user.as_deref(), a.caller_id_in_from), (Some("me"), false));
    assert_eq!(config.trunk_by_slug("b").unwrap().port, Some(5080));
}

#[test]
fn a_registrar_that_calls_do_not_go_to_is_one_of_its_own() {
    let config = imported(
        "[a]\ntype=registration\noutbound_auth=a\nserver_uri=sip:reg.example:5070\nclient_uri=sip:acct@a.example\n[a]\ntype=auth\nusername=digest\npassword=p\n\
         [a]\ntype=endpoint\naors=a\noutbound_auth=a\n[a]\ntype=aor\ncontact=sip:media.example\n",
    );
    let trunk = config.trunk_by_slug("a").unwrap();
    assert_eq!(
        (trunk.host.as_deref(), trunk.registrar.as_deref()),
        (Some("media.example"), Some("reg.example:5070"))
    );
    assert_eq!((trunk.username.as_deref(), trunk.auth_username.as_deref()), (Some("acct"), Some("digest")));
    assert_eq!(trunk.from_domain.as_deref(), Some("a.example"));
}

#[test]
fn what_is_wrong_is_told_with_line_and_field() {
    let import = plan_in(
        &Config::default(),
        "[a]\ntype=endpoint\noutbound_auth=a\n[a]\ntype=auth\nusername=u\npassword=p\n[a]\ntype=aor\ncontact=sip:-bad-\n",
        Some(Format::Asterisk),
        None,
    );
    let problem = &import.plan.problems[0];
    assert_eq!(problem.field, "trunk[a].host", "{problem:?}");
    assert!(problem.message.starts_with("line 10: "), "{problem:?}");
    let request = tandem_import::Request { text: "[a]\nkey=1", format: Some(Format::Asterisk), name: None };
    let rejection = tandem_import::import(&request, &Config::default(), &mut uuid::Uuid::nil).unwrap_err();
    assert!(rejection.problems[0].message.starts_with("line 1: "), "{rejection}");
}
