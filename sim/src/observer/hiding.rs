//! Topology hiding: nothing of one side is shown to the other.

use super::Seen;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

#[derive(Default)]
pub(super) struct Hiding {
    everybody: BTreeSet<IpAddr>,
    /// Tags, branches and Call-IDs that somebody made.
    secrets: BTreeMap<String, SocketAddr>,
}

/// What is shorter can be anything.
const SECRET: usize = 12;

impl Hiding {
    pub(super) fn meet(&mut self, ip: IpAddr) {
        self.everybody.insert(ip);
    }

    /// What the peer made itself is its own.
    pub(super) fn received(&mut self, seen: &Seen) {
        let tag = if seen.is_request { &seen.from_tag } else { &seen.to_tag };
        let call_id = (seen.is_request && seen.to_tag.is_none()).then_some(&seen.call_id);
        let secrets = tag.iter().chain(call_id).filter(|secret| secret.len() >= SECRET);
        for secret in secrets.cloned().collect::<Vec<_>>() {
            self.secrets.entry(secret).or_insert(seen.peer);
        }
    }

    pub(super) fn sent(&self, seen: &Seen, wrong: &mut Vec<String>) {
        // RFC 3261 §10.3: every binding, whoever made it.
        if seen.method == "REGISTER" && seen.code == 200 {
            return;
        }
        let text = String::from_utf8_lossy(&seen.bytes);
        let words = |line| str::split(line, |c: char| !(c.is_ascii_alphanumeric() || c == '.'));
        for (line, word) in text.lines().flat_map(|line| words(line).map(move |word| (line, word))) {
            let word = word.trim_end_matches('.');
            if word.len() < 7 {
                continue;
            }
            if word.as_bytes()[0].is_ascii_digit()
                && let Ok(ip) = word.parse::<IpAddr>()
                && ip != seen.peer.ip()
                && self.everybody.contains(&ip)
            {
                wrong.push(format!("it shows {ip} in {line:?}"));
            }
            if word.len() >= SECRET
                && let Some(owner) = self.secrets.get(word)
                && owner.ip() != seen.peer.ip()
            {
                wrong.push(format!("it shows {word}, which is of {owner}, in {line:?}"));
            }
        }
    }
}
