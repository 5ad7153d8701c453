//! Who is in a world: what is configured, phones, carriers.

use super::{SERVER, World, uuid_of};
use crate::Ua;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tandem_model::{Change, Config, Entity, Kind, Rejection, TrunkStatus};
use tandem_sip_msg::Message;

impl World {
    /// Creates something as the API would; its id.
    pub fn create(&mut self, kind: Kind, body: Value) -> String {
        self.try_create(kind, body).unwrap_or_else(|rejection| panic!("{rejection}"))
    }

    /// The same, for what may be refused.
    pub fn try_create(&mut self, kind: Kind, body: Value) -> Result<String, Rejection> {
        let id = uuid_of(self.now, self.next_id);
        self.next_id += 1;
        let entity = Entity::create(kind, id, body)?;
        self.apply(&[Change::Put(entity)])?;
        Ok(id.to_string())
    }

    /// Changes something as the API would.
    pub fn patch(&mut self, kind: Kind, id: &str, patch: Value) {
        let id = id.parse().expect("an id");
        let entity =
            self.config.get(kind, id).expect("it exists").patch(patch).unwrap_or_else(|r| panic!("{r}"));
        self.apply(&[Change::Put(entity)]).unwrap_or_else(|rejection| panic!("{rejection}"));
    }

    /// Takes something out of the configuration.
    pub fn delete(&mut self, kind: Kind, id: &str) {
        let id = id.parse().expect("an id");
        self.apply(&[Change::Delete(kind, id)]).unwrap_or_else(|rejection| panic!("{rejection}"));
    }

    /// An extension with its password, and a phone that has registered as it; the phone.
    pub fn phone(&mut self, number: &str) -> usize {
        let password = format!("{number}-password");
        self.create(Kind::Extension, json!({"name": number, "number": number, "password": password}));
        let phone = self.add(number, number);
        self.uas[phone].set_password(&password);
        self.register(phone);
        phone
    }

    /// Registers a phone and waits for the outcome.
    pub fn register(&mut self, phone: usize) {
        let now = self.now;
        self.uas[phone].register_at(SERVER, 3600, now);
        self.run_until("the registration ends", |w| w.uas[phone].registration_code().is_some());
    }

    /// A carrier at its own address that needs no credentials, and an `ip_auth` trunk to it; (carrier, trunk id).
    pub fn carrier(&mut self, name: &str) -> (usize, String) {
        let carrier = self.add(name, name);
        let address = self.uas[carrier].address;
        let body = json!({
            "name": name, "mode": "ip_auth", "host": address.ip().to_string(), "port": address.port(),
            "transport": self.uas[carrier].transport.param_name(),
        });
        let id = self.create(Kind::Trunk, body);
        self.run_for(Duration::from_secs(3));
        (carrier, id)
    }

    /// A route for every number over these trunks in order.
    pub fn route(&mut self, trunks: &[&str]) -> String {
        let steps: Vec<Value> = trunks.iter().map(|id| json!({"trunk_id": id})).collect();
        self.create(Kind::Route, json!({"name": "out", "steps": steps}))
    }

    /// An extension with this password is there already; another phone registers as it.
    pub fn another_phone(&mut self, name: &str, number: &str) -> usize {
        let phone = self.add(name, number);
        self.uas[phone].set_password(&format!("{number}-password"));
        self.register(phone);
        phone
    }

    /// A carrier that wants credentials, `account` and `secret`, and a trunk in this mode to it; (carrier, trunk id).
    pub fn carrier_with_account(&mut self, name: &str, mode: &str, more: Value) -> (usize, String) {
        let carrier = self.add(name, name);
        self.uas[carrier].add_account("account", "secret");
        let ip = self.uas[carrier].address.ip().to_string();
        let mut body = json!({
            "name": name, "mode": mode, "host": ip, "port": 5060, "username": "account", "password": "secret", "ping_interval": 0,
            "transport": self.uas[carrier].transport.param_name(),
        });
        merge(&mut body, more);
        (carrier, self.create(Kind::Trunk, body))
    }

    /// A carrier at its own address, and an `ip_auth` trunk to it that is not probed, with further settings.
    pub fn plain_carrier(&mut self, name: &str, more: Value) -> (usize, String) {
        let carrier = self.add(name, name);
        let address = self.uas[carrier].address;
        let mut body = json!({
            "name": name, "mode": "ip_auth", "host": address.ip().to_string(), "port": address.port(), "ping_interval": 0,
            "transport": self.uas[carrier].transport.param_name(),
        });
        merge(&mut body, more);
        (carrier, self.create(Kind::Trunk, body))
    }

    /// Calls to a number ring an extension.
    pub fn number(&mut self, number: &str, extension: &str) -> String {
        let found = self
            .config
            .extension_by_number(None, extension)
            .map(|e| e.id.to_string())
            .expect("the extension is there");
        self.create(Kind::Number, json!({"number": number, "extension_id": found}))
    }

    /// No route is left.
    pub fn delete_all_routes(&mut self) {
        let routes: Vec<String> = self.config.routes.keys().map(ToString::to_string).collect();
        for route in routes {
            self.delete(Kind::Route, &route);
        }
    }

    /// The configuration in effect.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The trunks, oldest first.
    pub fn trunk_ids(&self) -> Vec<String> {
        self.config.trunks.keys().map(ToString::to_string).collect()
    }

    /// The status of a trunk.
    pub fn status(&self, trunk: &str) -> TrunkStatus {
        let id = trunk.parse().expect("an id");
        self.engine.trunk_statuses(self.now).remove(&id).expect("the trunk is there")
    }

    /// Where somebody is.
    pub fn address(&self, n: usize) -> SocketAddr {
        self.uas[n].address
    }

    /// The messages that the server sent to somebody.
    pub fn sent_to(&self, n: usize) -> Vec<Message> {
        self.ladder.messages(SERVER, self.uas[n].address)
    }

    /// The messages that somebody sent to the server.
    pub fn sent_by(&self, n: usize) -> Vec<Message> {
        self.ladder.messages(self.uas[n].address, SERVER)
    }

    /// How many requests with this method the server sent to somebody, repetitions included.
    pub fn count_to(&self, n: usize, method: &str) -> usize {
        self.ladder.requests(SERVER, self.uas[n].address, method).len()
    }

    /// Everybody in this world.
    pub fn everybody(&self) -> &[Ua] {
        &self.uas
    }
}

fn merge(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
    }
}
