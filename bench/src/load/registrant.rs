//! Who registers: REGISTER, the challenge, REGISTER with credentials.

use super::timers::{PATIENCE, T1, T2, Timers};
use super::wire::Wire;
use super::{Fault, Load, Machine, Outcome};
use crate::lab;
use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::BorrowedFd;
use std::time::Duration;
use tandem_sip_dialog::digest::{DigestClient, Login};
use tandem_sip_msg::{Message, Method};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Due {
    Resend,
    GiveUp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// The first REGISTER was sent.
    Asking,
    /// The one with credentials was.
    Proving,
    Done,
    Refused(u16),
    Failed,
}

struct Registration {
    step: Step,
    begun: Duration,
    interval: Duration,
    credentials: String,
}

/// All registrations of a load.
pub struct Registrant {
    wire: Wire,
    registrations: Vec<Registration>,
    timers: Timers<Due>,
    faults: Vec<(u32, Fault)>,
    retransmissions: u32,
    ended: u32,
    times: Vec<Duration>,
    rng: StdRng,
}

impl Registrant {
    pub fn new() -> Registrant {
        Registrant {
            wire: Wire::bind(lab::CALLER),
            registrations: Vec::new(),
            timers: Timers::new(),
            faults: Vec::new(),
            retransmissions: 0,
            ended: 0,
            times: Vec::new(),
            rng: StdRng::seed_from_u64(1),
        }
    }

    pub fn outcome(self, load: Load, offered_in: Duration) -> Outcome {
        let (mut faults, mut refused) = (BTreeMap::new(), BTreeMap::new());
        let mut faulty = vec![false; load.count as usize];
        for (index, fault) in &self.faults {
            *faults.entry(*fault).or_default() += 1;
            faulty[*index as usize] = true;
        }
        let mut successful = 0;
        for (registration, faulty) in self.registrations.iter().zip(&faulty) {
            if let Step::Refused(code) = registration.step {
                *refused.entry(code).or_default() += 1;
            }
            successful += u32::from(registration.step == Step::Done && !faulty);
        }
        Outcome {
            successful,
            failed: load.count - successful,
            refused,
            faults,
            retransmissions: self.retransmissions,
            response_ms: self.times.iter().map(|time| time.as_secs_f64() * 1000.0).collect(),
            offered_in,
        }
    }

    fn response(&mut self, message: &Message, now: Duration) -> Result<(), (u32, Fault)> {
        let index = message.call_id().strip_prefix("reg-").and_then(|index| index.parse().ok());
        let index: u32 = index.ok_or((0, "a message of no registration of ours"))?;
        let at = |fault| (index, fault);
        let Some(registration) = self.registrations.get_mut(index as usize) else {
            return Err((0, "a message of no registration of ours"));
        };
        let code = message.code().ok_or(at("a request to the registrant"))?;
        if message.method() != Method::Register {
            return Err(at("a response to another method"));
        }
        let branch = format!("z9hG4bKr{index}.{}", message.cseq());
        if message.top_via().branch() != Some(&branch) {
            return Err(at("a response with another branch"));
        }
        match (registration.step, message.cseq(), code) {
            (_, _, 100..=199) | (Step::Proving | Step::Done | Step::Failed, 1, 401) => {}
            (Step::Asking, 1, 401) => {
                let number = account(index);
                let login = Login::new(number.to_string(), lab::password(number));
                let uri = format!("sip:{}", lab::SERVER);
                let answer = DigestClient::new(login).answer(message, "REGISTER", &uri, &mut self.rng);
                let (header, value) = answer.map_err(|_| at("a challenge that cannot be answered"))?;
                registration.credentials = format!("{}: {value}\r\n", header.name());
                (registration.step, registration.interval) = (Step::Proving, T1);
                self.timers.set(now + T1, Due::Resend, index);
                self.send(index);
            }
            (Step::Proving, 2, 200) => {
                let contact = format!("sip:{}@{}", account(index), lab::CALLER);
                let bound =
                    message.headers(tandem_sip_msg::Header::Contact).any(|bound| bound.contains(&contact));
                registration.step = Step::Done;
                registration.credentials = String::new();
                self.times.push(now - registration.begun);
                self.ended += 1;
                return if bound { Ok(()) } else { Err(at("a registration that is not in its answer")) };
            }
            (Step::Done | Step::Failed, 2, 200) => {}
            (Step::Asking | Step::Proving, _, code) => {
                registration.step = Step::Refused(code);
                self.ended += 1;
            }
            _ => return Err(at("a response that does not fit")),
        }
        Ok(())
    }

    fn send(&mut self, index: u32) {
        let Registration { step, credentials, .. } = &self.registrations[index as usize];
        let (server, caller, number) = (lab::SERVER, lab::CALLER, account(index));
        let cseq = if *step == Step::Asking { 1 } else { 2 };
        self.wire.send(|text| {
            write!(
                text,
                "REGISTER sip:{server} SIP/2.0\r\n\
                 Via: SIP/2.0/UDP {caller};branch=z9hG4bKr{index}.{cseq}\r\n\
                 From: <sip:{number}@{host}>;tag=r{index}\r\n\
                 To: <sip:{number}@{host}>\r\n\
                 Call-ID: reg-{index}\r\n\
                 CSeq: {cseq} REGISTER\r\n\
                 Contact: <sip:{number}@{caller}>\r\n\
                 {credentials}\
                 Max-Forwards: 70\r\n\
                 Expires: 3600\r\n\
                 Content-Length: 0\r\n\r\n",
                host = server.ip(),
            )
            .expect("memory can be written");
        });
    }
}

/// The accounts take turns.
fn account(index: u32) -> u32 {
    lab::ACCOUNTS.start + index % lab::ACCOUNTS.len() as u32
}

impl Machine for Registrant {
    fn begin(&mut self, now: Duration) {
        let index = self.registrations.len() as u32;
        let credentials = String::new();
        self.registrations.push(Registration { step: Step::Asking, begun: now, interval: T1, credentials });
        self.timers.set(now + T1, Due::Resend, index);
        self.timers.set(now + PATIENCE, Due::GiveUp, index);
        self.send(index);
    }

    fn handle_timers(&mut self, now: Duration) {
        while let Some((due, index)) = self.timers.pop(now) {
            let registration = &mut self.registrations[index as usize];
            if !matches!(registration.step, Step::Asking | Step::Proving) {
                continue;
            }
            match due {
                Due::Resend => {
                    registration.interval = (registration.interval * 2).min(T2);
                    self.timers.set(now + registration.interval, Due::Resend, index);
                    self.retransmissions += 1;
                    self.send(index);
                }
                Due::GiveUp => {
                    registration.step = Step::Failed;
                    self.ended += 1;
                }
            }
        }
    }

    fn due(&self) -> Option<Duration> {
        self.timers.due()
    }

    fn receive(&mut self, now: Duration) -> bool {
        let mut messages = Vec::new();
        let more = self.wire.receive(|bytes| messages.push(Bytes::copy_from_slice(bytes)));
        for bytes in messages {
            let judged = match Message::parse(bytes) {
                Ok(message) => self.response(&message, now),
                Err(_) => Err((0, "an unreadable message")),
            };
            self.faults.extend(judged.err());
        }
        more
    }

    fn flush(&mut self) {
        self.wire.flush();
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.wire.fd()]
    }

    fn ended(&self) -> u32 {
        self.ended
    }

    fn up(&self) -> u32 {
        0
    }
}
