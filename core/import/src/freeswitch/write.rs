//! Trunks as gateways of FreeSWITCH. Where FreeSWITCH has no parameter for a field, ours stands beside them, so that what is
//! read again is the same trunk.

use super::gateway::{self, KEPT, OURS};
use super::{Gateway, Param, Variable};
use serde_json::{Map, Value};
use std::fmt::Write;
use tandem_model::{
    Codec, Config, ContactUser, Entity, FromCopy, IdentityHeader, Kind, SignallingTransport, Trunk,
    TrunkMode, Vars,
};

const HEAD: &str = "<!-- Gateways of a Tandem server. Parameters that begin with x-tandem- say what FreeSWITCH has no parameter for; FreeSWITCH passes over them. -->";
const WITHHELD: &str =
    "<!-- password: left out of the export; who imports this file keeps the one that is there -->";

/// All trunks of a configuration as a file of gateways.
pub(crate) fn write(config: &Config) -> String {
    let mut out = format!("<include>\n  {HEAD}\n");
    for trunk in config.trunks.values() {
        write_trunk(trunk, &mut out);
    }
    out.push_str("</include>\n");
    out
}

fn write_trunk(trunk: &Trunk, out: &mut String) {
    if !matches!(trunk.mode, TrunkMode::RegisterOut | TrunkMode::Credential | TrunkMode::IpAuth) {
        let _ = writeln!(
            out,
            "  <!-- trunk {} proves itself to this server: in FreeSWITCH a user of the directory, no gateway -->",
            trunk.slug
        );
        return;
    }
    let mut gateway = gateway_of(trunk);
    add_ours(trunk, &mut gateway);
    let _ = writeln!(out, "  <gateway name=\"{}\">", escape(&gateway.name));
    if gateway.withheld {
        let _ = writeln!(out, "    {WITHHELD}");
    }
    for Param { name, value, .. } in &gateway.params {
        let _ = writeln!(out, "    <param name=\"{}\" value=\"{}\"/>", escape(name), escape(value));
    }
    if !gateway.variables.is_empty() {
        out.push_str("    <variables>\n");
        for Variable { name, value, direction, .. } in &gateway.variables {
            let direction = direction.as_ref().map(|way| format!(" direction=\"{way}\"")).unwrap_or_default();
            let (name, value) = (escape(name), escape(value));
            let _ = writeln!(out, "      <variable name=\"{name}\" value=\"{value}\"{direction}/>");
        }
        out.push_str("    </variables>\n");
    }
    out.push_str("  </gateway>\n");
}

fn gateway_of(trunk: &Trunk) -> Gateway {
    let mut params = Vec::new();
    let mut put = |name: &str, value: &str| {
        params.push(Param { name: name.to_owned(), value: value.to_owned(), line: 0 });
    };
    let mut text = |name: &str, value: Option<&str>| value.into_iter().for_each(|value| put(name, value));
    text("username", trunk.username.as_deref());
    text("auth-username", trunk.auth_username.as_deref());
    text("realm", trunk.realm.as_deref());
    text("from-user", trunk.from_user.as_deref());
    text(
        "from-domain",
        match trunk.from_copy() {
            Some(FromCopy::Full) => Some("auto-aleg-full"),
            Some(FromCopy::Domain) => Some("auto-aleg-domain"),
            None => trunk.from_domain.as_deref(),
        },
    );
    let proxy = trunk.host.as_deref().map(|host| match trunk.port {
        Some(port) if host.contains(':') => format!("[{host}]:{port}"),
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    });
    text("proxy", proxy.as_deref());
    text("register-proxy", trunk.registrar.as_deref());
    text("outbound-proxy", trunk.outbound_proxy.as_deref());
    text("extension", trunk.inbound_extension.as_deref());
    text("contact-host", trunk.contact_host.as_deref());
    text("contact-params", trunk.contact_params.as_deref());
    text("destination-prefix", Some(&*trunk.tech_prefix).filter(|prefix| !prefix.is_empty()));
    text(
        "register-transport",
        Some(match trunk.transport {
            SignallingTransport::Auto => "udp".to_owned(),
            other => serde_json::to_value(other)
                .ok()
                .and_then(|name| name.as_str().map(str::to_owned))
                .unwrap_or_default(),
        })
        .as_deref(),
    );
    let mut switch = |name: &str, on: bool| text(name, Some(if on { "true" } else { "false" }));
    switch("register", trunk.mode == TrunkMode::RegisterOut);
    switch("caller-id-in-from", trunk.caller_id_in_from);
    switch("extension-in-contact", trunk.contact_user == ContactUser::Extension);
    switch("distinct-to", trunk.distinct_to);
    switch("rfc-5626", trunk.outbound_rfc5626);
    let mut number = |name: &str, value: u32| put(name, &value.to_string());
    number("expire-seconds", trunk.expires);
    number("retry-seconds", trunk.retry_base);
    number("timeout-seconds", trunk.register_timeout);
    if trunk.ping_interval > 0 {
        number("ping", trunk.ping_interval);
    }
    number("ping-min", trunk.ping_ok);
    number("ping-max", trunk.ping_ok + trunk.ping_fail - 1);
    if !trunk.challengers.is_empty() {
        let networks: Vec<String> = trunk.challengers.iter().map(ToString::to_string).collect();
        put("gw-auth-acl", &networks.join(","));
    }
    later(trunk, &mut put);
    for (name, value) in &trunk.imported_params {
        match name.strip_prefix(KEPT).and_then(|name| name.strip_prefix('.')) {
            Some(name) if !params.iter().any(|param| param.name == name) => {
                params.push(Param { name: name.to_owned(), value: value.clone(), line: 0 });
            }
            _ => {}
        }
    }
    let withheld = trunk.password.is_some();
    Gateway { name: trunk.slug.clone(), params, variables: variables(trunk), withheld, ..Gateway::default() }
}

/// Fields that are asked for by name, as the importer does.
fn later(trunk: &Trunk, put: &mut impl FnMut(&str, &str)) {
    let Ok(shown) = serde_json::to_value(trunk) else { return };
    if let Some(seconds) = shown["timeout_retry"].as_u64() {
        put("908-retry-seconds", &seconds.to_string());
    }
    if shown["ping_contact"] == true {
        put("contact-in-ping", "true");
    }
    if let Some(agent) = shown["ping_user_agent"].as_str() {
        put("ping-user-agent", agent);
    }
}

fn variables(trunk: &Trunk) -> Vec<Variable> {
    let mut variables = Vec::new();
    let mut put = |name: &str, value: &str, direction: Option<&str>| {
        let direction = direction.map(str::to_owned);
        variables.push(Variable { name: name.to_owned(), value: value.to_owned(), direction, line: 0 });
    };
    if trunk.codecs != Codec::defaults() {
        let audio: Vec<&str> =
            trunk.codecs.iter().filter(|codec| codec.is_audio()).map(|codec| codec.name()).collect();
        put("absolute_codec_string", &audio.join(","), Some("outbound"));
    }
    match trunk.identity_header {
        IdentityHeader::Pai => put("sip_cid_type", "pid", Some("outbound")),
        IdentityHeader::None => put("sip_cid_type", "none", Some("outbound")),
        IdentityHeader::Rpid | IdentityHeader::Ppi => {}
    }
    let both = |name: &String, value: &String, other: &Vars| other.get(name) == Some(value);
    for (name, value) in &trunk.inbound_context_vars {
        let direction = if both(name, value, &trunk.outbound_vars) { None } else { Some("inbound") };
        put(name, value, direction);
    }
    for (name, value) in &trunk.outbound_vars {
        if !both(name, value, &trunk.inbound_context_vars) {
            put(name, value, Some("outbound"));
        }
    }
    variables
}

/// Reads the gateway as an importer would, and adds what would not come back as it is.
fn add_ours(trunk: &Trunk, gateway: &mut Gateway) {
    let Ok(Value::Object(meant)) = serde_json::to_value(trunk) else { return };
    let read = gateway::draft(gateway).body();
    let back = complete(&read, trunk);
    // A password that is written in by hand would tell an importer of another mode.
    let depends = gateway.withheld && trunk.mode != TrunkMode::RegisterOut;
    for (field, value) in &meant {
        let differs = back.get(field) != Some(value) || depends && field == "mode";
        if field != "id" && differs {
            gateway.params.push(Param { name: format!("{OURS}{field}"), value: value.to_string(), line: 0 });
        }
    }
}

/// The trunk that a body makes where there was none.
fn complete(body: &Map<String, Value>, trunk: &Trunk) -> Map<String, Value> {
    let made = Entity::create(Kind::Trunk, trunk.id.0, Value::Object(body.clone()));
    match made.map(|entity| entity.to_json()) {
        Ok(Value::Object(made)) => made,
        // Something in it would be refused: then every field stands for itself.
        _ => Map::new(),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", c as u32);
            }
            c => out.push(c),
        }
    }
    out
}
