//! Presets: what is known of providers, as data. A preset fills in the fields of a trunk that nothing was said of.

use crate::{Trunk, TrunkMode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::LazyLock;
use utoipa::ToSchema;

/// What is known of a provider.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// What a trunk's `brand` says.
    pub key: String,
    /// The provider and its product.
    pub name: String,
    /// It takes no REGISTER: a trunk of it in mode `register_out` is refused.
    pub refuses_register: bool,
    /// Fields of a new trunk where nothing else is said.
    #[schema(value_type = Object)]
    pub defaults: Map<String, Value>,
    /// What else to know.
    pub facts: Vec<Fact>,
}

/// Something that is known of a provider, or said to be.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// In words.
    pub text: String,
    /// Somebody has seen it with the provider itself. Otherwise it is told by others.
    pub confirmed: bool,
}

static PRESETS: LazyLock<Vec<Preset>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../data/presets.json")).expect("a test reads it"));

/// All of them, `generic` first.
pub fn presets() -> &'static [Preset] {
    &PRESETS
}

/// The one of this key.
pub(crate) fn preset(key: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.key == key)
}

/// Whether the provider of a trunk refuses what the trunk would do.
pub(crate) fn refuses_register(trunk: &Trunk) -> Option<&'static Preset> {
    preset(&trunk.brand).filter(|preset| preset.refuses_register && trunk.mode == TrunkMode::RegisterOut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entity, Kind};
    use serde_json::json;

    #[test]
    fn every_preset_makes_a_trunk_and_its_defaults_are_fields_of_one() {
        assert_eq!(presets()[0].key, "generic");
        for preset in presets() {
            let body = json!({ "name": "t", "brand": preset.key, "host": "h.example", "username": "u", "password": "p" });
            let trunk = Entity::create(Kind::Trunk, uuid::Uuid::nil(), body)
                .unwrap_or_else(|rejection| panic!("{rejection}"));
            let shown = trunk.to_json();
            for (field, value) in preset.defaults.iter().filter(|(field, _)| *field != "host") {
                assert_eq!(&shown[field], value, "{} {field}", preset.key);
            }
        }
    }

    #[test]
    fn what_a_body_says_wins_over_the_preset() {
        let body = json!({ "name": "t", "brand": "telnyx", "host": "other.example", "mode": "ip_auth" });
        let shown = Entity::create(Kind::Trunk, uuid::Uuid::nil(), body).unwrap().to_json();
        assert_eq!((&shown["host"], &shown["mode"]), (&json!("other.example"), &json!("ip_auth")));
        let body = json!({ "name": "t", "brand": "telnyx", "username": "u", "password": "p" });
        let shown = Entity::create(Kind::Trunk, uuid::Uuid::nil(), body).unwrap().to_json();
        assert_eq!((&shown["host"], &shown["mode"]), (&json!("sip.telnyx.com"), &json!("register_out")));
    }
}
