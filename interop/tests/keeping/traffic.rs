//! Calls that come and go, and phones that register.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tandem_interop::crowd::Crowd;
use tandem_interop::ports::beside;
use tandem_interop::tandem::Server;
use tandem_interop::tandem::office::{PASSWORD, text};

const NUMBER: &str = "+4930123";
/// 50 calls a second.
const PACE: Duration = Duration::from_millis(20);
const LENGTH: Duration = Duration::from_millis(300);

/// Everybody that calls and is called.
pub struct Traffic {
    pub crowd: Crowd,
    pub caller: usize,
    pub callee: usize,
    /// Phones, with the name of their extension.
    pub phones: Vec<(usize, String)>,
    is_prepared: bool,
}

impl Traffic {
    /// A trunk that calls a number, and another trunk that the number leads to.
    pub fn new(tandem: &Server) -> Traffic {
        let crowd = Crowd::new();
        let (caller, _) = crowd.add("caller", beside(40));
        let (callee, at) = crowd.add("callee", beside(41));
        tandem.create("trunks", json!({ "name": "in", "host": beside(40).to_string(), "ping_interval": 0 }));
        let out = tandem.trunk_to("out", at);
        tandem.create("numbers", json!({ "number": NUMBER, "trunk_id": out }));
        Traffic { crowd, caller, callee, phones: Vec::new(), is_prepared: false }
    }

    /// The extension of the next phone.
    pub fn prepare_phone(&mut self, tandem: &Server) {
        tandem.extension(&self.next_phone());
        self.is_prepared = true;
    }

    /// Another phone registers.
    pub fn add_phone(&mut self, tandem: &Server) {
        if !std::mem::take(&mut self.is_prepared) {
            tandem.extension(&self.next_phone());
        }
        let name = self.next_phone();
        let (phone, _) = self.crowd.add(&name, beside(42));
        self.crowd.with(phone, |ua, now| {
            ua.set_password(PASSWORD);
            ua.register_at(tandem.sip(), 3600, now);
        });
        self.phones.push((phone, name));
    }

    fn next_phone(&self) -> String {
        format!("phone{}", self.phones.len())
    }

    /// Calls come and go for so long.
    pub fn flow_for(&self, tandem: &Server, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.crowd.with(self.caller, |ua, now| {
                let _ = ua.dial(tandem.sip(), NUMBER, now);
            });
            self.crowd.hang_up_after(self.caller, LENGTH);
            thread::sleep(PACE);
        }
    }

    /// Those under way end, and no others begin.
    pub fn run_dry(&self) {
        let until = Instant::now() + Duration::from_secs(3);
        while Instant::now() < until {
            self.crowd.hang_up_after(self.caller, LENGTH);
            thread::sleep(PACE);
        }
    }

    /// The extensions whose phone was told that it is registered.
    pub fn registered(&self) -> Vec<&str> {
        let is_told = |phone: usize| self.crowd.with(phone, |ua, _| ua.registration_code() == Some(200));
        self.phones.iter().filter(|(phone, _)| is_told(*phone)).map(|(_, name)| name.as_str()).collect()
    }
}

/// All records, by the Call-ID of the caller.
pub fn records(tandem: &Server) -> BTreeMap<String, Vec<Value>> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = tandem.rest().get(&format!("/v1.0/cdrs?limit=500{after}")).ok();
        let items = page["items"].as_array().expect("a page has items").clone();
        let Some(last) = items.last() else { return all };
        after = format!("&after={}", text(&last["id"]));
        for record in items {
            all.entry(text(&record["sip_call_id"])).or_default().push(record);
        }
    }
}
