//! What the tests write their sentences with.

use serde_json::{Value, json};
use tandem_model::{Change, Config, Entity, Kind, Rejection, RejectionKind};
use uuid::Uuid;

pub use tandem_model::Kind::{Extension, Number, Route, Trunk};
pub use tandem_model::RejectionKind::{Conflict, Invalid, NotFound};

/// Ids in order of age.
pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// `base` with the fields of `change` over it; `null` takes a field away.
pub fn with(mut base: Value, change: Value) -> Value {
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(base.as_object_mut().unwrap().remove(name)),
            value => base[name] = value.clone(),
        }
    }
    base
}

/// A trunk that registers.
pub fn trunk() -> Value {
    json!({ "name": "Telnyx", "host": "sip.telnyx.com", "username": "acme", "password": "pw" })
}

pub fn extension() -> Value {
    json!({ "number": "1000", "password": "secure-password" })
}

pub fn route(trunk: u128) -> Value {
    json!({ "name": "Out", "steps": [{ "trunk_id": id(trunk) }] })
}

pub fn put(kind: Kind, n: u128, body: Value) -> Change {
    Change::Put(Entity::create(kind, id(n), body).unwrap_or_else(|rejection| panic!("{rejection}")))
}

/// A configuration of these, created one after the other.
pub fn config(entities: impl IntoIterator<Item = (Kind, u128, Value)>) -> Config {
    entities.into_iter().fold(Config::default(), |config, (kind, n, body)| {
        config.apply(&[put(kind, n, body)]).unwrap_or_else(|rejection| panic!("{rejection}"))
    })
}

/// The refusal of a creation, by its body or by the configuration.
pub fn refused(config: &Config, kind: Kind, n: u128, body: Value) -> Rejection {
    let shown = body.to_string();
    match Entity::create(kind, id(n), body).and_then(|entity| config.apply(&[Change::Put(entity)])) {
        Ok(_) => panic!("accepted: {shown}"),
        Err(rejection) => rejection,
    }
}

/// That a creation is refused for exactly one reason: its kind, field, code and something that the fix says.
pub fn refuses(
    config: &Config,
    kind: Kind,
    n: u128,
    body: Value,
    expected: (RejectionKind, &str, &str, &str),
) {
    let shown = body.to_string();
    only(&refused(config, kind, n, body), expected, &shown);
}

/// That a rejection has exactly one problem.
pub fn only(
    rejection: &Rejection,
    (kind, field, reason, fix): (RejectionKind, &str, &str, &str),
    shown: &str,
) {
    let [problem] = rejection.problems.as_slice() else { panic!("{shown}: not one problem: {rejection}") };
    assert_eq!(
        (rejection.kind, &*problem.field, problem.reason),
        (kind, field, reason),
        "{shown}: {rejection}"
    );
    assert!(!problem.message.is_empty(), "{shown}: {rejection}");
    assert!(problem.fix.contains(fix), "{shown}: the fix does not say {fix:?}: {rejection}");
}

/// Fields and reason codes of a rejection.
pub fn reasons(rejection: &Rejection) -> Vec<(&str, &str)> {
    rejection.problems.iter().map(|problem| (&*problem.field, problem.reason)).collect()
}

pub fn accepts(config: &Config, kind: Kind, n: u128, body: Value) -> Config {
    config.apply(&[put(kind, n, body)]).unwrap_or_else(|rejection| panic!("{rejection}"))
}
