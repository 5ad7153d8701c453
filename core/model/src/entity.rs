//! One thing of a configuration, whatever its kind: JSON in and out.

use crate::body;
use crate::{Extension, Number, Rejection, Route, Secret, Trunk};
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::Arc;
use uuid::Uuid;

/// The kinds of things that a configuration holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Trunks.
    Trunk,
    /// Outbound routes.
    Route,
    /// Extensions.
    Extension,
    /// Numbers.
    Number,
}

impl Kind {
    /// Every kind, those first that others refer to.
    pub const ALL: [Kind; 4] = [Kind::Trunk, Kind::Extension, Kind::Route, Kind::Number];

    /// The kind in one word, as in messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Trunk => "trunk",
            Kind::Route => "route",
            Kind::Extension => "extension",
            Kind::Number => "number",
        }
    }
}

/// One thing of a configuration.
#[derive(Clone, PartialEq, Debug)]
pub enum Entity {
    /// A trunk.
    Trunk(Arc<Trunk>),
    /// A route.
    Route(Arc<Route>),
    /// An extension.
    Extension(Arc<Extension>),
    /// A number.
    Number(Arc<Number>),
}

impl Entity {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Entity::Trunk(_) => Kind::Trunk,
            Entity::Route(_) => Kind::Route,
            Entity::Extension(_) => Kind::Extension,
            Entity::Number(_) => Kind::Number,
        }
    }

    /// Its id.
    pub fn id(&self) -> Uuid {
        match self {
            Entity::Trunk(trunk) => trunk.id.0,
            Entity::Route(route) => route.id.0,
            Entity::Extension(extension) => extension.id.0,
            Entity::Number(number) => number.id.0,
        }
    }

    /// What people call it: its name, or the number itself.
    pub fn label(&self) -> &str {
        match self {
            Entity::Trunk(trunk) => &trunk.name,
            Entity::Route(route) => &route.name,
            Entity::Extension(extension) => &extension.name,
            Entity::Number(number) => &number.number,
        }
    }

    /// Reads a creation body: a JSON object as the API takes it, strictly, with the defaults that depend on other fields filled in.
    /// `id` becomes its id. Nothing outside of the body is checked here; that is [`Config::apply`](crate::Config::apply).
    pub fn create(kind: Kind, id: Uuid, body: Value) -> Result<Entity, Rejection> {
        body::create(kind, id, body)
    }

    /// This entity with a JSON merge patch (RFC 7396) applied: `null` sets a field back to its default. `id` cannot change; a
    /// password that is not mentioned stays.
    pub fn patch(&self, patch: Value) -> Result<Entity, Rejection> {
        body::patch(self, patch)
    }

    /// As the API shows it: without secrets.
    pub fn to_json(&self) -> Value {
        Value::Object(self.to_object())
    }

    /// As the store keeps it: with secrets.
    pub fn to_stored(&self) -> Value {
        let mut object = self.to_object();
        if let Some(password) = self.password() {
            object.insert("password".to_owned(), password.expose().into());
        }
        Value::Object(object)
    }

    /// Reads what `to_stored` wrote; an error names what does not fit.
    pub fn from_stored(kind: Kind, mut stored: Value) -> Result<Entity, String> {
        let id = stored.get("id").and_then(Value::as_str).unwrap_or("without an id").to_owned();
        // What was stored before a field was thought of has its default.
        if let Value::Object(object) = &mut stored {
            body::fill(kind, object);
        }
        body::read(kind, stored).map_err(|fault| format!("stored {} {id}: {fault}", kind.name()))
    }

    fn to_object(&self) -> Map<String, Value> {
        match self {
            Entity::Trunk(trunk) => object_of(trunk.as_ref()),
            Entity::Route(route) => object_of(route.as_ref()),
            Entity::Extension(extension) => object_of(extension.as_ref()),
            Entity::Number(number) => object_of(number.as_ref()),
        }
    }

    fn password(&self) -> Option<&Secret> {
        match self {
            Entity::Trunk(trunk) => trunk.password.as_ref(),
            Entity::Extension(extension) => extension.password.as_ref(),
            Entity::Route(_) | Entity::Number(_) => None,
        }
    }
}

fn object_of(entity: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(entity) {
        Ok(Value::Object(object)) => object,
        other => unreachable!("an entity is an object with text keys, not {other:?}"),
    }
}
