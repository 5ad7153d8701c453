//! What FreeSWITCH was configured by, taken over on the command line; and whole configurations.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tandem_interop::kamailio::Carrier;
use tandem_interop::ports::beside;
use tandem_interop::process::work_dir;
use tandem_interop::tandem::{Server, Tandem, run};

const PASSWORD: &str = "account-secret";
const LIMIT: Duration = Duration::from_secs(30);

/// Runs a command against the server; what it printed.
#[track_caller]
fn command(tandem: &Server, args: &[&str], succeeds: bool) -> String {
    let url = format!("http://{}", tandem.rest().addr());
    let mut all = args.to_vec();
    all.extend(["--url", &url, "--token", tandem.token()]);
    let (status, said) = run(&all, LIMIT);
    assert_eq!(status.success(), succeeds, "tandem {args:?}\n{said}");
    said
}

#[track_caller]
fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("a file");
    path.to_str().expect("a path").to_owned()
}

/// The gateway of an account at a carrier, with the parameters that FreeSWITCH's sample shows.
fn gateway(proxy: &str) -> String {
    format!(
        r#"<include>
  <gateway name="example.com">
    <param name="username" value="acme"/>
    <param name="realm" value="carrier.test"/>
    <param name="password" value="{PASSWORD}"/>
    <param name="extension" value="auto_to_user"/>
    <param name="proxy" value="{proxy}"/>
    <param name="expire-seconds" value="60"/>
    <param name="register-transport" value="udp"/>
    <param name="retry-seconds" value="3"/>
    <param name="caller-id-in-from" value="false"/>
    <param name="contact-params" value="tport=tcp"/>
    <param name="context" value="public"/>
  </gateway>
</include>
"#
    )
}

#[test]
fn a_gateway_of_freeswitch_is_shown_then_registers() {
    let tandem = Tandem::new().start();
    let carrier = Carrier::new().on(beside(1)).account("acme", PASSWORD).start();
    let folder = work_dir("import");
    let file = write(folder.path(), "gateway.xml", &gateway(&carrier.addr().to_string()));

    let shown = command(&tandem, &["import", &file], true);
    for line in [
        "+ create trunk example.com (line 2)",
        "retry_base = 30  <- line 10: retry-seconds = 3; less than 5",
        "no equivalent: line 13: context",
        "--apply",
    ] {
        assert!(shown.contains(line), "no {line:?} in\n{shown}");
    }
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert_eq!(tandem.rest().get("/v1.0/trunks").ok()["items"], json!([]));

    command(&tandem, &["import", &file, "--apply"], true);
    carrier.wait_registered("acme");
    assert!(carrier.messages().iter().any(|message| message.starts_with("<< REGISTER ")));
    let trunk = tandem.rest().get("/v1.0/trunks").ok()["items"][0].clone();
    tandem.wait_state(trunk["id"].as_str().expect("an id"), "registered");
    let registration = tandem.registrations("outbound").remove(0);
    let contact = registration["contact"].as_str().expect("a contact");
    assert!(contact.contains("sip:gw+example.com@") && contact.contains(";tport=tcp"), "{contact}");

    // Out and in again: nothing is left to do.
    let written = command(&tandem, &["export", "--format", "freeswitch"], true);
    assert!(!written.contains(PASSWORD), "{written}");
    let back = write(folder.path(), "back.xml", &written);
    assert!(command(&tandem, &["import", &back], true).contains("= keep trunk example.com"));
}

#[test]
fn a_file_with_a_mistake_says_where_and_changes_nothing() {
    let tandem = Tandem::new().start();
    let folder = work_dir("import");
    let file = write(folder.path(), "bad.xml", &gateway("sip.example.com:port"));
    let said = command(&tandem, &["import", &file, "--apply"], false);
    assert!(said.contains("trunk[example.com].port: line 7: ") && said.contains("To mend it: "), "{said}");
    let file =
        write(folder.path(), "bad.toml", "[[trunk]]\nname = \"a\"\nhost = \"a.example\"\nretry_base = 1\n");
    let said = command(&tandem, &["apply", &file, "--yes"], false);
    assert!(said.contains("trunk[a].retry_base: line 4: "), "{said}");
    assert_eq!(tandem.rest().get("/v1.0/trunks").ok()["items"], json!([]));
}

#[test]
fn a_server_is_brought_to_a_file_and_keeps_its_passwords() {
    let tandem = Tandem::new().start();
    let carrier = Carrier::new().on(beside(1)).account("acme", PASSWORD).start();
    let (host, port) = (carrier.addr().ip().to_string(), carrier.addr().port());
    let trunk = json!({ "name": "Carrier", "host": host, "port": port, "username": "acme", "password": PASSWORD, "retry_base": 5 });
    let trunk = tandem.create("trunks", trunk);
    tandem.route_over(&[&trunk]);
    tandem.wait_state(&trunk, "registered");

    let folder = work_dir("apply");
    let text = command(&tandem, &["export"], true);
    assert!(text.contains("trunk = \"Carrier\"") && !text.contains(PASSWORD), "{text}");
    let same = write(folder.path(), "same.toml", &text);
    let said = command(&tandem, &["apply", &same, "--plan"], true);
    assert!(said.contains("0 to create, 0 to change, 0 to delete, 2 unchanged."), "{said}");

    let changed = text.replace("retry_base = 5", "retry_base = 7")
        + "\n[[number]]\nnumber = \"+4940777\"\ntrunk = \"Carrier\"\n";
    let changed = write(folder.path(), "changed.toml", &changed);
    let said = command(&tandem, &["apply", &changed], false);
    assert!(said.contains("retry_base: 5 -> 7") && said.contains("--yes"), "nobody was asked: {said}");
    command(&tandem, &["apply", &changed, "--yes"], true);
    let now = tandem.rest().get(&format!("/v1.0/trunks/{trunk}")).ok();
    assert_eq!(now["retry_base"], 7);
    assert_eq!(tandem.rest().get("/v1.0/numbers").ok()["items"][0]["trunk_id"], trunk.as_str());
    tandem.rest().post(&format!("/v1.0/trunks/{trunk}/register"), &json!({})).expect(202);
    tandem.wait_state(&trunk, "registered");
}
