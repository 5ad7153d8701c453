//! Calls that it makes, and how it changes and ends any call.

use super::call::{Stage, UaCall};
use super::client::finish;
use super::{CallRef, Ua};
use std::net::SocketAddr;
use tandem_sdp::{Direction, Sdp};
use tandem_sip_msg::{Header, Method, Writer, escape_user};
use tandem_time::Time;

/// How an INVITE is addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The Request-URI.
    pub uri: String,
    /// The URI in To; the Request-URI where there is none.
    pub to: Option<String>,
    /// From, without its tag; its own where there is none.
    pub from: Option<String>,
    /// Headers beside the usual ones.
    pub headers: Vec<(Header, String)>,
    /// Headers that no RFC knows.
    pub named: Vec<(String, String)>,
    /// Max-Forwards.
    pub max_forwards: u8,
}

impl Line {
    /// An INVITE to this URI and nothing special.
    pub fn to(uri: impl Into<String>) -> Line {
        Line {
            uri: uri.into(),
            to: None,
            from: None,
            headers: Vec::new(),
            named: Vec::new(),
            max_forwards: 70,
        }
    }

    /// A number at a server.
    pub fn number(number: &str, server: SocketAddr) -> Line {
        Line::to(format!("sip:{}@{server}", escape_user(number)))
    }

    /// With another URI in To.
    pub fn with_to(self, uri: impl Into<String>) -> Line {
        Line { to: Some(uri.into()), ..self }
    }

    /// With this From.
    pub fn with_from(self, from: impl Into<String>) -> Line {
        Line { from: Some(from.into()), ..self }
    }

    /// With a further header.
    pub fn with(mut self, name: Header, value: impl Into<String>) -> Line {
        self.headers.push((name, value.into()));
        self
    }

    /// With a further header that no RFC knows.
    pub fn with_named(mut self, name: &str, value: impl Into<String>) -> Line {
        self.named.push((name.to_owned(), value.into()));
        self
    }
}

impl Ua {
    /// Calls `number` at `server`.
    pub fn dial(&mut self, server: SocketAddr, number: &str, now: Time) -> CallRef {
        self.dial_line(server, Line::number(number, server), now)
    }

    /// Calls by way of `peer`.
    pub fn dial_line(&mut self, peer: SocketAddr, line: Line, now: Time) -> CallRef {
        let own = format!("\"{}\" <sip:{}@{}>", self.name, self.user, self.shown);
        let local = line.from.clone().unwrap_or(own);
        let call = UaCall {
            is_outgoing: true,
            called: line.uri.clone(),
            from: local.clone(),
            call_id: self.token(),
            local,
            remote: format!("<{}>", line.to.as_deref().unwrap_or(&line.uri)),
            remote_target: line.uri.clone(),
            line: Some(line),
            ..UaCall::new(self, peer)
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
        Sdp::build_directed(
            self.shown.ip(),
            call.media.local.port(),
            &self.codecs,
            direction,
            call.sdp_version,
        )
    }

    pub(super) fn send_invite(&mut self, n: usize, auth: Option<(Header, String)>, now: Time) {
        self.calls[n].remote_tag = None;
        let body = (!self.offers_late).then(|| self.describe(n, Direction::SendRecv, &[]));
        if let Some(body) = &body {
            self.said(n, body);
        }
        let (mut w, branch) = self.in_dialog(n, "INVITE", true);
        self.say_what_it_knows(&mut w);
        if self.rel == super::Rel::Required {
            w.header(Header::Require, "100rel");
        }
        self.ask_session(n, &mut w);
        if let Some((name, value)) = auth {
            w.header(name, value);
        }
        for (name, value) in self.calls[n].line.iter().flat_map(|line| &line.headers) {
            w.header(*name, value);
        }
        for (name, value) in self.calls[n].line.iter().flat_map(|line| &line.named) {
            w.named(name, value);
        }
        self.calls[n].invite_branch = branch.clone();
        self.calls[n].invite_cseq = self.calls[n].cseq;
        let bytes = finish(w, body.as_deref());
        let peer = self.calls[n].peer;
        self.request(branch, "INVITE", peer, bytes, now);
    }

    /// Takes back an INVITE: at once if it was heard of, else as soon as it is (RFC 3261 §9.1).
    pub fn cancel(&mut self, call: CallRef, now: Time) {
        let call = &mut self.calls[call.0];
        call.cancelled = true;
        let branch = call.invite_branch.clone();
        let invite =
            self.pending.iter().find(|pending| pending.branch == branch && pending.method == "INVITE");
        if invite.is_some_and(|invite| invite.provisional) {
            self.send_cancel(branch, now);
        }
    }

    pub(super) fn send_cancel(&mut self, branch: String, now: Time) {
        let shown = self.shown;
        let Some(call) = self.calls.iter_mut().find(|call| call.invite_branch == branch) else { return };
        if std::mem::replace(&mut call.cancel_sent, true) {
            return;
        }
        let uri = call.line.as_ref().map_or(&call.remote_target, |line| &line.uri);
        let mut w = Writer::request("CANCEL", uri);
        w.header(
            Header::Via,
            format_args!("SIP/2.0/{} {shown};branch={branch};rport", self.transport.via_name()),
        );
        w.header(Header::MaxForwards, 70);
        w.header(Header::From, format_args!("{};tag={}", call.local, call.local_tag));
        w.header(Header::To, &call.remote);
        w.header(Header::CallId, &call.call_id);
        w.header(Header::CSeq, format_args!("{} CANCEL", call.invite_cseq));
        let peer = call.peer;
        // RFC 3261 §9.1: an INVITE that was cancelled is not waited for much longer.
        let invite =
            self.pending.iter_mut().find(|pending| pending.branch == branch && pending.method == "INVITE");
        if let Some(invite) = invite {
            invite.taken_back(now);
        }
        self.request(branch, "CANCEL", peer, w.finish(), now);
    }

    /// Hangs up a call that was answered; who answered and was not acknowledged yet waits for that (RFC 3261 §15).
    pub fn hang_up(&mut self, call: CallRef, now: Time) {
        let n = call.0;
        let call = &mut self.calls[n];
        call.stage = Stage::Over;
        call.ended_by_peer.get_or_insert(false);
        call.media.stop();
        if call.unacked.is_some() && !call.is_outgoing && call.cseq == 0 {
            call.bye_when_acked = true;
        } else {
            self.send_bye(n, now);
        }
    }

    pub(super) fn send_bye(&mut self, n: usize, now: Time) {
        let (w, branch) = self.in_dialog(n, "BYE", true);
        self.calls[n].bye_when_acked = false;
        let peer = self.calls[n].peer;
        self.request(branch, "BYE", peer, w.finish(), now);
    }

    /// Ends whatever it has, each call in the way that its stage asks for.
    pub fn hang_up_all(&mut self, now: Time) {
        for n in 0..self.calls.len() {
            match self.calls[n].stage {
                Stage::Talking => self.hang_up(CallRef(n), now),
                Stage::Calling | Stage::Ringing if self.calls[n].is_outgoing => self.cancel(CallRef(n), now),
                Stage::Calling | Stage::Ringing => self.refuse(n, 486, "Busy Here", None, now),
                Stage::Over => {}
            }
        }
    }

    /// Changes the session: hold with `SendOnly`, resume with `SendRecv`. Without an offer when `late`.
    pub fn change(&mut self, call: CallRef, direction: Direction, late: bool, now: Time) {
        let n = call.0;
        self.calls[n].sdp_version += 1;
        self.calls[n].change_code = None;
        self.calls[n].late_change = late;
        self.calls[n].direction = direction;
        self.calls[n].refreshing = false;
        let body = (!late).then(|| self.describe(n, direction, &[]));
        self.reinvite(n, body.as_deref(), now);
    }

    /// Sends a request without a body within a call's dialog, such as one with a method that nobody takes.
    pub fn request_within(&mut self, call: CallRef, method: &str, now: Time) {
        let (w, branch) = self.in_dialog(call.0, method, true);
        let peer = self.calls[call.0].peer;
        self.request(branch, method, peer, w.finish(), now);
    }

    /// A request in a call's dialog, up to its body.
    pub(super) fn in_dialog(&mut self, n: usize, method: &str, next_cseq: bool) -> (Writer, String) {
        if next_cseq {
            self.calls[n].cseq += 1;
        }
        let mut w = Writer::request(method, &self.calls[n].remote_target);
        let branch = self.via(&mut w);
        let (contact, product) = (self.contact(), self.product());
        let call = &self.calls[n];
        w.header(Header::MaxForwards, call.line.as_ref().map_or(70, |line| line.max_forwards));
        w.header(Header::From, format_args!("{};tag={}", call.local, call.local_tag));
        match &call.remote_tag {
            Some(tag) => w.header(Header::To, format_args!("{};tag={tag}", call.remote)),
            None => w.header(Header::To, &call.remote),
        };
        w.header(Header::CallId, &call.call_id);
        w.header(Header::CSeq, format_args!("{} {method}", call.cseq));
        if Method::parse(method) != Method::Bye {
            w.header(Header::Contact, contact);
        }
        w.header(Header::UserAgent, product);
        (w, branch)
    }
}
