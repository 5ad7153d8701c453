//! What each parameter of a gateway becomes, with the defaults and the corrections that FreeSWITCH's parser makes.

use super::{Gateway, ORIGIN, Param, Subscription, Variable};
use crate::Draft;
use crate::coerce::{Address, atoi, switch, variables};
use crate::draft::{Source, is_secret};
use crate::is_short;
use crate::plan::NoteKind;
use ipnet::IpNet;
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use tandem_model::{Codec, Kind};

/// How parameters begin that say something of a trunk that no parameter of FreeSWITCH's says. FreeSWITCH passes over them.
pub(super) const OURS: &str = "x-tandem-";
/// How parameters without equivalent are called in `imported_params`.
pub(super) const KEPT: &str = "freeswitch";

/// Values of sample files that are no password.
const PLACEHOLDERS: [&str; 4] = ["not-used", "notused", "unused", "none"];

/// Why FreeSWITCH would not take a gateway.
pub(super) fn incomplete(gateway: &Gateway) -> Option<&'static str> {
    let given =
        |name: &str| gateway.params.iter().rev().find(|param| param.name == name && !param.value.is_empty());
    let registers = given("register").is_none_or(|param| switch(&param.value).0);
    let transport = given("register-transport").map(|param| param.value.to_ascii_lowercase());
    if registers && given("username").is_none() {
        Some("it registers, and has no `username`")
    } else if registers && given("password").is_none() && !gateway.withheld {
        Some("it registers, and has no `password`")
    } else if transport.is_some_and(|name| !["udp", "tcp", "tls", "sctp", "ws", "wss"].contains(&&*name)) {
        Some("its `register-transport` is none")
    } else {
        None
    }
}

/// The trunk that a gateway becomes.
pub(super) fn draft(gateway: &Gateway) -> Draft {
    let mut reading =
        Reading { draft: Draft::new(Kind::Trunk, &gateway.name, gateway.line), gateway, used: Vec::new() };
    reading.all();
    reading.draft
}

struct Reading<'a> {
    draft: Draft,
    gateway: &'a Gateway,
    used: Vec<&'a str>,
}

impl<'a> Reading<'a> {
    fn all(&mut self) {
        let name = self.gateway.name.clone();
        let of_name = Source::written(self.gateway.line, "gateway name", &name);
        self.draft.set("name", name.as_str(), &of_name);
        self.draft.set("slug", name, &of_name);
        self.account();
        self.place();
        self.from();
        self.registration();
        self.contact();
        self.inbound();
        self.ping();
        self.variables();
        self.identity();
        self.challengers();
        self.rest();
        self.ours();
    }

    /// The last value of a parameter, if it is not empty: that is how FreeSWITCH takes it.
    fn param(&mut self, name: &'static str) -> Option<&'a Param> {
        self.used.push(name);
        self.gateway.params.iter().rev().find(|param| param.name == name && !param.value.is_empty())
    }

    fn source(param: &Param) -> Source {
        Source::written(param.line, &param.name, &param.value)
    }

    /// A parameter that is taken as it is; null, which is our default, without it.
    fn plain(&mut self, name: &'static str, field: &str) {
        match self.param(name) {
            Some(param) => self.draft.set(field, param.value.as_str(), &Self::source(param)),
            None => self.draft.set(field, Value::Null, &Source::default_of(ORIGIN)),
        }
    }

    fn switch(&mut self, name: &'static str, default: bool) -> (bool, Source, Option<&'static str>) {
        let Some(param) = self.param(name) else { return (default, Source::default_of(ORIGIN), None) };
        let (on, known) = switch(&param.value);
        let why = (!known).then_some("no word for yes or no, which FreeSWITCH takes for no");
        (on, Self::source(param), why)
    }

    fn set_switch(&mut self, name: &'static str, field: &str) {
        let (on, source, why) = self.switch(name, false);
        match why {
            Some(why) => self.draft.coerce(field, on, &source, why),
            None => self.draft.set(field, on, &source),
        }
    }

    fn account(&mut self) {
        let (registers, source, why) = self.switch("register", true);
        let username = self.param("username");
        let password = self.param("password");
        let mode = match (registers, username, password) {
            (true, ..) => "register_out",
            (false, Some(_), Some(password)) if !PLACEHOLDERS.contains(&&*password.value) => "credential",
            (false, ..) => "ip_auth",
        };
        match why {
            Some(why) => self.draft.coerce("mode", mode, &source, why),
            None => self.draft.set("mode", mode, &source),
        }
        match username {
            Some(param) => self.draft.set("username", param.value.as_str(), &Self::source(param)),
            None => self.draft.set("username", "FreeSWITCH", &Source::default_of(ORIGIN)),
        }
        match password {
            Some(param) if mode == "ip_auth" => {
                let message = "this is what samples write where there is no password: the trunk is known by its address";
                self.draft.note(NoteKind::Coerced, Some(param.line), "password", message);
            }
            Some(param) => self.draft.set("password", param.value.as_str(), &Self::source(param)),
            None if self.gateway.withheld => {
                let message =
                    "the file does not have it: the password of the trunk stays, if it is there already";
                self.draft.note(NoteKind::Skipped, Some(self.gateway.line), "password", message);
            }
            None => {}
        }
        self.plain("auth-username", "auth_username");
        self.plain("realm", "realm");
        if let Some(param) = self.param("realm").filter(|_| mode != "ip_auth") {
            let message = "credentials are given to challenges of this realm alone; FreeSWITCH answers any realm of the proxy";
            self.draft.note(NoteKind::Wire, Some(param.line), "realm", message);
        }
    }

    fn place(&mut self) {
        let (param, why) = match (self.param("proxy"), self.param("realm")) {
            (Some(proxy), _) => (Some(proxy), None),
            (None, Some(realm)) => (Some(realm), Some("no `proxy`: FreeSWITCH takes the realm")),
            (None, None) => (None, Some("neither `proxy` nor `realm`: FreeSWITCH takes the gateway's name")),
        };
        let (text, source) = match param {
            Some(param) => (param.value.as_str(), Self::source(param)),
            None => (
                self.gateway.name.as_str(),
                Source::written(self.gateway.line, "gateway name", &self.gateway.name),
            ),
        };
        let address = Address::parse(text);
        match why {
            Some(why) => self.draft.coerce("host", address.host.as_str(), &source, why),
            None => self.draft.set("host", address.host.as_str(), &source),
        }
        self.port(&address, param.map(|param| param.line), &source);
        match self.param("register-transport") {
            Some(param) => {
                let name = param.value.to_ascii_lowercase();
                self.draft.set("transport", name.as_str(), &Self::source(param));
                if address.transport.as_ref().is_some_and(|other| *other != name) {
                    let message =
                        format!("`register-transport` is {name}, and this says another: {name} is taken");
                    self.draft.note(NoteKind::Wire, Some(param.line), "transport", message);
                }
            }
            None => match address.transport {
                Some(transport) => {
                    self.draft.coerce("transport", transport, &source, "it is part of the address")
                }
                None => self.draft.set("transport", "udp", &Source::default_of(ORIGIN)),
            },
        }
        self.proxy("register-proxy", "registrar");
        self.proxy("outbound-proxy", "outbound_proxy");
        if let Some(param) = self.param("register-proxy") {
            let message = "OPTIONS go to the host; FreeSWITCH sends them here too";
            self.draft.note(NoteKind::Wire, Some(param.line), "register-proxy", message);
        }
        if let Some(param) = self.param("outbound-proxy") {
            let message =
                "every request goes this way; FreeSWITCH sends REGISTER and OPTIONS to the proxy itself";
            self.draft.note(NoteKind::Wire, Some(param.line), "outbound-proxy", message);
        }
    }

    fn port(&mut self, address: &Address, line: Option<usize>, source: &Source) {
        match address.port.as_deref().map(str::parse::<u16>) {
            Some(Ok(port)) if port > 0 => self.draft.set("port", port, source),
            None => self.draft.set("port", Value::Null, &Source::default_of(ORIGIN)),
            _ => {
                let fix = "write it as `sip.example.com:5060`";
                self.draft.problem(line, "port", "BAD_FORMAT", "what stands behind the host is no port", fix);
            }
        }
    }

    fn proxy(&mut self, name: &'static str, field: &str) {
        let Some(param) = self.param(name) else {
            return self.draft.set(field, Value::Null, &Source::default_of(ORIGIN));
        };
        let (source, address) = (Self::source(param), Address::parse(&param.value));
        let place = address.place();
        match place == param.value {
            true => self.draft.set(field, place, &source),
            false => self.draft.coerce(field, place, &source, "only host and port are kept"),
        }
    }

    fn from(&mut self) {
        self.plain("from-user", "from_user");
        match self.param("from-domain") {
            Some(param) => {
                let source = Self::source(param);
                match param.value.as_str() {
                    "auto-aleg-full" => self.draft.set("from_domain", "aleg_full", &source),
                    "auto-aleg-domain" => self.draft.set("from_domain", "aleg_domain", &source),
                    domain => self.draft.set("from_domain", domain, &source),
                }
            }
            None => {
                self.draft.set("from_domain", Value::Null, &Source::default_of(ORIGIN));
                if let Some(realm) =
                    self.param("realm").filter(|_| self.draft.text("host") != self.draft.text("realm"))
                {
                    let message = format!(
                        "From has the realm, {}, as FreeSWITCH's documentation says; its code puts the proxy there: give from-domain if the provider asks for it",
                        realm.value
                    );
                    self.draft.note(NoteKind::Wire, Some(realm.line), "from-domain", message);
                }
            }
        }
        self.set_switch("caller-id-in-from", "caller_id_in_from");
        match self.param("destination-prefix") {
            Some(param) => self.draft.set("tech_prefix", param.value.as_str(), &Self::source(param)),
            None => self.draft.set("tech_prefix", "", &Source::default_of(ORIGIN)),
        }
        self.draft.set("number_format_out", "as_dialled", &Source::default_of(ORIGIN));
    }

    /// A time that has a least one, below which FreeSWITCH takes the default; and the bounds that it has here.
    fn seconds(&mut self, name: &'static str, field: &str, default: u32, bounds: (u32, u32)) {
        let Some(param) = self.param(name) else {
            return self.draft.set(field, default, &Source::default_of(ORIGIN));
        };
        let (source, given) = (Self::source(param), atoi(&param.value));
        if given < 5 {
            let why = format!("less than 5: FreeSWITCH takes {default}");
            return self.draft.coerce(field, default, &source, why);
        }
        self.bounded(field, given, bounds, &source);
    }

    fn bounded(&mut self, field: &str, given: i64, (least, most): (u32, u32), source: &Source) {
        let value = given.clamp(i64::from(least), i64::from(most));
        if value == given {
            return self.draft.set(field, value, source);
        }
        let why = format!("it can be {least} to {most} here");
        self.draft.coerce(field, value, source, &*why);
        self.draft.note(NoteKind::Wire, None, field, format!("{value} s instead of {given} s: {why}"));
    }

    fn registration(&mut self) {
        self.seconds("expire-seconds", "expires", 3600, (crate::LEAST_EXPIRES, 86_400));
        if let Some(param) = self.param("expire-seconds").filter(|param| is_short(&param.value)) {
            self.draft.remember(KEPT, "expire-seconds", &param.value);
        }
        self.seconds("retry-seconds", "retry_base", 30, (5, 3600));
        self.seconds("timeout-seconds", "register_timeout", 60, (5, 120));
        let base = self.draft.get("retry_base").and_then(Value::as_u64).unwrap_or(30);
        self.draft.set("retry_max", base.max(1800), &Source::default_of("Tandem"));
        if self.draft.text("mode") == Some("register_out") {
            let message = format!(
                "after failures REGISTER comes again after {base} s, then twice as long each time up to {} s; FreeSWITCH waits {base} s longer each time, without end",
                base.max(1800)
            );
            self.draft.note(NoteKind::Wire, None, "retry-seconds", message);
        }
        if self.draft.knows("timeout_retry") {
            match self.param("908-retry-seconds") {
                Some(param) => {
                    let source = Self::source(param);
                    self.bounded("timeout_retry", atoi(&param.value), (5, 3600), &source);
                }
                None => self.draft.set("timeout_retry", Value::Null, &Source::default_of(ORIGIN)),
            }
        }
        self.set_switch("distinct-to", "distinct_to");
        self.set_switch("rfc-5626", "outbound_rfc5626");
    }

    fn contact(&mut self) {
        let (extension, source, why) = self.switch("extension-in-contact", false);
        let user = if extension { "extension" } else { "token" };
        match why {
            Some(why) => self.draft.coerce("contact_user", user, &source, why),
            None => self.draft.set("contact_user", user, &source),
        }
        match self.param("contact-host") {
            Some(param) if param.value == "sip-ip" => {
                self.draft.coerce(
                    "contact_host",
                    Value::Null,
                    &Self::source(param),
                    "our own address is the default",
                );
            }
            Some(param) => self.draft.set("contact_host", param.value.as_str(), &Self::source(param)),
            None => self.draft.set("contact_host", Value::Null, &Source::default_of(ORIGIN)),
        }
        match self.param("contact-params") {
            Some(param) => {
                let (source, trimmed) = (Self::source(param), param.value.trim_matches([';', ' ']));
                match trimmed == param.value {
                    true => self.draft.set("contact_params", trimmed, &source),
                    false => self.draft.coerce(
                        "contact_params",
                        trimmed,
                        &source,
                        "`;` is put before it by the server",
                    ),
                }
            }
            None => self.draft.set("contact_params", Value::Null, &Source::default_of(ORIGIN)),
        }
    }

    fn inbound(&mut self) {
        match self.param("extension") {
            Some(param) => self.draft.set("inbound_extension", param.value.as_str(), &Self::source(param)),
            None => {
                let why = "FreeSWITCH sends calls to its gateway's username; here the called number counts";
                self.draft.coerce("inbound_extension", Value::Null, &Source::default_of(ORIGIN), why);
            }
        }
    }

    fn ping(&mut self) {
        match self.param("ping") {
            None => self.draft.set("ping_interval", 0, &Source::default_of(ORIGIN)),
            Some(param) => {
                let (source, given) = (Self::source(param), atoi(&param.value));
                match given < 5 {
                    true => self.draft.coerce(
                        "ping_interval",
                        0,
                        &source,
                        "less than 5: FreeSWITCH refuses it and sends none",
                    ),
                    false => self.bounded("ping_interval", given, (5, 3600), &source),
                }
            }
        }
        let (min, min_source) = self.count("ping-min");
        let (max, max_source) = self.count("ping-max");
        self.draft.set("ping_ok", min, &min_source);
        if max < min {
            let why = format!("less than `ping-min`, which could never be reached: {min} is taken");
            self.draft.coerce("ping_fail", 1, &max_source, why);
        } else {
            self.draft.set("ping_fail", (max - min + 1).min(100), &max_source);
        }
        if self.draft.knows("ping_unregisters") {
            self.draft.set("ping_unregisters", true, &Source::default_of(ORIGIN));
            self.set_switch("contact-in-ping", "ping_contact");
            self.plain("ping-user-agent", "ping_user_agent");
        }
    }

    fn count(&mut self, name: &'static str) -> (i64, Source) {
        match self.param(name) {
            Some(param) => (atoi(&param.value).clamp(1, 100), Self::source(param)),
            None => (1, Source::default_of(ORIGIN)),
        }
    }

    fn variables(&mut self) {
        let (mut inbound, mut outbound) = (Map::new(), Map::new());
        let source = Source::written(self.gateway.line, "variables", "as they stand");
        for variable in &self.gateway.variables {
            let (to_in, to_out) = match variable.direction.as_deref() {
                None | Some("") => (true, true),
                Some("inbound") => (true, false),
                Some("outbound") => (false, true),
                Some(other) => {
                    let message =
                        format!("`{other}` is no direction: FreeSWITCH sets the variable on no call");
                    self.draft.note(NoteKind::Coerced, Some(variable.line), &variable.name, message);
                    continue;
                }
            };
            self.unresolved(&variable.name, &variable.value, variable.line);
            if to_out && self.field(variable) {
                continue;
            }
            for map in [to_in.then_some(&mut inbound), to_out.then_some(&mut outbound)].into_iter().flatten()
            {
                map.insert(variable.name.clone(), variable.value.as_str().into());
            }
        }
        self.draft.set("inbound_context_vars", inbound, &source);
        self.draft.set("outbound_vars", outbound, &source);
    }

    /// Variables that are fields here.
    fn field(&mut self, variable: &Variable) -> bool {
        let source = Source::written(variable.line, &variable.name, &variable.value);
        match variable.name.as_str() {
            "absolute_codec_string" | "codec_string" => match codecs(&variable.value) {
                Ok(codecs) => self.draft.set("codecs", codecs, &source),
                Err(unknown) => {
                    let message = format!(
                        "{unknown} is no codec that is known here: the codecs stay as they are by default"
                    );
                    self.draft.note(NoteKind::NoEquivalent, Some(variable.line), &variable.name, message);
                    return false;
                }
            },
            "sip_cid_type" => match variable.value.as_str() {
                "pid" => self.draft.set("identity_header", "pai", &source),
                "rpid" => self.draft.set("identity_header", "rpid", &source),
                "none" => self.draft.set("identity_header", "none", &source),
                _ => return false,
            },
            "dtmf_type" if self.draft.knows("dtmf") => match variable.value.as_str() {
                "rfc2833" => self.draft.set("dtmf", "rfc4733", &source),
                "info" => self.draft.set("dtmf", "info", &source),
                "none" => self.draft.set("dtmf", "inband", &source),
                _ => return false,
            },
            _ => return false,
        }
        true
    }

    fn identity(&mut self) {
        self.draft.set_default("identity_header", "rpid", &Source::default_of(ORIGIN));
        if let Some(param) = self.param("cid-type") {
            let message = "FreeSWITCH does not read this in a gateway: a variable `sip_cid_type` decides, or the profile, which writes Remote-Party-ID by default";
            self.draft.keep(KEPT, param.line, "cid-type", &param.value, message);
        }
    }

    fn challengers(&mut self) {
        let Some(param) = self.param("gw-auth-acl") else {
            return self.draft.set("challengers", json!([]), &Source::default_of(ORIGIN));
        };
        let network = |text: &str| {
            text.parse::<IpNet>()
                .ok()
                .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
                .map(|net| net.to_string())
        };
        let networks: Option<Vec<String>> = param.value.split(',').map(|text| network(text.trim())).collect();
        match networks {
            Some(networks) => self.draft.set("challengers", networks, &Self::source(param)),
            None => {
                let message = "this names a list that is kept elsewhere: put its networks into `challengers`. Until then only the trunk's own hosts may challenge";
                self.draft.keep(KEPT, param.line, "gw-auth-acl", &param.value, message);
            }
        }
    }

    /// What is left over.
    fn rest(&mut self) {
        for param in &self.gateway.params {
            if !param.name.starts_with(OURS) && !is_secret(&param.name) {
                self.unresolved(&param.name, &param.value, param.line);
            }
            if self.used.contains(&&*param.name) || param.name.starts_with(OURS) || param.name == "password" {
                continue;
            }
            let message = match param.name.as_str() {
                "context" => "calls are routed by number and tenant, not by context",
                "reg-id" => "the number of the registration is given by the server",
                "scheme" if param.value.eq_ignore_ascii_case("digest") => continue,
                "scheme" => "only Digest is known",
                "908-retry-seconds" => {
                    "a REGISTER that nobody answers is repeated as after any other failure"
                }
                "ping-monitoring" => "there is no event for each ping",
                "ping-user-agent" => "OPTIONS have the server's own User-Agent",
                "contact-in-ping" => "OPTIONS have no Contact",
                _ => "no parameter of this name is known",
            };
            self.draft.keep(KEPT, param.line, &param.name, &param.value, message);
        }
        for subscription in &self.gateway.subscriptions {
            self.subscription(subscription);
        }
        if let Some(user) = &self.gateway.user {
            let message =
                format!("a gateway of the directory's user {user}: the trunk belongs to the system");
            self.draft.note(NoteKind::NoEquivalent, Some(self.gateway.line), "user", message);
        }
    }

    fn subscription(&mut self, subscription: &Subscription) {
        let value = |name: &str| {
            subscription.params.iter().rev().find(|param| param.name == name).map(|param| atoi(&param.value))
        };
        let expires = value("expire-seconds").filter(|given| *given >= 5).unwrap_or(3600) - 2;
        let retry = value("retry-seconds").filter(|given| *given >= 10).unwrap_or(30);
        let message = format!(
            "nothing is subscribed to at a trunk; FreeSWITCH would subscribe to {} for {expires} s, and again {retry} s after a failure",
            subscription.event
        );
        self.draft.note(NoteKind::NoEquivalent, Some(subscription.line), "subscription", message);
    }

    fn unresolved(&mut self, name: &str, value: &str, line: usize) {
        for variable in variables(value) {
            let message = format!(
                "`$${{{variable}}}` is set elsewhere in FreeSWITCH and stays as it is written: put the value there"
            );
            self.draft.note(NoteKind::Variable, Some(line), name, message);
        }
    }

    /// Fields under their own names: an export of ours has them where FreeSWITCH has no parameter.
    fn ours(&mut self) {
        for param in &self.gateway.params {
            let Some(field) = param.name.strip_prefix(OURS) else { continue };
            if matches!(field, "id" | "password") || !self.draft.knows(field) {
                let fix = "leave it out, or write the name of a field of a trunk";
                self.draft.problem(
                    Some(param.line),
                    field,
                    "UNKNOWN_FIELD",
                    "this is no field that can be set here",
                    fix,
                );
                continue;
            }
            match serde_json::from_str::<Value>(&param.value) {
                Ok(value) => self.draft.set(field, value, &Self::source(param)),
                Err(_) => {
                    let fix = "write it as JSON: text in quotes, numbers and true or false without";
                    self.draft.problem(Some(param.line), field, "BAD_FORMAT", "the value is not JSON", fix);
                }
            }
        }
    }
}

/// Codecs of a list as FreeSWITCH writes it, `PCMU@8000h@20i,G729`, and the events that it offers beside them.
pub(super) fn codecs(list: &str) -> Result<Vec<String>, String> {
    let known = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::G729, Codec::Gsm, Codec::Opus];
    let mut codecs = Vec::new();
    for item in list.split([',', ':']).map(str::trim).filter(|item| !item.is_empty()) {
        let name = item.split(['@', '~', '.']).next().unwrap_or_default();
        let codec = known.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name));
        codecs.push(codec.ok_or_else(|| name.chars().take(32).collect::<String>())?.name().to_owned());
    }
    codecs.push(Codec::TelephoneEvent.name().to_owned());
    Ok(codecs)
}
