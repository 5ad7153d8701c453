//! What would become of a call: routing asked as for a call, and its answer put into words.

use crate::Engine;
use crate::invite::refusal_of;
use crate::surroundings::{around, destination};
use tandem_call::{Caller, Identity, Source, preview};
use tandem_model::{Explanation, Looked, Question, Try};
use tandem_routing::{Line, Moment, NoDestination, Round, Trail, every};
use tandem_sip_dialog::Dial;
use tandem_sip_msg::{Header, Message, escape_user};
use tandem_time::Time;

/// Of chance there is only one in an explanation, so that the same question has the same answer.
const CHANCE: u64 = 0;

impl Engine {
    /// What would become of a call; nothing where nobody is named who could make it.
    pub fn explain(&mut self, question: &Question, now: Time) -> Option<Explanation> {
        let source = match (question.extension_id, question.trunk_id) {
            (Some(id), None) => Source::Extension(self.config.extensions.get(&id)?.clone()),
            (None, Some(id)) => Source::Trunk(self.config.trunks.get(&id)?.clone()),
            _ => return None,
        };
        let at = question.at.unwrap_or(now.as_millis());
        let moment = Moment { millis: at, random: CHANCE };
        let conditions = self.at_present(now);
        let mut trail = Trail::full();
        let numbers = (question.caller.as_deref().unwrap_or_default(), question.number.as_str());
        let found = destination(&self.config, &source, numbers, moment, &conditions, &mut trail);
        let steps = trail.into_lines().into_iter().map(looked).collect();
        let mut explanation = Explanation { at, steps, ..Explanation::default() };
        match found {
            Ok(destination) => {
                explanation.tenant_id = destination.tenant;
                explanation.tries = self.tries(&destination.rounds, source, question, now);
                explanation.code = match destination.rounds.first() {
                    Some(Round::Refuse { code }) => Some(*code),
                    _ => None,
                };
            }
            Err(mut none) => {
                // The nearest number may be another tenant's.
                if let (NoDestination::Unmatched { nearest }, Some(_)) = (&mut none, source.tenant_id()) {
                    *nearest = None;
                }
                let (refusal, reason, why) = refusal_of(none, &question.number);
                explanation.tenant_id = source.tenant_id();
                explanation.code = Some(refusal.code);
                explanation.reason = Some(reason.to_owned());
                explanation.message = Some(why);
            }
        }
        Some(explanation)
    }

    fn tries(&mut self, rounds: &[Round], source: Source, question: &Question, now: Time) -> Vec<Try> {
        let invite = invite_of(&source, question);
        let identity = invite.map(|invite| Identity::read(&source, &invite)).unwrap_or_default();
        let caller =
            Caller { party: identity.party(&source), identity, headers: Vec::new(), source, seat: None };
        let limits = self.settings.limits;
        let around = around!(self, now);
        every(rounds)
            .into_iter()
            .map(|round| with_invite(try_of(round), preview(round, &caller, &limits, &around)))
            .collect()
    }
}

fn looked(line: Line) -> Looked {
    let (step, trunk_id) = line.step.unzip();
    Looked {
        kind: line.kind.key().to_owned(),
        id: line.id,
        name: line.name,
        step,
        trunk_id,
        kept: line.kept,
        why: line.why,
    }
}

fn try_of(round: &Round) -> Try {
    match round {
        Round::Extension { extension, ring_timeout, .. } => Try {
            extension_id: Some(extension.id),
            name: extension.name.clone(),
            number: extension.number.clone(),
            timeout: *ring_timeout,
            forwarded: round.forwarded(),
            ..Try::default()
        },
        Round::Trunk(step) => {
            let (route_id, place) = step.route().unzip();
            Try {
                trunk_id: Some(step.trunk.id),
                name: step.trunk.name.clone(),
                route_id,
                step: place,
                number: step.number.clone(),
                timeout: step.timeout,
                attestation: step.attested.as_ref().map(|attested| attested.attestation.to_string()),
                forwarded: round.forwarded(),
                ..Try::default()
            }
        }
        Round::Refuse { code } => Try { code: Some(*code), ..Try::default() },
    }
}

fn with_invite(mut tried: Try, dial: Option<Dial>) -> Try {
    let Some(dial) = dial else { return tried };
    let tells = |header: &Header| {
        matches!(
            header,
            Header::PAssertedIdentity
                | Header::PPreferredIdentity
                | Header::RemotePartyId
                | Header::Privacy
                | Header::Diversion
                | Header::HistoryInfo
        )
    };
    let told = dial.headers.iter().filter(|(header, _)| tells(header));
    tried.identity = told.map(|(header, value)| format!("{}: {value}", header.name())).collect();
    tried.request_uri = Some(dial.uri);
    tried.from = Some(dial.from);
    tried
}

/// The INVITE that the caller would send, as far as it says who calls.
fn invite_of(source: &Source, question: &Question) -> Option<Message> {
    let (user, host) = match source {
        Source::Extension(extension) => {
            (question.caller.clone().unwrap_or_else(|| extension.username.clone()), None)
        }
        Source::Trunk(trunk) => (question.caller.clone().unwrap_or_default(), trunk.host.clone()),
        Source::Guest(_) => (question.caller.clone().unwrap_or_default(), None),
    };
    let host = host.filter(|host| !host.contains(':')).unwrap_or_else(|| "explain.invalid".to_owned());
    let at = if user.is_empty() { host } else { format!("{}@{host}", escape_user(&user)) };
    let text = format!(
        "INVITE sip:{}@explain.invalid SIP/2.0\r\nVia: SIP/2.0/UDP explain.invalid;branch=z9hG4bKexplain\r\n\
         From: <sip:{at}>;tag=explain\r\nTo: <sip:explain.invalid>\r\nCall-ID: explain\r\nCSeq: 1 INVITE\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        escape_user(&question.number),
    );
    Message::parse(bytes::Bytes::from(text)).ok()
}
