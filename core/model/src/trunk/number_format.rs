//! How a trunk wants numbers written.

use super::Trunk;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A form of a telephone number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumberFormat {
    /// `+49301234567`.
    #[default]
    E164Plus,
    /// `49301234567`.
    E164,
    /// As dialled within the country: `0301234567`, and with the international prefix elsewhere.
    National,
    /// `0049301234567`, from within the country too.
    InternationalPrefix,
    /// As it came out of the route.
    AsDialled,
}

/// Shorter numbers are emergency numbers and services, which have one form only.
const SHORTEST: usize = 7;
/// Digits behind the country code from which on a bare number is taken to begin with it.
const SHORTEST_SUBSCRIBER: usize = 8;

impl Trunk {
    /// The number as this trunk is sent it: formatted, without `+` where it wants none, between its prefix and postfix.
    /// What is no telephone number only gets those two.
    pub fn number_to_send(&self, dialled: &str) -> String {
        let formatted = self.formatted(dialled).unwrap_or_else(|| dialled.to_owned());
        format!("{}{}{}", self.tech_prefix, self.without_plus(&formatted), self.tech_postfix)
    }

    /// The number without its `+` where the trunk wants none.
    pub fn without_plus<'a>(&self, number: &'a str) -> &'a str {
        number.strip_prefix('+').filter(|_| self.strip_plus).unwrap_or(number)
    }

    /// `None`: it stays as it is. What was formatted once is not changed by doing it again.
    fn formatted(&self, dialled: &str) -> Option<String> {
        let canonical = self.canonical(dialled)?;
        let national = || {
            let rest = canonical.strip_prefix(self.country_code.as_deref()?)?;
            Some(format!("{}{rest}", self.national_prefix))
        };
        let international = || format!("{}{canonical}", self.international_prefix);
        let formatted = match self.number_format_out {
            NumberFormat::AsDialled => return None,
            NumberFormat::E164Plus => format!("+{canonical}"),
            NumberFormat::E164 => canonical.clone(),
            NumberFormat::InternationalPrefix => international(),
            NumberFormat::National => national().unwrap_or_else(international),
        };
        // Where the prefixes of a country make it read as another number, it is left alone.
        self.canonical(&formatted).is_none_or(|read| read == canonical).then_some(formatted)
    }

    /// Country code and number, digits only, where that can be told for sure.
    fn canonical(&self, dialled: &str) -> Option<String> {
        let global =
            |digits: &str| (!digits.starts_with('0') && !digits.is_empty()).then(|| digits.to_owned());
        let digits = dialled.strip_prefix('+').unwrap_or(dialled);
        if digits.len() < SHORTEST || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        if digits.len() < dialled.len() {
            return global(digits);
        }
        let code = self.country_code.as_deref()?;
        let within = |prefix: &str| digits.strip_prefix(prefix).filter(|_| !prefix.is_empty());
        if let Some(rest) = within(&self.international_prefix) {
            return global(rest);
        }
        if let Some(rest) = within(&self.national_prefix) {
            return Some(format!("{code}{rest}"));
        }
        if digits.len() >= code.len() + SHORTEST_SUBSCRIBER && digits.starts_with(code) {
            return Some(digits.to_owned());
        }
        match &self.area_code {
            Some(area) if digits.len() <= SHORTEST_SUBSCRIBER => Some(format!("{code}{area}{digits}")),
            // Nothing to be dialled before a number of the country, or the ten digits of North America.
            _ if self.national_prefix.is_empty() || code == "1" && digits.len() == 10 => {
                Some(format!("{code}{digits}"))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Entity, Kind};
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn trunk(more: &[Value]) -> Arc<Trunk> {
        let mut body = json!({ "name": "t", "host": "h" });
        for more in more {
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        match Entity::create(Kind::Trunk, uuid::Uuid::nil(), body).unwrap() {
            Entity::Trunk(trunk) => trunk,
            _ => unreachable!("a trunk was asked for"),
        }
    }

    fn germany() -> Value {
        json!({ "country_code": "49", "national_prefix": "0", "area_code": "30" })
    }

    fn america() -> Value {
        json!({ "country_code": "1", "national_prefix": "1", "international_prefix": "011" })
    }

    fn spain() -> Value {
        json!({ "country_code": "34" })
    }

    const FORMATS: [&str; 5] = ["e164_plus", "e164", "national", "international_prefix", "as_dialled"];

    fn sent(country: &Value, format: &str, number: &str) -> String {
        trunk(&[country.clone(), json!({ "number_format_out": format })]).number_to_send(number)
    }

    #[test]
    fn a_number_is_written_as_the_country_and_the_trunk_want_it() {
        for (country, number, forms) in [
            (germany(), "0891234567", ["+49891234567", "49891234567", "0891234567", "0049891234567"]),
            (germany(), "+49891234567", ["+49891234567", "49891234567", "0891234567", "0049891234567"]),
            (germany(), "0049891234567", ["+49891234567", "49891234567", "0891234567", "0049891234567"]),
            (germany(), "1234567", ["+49301234567", "49301234567", "0301234567", "0049301234567"]),
            (germany(), "0012125551234", ["+12125551234", "12125551234", "0012125551234", "0012125551234"]),
            (america(), "2125551234", ["+12125551234", "12125551234", "12125551234", "01112125551234"]),
            (
                america(),
                "01149891234567",
                ["+49891234567", "49891234567", "01149891234567", "01149891234567"],
            ),
            (spain(), "911234567", ["+34911234567", "34911234567", "911234567", "0034911234567"]),
        ] {
            for (format, form) in FORMATS.iter().zip(forms) {
                assert_eq!(sent(&country, format, number), form, "{number} as {format}");
            }
            assert_eq!(sent(&country, "as_dialled", number), number);
        }
    }

    #[test]
    fn without_a_country_only_what_is_sure_is_changed() {
        let nowhere = json!({});
        assert_eq!(sent(&nowhere, "e164_plus", "5551234567"), "5551234567");
        assert_eq!(sent(&nowhere, "e164", "+5551234567"), "5551234567");
        assert_eq!(sent(&nowhere, "international_prefix", "+5551234567"), "005551234567");
    }

    #[test]
    fn emergency_numbers_services_and_names_stay_as_they_are() {
        for country in [germany(), america(), spain()] {
            for number in ["112", "911", "116117", "110", "*21#", "bob", "", "+", "+112"] {
                for format in FORMATS {
                    assert_eq!(sent(&country, format, number), number, "{format}");
                }
            }
        }
    }

    #[test]
    fn what_was_formatted_once_is_not_changed_again() {
        let countries = [
            germany(),
            america(),
            spain(),
            json!({ "country_code": "7", "national_prefix": "8",
            "international_prefix": "810" }),
            json!({ "country_code": "39", "area_code": "06" }),
            json!({}),
        ];
        let beginnings =
            ["", "+", "0", "00", "011", "1", "8", "810", "34", "39", "49", "7", "+0", "+49", "+7810", "000"];
        for country in countries {
            for format in FORMATS {
                let trunk = trunk(&[country.clone(), json!({ "number_format_out": format })]);
                for beginning in beginnings {
                    for length in 1..14 {
                        let number = format!("{beginning}{}", &"9081726354490"[..length]);
                        let once = trunk.number_to_send(&number);
                        assert_eq!(trunk.number_to_send(&once), once, "{number} as {format} in {country}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_plus_is_taken_away_and_prefix_and_postfix_put_around() {
        let trunk = trunk(&[json!({ "strip_plus": true, "tech_prefix": "9011#", "tech_postfix": "@x" })]);
        assert_eq!(trunk.number_to_send("+49891234567"), "9011#49891234567@x");
        assert_eq!(trunk.without_plus("+49"), "49");
    }
}
