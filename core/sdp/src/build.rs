//! Plain descriptions, for the phones of tests and of the demo.

use std::fmt::Write;
use std::net::IpAddr;

use crate::codec::usual_number;
use crate::{Direction, Sdp, write};

impl Sdp {
    /// A plain offer or answer: one audio stream, sendrecv, codecs by name in order with their usual numbers
    /// (telephone-event 101, opus 111, others of no static number from 96 up at 8000 Hz).
    pub fn build(address: IpAddr, port: u16, codecs: &[&str]) -> Vec<u8> {
        Sdp::build_directed(address, port, codecs, Direction::SendRecv, 1)
    }

    /// As [`Sdp::build`], with a direction and an `o=` version, as hold and resume need.
    pub fn build_directed(
        address: IpAddr,
        port: u16,
        codecs: &[&str],
        direction: Direction,
        version: u64,
    ) -> Vec<u8> {
        let mut numbers = String::new();
        let mut attributes = String::new();
        for (number, name) in (96u8..).zip(codecs) {
            let (number, rate, rest) = usual_number(name).unwrap_or((number, 8000, ""));
            let _ = write!(numbers, " {number}");
            let _ = write!(attributes, "a=rtpmap:{number} {name}/{rate}{rest}\r\n");
            if name.eq_ignore_ascii_case("telephone-event") {
                let _ = write!(attributes, "a=fmtp:{number} 0-15\r\n");
            }
        }
        let mut out = String::new();
        write::origin(&mut out, u64::from(port), version, address);
        out.push_str(&write::connection(address));
        let direction = direction.name();
        let _ = write!(out, "m=audio {port} RTP/AVP{numbers}\r\n{attributes}a=ptime:20\r\na={direction}\r\n");
        out.into_bytes()
    }
}
