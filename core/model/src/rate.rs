//! What calls cost: amounts of money, and tables of prices by the beginning of the number.

use crate::schedule::Date;
use crate::{RateTableId, TenantId};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;
use utoipa::ToSchema;

/// Millionths in one.
const MICRO: u64 = 1_000_000;
/// Digits before the point at most.
const WHOLE_DIGITS: usize = 9;

/// An amount of money to the millionth, in whatever currency it is told in. Serialises as text, `0.0125`, so that nothing rounds it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = r"^[0-9]{1,9}([.][0-9]{1,6})?$", example = "0.0125")]
pub struct Money(u64);

impl Money {
    /// So many of it together; it never wraps.
    pub fn plus(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }

    /// In millionths.
    pub fn millionths(self) -> u64 {
        self.0
    }

    /// How much of `whole` it is, percent; all of it where that is nothing.
    pub fn percent_of(self, whole: Money) -> f64 {
        if whole.0 == 0 { 100.0 } else { self.0 as f64 * 100.0 / whole.0 as f64 }
    }
}

impl TryFrom<String> for Money {
    type Error = String;
    fn try_from(text: String) -> Result<Money, String> {
        let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
        let digits = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole, WHOLE_DIGITS) || !digits(part, 6) {
            return Err("this is no amount; write it as `\"0.0125\"`, with six places at most".to_owned());
        }
        let number = |text: &str| text.parse::<u64>().unwrap_or_default();
        Ok(Money(number(whole) * MICRO + number(&format!("{part:0<6}"))))
    }
}

impl From<Money> for String {
    fn from(money: Money) -> String {
        money.to_string()
    }
}

impl fmt::Display for Money {
    /// With two places at least.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.0 / MICRO, self.0 % MICRO);
        let spare = text.len() - text.trim_end_matches('0').len();
        f.write_str(&text[..text.len() - spare.min(4)])
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A table of prices as configured: what calls over a trunk cost, by the beginning of the number.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateTable {
    /// Assigned when created.
    pub id: RateTableId,
    /// The tenant whose trunks it is for; empty: those of the system.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// A label.
    pub name: String,
    /// In which currency its prices are, ISO 4217. Routes compare prices, and tenants' costs are added up: keep all tables in one.
    #[serde(default = "dollars")]
    pub currency: String,
    /// Prices; the longest prefix that a number begins with counts.
    #[serde(default)]
    pub rates: Vec<Rate>,
}

/// The price of calls to numbers that begin so.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// The beginning of the number with its country code, 1 to 15 digits, as `4930`.
    pub prefix: String,
    /// What a minute costs.
    pub per_minute: Money,
    /// Talk time is charged in steps of so many seconds, each that has begun, 1 to 3600.
    #[serde(default = "minute")]
    pub increment: u32,
    /// Only from this day on, UTC, as `2026-07-01`.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub first_date: Option<Date>,
    /// Only until this day, which is included.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Date)]
    pub last_date: Option<Date>,
}

fn dollars() -> String {
    "USD".to_owned()
}
fn minute() -> u32 {
    60
}

impl Rate {
    /// The charge of a call that nobody has answered yet.
    pub fn charge(&self, currency: &str) -> Charge {
        Charge {
            prefix: self.prefix.clone(),
            per_minute: self.per_minute,
            increment: self.increment,
            currency: currency.to_owned(),
            cost: Money::default(),
        }
    }

    fn is_in_force(&self, day: Date) -> bool {
        self.first_date.is_none_or(|first| first <= day) && self.last_date.is_none_or(|last| day <= last)
    }

    /// Whether there is a day on which both would count.
    pub(crate) fn clashes_with(&self, other: &Rate) -> bool {
        let ends_before = |one: &Rate, other: &Rate| {
            one.last_date.zip(other.first_date).is_some_and(|(last, first)| last < first)
        };
        self.prefix == other.prefix && !ends_before(self, other) && !ends_before(other, self)
    }
}

/// What a call cost, or would.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Charge {
    /// The beginning of the number that the price is for.
    pub prefix: String,
    /// What a minute costs.
    pub per_minute: Money,
    /// Talk time is charged in steps of so many seconds.
    pub increment: u32,
    /// ISO 4217.
    pub currency: String,
    /// All of it; nothing where nobody answered.
    pub cost: Money,
}

impl Charge {
    /// What so much talk time costs, to the millionth, rounded up.
    pub fn cost_of(&self, talk: Duration) -> Money {
        let increment = u128::from(self.increment.max(1));
        let charged = talk.as_millis().div_ceil(increment * 1000) * increment;
        Money(u64::try_from((charged * u128::from(self.per_minute.0)).div_ceil(60)).unwrap_or(u64::MAX))
    }
}

/// The prices of one table by their prefixes.
#[derive(Debug, Default)]
pub(crate) struct Prices(HashMap<String, Vec<Rate>>);

impl Prices {
    pub fn of(table: &RateTable) -> Prices {
        let mut prices: HashMap<String, Vec<Rate>> = HashMap::new();
        for rate in &table.rates {
            prices.entry(rate.prefix.clone()).or_default().push(rate.clone());
        }
        Prices(prices)
    }

    /// The price of calls to a number with its country code on a day: that of the longest prefix which has one then.
    pub fn find(&self, digits: &str, day: Date) -> Option<&Rate> {
        let beginnings = (1..=digits.len().min(15)).rev().filter_map(|length| digits.get(..length));
        beginnings
            .filter_map(|beginning| self.0.get(beginning))
            .find_map(|rates| rates.iter().find(|rate| rate.is_in_force(day)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(text: &str) -> Money {
        Money::try_from(text.to_owned()).unwrap()
    }

    fn rate(prefix: &str, per_minute: &str, increment: u32) -> Rate {
        Rate {
            prefix: prefix.to_owned(),
            per_minute: money(per_minute),
            increment,
            first_date: None,
            last_date: None,
        }
    }

    fn day(text: &str) -> Date {
        Date::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn amounts_are_read_and_written_to_the_millionth() {
        for (written, read) in
            [("0.0125", "0.0125"), ("12", "12.00"), ("7.5", "7.50"), ("0.000001", "0.000001")]
        {
            assert_eq!(money(written).to_string(), read);
            assert_eq!(money(read), money(written));
        }
        for wrong in ["", ".5", "1.", "-1", "1e3", "1.0000001", "1234567890", "0,5"] {
            assert!(Money::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_step_that_has_begun_is_charged() {
        let charge = |per_minute, increment| rate("49", per_minute, increment).charge("EUR");
        let by_minute = charge("0.06", 60);
        for (talk_ms, cost) in [(0, "0"), (1, "0.06"), (60_000, "0.06"), (60_001, "0.12")] {
            assert_eq!(by_minute.cost_of(Duration::from_millis(talk_ms)), money(cost), "{talk_ms} ms");
        }
        let by_second = charge("0.06", 1);
        assert_eq!(by_second.cost_of(Duration::from_millis(1_500)), money("0.002"));
        let thirds = charge("0.01", 1);
        assert_eq!(thirds.cost_of(Duration::from_secs(1)), money("0.000167"), "rounded up");
    }

    #[test]
    fn the_longest_prefix_that_is_in_force_counts() {
        let mut promised = rate("4930", "0.01", 60);
        promised.first_date = Some(day("2026-12-01"));
        let table = RateTable {
            id: RateTableId::NIL,
            tenant_id: None,
            name: "x".to_owned(),
            currency: dollars(),
            rates: vec![rate("49", "0.02", 60), promised, rate("1", "0.03", 60)],
        };
        let prices = Prices::of(&table);
        let price = |digits: &str, on: &str| prices.find(digits, day(on)).map(|rate| rate.per_minute);
        assert_eq!(price("493012345", "2026-11-30"), Some(money("0.02")));
        assert_eq!(price("493012345", "2026-12-01"), Some(money("0.01")));
        assert_eq!(price("15551234567", "2026-12-01"), Some(money("0.03")));
        assert_eq!(price("4412345", "2026-12-01"), None);
    }

    #[test]
    fn two_prices_clash_where_a_day_has_both() {
        let dated = |first: Option<&str>, last: Option<&str>| Rate {
            first_date: first.map(day),
            last_date: last.map(day),
            ..rate("49", "0.01", 60)
        };
        assert!(dated(None, None).clashes_with(&dated(Some("2026-01-01"), None)));
        assert!(dated(None, Some("2026-01-01")).clashes_with(&dated(Some("2026-01-01"), None)));
        assert!(!dated(None, Some("2025-12-31")).clashes_with(&dated(Some("2026-01-01"), None)));
        assert!(!dated(None, None).clashes_with(&rate("493", "0.01", 60)));
    }
}
