//! Who calls: INVITE, ACK, a pause, BYE; and looks closely at every answer.

use super::timers::{PATIENCE, T1, T2, Timers};
use super::wire::Wire;
use super::{Fault, Media, media_address};
use crate::lab;
use bytes::Bytes;
use std::io::Write;
use std::time::Duration;
use tandem_sip_msg::{Header, Message, Method};

/// The caller's number in the first call; that in the others follows.
const FIRST_NUMBER: u32 = 15_560_000;
/// Where the caller's SDP says that it is. Nobody listens there: no RTP is sent.
const MEDIA_PORT: u16 = 6000;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Due {
    Resend,
    HangUp,
    GiveUp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// No answer to the INVITE yet, nor a provisional one.
    Calling,
    /// A provisional one.
    Proceeding,
    Talking,
    /// BYE was sent.
    Ending,
    /// All went as it should.
    Done,
    /// Refused with this status.
    Refused(u16),
    /// Given up for want of an answer.
    Failed,
}

pub struct Call {
    pub step: Step,
    begun: Duration,
    interval: Duration,
    dialog: Option<Box<Dialog>>,
}

/// How the other end is reached.
struct Dialog {
    target: String,
    /// `Route` and `To`.
    headers: String,
    tag: String,
}

pub struct Caller {
    pub wire: Wire,
    pub calls: Vec<Call>,
    pub timers: Timers<Due>,
    pub faults: Vec<(u32, Fault)>,
    pub retransmissions: u32,
    /// Of every answered call, from INVITE to 200.
    pub setups: Vec<Duration>,
    /// Calls that are up.
    pub up: u32,
    /// Calls of which nothing more is to come.
    pub ended: u32,
    hold: Duration,
    media: Media,
}

impl Caller {
    pub fn new(hold: Duration, media: Media) -> Caller {
        Caller {
            wire: Wire::bind(lab::CALLER),
            calls: Vec::new(),
            timers: Timers::new(),
            faults: Vec::new(),
            retransmissions: 0,
            setups: Vec::new(),
            up: 0,
            ended: 0,
            hold,
            media,
        }
    }

    pub fn call(&mut self, now: Duration) {
        let index = self.calls.len() as u32;
        self.calls.push(Call { step: Step::Calling, begun: now, interval: T1, dialog: None });
        self.wire.send(|text| invite(index, text));
        self.timers.set(now + T1, Due::Resend, index);
        self.timers.set(now + PATIENCE, Due::GiveUp, index);
    }

    pub fn handle_timers(&mut self, now: Duration) {
        while let Some((due, index)) = self.timers.pop(now) {
            let call = &mut self.calls[index as usize];
            match (due, call.step) {
                (Due::Resend, Step::Calling) => {
                    call.interval *= 2;
                    self.timers.set(now + call.interval, Due::Resend, index);
                    self.retransmissions += 1;
                    self.wire.send(|text| invite(index, text));
                }
                (Due::Resend, Step::Ending) => {
                    call.interval = (call.interval * 2).min(T2);
                    self.timers.set(now + call.interval, Due::Resend, index);
                    self.retransmissions += 1;
                    self.within_dialog(index, "BYE", 2);
                }
                (Due::HangUp, Step::Talking) => {
                    self.up -= 1;
                    self.hang_up(index, now);
                }
                (Due::GiveUp, Step::Calling | Step::Proceeding) => self.end(index, Step::Failed),
                (Due::GiveUp, Step::Ending) if call.begun + PATIENCE <= now => self.end(index, Step::Failed),
                _ => {}
            }
        }
    }

    pub fn receive(&mut self, bytes: &[u8], now: Duration) {
        let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes)) else {
            return self.faults.push((0, "an unreadable message to the caller"));
        };
        match self.response(&message, now) {
            Ok(()) => {}
            Err((index, fault)) => self.faults.push((index, fault)),
        }
    }

    fn response(&mut self, message: &Message, now: Duration) -> Result<(), (u32, Fault)> {
        let branch = message.top_via().branch().unwrap_or_default();
        let (method, index) = match (branch.strip_prefix("z9hG4bKi"), branch.strip_prefix("z9hG4bKb")) {
            (Some(index), _) => (Method::Invite, index),
            (_, Some(index)) => (Method::Bye, index),
            _ => return Err((0, "a response to nothing that the caller sent")),
        };
        let index: u32 = index.parse().map_err(|_| (0, "a branch that is not the caller's"))?;
        let at = |fault| (index, fault);
        let Some(call) = self.calls.get_mut(index as usize) else { return Err(at("a response to no call")) };
        let code = message.code().ok_or(at("a request to the caller"))?;
        check(message, method, index).map_err(at)?;
        match (method, call.step) {
            (Method::Invite, Step::Calling | Step::Proceeding) if code < 200 => call.step = Step::Proceeding,
            // Late, after the answer.
            (Method::Invite, _) if code < 200 => {}
            (Method::Invite, Step::Calling | Step::Proceeding | Step::Failed) if code < 300 => {
                let dialog = dialog(message).map_err(at)?;
                self.media.check(message).map_err(at)?;
                let late = call.step == Step::Failed && call.dialog.is_none();
                let again = call.step == Step::Failed && !late;
                call.dialog = Some(Box::new(dialog));
                self.within_dialog(index, "ACK", 1);
                if late {
                    // Given up already: it is ended as a telephone would end it.
                    self.within_dialog(index, "BYE", 2);
                } else if !again {
                    let call = &mut self.calls[index as usize];
                    call.step = Step::Talking;
                    self.setups.push(now - call.begun);
                    self.up += 1;
                    self.timers.set(now + self.hold, Due::HangUp, index);
                }
            }
            (Method::Invite, Step::Refused(_)) if code >= 300 => ack_refusal(&mut self.wire, message, index),
            (Method::Invite, _) if code < 300 => {
                if call.dialog.as_ref().is_some_and(|dialog| message.to_tag() != Some(&dialog.tag)) {
                    return Err(at("a second answer by another"));
                }
                // Our ACK was late or lost.
                self.within_dialog(index, "ACK", 1);
            }
            (Method::Invite, Step::Calling | Step::Proceeding) => {
                ack_refusal(&mut self.wire, message, index);
                self.end(index, Step::Refused(code));
            }
            (Method::Invite, Step::Failed) => ack_refusal(&mut self.wire, message, index),
            (Method::Bye, Step::Ending) if code / 100 == 2 => self.end(index, Step::Done),
            (Method::Bye, Step::Ending) if code < 200 => {}
            (Method::Bye, Step::Done | Step::Failed) => {}
            _ => return Err(at("a response that does not fit")),
        }
        Ok(())
    }

    fn hang_up(&mut self, index: u32, now: Duration) {
        let call = &mut self.calls[index as usize];
        (call.step, call.interval, call.begun) = (Step::Ending, T1, now);
        self.timers.set(now + T1, Due::Resend, index);
        self.timers.set(now + PATIENCE, Due::GiveUp, index);
        self.within_dialog(index, "BYE", 2);
    }

    fn end(&mut self, index: u32, step: Step) {
        let call = &mut self.calls[index as usize];
        call.step = step;
        if step == Step::Done {
            call.dialog = None;
        }
        self.ended += 1;
    }

    /// ACK and BYE.
    fn within_dialog(&mut self, index: u32, method: &str, cseq: u32) {
        let Some(dialog) = &self.calls[index as usize].dialog else { return };
        let Dialog { target, headers, .. } = &**dialog;
        let (caller, number) = (lab::CALLER, FIRST_NUMBER + index);
        let kind = method.as_bytes()[0].to_ascii_lowercase() as char;
        self.wire.send(|text| {
            write!(
                text,
                "{method} {target} SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {caller};branch=z9hG4bK{kind}{index}\r\n\
                 {headers}\
                 From: <sip:{number}@{caller}>;tag=f{index}\r\n\
                 Call-ID: bench-{index}\r\n\
                 CSeq: {cseq} {method}\r\n\
                 Max-Forwards: 70\r\n\
                 Content-Length: 0\r\n\r\n"
            )
            .expect("memory can be written");
        });
    }
}

fn invite(index: u32, text: &mut Vec<u8>) {
    let (caller, server, called, number) = (lab::CALLER, lab::SERVER, lab::NUMBER, FIRST_NUMBER + index);
    let body = super::sdp(*caller.ip(), MEDIA_PORT);
    write!(
        text,
        "INVITE sip:{called}@{server} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {caller};branch=z9hG4bKi{index}\r\n\
         From: <sip:{number}@{caller}>;tag=f{index}\r\n\
         To: <sip:{called}@{server}>\r\n\
         Call-ID: bench-{index}\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:{number}@{caller}>\r\n\
         Max-Forwards: 70\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("memory can be written");
}

/// The ACK to a refusal belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
fn ack_refusal(wire: &mut Wire, refusal: &Message, index: u32) {
    let (caller, server, called, number) = (lab::CALLER, lab::SERVER, lab::NUMBER, FIRST_NUMBER + index);
    wire.send(|text| {
        write!(
            text,
            "ACK sip:{called}@{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {caller};branch=z9hG4bKi{index}\r\n\
             From: <sip:{number}@{caller}>;tag=f{index}\r\n\
             To: {}\r\n\
             Call-ID: bench-{index}\r\n\
             CSeq: 1 ACK\r\n\
             Max-Forwards: 70\r\n\
             Content-Length: 0\r\n\r\n",
            refusal.to().as_str()
        )
        .expect("memory can be written");
    });
}

/// Whether a response has what was in the request.
fn check(message: &Message, method: Method, index: u32) -> Result<(), Fault> {
    let ours = |value: Option<&str>, prefix: &str| {
        value.and_then(|value| value.strip_prefix(prefix)?.parse().ok()) == Some(index)
    };
    let cseq = if method == Method::Bye { 2 } else { 1 };
    if message.headers(Header::Via).nth(1).is_some() {
        return Err("a response with more than our Via");
    }
    if !ours(Some(message.call_id()), "bench-") || !ours(message.from_tag(), "f") {
        return Err("a response with another Call-ID or tag");
    }
    if message.method() != method || message.cseq() != cseq {
        return Err("a response with another CSeq");
    }
    if message.code().is_some_and(|code| code > 100) && message.to_tag().is_none() {
        return Err("a response without a tag");
    }
    Ok(())
}

/// What a 2xx says of how the other end is reached.
fn dialog(ok: &Message) -> Result<Dialog, Fault> {
    let contact = ok.contact().ok_or("an answer without Contact")?;
    let mut route: Vec<&str> = ok.headers(Header::RecordRoute).collect();
    route.reverse();
    let server = lab::SERVER.ip().to_string();
    let first = route.first().copied().unwrap_or(contact.uri().as_str());
    if !first.contains(&server) {
        return Err("an answer that leads past the server");
    }
    let mut headers: String = route.iter().map(|hop| format!("Route: {hop}\r\n")).collect();
    headers += &format!("To: {}\r\n", ok.to().as_str());
    let tag = ok.to_tag().unwrap_or_default().to_owned();
    Ok(Dialog { target: contact.uri().as_str().to_owned(), headers, tag })
}

impl Media {
    /// Whether an SDP leads where media of this kind goes.
    pub fn check(self, message: &Message) -> Result<(), Fault> {
        let at = media_address(message.body()).ok_or("SDP without audio")?;
        if (at == *lab::SERVER.ip()) == (self == Media::Anchored) {
            Ok(())
        } else {
            Err("media that goes another way than it should")
        }
    }
}

/// Which call it is: the caller's number tells, on either side of the server.
pub fn index_of(message: &Message) -> Option<u32> {
    message.from().uri().user_unescaped()?.parse::<u32>().ok()?.checked_sub(FIRST_NUMBER)
}
