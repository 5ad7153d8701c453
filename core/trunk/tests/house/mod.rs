//! A house with phones: a registrar, its disk, and devices that register there.

#![allow(dead_code)] // each test file uses its part

use crate::world::{address, local, trunk};
use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tandem_model::{Binding, BindingOwner, Config, Entity, Event, Extension, ExtensionId};
use tandem_sip_dialog::Sip;
use tandem_sip_dialog::digest::{Algorithm, DigestClient, Login};
use tandem_sip_msg::{Flow, Header, ListenerId, Message, NameAddr, Transport, Writer};
use tandem_sip_txn::{Config as TxnConfig, Output, Transactions};
use tandem_time::Time;
use tandem_trunk::{BindingChange, Registrar, RegistrarConfig, RegistrarOutput};

pub const PASSWORD: &str = "Zebra-crossing-9";

pub fn extension_id(n: u64) -> ExtensionId {
    ExtensionId(uuid::Uuid::from_u128(0xe000 + u128::from(n)))
}

/// Extension 10n, who authenticates as `phone-n`.
pub fn extension(n: u64, fields: Value) -> Entity {
    let mut body = json!({
        "id": extension_id(n).to_string(), "name": "phone", "number": format!("10{n}"),
        "username": format!("phone-{n}"), "password": PASSWORD, "max_contacts": 3,
    });
    for (key, value) in fields.as_object().unwrap() {
        body[key] = value.clone();
    }
    Entity::Extension(Arc::new(serde_json::from_value::<Extension>(body).unwrap()))
}

pub fn guest(fields: Value) -> Entity {
    let mut body = json!({"mode": "register_in", "host": null, "username": "pbx", "password": PASSWORD});
    for (key, value) in fields.as_object().unwrap() {
        body[key] = value.clone();
    }
    Entity::Trunk(trunk(9, body))
}

pub fn owner(n: u64) -> BindingOwner {
    BindingOwner::Extension(extension_id(n))
}

pub fn everybody() -> Vec<Entity> {
    vec![
        extension(1, json!({})),
        extension(2, json!({})),
        extension(3, json!({"enabled": false})),
        guest(json!({})),
    ]
}

/// The disk, the network and time around a registrar.
pub struct House {
    pub now: Time,
    pub rng: StdRng,
    pub txn: Transactions,
    pub registrar: Registrar,
    pub answers: Vec<Message>,
    pub writes: Vec<(u64, Vec<BindingChange>)>,
    /// Whether what is to be written is written at once.
    pub disk: bool,
    pub kept: Vec<BindingChange>,
    pub events: Vec<Event>,
    pub seen: BTreeSet<Bytes>,
    pub number: u32,
}

/// A phone: an account, a place and what it knows of the registrar.
pub struct Phone {
    pub user: String,
    pub to: String,
    pub from: Flow,
    pub contact: String,
    pub call_id: String,
    pub cseq: u32,
    pub digest: DigestClient,
}

pub fn udp(source: &str) -> Flow {
    Flow {
        transport: Transport::Udp,
        listener: ListenerId(0),
        remote: address(source),
        connection: None,
        domain: None,
    }
}

impl Phone {
    pub fn new(n: u64, source: &str) -> Phone {
        Phone::named(&format!("phone-{n}"), PASSWORD, source)
    }

    pub fn named(user: &str, password: &str, source: &str) -> Phone {
        let login = Login::new(user, password);
        Phone {
            user: user.to_owned(),
            to: user.to_owned(),
            from: udp(source),
            contact: format!("<sip:{user}@10.0.0.1:5062>"),
            call_id: format!("{user}-{source}"),
            cseq: 0,
            digest: DigestClient::new(login),
        }
    }

    pub fn register(
        &mut self,
        headers: &[(Header, &str)],
        credentials: Option<(Header, String)>,
        number: u32,
    ) -> Bytes {
        self.cseq += 1;
        let mut writer = Writer::request("REGISTER", "sip:tandem.example");
        writer
            .header(Header::Via, format_args!("SIP/2.0/UDP 10.0.0.1:5062;rport;branch=z9hG4bK{number}"))
            .header(Header::MaxForwards, 70)
            .header(Header::From, format_args!("<sip:{}@tandem.example>;tag=a", self.user))
            .header(Header::To, format_args!("<sip:{}@tandem.example>", self.to))
            .header(Header::CallId, &self.call_id)
            .header(Header::CSeq, format_args!("{} REGISTER", self.cseq));
        for (name, value) in headers {
            writer.header(*name, value);
        }
        if let Some((name, value)) = credentials {
            writer.header(name, value);
        }
        writer.finish()
    }
}

impl House {
    pub fn new() -> House {
        House::with(vec![])
    }

    pub fn with(bindings: Vec<Binding>) -> House {
        let now = Time::from_secs(1_700_000_000);
        let mut house = House {
            now,
            rng: StdRng::seed_from_u64(7),
            txn: Transactions::new(TxnConfig {
                sent_by: vec!["198.51.100.1:5060".into(); 2],
                ..TxnConfig::default()
            }),
            registrar: Registrar::new(RegistrarConfig::default(), local(), bindings, [3; 32], now),
            answers: vec![],
            writes: vec![],
            disk: true,
            kept: vec![],
            events: vec![],
            seen: BTreeSet::new(),
            number: 0,
        };
        house.configure(everybody());
        house
    }

    /// One whose challenges offer these algorithms.
    pub fn offering(algorithms: &[Algorithm]) -> House {
        let config = RegistrarConfig { algorithms: algorithms.to_vec(), ..RegistrarConfig::default() };
        let mut house = House::new();
        house.registrar = Registrar::new(config, local(), vec![], [3; 32], house.now);
        house.configure(everybody());
        house
    }

    pub fn configure(&mut self, entities: Vec<Entity>) {
        self.registrar.configure(&Arc::new(Config::load(entities)), self.now);
        self.drain();
    }

    pub fn drain(&mut self) {
        loop {
            if let Some(output) = self.txn.poll_output() {
                match output {
                    Output::Transmit(transmit) => {
                        if self.seen.insert(transmit.bytes.clone()) {
                            self.answers.push(Message::parse(transmit.bytes).unwrap());
                        }
                    }
                    Output::Request { key, message, flow } => {
                        let mut sip = Sip { txn: &mut self.txn, rng: &mut self.rng, now: self.now };
                        self.registrar.on_register(key, &message, flow, &mut sip);
                    }
                    other => panic!("unexpected: {other:?}"),
                }
            } else if let Some(output) = self.registrar.poll_output() {
                match output {
                    RegistrarOutput::Event(event) => self.events.push(event),
                    RegistrarOutput::Persist { id, changes } if self.disk => {
                        self.kept.extend(changes);
                        self.persisted(id, true);
                    }
                    RegistrarOutput::Persist { id, changes } => self.writes.push((id, changes)),
                }
            } else {
                return;
            }
        }
    }

    pub fn persisted(&mut self, id: u64, ok: bool) {
        let mut sip = Sip { txn: &mut self.txn, rng: &mut self.rng, now: self.now };
        self.registrar.persisted(id, ok, &mut sip);
        self.drain();
    }

    /// Feeds bytes; the answer, if there is one at once.
    pub fn receive(&mut self, bytes: Bytes, flow: Flow) -> Option<Message> {
        self.answers.clear();
        self.txn.receive(Message::parse(bytes).unwrap(), flow, self.now);
        self.drain();
        self.answers.pop()
    }

    /// One REGISTER without credentials.
    pub fn bare(&mut self, phone: &mut Phone, headers: &[(Header, &str)]) -> Message {
        self.number += 1;
        let bytes = phone.register(headers, None, self.number);
        self.receive(bytes, phone.from).expect("an answer")
    }

    /// A REGISTER and, behind its challenge, the same with credentials; what comes at once to that.
    pub fn try_register(&mut self, phone: &mut Phone, headers: &[(Header, &str)]) -> Option<Message> {
        let challenged = self.bare(phone, headers);
        assert_eq!(challenged.code(), Some(401));
        self.with_credentials(phone, &challenged, headers)
    }

    pub fn with_credentials(
        &mut self,
        phone: &mut Phone,
        challenged: &Message,
        headers: &[(Header, &str)],
    ) -> Option<Message> {
        let credentials =
            phone.digest.answer(challenged, "REGISTER", "sip:tandem.example", &mut self.rng).unwrap();
        self.number += 1;
        let bytes = phone.register(headers, Some(credentials), self.number);
        phone.digest.accepted();
        self.receive(bytes, phone.from)
    }

    pub fn register(&mut self, phone: &mut Phone, headers: &[(Header, &str)]) -> Message {
        self.try_register(phone, headers).expect("an answer")
    }

    /// Registers its one Contact for an hour.
    pub fn sign_in(&mut self, phone: &mut Phone) -> Message {
        let contact = phone.contact.clone();
        let answer = self.register(phone, &[(Header::Contact, &contact), (Header::Expires, "3600")]);
        assert_eq!(answer.code(), Some(200), "{answer:?}");
        answer
    }

    pub fn pass(&mut self, wait: Duration) {
        let end = self.now + wait;
        loop {
            let next = [self.txn.poll_timeout(), self.registrar.poll_timeout()];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.txn.handle_timeout(self.now);
            let mut sip = Sip { txn: &mut self.txn, rng: &mut self.rng, now: self.now };
            self.registrar.handle_timeout(&mut sip);
            self.drain();
        }
        self.now = end;
    }

    pub fn uris(&self, n: u64) -> Vec<String> {
        self.registrar.contacts(owner(n), self.now).into_iter().map(|contact| contact.uri).collect()
    }

    pub fn ended(&self) -> Vec<(String, &'static str)> {
        let ended = |event: &Event| match event {
            Event::RegistrationExpired { contact, .. } => Some((contact.clone(), "expired")),
            Event::RegistrationRemoved { contact, why, .. } => Some((contact.clone(), *why)),
            _ => None,
        };
        self.events.iter().filter_map(ended).collect()
    }

    pub fn failures(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::AuthFailed { .. })).count()
    }
}

pub fn listed(answer: &Message) -> Vec<(String, String)> {
    answer
        .headers(Header::Contact)
        .map(|value| {
            let contact = NameAddr::parse(value).unwrap();
            (contact.uri().as_str().to_owned(), contact.params().get("expires").unwrap_or("").to_owned())
        })
        .collect()
}

pub fn pair(uri: &str, expires: &str) -> (String, String) {
    (uri.to_owned(), expires.to_owned())
}
