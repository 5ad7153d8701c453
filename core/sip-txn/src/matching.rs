//! Which transaction a message belongs to (RFC 3261 §17.1.3, RFC 3261 §17.2.3, RFC 3261 §8.2.2.2) and where a response goes.

use crate::{ClientKey, ServerKey};
use hashbrown::HashTable;
use slotmap::{Key, KeyData};
use std::net::{IpAddr, SocketAddr};
use tandem_sip_msg::{Flow, Host, Message, Method, Transport, Uri, Via};

const COOKIE: &str = "z9hG4bK";

/// The random part of a branch of ours, and the transaction that it names.
///
/// Written as 32 hexadecimal digits, so that a response finds its transaction without a table. The key is masked, or
/// the branch would tell how many calls the server carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Branch {
    pub(crate) random: u64,
    pub(crate) key: ClientKey,
}

impl Branch {
    /// As written into a Via.
    pub(crate) fn write(self, mask: &ahash::RandomState) -> BranchText {
        let masked = self.key.data().as_ffi() ^ mask.hash_one(self.random);
        let mut text = [0; BRANCH_LEN];
        text[..COOKIE.len()].copy_from_slice(COOKIE.as_bytes());
        let (random, key) = text[COOKIE.len()..].split_at_mut(16);
        write_hex(self.random, random);
        write_hex(masked, key);
        BranchText(text)
    }

    /// `None` for a branch that cannot be ours.
    pub(crate) fn read(text: &str, mask: &ahash::RandomState) -> Option<Branch> {
        let (random, masked) = without_cookie(text)?.split_at_checked(16)?;
        let random = from_hex(random)?;
        let key = KeyData::from_ffi(from_hex(masked)? ^ mask.hash_one(random));
        Some(Branch { random, key: key.into() })
    }
}

const BRANCH_LEN: usize = COOKIE.len() + 32;

/// A branch as text.
pub(crate) struct BranchText([u8; BRANCH_LEN]);

impl BranchText {
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Sixteen lower-case hexadecimal digits.
pub(crate) fn hex(value: u64, digits: &mut [u8; 16]) -> &str {
    write_hex(value, digits);
    std::str::from_utf8(digits).unwrap_or_default()
}

fn write_hex(value: u64, digits: &mut [u8]) {
    for (at, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(value >> (60 - 4 * at)) as usize & 15];
    }
}

/// By table: the digits are random, so a processor that has to guess what they are guesses wrong.
fn from_hex(digits: &str) -> Option<u64> {
    const VALUES: [u8; 256] = {
        let mut values = [0xff; 256];
        let mut value = 0;
        while value < 16 {
            let digit = b"0123456789abcdef"[value];
            values[digit as usize] = value as u8;
            values[digit.to_ascii_uppercase() as usize] = value as u8;
            value += 1;
        }
        values
    };
    let digits: &[u8; 16] = digits.as_bytes().try_into().ok()?;
    let (mut number, mut all) = (0, 0);
    for &digit in digits {
        let value = VALUES[digit as usize];
        number = number << 4 | u64::from(value & 15);
        all |= value;
    }
    (all < 16).then_some(number)
}

/// What follows the magic cookie; `None` for the branch of an RFC 2543 peer and for a cookie alone.
fn without_cookie(branch: &str) -> Option<&str> {
    let (cookie, rest) = branch.split_at_checked(COOKIE.len())?;
    (cookie.eq_ignore_ascii_case(COOKIE) && !rest.is_empty()).then_some(rest)
}

/// The host and port by which a Via names its writer (RFC 3261 §18.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SentBy {
    host: Result<IpAddr, String>,
    port: Option<u16>,
}

impl SentBy {
    /// Reads `host:port` of the configuration.
    pub(crate) fn parse(text: &str) -> SentBy {
        let uri = format!("sip:{text}");
        let (host, port) = match Uri::parse(&uri) {
            Some(uri) => (uri.host(), uri.port()),
            None => (Host::Name(text), None),
        };
        let host = match host {
            Host::Ip(ip) => Ok(ip),
            Host::Name(name) => Err(name.to_owned()),
        };
        SentBy { host, port }
    }

    /// Whether `via` was written by the one that is named so.
    pub(crate) fn wrote(&self, via: &Via<'_>) -> bool {
        let host = match (&self.host, via.host()) {
            (Ok(ours), Host::Ip(theirs)) => *ours == theirs,
            (Err(ours), Host::Name(theirs)) => ours.eq_ignore_ascii_case(theirs),
            _ => false,
        };
        let default = default_port(via);
        host && self.port.unwrap_or(default) == via.port().unwrap_or(default)
    }
}

fn default_port(via: &Via<'_>) -> u16 {
    via.transport().unwrap_or(Transport::Udp).default_port()
}

/// Writes what identifies a request's transaction into `out`. An ACK or CANCEL gives the identity of its INVITE.
pub(crate) fn identity(request: &Message, via: &Via<'_>, out: &mut Vec<u8>) {
    match via.branch() {
        Some(branch) if without_cookie(branch).is_some() => {
            push(out, branch.as_bytes());
            push_sent_by(out, via);
        }
        _ => old_identity(request, via, out),
    }
    if request.method() == Method::Other {
        push(out, request.method_name().as_bytes());
    }
}

/// The identity that RFC 3261 §17.2.3 gives to requests of RFC 2543 peers. Neither the To tag of an INVITE is in it,
/// as its ACK carries another one, nor the method, as CANCEL and ACK have their own.
fn old_identity(request: &Message, via: &Via<'_>, out: &mut Vec<u8>) {
    push(out, via.as_str().as_bytes());
    push(out, request.request_uri().map_or("", |uri| uri.as_str()).as_bytes());
    push(out, request.from_tag().unwrap_or_default().as_bytes());
    push(out, request.call_id().as_bytes());
    push(out, &request.cseq().to_be_bytes());
    if !matches!(request.method(), Method::Invite | Method::Ack | Method::Cancel) {
        push(out, request.to_tag().unwrap_or_default().as_bytes());
    }
}

/// Whether a request is matched by its branch, or as one of an RFC 2543 peer.
pub(crate) fn has_branch(via: &Via<'_>) -> bool {
    via.branch().is_some_and(|branch| without_cookie(branch).is_some())
}

/// Writes what two copies of one request have in common even when they came by different ways (RFC 3261 §8.2.2.2);
/// `false` for a request that cannot be merged.
pub(crate) fn merge_identity(request: &Message, out: &mut Vec<u8>) -> bool {
    let Some(from_tag) = request.from_tag().filter(|_| request.to_tag().is_none()) else { return false };
    push(out, from_tag.as_bytes());
    push(out, request.call_id().as_bytes());
    push(out, &request.cseq().to_be_bytes());
    push(out, request.method_name().as_bytes());
    true
}

fn push_sent_by(out: &mut Vec<u8>, via: &Via<'_>) {
    match via.host() {
        Host::Ip(IpAddr::V4(ip)) => out.extend_from_slice(&ip.octets()),
        Host::Ip(IpAddr::V6(ip)) => out.extend_from_slice(&ip.octets()),
        Host::Name(name) => out.extend(name.bytes().map(|b| b.to_ascii_lowercase())),
    }
    out.extend_from_slice(&via.port().unwrap_or_else(|| default_port(via)).to_be_bytes());
}

/// Fields are told apart by a NUL, which no field can contain but a number at its place.
fn push(out: &mut Vec<u8>, field: &[u8]) {
    out.extend_from_slice(field);
    out.push(0);
}

/// Server transactions by the hash of an identity. Who looks up compares the identities themselves.
#[derive(Default)]
pub(crate) struct Index {
    table: HashTable<(u64, ServerKey)>,
}

impl Index {
    pub(crate) fn find(&self, hash: u64, mut same: impl FnMut(ServerKey) -> bool) -> Option<ServerKey> {
        self.table.find(hash, |&(h, key)| h == hash && same(key)).map(|&(_, key)| key)
    }

    pub(crate) fn insert(&mut self, hash: u64, key: ServerKey) {
        self.table.insert_unique(hash, (hash, key), |&(h, _)| h);
    }

    pub(crate) fn remove(&mut self, hash: u64, key: ServerKey) {
        if let Ok(entry) = self.table.find_entry(hash, |&(_, k)| k == key) {
            entry.remove();
        }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// The responses to strangers, of which nothing is kept but one number in a table of fixed size: enough to know their
/// ACKs, most of the time.
pub(crate) struct Forgotten {
    slots: Box<[u64]>,
}

impl Forgotten {
    pub(crate) fn with_slots(slots: usize) -> Forgotten {
        Forgotten { slots: vec![0; slots].into() }
    }

    pub(crate) fn note(&mut self, hash: u64) {
        self.slots[hash as usize % self.slots.len()] = hash;
    }

    pub(crate) fn knows(&self, hash: u64) -> bool {
        self.slots[hash as usize % self.slots.len()] == hash
    }
}

/// Where a response to the request with this top Via goes (RFC 3261 §18.2.2 without maddr, RFC 3581 §4): of a stream its
/// connection, and once that is gone the port of sent-by.
pub(crate) fn reply_flow(via: &Via<'_>, flow: Flow) -> Flow {
    if !flow.transport.is_reliable() && via.params().has("rport") {
        return flow;
    }
    // A port of 0 is nobody's, so the Via that says so is answered as if it had asked for rport.
    let port = match via.port() {
        Some(0) => flow.remote.port(),
        Some(port) => port,
        // Of the transport that it really came by, whatever the Via claims.
        None => flow.transport.default_port(),
    };
    let mut reply = flow;
    reply.remote.set_port(port);
    reply
}

/// Whether an address can be one host's: a datagram that claims to come from any other is forged, and a response to it
/// would go to a whole network.
pub(crate) fn is_unicast(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}
