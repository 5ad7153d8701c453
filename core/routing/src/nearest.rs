//! Which configured number somebody may have meant, and how it differs. The cost is bounded by the length of what was called, not by
//! how many numbers there are: every text that is one slip away is looked up.

use tandem_model::{Config, Digits, Number};

/// Fewer digits in common say nothing.
const SHORTEST: usize = 4;

/// The nearest number, as `+15551234567 (differs only by the leading 1)`.
pub(crate) fn number(config: &Config, called: &Digits) -> Option<String> {
    let called = called.as_str();
    if called.len() < SHORTEST {
        return None;
    }
    let by_front =
        shorter(config, called).or_else(|| longer(config, called)).or_else(|| national(config, called));
    by_front.or_else(|| one_slip(config, called))
}

/// Called with digits in front that the configured number does not have.
fn shorter(config: &Config, called: &str) -> Option<String> {
    let endings = (1..=called.len() - SHORTEST).map(|at| called.split_at(at));
    let mut found =
        endings.filter_map(|(front, rest)| config.number(None, rest).map(|number| (front, number)));
    found.next().map(|(front, number)| leading(number, front))
}

/// Called without digits that the configured number has in front.
fn longer(config: &Config, called: &str) -> Option<String> {
    let number = config.number_ending_in(called)?;
    let digits = Digits::parse(&number.number)?;
    digits.as_str().strip_suffix(called).map(|front| leading(number, front))
}

/// One of them in national form: a 0 where the other has a country code of one to three digits.
fn national(config: &Config, called: &str) -> Option<String> {
    if let Some(rest) = called.strip_prefix('0').filter(|rest| rest.len() >= SHORTEST) {
        let number = config.number_ending_in(rest)?;
        let digits = Digits::parse(&number.number)?;
        let code = digits.as_str().strip_suffix(rest).filter(|code| code.len() <= 3)?;
        return Some(format!("{} (differs only by the leading {code} in place of 0)", number.number));
    }
    let codes = (1..=3).filter(|at| called.len() >= at + SHORTEST).map(|at| called.split_at(at));
    let mut found = codes.filter_map(|(code, rest)| Some((code, config.number(None, &format!("0{rest}"))?)));
    found
        .next()
        .map(|(code, number)| format!("{} (differs only by the leading 0 in place of {code})", number.number))
}

fn leading(number: &Number, front: &str) -> String {
    format!("{} (differs only by the leading {front})", number.number)
}

/// One digit too many, too few, wrong, or swapped with its neighbour. There are some two hundred such texts: they share one buffer.
fn one_slip(config: &Config, called: &str) -> Option<String> {
    let mut slips = doubled(called).chain(wrong(called)).chain(missing(called)).chain(swapped(called));
    let mut text = String::with_capacity(called.len() + 1);
    let number = slips.find_map(|pieces| {
        text.clear();
        text.extend(pieces);
        config.number(None, &text)
    })?;
    Some(format!("{} (differs by one digit)", number.number))
}

/// A text in pieces.
type Slip<'a> = [&'a str; 4];

fn doubled(called: &str) -> impl Iterator<Item = Slip<'_>> {
    (0..called.len()).map(|at| [&called[..at], &called[at + 1..], "", ""])
}

fn wrong(called: &str) -> impl Iterator<Item = Slip<'_>> {
    (0..called.len()).flat_map(move |at| every_digit(&called[..at], &called[at + 1..]))
}

fn missing(called: &str) -> impl Iterator<Item = Slip<'_>> {
    (0..=called.len()).flat_map(move |at| every_digit(&called[..at], &called[at..]))
}

fn every_digit<'a>(front: &'a str, rest: &'a str) -> impl Iterator<Item = Slip<'a>> {
    const DIGITS: &str = "0123456789";
    (0..DIGITS.len()).map(move |at| [front, &DIGITS[at..=at], rest, ""])
}

fn swapped(called: &str) -> impl Iterator<Item = Slip<'_>> {
    (1..called.len()).map(|at| [&called[..at - 1], &called[at..=at], &called[at - 1..at], &called[at + 1..]])
}
