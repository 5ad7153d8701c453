//! Our Contact at a registrar: how it is written, and what the registrar says of it.

use crate::CONTACT_TOKEN;
use crate::trunks::identity;
use sha2::{Digest, Sha256};
use tandem_model::Trunk;
use tandem_sip_msg::{Header, Message, NameAddr, Uri, escape_user};

/// A trunk's token: 128 bits that nobody can guess who does not have the secret. The same after a restart, so that the
/// Contact which the registrar still holds is replaced and not joined by another; another one for another account.
pub(crate) fn token(secret: &[u8; 32], trunk: &Trunk) -> String {
    let whose = format!("{} {:?}", trunk.id, identity(trunk));
    let digest = Sha256::new().chain_update(secret).chain_update(whose).finalize();
    hex::encode(&digest[..16])
}

/// `sip:USER@host:port;...;gw=TOKEN`, without brackets.
pub(crate) fn uri(trunk: &Trunk, contact_host: &str, token: &str) -> String {
    let name = trunk.contact_name();
    let user = escape_user(name.as_deref().unwrap_or("tandem"));
    format!("sip:{user}@{};{CONTACT_TOKEN}={token}", trunk.contact_tail(contact_host))
}

/// What we are as a user agent, whichever account we use (RFC 5626 §4.1): the same after a restart.
pub(crate) fn instance(secret: &[u8; 32]) -> String {
    let digest = Sha256::new().chain_update(secret).chain_update("instance").finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    // A UUID of made-up bytes (RFC 9562 §5.8).
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex::encode(bytes);
    format!("urn:uuid:{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

/// For how long the registrar holds our Contact, in seconds: the `expires` of the Contact that is ours, else Expires,
/// else what was asked for (RFC 3261 §10.2.4).
pub(crate) fn granted(answer: &Message, ours: &str, token: &str, asked: u32) -> u32 {
    let listed = || answer.headers(Header::Contact).filter_map(NameAddr::parse);
    let has_token = |contact: &NameAddr<'_>| contact.uri().params().get(CONTACT_TOKEN) == Some(token);
    // Some registrars lose URI parameters, or put the address that they saw in place of ours.
    let equivalent = |contact: &NameAddr<'_>| {
        let other = contact.uri().params().has(CONTACT_TOKEN);
        !other && Uri::parse(ours).is_some_and(|ours| ours.equivalent(&contact.uri()))
    };
    let only = || listed().next().filter(|_| listed().count() == 1);
    let mine = listed().find(has_token).or_else(|| listed().find(equivalent)).or_else(only);
    mine.and_then(|contact| seconds(contact.params().get("expires")?))
        .or_else(|| answer.expires())
        .unwrap_or(asked)
}

/// Reads delta-seconds; too large a value is the largest.
pub(crate) fn seconds(text: &str) -> Option<u32> {
    let digits = text.trim();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}
