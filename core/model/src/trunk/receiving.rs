//! Where the numbers are that come with a call from a trunk.

use super::Trunk;
use regex_automata::nfa::thompson::{self, pikevm::PikeVM};
use regex_automata::util::syntax;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use utoipa::ToSchema;

/// Variables of calls: names and values.
pub type Vars = BTreeMap<String, String>;

/// Where the called number is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DidSource {
    /// The Request-URI, or To where the Request-URI names our account or no number that we know.
    #[default]
    Auto,
    /// The Request-URI.
    RequestUri,
    /// To.
    To,
    /// The first Diversion.
    Diversion,
    /// P-Called-Party-ID.
    PCalledPartyId,
    /// A header of this name.
    Header(String),
}

/// Where the caller's number is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum CidSource {
    /// From, or what is asserted where From only names the account.
    #[default]
    Auto,
    /// From.
    From,
    /// P-Asserted-Identity.
    Pai,
    /// Remote-Party-ID.
    Rpid,
    /// A header of this name.
    Header(String),
}

impl TryFrom<String> for DidSource {
    type Error = String;

    fn try_from(text: String) -> Result<DidSource, String> {
        Ok(match text.as_str() {
            "auto" => DidSource::Auto,
            "request_uri" => DidSource::RequestUri,
            "to" => DidSource::To,
            "diversion" => DidSource::Diversion,
            "p_called_party_id" => DidSource::PCalledPartyId,
            other => DidSource::Header(header(
                other,
                "`auto`, `request_uri`, `to`, `diversion`, `p_called_party_id`",
            )?),
        })
    }
}

impl From<DidSource> for String {
    fn from(source: DidSource) -> String {
        match source {
            DidSource::Auto => "auto".to_owned(),
            DidSource::RequestUri => "request_uri".to_owned(),
            DidSource::To => "to".to_owned(),
            DidSource::Diversion => "diversion".to_owned(),
            DidSource::PCalledPartyId => "p_called_party_id".to_owned(),
            DidSource::Header(name) => format!("header:{name}"),
        }
    }
}

impl TryFrom<String> for CidSource {
    type Error = String;

    fn try_from(text: String) -> Result<CidSource, String> {
        Ok(match text.as_str() {
            "auto" => CidSource::Auto,
            "from" => CidSource::From,
            "pai" => CidSource::Pai,
            "rpid" => CidSource::Rpid,
            other => CidSource::Header(header(other, "`auto`, `from`, `pai`, `rpid`")?),
        })
    }
}

impl From<CidSource> for String {
    fn from(source: CidSource) -> String {
        match source {
            CidSource::Auto => "auto".to_owned(),
            CidSource::From => "from".to_owned(),
            CidSource::Pai => "pai".to_owned(),
            CidSource::Rpid => "rpid".to_owned(),
            CidSource::Header(name) => format!("header:{name}"),
        }
    }
}

fn header(text: &str, others: &str) -> Result<String, String> {
    let name = text.strip_prefix("header:").unwrap_or_default();
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+'~".contains(&b);
    if (1..=64).contains(&name.len()) && name.bytes().all(legal) {
        return Ok(name.to_owned());
    }
    Err(format!(
        "this is no place that a number can be in; use one of {others}, or `header:` and a header's name"
    ))
}

/// The longest text of a pattern, and how large it may become.
const LONGEST: usize = 255;
const LARGEST: usize = 64 * 1024;

/// What takes a number out of a text: a regular expression without look-around or back-references, so that it takes time in
/// proportion to the text. Its first group is the number, or the whole match where it has no group. Serialises as its text.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Extract {
    text: String,
    program: PikeVM,
}

impl Extract {
    /// What it finds.
    pub fn find(&self, text: &str) -> Option<String> {
        let mut captures = self.program.create_captures();
        self.program.captures(&mut self.program.create_cache(), text, &mut captures);
        let whole = captures.get_match()?.span();
        let span = captures.get_group(1).unwrap_or(whole);
        Some(String::from_utf8_lossy(&text.as_bytes()[span.start..span.end]).into_owned())
    }
}

impl TryFrom<String> for Extract {
    type Error = String;

    fn try_from(text: String) -> Result<Extract, String> {
        if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(format!("a pattern has 1 to {LONGEST} characters; shorten it, or leave it out"));
        }
        let program = PikeVM::builder()
            .syntax(syntax::Config::new().unicode(false).utf8(false).nest_limit(32))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(LARGEST)))
            .build(&text);
        match program {
            Ok(program) => Ok(Extract { text, program }),
            Err(error) if error.size_limit().is_some() => {
                Err("this pattern is too large; use smaller repetitions".to_owned())
            }
            Err(_) => Err(
                "this is no regular expression, or one with look-around; write it as `^sip:\\+?([0-9]+)@`"
                    .to_owned(),
            ),
        }
    }
}

impl From<Extract> for String {
    fn from(extract: Extract) -> String {
        extract.text
    }
}

impl PartialEq for Extract {
    fn eq(&self, other: &Extract) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Extract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

/// A number between two texts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Delimiters {
    /// It begins behind the first of these; empty: at the beginning.
    #[serde(default)]
    pub after: String,
    /// It ends before the next of these; empty: at the end.
    #[serde(default)]
    pub before: String,
}

impl Delimiters {
    fn find(&self, text: &str) -> Option<String> {
        let rest = match self.after.as_str() {
            "" => text,
            after => text.split_once(after)?.1,
        };
        let found = match self.before.as_str() {
            "" => rest,
            before => rest.split_once(before)?.0,
        };
        Some(found.to_owned())
    }
}

/// Where a call from a trunk goes, whatever number it is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InboundExtension<'a> {
    /// Where `did_source` says.
    Called,
    /// To the number in To.
    ToUser,
    /// To the number in To where the Request-URI is our Contact of `contact_user` `token`.
    ToUserOfToken,
    /// To this one.
    Fixed(&'a str),
}

impl Trunk {
    /// What `inbound_extension` says.
    pub fn called_extension(&self) -> InboundExtension<'_> {
        match self.inbound_extension.as_deref() {
            None => InboundExtension::Called,
            Some("auto_to_user") => InboundExtension::ToUser,
            Some("auto") => InboundExtension::ToUserOfToken,
            Some(fixed) => InboundExtension::Fixed(fixed),
        }
    }

    /// Whether something is taken out of the whole value of `did_source`.
    pub fn extracts_did(&self) -> bool {
        self.did_pattern.is_some() || self.did_delimiters.is_some()
    }

    /// The called number in the value of `did_source`.
    pub fn did_in(&self, value: &str) -> Option<String> {
        found(self.did_pattern.as_ref(), self.did_delimiters.as_ref(), value)
    }

    /// Whether something is taken out of the whole value of `cid_source`.
    pub fn extracts_cid(&self) -> bool {
        self.cid_pattern.is_some() || self.cid_delimiters.is_some()
    }

    /// The caller's number in the value of `cid_source`.
    pub fn cid_in(&self, value: &str) -> Option<String> {
        found(self.cid_pattern.as_ref(), self.cid_delimiters.as_ref(), value)
    }
}

fn found(pattern: Option<&Extract>, delimiters: Option<&Delimiters>, value: &str) -> Option<String> {
    let found = match (pattern, delimiters) {
        (Some(pattern), _) => pattern.find(value)?,
        (None, Some(delimiters)) => delimiters.find(value)?,
        (None, None) => value.to_owned(),
    };
    Some(found.trim().to_owned()).filter(|number| !number.is_empty())
}

/// Puts values in the places of `${name}`; a name that is not known leaves nothing.
pub fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("${") {
        let Some((name, after)) = from.split_once('}') else { break };
        out.push_str(before);
        out.push_str(&value(name).unwrap_or_default());
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extract(text: &str) -> Extract {
        Extract::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_pattern_gives_its_first_group_or_its_whole_match() {
        assert_eq!(extract("did=([0-9]+)").find("x;did=4930;y").as_deref(), Some("4930"));
        assert_eq!(extract("[0-9]{4,}").find("<sip:123@h>;x=4930").as_deref(), Some("4930"));
        assert_eq!(extract("^sip:\\+?(\\d+)@").find("sip:+4930@h").as_deref(), Some("4930"));
        assert_eq!(extract("(a)|b").find("b").as_deref(), Some("b"));
        assert_eq!(extract("x").find("y"), None);
        assert_eq!(extract(".").find("é").map(|found| found.chars().count()), Some(1));
    }

    #[test]
    fn a_pattern_that_would_take_long_elsewhere_takes_time_in_proportion_to_the_text() {
        let evil = extract("(a*)*(a*)*(a*)*b");
        assert_eq!(evil.find(&"a".repeat(20_000)), None);
    }

    #[test]
    fn delimiters_give_what_is_between_them() {
        let between = |after: &str, before: &str, text: &str| {
            Delimiters { after: after.to_owned(), before: before.to_owned() }.find(text)
        };
        assert_eq!(between("<sip:", "@", "\"x\" <sip:4930@h>").as_deref(), Some("4930"));
        assert_eq!(between("did=", "", "x;did=4930").as_deref(), Some("4930"));
        assert_eq!(between("", ";", "4930;x").as_deref(), Some("4930"));
        assert_eq!(between("nothing", "", "4930"), None);
        assert_eq!(between("", "@", "4930"), None);
    }

    #[test]
    fn sources_are_written_as_they_are_read() {
        for text in ["auto", "request_uri", "to", "diversion", "p_called_party_id", "header:X-DID"] {
            assert_eq!(String::from(DidSource::try_from(text.to_owned()).unwrap()), text);
        }
        for text in ["auto", "from", "pai", "rpid", "header:X-CID"] {
            assert_eq!(String::from(CidSource::try_from(text.to_owned()).unwrap()), text);
        }
    }

    #[test]
    fn variables_are_put_into_their_places() {
        let value = |name: &str| (name == "a").then(|| "1".to_owned());
        assert_eq!(expand("x${a}y${b}z${", value), "x1yz${");
        assert_eq!(expand("plain", value), "plain");
    }
}
