//! Five seconds of an answered call: a tone goes out, so that who waits for sound before sending any does send, and what comes back is
//! counted.

use crate::calling::Calling;
use crate::doctor::Cx;
use crate::exam::{Exam, State};
use crate::scope::is_hidden;
use rand::Rng;
use std::net::IpAddr;
use std::time::Duration;
use tandem_call::Seat;
use tandem_media::g711::Law;
use tandem_media::tone::Talker;
use tandem_media::{MediaCommand, PortId, PortStats};
use tandem_model::{Diagnosis, ExamStage, StageOutcome};
use tandem_sdp::Audio;
use tandem_time::Time;

const LONG: Duration = Duration::from_secs(5);
/// Between the packets of the tone.
const PACE: Duration = Duration::from_millis(20);
/// The media side closes a port at once.
const CLOSING: Duration = Duration::from_secs(2);
/// Packets lost, of a hundred.
const LOSSY: u64 = 3;
/// Milliseconds.
const JITTERY: f64 = 30.0;
/// In Hertz: what a line is tested with.
const TONE: f64 = 1_004.0;
const STAGE: ExamStage = ExamStage::Rtp;

/// A call that is listened to.
pub(crate) struct Listening {
    port: PortId,
    /// The place that the call takes on the trunk.
    _seat: Seat,
    until: Time,
    /// The port was asked to close.
    closing: bool,
    talker: Option<Talker>,
    audio: Audio,
    signalling: IpAddr,
    /// Our own address in the offer.
    own: IpAddr,
}

impl Listening {
    pub(crate) fn new(calling: Calling, audio: Audio, signalling: IpAddr, cx: &mut Cx) -> Listening {
        let law = audio.codecs.iter().find_map(|codec| match codec {
            codec if codec.is("PCMU") => Some(Law::Mu),
            codec if codec.is("PCMA") => Some(Law::A),
            _ => None,
        });
        let may_send = audio.direction.receives() && !audio.refused;
        let talker = law.filter(|_| may_send).map(|law| Talker::new(law, TONE, cx.ctx.sip.rng.next_u32()));
        let own = cx.own_media_address(signalling);
        let (port, seat) = (calling.port, calling.seat);
        Listening {
            port,
            _seat: seat,
            until: cx.now() + LONG,
            closing: false,
            talker,
            audio,
            signalling,
            own,
        }
    }

    pub(crate) fn port(&self) -> PortId {
        self.port
    }
}

impl Exam {
    pub(crate) fn listen(&mut self, listening: Listening, cx: &mut Cx) {
        self.sheet.begin(STAGE, cx.now());
        if let Some(call) = &mut self.sheet.call {
            call.codec = listening.audio.codecs.first().map(|codec| codec.name.clone());
            call.their_address = Some(listening.audio.rtp.to_string());
        }
        self.state = State::Listening(Box::new(listening));
        self.due = Some(cx.now());
    }

    /// The next packet of the tone, or the end.
    pub(crate) fn on_listening_timeout(&mut self, cx: &mut Cx) {
        let now = cx.now();
        let State::Listening(listening) = &mut self.state else { return };
        if listening.closing {
            // The media side has forgotten it.
            return self.judge_sound(&PortStats::default(), cx);
        }
        if now >= listening.until {
            return self.hang_up(cx);
        }
        if let Some(talker) = &mut listening.talker {
            let packet = talker.packet().to_vec().into();
            cx.ctx.media.order(MediaCommand::Send { port: listening.port, packet });
            self.due = Some((now + PACE).min(listening.until));
        } else {
            self.due = Some(listening.until);
        }
    }

    fn hang_up(&mut self, cx: &mut Cx) {
        self.with_leg(cx, |leg, cx| leg.hang_up(200, "OK", &[], &mut cx.ctx.sip), None);
        self.close_port(cx);
    }

    fn close_port(&mut self, cx: &mut Cx) {
        let State::Listening(listening) = &mut self.state else { return };
        if !std::mem::replace(&mut listening.closing, true) {
            cx.close(listening.port);
            self.due = Some(cx.now() + CLOSING);
        }
    }

    /// The other side hung up, or the dialog broke.
    pub(crate) fn on_call_ended(&mut self, broken: Option<&str>, cx: &mut Cx) {
        self.with_leg(cx, |leg, cx| leg.release(&mut cx.ctx.sip), None);
        let now = cx.now();
        match &self.state {
            State::Listening(listening) if !listening.closing => {
                let detail = broken.unwrap_or("BYE came before the five seconds were over");
                self.sheet.find(STAGE, StageOutcome::Warned, Diagnosis::CallEndedEarly, detail, now);
                self.close_port(cx);
            }
            State::Calling(_) => {
                self.drop_media(cx);
                let detail = broken.unwrap_or("BYE came before the answer");
                self.sheet.find(
                    ExamStage::Invite,
                    StageOutcome::Failed,
                    Diagnosis::InviteRefused,
                    detail,
                    now,
                );
                self.finish(cx);
            }
            _ => {}
        }
    }

    /// What came back.
    pub(crate) fn judge_sound(&mut self, stats: &PortStats, cx: &mut Cx) {
        let State::Listening(listening) = std::mem::replace(&mut self.state, State::Idle) else { return };
        let now = cx.now();
        let told = listening.audio.rtp;
        if let Some(call) = &mut self.sheet.call {
            call.came_from = stats.source.or(stats.stranger).map(|source| source.to_string());
            (call.sent, call.packets, call.lost) = (stats.sent, stats.packets, stats.lost);
            call.jitter_ms = (stats.jitter_ms * 10.0).round() / 10.0;
        }
        let is_hidden_there = is_hidden(told.ip(), listening.signalling);
        let hidden =
            || format!("the SDP names {}, and the signalling comes from {}", told.ip(), listening.signalling);
        let sends = listening.audio.direction.sends() && !listening.audio.refused;
        let silence = match stats.stranger {
            _ if stats.packets > 0 => None,
            Some(stranger) => {
                let detail =
                    format!("{} packets came from {stranger}, the SDP names {told}", stats.dropped.foreign);
                Some((Diagnosis::RtpFromElsewhere, detail))
            }
            None if !sends => {
                Some((Diagnosis::AnsweredOnHold, "the answer says that nothing will come".to_owned()))
            }
            None if is_hidden_there => {
                Some((Diagnosis::SdpPrivateAddress, format!("nothing came: {}", hidden())))
            }
            None if is_hidden(listening.own, listening.signalling) => {
                let detail = format!("nothing came: our SDP names {}", listening.own);
                Some((Diagnosis::OwnAddressPrivate, detail))
            }
            None => Some((Diagnosis::NoRtp, format!("nothing came within {} s", LONG.as_secs()))),
        };
        if let Some((what, detail)) = silence {
            self.sheet.find(STAGE, StageOutcome::Failed, what, detail, now);
            return self.finish(cx);
        }
        let expected = stats.packets + stats.lost;
        if is_hidden_there {
            self.sheet.find(STAGE, StageOutcome::Warned, Diagnosis::SdpPrivateAddress, hidden(), now);
        } else if let Some(source) = stats.source.filter(|source| *source != told) {
            let detail = format!("the SDP names {told}, the sound comes from {source}");
            self.sheet.find(STAGE, StageOutcome::Passed, Diagnosis::RtpSourceDiffers, detail, now);
        }
        let first = listening.audio.codecs.first().map(|codec| codec.number);
        if stats.payload_type.is_some()
            && !listening.audio.codecs.iter().any(|c| Some(c.number) == stats.payload_type)
        {
            let detail =
                format!("payload type {:?} came, {first:?} was agreed on", stats.payload_type.unwrap_or(0));
            self.sheet.find(STAGE, StageOutcome::Warned, Diagnosis::RtpOtherCodec, detail, now);
        }
        if stats.lost * 100 > expected * LOSSY {
            let detail = format!("{} of {expected} packets did not come", stats.lost);
            self.sheet.find(STAGE, StageOutcome::Warned, Diagnosis::RtpLoss, detail, now);
        }
        if stats.jitter_ms > JITTERY {
            let detail = format!("jitter is {:.0} ms", stats.jitter_ms);
            self.sheet.find(STAGE, StageOutcome::Warned, Diagnosis::RtpJitter, detail, now);
        }
        let detail = format!(
            "{} packets came, {} were lost, jitter {:.1} ms",
            stats.packets, stats.lost, stats.jitter_ms
        );
        self.sheet.end(STAGE, StageOutcome::Passed, detail, now);
        self.finish(cx);
    }
}
