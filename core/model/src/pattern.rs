//! Dial patterns: `X` 0-9, `N` 2-9, `Z` 1-9, `[123]` and `[1-3]` a set, `.` one or more of anything at the end, everything
//! else literal.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest text of a pattern, in characters.
const LONGEST: usize = 64;

/// A parsed dial pattern. Serialises as its text.
///
/// `X`, `N` and `Z` are classes in either case; the letters themselves are written as sets: `[x]`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    text: String,
    /// One a character of the number: the ASCII characters that may stand there, as bits.
    places: Vec<u128>,
    /// Whether one or more further characters follow.
    open: bool,
}

/// Why a text is no pattern, in words that say what to change: what is wrong, `; `, what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(pub String);

impl Pattern {
    /// Parses a pattern.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let chars: Vec<char> = text.chars().collect();
        if chars.is_empty() {
            return refuse(
                "a pattern cannot be empty; write `.` for every number, or give no pattern at all",
            );
        }
        if chars.len() > LONGEST {
            return refuse(format!(
                "a pattern has at most {LONGEST} characters; shorten it, `.` stands for any rest"
            ));
        }
        let mut places = Vec::with_capacity(chars.len());
        let mut open = false;
        let mut at = 0;
        while at < chars.len() {
            let c = chars[at];
            at += 1;
            match c {
                'X' | 'x' => places.push(span('0', '9')),
                'Z' | 'z' => places.push(span('1', '9')),
                'N' | 'n' => places.push(span('2', '9')),
                '[' => {
                    let (set, end) = parse_set(&chars, at)?;
                    places.push(set);
                    at = end;
                }
                '.' if at == chars.len() => open = true,
                '.' => {
                    return refuse(format!(
                        "`.` at position {at} is not the last character; move it to the end, or write `X` for a single digit"
                    ));
                }
                ']' => {
                    return refuse(format!(
                        "`]` at position {at} closes no set; remove it, or put `[` before the set"
                    ));
                }
                '_' if at == 1 => return refuse("`_` does not begin a pattern here; remove it"),
                _ if is_literal(c) => places.push(bit(c)),
                _ => {
                    return refuse(format!(
                        "`{}` at position {at} cannot stand in a pattern; use digits, letters, \
                         `+`, `*`, `#`, `X`, `N`, `Z`, `[...]` and a last `.`",
                        c.escape_debug()
                    ));
                }
            }
        }
        Ok(Pattern { text: text.to_owned(), places, open })
    }

    /// Whether the dialled number matches as a whole. Linear in its length.
    pub fn matches(&self, dialled: &str) -> bool {
        let mut chars = dialled.chars();
        let fits = |place: &u128| chars.next().is_some_and(|c| c.is_ascii() && place & bit(c) != 0);
        self.places.iter().all(fits) && chars.next().is_some() == self.open
    }

    /// How many characters at the front are literal: how specific it is.
    pub fn literal_prefix(&self) -> usize {
        self.places.iter().take_while(|place| place.is_power_of_two()).count()
    }

    /// The length of the shortest number that it matches.
    pub fn shortest(&self) -> usize {
        self.places.len() + usize::from(self.open)
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Reads a set whose `[` stands before `from`; also where it ends.
fn parse_set(chars: &[char], from: usize) -> Result<(u128, usize), PatternError> {
    let Some(length) = chars[from..].iter().position(|&c| c == ']') else {
        return refuse(format!("the set that begins at position {from} is not closed; add `]`"));
    };
    let inside = &chars[from..from + length];
    if inside.is_empty() {
        return refuse(format!(
            "the set `[]` at position {from} is empty; name its characters, as `[123]` or `[1-3]`, or remove it"
        ));
    }
    let mut set = 0;
    let mut at = 0;
    while at < inside.len() {
        let first = inside[at];
        if !is_literal(first) {
            return refuse(format!(
                "`{}` cannot stand in the set at position {from}; use digits, letters, `+`, `*`, `#` and ranges \
                 as `1-3`",
                first.escape_debug()
            ));
        }
        if inside.get(at + 1) != Some(&'-') {
            set |= bit(first);
            at += 1;
            continue;
        }
        match inside.get(at + 2) {
            Some(&last) if same_class(first, last) && first <= last => set |= span(first, last),
            _ => {
                return refuse(format!(
                    "the range at `{first}-` in the set at position {from} has no end above its start; write it \
                     upwards, as `1-3` or `a-f`"
                ));
            }
        }
        at += 3;
    }
    Ok((set, from + length + 1))
}

fn refuse<T>(words: impl Into<String>) -> Result<T, PatternError> {
    Err(PatternError(words.into()))
}

fn is_literal(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '*' | '#')
}

fn same_class(a: char, b: char) -> bool {
    let digits = a.is_ascii_digit() && b.is_ascii_digit();
    let upper = a.is_ascii_uppercase() && b.is_ascii_uppercase();
    digits || upper || a.is_ascii_lowercase() && b.is_ascii_lowercase()
}

/// The bit of an ASCII character.
fn bit(c: char) -> u128 {
    1 << (c as u32)
}

fn span(first: char, last: char) -> u128 {
    (first..=last).map(bit).fold(0, |set, bit| set | bit)
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Pattern, PatternError> {
        Pattern::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}
