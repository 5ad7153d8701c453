//! Where a trunk is: its host, registrar and outbound proxy, as addresses. Names are looked up again when they age, and
//! the last good answer is kept as long as there is no better one.

use crate::domains::Domains;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tandem_model::{SignallingTransport, Trunk, TrunkMode};
use tandem_sip_msg::{DomainId, Transport};

/// A look-up that has to be made: NAPTR, SRV and addresses of a host (RFC 3263). Answered with
/// [`Trunks::resolved`](crate::Trunks::resolved).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// To answer by.
    pub id: u64,
    /// A name, never an address.
    pub host: String,
    /// When given, there is no SRV look-up (RFC 3263 §4.2).
    pub port: Option<u16>,
    /// The transport that is wanted; `None` leaves it to the host, as far as we have it (RFC 3263 §4.1).
    pub transport: Option<Transport>,
}

/// One address that a host has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Target {
    /// Address and port.
    pub at: SocketAddr,
    /// The transport that the host named for it, where that was left to it.
    pub transport: Option<Transport>,
}

impl From<SocketAddr> for Target {
    fn from(at: SocketAddr) -> Target {
        Target { at, transport: None }
    }
}

/// Its result, in the order to try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resolved {
    /// Addresses, best first.
    pub targets: Vec<Target>,
    /// How long they may be believed.
    pub ttl: Duration,
    /// Found by SRV records (RFC 2782).
    pub by_service: bool,
}

/// Addresses kept of one name.
const MAX_TARGETS: usize = 16;
/// A look-up that nobody answered is made again.
pub(crate) const UNANSWERED: Duration = Duration::from_secs(30);
const TTL: std::ops::RangeInclusive<Duration> = Duration::from_secs(30)..=Duration::from_secs(3600);
const FIRST_RETRY: Duration = Duration::from_secs(5);
const LAST_RETRY: Duration = Duration::from_secs(300);

/// A host and perhaps a port, as written in a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HostPort {
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
}

impl HostPort {
    /// `host`, `host:port`, an IPv6 address with or without brackets.
    pub(crate) fn parse(text: &str) -> HostPort {
        let text = text.trim();
        let plain = |host: &str, port| HostPort { host: host.to_owned(), port };
        if text.parse::<IpAddr>().is_ok() {
            return plain(text, None);
        }
        if let Some((host, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
            return plain(host, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => plain(host, port.parse().ok()),
            _ => plain(text, None),
        }
    }

    fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for HostPort {
    /// As written in a URI.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.literal() {
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            _ => f.write_str(&self.host)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// One host of a trunk and the addresses it has.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) at: HostPort,
    /// `None`: the host names it.
    transport: Option<Transport>,
    /// Whose certificate is asked for over TLS: that of the host as configured, wherever the DNS leads (RFC 5922 §7).
    pub(crate) domain: Option<DomainId>,
    /// Best first; the last good answer.
    pub(crate) targets: Vec<Target>,
    /// The look-up under way.
    pub(crate) query: Option<u64>,
    failures: u32,
    /// Calls may come from it, and nothing goes there.
    pub(crate) is_source_only: bool,
    /// Why the last look-up failed.
    pub(crate) error: Option<String>,
}

/// What a look-up came to.
pub(crate) struct Learned {
    /// Whether there are addresses that were not there before, or some are gone.
    pub(crate) changed: bool,
    /// When to look again.
    pub(crate) again: Duration,
}

impl Place {
    fn new(at: HostPort, transport: Option<Transport>, domain: Option<DomainId>) -> Place {
        let port = at.port.unwrap_or_else(|| transport.unwrap_or(Transport::Udp).default_port());
        let literal = at.literal().map(|ip| Target::from(SocketAddr::new(ip.to_canonical(), port)));
        let targets = literal.into_iter().collect();
        Place { at, transport, domain, targets, query: None, failures: 0, is_source_only: false, error: None }
    }

    /// Whether it has to be looked up at all.
    pub(crate) fn is_name(&self) -> bool {
        self.at.literal().is_none()
    }

    /// Whether this is one of its addresses.
    pub(crate) fn has(&self, at: SocketAddr) -> bool {
        self.targets.iter().any(|target| target.at == at)
    }

    /// The question to ask.
    pub(crate) fn ask(&mut self, id: u64) -> Query {
        self.query = Some(id);
        Query { id, host: self.at.host.clone(), port: self.at.port, transport: self.transport }
    }

    /// Takes the answer in.
    pub(crate) fn learn(&mut self, result: Result<Resolved, String>) -> Learned {
        self.query = None;
        match result {
            Ok(Resolved { mut targets, ttl, .. }) if !targets.is_empty() => {
                self.failures = 0;
                self.error = None;
                for target in &mut targets {
                    target.at.set_ip(target.at.ip().to_canonical());
                }
                targets.truncate(MAX_TARGETS);
                let changed = targets.len() != self.targets.len()
                    || targets.iter().any(|target| !self.targets.contains(target));
                self.targets = targets;
                Learned { changed, again: ttl.clamp(*TTL.start(), *TTL.end()) }
            }
            other => {
                let why = other.err().unwrap_or_else(|| "no address".to_owned());
                self.error = Some(why.chars().filter(|c| !c.is_control()).take(200).collect());
                let again = FIRST_RETRY.saturating_mul(1 << self.failures.min(8)).min(LAST_RETRY);
                self.failures += 1;
                Learned { changed: false, again }
            }
        }
    }
}

/// The hosts of a trunk and what each is for.
#[derive(Debug)]
pub(crate) struct Places {
    pub(crate) all: Vec<Place>,
    /// Where calls and OPTIONS go.
    calls: usize,
    /// Where REGISTER goes.
    register: usize,
    /// Which one stands in Route.
    proxy: Option<usize>,
}

impl Places {
    /// Those of a trunk as configured; none for one that registers to us.
    pub(crate) fn of(trunk: &Trunk, domains: &mut Domains) -> Places {
        let transport = Some(trunk.transport.into()).filter(|_| trunk.transport != SignallingTransport::Auto);
        let secure = matches!(trunk.transport, SignallingTransport::Tls | SignallingTransport::Auto);
        let mut all: Vec<Place> = Vec::new();
        let mut add = |at: HostPort| {
            let known = all.iter().position(|place| place.at == at);
            known.unwrap_or_else(|| {
                let domain = secure.then(|| domains.number_of(&at.host));
                all.push(Place::new(at, transport, domain));
                all.len() - 1
            })
        };
        let mut places = Places { all: Vec::new(), calls: 0, register: 0, proxy: None };
        let is_called = trunk.mode != TrunkMode::RegisterIn;
        if let Some(host) = trunk.host.as_ref().filter(|_| is_called) {
            let at = HostPort::parse(host);
            add(HostPort { port: trunk.port.or(at.port), ..at });
        }
        if let Some(proxy) = trunk.outbound_proxy.as_ref().filter(|_| is_called) {
            let proxy = add(HostPort::parse(proxy));
            (places.calls, places.register, places.proxy) = (proxy, proxy, Some(proxy));
        }
        if let Some(registrar) = &trunk.registrar
            && trunk.mode == TrunkMode::RegisterOut
        {
            places.register = add(HostPort::parse(registrar));
        }
        let called = all.len();
        for host in &trunk.associated_hosts {
            let at = HostPort::parse(host);
            if !all[..].iter().any(|place| place.at == at) {
                all.push(Place { is_source_only: true, ..Place::new(at, transport, None) });
            }
        }
        if called == 0 {
            (places.calls, places.register) = (usize::MAX, usize::MAX);
        }
        places.all = all;
        places
    }

    /// Keeps what is known of the hosts that were there before.
    pub(crate) fn take_over(&mut self, before: Places) {
        for known in before.all {
            if let Some(place) = self.all.iter_mut().find(|place| place.at == known.at) {
                *place = Place { is_source_only: place.is_source_only, query: None, ..known };
            }
        }
    }

    /// Where calls and OPTIONS go.
    pub(crate) fn calls(&self) -> Option<&Place> {
        self.all.get(self.calls)
    }

    /// Where REGISTER goes.
    pub(crate) fn register(&self) -> Option<&Place> {
        self.all.get(self.register)
    }

    /// What a call's or an OPTIONS' Route names, if anything.
    pub(crate) fn call_route(&self) -> Option<&HostPort> {
        self.proxy.and_then(|proxy| self.all.get(proxy)).map(|place| &place.at)
    }

    /// What a REGISTER's Route names, if anything.
    pub(crate) fn register_route(&self) -> Option<&HostPort> {
        self.call_route().filter(|_| self.proxy == Some(self.register))
    }
}
