//! A trunk as an examination sees it: the names, ways and requests of the trunk itself, and nothing of its state. It registers
//! under a Call-ID of its own, so that the trunk's registration counts on as if nobody had asked.

use crate::contact;
use crate::live::Headers;
use crate::local::Local;
use crate::registration::login;
use crate::request::{self, Account};
use crate::target::{Place, Places, Query, Resolved, Target};
use crate::{CONTACT_TOKEN, words};
use ipnet::IpNet;
use rand::rngs::StdRng;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tandem_model::{SignallingTransport, Trunk, TrunkMode};
use tandem_sip_dialog::digest::{DigestClient, Unanswered};
use tandem_sip_msg::{Flow, Message, NameAddr, Transport};

/// A trunk that is being examined.
#[derive(Debug)]
pub struct Examinee {
    config: Arc<Trunk>,
    places: Places,
    account: Account,
    digest: DigestClient,
    /// Our Contact is held by the registrar now, as far as the trunk knows.
    registered: bool,
}

/// What its names are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// INVITE and OPTIONS.
    Calls,
    /// REGISTER.
    Registration,
}

impl Examinee {
    pub(crate) fn new(
        config: Arc<Trunk>,
        mut places: Places,
        account: Account,
        registered: bool,
    ) -> Examinee {
        places.all.retain(|place| !place.is_source_only);
        Examinee { digest: DigestClient::new(login(&config)), config, places, account, registered }
    }

    /// Its configuration.
    pub fn trunk(&self) -> &Arc<Trunk> {
        &self.config
    }

    /// Whether the trunk itself is registered.
    pub fn is_registered(&self) -> bool {
        self.registered
    }

    /// Whether it is one to be registered at a provider.
    pub fn registers(&self) -> bool {
        self.config.mode == TrunkMode::RegisterOut
    }

    /// The names to be looked up; the ids are `first` and those that follow.
    pub fn questions(&mut self, first: u64) -> Vec<Query> {
        let places = self.places.all.iter_mut().enumerate().filter(|(_, place)| place.is_name());
        places.map(|(at, place)| place.ask(first + at as u64)).collect()
    }

    /// A look-up ended.
    pub fn learn(&mut self, at: usize, result: Result<Resolved, String>) {
        if let Some(place) = self.places.all.get_mut(at) {
            place.learn(result);
        }
    }

    /// Its hosts as they are written, each with its addresses.
    pub fn hosts(&self) -> impl Iterator<Item = (String, &[Target])> {
        self.places.all.iter().map(|place| (place.at.to_string(), place.targets.as_slice()))
    }

    /// Where its requests go, in the order of the DNS; with `auto` by either transport.
    pub fn ways(&self, to: Purpose, local: &Local) -> Vec<Flow> {
        let of = |place: &Place, target: &Target, transport| {
            let flow = local.flow_to(transport, target.at)?;
            Some(Flow { domain: place.domain.filter(|_| transport == Transport::Tls), ..flow })
        };
        let Some(place) = self.place(to) else { return Vec::new() };
        let mut ways: Vec<Flow> = Vec::new();
        for target in &place.targets {
            let usual = self.config.transport.into();
            ways.extend(of(place, target, target.transport.unwrap_or(usual)));
            if self.config.transport == SignallingTransport::Auto && target.transport.is_none() {
                ways.extend(of(place, target, Transport::Tcp));
            }
        }
        ways
    }

    /// Other ways to one of its addresses, for when it does not answer: by the other transports, and at the usual port.
    pub fn other_ways(&self, at: SocketAddr, local: &Local) -> Vec<Flow> {
        let Some(place) = self.place(Purpose::Calls) else { return Vec::new() };
        let usual: Transport = self.config.transport.into();
        let other = match usual {
            Transport::Udp => Transport::Tcp,
            _ => Transport::Udp,
        };
        let plain = Transport::Udp.default_port();
        let mut tried = vec![(usual, at.port())];
        let mut ways = Vec::new();
        for (transport, port) in
            [(other, at.port()), (usual, usual.default_port()), (other, plain), (Transport::Tls, 5061)]
        {
            if tried.contains(&(transport, port)) {
                continue;
            }
            tried.push((transport, port));
            let flow = local.flow_to(transport, SocketAddr::new(at.ip(), port));
            // Without a name there is nobody whom a certificate could be asked for.
            let domain = place.domain.filter(|_| transport == Transport::Tls);
            ways.extend(
                flow.filter(|_| transport != Transport::Tls || domain.is_some())
                    .map(|flow| Flow { domain, ..flow }),
            );
        }
        ways
    }

    fn place(&self, to: Purpose) -> Option<&Place> {
        match to {
            Purpose::Calls => self.places.calls(),
            Purpose::Registration => self.places.register(),
        }
    }

    /// Who may challenge us.
    pub fn challengers(&self) -> Arc<[IpNet]> {
        let hosts = self.places.all.iter().flat_map(|place| &place.targets);
        let listed = self.config.associated_ips.iter().chain(&self.config.challengers).copied();
        hosts.map(|target| IpNet::from(target.at.ip())).chain(listed).collect()
    }

    /// An OPTIONS as the trunk's own are.
    pub fn options(&self, flow: &Flow, local: &Local, rng: &mut StdRng) -> bytes::Bytes {
        let contact_host = local.contact_host(flow);
        let contact = contact::uri(&self.config, &contact_host, &self.account.token);
        let contact = self.config.ping_contact.then_some(contact.as_str());
        request::options(&self.config, &contact_host, contact, self.places.call_route(), rng)
    }

    /// A REGISTER that asks which Contacts are registered, and changes none (RFC 3261 §10.2.3).
    pub fn query(&mut self, credentials: &Headers) -> bytes::Bytes {
        self.register_with(None, credentials)
    }

    /// A REGISTER with our Contact, as the trunk's own are.
    pub fn register(
        &mut self,
        flow: &Flow,
        local: &Local,
        expires: u32,
        credentials: &Headers,
    ) -> bytes::Bytes {
        let contact = contact::uri(&self.config, &local.contact_host(flow), &self.account.token);
        self.register_with(Some((&contact, expires)), credentials)
    }

    fn register_with(&mut self, contact: Option<(&str, u32)>, credentials: &Headers) -> bytes::Bytes {
        self.account.cseq += 1;
        let route = self.places.register_route();
        request::register(&self.config, &self.account, contact, route, credentials)
    }

    /// Answers the challenge to a REGISTER that came from `source`.
    pub fn answer(
        &mut self,
        challenged: &Message,
        source: IpAddr,
        rng: &mut StdRng,
    ) -> Result<Headers, Unanswered> {
        let from = IpNet::from(source.to_canonical());
        if !self.challengers().iter().any(|net| net.contains(&from)) {
            return Err(Unanswered::Stranger);
        }
        let uri = request::target_uri(&self.config);
        let first = self.digest.answer(challenged, "REGISTER", &uri, rng)?;
        let second = self.digest.companion(first.0, "REGISTER", &uri);
        Ok(std::iter::once(first).chain(second).collect())
    }

    /// Begins anew with another address, or with another REGISTER.
    pub fn begin_round(&mut self) {
        self.digest.accepted();
    }

    /// Credentials for a further request, after a challenge was answered once.
    pub fn known_credentials(&mut self, rng: &mut StdRng) -> Headers {
        let uri = request::target_uri(&self.config);
        let Some(first) = self.digest.preemptive("REGISTER", &uri, rng) else { return Vec::new() };
        let second = self.digest.companion(first.0, "REGISTER", &uri).filter(|second| second.0 != first.0);
        std::iter::once(first).chain(second).collect()
    }

    /// How many Contacts an answer to REGISTER lists, and whether ours is among them.
    pub fn listed(&self, answer: &Message) -> (usize, bool) {
        let contacts = || answer.headers(tandem_sip_msg::Header::Contact).filter_map(NameAddr::parse);
        let is_ours = |contact: &NameAddr<'_>| {
            let uri = contact.uri();
            let token = uri.params().get(CONTACT_TOKEN);
            token == Some(&self.account.token)
                || (token.is_none() && uri.user() == self.config.contact_name().as_deref())
        };
        (contacts().count(), contacts().any(|contact| is_ours(&contact)))
    }

    /// For how long our Contact is registered by this answer, seconds.
    pub fn granted(&self, answer: &Message, flow: &Flow, local: &Local) -> u32 {
        let ours = contact::uri(&self.config, &local.contact_host(flow), &self.account.token);
        contact::granted(answer, &ours, &self.account.token, self.config.expires)
    }

    /// What an answer that is no success means, in words.
    pub fn in_words(&self, answer: &Message, what: &str, with_credentials: bool) -> String {
        words::refused(answer, what, with_credentials, &self.config)
    }
}
