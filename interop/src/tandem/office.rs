//! What an administrator does most: creating things, and looking how they are.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::Server;
use crate::baresip::Baresip;
use crate::process::{PATIENCE, wait_for, wait_until};

/// The password of every extension made here.
pub const PASSWORD: &str = "phone-secret";

impl Server {
    /// Creates one of a collection, such as `trunks`, and tells its id.
    #[track_caller]
    pub fn create(&self, collection: &str, body: Value) -> String {
        let created = self.rest().post(&format!("/v1.0/{collection}"), &body).expect(201);
        text(&created["id"])
    }

    /// An extension whose name, number and username are the same.
    #[track_caller]
    pub fn extension(&self, user: &str) -> String {
        self.create("extensions", json!({ "name": user, "username": user, "password": PASSWORD }))
    }

    /// A trunk to a peer that knows us by our address, and is not probed.
    #[track_caller]
    pub fn trunk_to(&self, name: &str, peer: SocketAddr) -> String {
        self.create(
            "trunks",
            json!({ "name": name, "host": peer.ip().to_string(), "port": peer.port(), "ping_interval": 0 }),
        )
    }

    /// A route that takes every number and tries these trunks in turn.
    #[track_caller]
    pub fn route_over(&self, trunks: &[&str]) -> String {
        let steps: Vec<Value> = trunks.iter().map(|id| json!({ "trunk_id": id })).collect();
        self.create("routes", json!({ "name": "out", "steps": steps }))
    }

    /// A number that rings an extension.
    #[track_caller]
    pub fn number(&self, number: &str, extension: &str) -> String {
        self.create("numbers", json!({ "number": number, "extension_id": extension }))
    }

    /// A phone for an extension made by [`Server::extension`]; it registers as soon as it starts.
    pub fn phone(&self, user: &str) -> Baresip {
        Baresip::new(user).account_at(self.sip()).password(PASSWORD).register_every(120)
    }

    /// The status of a trunk.
    #[track_caller]
    pub fn status(&self, trunk: &str) -> Value {
        self.rest().get(&format!("/v1.0/trunks/{trunk}")).ok()["status"].clone()
    }

    /// Waits until a trunk is in a state, and tells its status.
    #[track_caller]
    pub fn wait_state(&self, trunk: &str, state: &str) -> Value {
        let mut last = Value::Null;
        wait_until(&format!("the trunk to be {state}"), PATIENCE, || {
            last = self.status(trunk);
            last["state"] == state
        });
        last
    }

    /// The calls under way.
    #[track_caller]
    pub fn calls(&self) -> Vec<Value> {
        items(self.rest().get("/v1.0/calls").ok())
    }

    /// Waits until a call is in a state, `ringing` say, and tells it.
    #[track_caller]
    pub fn wait_call(&self, state: &str) -> Value {
        wait_for(&format!("a call to be {state}"), PATIENCE, || {
            self.calls().into_iter().find(|call| call["state"] == state)
        })
    }

    /// The registrations of this kind, `inbound` or `outbound`.
    #[track_caller]
    pub fn registrations(&self, direction: &str) -> Vec<Value> {
        let all = items(self.rest().get("/v1.0/registrations").ok());
        all.into_iter().filter(|registration| registration["direction"] == direction).collect()
    }

    /// Waits until so many calls have ended and left a record; newest first.
    #[track_caller]
    pub fn wait_records(&self, count: usize) -> Vec<Value> {
        wait_for(&format!("{count} call records"), PATIENCE, || {
            let records = items(self.rest().get("/v1.0/cdrs").ok());
            (records.len() >= count).then_some(records)
        })
    }

    /// The Call-IDs of all records, as the callers gave them.
    #[track_caller]
    pub fn recorded(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = items(self.rest().get(&format!("/v1.0/cdrs?limit=500{after}")).ok());
            let Some(last) = page.last() else { return all };
            after = format!("&after={}", text(&last["id"]));
            all.extend(page.iter().map(|record| text(&record["sip_call_id"])));
        }
    }

    /// The present value of a metric that has no labels.
    #[track_caller]
    pub fn metric(&self, name: &str) -> u64 {
        let metrics = text(&self.rest().get("/metrics").ok());
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {metrics}"))
    }

    /// Waits for the record of the only call there was.
    #[track_caller]
    pub fn wait_record(&self) -> Value {
        let mut records = self.wait_records(1);
        assert_eq!(records.len(), 1, "more than one call: {records:#?}");
        records.remove(0)
    }
}

/// The status codes of a record's attempts, in order.
pub fn codes(record: &Value) -> Vec<u64> {
    let attempts = record["attempts"].as_array().expect("a record has its attempts");
    attempts.iter().map(|attempt| attempt["code"].as_u64().expect("an attempt has a code")).collect()
}

/// The text of a JSON string.
#[track_caller]
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn items(page: Value) -> Vec<Value> {
    page["items"].as_array().unwrap_or_else(|| panic!("{page} is no page")).clone()
}
