//! What may stand in a configuration. One room a kind, plus one for what contradicts another entity.

mod alert;
mod block;
mod class_of_service;
mod conflict;
mod extension;
mod inbound;
mod number;
mod owning;
mod range;
mod rate;
mod receiving;
mod reference;
mod route;
mod schedule;
mod sending;
mod signing;
mod tenant;
mod text;
mod trunk;
mod user;
mod webhook;

use crate::findings::Findings;
use crate::index::Clash;
use crate::{Codec, Config, Entity, Kind};
use std::collections::BTreeMap;
use uuid::Uuid;

pub(crate) use range::range_of;
pub(crate) use text::is_host;

/// What a change touches, each with the position of the last step that does.
pub(crate) type Touched = BTreeMap<(Kind, Uuid), usize>;

/// Asks every rule of `after`, as far as what was touched can have broken it.
pub(crate) fn check(
    before: &Config,
    after: &Config,
    touched: &Touched,
    clashes: &[Clash],
    findings: &mut Findings,
) {
    for ((kind, id), position) in touched {
        findings.at(*position);
        let Some(entity) = after.get(*kind, *id) else { continue };
        match &entity {
            Entity::Tenant(tenant) => tenant::check(tenant, findings),
            Entity::Schedule(schedule) => schedule::check(schedule, findings),
            Entity::RateTable(table) => rate::check(table, findings),
            Entity::Trunk(trunk) => trunk::check(trunk, findings),
            Entity::Assignment(_) => {}
            Entity::Extension(extension) => extension::check(extension, findings),
            Entity::Route(route) => route::check(route, findings),
            Entity::InboundRoute(route) => inbound::check(route, findings),
            Entity::Number(number) => {
                let before = before.numbers.get(&number.id).map(std::sync::Arc::as_ref);
                number::check(before, number, findings);
            }
            Entity::User(user) => user::user(user, findings),
            Entity::Token(token) => user::token(token, findings),
            Entity::Block(block) => block::check(after, block, findings),
            Entity::ClassOfService(class) => class_of_service::check(class, findings),
            Entity::Webhook(webhook) => webhook::check(webhook, findings),
            Entity::AlertRule(rule) => alert::check(after, rule, findings),
        }
        reference::check(after, &entity, findings);
    }
    reference::deleted(before, after, touched, findings);
    conflict::check(after, touched, clashes, findings);
    owning::check(before, after, touched, findings);
    extension::no_more_than_granted(before, after, touched, findings);
}

/// The rules on a list of codecs.
fn codecs(codecs: &[Codec], findings: &mut Findings) {
    for (n, codec) in codecs.iter().enumerate() {
        if codecs[..n].contains(codec) {
            let message = format!("{} is in the list twice", codec.name());
            findings.invalid(format!("codecs[{n}]"), "DUPLICATE_VALUE", message, "remove one of them");
        }
    }
    if !codecs.iter().any(|codec| codec.is_audio()) {
        let fix = "add at least one of PCMA, PCMU, G722, G729, GSM, opus, or leave `codecs` out";
        findings.invalid("codecs", "NO_AUDIO_CODEC", "no codec of the list carries sound", fix);
    }
}
