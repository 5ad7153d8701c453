//! Requests that it sends, each until its final response.

use super::Ua;
use super::call::Stage;
use bytes::Bytes;
use rand::Rng;
use std::net::SocketAddr;
use std::time::Duration;
use tandem_sip_msg::{Header, Message, Method, Writer};
use tandem_time::Time;

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
const GIVE_UP: Duration = Duration::from_secs(32);
/// How long an INVITE may ring.
const PATIENCE: Duration = Duration::from_secs(600);

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
    pub(super) provisional: bool,
    is_taken_back: bool,
}

impl Pending {
    pub(super) fn taken_back(&mut self, now: Time) {
        self.is_taken_back = true;
        self.until = now + GIVE_UP;
        self.due = self.until;
    }
}

impl Ua {
    pub(super) fn via(&mut self, w: &mut Writer) -> String {
        let branch = format!("z9hG4bK{:016x}", self.rng.next_u64());
        w.header(
            Header::Via,
            format_args!("SIP/2.0/{} {};branch={branch};rport", self.transport.via_name(), self.shown),
        );
        branch
    }

    pub(super) fn request(&mut self, branch: String, method: &str, to: SocketAddr, bytes: Bytes, now: Time) {
        self.send(to, bytes.clone());
        self.pending.push(Pending {
            branch,
            method: method.to_owned(),
            due: if self.transport.is_reliable() { now + GIVE_UP } else { now + T1 },
            interval: T1,
            until: now + GIVE_UP,
            to,
            bytes,
            provisional: false,
            is_taken_back: false,
        });
    }

    pub(super) fn resend_pending(&mut self, now: Time) {
        let mut again = Vec::new();
        let mut silent = Vec::new();
        let mut tired = Vec::new();
        self.pending.retain_mut(|pending| {
            if pending.until <= now {
                let rings = pending.provisional && pending.method == "INVITE" && !pending.is_taken_back;
                if rings { &mut tired } else { &mut silent }.push(pending.branch.clone());
                pending.taken_back(now);
                return rings;
            }
            if pending.due <= now {
                let quiet = pending.provisional && pending.method == "INVITE";
                pending.interval = if pending.method == "INVITE" {
                    pending.interval * 2
                } else {
                    (pending.interval * 2).min(T2)
                };
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
        for branch in tired {
            self.send_cancel(branch, now);
        }
        for branch in silent {
            if let Some(call) = self
                .calls
                .iter_mut()
                .find(|call| call.invite_branch == branch && call.stage != Stage::Talking)
            {
                call.stage = Stage::Over;
                call.code = call.code.or(Some(408));
                call.media.stop();
            }
        }
    }

    pub(super) fn on_response(&mut self, message: &Message, from: SocketAddr, now: Time) {
        if message.method() == Method::Invite && self.find_call(message).is_none() {
            // Its branch may be right all the same: it was corrupted on the way.
            return;
        }
        let code = message.code().unwrap_or(0);
        let branch = message.top_via().branch().unwrap_or_default().to_owned();
        let method = message.method_name().to_owned();
        let at = self.pending.iter().position(|pending| pending.branch == branch && pending.method == method);
        let is_awaited = at.is_some();
        // One that names no call of ours, though it has our branch, is not sound.
        if message.method() == Method::Invite && self.find_call(message).is_none() {
            return;
        }
        if let Some(at) = at {
            let pending = &mut self.pending[at];
            if code >= 200 {
                self.pending.remove(at);
            } else {
                pending.provisional = true;
                if pending.method == "INVITE" && !pending.is_taken_back {
                    pending.until = now + PATIENCE;
                }
            }
        }
        match message.method() {
            Method::Invite => self.on_invite_response(message, code, from, is_awaited, now),
            Method::Prack if code >= 200 && is_awaited => self.on_prack_response(message, code, now),
            Method::Update if code >= 200 && is_awaited => self.on_update_response(message, code, now),
            Method::Info if code >= 200 && is_awaited => self.on_info_response(message, code),
            Method::Refer if code >= 200 && is_awaited => self.on_refer_response(message, code, now),
            Method::Register if code >= 200 && is_awaited => self.on_register_response(message, code, now),
            _ => {}
        }
    }
}

pub(super) fn finish(w: Writer, sdp: Option<&[u8]>) -> Bytes {
    match sdp {
        Some(sdp) => w.finish_with("application/sdp", sdp),
        None => w.finish(),
    }
}
