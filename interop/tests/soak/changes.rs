//! An administrator who never rests: things come, change and go, while calls go on over others, and over the same ones.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};
use tandem_interop::kamailio::{Carrier, Kamailio};
use tandem_interop::ports::beside;
use tandem_interop::process::{PATIENCE, wait_until};
use tandem_interop::tandem::office::text;
use tandem_interop::tandem::rest::Rest;

use crate::load::ENDED;

const ACCOUNT: (&str, &str) = ("soak", "account-secret");

/// Where an account of ours is.
pub fn carrier() -> Kamailio {
    Carrier::new().on(beside(79)).account(ACCOUNT.0, ACCOUNT.1).start()
}

/// The administrator, on a thread of its own.
pub struct Administrator {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(u32, u32)>,
}

impl Administrator {
    /// Begins to change things, and rests for `pace` before each request. `trunks` have calls.
    pub fn start(rest: Rest, carrier: SocketAddr, trunks: Vec<String>, pace: Duration) -> Administrator {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let mut desk = Desk { rest, carrier, trunks, pace, round: 0, requests: 0 };
            while !stopped.load(Ordering::Relaxed) {
                desk.round();
            }
            (desk.round, desk.requests)
        });
        Administrator { stop, thread }
    }

    /// Whether all has gone as it should so far.
    pub fn goes_on(&self) -> bool {
        !self.thread.is_finished()
    }

    /// Lets it finish what it is at; panics if anything did not go as it should.
    pub fn stop(self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        let (rounds, requests) = self.thread.join().expect("every change was made");
        assert!(rounds > 0);
        format!("{rounds} rounds of changes, {requests} requests")
    }
}

struct Desk {
    rest: Rest,
    carrier: SocketAddr,
    trunks: Vec<String>,
    pace: Duration,
    round: u32,
    requests: u32,
}

impl Desk {
    /// One round leaves everything as it was.
    fn round(&mut self) {
        self.round += 1;
        self.routing_comes_and_goes();
        self.a_registration_comes_and_goes();
        self.what_carries_calls_is_changed();
        self.everything_is_listed();
    }

    fn routing_comes_and_goes(&mut self) {
        let unused = json!({ "name": "unused", "host": "192.0.2.1", "ping_interval": 0 });
        let trunk = self.create("trunks", &unused);
        self.patch("trunks", &trunk, &json!({ "max_calls": 5, "codecs": ["PCMU"] }));
        let gateway = json!({ "name": "gateway", "mode": "register_in", "username": "gateway", "password": "gateway-secret" });
        let gateway = self.create("trunks", &gateway);
        let route = json!({ "name": "unused", "match": { "patterns": ["999."] }, "steps": [{ "trunk_id": trunk }, { "trunk_id": gateway }] });
        let route = self.create("routes", &route);
        self.patch("routes", &route, &json!({ "priority": 7, "match": { "patterns": ["998.", "997."] } }));
        self.patch("routes", &route, &json!({ "enabled": false }));
        self.patch("routes", &route, &json!({ "enabled": true }));
        let extension = self.create(
            "extensions",
            &json!({ "name": "newcomer", "username": "newcomer", "password": "newcomer-secret" }),
        );
        self.patch("extensions", &extension, &json!({ "password": "another-secret", "max_contacts": 2 }));
        let number = self.create("numbers", &json!({ "number": "+4940999", "extension_id": extension }));
        self.patch("numbers", &number, &json!({ "extension_id": null, "trunk_id": trunk }));
        let in_use = self.after(|rest| rest.delete(&format!("/v1.0/trunks/{trunk}")));
        in_use.expect(409);
        for (collection, id) in [
            ("numbers", number),
            ("extensions", extension),
            ("routes", route),
            ("trunks", gateway),
            ("trunks", trunk),
        ] {
            self.delete(collection, &id);
        }
    }

    fn a_registration_comes_and_goes(&mut self) {
        let account = json!({
            "name": "account", "host": self.carrier.ip().to_string(), "port": self.carrier.port(),
            "username": ACCOUNT.0, "password": ACCOUNT.1, "ping_interval": 5,
        });
        let trunk = self.create("trunks", &account);
        self.wait_state(&trunk, "registered");
        self.after(|rest| rest.post(&format!("/v1.0/trunks/{trunk}/register"), &json!({}))).ok();
        self.wait_state(&trunk, "registered");
        self.patch("trunks", &trunk, &json!({ "enabled": false }));
        self.wait_state(&trunk, "disabled");
        self.patch("trunks", &trunk, &json!({ "enabled": true }));
        self.wait_state(&trunk, "registered");
        self.delete("trunks", &trunk);
    }

    /// Calls that are under way keep what they began with, those that come find what holds by then.
    fn what_carries_calls_is_changed(&mut self) {
        let trunk = self.trunks[self.round as usize % self.trunks.len()].clone();
        let timer = if self.round.is_multiple_of(2) { 1_800 } else { 900 };
        self.patch("trunks", &trunk, &json!({ "session_timer": timer, "max_calls": 1_000 + self.round }));
        for call in self.list("calls") {
            if call["callee"]["number"] == ENDED && call["state"] == "answered" {
                let ended = self.after(|rest| rest.delete(&format!("/v1.0/calls/{}", text(&call["id"]))));
                ended.expect(204);
            }
        }
    }

    fn everything_is_listed(&mut self) {
        for collection in ["trunks", "routes", "extensions", "numbers", "registrations", "cdrs"] {
            assert!(!self.list(collection).is_empty() || collection == "cdrs", "{collection}");
        }
        for page in ["/health", "/metrics", "/openapi.json"] {
            self.after(|rest| rest.get(page)).expect(200);
        }
        self.after(|rest| rest.with_token("guess").get("/v1.0/trunks")).expect(401);
        self.after(|rest| rest.post("/v1.0/trunks", &json!({ "name": "no host" }))).expect(400);
    }

    fn create(&mut self, collection: &str, body: &Value) -> String {
        text(&self.after(|rest| rest.post(&format!("/v1.0/{collection}"), body)).expect(201)["id"])
    }

    fn patch(&mut self, collection: &str, id: &str, change: &Value) {
        self.after(|rest| rest.patch(&format!("/v1.0/{collection}/{id}"), change)).ok();
    }

    fn delete(&mut self, collection: &str, id: &str) {
        self.after(|rest| rest.delete(&format!("/v1.0/{collection}/{id}"))).expect(204);
    }

    fn list(&mut self, collection: &str) -> Vec<Value> {
        let page = self.after(|rest| rest.get(&format!("/v1.0/{collection}?limit=500"))).ok();
        page["items"].as_array().expect("a page has items").clone()
    }

    fn wait_state(&mut self, trunk: &str, state: &str) {
        let rest = self.rest.clone();
        wait_until(&format!("the trunk to be {state}"), PATIENCE, || {
            rest.get(&format!("/v1.0/trunks/{trunk}")).ok()["status"]["state"] == state
        });
    }

    fn after<T>(&mut self, request: impl FnOnce(&Rest) -> T) -> T {
        thread::sleep(self.pace);
        self.requests += 1;
        request(&self.rest)
    }
}
