//! The registration that we keep at a provider (RFC 3261 §10.2; states of `tandem_model::RegistrationState`).
//!
//! It never gives up, and no state is without a moment at which it ends: [`Due::Register`].

use crate::contact;
use crate::live::{Cx, Due, Headers, Live, Part, WATCHDOG, hop};
use crate::request::{self, Account};
use crate::retry;
use crate::target::Target;
use crate::words;
use ipnet::IpNet;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tandem_model::{AuthAlgorithm, RegistrationState, Trunk};
use tandem_sip_dialog::digest::{DigestClient, Login, Unanswered};
use tandem_sip_msg::{Flow, Header, Message, Transport};
use tandem_sip_txn::{ClientKey, Failure};
use tandem_time::Time;

/// Longest wait for the answer to an unregistration, and thereby for a trunk to go.
const FAREWELL: Duration = Duration::from_secs(8);
/// How often Min-Expires is followed within one attempt.
const MAX_TOO_BRIEF: u8 = 2;
/// No registrar is asked for longer.
const MAX_EXPIRES: u32 = 7 * 24 * 3600;

/// A registration at a provider.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) state: State,
    pub(crate) account: Account,
    digest: DigestClient,
    /// The lifetime asked for: the configured one, or what the registrar insists on.
    asked: u32,
    /// Failures in a row, and refusals in a row.
    pub(crate) failures: u32,
    refusals: u32,
    pub(crate) held: Option<Held>,
    /// Why it is not as it should be; stays until a success or an edit.
    pub(crate) trouble: Option<Trouble>,
    /// The last final answer.
    pub(crate) last: Option<(u16, String)>,
}

/// What it is doing.
#[derive(Debug)]
pub(crate) enum State {
    /// Nothing: the trunk is off or needs no registration.
    Off,
    /// Waits for an address.
    Resolving,
    /// Waits a little before its first try.
    Starting { at: Time },
    /// A REGISTER is under way.
    Trying(Attempt),
    /// The registrar holds our Contact.
    Registered { refresh_at: Time },
    /// The last try failed.
    Waiting { retry_at: Time },
    /// Our Contact is being taken back.
    Unregistering(Attempt),
}

/// One REGISTER with its repetitions for credentials, a longer lifetime and further targets.
#[derive(Debug)]
pub(crate) struct Attempt {
    key: ClientKey,
    flow: Flow,
    /// Targets not tried yet.
    rest: VecDeque<Flow>,
    contact: String,
    /// Whether the REGISTER under way carries credentials.
    with_credentials: bool,
    too_brief: u8,
}

/// The registration that the registrar holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) until: Time,
    pub(crate) flow: Flow,
}

/// What kind of failure keeps it from being registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// Nobody answered.
    Timeout,
    /// It answered that it cannot now.
    Backoff,
    /// It refuses our credentials.
    AuthFailed,
    /// It refuses us for another reason.
    Rejected,
}

/// A failure that has not been overcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trouble {
    pub(crate) lane: Lane,
    pub(crate) words: String,
    /// The peer itself said when to come back.
    told_when: bool,
}

impl Registration {
    pub(crate) fn new(trunk: &Trunk, account: Account) -> Registration {
        Registration {
            state: State::Off,
            account,
            digest: DigestClient::new(login(trunk)),
            asked: trunk.expires,
            failures: 0,
            refusals: 0,
            held: None,
            trouble: None,
            last: None,
        }
    }

    /// What the API calls its state.
    pub(crate) fn shown_state(&self) -> RegistrationState {
        match (&self.state, &self.trouble) {
            (State::Off, _) => RegistrationState::Static,
            (State::Resolving, _) => RegistrationState::Resolving,
            (State::Registered { .. }, _) => RegistrationState::Registered,
            (State::Unregistering(_), _) => RegistrationState::Unregistering,
            (State::Trying(_) | State::Waiting { .. }, _) if self.held.is_some() => {
                RegistrationState::Refreshing
            }
            (State::Starting { .. } | State::Trying(_), _) => RegistrationState::Registering,
            (State::Waiting { .. }, Some(trouble)) => match trouble.lane {
                Lane::Timeout => RegistrationState::Timeout,
                Lane::Backoff => RegistrationState::Backoff,
                Lane::AuthFailed => RegistrationState::AuthFailed,
                Lane::Rejected => RegistrationState::Rejected,
            },
            (State::Waiting { .. }, None) => RegistrationState::Backoff,
        }
    }

    /// When something happens next by itself.
    pub(crate) fn next_at(&self) -> Option<Time> {
        match self.state {
            State::Registered { refresh_at: at }
            | State::Waiting { retry_at: at }
            | State::Starting { at } => Some(at),
            _ => None,
        }
    }

    /// The address that took the registration.
    pub(crate) fn holder(&self) -> Option<(Transport, SocketAddr)> {
        self.held.map(|held| hop(&held.flow))
    }

    /// The address that a REGISTER is under way to.
    pub(crate) fn asking(&self) -> Option<Flow> {
        match &self.state {
            State::Trying(attempt) | State::Unregistering(attempt) => Some(attempt.flow),
            _ => self.held.map(|held| held.flow),
        }
    }

    /// Whether it is known at the provider or on its way there again after a failure, so that probes make sense.
    pub(crate) fn has_been_tried(&self) -> bool {
        let underway =
            matches!(self.state, State::Trying(_) | State::Registered { .. } | State::Waiting { .. });
        underway && (self.held.is_some() || self.trouble.is_some())
    }

    /// Refusals in a row.
    pub(crate) fn refusals(&self) -> u32 {
        self.refusals
    }

    pub(crate) fn take_credentials(&mut self, trunk: &Trunk) {
        self.digest = DigestClient::new(login(trunk));
    }

    pub(crate) fn ask_for(&mut self, expires: u32) {
        self.asked = expires;
    }

    fn forget_trouble(&mut self) {
        self.trouble = None;
        self.failures = 0;
        self.refusals = 0;
    }

    /// Stops listening to the REGISTER under way.
    fn let_go(&mut self, cx: &mut Cx<'_, '_>) {
        if let State::Trying(attempt) | State::Unregistering(attempt) = &self.state {
            cx.sip.txn.disown(attempt.key);
        }
        self.digest.accepted();
    }
}

pub(crate) fn login(trunk: &Trunk) -> Login {
    let password = trunk.password.as_ref().map(|secret| secret.expose().to_owned()).unwrap_or_default();
    Login {
        realm: trunk.realm.clone(),
        md5: trunk.auth_algorithms.contains(&AuthAlgorithm::Md5),
        sha256: trunk.auth_algorithms.contains(&AuthAlgorithm::Sha256),
        ..Login::new(trunk.digest_username().unwrap_or_default(), password)
    }
}

impl Live {
    pub(crate) fn begin_registration(&mut self, delay: Duration, cx: &mut Cx<'_, '_>) {
        if !self.registers() {
            return;
        }
        self.registration.let_go(cx);
        self.registration.forget_trouble();
        if let State::Unregistering(_) = self.registration.state {
            self.registration.held = None;
        }
        if delay.is_zero() {
            return self.try_registering(cx);
        }
        let at = cx.now() + delay;
        self.registration.state = State::Starting { at };
        cx.due(Due::Register, at);
    }

    /// A person asked for it, or something was changed that makes another outcome likely.
    pub(crate) fn register_at_once(&mut self, cx: &mut Cx<'_, '_>) {
        self.begin_registration(Duration::ZERO, cx);
    }

    /// The addresses of a host have changed.
    pub(crate) fn on_addresses_changed(&mut self, cx: &mut Cx<'_, '_>) {
        if !self.registers() {
            return;
        }
        let hops: Vec<_> = self.register_flows(cx.local).iter().map(hop).collect();
        let gone = self.registration.holder().is_some_and(|holder| !hops.contains(&holder));
        match &self.registration.state {
            State::Resolving | State::Waiting { .. } => self.register_at_once(cx),
            State::Registered { .. } if gone => self.try_registering(cx),
            State::Trying(attempt) if !hops.contains(&hop(&attempt.flow)) => self.register_at_once(cx),
            _ => {}
        }
    }

    /// Begins an attempt: first for who holds the registration, then for the others.
    pub(crate) fn try_registering(&mut self, cx: &mut Cx<'_, '_>) {
        self.registration.let_go(cx);
        let mut rest: VecDeque<Flow> = self.register_flows(cx.local).into();
        let Some(first) = rest.pop_front() else {
            return self.wait_for_an_address(cx);
        };
        let credentials = self.known_credentials(cx);
        self.send_register(first, rest, 0, credentials, cx);
    }

    fn wait_for_an_address(&mut self, cx: &mut Cx<'_, '_>) {
        let unresolved = self.places.register().is_none_or(|place| place.targets.is_empty());
        if unresolved {
            self.registration.state = State::Resolving;
            cx.due_in(Due::Register, WATCHDOG);
        } else {
            self.wait_after(Lane::Rejected, words::no_listener(&self.config), None, cx);
        }
    }

    fn known_credentials(&mut self, cx: &mut Cx<'_, '_>) -> Headers {
        let uri = request::target_uri(&self.config);
        let digest = &mut self.registration.digest;
        let Some(first) = digest.preemptive("REGISTER", &uri, cx.sip.rng) else { return Vec::new() };
        let second = digest.companion(first.0, "REGISTER", &uri).filter(|second| second.0 != first.0);
        std::iter::once(first).chain(second).collect()
    }

    fn send_register(
        &mut self,
        flow: Flow,
        rest: VecDeque<Flow>,
        too_brief: u8,
        credentials: Headers,
        cx: &mut Cx<'_, '_>,
    ) {
        let contact = self.contact_at(&flow, cx);
        let asked = self.registration.asked;
        let key = self.transmit(&contact, asked, flow, &credentials, cx);
        let with_credentials = !credentials.is_empty();
        self.registration.state =
            State::Trying(Attempt { key, flow, rest, contact, with_credentials, too_brief });
        cx.due_in(Due::Register, Duration::from_secs(u64::from(self.config.register_timeout)));
    }

    fn contact_at(&self, flow: &Flow, cx: &Cx<'_, '_>) -> String {
        contact::uri(&self.config, &cx.local.contact_host(flow), &self.registration.account.token)
    }

    fn transmit(
        &mut self,
        contact: &str,
        expires: u32,
        flow: Flow,
        credentials: &Headers,
        cx: &mut Cx<'_, '_>,
    ) -> ClientKey {
        let account = &mut self.registration.account;
        account.cseq += 1;
        let route = self.places.register_route();
        let request = request::register(&self.config, account, Some((contact, expires)), route, credentials);
        cx.send(request, flow, Part::Registration)
    }

    /// Takes our Contact back, if one may be held. `true`: there is nothing to wait for.
    pub(crate) fn unregister(&mut self, cx: &mut Cx<'_, '_>) -> bool {
        let registration = &mut self.registration;
        if let State::Unregistering(_) = registration.state {
            return false;
        }
        registration.let_go(cx);
        registration.forget_trouble();
        cx.never(Due::Expire);
        // One that is under way may still be taken.
        let flow = match &registration.state {
            State::Trying(attempt) => Some(attempt.flow),
            _ => registration.held.map(|held| held.flow),
        };
        let Some(flow) = flow else {
            registration.state = State::Off;
            cx.never(Due::Register);
            return true;
        };
        let credentials = self.known_credentials(cx);
        self.send_unregister(flow, credentials, cx);
        let longest = Duration::from_secs(u64::from(self.config.register_timeout)).min(FAREWELL);
        cx.due_in(Due::Register, longest);
        false
    }

    fn send_unregister(&mut self, flow: Flow, credentials: Headers, cx: &mut Cx<'_, '_>) {
        let contact = self.contact_at(&flow, cx);
        let key = self.transmit(&contact, 0, flow, &credentials, cx);
        let with_credentials = !credentials.is_empty();
        let rest = VecDeque::new();
        self.registration.state =
            State::Unregistering(Attempt { key, flow, rest, contact, with_credentials, too_brief: 0 });
    }

    fn unregistered(&mut self, cx: &mut Cx<'_, '_>) {
        self.registration.digest.accepted();
        self.registration.state = State::Off;
        self.registration.held = None;
        cx.never(Due::Register);
    }

    /// The moment of [`Due::Register`] has come.
    pub(crate) fn on_register_due(&mut self, cx: &mut Cx<'_, '_>) {
        match &self.registration.state {
            State::Off => {}
            State::Resolving | State::Starting { .. } | State::Registered { .. } | State::Waiting { .. } => {
                self.try_registering(cx);
            }
            State::Trying(attempt) => {
                cx.sip.txn.disown(attempt.key);
                self.on_register_unanswered(Failure::Timeout, cx);
            }
            State::Unregistering(attempt) => {
                cx.sip.txn.disown(attempt.key);
                self.unregistered(cx);
            }
        }
    }

    /// The registrar has let our Contact go, as far as we know.
    pub(crate) fn on_expired(&mut self, cx: &mut Cx<'_, '_>) {
        self.registration.held = None;
        if let State::Registered { .. } = self.registration.state {
            self.try_registering(cx);
        }
    }

    pub(crate) fn on_register_failed(&mut self, key: ClientKey, failure: Failure, cx: &mut Cx<'_, '_>) {
        match &self.registration.state {
            State::Trying(attempt) if attempt.key == key => self.on_register_unanswered(failure, cx),
            State::Unregistering(attempt) if attempt.key == key => self.unregistered(cx),
            _ => {}
        }
    }

    fn on_register_unanswered(&mut self, failure: Failure, cx: &mut Cx<'_, '_>) {
        let State::Trying(attempt) = &self.registration.state else { return };
        let flow = attempt.flow;
        let words = self.unanswered("REGISTER", flow, failure, self.config.register_timeout);
        let ways = self.ways(self.places.register(), cx.local);
        if let Some((target, _)) = ways.into_iter().find(|(_, way)| hop(way) == hop(&flow)) {
            self.put_last(target, cx);
        }
        if !self.try_next_target(cx) {
            self.wait_after(Lane::Timeout, words, None, cx);
        }
    }

    /// Goes on to a further target within the attempt. `false`: there is none.
    fn try_next_target(&mut self, cx: &mut Cx<'_, '_>) -> bool {
        let State::Trying(attempt) = &mut self.registration.state else { return false };
        let Some(flow) = attempt.rest.pop_front() else { return false };
        let (rest, too_brief) = (std::mem::take(&mut attempt.rest), attempt.too_brief);
        self.registration.digest.accepted();
        let credentials = self.known_credentials(cx);
        self.send_register(flow, rest, too_brief, credentials, cx);
        true
    }

    pub(crate) fn on_register_response(
        &mut self,
        key: ClientKey,
        answer: &Message,
        source: IpAddr,
        cx: &mut Cx<'_, '_>,
    ) {
        let Some(code) = answer.code().filter(|code| *code >= 200) else { return };
        let challenged = matches!(code, 401 | 407);
        let (attempt, leaving) = match &self.registration.state {
            State::Trying(attempt) => (attempt, false),
            State::Unregistering(attempt) => (attempt, true),
            _ => return,
        };
        if attempt.key != key {
            return;
        }
        self.registration.last = Some((code, words::phrase(answer)));
        self.last_code = Some(code);
        match code {
            401 | 407 => self.on_challenge(answer, source, cx),
            _ if leaving && !challenged => self.unregistered(cx),
            200..=299 => self.on_registered(answer, cx),
            423 => self.on_too_brief(answer, cx),
            503 if self.try_next_target(cx) => {}
            _ => self.on_refused(answer, code, cx),
        }
    }

    /// Answers a challenge (RFC 3261 §22.2), to a registration as to its end.
    fn on_challenge(&mut self, answer: &Message, source: IpAddr, cx: &mut Cx<'_, '_>) {
        let (attempt, leaving) = match &mut self.registration.state {
            State::Trying(attempt) => (attempt, false),
            State::Unregistering(attempt) => (attempt, true),
            _ => return,
        };
        let had_credentials = attempt.with_credentials;
        let (flow, rest, too_brief) = (attempt.flow, std::mem::take(&mut attempt.rest), attempt.too_brief);
        let uri = request::target_uri(&self.config);
        let from = IpNet::from(source.to_canonical());
        let trusted = self.challengers().any(|net| net.contains(&from));
        let digest = &mut self.registration.digest;
        let credentials = match trusted {
            true => digest.answer(answer, "REGISTER", &uri, cx.sip.rng),
            false => Err(Unanswered::Stranger),
        };
        match credentials {
            Ok(first) => {
                let second = digest.companion(first.0, "REGISTER", &uri);
                let credentials = std::iter::once(first).chain(second).collect();
                if leaving {
                    self.send_unregister(flow, credentials, cx);
                } else {
                    self.send_register(flow, rest, too_brief, credentials, cx);
                }
            }
            Err(_) if leaving => self.unregistered(cx),
            Err(why) => {
                let words = match why {
                    Unanswered::NoMatch => words::unanswerable_challenge(answer, &self.config),
                    Unanswered::Stranger => words::strange_challenge(answer, source),
                    Unanswered::Refused | Unanswered::Loop => {
                        words::refused(answer, "REGISTER", had_credentials, &self.config)
                    }
                };
                self.wait_after(Lane::AuthFailed, words, retry_after(answer), cx);
            }
        }
    }

    fn on_registered(&mut self, answer: &Message, cx: &mut Cx<'_, '_>) {
        let State::Trying(attempt) = &self.registration.state else { return };
        let flow = attempt.flow;
        let token = &self.registration.account.token;
        let granted = contact::granted(answer, &attempt.contact, token, self.registration.asked);
        if granted == 0 {
            self.registration.held = None;
            cx.never(Due::Expire);
            return self.wait_after(Lane::Backoff, words::granted_nothing(answer), None, cx);
        }
        let granted = Duration::from_secs(u64::from(granted.min(MAX_EXPIRES)));
        let registration = &mut self.registration;
        registration.digest.accepted();
        registration.forget_trouble();
        let until = cx.now() + granted;
        // Earlier by up to 2 %, so that who registered together does not refresh together.
        let early = cx.jitter((granted / 50).min(Duration::from_secs(30)));
        let refresh_at = cx.now() + (retry::refresh_after(granted) - early);
        registration.held = Some(Held { until, flow });
        registration.state = State::Registered { refresh_at };
        cx.due(Due::Register, refresh_at);
        cx.due(Due::Expire, until);
        // Who takes a registration is there.
        self.broken.retain(|(remote, _)| *remote != flow.remote);
        let ways = self.ways(self.places.register(), cx.local);
        if let Some((target, _)) = ways.into_iter().find(|(_, way)| hop(way) == hop(&flow)) {
            self.health.revive(target);
        }
    }

    /// 423 Interval Too Brief: asks for what the registrar wants (RFC 3261 §10.2.8).
    fn on_too_brief(&mut self, answer: &Message, cx: &mut Cx<'_, '_>) {
        let State::Trying(attempt) = &mut self.registration.state else { return };
        let wanted = answer.header(Header::MinExpires).and_then(contact::seconds).unwrap_or(0);
        if wanted <= self.registration.asked || wanted > MAX_EXPIRES || attempt.too_brief >= MAX_TOO_BRIEF {
            return self.on_refused(answer, 423, cx);
        }
        let (flow, rest, too_brief) =
            (attempt.flow, std::mem::take(&mut attempt.rest), attempt.too_brief + 1);
        self.registration.asked = wanted;
        self.registration.digest.accepted();
        let credentials = self.known_credentials(cx);
        self.send_register(flow, rest, too_brief, credentials, cx);
    }

    /// Any other final answer: sorted into a lane by its code.
    fn on_refused(&mut self, answer: &Message, code: u16, cx: &mut Cx<'_, '_>) {
        let State::Trying(attempt) = &self.registration.state else { return };
        let words = words::refused(answer, "REGISTER", attempt.with_credentials, &self.config);
        let lane = match code {
            408 => Lane::Timeout,
            413 | 429 | 430 | 480 | 486 | 491 | 500..=599 => Lane::Backoff,
            403 => Lane::AuthFailed,
            _ => Lane::Rejected,
        };
        self.wait_after(lane, words, retry_after(answer), cx);
    }

    /// Waits before the next try: in the fast lane if the trouble may pass, in the slow one if we are refused.
    fn wait_after(&mut self, lane: Lane, words: String, told: Option<u32>, cx: &mut Cx<'_, '_>) {
        let trunk = &self.config;
        let registration = &mut self.registration;
        registration.digest.accepted();
        let wait = match lane {
            Lane::Timeout | Lane::Backoff => {
                registration.failures += 1;
                let wait = match (lane, trunk.timeout_retry) {
                    (Lane::Timeout, Some(seconds)) => Duration::from_secs(seconds.into()),
                    _ => retry::fast(trunk.retry_base, trunk.retry_max, registration.failures, cx.sip.rng),
                };
                let wait = told.map_or(wait, retry::asked);
                match registration.held {
                    // It still holds: sooner, so that it need not end.
                    Some(held) if told.is_none() => {
                        wait.min((held.until.since(cx.now()) / 2).max(Duration::from_secs(5)))
                    }
                    _ => wait,
                }
            }
            Lane::AuthFailed | Lane::Rejected => {
                registration.refusals += 1;
                // The next try begins without credentials, so that wrong ones are not sent more often than they are asked for.
                registration.digest = DigestClient::new(login(trunk));
                // What was held is worth nothing: calls would be refused as well.
                registration.held = None;
                cx.never(Due::Expire);
                let wait = retry::slow(registration.refusals, cx.sip.rng);
                told.map_or(wait, |told| wait.max(retry::asked(told)))
            }
        };
        let retry_at = cx.now() + wait;
        if matches!(lane, Lane::Timeout) {
            self.take_other_transport(cx.local);
        }
        let registration = &mut self.registration;
        registration.trouble = Some(Trouble { lane, words, told_when: told.is_some() });
        registration.state = State::Waiting { retry_at };
        cx.due(Due::Register, retry_at);
    }

    /// The trunk answers again (or at all) after a silence: what that silence may have cost is made good now.
    /// `was_unreachable`: it had been silent for so long that its registrar may have been restarted.
    pub(crate) fn on_sign_of_life(&mut self, was_silent: bool, was_unreachable: bool, cx: &mut Cx<'_, '_>) {
        if !self.registers() {
            return;
        }
        let registration = &self.registration;
        match (&registration.state, &registration.trouble) {
            (State::Registered { .. }, _) if was_unreachable => self.try_registering(cx),
            (State::Waiting { .. }, Some(trouble)) => {
                // The first failure may have been no more than loss; later ones are believed until something changes.
                let hopeful = match trouble.lane {
                    Lane::Timeout => was_silent || registration.failures <= 1,
                    Lane::Backoff => was_unreachable && !trouble.told_when,
                    Lane::AuthFailed | Lane::Rejected => false,
                };
                if hopeful {
                    self.try_registering(cx);
                }
            }
            _ => {}
        }
    }

    /// Nobody answers OPTIONS any more, and the trunk is set to be taken for unregistered then.
    pub(crate) fn on_unreachable(&mut self, cx: &mut Cx<'_, '_>) {
        if self.registers() && matches!(self.registration.state, State::Registered { .. }) {
            self.registration.held = None;
            cx.never(Due::Expire);
            self.try_registering(cx);
        }
    }

    /// A target has stopped answering: if it is the one that holds our registration and another is alive, we move.
    pub(crate) fn on_target_lost(&mut self, lost: Target, cx: &mut Cx<'_, '_>) {
        let ways = self.ways(self.places.register(), cx.local);
        let lost = ways.iter().find(|(target, _)| *target == lost).map(|(_, flow)| hop(flow));
        let held_there = lost.is_some() && self.registration.holder() == lost;
        if !held_there || !matches!(self.registration.state, State::Registered { .. }) {
            return;
        }
        if ways.first().is_some_and(|(_, flow)| Some(hop(flow)) != lost) {
            self.try_registering(cx);
        }
    }
}

/// Retry-After in seconds; its comment and parameters are of no use to us (RFC 3261 §20.33).
fn retry_after(answer: &Message) -> Option<u32> {
    let value = answer.header(Header::RetryAfter)?;
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    contact::seconds(&value[..end])
}
