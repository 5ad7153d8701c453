//! Messages as they may be shown: without what others could make use of.

use tandem_sip_msg::Challenge;
use tandem_trunk::CONTACT_TOKEN;

/// The longest part of a message that is shown.
const LONGEST: usize = 4096;

/// A message as text: the answers to challenges are masked but for user name and realm, and so is the token of our Contact.
pub fn masked(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let mut out = String::with_capacity(text.len().min(LONGEST));
    for line in text.split("\r\n") {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let name = name.trim();
        if ["Authorization", "Proxy-Authorization"].iter().any(|secret| secret.eq_ignore_ascii_case(name)) {
            out.push_str(&format!("{name}: {}", credentials(value)));
        } else {
            out.push_str(&without_token(line));
        }
        out.push('\n');
        if out.len() > LONGEST {
            out.truncate(out.floor_char_boundary(LONGEST));
            out.push_str("...\n");
            break;
        }
    }
    out.truncate(out.trim_end().len());
    out
}

fn credentials(value: &str) -> String {
    let named = |name: &str| {
        // Both are quoted strings (RFC 3261 §25.1).
        let (_, rest) = value.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(inside, _)| format!("{name}=\"{inside}\", "))
    };
    let shown: String = ["username", "realm"].into_iter().filter_map(named).collect();
    format!("Digest {shown}(the rest is masked)")
}

fn without_token(line: &str) -> String {
    let mark = format!(";{CONTACT_TOKEN}=");
    let Some((before, rest)) = line.split_once(&mark) else { return line.to_owned() };
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    format!("{before}{mark}(masked){}", without_token(&rest[end..]))
}

/// The realm of a challenge.
pub(crate) fn realm_of(value: &str) -> Option<String> {
    let realm = Challenge::parse(value)?.realm;
    Some(realm.chars().filter(|c| !c.is_control()).take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_challenges_and_tokens_are_masked_in_any_case() {
        let message = b"REGISTER sip:h SIP/2.0\r\nContact: <sip:a@1.2.3.4;gw=0123abcd>;expires=60, <sip:b@h;gw=99>\r\n\
            authorization: Digest username=\"alice\", realm=\"r\", nonce=\"n0\", response=\"cafe\", cnonce=\"c0\"\r\n\
            Proxy-Authorization: Digest username=\"bob\", response=\"beef\"\r\nSubject: left alone\r\n\r\n";
        let shown = masked(message);
        for secret in ["0123abcd", "99", "cafe", "beef", "n0", "c0"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
        for kept in
            ["username=\"alice\"", "realm=\"r\"", "username=\"bob\"", ";expires=60", "Subject: left alone"]
        {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
        assert!(!shown.ends_with('\n'));
    }

    #[test]
    fn what_is_shown_has_an_end_even_where_a_character_is_cut() {
        let long = format!("X: {}\r\n", "é".repeat(5_000));
        let shown = masked(long.as_bytes());
        assert!(shown.len() < LONGEST + 10 && shown.ends_with("..."));
    }
}
