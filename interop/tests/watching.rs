//! Webhooks and alerts of the real binary: a receiver that checks signatures, and one that fails first.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tandem_interop::certificates::Authority;
use tandem_interop::kamailio::Carrier;
use tandem_interop::ports::beside;
use tandem_interop::process::PATIENCE;
use tandem_interop::tandem::{Server, Tandem};

const SECRET: &str = "a secret of more than sixteen";

/// A request that came.
struct Posted {
    headers: BTreeMap<String, String>,
    body: String,
    at: Instant,
}

impl Posted {
    fn event(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// What `openssl dgst -hmac` makes of the moment and the body is what the header says.
    fn is_signed(&self) -> bool {
        let Some((moment, signature)) =
            self.headers["tandem-signature"].strip_prefix("t=").and_then(|rest| rest.split_once(",v1="))
        else {
            return false;
        };
        let mut openssl = std::process::Command::new("openssl")
            .args(["dgst", "-sha256", "-hmac", SECRET])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("openssl");
        write!(openssl.stdin.take().expect("its input"), "{moment}.{}", self.body).expect("written");
        let output = openssl.wait_with_output().expect("its end").stdout;
        String::from_utf8_lossy(&output).trim().ends_with(signature)
    }
}

/// A receiver of webhooks over TLS that answers the first requests with 503.
struct Receiving {
    address: SocketAddr,
    posted: Receiver<Posted>,
}

impl Receiving {
    fn start(authority: &Authority, failures: usize) -> Receiving {
        let identity = authority.issue(&["127.0.0.1"]);
        let (certificates, key) = identity.for_rustls();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .expect("a certificate");
        let (config, left) = (Arc::new(config), Arc::new(AtomicUsize::new(failures)));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, posted) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, left, sender) = (config.clone(), left.clone(), sender.clone());
                std::thread::spawn(move || {
                    let connection = ServerConnection::new(config).expect("a connection");
                    if let Some(posted) = take(StreamOwned::new(connection, stream), &left) {
                        let _ = sender.send(posted);
                    }
                });
            }
        });
        Receiving { address, posted }
    }

    fn url(&self) -> String {
        format!("https://{}/hook", self.address)
    }

    #[track_caller]
    fn next(&self) -> Posted {
        self.posted.recv_timeout(PATIENCE).expect("a request")
    }
}

/// Reads one request and answers it.
fn take(stream: StreamOwned<ServerConnection, TcpStream>, failures: &AtomicUsize) -> Option<Posted> {
    let mut stream = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).ok()?;
    let fails = failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    let status = if fails { "503 Service Unavailable" } else { "204 No Content" };
    let stream = stream.get_mut();
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
    stream.conn.send_close_notify();
    stream.flush().ok()?;
    Some(Posted { headers, body: String::from_utf8(body).ok()?, at: Instant::now() })
}

/// A server that posts to this machine, and believes this authority.
fn tandem(authority: &Authority, folder: &tempfile::TempDir) -> Server {
    let ca = authority.write(&folder.path().join("ca.pem"));
    Tandem::new().arg("--webhooks-private").arg("--webhooks-ca").arg(ca.display()).start()
}

#[test]
fn a_webhook_gets_signed_events_and_those_that_failed_again() {
    let (authority, folder) = (Authority::new("Hooks"), tempfile::tempdir().expect("a folder"));
    let tandem = tandem(&authority, &folder);
    let receiver = Receiving::start(&authority, 1);
    let hook = tandem.create(
        "webhooks",
        json!({ "name": "test", "url": receiver.url(), "secret": SECRET, "events": ["trunk.created"] }),
    );
    let trunk = tandem.trunk_to("carrier", beside_port());
    let (first, again) = (receiver.next(), receiver.next());
    assert!(first.is_signed() && again.is_signed());
    assert_eq!(first.headers["tandem-event-id"], again.headers["tandem-event-id"]);
    assert_eq!(first.body, again.body);
    assert!(again.at.duration_since(first.at) >= Duration::from_secs(3), "it was given time");
    let event = again.event();
    assert_eq!((&event["type"], &event["data"]["trunk_id"]), (&json!("trunk.created"), &json!(trunk)));
    assert_eq!(again.headers["tandem-event-type"], "trunk.created");
    assert_eq!(event["id"].to_string(), again.headers["tandem-event-id"]);
    let until = Instant::now() + PATIENCE;
    let status = loop {
        let shown = tandem.rest().get(&format!("/v1.0/webhooks/{hook}")).ok();
        assert!(shown.get("secret").is_none());
        if shown["status"]["waiting"] == 0 || Instant::now() > until {
            break shown["status"].clone();
        }
    };
    assert_eq!(status["last_failure"], "answered 503 Service Unavailable");
    assert!(status["last_success_at"].as_u64() > status["last_failure_at"].as_u64(), "{status:#}");
    assert_eq!(status["dropped"], 0);
}

fn beside_port() -> SocketAddr {
    SocketAddr::new(beside(12), 5060)
}

#[test]
fn a_webhook_into_a_private_network_is_refused_unless_the_server_allows_it() {
    let tandem = Tandem::new().start();
    let body = json!({ "name": "x", "url": "https://127.0.0.1:9/", "secret": SECRET });
    let refused = tandem.rest().post("/v1.0/webhooks", &body).expect(400);
    assert_eq!((&refused["reason"], &refused["field"]), (&json!("PRIVATE_ADDRESS"), &json!("url")));
    assert!(refused["fix"].as_str().is_some_and(|fix| fix.contains("private = true")), "{refused:#}");
}

#[test]
fn an_alert_is_raised_listed_and_cleared() {
    let (authority, folder) = (Authority::new("Hooks"), tempfile::tempdir().expect("a folder"));
    let tandem = tandem(&authority, &folder);
    let receiver = Receiving::start(&authority, 0);
    tandem.create(
        "webhooks",
        json!({ "name": "test", "url": receiver.url(), "secret": SECRET, "events": ["alert."] }),
    );
    let mut carrier = Carrier::new().on(beside(13)).start();
    let address = carrier.addr();
    let trunk = tandem.create(
        "trunks",
        json!({
            "name": "carrier", "host": address.ip().to_string(), "port": address.port(),
            "ping_interval": 5, "ping_timeout": 1, "ping_fail": 1, "ping_ok": 1,
        }),
    );
    tandem.wait_state(&trunk, "reachable");
    let rule = tandem
        .create("alert_rules", json!({ "name": "Down", "kind": "trunk_down", "for_s": 1, "clear_for_s": 1 }));
    carrier.stop();
    let raised = receiver.next();
    assert!(raised.is_signed());
    let raised = raised.event();
    assert_eq!((&raised["type"], &raised["data"]["rule_id"]), (&json!("alert.raised"), &json!(rule)));
    let standing = tandem.rest().get("/v1.0/alerts").ok();
    assert_eq!(standing["items"], json!([raised["data"]]), "what was told is what is listed");
    assert_eq!(standing["items"][0]["trunk_id"], trunk.as_str());
    carrier.restart();
    let cleared = receiver.next().event();
    assert_eq!((&cleared["type"], &cleared["data"]), (&json!("alert.cleared"), &raised["data"]));
    assert_eq!(tandem.rest().get("/v1.0/alerts").ok()["items"], json!([]));
}
