//! The registrar (RFC 3261 §10.3): who registers to us is authenticated first, written down second and answered third.

use crate::authentication::{Authentication, Authenticator};
use crate::bindings::{Bindings, Contact, second};
use crate::guard::GuardLimits;
use crate::local::Local;
use crate::register_request::{self as request, Asked, Plan, Refusal};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tandem_model::{
    Binding, BindingChange, BindingOwner, Config, Event, RegistrationState, RegistrationView, Secret,
    TenantId,
};
use tandem_sip_dialog::Sip;
use tandem_sip_dialog::digest::Algorithm;
use tandem_sip_msg::{
    ConnectionId, Flow, Header, Host, ListenerId, Message, Scheme, Transport, Uri, Writer, standard_reason,
};
use tandem_sip_txn::ServerKey;
use tandem_time::{Time, Timers};

/// Devices of a trunk in mode `register_in`.
const TRUNK_CONTACTS: usize = 5;
/// Why a binding ended that was not refreshed.
const EXPIRED: &str = "expired";
/// REGISTERs of one owner that wait for an earlier one to be written.
const MAX_WAITING: usize = 8;
/// A change not written by now is answered with 503; it still holds if it is written later.
const OVERDUE: Duration = Duration::from_secs(10);
/// What Retry-After says then, in seconds.
const RETRY_AFTER: u32 = 10;

/// Limits and the realm of the registrar.
#[derive(Clone, Debug)]
pub struct RegistrarConfig {
    /// The digest realm.
    pub realm: String,
    /// The digest algorithms offered and accepted, best first.
    pub algorithms: Vec<Algorithm>,
    /// Shortest lifetime, seconds; less is answered with 423.
    pub min_expires: u32,
    /// Longest lifetime, seconds; more is cut to it.
    pub max_expires: u32,
    /// The lifetime of who asks for none, seconds.
    pub default_expires: u32,
    /// How long a nonce serves.
    pub nonce_lifetime: Duration,
    /// How many wrong passwords are too many.
    pub guard: GuardLimits,
}

impl Default for RegistrarConfig {
    /// realm `tandem`, SHA-256 and MD5, 60 s, 7,200 s, 3,600 s, 5 minutes, 50 wrong passwords.
    fn default() -> Self {
        RegistrarConfig {
            realm: "tandem".to_owned(),
            algorithms: vec![Algorithm::SHA_256, Algorithm::MD5],
            min_expires: 60,
            max_expires: 7_200,
            default_expires: 3_600,
            nonce_lifetime: Duration::from_secs(300),
            guard: GuardLimits::default(),
        }
    }
}

/// What the registrar wants of the outside.
#[derive(Debug)]
pub enum RegistrarOutput {
    /// To be written, in the order it comes; answered with [`Registrar::persisted`].
    Persist {
        /// To answer by.
        id: u64,
        /// All of them or none.
        changes: Vec<BindingChange>,
    },
    /// Something to tell.
    Event(Event),
}

/// The registrar: bindings of extensions and of trunks in mode `register_in` (RFC 3261 §10.3).
#[derive(Debug)]
pub struct Registrar {
    config: RegistrarConfig,
    local: Local,
    /// `None` until the first configuration.
    snapshot: Option<Arc<Config>>,
    authenticator: Authenticator,
    bindings: Bindings,
    /// One change an owner is being written at a time.
    pending: BTreeMap<BindingOwner, Pending>,
    /// Whose change it is that is being written under an id.
    writing: BTreeMap<u64, BindingOwner>,
    next_id: u64,
    timers: Timers<Due>,
    outputs: VecDeque<RegistrarOutput>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Due {
    /// A binding ends, by its number.
    Binding(u64),
    /// A change of this owner has not been written for too long.
    Overdue(BindingOwner),
}

/// A REGISTER as it came.
#[derive(Debug)]
struct Arrived {
    key: ServerKey,
    message: Message,
    flow: Flow,
}

/// A change that is being written, and who waits for it to be.
#[derive(Debug)]
struct Pending {
    /// `None`: answered already, because it took too long.
    request: Option<Arrived>,
    plan: Plan,
    waiting: VecDeque<Arrived>,
    /// Its owner has been disabled or given another password meanwhile.
    revoked: bool,
}

impl Registrar {
    /// With the bindings that were kept on disk. `secret` makes nonces; with the same one they outlive a restart.
    pub fn new(
        config: RegistrarConfig,
        local: Local,
        bindings: Vec<Binding>,
        secret: [u8; 32],
        now: Time,
    ) -> Registrar {
        let authenticator = Authenticator::new(&config, secret);
        let mut registrar = Registrar {
            config,
            local,
            snapshot: None,
            authenticator,
            bindings: Bindings::default(),
            pending: BTreeMap::new(),
            writing: BTreeMap::new(),
            next_id: 0,
            timers: Timers::default(),
            outputs: VecDeque::new(),
        };
        let mut bindings = bindings;
        bindings.sort_by_key(|binding| binding.expires_at);
        for mut binding in bindings {
            binding.connection = None;
            registrar.put(binding);
        }
        registrar.end_expired(now);
        registrar
    }

    /// Takes a new configuration; bindings of those who are gone, disabled, whose password changed or who may not be where they are
    /// end.
    pub fn configure(&mut self, config: &Arc<Config>, _now: Time) {
        let before = self.snapshot.replace(config.clone());
        let owners: Vec<BindingOwner> = self.bindings.owners().chain(self.pending.keys().copied()).collect();
        for owner in owners {
            let account = account_of(config, owner);
            let was = before.as_ref().and_then(|before| account_of(before, owner));
            let unchanged = before.is_none() || was == account;
            if account.is_some() && unchanged {
                self.end_misplaced(owner);
                continue;
            }
            if let Some(pending) = self.pending.get_mut(&owner) {
                pending.revoked = true;
            }
            self.end_all(owner, "removed");
        }
    }

    /// A REGISTER: challenged, refused, or stored and then answered.
    pub fn on_register(&mut self, key: ServerKey, message: &Message, flow: Flow, sip: &mut Sip) {
        let owner = match self.authenticate(message, flow.remote, sip) {
            Authentication::Ok(owner) => owner,
            Authentication::Challenge(values) => return challenge(key, message, flow, &values, sip),
            Authentication::Refused => {
                self.tell_rejected(None, message, flow.remote, &Refusal::new(401, "Wrong Credentials"));
                let values = self.challenge(flow.remote, sip);
                return challenge(key, message, flow, &values, sip);
            }
        };
        if !self.may_register(owner, message) {
            let refusal = Refusal::new(403, "Forbidden");
            self.tell_rejected(Some(owner), message, flow.remote, &refusal);
            return refuse(key, message, flow, &refusal, sip);
        }
        let arrived = Arrived { key, message: message.clone(), flow };
        match self.pending.get_mut(&owner) {
            None => self.take_up(owner, arrived, sip),
            Some(pending) if pending.request.is_none() || pending.waiting.len() >= MAX_WAITING => {
                answer_refused(&arrived, &not_now(), sip);
            }
            Some(pending) => pending.waiting.push_back(arrived),
        }
    }

    /// What was to be written has been, or could not be.
    pub fn persisted(&mut self, id: u64, ok: bool, sip: &mut Sip) {
        let Some(owner) = self.writing.remove(&id) else { return };
        let Some(pending) = self.pending.remove(&owner) else { return };
        self.timers.cancel(Due::Overdue(owner));
        let Pending { request, plan, waiting, revoked, .. } = pending;
        match (ok, revoked) {
            (true, true) => self.undo(plan),
            (true, false) => self.apply(owner, plan, sip.now),
            (false, _) => {}
        }
        if let Some(arrived) = request {
            match (ok, revoked) {
                (_, true) => answer_refused(&arrived, &Refusal::new(403, "Forbidden"), sip),
                (true, _) => self.answer_ok(owner, &arrived, sip),
                (false, _) => answer_refused(&arrived, &not_now(), sip),
            }
        }
        // Those behind it are weighed against what is true now.
        for arrived in waiting {
            match self.pending.get_mut(&owner) {
                _ if revoked => answer_refused(&arrived, &Refusal::new(403, "Forbidden"), sip),
                None => self.take_up(owner, arrived, sip),
                Some(pending) => pending.waiting.push_back(arrived),
            }
        }
    }

    /// Checks Authorization or Proxy-Authorization of any request.
    pub fn authenticate(&mut self, message: &Message, source: SocketAddr, sip: &mut Sip) -> Authentication {
        let Some(config) = &self.snapshot else {
            return Authentication::Challenge(self.challenge(source, sip));
        };
        let (result, wrong) = self.authenticator.check(message, source, config, sip);
        if let Some(wrong) = wrong {
            let event = Event::AuthFailed { source, username: wrong.username, method: wrong.method };
            self.outputs.push_back(RegistrarOutput::Event(event));
            if wrong.shuts_out {
                let seconds = self.config.guard.block.as_secs();
                self.outputs.push_back(RegistrarOutput::Event(Event::AuthBlocked { source, seconds }));
            }
        }
        result
    }

    /// Challenges for a request that was [`Authentication::Refused`], to look like any other's.
    pub fn challenge(&self, source: SocketAddr, sip: &mut Sip) -> Vec<String> {
        self.authenticator.challenge(source.ip(), false, sip)
    }

    /// Whether this source has sent so many wrong passwords that everything new from it is to be answered with 403 for a while.
    /// Whoever lets requests in asks; nothing here does, since some sources are spared.
    pub fn is_banned(&self, source: SocketAddr, now: Time) -> bool {
        self.authenticator.is_banned(source.ip(), now)
    }

    /// Who is shut out now: a number for each, the address or, of IPv6, the network, and until when.
    pub fn shut_out(&self, now: Time) -> impl Iterator<Item = (u64, IpAddr, Time)> {
        self.authenticator.guard.shut_out(now)
    }

    /// Forgets the wrong passwords of a source.
    pub fn forgive(&mut self, source: IpAddr) {
        self.authenticator.guard.right(source);
    }

    /// Where someone can be reached now, most recent first.
    pub fn contacts(&self, owner: BindingOwner, now: Time) -> Vec<Contact> {
        let all = self.bindings.of(owner).iter().rev().map(|bound| &bound.binding);
        all.filter(|binding| binding.expires_at > now.as_secs())
            .filter_map(|binding| {
                let flow = self.flow_of(binding)?;
                Some(Contact { owner, uri: binding.contact.clone(), flow, path: binding.path.clone() })
            })
            .collect()
    }

    /// Whether someone can be reached now.
    pub fn is_bound(&self, owner: BindingOwner, now: Time) -> bool {
        self.bindings.of(owner).iter().any(|bound| bound.binding.expires_at > now.as_secs())
    }

    /// Whose device registered from exactly this address; `None` as well when those of several did.
    pub fn at(&self, source: SocketAddr, now: Time) -> Option<BindingOwner> {
        self.bindings.at(source, now)
    }

    /// A stream connection ended: its bindings are reached by address from now on.
    pub fn disconnected(&mut self, connection: ConnectionId) {
        self.bindings.disconnected(connection);
    }

    /// The registrations here as the API shows them.
    pub fn views(&self, now: Time) -> Vec<RegistrationView> {
        self.bindings
            .all()
            .filter(|b| b.expires_at > now.as_secs())
            .map(|binding| self.view(binding))
            .collect()
    }

    /// What is wanted of the outside next.
    pub fn poll_output(&mut self) -> Option<RegistrarOutput> {
        self.outputs.pop_front()
    }

    /// When [`Registrar::handle_timeout`] is to be called.
    pub fn poll_timeout(&mut self) -> Option<Time> {
        self.timers.due()
    }

    /// Lets happen what is due by now.
    pub fn handle_timeout(&mut self, sip: &mut Sip) {
        while let Some((_, due)) = self.timers.pop(sip.now) {
            match due {
                Due::Binding(number) => self.end_by_number(number, sip.now),
                Due::Overdue(owner) => self.on_overdue(owner, sip),
            }
        }
    }

    /// Bindings held.
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Whether nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the address of record in To is this owner's (RFC 3261 §10.3 steps 4 and 5).
    fn may_register(&self, owner: BindingOwner, message: &Message) -> bool {
        let Some(config) = &self.snapshot else { return false };
        let to = message.to();
        if !matches!(to.uri().scheme(), Scheme::Sip | Scheme::Sips) {
            return false;
        }
        let Some(user) = to.uri().user_unescaped() else { return false };
        match owner {
            BindingOwner::Extension(id) => {
                config.extensions.get(&id).is_some_and(|e| e.username == *user || e.number == *user)
            }
            BindingOwner::Trunk(id) => config.trunks.get(&id).is_some_and(|trunk| {
                let is_named =
                    [&trunk.username, &trunk.auth_username].iter().any(|name| name.as_deref() == Some(&user));
                is_named && trunk.mode == tandem_model::TrunkMode::RegisterIn
            }),
        }
    }

    /// Why a device of this owner may not be at this address, or not come over this transport.
    fn misplaced(&self, owner: BindingOwner, address: SocketAddr, transport: &str) -> Option<&'static str> {
        let BindingOwner::Extension(id) = owner else { return None };
        let extension = self.snapshot.as_ref()?.extensions.get(&id)?;
        match () {
            () if !extension.may_be_at(address.ip()) => Some("Not Allowed From This Address"),
            () if !extension.transport.takes(transport) => Some("Not Allowed Over This Transport"),
            () => None,
        }
    }

    /// Carries out a REGISTER of an owner who has none under way.
    fn take_up(&mut self, owner: BindingOwner, arrived: Arrived, sip: &mut Sip) {
        let plan = match self.weigh(owner, &arrived, sip.now) {
            Ok(plan) => plan,
            Err(refusal) => {
                // 423 is how a device learns what it may ask for.
                if refusal.code != 423 {
                    self.tell_rejected(Some(owner), &arrived.message, arrived.flow.remote, &refusal);
                }
                return answer_refused(&arrived, &refusal, sip);
            }
        };
        if plan.changes.is_empty() {
            return self.answer_ok(owner, &arrived, sip);
        }
        let id = self.persist(plan.changes.clone());
        self.writing.insert(id, owner);
        let pending = Pending { request: Some(arrived), plan, waiting: VecDeque::new(), revoked: false };
        self.pending.insert(owner, pending);
        self.timers.set(Due::Overdue(owner), sip.now + OVERDUE);
    }

    fn weigh(&self, owner: BindingOwner, arrived: &Arrived, now: Time) -> Result<Plan, Refusal> {
        let Flow { remote, transport, .. } = arrived.flow;
        if let Some(why) = self.misplaced(owner, remote, transport.param_name()) {
            return Err(Refusal::new(403, why));
        }
        let asked = request::read(&arrived.message, &arrived.flow, &self.config)?;
        if asked == Asked::Query {
            return Ok(Plan::default());
        }
        let existing = self.bindings.of(owner);
        request::plan(asked, owner, existing, self.max_contacts(owner), &arrived.message, arrived.flow, now)
    }

    fn max_contacts(&self, owner: BindingOwner) -> usize {
        let extension = |id| self.snapshot.as_ref()?.extensions.get(&id);
        match owner {
            BindingOwner::Extension(id) => {
                extension(id).map_or(1, |extension| extension.max_contacts as usize)
            }
            BindingOwner::Trunk(_) => TRUNK_CONTACTS,
        }
    }

    fn persist(&mut self, changes: Vec<BindingChange>) -> u64 {
        self.next_id += 1;
        self.outputs.push_back(RegistrarOutput::Persist { id: self.next_id, changes });
        self.next_id
    }

    fn apply(&mut self, owner: BindingOwner, plan: Plan, now: Time) {
        let tenant_id = self.tenant_of(owner);
        for change in plan.changes {
            match change {
                BindingChange::Delete { owner, contact } => {
                    self.bindings.remove(owner, &contact);
                }
                BindingChange::Put(binding) => {
                    let expires = binding.expires_at.saturating_sub(second(now));
                    self.outputs.push_back(RegistrarOutput::Event(Event::RegistrationAdded {
                        owner,
                        contact: binding.contact.clone(),
                        source: binding.source,
                        expires: u32::try_from(expires).unwrap_or(u32::MAX),
                        tenant_id,
                    }));
                    self.put(binding);
                }
            }
        }
        for (contact, why) in plan.ended {
            self.tell_ended(owner, contact, why);
        }
    }

    fn tell_ended(&mut self, owner: BindingOwner, contact: String, why: &'static str) {
        let tenant_id = self.tenant_of(owner);
        self.outputs.push_back(RegistrarOutput::Event(match why {
            EXPIRED => Event::RegistrationExpired { owner, contact, tenant_id },
            _ => Event::RegistrationRemoved { owner, contact, why, tenant_id },
        }));
    }

    fn tell_rejected(
        &mut self,
        owner: Option<BindingOwner>,
        message: &Message,
        source: SocketAddr,
        refusal: &Refusal,
    ) {
        let username = message.to().uri().user_unescaped().map(|user| user.into_owned()).unwrap_or_default();
        let (code, phrase) = (refusal.code, refusal.phrase.to_owned());
        let tenant_id = owner.and_then(|owner| self.tenant_of(owner));
        let event = Event::RegistrationRejected { source, username, owner, code, phrase, tenant_id };
        self.outputs.push_back(RegistrarOutput::Event(event));
    }

    fn tenant_of(&self, owner: BindingOwner) -> Option<TenantId> {
        let config = self.snapshot.as_ref()?;
        match owner {
            BindingOwner::Extension(id) => config.extensions.get(&id)?.tenant_id,
            BindingOwner::Trunk(id) => config.trunks.get(&id)?.tenant_id,
        }
    }

    /// What was written is not to be: takes it off the disk again.
    fn undo(&mut self, plan: Plan) {
        let puts = plan.changes.into_iter().filter_map(|change| match change {
            BindingChange::Put(binding) => {
                Some(BindingChange::Delete { owner: binding.owner, contact: binding.contact })
            }
            BindingChange::Delete { .. } => None,
        });
        let deletes: Vec<BindingChange> = puts.collect();
        if !deletes.is_empty() {
            self.persist(deletes);
        }
    }

    fn put(&mut self, binding: Binding) {
        let at = Time::from_secs(binding.expires_at);
        let number = self.bindings.put(binding);
        self.timers.set(Due::Binding(number), at);
    }

    fn end_expired(&mut self, now: Time) {
        while let Some((_, due)) = self.timers.pop(now) {
            if let Due::Binding(number) = due {
                self.end_by_number(number, now);
            }
        }
    }

    fn end_by_number(&mut self, number: u64, now: Time) {
        let Some(binding) = self.bindings.by_number(number) else { return };
        let (owner, contact) = (binding.owner, binding.contact.clone());
        if self.pending.contains_key(&owner) {
            // What is being written may be its renewal: the disk must not lose that.
            return self.timers.set(Due::Binding(number), now + Duration::from_secs(1));
        }
        self.end(owner, contact, EXPIRED);
    }

    /// Ends what was registered from where the owner may not be any more.
    fn end_misplaced(&mut self, owner: BindingOwner) {
        let is_misplaced =
            |binding: &Binding| self.misplaced(owner, binding.source, &binding.transport).is_some();
        let writes_misplaced = |pending: &Pending| {
            let mut changes = pending.plan.changes.iter();
            changes.any(|change| matches!(change, BindingChange::Put(binding) if is_misplaced(binding)))
        };
        let all = self.bindings.of(owner).iter().map(|bound| &bound.binding);
        let misplaced: Vec<String> =
            all.filter(|binding| is_misplaced(binding)).map(|binding| binding.contact.clone()).collect();
        if self.pending.get(&owner).is_some_and(writes_misplaced)
            && let Some(pending) = self.pending.get_mut(&owner)
        {
            pending.revoked = true;
        }
        for contact in misplaced {
            self.end(owner, contact, "removed");
        }
    }

    fn end_all(&mut self, owner: BindingOwner, why: &'static str) {
        let contacts: Vec<String> =
            self.bindings.of(owner).iter().map(|bound| bound.binding.contact.clone()).collect();
        for contact in contacts {
            self.end(owner, contact, why);
        }
    }

    fn end(&mut self, owner: BindingOwner, contact: String, why: &'static str) {
        self.bindings.remove(owner, &contact);
        self.persist(vec![BindingChange::Delete { owner, contact: contact.clone() }]);
        self.tell_ended(owner, contact, why);
    }

    /// The store is slow: the device and those behind it are told to come back, and nobody else notices.
    fn on_overdue(&mut self, owner: BindingOwner, sip: &mut Sip) {
        let Some(pending) = self.pending.get_mut(&owner) else { return };
        for arrived in pending.request.take().into_iter().chain(pending.waiting.drain(..)) {
            answer_refused(&arrived, &not_now(), sip);
        }
    }

    /// 200 with every binding of the owner (RFC 3261 §10.3 step 8).
    fn answer_ok(&self, owner: BindingOwner, arrived: &Arrived, sip: &mut Sip) {
        let now = second(sip.now);
        let mut writer = reply(&arrived.message, arrived.flow, 200, standard_reason(200), sip);
        for bound in self.bindings.of(owner) {
            let left = bound.binding.expires_at.saturating_sub(now);
            if left > 0 {
                writer.header(Header::Contact, format_args!("<{}>;expires={left}", bound.binding.contact));
            }
        }
        for value in arrived.message.headers(Header::Path) {
            writer.header(Header::Path, value);
        }
        writer.header(Header::Supported, "path");
        sip.txn.respond(arrived.key, 200, writer.finish(), sip.now);
    }

    /// The way back to where it registered from. After a restart its connection is gone, and its listener may be another.
    fn flow_of(&self, binding: &Binding) -> Option<Flow> {
        let transport = Transport::parse(&binding.transport)?;
        let listener = self.local.listeners.get(usize::from(binding.listener));
        let same =
            listener.is_some_and(|(t, at)| *t == transport && at.is_ipv4() == binding.source.is_ipv4());
        let connection = binding.connection.map(ConnectionId);
        let remote = match connection {
            None if transport != Transport::Udp => listening_at(binding),
            _ => binding.source,
        };
        if !same {
            return self.local.flow_to(transport, remote);
        }
        Some(Flow { transport, listener: ListenerId(binding.listener), remote, connection, domain: None })
    }

    fn view(&self, binding: &Binding) -> RegistrationView {
        let config = self.snapshot.as_ref();
        let (trunk_id, extension_id, username) = match binding.owner {
            BindingOwner::Trunk(id) => {
                let trunk = config.and_then(|config| config.trunks.get(&id));
                (Some(id), None, trunk.and_then(|trunk| trunk.username.clone()))
            }
            BindingOwner::Extension(id) => {
                let extension = config.and_then(|config| config.extensions.get(&id));
                (None, Some(id), extension.map(|extension| extension.username.clone()))
            }
        };
        RegistrationView {
            direction: "inbound".to_owned(),
            trunk_id,
            extension_id,
            username: username.unwrap_or_default(),
            state: RegistrationState::Registered,
            contact: binding.contact.clone(),
            address: format!("{}:{}", binding.transport, binding.source),
            expires_at: Some(binding.expires_at * 1000),
            next_at: None,
            failures: 0,
            last_code: None,
            last_phrase: None,
            user_agent: binding.user_agent.clone(),
        }
    }
}

/// What makes someone who registers to us the same as before: the names and the password.
type Account = (Vec<String>, Option<Secret>);

/// `None`: there is nobody who may register.
fn account_of(config: &Config, owner: BindingOwner) -> Option<Account> {
    match owner {
        BindingOwner::Extension(id) => {
            let extension = config.extensions.get(&id).filter(|extension| extension.enabled)?;
            Some((vec![extension.username.clone()], extension.password.clone()))
        }
        BindingOwner::Trunk(id) => {
            let trunk = config.trunks.get(&id).filter(|trunk| trunk.enabled)?;
            if trunk.mode != tandem_model::TrunkMode::RegisterIn {
                return None;
            }
            let names = [&trunk.username, &trunk.auth_username];
            Some((names.into_iter().flatten().cloned().collect(), trunk.password.clone()))
        }
    }
}

fn not_now() -> Refusal {
    Refusal::with(503, "Registration Could Not Be Stored", Header::RetryAfter, RETRY_AFTER)
}

fn reply(message: &Message, flow: Flow, code: u16, phrase: &str, sip: &mut Sip<'_>) -> Writer {
    let tag = sip.txn.stateless_tag(message);
    Writer::reply(message, flow.remote, code, phrase, Some(&tag))
}

/// 401 with challenges, of which nothing is remembered.
fn challenge(key: ServerKey, message: &Message, flow: Flow, values: &[String], sip: &mut Sip<'_>) {
    let mut writer = reply(message, flow, 401, standard_reason(401), sip);
    for value in values {
        writer.header(Header::WwwAuthenticate, value);
    }
    sip.txn.respond_and_forget(key, 401, writer.finish());
}

fn refusal_bytes(message: &Message, flow: Flow, refusal: &Refusal, sip: &mut Sip<'_>) -> bytes::Bytes {
    let mut writer = reply(message, flow, refusal.code, refusal.phrase, sip);
    if let Some((name, value)) = &refusal.header {
        writer.header(*name, value);
    }
    writer.finish()
}

/// A refusal to someone who has not shown who he is.
fn refuse(key: ServerKey, message: &Message, flow: Flow, refusal: &Refusal, sip: &mut Sip<'_>) {
    let bytes = refusal_bytes(message, flow, refusal, sip);
    sip.txn.respond_and_forget(key, refusal.code, bytes);
}

/// A refusal to someone known.
fn answer_refused(arrived: &Arrived, refusal: &Refusal, sip: &mut Sip<'_>) {
    let bytes = refusal_bytes(&arrived.message, arrived.flow, refusal, sip);
    sip.txn.respond(arrived.key, refusal.code, bytes, sip.now);
}

/// Where a device whose connection is gone takes a new one (RFC 3261 §18.1.1): the port of its Contact, if its address is the one
/// that it registered from. A device behind NAT has to come back by itself.
fn listening_at(binding: &Binding) -> SocketAddr {
    let uri =
        Uri::parse(&binding.contact).filter(|uri| uri.host() == Host::Ip(binding.source.ip().to_canonical()));
    let usual = Transport::parse(&binding.transport).unwrap_or(Transport::Udp).default_port();
    uri.map_or(binding.source, |uri| SocketAddr::new(binding.source.ip(), uri.port().unwrap_or(usual)))
}
