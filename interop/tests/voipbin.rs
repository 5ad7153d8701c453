//! The commands of VoIPBIN's trunk overview, as they stand there.

use std::process::{Command, Output};

use serde_json::{Value, json};
use tandem_interop::baresip::Baresip;
use tandem_interop::ports::beside;
use tandem_interop::process::PATIENCE;
use tandem_interop::sipp::Scenario;
use tandem_interop::tandem::office::{codes, text};
use tandem_interop::tandem::{Server, Tandem};

const PROVIDER: &str = r#"curl -X POST 'https://api.voipbin.net/v1.0/providers?token=<token>' \
    --header 'Content-Type: application/json' \
    --data '{
        "name": "Primary SIP Provider",
        "type": "sip",
        "hostname": "sip.provider.com"
    }'"#;

const ROUTE: &str = r#"curl -X POST 'https://api.voipbin.net/v1.0/routes?token=<token>' \
    --header 'Content-Type: application/json' \
    --data '{
        "name": "Default Outbound Route",
        "provider_id": "provider-uuid-123",
        "priority": 1
    }'"#;

const EXTENSION: &str = r#"curl -X POST 'https://api.voipbin.net/v1.0/extensions?token=<token>' \
    --header 'Content-Type: application/json' \
    --data '{
        "name": "office-phone",
        "username": "office1",
        "password": "secure-password"
    }'"#;

/// Pastes a command into a shell, with the host, the token and what else is named replaced.
#[track_caller]
fn paste(tandem: &Server, command: &str, replaced: &[(&str, &str)]) -> Value {
    let here = format!("http://{}", tandem.rest().addr());
    let mut command = command.replace("https://api.voipbin.net", &here).replace("<token>", tandem.token());
    for (from, to) in replaced {
        assert!(command.contains(from), "{command} has no {from}");
        command = command.replace(from, to);
    }
    let Output { status, stdout, stderr } =
        Command::new("sh").args(["-c", &command]).env("no_proxy", "*").output().expect("sh starts");
    assert!(status.success(), "{command}\n{}", String::from_utf8_lossy(&stderr));
    serde_json::from_slice(&stdout).unwrap_or_else(|e| panic!("{command}\nanswered {stdout:?}: {e}"))
}

#[test]
fn three_commands_and_a_phone_make_a_call() {
    let tandem = Tandem::new().start();
    let mut provider = Scenario::new("uas").on(beside(3)).start();

    let trunk = paste(&tandem, PROVIDER, &[("sip.provider.com", &provider.addr().ip().to_string())]);
    let trunk = text(&trunk["id"]);
    let route = paste(&tandem, ROUTE, &[("provider-uuid-123", &trunk)]);
    let extension = paste(&tandem, EXTENSION, &[]);
    // A test cannot have port 5060 for itself, and SIPp counts an OPTIONS as a call.
    let change = json!({ "port": provider.addr().port(), "ping_interval": 0 });
    tandem.rest().patch(&format!("/v1.0/providers/{trunk}"), &change).ok();

    let phone = Baresip::new("office1").account_at(tandem.sip()).password("secure-password");
    let mut phone = phone.register_every(120).start();
    phone.wait_registered();
    phone.dial("+15551234567");
    phone.wait_established();
    phone.hang_up();
    provider.wait_passed(PATIENCE);
    assert!(provider.messages().contains(&format!("INVITE sip:+15551234567@{}", provider.addr())));

    let record = tandem.wait_record();
    assert_eq!(record["caller"]["extension_id"], extension["id"]);
    assert_eq!(record["callee"]["trunk_id"], trunk.as_str());
    assert_eq!(record["attempts"][0]["route_id"], route["id"]);
    assert_eq!((codes(&record), &record["outcome"]), (vec![200], &json!("answered")));
}

#[test]
fn what_the_commands_make_is_complete() {
    let tandem = Tandem::new().start();
    let trunk = paste(&tandem, PROVIDER, &[]);
    assert_eq!((&trunk["technology"], &trunk["mode"]), (&json!("sip"), &json!("ip_auth")));
    assert_eq!(trunk["host"], "sip.provider.com");
    assert_eq!(tandem.rest().get("/v1.0/trunks").ok()["items"][0]["id"], trunk["id"]);

    let route = paste(&tandem, ROUTE, &[("provider-uuid-123", &text(&trunk["id"]))]);
    assert_eq!(route["steps"].as_array().unwrap().len(), 1);
    assert_eq!(route["steps"][0]["trunk_id"], trunk["id"]);
    assert_eq!((&route["priority"], &route["on_exhausted"]), (&json!(1), &json!("next_rule")));

    let extension = paste(&tandem, EXTENSION, &[]);
    assert_eq!((&extension["number"], &extension["username"]), (&json!("office1"), &json!("office1")));
    assert_eq!(extension.get("password"), None);
}

#[test]
fn an_id_that_was_not_replaced_is_refused_in_words() {
    let tandem = Tandem::new().start();
    let refused = paste(&tandem, ROUTE, &[]);
    assert_eq!(refused["status"], 400);
    assert_eq!(
        (&refused["field"], &refused["message"]),
        (&json!("provider_id"), &json!("this is not an id"))
    );
    assert!(!text(&refused["fix"]).is_empty(), "{refused:#}");
}
