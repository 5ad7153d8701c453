//! Rules between entities of which each is right by itself.

use super::{Touched, text};
use crate::findings::Findings;
use crate::index::Clash;
use crate::{CallerMatch, Config, Entity, Kind, SignallingTransport, Tenant, Trunk, TrunkId, TrunkMode};
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use uuid::Uuid;

/// Where requests go when no port is configured and no SRV record says otherwise (RFC 3261 §19.1.2).
const DEFAULT_PORT: u16 = 5060;
/// The same over TLS.
const DEFAULT_TLS_PORT: u16 = 5061;

pub(super) fn check(config: &Config, touched: &Touched, clashes: &[Clash], findings: &mut Findings) {
    duplicate_inbound(config, touched, findings);
    for clash in clashes {
        taken(config, touched, clash, findings);
    }
    logins(config, touched, findings);
    for ((kind, id), position) in touched {
        match config.get(*kind, *id) {
            Some(Entity::Trunk(trunk)) => {
                loops(config, &trunk, *position, findings);
                guest_domain(config, &trunk, *position, findings);
            }
            Some(Entity::Tenant(tenant)) => domain_of_guest(config, &tenant, *position, findings),
            _ => {}
        }
    }
    if touched.keys().any(|(kind, _)| *kind == Kind::Trunk) {
        let same_account = pairs_of_same(config, account);
        for (a, b) in same_account {
            duplicate_account(config, touched, a, b, findings);
        }
        for (a, b) in ambiguous_sources(config, touched) {
            ambiguous_source(config, touched, a, b, findings);
        }
    }
}

/// Which of two clashing entities is to blame, which is the one touched last, and the other. None if neither was touched.
fn blame(touched: &Touched, kind: Kind, a: Uuid, b: Uuid) -> Option<(usize, Uuid, Uuid)> {
    let at = |id: Uuid| touched.get(&(kind, id)).copied();
    match (at(a), at(b)) {
        (None, None) => None,
        (Some(position), other) if other.is_none_or(|other| other < position) => Some((position, a, b)),
        (_, Some(position)) => Some((position, b, a)),
        (Some(position), None) => Some((position, a, b)),
    }
}

fn label(config: &Config, kind: Kind, id: Uuid) -> String {
    config.get(kind, id).as_ref().map(Entity::label).unwrap_or_default().to_owned()
}

/// The other of two that contradict each other. Somebody else's is not named to a tenant, which is not to know of it.
fn named(config: &Config, kind: Kind, blamed: Uuid, other: Uuid) -> String {
    let owner = |id| config.get(kind, id).as_ref().and_then(Entity::tenant_id);
    match owner(blamed) {
        Some(tenant) if owner(other) != Some(tenant) => "somebody else".to_owned(),
        _ => format!("{} `{}`", kind.name(), label(config, kind, other)),
    }
}

/// A name, number or username that is in use.
fn taken(config: &Config, touched: &Touched, clash: &Clash, findings: &mut Findings) {
    let Some((position, blamed, other)) = blame(touched, clash.kind, clash.first, clash.second) else {
        return;
    };
    let owner = |id| config.get(clash.kind, id).as_ref().and_then(Entity::tenant_id);
    let same_name = label(config, clash.kind, blamed) == label(config, clash.kind, other);
    if clash.field == "slug" && same_name && owner(blamed) == owner(other) {
        return; // said already, as NAME_TAKEN
    }
    let (kind, other) = (clash.kind.name(), named(config, clash.kind, blamed, other));
    let (reason, fix) = match clash.field {
        "name" => ("NAME_TAKEN", "choose another name".to_owned()),
        "slug" => ("SLUG_TAKEN", "give it a `slug` of its own, as `carrier-2`".to_owned()),
        "number" => ("NUMBER_TAKEN", format!("choose another number, or change that {kind}")),
        "email" => ("EMAIL_TAKEN", "change that user instead, or give another address".to_owned()),
        "sip_domain" => ("DOMAIN_TAKEN", "choose another domain".to_owned()),
        "direct_token" => ("TOKEN_TAKEN", "choose another token".to_owned()),
        "value" => ("VALUE_TAKEN", "change that entry instead, or delete it".to_owned()),
        "tenant_id" => ("ALREADY_ASSIGNED", "change that assignment instead".to_owned()),
        _ => ("USERNAME_TAKEN", "choose another username".to_owned()),
    };
    let message = format!("{other} has this {} already", clash.field.replace('_', " "));
    findings.at(position).conflict(clash.field, reason, message, fix);
}

/// Devices of extensions and of `register_in` trunks come to the same registrar: one username is one of them.
fn logins(config: &Config, touched: &Touched, findings: &mut Findings) {
    for ((kind, id), position) in touched {
        match config.get(*kind, *id) {
            Some(Entity::Trunk(trunk)) if trunk.mode.comes_in() => {
                let by_name = |name| config.extension_by_username(trunk.tenant_id, name);
                let twin = trunk.digest_username().and_then(by_name);
                let Some(twin) = twin else { continue };
                let field = if trunk.auth_username.is_some() { "auth_username" } else { "username" };
                let message = format!("extension `{}` registers with this username already", twin.name);
                findings.at(*position).conflict(field, "USERNAME_TAKEN", message, "choose another username");
            }
            Some(Entity::Extension(extension)) => {
                let twin = config.incoming_trunk(&extension.username);
                let Some(twin) = twin.filter(|twin| twin.tenant_id == extension.tenant_id) else { continue };
                if touched.contains_key(&(Kind::Trunk, twin.id.0)) {
                    continue; // said of the trunk
                }
                let message = format!("trunk `{}` registers with this username already", twin.name);
                findings.at(*position).conflict(
                    "username",
                    "USERNAME_TAKEN",
                    message,
                    "choose another username",
                );
            }
            _ => {}
        }
    }
}

/// A trunk to ourselves: its calls would come back for ever.
fn loops(config: &Config, trunk: &Trunk, position: usize, findings: &mut Findings) {
    if trunk.mode == TrunkMode::RegisterIn {
        return; // its host is a name alone
    }
    let default = match trunk.transport {
        SignallingTransport::Tls => DEFAULT_TLS_PORT,
        _ => DEFAULT_PORT,
    };
    let with_port = |place| {
        let (host, port) = text::split_port(place);
        (host, port.and_then(|port| port.parse().ok()))
    };
    let host = trunk.host.as_deref().map(|host| (host, trunk.port));
    let proxy = trunk.outbound_proxy.as_deref().map(with_port);
    let registrar = trunk.registrar.as_deref().map(with_port);
    for (field, place) in [("host", host), ("outbound_proxy", proxy), ("registrar", registrar)] {
        let Some((Ok(address), port)) = place.map(|(host, port)| (host.parse::<IpAddr>(), port)) else {
            continue;
        };
        if config.is_here(address, port.unwrap_or(default)) {
            let message = "this server itself listens there: what goes there would come back to it";
            findings.at(position).invalid(field, "LOOP", message, "give the address of the provider or PBX");
        }
    }
}

/// The domain that a trunk registers here with is made up: it is no tenant's, whose extensions register in that.
fn guest_domain(config: &Config, trunk: &Trunk, position: usize, findings: &mut Findings) {
    if trunk.mode != TrunkMode::RegisterIn {
        return;
    }
    for (field, domain) in [("realm", &trunk.realm), ("host", &trunk.host)] {
        if domain.as_deref().is_some_and(|domain| config.tenant_of_domain(domain).is_some()) {
            let message = "this is the SIP domain of a tenant, where its extensions register";
            let fix = "give the trunk a domain that is made up for it, or none";
            findings.at(position).conflict(field, "DOMAIN_TAKEN", message, fix);
        }
    }
}

/// The same where the tenant comes after the trunk.
fn domain_of_guest(config: &Config, tenant: &Tenant, position: usize, findings: &mut Findings) {
    let is_theirs =
        |domain: &&str| config.tenant_of_domain(domain).is_some_and(|found| found.id == tenant.id);
    let guests = config.trunks.values().filter(|trunk| trunk.mode == TrunkMode::RegisterIn);
    let mut domains = guests.flat_map(|guest| [&guest.realm, &guest.host]).filter_map(Option::as_deref);
    if let Some(domain) = domains.find(is_theirs) {
        let named = tenant.sip_domain.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(domain));
        let field = if named { "sip_domain" } else { "slug" };
        let message = format!("a trunk registers here with the domain `{domain}`");
        findings.at(position).conflict(
            field,
            "DOMAIN_TAKEN",
            message,
            "choose another, or change that trunk",
        );
    }
}

/// Two inbound routes that ask the same of a call: the second would never have its turn.
fn duplicate_inbound(config: &Config, touched: &Touched, findings: &mut Findings) {
    if !touched.keys().any(|(kind, _)| *kind == Kind::InboundRoute) {
        return;
    }
    let mut first = BTreeMap::new();
    for route in config.inbound_routes.values().filter(|route| route.enabled) {
        let caller = route.caller.as_ref().map(CallerMatch::as_str);
        let asks = (route.tenant_id, route.trunk_id, route.did.as_str(), caller, route.schedule_id);
        let other = *first.entry(asks).or_insert(route.id);
        if other == route.id {
            continue;
        }
        if let Some((position, _, other)) = blame(touched, Kind::InboundRoute, other.0, route.id.0) {
            let other = label(config, Kind::InboundRoute, other);
            let message = format!("inbound route `{other}` has the same number, caller and schedule");
            findings.at(position).conflict(
                "did",
                "DUPLICATE_ROUTE",
                message,
                "change that route instead, or ask for something else",
            );
        }
    }
}

fn place(trunk: &Trunk) -> Option<(String, u16)> {
    let host = trunk.host.as_deref()?;
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let host = host.parse::<IpAddr>().map(|address| address.to_string()).unwrap_or(host);
    Some((host, trunk.port.unwrap_or(DEFAULT_PORT)))
}

fn account(trunk: &Trunk) -> Option<(String, u16, &str)> {
    let username = trunk.digest_username().filter(|_| !trunk.mode.comes_in())?;
    place(trunk).map(|(host, port)| (host, port, username))
}

/// Trunks with the same key: each with the first that has it.
fn pairs_of_same<'a, K: Ord>(
    config: &'a Config,
    key: impl Fn(&'a Trunk) -> Option<K>,
) -> Vec<(TrunkId, TrunkId)> {
    let mut first: BTreeMap<K, TrunkId> = BTreeMap::new();
    let mut pairs = Vec::new();
    for trunk in config.trunks.values() {
        let Some(key) = key(trunk) else { continue };
        let other = *first.entry(key).or_insert(trunk.id);
        if other != trunk.id {
            pairs.push((other, trunk.id));
        }
    }
    pairs
}

fn duplicate_account(config: &Config, touched: &Touched, a: TrunkId, b: TrunkId, findings: &mut Findings) {
    let Some((position, blamed, other)) = blame(touched, Kind::Trunk, a.0, b.0) else { return };
    let other = named(config, Kind::Trunk, blamed, other);
    let message = format!("{other} has the same account at the same host");
    let fix = "change that trunk instead, or give another host, port or username";
    findings.at(position).conflict("username", "DUPLICATE_ACCOUNT", message, fix);
}

/// Pairs of `ip_auth` trunks, at least one of them touched, that a call from a common address could belong to both of.
fn ambiguous_sources(config: &Config, touched: &Touched) -> BTreeSet<(TrunkId, TrunkId)> {
    let by_address =
        || config.trunks.values().filter(|trunk| matches!(trunk.mode, TrunkMode::IpAuth | TrunkMode::PeerIn));
    let mut certificates: BTreeMap<String, Vec<&Trunk>> = BTreeMap::new();
    for (trunk, name) in
        config.trunks.values().flat_map(|trunk| trunk.mtls_san.iter().map(move |n| (trunk, n)))
    {
        certificates.entry(name.to_ascii_lowercase()).or_default().push(trunk);
    }
    let mut places: BTreeMap<(String, u16), Vec<&Trunk>> = BTreeMap::new();
    let mut networks: BTreeMap<IpNet, Vec<&Trunk>> = BTreeMap::new();
    for trunk in by_address() {
        if let Some(place) = place(trunk).filter(|_| trunk.mode == TrunkMode::IpAuth) {
            places.entry(place).or_default().push(trunk);
        }
        for network in &trunk.associated_ips {
            networks.entry(*network).or_default().push(trunk);
        }
    }
    let mut pairs = BTreeSet::new();
    for trunk in by_address().filter(|trunk| touched.contains_key(&(Kind::Trunk, trunk.id.0))) {
        let same_place = place(trunk)
            .filter(|_| trunk.mode == TrunkMode::IpAuth)
            .and_then(|place| places.get(&place))
            .into_iter()
            .flatten();
        let overlapping = trunk.associated_ips.iter().flat_map(|network| overlapping(&networks, *network));
        for other in same_place.chain(overlapping) {
            if other.id != trunk.id && !told_apart(trunk, other) {
                pairs.insert((trunk.id.min(other.id), trunk.id.max(other.id)));
            }
        }
    }
    for trunk in config.trunks.values().filter(|trunk| touched.contains_key(&(Kind::Trunk, trunk.id.0))) {
        let names = trunk.mtls_san.iter().map(|name| name.to_ascii_lowercase());
        for other in names.filter_map(|name| certificates.get(&name)).flatten() {
            if other.id != trunk.id && !named_apart(trunk, other) {
                pairs.insert((trunk.id.min(other.id), trunk.id.max(other.id)));
            }
        }
    }
    pairs
}

/// One comes with certificates that the other has not, or a call carries the username of the account that it is for.
fn told_apart(a: &Trunk, b: &Trunk) -> bool {
    let certified = !a.mtls_san.is_empty() || !b.mtls_san.is_empty();
    certified && !share_certificate(a, b) || named_apart(a, b)
}

fn share_certificate(a: &Trunk, b: &Trunk) -> bool {
    a.mtls_san.iter().any(|name| b.mtls_san.iter().any(|other| other.eq_ignore_ascii_case(name)))
}

/// A call carries the username of the account that it is for, if the provider sends one.
fn named_apart(a: &Trunk, b: &Trunk) -> bool {
    a.username.is_some() && b.username.is_some() && a.username != b.username
}

/// Trunks with a network around this one or inside of it: networks either nest or have nothing in common.
fn overlapping<'a, 'b>(
    networks: &'b BTreeMap<IpNet, Vec<&'a Trunk>>,
    network: IpNet,
) -> impl Iterator<Item = &'b &'a Trunk> {
    let around =
        std::iter::successors(network.supernet(), IpNet::supernet).filter_map(|around| networks.get(&around));
    let all_ones = if network.addr().is_ipv4() { 32 } else { 128 };
    let last = IpNet::new(network.broadcast(), all_ones).unwrap_or(network);
    around.chain(networks.range(network..=last).map(|(_, trunks)| trunks)).flatten()
}

fn ambiguous_source(config: &Config, touched: &Touched, a: TrunkId, b: TrunkId, findings: &mut Findings) {
    let Some((position, blamed, other)) = blame(touched, Kind::Trunk, a.0, b.0) else { return };
    let (Some(trunk), Some(twin)) = (config.trunks.get(&TrunkId(blamed)), config.trunks.get(&TrunkId(other)))
    else {
        return;
    };
    if account(trunk).is_some() && account(trunk) == account(twin) {
        return; // said already, as DUPLICATE_ACCOUNT
    }
    let field = match () {
        () if share_certificate(trunk, twin) => "mtls_san",
        () if place(trunk).is_some() && place(trunk) == place(twin) => "host",
        () => "associated_ips",
    };
    let message =
        format!("calls from there could belong to {} as well", named(config, Kind::Trunk, blamed, other));
    let fix = "give both trunks different usernames, or addresses of their own";
    findings.at(position).conflict(field, "AMBIGUOUS_SOURCE", message, fix);
}
