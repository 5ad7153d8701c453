//! The client role: which challenge is answered, how often, and with what (RFC 7616 §3.4, RFC 3261 §22.2 and §22.3).

use super::algorithm::{Algorithm, Input, Protection};
use ipnet::IpNet;
use rand::Rng;
use rand::rngs::StdRng;
use smallvec::SmallVec;
use std::fmt::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;
use tandem_sip_msg::{Challenge, Header, Message};

/// Challenges answered for one request.
const MAX_ROUNDS: u8 = 3;

/// Requests told apart in a round: a dialog may have an INVITE and another request challenged at the same time.
const MAX_REQUESTS: usize = 4;

/// What we authenticate with at a peer.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The digest user name.
    pub username: String,
    /// The password, opaque.
    pub password: String,
    /// Answer challenges of this realm only; `None`: of any.
    pub realm: Option<String>,
    /// Answer only who is in one of these networks; `None`: anybody.
    pub challengers: Option<Arc<[IpNet]>>,
    /// Answer challenges with MD5.
    pub md5: bool,
    /// Answer challenges with SHA-256, and SHA-512-256.
    pub sha256: bool,
}

impl Login {
    /// For any challenge of anybody.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Login {
        let (username, password) = (username.into(), password.into());
        Login { username, password, realm: None, challengers: None, md5: true, sha256: true }
    }

    fn takes(&self, algorithm: Algorithm) -> bool {
        if algorithm.is_md5() { self.md5 } else { self.sha256 }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.username)
    }
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unanswered {
    /// The same credentials were refused already (no new nonce, not stale).
    Refused,
    /// No challenge in it, or none of a realm and an algorithm that we have.
    NoMatch,
    /// More than a few challenges in a row.
    Loop,
    /// It came from none of the peer's addresses.
    Stranger,
}

/// The client side towards one peer: remembers the nonce and its count over requests of a dialog or a registration.
#[derive(Clone, Debug)]
pub struct DigestClient {
    login: Login,
    /// Towards the peer itself (401) and towards a proxy on the way (407): a request may need both.
    sessions: [Option<Session>; 2],
    rounds: SmallVec<[Round; 2]>,
    /// The last response came from somebody who may be answered.
    is_trusted: bool,
}

/// A challenge that was taken up.
#[derive(Clone, Debug)]
struct Session {
    challenge: Challenge,
    algorithm: Algorithm,
    /// Whether qop=auth is on offer; else the form of RFC 2069.
    qop: bool,
    /// Fixed for a session: the key of a `-sess` algorithm is made of the first one (RFC 7616 §3.4.2).
    cnonce: String,
    /// The last nonce count sent.
    nc: u32,
}

/// The challenges that one request has met.
#[derive(Clone, Debug)]
struct Round {
    method: String,
    answered: u8,
    /// The nonce last answered, by kind of challenge.
    nonces: [Option<String>; 2],
}

/// The two kinds of challenge: (status, challenge header, credentials header).
const KINDS: [(u16, Header, Header); 2] = [
    (401, Header::WwwAuthenticate, Header::Authorization),
    (407, Header::ProxyAuthenticate, Header::ProxyAuthorization),
];

impl DigestClient {
    /// A client that has not been challenged yet.
    pub fn new(login: Login) -> DigestClient {
        DigestClient { login, sessions: [None, None], rounds: SmallVec::new(), is_trusted: true }
    }

    /// Where the response came from that [`DigestClient::answer`] is asked about next.
    pub fn heard_from(&mut self, source: IpAddr) {
        let source = IpNet::from(source.to_canonical());
        let nets = self.login.challengers.as_deref();
        self.is_trusted = nets.is_none_or(|nets| nets.iter().any(|net| net.contains(&source)));
    }

    /// Answers a 401 or 407: the header to add to the request sent again, which has `method` and `uri` in its request line.
    /// The strongest algorithm offered is taken. A nonce is answered once, unless the new challenge is stale or has another nonce
    /// (at most `3` rounds a request; [`DigestClient::accepted`] ends a round).
    pub fn answer(
        &mut self,
        challenged: &Message,
        method: &str,
        uri: &str,
        rng: &mut StdRng,
    ) -> Result<(Header, String), Unanswered> {
        let kind = KINDS.iter().position(|(code, ..)| challenged.code() == Some(*code));
        let kind = kind.ok_or(Unanswered::NoMatch)?;
        if !self.is_trusted {
            return Err(Unanswered::Stranger);
        }
        let session = self.choose(challenged, kind, rng).ok_or(Unanswered::NoMatch)?;

        let round = round_of(&mut self.rounds, method);
        let nonce = &session.challenge.nonce;
        if round.nonces[kind].as_ref() == Some(nonce) && !session.challenge.stale {
            return Err(Unanswered::Refused);
        }
        if round.answered >= MAX_ROUNDS {
            return Err(Unanswered::Loop);
        }
        round.answered += 1;
        round.nonces[kind] = Some(nonce.clone());

        // The same nonce again: counting goes on where it was.
        match &mut self.sessions[kind] {
            Some(old) if old.continues(&session) => {}
            slot => *slot = Some(session),
        }
        self.write(kind, method, uri).ok_or(Unanswered::NoMatch)
    }

    /// The other credentials that the peer has asked for, to go into the same request as what [`DigestClient::answer`] gave
    /// for `answered`: a proxy and the server behind it may both want theirs (RFC 3261 §22.3).
    pub fn companion(&mut self, answered: Header, method: &str, uri: &str) -> Option<(Header, String)> {
        let kind = KINDS.iter().position(|(.., header)| *header != answered)?;
        self.write(kind, method, uri)
    }

    /// Credentials for a further request with the nonce known already (`None` before the first challenge).
    pub fn preemptive(&mut self, method: &str, uri: &str, _rng: &mut StdRng) -> Option<(Header, String)> {
        (0..KINDS.len()).find_map(|kind| self.write(kind, method, uri))
    }

    /// The last request was not challenged: the round is over.
    pub fn accepted(&mut self) {
        self.rounds.clear();
    }

    /// The strongest challenge that we can answer; of equally strong ones the topmost (RFC 8760 §2.4).
    fn choose(&self, challenged: &Message, kind: usize, rng: &mut StdRng) -> Option<Session> {
        let mut best: Option<(Challenge, Algorithm)> = None;
        for value in challenged.headers(KINDS[kind].1) {
            let Some(challenge) = Challenge::parse(value) else { continue };
            let Some(algorithm) = Algorithm::parse(challenge.algorithm.as_deref()) else { continue };
            let ours = self.login.realm.as_ref().is_none_or(|realm| *realm == challenge.realm);
            let protectable = challenge.qop.is_empty() || offers_auth(&challenge);
            let stronger = best.as_ref().is_none_or(|(_, so_far)| algorithm.strength() > so_far.strength());
            if ours && protectable && stronger && self.login.takes(algorithm) {
                best = Some((challenge, algorithm));
            }
        }
        let (challenge, algorithm) = best?;
        let qop = offers_auth(&challenge);
        let cnonce = format!("{:016x}", rng.next_u64());
        Some(Session { challenge, algorithm, qop, cnonce, nc: 0 })
    }

    fn write(&mut self, kind: usize, method: &str, uri: &str) -> Option<(Header, String)> {
        let login = &self.login;
        let session = self.sessions[kind].as_mut()?;
        session.nc = session.nc.checked_add(1)?;
        Some((KINDS[kind].2, session.credentials(login, method, uri)))
    }
}

/// The round of requests of this method. The oldest gives way, so that a peer cannot make the list grow.
fn round_of<'a>(rounds: &'a mut SmallVec<[Round; 2]>, method: &str) -> &'a mut Round {
    let at = rounds.iter().position(|round| round.method == method).unwrap_or_else(|| {
        if rounds.len() == MAX_REQUESTS {
            rounds.remove(0);
        }
        rounds.push(Round { method: method.to_owned(), answered: 0, nonces: [None, None] });
        rounds.len() - 1
    });
    &mut rounds[at]
}

fn offers_auth(challenge: &Challenge) -> bool {
    challenge.qop.iter().any(|qop| qop.eq_ignore_ascii_case("auth"))
}

impl Session {
    fn continues(&self, new: &Session) -> bool {
        self.challenge.nonce == new.challenge.nonce
            && self.challenge.realm == new.challenge.realm
            && self.algorithm == new.algorithm
            && self.qop == new.qop
    }

    /// The value of Authorization or Proxy-Authorization, with the count as it stands.
    fn credentials(&self, login: &Login, method: &str, uri: &str) -> String {
        let Challenge { realm, nonce, opaque, algorithm, .. } = &self.challenge;
        let nc = format!("{:08x}", self.nc);
        let protection = if self.qop {
            Protection::Auth { nc: &nc, cnonce: &self.cnonce }
        } else {
            Protection::Legacy { cnonce: &self.cnonce }
        };
        let response = self.algorithm.response(&Input {
            username: &login.username,
            realm,
            password: &login.password,
            method,
            uri,
            nonce,
            protection,
        });
        let mut text = String::with_capacity(256);
        let _ = write!(text, "Digest username={}, realm={}", Quoted(&login.username), Quoted(realm));
        let _ = write!(text, ", nonce={}, uri={}, response=\"{response}\"", Quoted(nonce), Quoted(uri));
        if let Some(algorithm) = algorithm {
            let _ = write!(text, ", algorithm={algorithm}");
        }
        if self.qop {
            let _ = write!(text, ", cnonce=\"{}\", qop=auth, nc={nc}", self.cnonce);
        } else if self.algorithm.is_session() {
            let _ = write!(text, ", cnonce=\"{}\"", self.cnonce);
        }
        if let Some(opaque) = opaque {
            let _ = write!(text, ", opaque={}", Quoted(opaque));
        }
        text
    }
}

/// A quoted string (RFC 3261 §25.1).
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}
