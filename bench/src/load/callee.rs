//! Who is called: rings, answers, waits for BYE; and looks closely at every request.

use super::caller::index_of;
use super::timers::{T1, T2, Timers};
use super::wire::Wire;
use super::{Fault, Media};
use crate::lab;
use bytes::Bytes;
use std::io::Write;
use std::time::Duration;
use tandem_sip_msg::{Header, Message, Method};

/// From 180 to 200. Sent back to back, the two may be swapped by a proxy with several processes.
const RINGING: Duration = Duration::from_millis(20);
/// Where the callee's SDP says that it is. Nobody listens there: no RTP is sent.
const MEDIA_PORT: u16 = 7000;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Due {
    Answer,
    Resend,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nobody called.
    Idle,
    Ringing,
    /// The 200 was sent, and is sent again until the ACK comes.
    Answered,
    Talking,
    /// BYE came.
    Done,
}

pub struct Call {
    pub step: Step,
    interval: Duration,
    invite: Option<Box<Invite>>,
}

/// What is remembered of the INVITE.
struct Invite {
    call_id: String,
    from_tag: String,
    cseq: u32,
    ringing: Vec<u8>,
    answer: Vec<u8>,
}

pub struct Callee {
    pub wire: Wire,
    pub calls: Vec<Call>,
    pub timers: Timers<Due>,
    pub faults: Vec<(u32, Fault)>,
    pub retransmissions: u32,
    /// Calls that came and are not over.
    pub open: u32,
    media: Media,
}

impl Callee {
    pub fn new(count: u32, media: Media) -> Callee {
        let idle = || Call { step: Step::Idle, interval: T1, invite: None };
        Callee {
            wire: Wire::bind(lab::CALLEE),
            calls: std::iter::repeat_with(idle).take(count as usize).collect(),
            timers: Timers::new(),
            faults: Vec::new(),
            retransmissions: 0,
            open: 0,
            media,
        }
    }

    pub fn handle_timers(&mut self, now: Duration) {
        while let Some((due, index)) = self.timers.pop(now) {
            let call = &mut self.calls[index as usize];
            match (due, call.step) {
                (Due::Answer, Step::Ringing) => call.step = Step::Answered,
                (Due::Resend, Step::Answered) => {
                    call.interval = (call.interval * 2).min(T2);
                    self.retransmissions += 1;
                }
                _ => continue,
            }
            self.timers.set(now + call.interval, Due::Resend, index);
            if let Some(invite) = &call.invite {
                self.wire.send(|text| text.extend_from_slice(&invite.answer));
            }
        }
    }

    pub fn receive(&mut self, bytes: &[u8], now: Duration) {
        let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes)) else {
            return self.faults.push((0, "an unreadable message to the callee"));
        };
        let index = index_of(&message).filter(|index| (*index as usize) < self.calls.len());
        let Some(index) = index else {
            return self.faults.push((0, "a message to the callee from no caller of ours"));
        };
        if let Err(fault) = self.request(&message, index, now) {
            self.faults.push((index, fault));
        }
    }

    fn request(&mut self, message: &Message, index: u32, now: Duration) -> Result<(), Fault> {
        let call = &mut self.calls[index as usize];
        match (message.method(), &call.invite) {
            _ if !message.is_request() => return Err("a response to the callee"),
            (Method::Invite, None) => {
                if call.step != Step::Idle {
                    return Err("an INVITE after the call");
                }
                check_invite(message)?;
                self.media.check(message)?;
                let [ringing, answer] = [180, 200].map(|code| response(message, code, index));
                self.wire.send(|text| text.extend_from_slice(&ringing));
                let invite = Invite {
                    call_id: message.call_id().to_owned(),
                    from_tag: message.from_tag().unwrap_or_default().to_owned(),
                    cseq: message.cseq(),
                    ringing,
                    answer,
                };
                call.invite = Some(Box::new(invite));
                call.step = Step::Ringing;
                self.open += 1;
                self.timers.set(now + RINGING, Due::Answer, index);
            }
            (Method::Invite, Some(invite)) => {
                if message.call_id() != invite.call_id || message.cseq() != invite.cseq {
                    return Err("a second INVITE of one call");
                }
                // Sent again for want of an answer.
                let last = if call.step == Step::Ringing { &invite.ringing } else { &invite.answer };
                self.wire.send(|text| text.extend_from_slice(last));
            }
            (Method::Ack, Some(invite)) => {
                check_dialog(message, invite, index)?;
                match call.step {
                    Step::Answered if message.cseq() == invite.cseq => call.step = Step::Talking,
                    Step::Talking | Step::Done => {}
                    _ => return Err("an ACK that does not fit"),
                }
            }
            (Method::Bye, Some(invite)) => {
                check_dialog(message, invite, index)?;
                match call.step {
                    Step::Talking if message.cseq() > invite.cseq => {
                        call.step = Step::Done;
                        self.open -= 1;
                    }
                    Step::Done => {}
                    _ => return Err("a BYE that does not fit"),
                }
                let ok = response(message, 200, index);
                self.wire.send(|text| text.extend_from_slice(&ok));
            }
            _ => return Err("a request that the callee did not expect"),
        }
        Ok(())
    }
}

fn check_invite(invite: &Message) -> Result<(), Fault> {
    let user = invite.request_uri().and_then(|uri| uri.user_unescaped());
    if user.as_deref() != Some(lab::NUMBER) {
        return Err("an INVITE for another number");
    }
    if invite.max_forwards().is_none_or(|left| left >= 70) {
        return Err("an INVITE whose Max-Forwards was not counted down");
    }
    if invite.contact().is_none() || invite.to_tag().is_some() || invite.from_tag().is_none() {
        return Err("an INVITE without Contact, or with the wrong tags");
    }
    Ok(())
}

fn check_dialog(request: &Message, invite: &Invite, index: u32) -> Result<(), Fault> {
    let tag = request.to_tag().and_then(|tag| tag.strip_prefix('t')?.parse().ok());
    let same = request.call_id() == invite.call_id && request.from_tag() == Some(&invite.from_tag);
    if same && tag == Some(index) { Ok(()) } else { Err("a request of another dialog") }
}

fn response(request: &Message, code: u16, index: u32) -> Vec<u8> {
    let mut text = Vec::with_capacity(1024);
    let phrase = if code == 180 { "Ringing" } else { "OK" };
    let mut line = |line: std::fmt::Arguments| text.write_fmt(line).expect("memory can be written");
    line(format_args!("SIP/2.0 {code} {phrase}\r\n"));
    for (name, header) in [("Via", Header::Via), ("Record-Route", Header::RecordRoute)] {
        for value in request.headers(header) {
            line(format_args!("{name}: {value}\r\n"));
        }
    }
    let tag = if request.to_tag().is_some() { String::new() } else { format!(";tag=t{index}") };
    line(format_args!("From: {}\r\n", request.from().as_str()));
    line(format_args!("To: {}{tag}\r\n", request.to().as_str()));
    line(format_args!("Call-ID: {}\r\n", request.call_id()));
    line(format_args!("CSeq: {} {}\r\n", request.cseq(), request.method_name()));
    if request.method() == Method::Invite {
        line(format_args!("Contact: <sip:{}>\r\n", lab::CALLEE));
    }
    if code == 200 && request.method() == Method::Invite {
        let body = super::sdp(*lab::CALLEE.ip(), MEDIA_PORT);
        line(format_args!("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n"));
        line(format_args!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    } else {
        line(format_args!("Content-Length: 0\r\n\r\n"));
    }
    text
}
