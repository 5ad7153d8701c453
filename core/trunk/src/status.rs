//! A trunk's status, put together from what its machines know; nothing else decides it.

use crate::health::Condition;
use crate::live::Live;
use crate::local::Local;
use crate::registration::{Lane, State};
use crate::words;
use tandem_model::{Event, Health, RegistrationState, RegistrationView, TrunkMode, TrunkState, TrunkStatus};
use tandem_time::Time;

/// What was last told of a trunk.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) state: Option<TrunkState>,
    pub(crate) since: Time,
    pub(crate) health: Health,
}

impl Live {
    /// Notes the state as it is now, and tells of it if it is another one than before.
    pub(crate) fn settle(&mut self, local: &Local, now: Time) -> Option<Event> {
        let (new, reason) = self.verdict(local);
        if self.shown.state == Some(new) {
            return None;
        }
        let old = self.shown.state.replace(new);
        self.shown.since = now;
        let status = self.status(local);
        let flow = self.registration.asking().or_else(|| self.call_flows(local).first().copied());
        Some(Event::TrunkState {
            trunk_id: self.config.id,
            name: self.config.name.clone(),
            old,
            new,
            reason,
            code: status.last_code,
            phrase: self.registration.last.as_ref().map(|(_, phrase)| phrase.clone()),
            address: flow.map(|flow| words::address(&flow)),
            next_retry_at: status.next_retry_at,
            tenant_id: self.config.tenant_id,
        })
    }

    /// The same of what probes show.
    pub(crate) fn settle_health(&mut self) -> Option<Event> {
        let new = match self.health.condition() {
            Condition::Unknown => Health::Unknown,
            Condition::Good => Health::Good,
            Condition::Impaired => Health::Impaired,
            Condition::Down => Health::Down,
        };
        if new == self.shown.health {
            return None;
        }
        let old = std::mem::replace(&mut self.shown.health, new);
        let (down, all) = self.health.down_of();
        Some(Event::TrunkHealth {
            trunk_id: self.config.id,
            name: self.config.name.clone(),
            old,
            new,
            targets: all as u32,
            targets_down: down as u32,
            rtt_ms: self.health.rtt_ms(),
            reason: self.health.last_failure.clone().filter(|_| new > Health::Good),
            tenant_id: self.config.tenant_id,
        })
    }

    /// The status as the API shows it; `calls` is the engine's.
    pub(crate) fn status(&self, local: &Local) -> TrunkStatus {
        let (state, reason) = self.verdict(local);
        let waits = matches!(self.registration.state, State::Waiting { .. } | State::Starting { .. });
        TrunkStatus {
            state,
            reason,
            since: self.shown.since.as_millis(),
            next_retry_at: self.registration.next_at().filter(|_| waits).map(Time::as_millis),
            registration: self.registration_state(),
            last_code: self.last_code,
            registered_until: self.registration.held.map(|held| held.until.as_millis()),
            rtt_ms: self.health.rtt_ms(),
            calls: 0,
        }
    }

    /// Whether calls may be sent to it.
    pub(crate) fn is_up(&self, local: &Local) -> bool {
        let state = self.verdict(local).0;
        let usable = matches!(
            state,
            TrunkState::Registered | TrunkState::Reachable | TrunkState::Static | TrunkState::Degraded
        );
        let has_way = self.config.mode == TrunkMode::RegisterIn || !self.call_flows(local).is_empty();
        usable && has_way && !self.leaving
    }

    fn registration_state(&self) -> RegistrationState {
        match self.registration.shown_state() {
            RegistrationState::Static if !self.config.enabled => RegistrationState::Disabled,
            state => state,
        }
    }

    fn verdict(&self, local: &Local) -> (TrunkState, String) {
        if !self.config.enabled {
            return (TrunkState::Disabled, "Switched off.".to_owned());
        }
        match self.config.mode {
            TrunkMode::RegisterIn => self.verdict_of_guest(),
            TrunkMode::RegisterOut => self.verdict_of_registration(local),
            TrunkMode::PeerIn if self.config.host.is_none() => {
                (TrunkState::Static, "Needs no registration; calls come from it.".to_owned())
            }
            TrunkMode::IpAuth | TrunkMode::Credential | TrunkMode::PeerIn => self.verdict_of_static(local),
        }
    }

    fn verdict_of_guest(&self) -> (TrunkState, String) {
        let user = self.config.digest_username().unwrap_or("?");
        if self.bound {
            (TrunkState::Registered, "The other side is registered here.".to_owned())
        } else {
            let words = format!("Waits for the other side to register here as {user}.");
            (TrunkState::Unregistered, words)
        }
    }

    fn verdict_of_registration(&self, local: &Local) -> (TrunkState, String) {
        let registration = &self.registration;
        if registration.held.is_some() && !matches!(registration.state, State::Unregistering(_)) {
            return match &registration.trouble {
                _ if self.health.condition() == Condition::Down => self.verdict_of_probes(),
                Some(trouble) => {
                    let words =
                        format!("The registration still holds, but was not renewed. {}", trouble.words);
                    (TrunkState::Degraded, words)
                }
                None if self.health.condition() == Condition::Impaired => self.verdict_of_probes(),
                None if self.call_flows(local).is_empty() => self.verdict_of_nowhere(TrunkState::Registering),
                None => (TrunkState::Registered, self.registered_words()),
            };
        }
        match (&registration.trouble, &registration.state) {
            (_, State::Unregistering(_)) => (TrunkState::Disabled, "Is being unregistered.".to_owned()),
            (Some(trouble), _) => {
                let state = match trouble.lane {
                    Lane::Timeout | Lane::Backoff => TrunkState::Unreachable,
                    Lane::AuthFailed => TrunkState::AuthFailed,
                    Lane::Rejected => TrunkState::Rejected,
                };
                (state, trouble.words.clone())
            }
            (None, State::Resolving) => match self.lookup_error() {
                Some(words) => (TrunkState::Unreachable, words),
                None => (TrunkState::Registering, "Its host is being looked up.".to_owned()),
            },
            (None, _) => (TrunkState::Registering, "REGISTER is under way.".to_owned()),
        }
    }

    fn registered_words(&self) -> String {
        let Some(flow) = self.registration.asking() else { return "Registered.".to_owned() };
        let account = self.config.account_user().unwrap_or("?");
        format!("Registered as {account} at {}.", words::address(&flow))
    }

    fn verdict_of_static(&self, local: &Local) -> (TrunkState, String) {
        if self.call_flows(local).is_empty() {
            return self.verdict_of_nowhere(TrunkState::Static);
        }
        if self.config.ping_interval == 0 {
            return (TrunkState::Static, "Needs no registration and is not probed.".to_owned());
        }
        match self.health.condition() {
            Condition::Unknown => {
                (TrunkState::Static, "Needs no registration; not answered for yet.".to_owned())
            }
            Condition::Good => (TrunkState::Reachable, "Answers OPTIONS.".to_owned()),
            Condition::Impaired | Condition::Down => self.verdict_of_probes(),
        }
    }

    /// No address, or none that we have a listener for; `until_known` while the look-up is under way.
    fn verdict_of_nowhere(&self, until_known: TrunkState) -> (TrunkState, String) {
        let unresolved = self.places.calls().is_none_or(|place| place.targets.is_empty());
        match (unresolved, self.lookup_error()) {
            (true, Some(words)) => (TrunkState::Unreachable, words),
            (true, None) => (until_known, "Its host is being looked up.".to_owned()),
            (false, _) => (TrunkState::Unreachable, words::no_listener(&self.config)),
        }
    }

    fn verdict_of_probes(&self) -> (TrunkState, String) {
        let failure = self.health.last_failure.as_deref().unwrap_or("OPTIONS is not answered.");
        if self.health.condition() == Condition::Down {
            return (TrunkState::Unreachable, failure.to_owned());
        }
        let words = match self.health.down_of() {
            (0, _) => format!("Usable, but {} OPTIONS in a row failed. {failure}", self.health.misses()),
            (down, all) => format!("Usable, but {down} of its {all} targets do not answer. {failure}"),
        };
        (TrunkState::Degraded, words)
    }

    fn lookup_error(&self) -> Option<String> {
        let failed = self
            .places
            .all
            .iter()
            .find(|place| !place.is_source_only && place.targets.is_empty() && place.error.is_some())?;
        let why = failed.error.as_deref().unwrap_or("");
        let host = &failed.at.host;
        Some(format!(
            "The host {host} could not be looked up ({why}). Check its spelling and the name service."
        ))
    }

    /// The registration as the API shows it, of trunks that are to be registered.
    pub(crate) fn view(&self, local: &Local) -> Option<RegistrationView> {
        if self.config.mode != TrunkMode::RegisterOut {
            return None;
        }
        let registration = &self.registration;
        let flow = registration.asking().or_else(|| self.register_flows(local).first().copied());
        let contact_host = flow.map(|flow| local.contact_host(&flow)).unwrap_or_else(|| "invalid".to_owned());
        Some(RegistrationView {
            direction: "outbound".to_owned(),
            trunk_id: Some(self.config.id),
            extension_id: None,
            username: self.config.username.clone().unwrap_or_default(),
            state: self.registration_state(),
            contact: crate::contact::uri(&self.config, &contact_host, &registration.account.token),
            address: flow.map(|flow| words::address(&flow)).unwrap_or_default(),
            expires_at: registration.held.map(|held| held.until.as_millis()),
            next_at: registration.next_at().map(Time::as_millis),
            failures: registration.failures.max(registration.refusals()),
            last_code: registration.last.as_ref().map(|(code, _)| *code),
            last_phrase: registration.last.as_ref().map(|(_, phrase)| phrase.clone()),
            user_agent: None,
        })
    }
}
