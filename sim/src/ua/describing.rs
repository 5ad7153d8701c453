//! What it says of its media: sound, and what it has beside or in place of it.

use super::{CallRef, Ua};
use std::fmt::Write;
use tandem_sdp::{Direction, Kind, Sdp};
use tandem_time::Time;

impl Ua {
    /// Its offer; or its answer to `offer`, line by line (RFC 3264 §6), unless that is empty.
    pub(super) fn describe(&self, n: usize, direction: Direction, offer: &[u8]) -> Vec<u8> {
        let media = &self.calls[n].media;
        let sound = self.sdp(n, direction);
        let is_plain = !self.has_video && !media.is_fax && media.lines <= 1;
        let asked = std::str::from_utf8(offer).unwrap_or_default();
        let asked: Vec<&str> = asked.lines().filter_map(|line| line.strip_prefix("m=")).collect();
        if is_plain && asked.len() <= 1 && asked.iter().all(|line| line.starts_with("audio ")) {
            return sound;
        }
        let text = String::from_utf8(sound).expect("it is our own");
        let (head, sound) = text.split_once("m=").expect("it has a line");
        let mut out = head.to_owned();
        if asked.is_empty() {
            out += &if media.is_fax { self.line(n, "image") } else { format!("m={sound}") };
            if self.has_video && !media.is_fax {
                out += &self.line(n, "video");
            }
            // RFC 3264 §8: lines never become fewer.
            for _ in out.matches("m=").count()..media.lines {
                out += "m=video 0 RTP/AVP 96\r\n";
            }
        }
        let mut taken: Vec<&str> = Vec::new();
        for line in asked {
            let kind = line.split(' ').next().unwrap_or_default();
            let is_live = line.split(' ').nth(1).is_some_and(|port| port != "0") && !taken.contains(&kind);
            taken.push(kind);
            match kind {
                "audio" if is_live => out += &format!("m={sound}"),
                "video" if is_live && self.has_video => out += &self.line(n, kind),
                "image" if is_live && self.takes_fax => out += &self.line(n, kind),
                _ => {
                    let fields: Vec<&str> = line.split(' ').collect();
                    let _ = write!(out, "m={kind} 0 {} {}\r\n", fields[2], fields[3]);
                }
            }
        }
        out.into_bytes()
    }

    fn line(&self, n: usize, kind: &str) -> String {
        let media = &self.calls[n].media;
        let port = media.local.port();
        match kind {
            "video" => format!(
                "m=video {} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 profile-level-id=42e01f\r\n",
                media.video_address().port()
            ),
            _ => format!(
                "m=image {port} udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n\
                 a=T38FaxRateManagement:transferredTCF\r\na=T38FaxUdpEC:t38UDPRedundancy\r\n"
            ),
        }
    }

    /// Remembers how many lines were said.
    pub(super) fn said(&mut self, n: usize, sdp: &[u8]) {
        let lines = sdp.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"m=")).count();
        let media = &mut self.calls[n].media;
        media.lines = media.lines.max(lines);
    }

    /// Whether an offer is one that it refuses as a whole: fax where it has none.
    pub(super) fn refuses(&self, offer: &[u8]) -> bool {
        Sdp::parse(offer)
            .is_ok_and(|offer| offer.has(Kind::Image) && !offer.has(Kind::Audio) && !self.takes_fax)
    }

    /// Changes the session from sound to fax (T.38), or back.
    pub fn change_to_fax(&mut self, call: CallRef, fax: bool, now: Time) {
        let n = call.0;
        self.calls[n].sdp_version += 1;
        self.calls[n].change_code = None;
        self.calls[n].late_change = false;
        let was_fax = std::mem::replace(&mut self.calls[n].media.is_fax, fax);
        let body = self.describe(n, Direction::SendRecv, &[]);
        self.said(n, &body);
        // It is so when it is accepted.
        self.calls[n].media.is_fax = was_fax;
        self.calls[n].refreshing = false;
        self.reinvite(n, Some(&body), now);
    }
}
