//! A message ladder: who sent what to whom, one line a message.

use bytes::Bytes;
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
    bytes: Bytes,
}

impl Rung {
    fn message(&self) -> Option<Message> {
        match Message::parse(self.bytes.clone()) {
            Ok(message) | Err(ParseError::Refuse { message, .. }) => Some(message),
            Err(ParseError::Junk(_)) => None,
        }
    }

    fn what(&self) -> Option<String> {
        let message = self.message()?;
        let is_sdp = message.content_type().is_none_or(|kind| kind.starts_with("application/sdp"));
        let body = match message.body() {
            [] => String::new(),
            _ if is_sdp => " (SDP)".to_owned(),
            body => format!(" ({})", String::from_utf8_lossy(body).trim()),
        };
        Some(match message.code() {
            Some(code) => format!("{code} {} [{}]{body}", message.reason_phrase(), message.method_name()),
            None => format!("{}{body}", message.method_name()),
        })
    }
}

impl Rung {
    /// Its CSeq number and the beginning of its Call-ID: which dialog it is of.
    fn place(&self) -> String {
        self.message().map_or(String::new(), |message| {
            format!("{} {}", message.cseq(), message.call_id().chars().take(8).collect::<String>())
        })
    }
}

impl Ladder {
    /// Gives an address a name to be shown by.
    pub fn name(&mut self, address: SocketAddr, name: impl Into<String>) {
        self.names.insert(address, name.into());
    }

    /// Notes a message. It is looked at only when somebody asks.
    pub fn add(&mut self, at: Time, from: SocketAddr, to: SocketAddr, bytes: &Bytes) {
        self.rungs.push(Rung { at, from, to, bytes: bytes.clone() });
    }

    /// What one sent to the other and when, in words.
    pub fn timed(&self, from: SocketAddr, to: SocketAddr) -> Vec<(Time, String)> {
        let rungs = self.rungs.iter().filter(|rung| rung.from == from && rung.to == to);
        rungs.filter_map(|rung| Some((rung.at, rung.what()?))).collect()
    }

    /// What one sent to the other and when, as bytes.
    pub fn moments(&self, from: SocketAddr, to: SocketAddr) -> impl Iterator<Item = (Time, Bytes)> + '_ {
        self.way(from, to).map(|rung| (rung.at, rung.bytes.clone()))
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
            let Some(what) = rung.what().filter(|what| !skip.iter().any(|method| what.contains(method)))
            else {
                continue;
            };
            let ms = rung.at.since(start).as_micros() as f64 / 1000.0;
            let _ = writeln!(
                out,
                "{ms:>9.1} ms  {:>9} -> {:<9}  {what:<40} {}",
                self.shown(rung.from),
                self.shown(rung.to),
                rung.place()
            );
        }
        out
    }

    /// The messages between two addresses, as `INVITE`, `100 Trying [INVITE]` ..., for a test to look at.
    pub fn between(&self, from: SocketAddr, to: SocketAddr) -> Vec<String> {
        self.way(from, to).filter_map(Rung::what).collect()
    }

    /// The messages sent one way, in full.
    pub fn messages(&self, from: SocketAddr, to: SocketAddr) -> Vec<Message> {
        self.way(from, to).filter_map(Rung::message).collect()
    }

    /// The requests with this method sent one way, each with its moment.
    pub fn requests(&self, from: SocketAddr, to: SocketAddr, method: &str) -> Vec<(Time, Message)> {
        let all = self.way(from, to).filter_map(|rung| Some((rung.at, rung.message()?)));
        all.filter(|(_, message)| message.is_request() && message.method_name() == method).collect()
    }

    /// The SIP Call-IDs seen between two addresses, either way, each once.
    pub fn call_ids(&self, a: SocketAddr, b: SocketAddr) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for message in self.messages(a, b).iter().chain(&self.messages(b, a)) {
            if !ids.iter().any(|id| id == message.call_id()) {
                ids.push(message.call_id().to_owned());
            }
        }
        ids
    }

    fn way(&self, from: SocketAddr, to: SocketAddr) -> impl Iterator<Item = &Rung> {
        self.rungs.iter().filter(move |rung| (rung.from, rung.to) == (from, to))
    }

    fn shown(&self, address: SocketAddr) -> String {
        self.names.get(&address).cloned().unwrap_or_else(|| address.to_string())
    }
}
