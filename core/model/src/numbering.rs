//! How a tenant dials: from what was dialled to a number with its country code.

use crate::country::country;
use crate::{Digits, Tenant};

impl Tenant {
    /// The number in E.164 form, as far as the tenant's country and prefixes tell; none for what is no such number, as an
    /// extension or a service code. What has its country code keeps it.
    pub fn e164(&self, dialled: &str) -> Option<Digits> {
        let dialled = dialled.trim();
        if dialled.starts_with('+') {
            return Digits::parse(dialled);
        }
        let bare: String = dialled.chars().filter(|c| !" .-()/".contains(*c)).collect();
        if bare.is_empty() || !bare.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        if let Some(rest) =
            bare.strip_prefix(&self.international_prefix).filter(|_| !self.international_prefix.is_empty())
        {
            return Digits::parse(rest);
        }
        let (calling, usual) = country(self.country.as_deref()?)?;
        let national = self.national_prefix.as_deref().unwrap_or(usual);
        let with_code = |rest: &str| Digits::parse(&format!("{calling}{rest}"));
        match bare.strip_prefix(national).filter(|_| !national.is_empty()) {
            Some(rest) if rest.len() >= SHORTEST => return with_code(rest),
            _ => {}
        }
        if bare.starts_with(calling) && bare.len() >= calling.len() + SHORTEST_WITH_CODE {
            return Digits::parse(&bare);
        }
        if calling == "1" {
            return match (bare.len(), &self.area_code) {
                (10, _) => with_code(&bare),
                (7, Some(area)) => with_code(&format!("{area}{bare}")),
                _ => None,
            };
        }
        match &self.area_code {
            Some(area) if (SHORTEST..=LONGEST_LOCAL).contains(&bare.len()) => {
                with_code(&format!("{area}{bare}"))
            }
            // Where nothing is dialled before an area code, every number has its own.
            None if national.is_empty() && bare.len() >= SHORTEST => with_code(&bare),
            _ => None,
        }
    }
}

/// Shorter ones are extensions and services.
const SHORTEST: usize = 5;
/// Longer ones have their area code.
const LONGEST_LOCAL: usize = 8;
/// A shorter one that begins like the country code only happens to.
const SHORTEST_WITH_CODE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn tenant(body: Value) -> Tenant {
        let mut whole = json!({ "id": crate::TenantId::NIL, "name": "t", "slug": "t" });
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    fn dials(tenant: &Tenant, numbers: &[(&str, Option<&str>)]) {
        for (dialled, e164) in numbers {
            assert_eq!(tenant.e164(dialled).as_ref().map(Digits::as_str), *e164, "{dialled}");
        }
    }

    #[test]
    fn an_office_in_berlin_dials() {
        let berlin = tenant(json!({ "country": "DE", "area_code": "30" }));
        dials(
            &berlin,
            &[
                ("+44 20 7123 4567", Some("442071234567")),
                ("00442071234567", Some("442071234567")),
                ("089 123456", Some("4989123456")),
                ("123456", Some("4930123456")),
                ("4989123456", Some("4989123456")),
                ("110", None),
                ("1001", None),
                ("*72", None),
            ],
        );
    }

    #[test]
    fn an_office_in_new_york_dials() {
        let york = tenant(json!({ "country": "US", "international_prefix": "011", "area_code": "212" }));
        dials(
            &york,
            &[
                ("5550100", Some("12125550100")),
                ("4155550100", Some("14155550100")),
                ("14155550100", Some("14155550100")),
                ("011442071234567", Some("442071234567")),
                ("911", None),
            ],
        );
    }

    #[test]
    fn a_country_without_a_national_prefix_needs_none() {
        dials(
            &tenant(json!({ "country": "ES" })),
            &[("912345678", Some("34912345678")), ("34912345678", Some("34912345678"))],
        );
    }

    #[test]
    fn without_a_country_only_international_numbers_are_known() {
        dials(&tenant(json!({})), &[("0049301234567", Some("49301234567")), ("0301234567", None)]);
    }

    #[test]
    fn a_number_with_its_country_code_stays_as_it_is() {
        let berlin = tenant(json!({ "country": "DE", "area_code": "30" }));
        for number in ["123456", "089123456", "0044201234567"] {
            let once = berlin.e164(number).unwrap();
            assert_eq!(berlin.e164(&format!("+{once}")).as_ref(), Some(&once), "{number}");
        }
    }
}
