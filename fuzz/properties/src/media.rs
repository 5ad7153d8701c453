//! Packets of media: whatever they hold, only those of the peer reach the other side, and only where that wants them.

use crate::input::Input;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tandem_media::{MediaCommand, PortId, Switchboard};
use tandem_time::Time;

const LOCALS: [u16; 3] = [20_000, 20_002, 20_004];

/// Everybody who may send: the peers of the three ports, a peer's signalling address, strangers.
fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + (n % 6) as u8], 4_000 + 2 * (n / 6 % 3) as u16))
}

/// What is known of a port, apart from the port.
#[derive(Clone, Copy, Default)]
struct Known {
    open: bool,
    /// Where packets may come from.
    allowed: [Option<IpAddr>; 2],
}

/// A script of commands and packets.
pub fn media(data: &[u8]) {
    let mut input = Input::new(data);
    let mut board = Switchboard::default();
    let mut known = [Known::default(); LOCALS.len()];
    let mut now = Time::from_secs(1_000);
    let id = |n: usize| PortId(n as u64 + 1);
    for _ in 0..400 {
        if input.is_empty() {
            break;
        }
        let n = usize::from(input.byte()) % LOCALS.len();
        match input.byte() % 8 {
            0 => {
                board.handle(MediaCommand::Open { port: id(n), group: 1, local: LOCALS[n] }, now);
                if !known[n].open {
                    known[n] = Known { open: true, allowed: [None; 2] };
                }
            }
            1 => {
                let (rtp, rtcp, signalling) =
                    (address(input.number()), address(input.number()), address(input.number()).ip());
                let clock_rate = input.pick(&[0, 8_000, 48_000]);
                board.handle(MediaCommand::Remote { port: id(n), rtp, rtcp, signalling, clock_rate }, now);
                if known[n].open {
                    known[n].allowed = [Some(rtp.ip()), Some(signalling)];
                }
            }
            2 => {
                let other = usize::from(input.byte()) % LOCALS.len();
                board.handle(MediaCommand::Bridge { a: id(n), b: id(other) }, now);
            }
            3 => {
                let after = input.pick(&[None, Some(Duration::ZERO), Some(Duration::from_secs(5))]);
                board.handle(MediaCommand::Watch { port: id(n), after }, now);
            }
            4 => {
                board.handle(MediaCommand::Close { port: id(n) }, now);
                known[n] = Known::default();
            }
            5 => {
                now = now + Duration::from_millis(input.number() as u64);
                board.handle_timeout(now);
                assert!(board.poll_timeout().is_none_or(|due| due > now), "a timer stands still");
            }
            rtcp => {
                let from = address(input.number());
                let length = usize::from(input.byte());
                let packet = input.bytes(length);
                let local = LOCALS[n] + u16::from(rtcp == 6);
                if let Ok(forward) = board.packet(local, from, packet, now) {
                    assert!(known[n].open, "a closed port forwards nothing");
                    // RTCP may come from where its own attribute says.
                    let may = known[n].allowed.contains(&Some(from.ip())) || rtcp == 6;
                    assert!(may, "{from} is nobody that port {n} knows");
                    let out =
                        LOCALS.iter().position(|local| *local == forward.local & !1).expect("it is ours");
                    assert!(known[out].open && forward.local % 2 == local % 2);
                    assert!(forward.to.port() != 0 && !forward.to.ip().is_unspecified());
                }
            }
        }
        while board.poll_event().is_some() {}
    }
    for n in 0..LOCALS.len() {
        if let Some(stats) = board.stats(id(n)) {
            assert!(stats.packets <= 400 && stats.jitter_ms >= 0.0);
        }
        board.handle(MediaCommand::Close { port: id(n) }, now);
    }
    assert_eq!(board.ports().len(), 0);
}
