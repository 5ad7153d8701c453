//! A pool of numbers (DIDs): single ones and ranges.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Numbers of a pool at most.
const MOST_NUMBERS: u64 = 1_000_000;
/// Items of a pool at most.
const MOST_ITEMS: usize = 256;

/// Numbers of one length from the first to the last. Sorts by length, then by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Interval {
    /// How many digits each has, 1 to 15.
    pub digits: u8,
    /// The first number.
    pub first: u64,
    /// The last number.
    pub last: u64,
}

impl Interval {
    /// One number: 1 to 15 digits, and nothing else.
    pub fn single(number: &str) -> Option<Interval> {
        let fits = (1..=15).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        let value = number.parse().ok().filter(|_| fits)?;
        Some(Interval { digits: number.len() as u8, first: value, last: value })
    }

    /// `13322496213` or `13322496213-13322496215`; an error says what is wrong, `; `, and what to do.
    pub fn parse(item: &str) -> Result<Interval, String> {
        let (first, last) =
            item.split_once('-').map_or((item, item), |(first, last)| (first.trim(), last.trim()));
        let (from, to) = (number(first)?, number(last)?);
        if from.digits != to.digits {
            return Err(format!(
                "the ends of the range `{item}` have {} and {} digits; write both in full",
                from.digits, to.digits
            ));
        }
        if from.first > to.first {
            return Err(format!("the range `{item}` runs backwards; write it as `{last}-{first}`"));
        }
        Ok(Interval { last: to.last, ..from })
    }

    /// How many numbers it has.
    pub fn count(&self) -> u64 {
        self.last - self.first + 1
    }

    /// Whether all of the other's numbers are its own.
    pub fn contains(&self, other: &Interval) -> bool {
        self.digits == other.digits && self.first <= other.first && other.last <= self.last
    }

    /// The numbers that both have.
    pub fn common(&self, other: &Interval) -> Option<Interval> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (self.digits == other.digits && first <= last).then_some(Interval {
            digits: self.digits,
            first,
            last,
        })
    }

    /// The number at this place from the first, as written.
    pub fn at(&self, offset: u64) -> Option<String> {
        (offset < self.count())
            .then(|| format!("{:0width$}", self.first + offset, width = usize::from(self.digits)))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = usize::from(self.digits);
        write!(f, "{:0width$}", self.first)?;
        if self.last > self.first { write!(f, "-{:0width$}", self.last) } else { Ok(()) }
    }
}

/// A pool: numbers and ranges with `;` between them, 1 to 15 digits each, none of which begins with `+` or `0`. Serialises as it
/// was written.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pool {
    text: String,
    /// Sorted, and without overlap.
    intervals: Vec<Interval>,
}

/// Why a text is no pool: what is wrong, `; `, what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct PoolError(pub String);

impl Pool {
    /// Parses a pool.
    pub fn parse(text: &str) -> Result<Pool, PoolError> {
        let body = text.trim_end().strip_suffix(';').unwrap_or(text);
        if body.trim().is_empty() {
            return refuse(
                "a pool holds at least one number; write them as `13322496213;16468097069-16468097079`",
            );
        }
        if body.split(';').count() > MOST_ITEMS {
            return refuse(format!(
                "a pool has at most {MOST_ITEMS} items; join neighbouring numbers to ranges"
            ));
        }
        let mut intervals = Vec::new();
        for item in body.split(';') {
            intervals.push(Interval::parse(item.trim()).map_err(PoolError)?);
        }
        intervals.sort_unstable();
        if let Some(twice) = intervals.windows(2).find_map(|pair| pair[0].common(&pair[1])) {
            return refuse(format!("{twice} is in the pool twice; leave it out of one of the items"));
        }
        if intervals.iter().map(Interval::count).fold(0, u64::saturating_add) > MOST_NUMBERS {
            return refuse(format!("a pool has at most {MOST_NUMBERS} numbers; make its ranges smaller"));
        }
        Ok(Pool { text: text.to_owned(), intervals })
    }

    /// The pool as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its numbers, sorted, without overlap.
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }
}

fn number(text: &str) -> Result<Interval, String> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let bare = digits.trim_start_matches('0');
    let fix = if bare.is_empty() {
        "write it with its country code, as `13322496213`".to_owned()
    } else {
        format!("write `{bare}`")
    };
    if text.is_empty() {
        return Err("there is nothing between two `;`; take one of them out".to_owned());
    }
    if text.contains(',') {
        return Err("numbers of a pool are separated by `;`, not by `,`; write `;` between them".to_owned());
    }
    if text.starts_with('+') || text.starts_with('0') {
        return Err(format!("`{text}` begins with `{}`; {fix}", &text[..1]));
    }
    if text.chars().any(|c| !c.is_ascii_digit()) {
        return Err(format!("`{}` is no number; {fix}, digits alone", text.escape_debug()));
    }
    Interval::single(text).ok_or_else(|| format!("`{text}` has more than 15 digits; correct it"))
}

fn refuse<T>(words: impl Into<String>) -> Result<T, PoolError> {
    Err(PoolError(words.into()))
}

impl TryFrom<String> for Pool {
    type Error = PoolError;
    fn try_from(text: String) -> Result<Pool, PoolError> {
        Pool::parse(&text)
    }
}

impl From<Pool> for String {
    fn from(pool: Pool) -> String {
        pool.text
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str, message: &str, fix: &str) {
        let words = Pool::parse(text).unwrap_err().0;
        let (what, how) = words.split_once("; ").unwrap();
        assert!(what.contains(message) && how.contains(fix), "{text}: {words}");
    }

    #[test]
    fn pools_are_written_as_numbers_and_ranges() {
        for (text, count) in [
            ("13322496213", 1),
            ("13322496213;13322496215", 2),
            ("13322496213-13322496215;16468097069", 4),
            ("13322496213-13322496215; 16468097069-16468097079;", 14),
        ] {
            let pool = Pool::parse(text).unwrap();
            assert_eq!(pool.intervals().iter().map(Interval::count).sum::<u64>(), count, "{text}");
            assert_eq!(pool.as_str(), text);
        }
    }

    #[test]
    fn what_is_no_pool_is_refused_with_the_way_to_write_it() {
        refused("", "at least one number", "13322496213");
        refused(" ; ", "at least one number", "13322496213");
        refused("1;;2", "nothing between", "take one");
        refused("+13322496213", "begins with `+`", "`13322496213`");
        refused("0013322496213", "begins with `0`", "`13322496213`");
        refused("13322a", "no number", "13322");
        refused("13322496213,13322496215", "not by `,`", "`;`");
        refused("1000-20000", "4 and 5 digits", "in full");
        refused("13322496215-13322496213", "backwards", "`13322496213-13322496215`");
        refused("1000-2000;2000-3000", "2000 is in the pool twice", "leave it out");
        refused("1234567890123456", "more than 15 digits", "correct");
        refused("10000000-99999999", "at most 1000000 numbers", "smaller");
        refused(&vec!["1"; 257].join(";"), "at most 256 items", "ranges");
    }

    #[test]
    fn neighbours_are_no_overlap() {
        assert_eq!(Pool::parse("2000-2999;1000-1999").unwrap().intervals().len(), 2);
    }

    #[test]
    fn numbers_of_different_lengths_have_nothing_in_common() {
        let [short, long] = ["1000-1999", "10000-10009"].map(|item| Interval::parse(item).unwrap());
        assert_eq!(short.common(&long), None);
        assert_eq!(short.at(7).as_deref(), Some("1007"));
        assert_eq!(short.at(1000), None);
    }
}
