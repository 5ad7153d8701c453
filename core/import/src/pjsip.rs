//! The objects of Asterisk's `res_pjsip` as fields of a trunk. Asterisk's own file and MikoPBX's additional parameters have the same
//! keys, and other defaults.

use crate::coerce::{Address, atoi};
use crate::draft::Source;
use crate::ini::Key;
use crate::plan::NoteKind;
use crate::{Draft, LEAST_EXPIRES, is_short};
use ipnet::IpNet;
use serde_json::{Value, json};
use std::net::IpAddr;
use tandem_model::Codec;

/// A kind of object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Object {
    /// Credentials for REGISTER.
    RegistrationAuth,
    Registration,
    /// Credentials for calls.
    EndpointAuth,
    Identify,
    Aor,
    Endpoint,
}

impl Object {
    /// As it is called in `imported_params`, and by MikoPBX.
    pub fn name(self) -> &'static str {
        match self {
            Object::RegistrationAuth => "registration-auth",
            Object::Registration => "registration",
            Object::EndpointAuth => "endpoint-auth",
            Object::Identify => "identify",
            Object::Aor => "aor",
            Object::Endpoint => "endpoint",
        }
    }
}

/// A word for yes or no as Asterisk reads it.
pub(crate) fn truth(text: &str) -> bool {
    ["yes", "true", "y", "t", "1", "on"].contains(&text.trim().to_ascii_lowercase().as_str())
}

/// Takes the keys of one object over into the trunk. `origin` is `asterisk` or `mikopbx`.
pub(crate) fn take(draft: &mut Draft, origin: &str, object: Object, keys: &[Key]) {
    let mut taking = Taking { draft, origin, object };
    let mut networks = Vec::new();
    let mut hosts = Vec::new();
    for (n, key) in keys.iter().enumerate() {
        let several = matches!(key.name.as_str(), "allow" | "disallow" | "match");
        if several || !keys[n + 1..].iter().any(|later| later.name == key.name) {
            taking.key(key, &mut networks, &mut hosts);
        }
    }
    for (field, values) in [("associated_ips", networks), ("associated_hosts", hosts)] {
        if let Some((_, source)) = values.last() {
            let values: Vec<&str> = values.iter().map(|(value, _)| value.as_str()).collect();
            taking.draft.set(field, json!(values), source);
        }
    }
    taking.codecs(keys);
}

type Found = Vec<(String, Source)>;

struct Taking<'a> {
    draft: &'a mut Draft,
    origin: &'a str,
    object: Object,
}

impl Taking<'_> {
    fn key(&mut self, key: &Key, networks: &mut Found, hosts: &mut Found) {
        let (source, value) = (Source::written(key.line, &key.name, &key.value), key.value.as_str());
        if value.is_empty() {
            return;
        }
        match (self.object, key.name.as_str()) {
            (_, "type" | "endpoint" | "line" | "auth" | "outbound_auth" | "aors") => {}
            (Object::Registration, "server_uri") => self.server(value, &source),
            (Object::Registration, "client_uri") => self.client(value, &source),
            (Object::Registration, "expiration") => {
                if is_short(value) {
                    self.draft.remember(self.object.name(), "expiration", value);
                }
                self.bounded("expires", value, (LEAST_EXPIRES, 86_400), &source)
            }
            (Object::Registration, "retry_interval") => self.bounded("retry_base", value, (5, 3600), &source),
            (
                Object::Registration,
                "forbidden_retry_interval"
                | "fatal_retry_interval"
                | "max_retries"
                | "auth_rejection_permanent",
            ) => {
                let message = "a trunk never gives up: refused credentials are tried again after 5 minutes, then ever more slowly up to an hour";
                self.keep(key, message);
                self.draft.note(NoteKind::Wire, Some(key.line), &key.name, message);
            }
            (Object::Registration | Object::Endpoint, "contact_user") => self.contact_user(key, &source),
            (_, "outbound_proxy") => {
                let place = Address::parse(value).place();
                self.draft.set("outbound_proxy", place, &source);
            }
            (Object::RegistrationAuth | Object::EndpointAuth, "username") => self.username(key, &source),
            (Object::RegistrationAuth | Object::EndpointAuth, "password") => self.password(key, &source),
            (Object::RegistrationAuth | Object::EndpointAuth, "realm") => {
                self.draft.set("realm", value, &source)
            }
            (Object::RegistrationAuth | Object::EndpointAuth, "auth_type") => {
                if !matches!(value, "userpass" | "digest" | "md5") {
                    self.keep(key, "only username and password are known");
                }
            }
            (Object::Identify, "match") => {
                for item in value.split(',').map(str::trim).filter(|item| !item.is_empty()) {
                    match network(item) {
                        Some(network) => networks.push((network, source.clone())),
                        None => hosts.push((Address::parse(item).place(), source.clone())),
                    }
                }
            }
            (Object::Aor, "contact") => self.contact(value, &source),
            (Object::Aor, "qualify_frequency") => match atoi(value) {
                0 => self.draft.set("ping_interval", 0, &source),
                _ => self.bounded("ping_interval", value, (5, 3600), &source),
            },
            (Object::Aor, "qualify_timeout") => {
                let seconds = value.parse::<f64>().unwrap_or(3.0).ceil().clamp(1.0, 60.0) as u32;
                match seconds.to_string() == value || format!("{seconds}.0") == value {
                    true => self.draft.set("ping_timeout", seconds, &source),
                    false => self.draft.coerce("ping_timeout", seconds, &source, "whole seconds, 1 to 60"),
                }
            }
            (
                Object::Aor,
                "max_contacts" | "remove_existing" | "minimum_expiration" | "maximum_expiration"
                | "default_expiration",
            ) => {
                self.keep(key, "only what registers here has contacts");
            }
            (Object::Endpoint, name) => self.endpoint(name, key, &source),
            _ => self.unknown(key),
        }
    }

    fn endpoint(&mut self, name: &str, key: &Key, source: &Source) {
        let value = key.value.as_str();
        match name {
            "from_user" => {
                self.draft.set("from_user", value, source);
                self.draft.set("caller_id_in_from", false, source);
                // It is for calls: who registers is who `client_uri` says, as before.
                self.draft.set("distinct_to", true, source);
            }
            "from_domain" => self.draft.set("from_domain", Address::parse(value).host, source),
            "allow" | "disallow" => {}
            "direct_media" => self.draft.set("direct_media", truth(value), source),
            "allow_transfer" => self.draft.set("allow_transfer", truth(value), source),
            "trust_id_inbound" => self.draft.set("trust_identity", truth(value), source),
            "send_pai" if truth(value) => self.draft.set("identity_header", "pai", source),
            "send_rpid" if truth(value) => self.draft.set("identity_header", "rpid", source),
            "send_pai" | "send_rpid" => self.draft.set_default("identity_header", "none", source),
            "timers" if matches!(value, "no" | "false" | "0") => self.draft.set("session_timer", 0, source),
            "timers" => self.draft.set_default("session_timer", 1800, source),
            "timers_sess_expires" if self.draft.get("session_timer") != Some(&json!(0)) => {
                self.bounded("session_timer", value, (90, 86_400), source);
            }
            "rtp_timeout" | "rtp_timeout_hold" if self.draft.knows(name) => match atoi(value) {
                0 => self.draft.set(name, 0, source),
                _ => self.bounded(name, value, (5, 86_400), source),
            },
            "dtmf_mode" if self.draft.knows("dtmf") => match value {
                "rfc4733" | "inband" | "auto" | "info" | "auto_info" => self.draft.set("dtmf", value, source),
                _ => self.keep(key, "digits are told as telephone-events, in the sound, or by INFO"),
            },
            "media_encryption" if value == "no" => {}
            "media_encryption" => {
                self.draft.note(NoteKind::Wire, Some(key.line), name, "media is not encrypted here");
                self.keep(key, "media is not encrypted here");
            }
            "100rel" => {
                self.keep(key, "reliable provisional responses are used where the other side asks for them")
            }
            "context" => self.keep(key, "calls are routed by number and tenant, not by context"),
            "callerid" => self.caller_id(value, source),
            "transport" => self
                .keep(key, "the transport is `udp`, `tcp` or `tls`; this names one that is not in the text"),
            _ => self.unknown(key),
        }
    }

    fn keep(&mut self, key: &Key, message: &str) {
        let name = format!("{}.{}", self.object.name(), key.name);
        self.draft.keep(self.origin, key.line, &name, &key.value, message);
    }

    fn unknown(&mut self, key: &Key) {
        self.keep(key, "there is no such setting of a trunk");
    }

    fn bounded(&mut self, field: &str, text: &str, (least, most): (u32, u32), source: &Source) {
        let given = atoi(text);
        let value = given.clamp(i64::from(least), i64::from(most));
        if value == given {
            return self.draft.set(field, value, source);
        }
        let why = format!("it can be {least} to {most} here");
        self.draft.coerce(field, value, source, &*why);
        self.draft.note(NoteKind::Wire, None, field, format!("{value} instead of {given}: {why}"));
    }

    /// Where REGISTER goes: the trunk's host, unless the contact of the aor says another.
    fn server(&mut self, value: &str, source: &Source) {
        let address = Address::parse(value);
        match self.draft.text("host") {
            Some(host) if host != address.host => self.draft.set("registrar", address.place(), source),
            _ => self.host(&address, source),
        }
    }

    fn contact(&mut self, value: &str, source: &Source) {
        let address = Address::parse(value);
        if let Some(host) = self.draft.text("host").filter(|host| *host != address.host) {
            let message = format!("calls go to {host}, where the trunk registers; this is left out");
            self.draft.note(NoteKind::Wire, None, "contact", message);
            return;
        }
        self.host(&address, source);
    }

    fn host(&mut self, address: &Address, source: &Source) {
        self.draft.set("host", address.host.as_str(), source);
        match address.port.as_deref().map(str::parse::<u16>) {
            Some(Ok(port)) if port > 0 => self.draft.set("port", port, source),
            None => {}
            _ => {
                let fix = "write it as `sip:sip.example.com:5060`";
                self.draft.problem(None, "port", "BAD_FORMAT", "what stands behind the host is no port", fix);
            }
        }
        if let Some(transport) = &address.transport {
            self.draft.set("transport", transport.as_str(), source);
        }
    }

    fn client(&mut self, value: &str, source: &Source) {
        let address = Address::parse(value);
        if let Some(user) = &address.user {
            match self.draft.text("username") {
                Some(username) if username != user => {
                    let digest = username.to_owned();
                    self.draft.set("auth_username", digest, source);
                    self.draft.set("username", user.as_str(), source);
                }
                _ => self.draft.set("username", user.as_str(), source),
            }
        }
        if self.draft.text("host").is_some_and(|host| host != address.host) {
            self.draft.set_default("from_domain", address.host, source);
        }
    }

    fn username(&mut self, key: &Key, source: &Source) {
        match self.draft.text("username") {
            None => self.draft.set("username", key.value.as_str(), source),
            Some(known) if known == key.value => {}
            Some(_) if self.object == Object::RegistrationAuth => {
                self.draft.set("auth_username", key.value.as_str(), source);
            }
            Some(_) => self.keep(key, "a trunk has one account, for REGISTER and for calls"),
        }
    }

    fn password(&mut self, key: &Key, source: &Source) {
        match self.draft.text("password") {
            Some(known) if known != key.value => {
                let message =
                    "a trunk has one password, for REGISTER and for calls: that of the registration is taken";
                self.draft.note(NoteKind::NoEquivalent, Some(key.line), "password", message);
            }
            _ => self.draft.set("password", key.value.as_str(), source),
        }
    }

    fn contact_user(&mut self, key: &Key, source: &Source) {
        let same = self.draft.text("username") == Some(&*key.value);
        if same {
            return self.draft.set("contact_user", "username", source);
        }
        self.keep(key, "the user of our Contact is the username, the trunk's token or its inbound extension");
        let message =
            "the user of our Contact is the username: set `contact_user` if the provider needs another";
        self.draft.note(NoteKind::Wire, Some(key.line), "contact_user", message);
    }

    fn caller_id(&mut self, value: &str, source: &Source) {
        let (name, number) = match value.split_once('<') {
            Some((name, rest)) => (name.trim().trim_matches('"'), rest.split('>').next().unwrap_or_default()),
            None => ("", value),
        };
        if !name.is_empty() {
            self.draft.set("caller_id_name", name, source);
        }
        if !number.trim().is_empty() {
            self.draft.set("caller_id_number", number.trim(), source);
        }
    }

    /// `disallow=all`, `allow=ulaw,alaw`, in the order they stand.
    fn codecs(&mut self, keys: &[Key]) {
        let mut codecs: Vec<Codec> = Vec::new();
        let mut last = None;
        for key in keys.iter().filter(|key| matches!(key.name.as_str(), "allow" | "disallow")) {
            for name in key.value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                let (allow, name) = match name.strip_prefix('!') {
                    Some(name) => (key.name == "disallow", name),
                    None => (key.name == "allow", name),
                };
                match (allow, codec(name)) {
                    (false, _) if name == "all" => codecs.clear(),
                    (false, Some(codec)) => codecs.retain(|known| *known != codec),
                    (true, Some(codec)) if !codecs.contains(&codec) => codecs.push(codec),
                    (_, Some(_)) => {}
                    (_, None) => {
                        let message = format!(
                            "{} is no codec that is known here",
                            name.chars().take(32).collect::<String>()
                        );
                        self.draft.note(NoteKind::NoEquivalent, Some(key.line), &key.name, message);
                    }
                }
            }
            last = Some(key);
        }
        let Some(key) = last.filter(|_| !codecs.is_empty()) else { return };
        codecs.push(Codec::TelephoneEvent);
        let names: Vec<&str> = codecs.iter().map(|codec| codec.name()).collect();
        self.draft.set("codecs", json!(names), &Source::written(key.line, &key.name, &key.value));
    }
}

fn codec(name: &str) -> Option<Codec> {
    Some(match name.to_ascii_lowercase().as_str() {
        "ulaw" => Codec::Pcmu,
        "alaw" => Codec::Pcma,
        "g722" => Codec::G722,
        "g729" => Codec::G729,
        "gsm" => Codec::Gsm,
        "opus" => Codec::Opus,
        _ => return None,
    })
}

fn network(text: &str) -> Option<String> {
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    Some(net.trunc().to_string())
}

/// What was set as a whole number.
pub(crate) fn number(draft: &Draft, field: &str) -> Option<u64> {
    draft.get(field).and_then(Value::as_u64)
}
