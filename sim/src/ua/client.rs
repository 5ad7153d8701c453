//! Requests that it sends.

use super::call::{Stage, UaCall};
use super::media::Media;
use super::{CallRef, Ua};
use bytes::Bytes;
use rand::Rng;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_sdp::{Direction, Sdp};
use tandem_sip_msg::{Header, Message, Method, Writer};
use tandem_time::Time;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const GIVE_UP: Duration = Duration::from_secs(32);

/// A request that waits for its final response.
pub(super) struct Pending {
    pub(super) branch: String,
    pub(super) method: String,
    pub(super) due: Time,
    interval: Duration,
    until: Time,
    to: SocketAddr,
    bytes: Bytes,
    /// A provisional response came: an INVITE is sent no more.
    provisional: bool,
    attempt: u32,
}

impl Ua {
    /// Registers at `registrar` for so many seconds; 0 ends it.
    pub fn register_at(&mut self, registrar: SocketAddr, expires: u32, now: Time) {
        self.registration = None;
        self.send_register(registrar, expires, 1, None, now);
    }

    fn send_register(&mut self, registrar: SocketAddr, expires: u32, cseq: u32, auth: Option<(Header, String)>, now: Time) {
        let mut w = Writer::request("REGISTER", &format!("sip:{registrar}"));
        let (address, user) = (self.address, self.user.clone());
        let branch = self.via(&mut w);
        w.header(Header::MaxForwards, 70);
        w.header(Header::From, format_args!("<sip:{user}@{registrar}>;tag={branch}f"));
        w.header(Header::To, format_args!("<sip:{user}@{registrar}>"));
        w.header(Header::CallId, format_args!("reg-{user}-{address}"));
        w.header(Header::CSeq, format_args!("{cseq} REGISTER"));
        w.header(Header::Contact, format_args!("<sip:{user}@{address}>"));
        w.header(Header::Expires, expires);
        if let Some((name, value)) = auth {
            w.header(name, value);
        }
        self.request(branch, "REGISTER", registrar, w.finish(), now);
    }

    /// Calls `number` at `server`.
    pub fn dial(&mut self, server: SocketAddr, number: &str, now: Time) -> CallRef {
        let uri = format!("sip:{}@{server}", tandem_sip_msg::escape_user(number));
        self.dial_uri(server, &uri, number, now)
    }

    /// Calls a URI by way of `peer`.
    pub fn dial_uri(&mut self, peer: SocketAddr, uri: &str, number: &str, now: Time) -> CallRef {
        let media = Media::new(self.media_address());
        let local_tag = self.token();
        let call_id = self.token();
        let call = UaCall {
            stage: Stage::Calling,
            is_outgoing: true,
            called: number.to_owned(),
            from: format!("\"{}\" <sip:{}@{}>", self.name, self.user, self.address),
            invite: None,
            code: None,
            phrase: String::new(),
            heard: Vec::new(),
            reasons: Vec::new(),
            ended_by_peer: None,
            changes: 0,
            change_code: None,
            remote_sdp: None,
            answered_at: None,
            call_id,
            local_tag,
            local: format!("\"{}\" <sip:{}@{}>", self.name, self.user, self.address),
            remote: format!("<{uri}>"),
            remote_tag: None,
            remote_target: uri.to_owned(),
            peer,
            cseq: 0,
            invite_branch: String::new(),
            cancelled: false,
            media,
            sdp_version: 1,
            act_at: None,
            unacked: None,
            ack: None,
            late_change: false,
        };
        self.calls.push(call);
        let n = self.calls.len() - 1;
        self.send_invite(n, None, now);
        CallRef(n)
    }

    pub(super) fn media_address(&mut self) -> SocketAddr {
        let port = self.next_port;
        self.next_port += 2;
        SocketAddr::new(self.address.ip(), port)
    }

    pub(super) fn sdp(&self, n: usize, direction: Direction) -> Vec<u8> {
        let call = &self.calls[n];
        Sdp::build_directed(call.media.local.ip(), call.media.local.port(), &self.codecs, direction, call.sdp_version)
    }

    fn send_invite(&mut self, n: usize, auth: Option<(Header, String)>, now: Time) {
        let body = (!self.offers_late).then(|| self.sdp(n, Direction::SendRecv));
        let (mut w, branch) = self.in_dialog(n, "INVITE", true);
        if let Some((name, value)) = auth {
            w.header(name, value);
        }
        self.calls[n].invite_branch = branch.clone();
        let bytes = finish(w, body.as_deref());
        let peer = self.calls[n].peer;
        self.request(branch, "INVITE", peer, bytes, now);
    }

    /// Takes back an INVITE that rings.
    pub fn cancel(&mut self, call: CallRef, now: Time) {
        let call = &mut self.calls[call.0];
        call.cancelled = true;
        let mut w = Writer::request("CANCEL", &call.remote_target);
        let branch = call.invite_branch.clone();
        w.header(Header::Via, format_args!("SIP/2.0/UDP {};branch={branch};rport", self.address));
        w.header(Header::MaxForwards, 70);
        w.header(Header::From, format_args!("{};tag={}", call.local, call.local_tag));
        w.header(Header::To, &call.remote);
        w.header(Header::CallId, &call.call_id);
        w.header(Header::CSeq, format_args!("{} CANCEL", call.cseq));
        let peer = call.peer;
        self.request(branch, "CANCEL", peer, w.finish(), now);
    }

    /// Hangs up a call that was answered.
    pub fn hang_up(&mut self, call: CallRef, now: Time) {
        let n = call.0;
        let (w, branch) = self.in_dialog(n, "BYE", true);
        let call = &mut self.calls[n];
        call.stage = Stage::Over;
        call.ended_by_peer.get_or_insert(false);
        call.media.stop();
        let peer = call.peer;
        self.request(branch, "BYE", peer, w.finish(), now);
    }

    /// Changes the session: hold with `SendOnly`, resume with `SendRecv`. Without an offer when `late`.
    pub fn change(&mut self, call: CallRef, direction: Direction, late: bool, now: Time) {
        let n = call.0;
        self.calls[n].sdp_version += 1;
        self.calls[n].change_code = None;
        self.calls[n].late_change = late;
        let body = (!late).then(|| self.sdp(n, direction));
        let (w, branch) = self.in_dialog(n, "INVITE", true);
        self.calls[n].invite_branch = branch.clone();
        let peer = self.calls[n].peer;
        self.request(branch, "INVITE", peer, finish(w, body.as_deref()), now);
    }

    /// A request in a call's dialog, up to its body.
    fn in_dialog(&mut self, n: usize, method: &str, next_cseq: bool) -> (Writer, String) {
        if next_cseq {
            self.calls[n].cseq += 1;
        }
        let mut w = Writer::request(method, &self.calls[n].remote_target);
        let branch = self.via(&mut w);
        let (user, address) = (self.user.clone(), self.address);
        let call = &self.calls[n];
        w.header(Header::MaxForwards, 70);
        w.header(Header::From, format_args!("{};tag={}", call.local, call.local_tag));
        match &call.remote_tag {
            Some(tag) => w.header(Header::To, format_args!("{};tag={tag}", call.remote)),
            None => w.header(Header::To, &call.remote),
        };
        w.header(Header::CallId, &call.call_id);
        w.header(Header::CSeq, format_args!("{} {method}", call.cseq));
        w.header(Header::Contact, format_args!("<sip:{user}@{address}>"));
        (w, branch)
    }

    fn via(&mut self, w: &mut Writer) -> String {
        let branch = format!("z9hG4bK{:016x}", self.rng.next_u64());
        w.header(Header::Via, format_args!("SIP/2.0/UDP {};branch={branch};rport", self.address));
        branch
    }

    fn request(&mut self, branch: String, method: &str, to: SocketAddr, bytes: Bytes, now: Time) {
        self.send(to, bytes.clone());
        self.pending.push(Pending {
            branch,
            method: method.to_owned(),
            due: now + T1,
            interval: T1,
            until: now + GIVE_UP,
            to,
            bytes,
            provisional: false,
            attempt: 0,
        });
    }

    pub(super) fn resend_pending(&mut self, now: Time) {
        let mut again = Vec::new();
        let mut silent = Vec::new();
        self.pending.retain_mut(|pending| {
            if pending.until <= now {
                if !(pending.provisional && pending.method == "INVITE") {
                    silent.push(pending.branch.clone());
                }
                return false;
            }
            if pending.due <= now {
                let quiet = pending.provisional && pending.method == "INVITE";
                pending.attempt += 1;
                pending.interval = if pending.method == "INVITE" { pending.interval * 2 } else { (pending.interval * 2).min(T2) };
                pending.due = if quiet { pending.until } else { (now + pending.interval).min(pending.until) };
                if !quiet {
                    again.push((pending.to, pending.bytes.clone()));
                }
            }
            true
        });
        for (to, bytes) in again {
            self.send(to, bytes);
        }
        for branch in silent {
            if let Some(call) = self.calls.iter_mut().find(|call| call.invite_branch == branch && call.stage != Stage::Talking) {
                call.stage = Stage::Over;
                call.code = call.code.or(Some(408));
                call.media.stop();
            }
        }
    }

    pub(super) fn on_response(&mut self, message: &Message, from: SocketAddr, now: Time) {
        let code = message.code().unwrap_or(0);
        let branch = message.top_via().branch().unwrap_or_default().to_owned();
        let method = message.method_name().to_owned();
        let at = self.pending.iter().position(|pending| pending.branch == branch && pending.method == method);
        if code < 200 {
            if let Some(at) = at {
                let pending = &mut self.pending[at];
                pending.provisional = true;
                if pending.method == "INVITE" {
                    pending.until = now + Duration::from_secs(600);
                }
            }
        } else if let Some(at) = at {
            self.pending.remove(at);
        } else if message.method() != Method::Invite {
            return;
        }
        match message.method() {
            Method::Invite => self.on_invite_response(message, code, from, now),
            Method::Register if code == 401 => {
                let registrar = from;
                let uri = format!("sip:{registrar}");
                let answer = self.digest.as_mut().and_then(|d| d.answer(message, "REGISTER", &uri, &mut self.rng).ok());
                match answer {
                    Some(auth) => self.send_register(registrar, 3600, message.cseq() + 1, Some(auth), now),
                    None => self.registration = Some(code),
                }
            }
            Method::Register if code >= 200 => {
                if let Some(digest) = &mut self.digest {
                    digest.accepted();
                }
                self.registration = Some(code);
            }
            _ => {}
        }
    }

    fn on_invite_response(&mut self, message: &Message, code: u16, from: SocketAddr, now: Time) {
        let Some(n) = self.find_call(message) else { return };
        match code {
            100..=199 => self.on_provisional(n, message, code, now),
            200..=299 => self.on_ok(n, message, from, now),
            _ => {
                self.ack_failure(n, message);
                if self.calls[n].code.is_some() && !matches!(self.calls[n].stage, Stage::Talking) {
                    return;
                }
                if matches!(self.calls[n].stage, Stage::Talking) {
                    self.calls[n].change_code = Some(code);
                    return;
                }
                if matches!(code, 401 | 407) && message.cseq() == self.calls[n].cseq {
                    let uri = self.calls[n].remote_target.clone();
                    let answer = self.digest.as_mut().and_then(|d| d.answer(message, "INVITE", &uri, &mut self.rng).ok());
                    if let Some(auth) = answer {
                        return self.send_invite(n, Some(auth), now);
                    }
                } else if matches!(code, 401 | 407) {
                    return;
                }
                let call = &mut self.calls[n];
                call.stage = Stage::Over;
                call.code = Some(code);
                call.phrase = message.reason_phrase().to_owned();
                call.reasons = message.headers(Header::Reason).map(str::to_owned).collect();
                call.media.stop();
            }
        }
    }

    fn on_provisional(&mut self, n: usize, message: &Message, code: u16, now: Time) {
        let (tone, ssrc) = (self.tone, self.rng.next_u32());
        let call = &mut self.calls[n];
        if call.stage == Stage::Calling && code > 100 {
            call.stage = Stage::Ringing;
        }
        call.heard.push(code);
        if let Ok(sdp) = Sdp::parse(message.body())
            && !message.body().is_empty()
        {
            call.remote_sdp = Some(message.body_bytes());
            call.media.connect(&sdp, tone, ssrc, now);
        }
    }

    fn on_ok(&mut self, n: usize, message: &Message, from: SocketAddr, now: Time) {
        if let Some((cseq, ack)) = &self.calls[n].ack
            && *cseq == message.cseq()
        {
            let (ack, peer) = (ack.clone(), self.calls[n].peer);
            return self.send(peer, ack);
        }
        if let Some(digest) = &mut self.digest {
            digest.accepted();
        }
        let (tone, ssrc) = (self.tone, self.rng.next_u32());
        let first = self.calls[n].code.is_none();
        let call = &mut self.calls[n];
        call.remote_tag = message.to_tag().map(str::to_owned);
        call.peer = from;
        if let Some(contact) = message.contact() {
            call.remote_target = contact.uri().as_str().to_owned();
        }
        if first {
            call.code = Some(200);
            call.stage = Stage::Talking;
            call.answered_at = Some(now);
        } else {
            call.change_code = Some(200);
        }
        let sdp = Sdp::parse(message.body()).ok();
        if let Some(sdp) = &sdp {
            call.remote_sdp = Some(message.body_bytes());
            call.media.connect(sdp, tone, ssrc, now);
        }
        // An INVITE without an offer gets one in its 2xx; the answer goes into the ACK.
        let offered = self.offers_late && first || !first && self.calls[n].late_change;
        let answer = offered.then(|| self.sdp(n, Direction::SendRecv));
        let cseq = message.cseq();
        let kept = std::mem::replace(&mut self.calls[n].cseq, cseq);
        let (w, _) = self.in_dialog(n, "ACK", false);
        self.calls[n].cseq = kept;
        let ack = finish(w, answer.as_deref());
        let peer = self.calls[n].peer;
        self.calls[n].ack = Some((cseq, ack.clone()));
        self.send(peer, ack);
        if self.calls[n].cancelled && first {
            self.hang_up(CallRef(n), now);
        }
    }

    fn ack_failure(&mut self, n: usize, message: &Message) {
        let call = &self.calls[n];
        let mut w = Writer::request("ACK", &call.remote_target);
        w.header(Header::Via, message.top_via().as_str());
        w.header(Header::MaxForwards, 70);
        w.header(Header::From, message.from().as_str());
        w.header(Header::To, message.to().as_str());
        w.header(Header::CallId, &call.call_id);
        w.header(Header::CSeq, format_args!("{} ACK", message.cseq()));
        let peer = call.peer;
        self.send(peer, w.finish());
    }
}

pub(super) fn finish(w: Writer, sdp: Option<&[u8]>) -> Bytes {
    match sdp {
        Some(sdp) => w.finish_with("application/sdp", sdp),
        None => w.finish(),
    }
}
