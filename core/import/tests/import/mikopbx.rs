//! Additional parameters of a MikoPBX provider.

use crate::{field, plan_in, subjects};
use serde_json::json;
use tandem_import::{Action, Format, NoteKind, Request, import};
use tandem_model::{Change, Config, Entity, Kind};
use uuid::Uuid;

const ALL: &str = "[registration-auth]
username=acct
password=hunter-two
[registration]
server_uri=sip:sip.miko.example:5070
client_uri=sip:acct@sip.miko.example
forbidden_retry_interval=300
[endpoint-auth]
username=acct
password=hunter-two
[identify]
match=192.0.2.0/24
[aor]
qualify_frequency=30
max_contacts=2
[endpoint]
from_user=4930
allow=alaw
dtmf_mode=auto_info
100rel=no
";

#[test]
fn a_new_trunk_has_what_mikopbx_generates_and_what_the_parameters_say() {
    let import = plan_in(&Config::default(), ALL, None, Some("Provider"));
    assert_eq!((import.plan.format, &import.refusal), (Format::MikoPbx, &None), "{:#?}", import.plan);
    let item = &import.plan.items[0];
    for (name, value) in [
        ("name", json!("Provider")),
        ("mode", json!("register_out")),
        ("host", json!("sip.miko.example")),
        ("port", json!(5070)),
        ("username", json!("acct")),
        ("expires", json!(120)),
        ("retry_base", json!(45)),
        ("ping_interval", json!(30)),
        ("ping_timeout", json!(3)),
        ("session_timer", json!(0)),
        ("from_user", json!("4930")),
        ("distinct_to", json!(true)),
        ("caller_id_in_from", json!(false)),
        ("codecs", json!(["PCMA", "telephone-event"])),
        ("dtmf", json!("auto_info")),
        ("associated_ips", json!(["192.0.2.0/24"])),
    ] {
        assert_eq!(field(item, name).0, &value, "{name}");
    }
    let kept = subjects(&item.notes, NoteKind::NoEquivalent);
    for name in ["registration.forbidden_retry_interval", "aor.max_contacts", "endpoint.100rel"] {
        assert!(kept.contains(&name), "{kept:?}");
    }
    assert!(item.notes.iter().any(|note| note.message.contains("next_rule")));
    assert!(!format!("{:?}", import.plan).contains("hunter"));
}

#[test]
fn of_a_trunk_that_is_there_only_what_is_written_changes() {
    let body = json!({ "name": "Provider", "host": "sip.miko.example", "username": "acct", "password": "hunter-two", "expires": 600, "imported_params": { "a.b": "c" } });
    let trunk = Entity::create(Kind::Trunk, Uuid::from_u128(7), body).unwrap();
    let config = Config::default().apply(&[Change::Put(trunk)]).unwrap();
    let text = "[registration]\nexpiration=300\nunheard_of=1\n[endpoint]\nfrom_domain=d.example\n";
    let import = plan_in(&config, text, None, Some("Provider"));
    assert_eq!(import.plan.items[0].action, Action::Change);
    let fields: Vec<&str> = import.plan.items[0].fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(fields, ["expires", "from_domain"]);
    let config = config.apply(&import.changes).unwrap();
    let trunk = config.trunk_by_slug("Provider").unwrap();
    assert_eq!((trunk.expires, trunk.from_domain.as_deref()), (300, Some("d.example")));
    assert_eq!(
        (trunk.username.as_deref(), trunk.password.as_ref().unwrap().expose()),
        (Some("acct"), "hunter-two")
    );
    let kept: Vec<&str> = trunk.imported_params.keys().map(String::as_str).collect();
    assert_eq!(kept, ["a.b", "mikopbx.registration.unheard_of"]);
}

#[test]
fn a_name_is_needed_and_sections_are_known() {
    let refused = |text: &str, name| {
        let request = Request { text, format: Some(Format::MikoPbx), name };
        import(&request, &Config::default(), &mut Uuid::nil).unwrap_err().problems.remove(0)
    };
    assert_eq!(refused(ALL, None).field, "name");
    let unknown = refused("[aor]\n\n[endpiont]\nx=1", Some("a"));
    assert_eq!(unknown.reason, "UNKNOWN_SECTION");
    assert!(unknown.message.starts_with("line 3: "), "{unknown:?}");
}
