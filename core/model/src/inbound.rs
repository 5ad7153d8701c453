//! An inbound route: which calls that come over trunks it takes, and what they reach.

use crate::{Digits, ExtensionId, InboundRouteId, Interval, Pattern, ScheduleId, TenantId, TrunkId};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// An inbound route as configured. Of those that take a call the one with the most particular DID comes first (exact, range,
/// longest prefix, any), then those that ask for the caller, then the lowest priority, then the oldest.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InboundRoute {
    /// Assigned when created.
    pub id: InboundRouteId,
    /// The tenant that it belongs to; empty: the system.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// A label.
    pub name: String,
    /// Lower comes first.
    #[serde(default = "priority")]
    pub priority: u32,
    /// A disabled route takes nothing.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Only calls over this trunk; empty: over any.
    #[serde(default)]
    pub trunk_id: Option<TrunkId>,
    /// The called number: `13322496213`, a range `13322496213-13322496215`, a beginning `1332*`, or `*` for every call.
    #[serde(default)]
    #[schema(value_type = String)]
    pub did: Did,
    /// The calling number, written as `did` is, as a dial pattern, or `anonymous`; empty: anybody.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub caller: Option<CallerMatch>,
    /// When the destination holds; empty: always.
    #[serde(default)]
    pub schedule_id: Option<ScheduleId>,
    /// What the call reaches.
    pub destination: Destination,
    /// What it reaches outside of the hours of the schedule; empty: the next route is asked.
    #[serde(default)]
    pub out_of_hours: Option<Destination>,
    /// What it reaches on holidays of the schedule; empty: as outside of the hours.
    #[serde(default)]
    pub holiday: Option<Destination>,
    /// How long the destination may ring, seconds, up to 7,400; 0: as long as it does by itself.
    #[serde(default = "no_answer_timeout")]
    pub no_answer_timeout: u32,
    /// What a call reaches that nobody answered in time; empty: the next route that takes it. Busy ends the call.
    #[serde(default)]
    pub no_answer: Option<Destination>,
    /// Only `false` so far: callers are not told that the call is recorded, which none is.
    #[serde(default)]
    pub recording_notice: bool,
}

fn yes() -> bool {
    true
}
fn priority() -> u32 {
    100
}
fn no_answer_timeout() -> u32 {
    120
}

/// What a call reaches.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Destination {
    /// It rings an extension.
    Extension {
        /// The extension.
        extension_id: ExtensionId,
    },
    /// It rings the extension whose number is as far from `first` as the called number is from the first of the DID range.
    ExtensionRange {
        /// The number of the first extension, digits.
        first: String,
    },
    /// It goes out over a trunk: a PBX, say.
    Trunk {
        /// The trunk.
        trunk_id: TrunkId,
        /// The number to send; empty: the called one.
        #[serde(default)]
        number: Option<String>,
    },
    /// It goes where a device of the tenant that dials this number would: an extension, a number, or out.
    Number {
        /// The number.
        number: String,
    },
    /// The caller hears busy.
    Busy,
    /// The caller is refused.
    Hangup {
        /// The status that it is refused with, 400 to 699.
        #[serde(default = "declined")]
        code: u16,
    },
}

fn declined() -> u16 {
    603
}

/// Which called numbers a route takes. Serialises as it was written.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Did {
    text: String,
    form: DidForm,
}

/// What a [`Did`] asks for, from the most particular on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DidForm {
    /// These numbers and no others; a single one, or a range.
    Numbers(Interval),
    /// Numbers that begin so, in canonical form.
    Prefix(String),
    /// Every call, also one that has no number.
    Any,
}

/// How particular a match is: higher is more.
pub type Particular = (u8, usize);

impl Did {
    /// Parses it; an error says what is wrong, `; `, and what to do.
    pub fn parse(text: &str) -> Result<Did, String> {
        let trimmed = text.trim();
        let form = match trimmed.strip_suffix('*') {
            Some("") => DidForm::Any,
            Some(front) => match canonical(front) {
                Some(digits) => DidForm::Prefix(digits),
                None => {
                    return Err(format!(
                        "`{}` is no beginning of a number; write it as `1332*`",
                        text.escape_debug()
                    ));
                }
            },
            None if trimmed.is_empty() => DidForm::Any,
            None => {
                let (first, last) = trimmed.split_once('-').unwrap_or((trimmed, trimmed));
                match (canonical(first), canonical(last)) {
                    (Some(first), Some(last)) => DidForm::Numbers(interval(&first, &last)?),
                    _ => {
                        let message = format!("`{}` is no number", text.escape_debug());
                        let fix = "write `13322496213`, a range `13322496213-13322496215`, a beginning `1332*`, or `*`";
                        return Err(format!("{message}; {fix}"));
                    }
                }
            }
        };
        Ok(Did { text: text.to_owned(), form })
    }

    /// What it asks for.
    pub fn form(&self) -> &DidForm {
        &self.form
    }

    /// How particularly it takes a call to this number; none when it does not.
    pub fn matches(&self, called: Option<&Digits>) -> Option<Particular> {
        match &self.form {
            DidForm::Any => Some((0, 0)),
            DidForm::Prefix(front) => called?.as_str().starts_with(front).then_some((1, front.len())),
            DidForm::Numbers(numbers) => {
                let called = Interval::single(called?.as_str())?;
                numbers.contains(&called).then_some((if numbers.count() == 1 { 3 } else { 2 }, 0))
            }
        }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Default for Did {
    fn default() -> Did {
        Did { text: "*".to_owned(), form: DidForm::Any }
    }
}

fn canonical(text: &str) -> Option<String> {
    Digits::parse(text).map(|digits| digits.as_str().to_owned())
}

fn interval(first: &str, last: &str) -> Result<Interval, String> {
    let bounds = Interval::single(first).zip(Interval::single(last));
    let (from, to) = bounds.ok_or_else(|| "a number has at most 15 digits; correct it".to_owned())?;
    if from.digits != to.digits || from.first > to.first {
        return Err(format!("`{first}-{last}` is no range; write both ends in full, the lower one first"));
    }
    Ok(Interval { last: to.last, ..from })
}

const ANONYMOUS: &str = "anonymous";

/// Which callers a route takes. Serialises as it was written.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CallerMatch {
    /// Numbers.
    Numbers(Did),
    /// A dial pattern.
    Pattern(Pattern),
    /// Callers who are not known: `anonymous`.
    Anonymous,
}

impl CallerMatch {
    /// Parses it; an error says what is wrong, `; `, and what to do.
    pub fn parse(text: &str) -> Result<CallerMatch, String> {
        if text == ANONYMOUS {
            return Ok(CallerMatch::Anonymous);
        }
        match Did::parse(text) {
            Ok(did) => Ok(CallerMatch::Numbers(did)),
            Err(message) => Pattern::parse(text).map(CallerMatch::Pattern).map_err(|_| message),
        }
    }

    /// Whether it takes this caller.
    pub fn matches(&self, caller: &str) -> bool {
        match self {
            CallerMatch::Anonymous => caller.is_empty() || caller.eq_ignore_ascii_case(ANONYMOUS),
            CallerMatch::Numbers(did) => did.matches(Digits::parse(caller).as_ref()).is_some(),
            CallerMatch::Pattern(pattern) => {
                pattern.matches(caller)
                    || Digits::parse(caller).is_some_and(|digits| pattern.matches(digits.as_str()))
            }
        }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        match self {
            CallerMatch::Numbers(did) => did.as_str(),
            CallerMatch::Pattern(pattern) => pattern.as_str(),
            CallerMatch::Anonymous => ANONYMOUS,
        }
    }
}

macro_rules! as_text {
    ($type:ident) => {
        impl TryFrom<String> for $type {
            type Error = String;
            fn try_from(text: String) -> Result<$type, String> {
                $type::parse(&text)
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> String {
                value.as_str().to_owned()
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.as_str().fmt(f)
            }
        }
    };
}

as_text!(Did);
as_text!(CallerMatch);

#[cfg(test)]
mod tests {
    use super::*;

    fn particular(did: &str, called: &str) -> Option<Particular> {
        Did::parse(did).unwrap().matches(Digits::parse(called).as_ref())
    }

    #[test]
    fn a_did_is_a_number_a_range_a_beginning_or_anything() {
        let order = ["13322496213", "13322496213-13322496215", "133224*", "1*", "*"];
        let found: Vec<_> = order.iter().map(|did| particular(did, "+13322496213").unwrap()).collect();
        assert!(found.windows(2).all(|pair| pair[0] > pair[1]), "{found:?}");
        assert_eq!(particular("13322496213-13322496215", "13322496216"), None);
        assert_eq!(particular("133*", "14"), None);
        assert_eq!(particular("*", "office"), Some((0, 0)));
        assert_eq!(particular("1*", "office"), None);
    }

    #[test]
    fn a_did_is_the_same_with_a_plus() {
        assert!(particular("+1 (332) 249 6213", "13322496213").is_some());
    }

    #[test]
    fn what_is_no_did_is_refused() {
        for wrong in ["office", "1-", "2000-1000", "100-2000", "x*", "1234567890123456"] {
            let words = Did::parse(wrong).unwrap_err();
            assert!(words.contains("; "), "{wrong}: {words}");
        }
    }

    #[test]
    fn callers_are_told_by_number_or_pattern() {
        for (mask, caller, takes) in [
            ("+4930*", "+49301234", true),
            ("+4930*", "+49891234", false),
            ("4930XXXX", "+49301234", true),
            ("100-199", "150", true),
            ("anonymous", "anonymous", true),
        ] {
            assert_eq!(CallerMatch::parse(mask).unwrap().matches(caller), takes, "{mask} {caller}");
        }
    }
}
