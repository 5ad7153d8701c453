//! A message ladder: who sent what to whom, one line a message.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use tandem_sip_msg::{Message, ParseError};
use tandem_time::Time;

/// Messages seen on a network, in order.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    names: BTreeMap<SocketAddr, String>,
    rungs: Vec<Rung>,
}

#[derive(Clone, Debug)]
struct Rung {
    at: Time,
    from: SocketAddr,
    to: SocketAddr,
    call_id: String,
    what: String,
}

impl Ladder {
    /// Gives an address a name to be shown by.
    pub fn name(&mut self, address: SocketAddr, name: impl Into<String>) {
        self.names.insert(address, name.into());
    }

    /// Notes a message.
    pub fn add(&mut self, at: Time, from: SocketAddr, to: SocketAddr, bytes: &bytes::Bytes) {
        let message = match Message::parse(bytes.clone()) {
            Ok(message) | Err(ParseError::Refuse { message, .. }) => message,
            Err(ParseError::Junk(_)) => return,
        };
        let body = if message.body().is_empty() { "" } else { " (SDP)" };
        let what = match message.code() {
            Some(code) => format!("{code} {} [{}]{body}", message.reason_phrase(), message.method_name()),
            None => format!("{}{body}", message.method_name()),
        };
        self.rungs.push(Rung { at, from, to, call_id: message.call_id().to_owned(), what });
    }

    /// How many messages were noted.
    pub fn len(&self) -> usize {
        self.rungs.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.rungs.is_empty()
    }

    /// The ladder from rung `first` on, leaving out what `skip` says (methods such as OPTIONS).
    pub fn text(&self, first: usize, skip: &[&str]) -> String {
        let mut out = String::new();
        let rungs = self.rungs.get(first..).unwrap_or_default();
        let start = rungs.first().map_or(Time::default(), |rung| rung.at);
        for rung in rungs {
            if skip.iter().any(|method| rung.what.contains(method)) {
                continue;
            }
            let ms = rung.at.since(start).as_micros() as f64 / 1000.0;
            let _ = writeln!(out, "{ms:>9.1} ms  {:>9} -> {:<9}  {}", self.shown(rung.from), self.shown(rung.to), rung.what);
        }
        out
    }

    /// The messages between two addresses, as `INVITE`, `100 Trying [INVITE]` ..., for a test to look at.
    pub fn between(&self, from: SocketAddr, to: SocketAddr) -> Vec<&str> {
        self.rungs.iter().filter(|rung| rung.from == from && rung.to == to).map(|rung| rung.what.as_str()).collect()
    }

    /// The SIP Call-IDs seen between two addresses, either way, each once.
    pub fn call_ids(&self, a: SocketAddr, b: SocketAddr) -> Vec<&str> {
        let mut ids: Vec<&str> = Vec::new();
        for rung in &self.rungs {
            if ((rung.from, rung.to) == (a, b) || (rung.from, rung.to) == (b, a)) && !ids.contains(&rung.call_id.as_str()) {
                ids.push(&rung.call_id);
            }
        }
        ids
    }

    fn shown(&self, address: SocketAddr) -> String {
        self.names.get(&address).cloned().unwrap_or_else(|| address.to_string())
    }
}
