//! Rules on the fields of a rate table.

use super::{range, text};
use crate::findings::Findings;
use crate::{Rate, RateTable};

const MOST: usize = 20_000;

pub(super) fn check(table: &RateTable, findings: &mut Findings) {
    text::check("name", Some(&table.name), text::label, findings);
    let is_currency =
        table.currency.len() == 3 && table.currency.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_currency {
        let fix = "give its code of three capital letters, as `EUR`";
        findings.invalid("currency", "BAD_FORMAT", "this is no currency of ISO 4217", fix);
    }
    if table.rates.len() > MOST {
        let message = format!("{} rates are more than {MOST}", table.rates.len());
        findings.invalid(
            "rates",
            "OUT_OF_RANGE",
            message,
            "leave out those that cost what a shorter prefix does",
        );
    }
    for (n, rate) in table.rates.iter().enumerate() {
        let digits =
            (1..=15).contains(&rate.prefix.len()) && rate.prefix.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || rate.prefix.starts_with('0') {
            let fix = "give 1 to 15 digits with the country code first, without `+` or `00`, as `4930`";
            findings.invalid(
                format!("rates[{n}].prefix"),
                "BAD_FORMAT",
                "this begins no number of the world",
                fix,
            );
        }
        range::check(format!("rates[{n}].increment"), rate.increment, findings);
        if rate.first_date.zip(rate.last_date).is_some_and(|(first, last)| last < first) {
            let fix = "give a day that is not before the first";
            findings.invalid(
                format!("rates[{n}].last_date"),
                "BAD_RANGE",
                "the last day is before the first",
                fix,
            );
        }
    }
    doubled(&table.rates, findings);
}

/// No two prices count for the same numbers on the same day.
fn doubled(rates: &[Rate], findings: &mut Findings) {
    let mut by_prefix: Vec<(usize, &Rate)> = rates.iter().enumerate().collect();
    by_prefix.sort_by_key(|(_, rate)| (&rate.prefix, rate.first_date));
    for pair in by_prefix.windows(2) {
        let [(_, first), (n, second)] = pair else { continue };
        if first.clashes_with(second) {
            let message = format!("there are two prices for `{}` on the same day", second.prefix);
            let fix = "remove one of them, or let one end before the other begins";
            findings.invalid(format!("rates[{n}].prefix"), "DUPLICATE_VALUE", message, fix);
        }
    }
}
