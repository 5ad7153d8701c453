//! One lookup: literal, localhost, hosts file, SRV, A and AAAA.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::net::NetError;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::{Hosts, TokioResolver};
use tandem_sip_msg::{NoAddress, Transport, Why};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::naptr::{Pointer, order as order_pointers};
use super::order::{Service, order};
use super::{Families, Wanted};
use crate::{Resolved, Target};

const MIN_TTL: u32 = 30;
const MAX_TTL: u32 = 3600;
/// Targets of one service that are looked up, and addresses that are told.
const MAX_SERVICES: usize = 16;
const MAX_TARGETS: usize = 32;

/// One question.
pub(super) struct Lookup {
    pub(super) resolver: Arc<TokioResolver>,
    pub(super) hosts: Arc<Hosts>,
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) wanted: Wanted,
}

/// Services, each with its transport, and how long they hold.
type Services = (Vec<(Transport, Service)>, u32);

/// What a lookup comes to.
pub(super) type Answer = Result<Resolved, Why<NoAddress>>;

/// Addresses, and how long they hold.
type Addresses = (Vec<IpAddr>, u32);

impl Lookup {
    /// Answers within `deadline`, as well as can be.
    pub(super) async fn run(&self, deadline: Instant) -> Answer {
        let port = self.port.unwrap_or(self.wanted.transport.unwrap_or(Transport::Udp).default_port());
        let families = self.wanted.families(self.wanted.transport);
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            return self.told(plain(&[ip], port), MAX_TTL, false);
        }
        if let Some(addresses) = self.known_here(families) {
            return self.told(plain(&addresses, port), MAX_TTL, false);
        }
        let name = self.name()?;
        if self.port.is_none() {
            // Half of the time is left for the addresses, should nobody answer for the service.
            let half = Instant::now() + (deadline - Instant::now()) / 2;
            let found = match self.wanted.transport {
                Some(transport) => timeout_at(half, self.of_transport(&name, transport)).await.ok().flatten(),
                None => self.of_any_transport(&name, half).await,
            };
            if let Some((found, ttl)) = found {
                return self.of_services(found, ttl, deadline).await;
            }
        }
        match addresses(&self.resolver, name, families).await {
            Ok((addresses, ttl)) => self.told(plain(&addresses, port), ttl, false),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Its services over one transport, best first.
    async fn of_transport(&self, name: &Name, transport: Transport) -> Option<Services> {
        let owner = Name::from_ascii(service_label(transport)).ok()?.append_name(name).ok()?;
        let (services, ttl) = self.services(owner, name.is_fqdn()).await.ok()??;
        Some((order(services, random).into_iter().map(|service| (transport, service)).collect(), ttl))
    }

    /// Its services over whichever transport, best first: as its NAPTR records have it (RFC 3263 §4.1), else those of every
    /// transport for which there are any. A name server that is silent on some does not take the others along.
    async fn of_any_transport(&self, name: &Name, until: Instant) -> Option<Services> {
        let pointers = timeout_at(until, self.pointers(name)).await.unwrap_or_default();
        let ours: Vec<Transport> = self.wanted.of.iter().map(|(transport, _)| *transport).collect();
        let pointed = order_pointers(pointers, &ours);
        let asked: Vec<(Transport, Name)> = match pointed.is_empty() {
            false => pointed.into_iter().filter_map(|(t, to)| Some((t, Name::from_utf8(to).ok()?))).collect(),
            true => {
                // `sips` alone asks for TLS (RFC 3263 §4.1); without NAPTR nothing says that the host wants it.
                let plain = ours.into_iter().filter(|transport| *transport != Transport::Tls);
                let owner = |t| Some((t, Name::from_ascii(service_label(t)).ok()?.append_name(name).ok()?));
                plain.filter_map(owner).collect()
            }
        };
        let (mut found, mut shortest) = (Vec::new(), MAX_TTL);
        for (transport, owner) in asked {
            if let Ok(Ok(Some((services, ttl)))) = timeout_at(until, self.services(owner, true)).await {
                shortest = shortest.min(ttl);
                found.extend(order(services, random).into_iter().map(|service| (transport, service)));
            }
        }
        (!found.is_empty()).then_some((found, shortest))
    }

    async fn pointers(&self, name: &Name) -> Vec<Pointer> {
        let found = self.resolver.lookup(name.clone(), RecordType::NAPTR).await;
        let records = found.as_ref().map(|found| found.answers()).unwrap_or_default();
        records.iter().filter_map(to_pointer).collect()
    }

    pub(super) fn unanswered(&self) -> Why<NoAddress> {
        Why::new(NoAddress::Silent, format!("the name servers did not answer in time for {}", self.host))
    }

    /// Loopback (RFC 6761 §6.3) and what the hosts file has.
    fn known_here(&self, families: Families) -> Option<Vec<IpAddr>> {
        let Families { v4, v6 } = families;
        if self.host.trim_end_matches('.').eq_ignore_ascii_case("localhost") {
            let loopback: [(bool, IpAddr); 2] =
                [(v4, Ipv4Addr::LOCALHOST.into()), (v6, Ipv6Addr::LOCALHOST.into())];
            return Some(loopback.into_iter().filter(|(wanted, _)| *wanted).map(|(_, ip)| ip).collect());
        }
        let name = Name::from_utf8(&self.host).ok()?;
        let found: Vec<IpAddr> = wanted_types(families)
            .filter_map(|kind| self.hosts.lookup_static_host(&Query::query(name.clone(), kind)))
            .flat_map(|found| found.answers().iter().filter_map(|r| r.data.ip_addr()).collect::<Vec<_>>())
            .collect();
        (!found.is_empty()).then_some(found)
    }

    /// A name with a dot is whole; one without is looked for in the search domains of this host.
    fn name(&self) -> Result<Name, Why<NoAddress>> {
        let none = |words: String| Why::new(NoAddress::NoSuchName, words);
        let mut name =
            Name::from_utf8(&self.host).map_err(|_| none(format!("{:?} is no host name", self.host)))?;
        if self.host.is_empty() {
            return Err(none("the host name is empty".to_owned()));
        }
        if self.host.contains('.') {
            name.set_fqdn(true);
        }
        Ok(name)
    }

    /// The SRV records of a service; `None` when there are none.
    async fn services(&self, mut owner: Name, whole: bool) -> Result<Option<(Vec<Service>, u32)>, NetError> {
        owner.set_fqdn(whole);
        let found = self.resolver.lookup(owner, RecordType::SRV).await?;
        let records = found.answers();
        let services: Vec<Service> = records.iter().filter_map(to_service).collect();
        let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(MIN_TTL);
        Ok((!services.is_empty()).then_some((services, ttl)))
    }

    /// The addresses of every target, in the order of the targets.
    async fn of_services(
        &self,
        mut services: Vec<(Transport, Service)>,
        mut ttl: u32,
        deadline: Instant,
    ) -> Answer {
        if services.iter().all(|(_, service)| service.target == ".") {
            let mut names: Vec<&str> = services.iter().map(|(transport, _)| transport.via_name()).collect();
            names.dedup();
            let why = format!("{} says that it offers no SIP over {}", self.host, names.join(" or "));
            return Err(Why::new(NoAddress::NotOffered, why));
        }
        services.truncate(MAX_SERVICES);
        let mut found: Vec<Vec<Target>> = vec![Vec::new(); services.len()];
        let mut running = JoinSet::new();
        for (at, (transport, service)) in services.into_iter().enumerate() {
            let (resolver, families) = (self.resolver.clone(), self.wanted.families(Some(transport)));
            let named = Some(transport).filter(|_| self.wanted.transport.is_none());
            running.spawn(async move {
                let name = Name::from_utf8(&service.target)?;
                let (addresses, ttl) = addresses(&resolver, name, families).await?;
                let target =
                    |ip: &IpAddr| Target { at: SocketAddr::new(*ip, service.port), transport: named };
                Ok::<_, NetError>((at, addresses.iter().map(target).collect::<Vec<_>>(), ttl))
            });
        }
        // One target without an answer does not take the others along.
        let soon = deadline - Duration::from_millis(50);
        while let Ok(Some(joined)) = timeout_at(soon, running.join_next()).await {
            if let Ok(Ok((at, targets, holds))) = joined {
                found[at] = targets;
                ttl = ttl.min(holds);
            }
        }
        self.told(found.concat(), ttl, true)
    }

    fn told(&self, mut targets: Vec<Target>, ttl: u32, by_service: bool) -> Answer {
        targets.truncate(MAX_TARGETS);
        if targets.is_empty() {
            let why = format!("no address that can be reached from here is known for {}", self.host);
            return Err(Why::new(NoAddress::NoRecords, why));
        }
        Ok(Resolved { targets, ttl: Duration::from_secs(ttl.clamp(MIN_TTL, MAX_TTL).into()), by_service })
    }

    fn failed(&self, error: &NetError) -> Why<NoAddress> {
        let host = &self.host;
        match error {
            _ if error.is_nx_domain() => {
                Why::new(NoAddress::NoSuchName, format!("there is no host named {host}"))
            }
            _ if error.is_no_records_found() => {
                Why::new(NoAddress::NoRecords, format!("{host} has no address in the DNS"))
            }
            NetError::Timeout => self.unanswered(),
            _ => Why::new(NoAddress::Failed, format!("{host} cannot be looked up: {error}")),
        }
    }
}

/// A and AAAA at the same time; an error only when neither gives an address.
async fn addresses(resolver: &TokioResolver, name: Name, families: Families) -> Result<Addresses, NetError> {
    let ask = async |kind: RecordType, wanted: bool| match wanted {
        true => Some(resolver.lookup(name.clone(), kind).await),
        false => None,
    };
    let (v4, v6) = tokio::join!(ask(RecordType::A, families.v4), ask(RecordType::AAAA, families.v6));
    let mut addresses = Vec::new();
    let mut ttl = MAX_TTL;
    let mut failure = None;
    for found in [v4, v6].into_iter().flatten() {
        match found {
            Ok(found) => {
                for record in found.answers() {
                    ttl = ttl.min(record.ttl);
                    addresses.extend(record.data.ip_addr());
                }
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(error) if addresses.is_empty() => Err(error),
        _ => Ok((addresses, ttl)),
    }
}

fn to_service(record: &Record) -> Option<Service> {
    let RData::SRV(srv) = &record.data else { return None };
    let target = srv.target.to_utf8();
    Some(Service { priority: srv.priority, weight: srv.weight, port: srv.port, target })
}

fn wanted_types(families: Families) -> impl Iterator<Item = RecordType> {
    let both = [(families.v4, RecordType::A), (families.v6, RecordType::AAAA)];
    both.into_iter().filter(|(wanted, _)| *wanted).map(|(_, kind)| kind)
}

fn plain(addresses: &[IpAddr], port: u16) -> Vec<Target> {
    addresses.iter().map(|ip| Target { at: SocketAddr::new(*ip, port), transport: None }).collect()
}

/// RFC 3263 §4.2.
fn service_label(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tls => "_sips._tcp",
        _ => "_sip._tcp",
    }
}

fn to_pointer(record: &Record) -> Option<Pointer> {
    let RData::NAPTR(naptr) = &record.data else { return None };
    Some(Pointer {
        order: naptr.order,
        preference: naptr.preference,
        flags: String::from_utf8_lossy(&naptr.flags).into_owned(),
        services: String::from_utf8_lossy(&naptr.services).into_owned(),
        replacement: naptr.replacement.to_utf8(),
    })
}

/// From 0 to `most`.
fn random(most: u32) -> u32 {
    let number = getrandom::u32().unwrap_or(0);
    ((u64::from(number) * (u64::from(most) + 1)) >> 32) as u32
}
