//! How much processor time a relayed packet costs: calls over loopback, both directions, 50 packets a second
//! each.
//!
//! `cargo run --release -p tandem-relay --example load -- [calls] [seconds] [threads]`

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tandem_media::g711::Law;
use tandem_media::tone::{PACKET_LEN, Talker};
use tandem_media::{MediaCommand, MediaEvent, PortId, rtp};
use tandem_relay::{Relay, RelayConfig};

const HOST: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// Phones have an address of their own, so that the system does not give them the ports of the relay.
const PHONES: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const FIRST_PORT: u16 = 20_000;
const FRAME: Duration = Duration::from_millis(20);

/// One end of a call: where it listens, and what it says to which port of the relay.
struct Phone {
    socket: UdpSocket,
    relay: SocketAddr,
    talker: Talker,
}

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().expect("a number"));
    let (calls, seconds, threads) =
        (args.next().unwrap_or(200), args.next().unwrap_or(10), args.next().unwrap_or(1));

    let config = RelayConfig { threads: threads as usize, ..RelayConfig::new(HOST.into()) };
    let relay = Relay::start(config, |event| {
        if let MediaEvent::OpenFailed { error, .. } = event {
            println!("a port would not open: {error}");
            std::process::exit(1);
        }
    })?;
    let mut phones = (0..2 * calls).map(|n| phone(&relay, n)).collect::<std::io::Result<Vec<_>>>()?;
    for call in 0..calls {
        relay.send(MediaCommand::Bridge { a: PortId(2 * call), b: PortId(2 * call + 1) });
    }

    while relay.totals().open_ports < 2 * calls {
        std::thread::sleep(Duration::from_millis(1));
    }
    let (start, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let listener = listen(&phones, start, stop.clone())?;
    let before = media_thread_nanos();
    let mut sent = 0u64;
    for frame in 0..seconds * 50 {
        let spacing = FRAME / phones.len() as u32;
        for (n, phone) in phones.iter_mut().enumerate() {
            let due = start + FRAME * frame as u32 + spacing * n as u32;
            if let Some(early) = due.checked_duration_since(Instant::now()) {
                std::thread::sleep(early);
            }
            let mut packet = phone.talker.packet();
            let now = start.elapsed().as_nanos() as u64;
            packet[rtp::HEADER_LEN..][..8].copy_from_slice(&now.to_be_bytes());
            phone.socket.send_to(&packet, phone.relay)?;
            sent += 1;
        }
    }
    std::thread::sleep(Duration::from_millis(100));
    let (spent, elapsed) = (media_thread_nanos() - before, start.elapsed());
    stop.store(true, Relaxed);
    let mut delays = listener.join().expect("the listener ends");
    delays.sort_unstable();

    let totals = relay.totals();
    let share = spent as f64 / elapsed.as_nanos() as f64 * 100.0;
    let delay = |percent: usize| delays.get(delays.len() * percent / 100).map_or(0, |nanos| nanos / 1_000);
    println!("{calls} calls, {threads} threads: {sent} packets sent, {} received; {totals:?}", delays.len());
    println!(
        "{:.2} µs a packet; {share:.1} % of a core, {:.4} % a call; delay {} µs (median), {} µs (99 %)",
        spent as f64 / 1e3 / totals.forwarded as f64,
        share / calls as f64,
        delay(50),
        delay(99),
    );
    Ok(())
}

fn phone(relay: &Relay, n: u64) -> std::io::Result<Phone> {
    let (port, local) = (PortId(n), FIRST_PORT + 2 * n as u16);
    let socket = UdpSocket::bind((PHONES, 0))?;
    let rtp = socket.local_addr()?;
    let rtcp = SocketAddr::new(rtp.ip(), rtp.port() ^ 1);
    relay.send(MediaCommand::Open { port, group: n / 2, local });
    relay.send(MediaCommand::Remote { port, rtp, rtcp, signalling: PHONES.into(), clock_rate: 8_000 });
    relay.send(MediaCommand::Watch { port, after: Some(Duration::from_secs(5)) });
    Ok(Phone { socket, relay: (HOST, local).into(), talker: Talker::new(Law::A, 440.0, n as u32) })
}

/// Receives at all phones, on a thread of its own: how long each packet was under way, in nanoseconds.
fn listen(
    phones: &[Phone],
    start: Instant,
    stop: Arc<AtomicBool>,
) -> std::io::Result<std::thread::JoinHandle<Vec<u64>>> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let sockets = phones.iter().map(|phone| phone.socket.try_clone()).collect::<Result<Vec<_>, _>>()?;
    for (n, socket) in (0u64..).zip(&sockets) {
        epoll.add(socket, EpollEvent::new(EpollFlags::EPOLLIN, n))?;
    }
    Ok(std::thread::spawn(move || {
        let (mut delays, mut events) = (Vec::new(), [EpollEvent::empty(); 256]);
        while !stop.load(Relaxed) {
            let ready = epoll.wait(&mut events, EpollTimeout::from(50u8)).unwrap_or(0);
            for event in &events[..ready] {
                let mut packet = [0; PACKET_LEN];
                if sockets[event.data() as usize].recv(&mut packet).is_ok_and(|len| len == PACKET_LEN) {
                    let said = u64::from_be_bytes(std::array::from_fn(|n| packet[rtp::HEADER_LEN + n]));
                    delays.push((start.elapsed().as_nanos() as u64).saturating_sub(said));
                }
            }
        }
        delays
    }))
}

/// What the media threads have spent on a processor so far.
fn media_thread_nanos() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let media = tasks.filter(|task| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("media-"))
    });
    media
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok())
        .sum()
}
