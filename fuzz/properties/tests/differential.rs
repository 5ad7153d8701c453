//! Our reading of messages beside that of sipx-sip, a parser by other people: where they differ, the difference has a name here,
//! or one of them is wrong.

use bytes::Bytes;
use sipx_sip::{Limits, parse_datagram, validate};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tandem_properties::vary;
use tandem_sip_msg::{Message, ParseError};

/// Who refuses what the other takes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Refuser {
    We,
    They,
}
use Refuser::{They, We};

/// Differences that are meant: who refuses, what the refusal says, and why both may be.
const DIFFERENCES: &[(Refuser, &str, &str)] = &[
    (We, "Head Is Not UTF-8", "headers are UTF-8 (RFC 3261 §7); they pass any bytes on"),
    (We, "NUL in Head", "no header may hold one; they pass it on"),
    (We, "Malformed Contact", "a dialog needs it; they look at it when it is used"),
    (We, "Missing or Malformed Call-ID", "a word, or two with an @ (RFC 3261 §25.1); they take any bytes"),
    (We, "Missing or Malformed From", "one tag at most, since two readers could take either"),
    (We, "Missing or Malformed To", "one tag at most, and a scheme that is one"),
    (We, "Missing or Malformed Via", "each Via has to be sound; they look at the top one alone"),
    (We, "no usable Via", "without a transport that we know there is no way back"),
    (
        They,
        "MalformedRequiredHeader(\"From\")",
        "spaces in angle brackets and odd characters are overlooked here",
    ),
    (
        They,
        "MalformedRequiredHeader(\"To\")",
        "spaces in angle brackets and odd characters are overlooked here",
    ),
    (They, "MalformedRequiredHeader(\"Via\")", "a branch is a string of its maker, compared and given back"),
    (They, "no blank line after headers", "lines of a datagram may end in LF alone here"),
    (They, "bare CR or LF", "lines of a datagram may end in LF alone here"),
    (They, "field name is not a token", "a line may be folded before its colon here"),
    (They, "malformed percent escape", "escapes of a Request-URI are looked at when it is used"),
];

/// What both must read alike.
#[derive(PartialEq, Eq, Debug)]
struct Facts {
    method: Option<Vec<u8>>,
    code: Option<u16>,
    call_id: Vec<u8>,
    body: Vec<u8>,
}

fn ours(data: &Bytes) -> Result<Facts, String> {
    match Message::parse(data.clone()) {
        Ok(m) => Ok(Facts {
            method: m.is_request().then(|| m.method_name().as_bytes().to_vec()),
            code: m.code(),
            call_id: m.call_id().as_bytes().to_vec(),
            body: m.body().to_vec(),
        }),
        Err(ParseError::Refuse { why, .. } | ParseError::Junk(why)) => Err(why.to_owned()),
    }
}

fn theirs(data: &Bytes) -> Result<Facts, String> {
    let message = parse_datagram(data.clone(), &Limits::datagram()).map_err(|error| error.to_string())?;
    // What it finds and would forward all the same is no refusal.
    let finding = validate(&message).into_iter().find(|finding| !finding.is_repairable());
    if let Some(finding) = finding {
        return Err(format!("{finding:?}"));
    }
    let call_id = message.headers().value(&sipx_sip::HeaderName::CallId).unwrap_or_default();
    let (method, code) = match &message {
        sipx_sip::Message::Request(request) => (Some(request.method.as_bytes().to_vec()), None),
        sipx_sip::Message::Response(response) => (None, Some(response.status.code())),
    };
    Ok(Facts { method, code, call_id: call_id.trim_ascii().to_vec(), body: message.body().to_vec() })
}

fn corpus() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders =
        ["../seeds/message", "../../core/sip-msg/tests/rfc4475", "../../core/sip-msg/tests/rfc5118"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(root.join(folder)).unwrap());
    let mut paths: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// How often each difference was seen, with the first message that shows it.
fn compare(variations: u64) -> BTreeMap<(Refuser, String), (usize, String)> {
    let mut seen: BTreeMap<(Refuser, String), (usize, String)> = BTreeMap::new();
    for seed in corpus() {
        for n in 0..=variations {
            let data = Bytes::from(if n == 0 { seed.clone() } else { vary(&seed, n) });
            let difference = match (ours(&data), theirs(&data)) {
                (Ok(ours), Ok(theirs)) => {
                    assert_eq!(ours, theirs, "{}", String::from_utf8_lossy(&data));
                    continue;
                }
                (Err(_), Err(_)) => continue,
                (Err(why), Ok(_)) => (We, why),
                (Ok(_), Err(why)) => (They, why),
            };
            let shown = || (0, String::from_utf8_lossy(&data).into_owned());
            seen.entry(difference).or_insert_with(shown).0 += 1;
        }
    }
    seen
}

#[test]
fn every_difference_between_two_parsers_has_a_name() {
    let seen = compare(400);
    let known = |(who, why): &(Refuser, String)| {
        DIFFERENCES.iter().any(|(refuser, what, _)| refuser == who && why.contains(what))
    };
    let new: Vec<_> = seen.iter().filter(|(difference, _)| !known(difference)).collect();
    for ((who, why), (count, example)) in &new {
        eprintln!("--- {who:?}: {why} ({count} times)\n{example}");
    }
    assert!(new.is_empty(), "{} differences without a name", new.len());
    for (who, what, why) in DIFFERENCES {
        let met = seen.keys().any(|(refuser, said)| refuser == who && said.contains(what));
        assert!(met, "{who:?} {what} ({why}) is a difference no more");
    }
}
