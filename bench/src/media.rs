//! Media as the load: calls between a caller and a callee of our own, with PCMU both ways. Each packet
//! carries the moment when it was sent, and the kernel notes when it arrived, so that loss and delay are
//! exact however late this program gets to run.

use crate::lab;
use crate::phones::{Established, Phones};
use crate::server::Server;
use crate::stats::Samples;
use crate::usage;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt::ReceiveTimestampns,
};
use std::io::IoSliceMut;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const TICK: Duration = Duration::from_millis(1);
/// A packet every 20 ms, as telephones do.
const TICKS_PER_PACKET: usize = 20;
const SAMPLES_PER_PACKET: u32 = 160;

const HEADER_LEN: usize = 12;
const PACKET_LEN: usize = HEADER_LEN + SAMPLES_PER_PACKET as usize;

/// Before the window of measurement, so that latches have latched; and after it, for what is late.
const WARM_UP: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_millis(300);

/// What was measured.
#[derive(Debug)]
pub struct Outcome {
    /// Calls that stood.
    pub calls: usize,
    /// Calls that did not.
    pub failed: usize,
    /// CPU time of the server during the window, in percent of a core.
    pub cpu_percent: f64,
    /// CPU time that relaying costs altogether, in percent of a core: of the server and of the load, less what the load takes when the
    /// same packets go straight from phone to phone. What the kernel does when a packet is sent, it does in the sender's time.
    pub whole_percent: f64,
    /// Packets sent during the window.
    pub sent: u64,
    /// Those of them that arrived where they should.
    pub received: u64,
    /// From sending to arrival, in ms.
    pub delay_ms: Samples,
}

impl Outcome {
    /// Packets lost, in percent.
    pub fn loss_percent(&self) -> f64 {
        100.0 * (self.sent as f64 - self.received as f64) / self.sent as f64
    }
}

/// Sets up so many calls and measures their media for so long.
pub fn measure(server: &Server, calls: usize, window: Duration) -> Outcome {
    let mut phones = Phones::new();
    let (streams, sockets): (Vec<_>, Vec<_>) =
        phones.establish(calls).into_iter().flat_map(both_ways).unzip();

    assert!(streams.iter().all(|stream| stream.to.ip() == lab::SERVER.ip()), "media goes past the server");

    let relayed = run(server, &streams, &sockets, window);
    let straight = run(server, &straight(&streams, &sockets), &sockets, window);
    phones.hang_up();

    let established = streams.len() / 2;
    let percent = |cpu: Duration| 100.0 * cpu.as_secs_f64() / window.as_secs_f64();
    Outcome {
        calls: established,
        failed: calls - established,
        cpu_percent: percent(relayed.server),
        whole_percent: percent(relayed.server) + percent(relayed.load) - percent(straight.load),
        sent: relayed.sent,
        received: relayed.received,
        delay_ms: relayed.delay_ms,
    }
}

/// What a window brought.
struct Run {
    sent: u64,
    received: u64,
    delay_ms: Samples,
    /// CPU time of the server, and of this program.
    server: Duration,
    load: Duration,
}

/// Sends and receives for so long, after a while of warming up.
fn run(server: &Server, streams: &[Stream], sockets: &[UdpSocket], window: Duration) -> Run {
    let opens = Instant::now() + WARM_UP;
    let opens_ns = now_ns() + WARM_UP.as_nanos() as u64;
    let window_ns = opens_ns..opens_ns + window.as_nanos() as u64;
    thread::scope(|scope| {
        let sender = scope.spawn(|| send(streams, sockets, &window_ns));
        let receiver = scope.spawn(|| receive(streams, sockets, &window_ns));
        thread::sleep(opens.saturating_duration_since(Instant::now()));
        let before = (server.cpu(), usage::own_cpu());
        thread::sleep((opens + window).saturating_duration_since(Instant::now()));
        let (server, load) = (server.cpu() - before.0, usage::own_cpu() - before.1);
        let sent = sender.join().expect("it sends");
        let (received, delay_ms) = receiver.join().expect("it receives");
        Run { sent, received, delay_ms, server, load }
    })
}

/// The same streams, past the server.
fn straight(streams: &[Stream], sockets: &[UdpSocket]) -> Vec<Stream> {
    let of_id = |id| streams.iter().position(|stream| stream.id == id).expect("a call has two streams");
    let to_partner = |stream: &Stream| {
        let SocketAddr::V4(to) = sockets[of_id(stream.partner)].local_addr().expect("it is bound") else {
            unreachable!("phones are IPv4")
        };
        Stream { to, ..*stream }
    };
    streams.iter().map(to_partner).collect()
}

/// One direction of a call.
struct Stream {
    /// Tells it from all others.
    id: u32,
    /// That of the other direction, which arrives on this one's socket.
    partner: u32,
    to: SocketAddrV4,
}

fn both_ways(call: Established) -> [(Stream, UdpSocket); 2] {
    let (forth, back) = (2 * call.index as u32, 2 * call.index as u32 + 1);
    [
        (Stream { id: forth, partner: back, to: call.caller_sends_to }, call.caller_media),
        (Stream { id: back, partner: forth, to: call.callee_sends_to }, call.callee_media),
    ]
}

/// Sends until the window is over; tells how many packets fell into it.
fn send(streams: &[Stream], sockets: &[UdpSocket], window: &std::ops::Range<u64>) -> u64 {
    let mut sent = 0;
    let mut tick_at = Instant::now();
    for tick in 0.. {
        let sequence = (tick / TICKS_PER_PACKET) as u32;
        // The streams take turns, so that their packets spread over the 20 ms.
        for index in (tick % TICKS_PER_PACKET..streams.len()).step_by(TICKS_PER_PACKET) {
            let now = now_ns();
            if now >= window.end {
                return sent;
            }
            let packet = packet(streams[index].id, sequence, now);
            // A full buffer of ours is no loss of the server's: the packet does not count as sent.
            if sockets[index].send_to(&packet, streams[index].to).is_ok() && window.contains(&now) {
                sent += 1;
            }
        }
        tick_at += TICK;
        thread::sleep(tick_at.saturating_duration_since(Instant::now()));
        if now_ns() >= window.end {
            break;
        }
    }
    sent
}

/// Receives until a little after the window; tells how many packets of it came, and their delays.
fn receive(streams: &[Stream], sockets: &[UdpSocket], window: &std::ops::Range<u64>) -> (u64, Samples) {
    let epoll = Epoll::new(EpollCreateFlags::empty()).expect("epoll can be had");
    for (index, socket) in sockets.iter().enumerate() {
        setsockopt(socket, ReceiveTimestampns, &true).expect("arrivals can be noted");
        epoll
            .add(socket, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))
            .expect("a socket can be watched");
    }
    let mut events = [EpollEvent::empty(); 256];
    let (mut received, mut delays) = (0, Samples::default());
    while now_ns() < window.end + LATE.as_nanos() as u64 {
        let ready = epoll.wait(&mut events, EpollTimeout::from(50u8)).unwrap_or(0);
        for event in &events[..ready] {
            let index = event.data() as usize;
            while let Some((packet, arrived)) = take(&sockets[index]) {
                let (id, sent) = unpack(&packet);
                if id == streams[index].partner && window.contains(&sent) {
                    received += 1;
                    delays.add(arrived.saturating_sub(sent) as f64 / 1e6);
                }
            }
        }
    }
    (received, delays)
}

/// A packet that waits, and when it arrived.
fn take(socket: &UdpSocket) -> Option<([u8; PACKET_LEN], u64)> {
    let mut packet = [0; PACKET_LEN];
    let mut space = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let mut buffers = [IoSliceMut::new(&mut packet)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut buffers,
        Some(&mut space),
        MsgFlags::MSG_DONTWAIT,
    )
    .ok()?;
    let arrived = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(at) => Some(Duration::from(at).as_nanos() as u64),
        _ => None,
    })?;
    Some((packet, arrived))
}

/// An RTP packet of PCMU. Neither server looks into the payload.
fn packet(id: u32, sequence: u32, now: u64) -> [u8; PACKET_LEN] {
    let mut packet = [0xd5; PACKET_LEN];
    packet[..2].copy_from_slice(&[0x80, 0]);
    packet[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
    packet[4..8].copy_from_slice(&(sequence.wrapping_mul(SAMPLES_PER_PACKET)).to_be_bytes());
    packet[8..12].copy_from_slice(&(0x5000_0000 + id).to_be_bytes());
    packet[12..20].copy_from_slice(&now.to_be_bytes());
    packet[20..24].copy_from_slice(&id.to_be_bytes());
    packet
}

fn unpack(packet: &[u8; PACKET_LEN]) -> (u32, u64) {
    let sent = u64::from_be_bytes(packet[12..20].try_into().expect("eight bytes"));
    let id = u32::from_be_bytes(packet[20..24].try_into().expect("four bytes"));
    (id, sent)
}

/// By the clock that the kernel notes arrivals with.
fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_tells_who_sent_it_and_when() {
        assert_eq!(unpack(&packet(7, 3, 123_456_789_012)), (7, 123_456_789_012));
    }

    #[test]
    fn delay_and_loss_of_a_direct_path_are_seen() {
        let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let at = |index: usize| match sockets[index].local_addr().unwrap() {
            std::net::SocketAddr::V4(at) => at,
            _ => unreachable!(),
        };
        let streams = [Stream { id: 0, partner: 1, to: at(1) }, Stream { id: 1, partner: 0, to: at(0) }];
        let window = now_ns()..now_ns() + 200_000_000;
        let (sent, (received, delays)) = thread::scope(|scope| {
            let receiver = scope.spawn(|| receive(&streams, &sockets, &window));
            (send(&streams, &sockets, &window), receiver.join().unwrap())
        });
        assert!((10..=22).contains(&sent), "{sent}");
        assert_eq!(received, sent);
        assert!(delays.percentile(50.0).unwrap() < 5.0);
    }
}
