//! How many datagrams a second of CPU takes: one `Net` echoes what another keeps in flight.
//!
//! `cargo run --release -p tandem-net --example echo_rate`

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tandem_net::{Limits, Listen, Net, NetEvent};
use tandem_sip_msg::{Flow, ListenerId, Transport};

const SIZE: usize = 600;
const SECONDS: u64 = 3;

fn main() {
    for in_flight in [1, 8, 64, 512] {
        measure(in_flight);
    }
}

fn measure(in_flight: usize) {
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, told) = mpsc::channel();
    let stopped = stop.clone();
    let echo = std::thread::spawn(move || run(echo(tell, stopped)));
    let address = told.recv().unwrap();
    run(load(address, in_flight));
    stop.store(true, Ordering::Relaxed);
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"enough", address).unwrap();
    let (echoed, cpu) = echo.join().unwrap();
    let per_second = echoed as f64 / cpu.as_secs_f64();
    let each = 1e6 / per_second;
    println!("{in_flight:4} in flight: {echoed:8} echoed, {per_second:8.0} a CPU second, {each:.2} us each");
}

fn run<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(what)
}

async fn net() -> Net {
    let listen = Listen { transport: Transport::Udp, bind: "127.0.0.1:0".parse().unwrap() };
    Net::bind(&[listen], Limits::default()).await.unwrap()
}

async fn echo(tell: mpsc::Sender<SocketAddr>, stop: Arc<AtomicBool>) -> (u64, Duration) {
    let mut net = net().await;
    tell.send(net.addresses()[0]).unwrap();
    let (mut events, mut echoed, before) = (Vec::new(), 0, cpu());
    while !stop.load(Ordering::Relaxed) {
        net.next(&mut events).await;
        for event in events.drain(..) {
            let NetEvent::Message { flow, bytes } = event else { continue };
            net.send(flow, bytes, Some(echoed));
            echoed += 1;
        }
        net.flush();
    }
    (echoed, cpu() - before)
}

async fn load(remote: SocketAddr, in_flight: usize) {
    let mut net = net().await;
    let flow =
        Flow { transport: Transport::Udp, listener: ListenerId(0), remote, connection: None, domain: None };
    let end = Instant::now() + Duration::from_secs(SECONDS);
    let mut events = Vec::new();
    let payload = Bytes::from(vec![b'x'; SIZE]);
    (0..in_flight).for_each(|_| net.send(flow, payload.clone(), None));
    net.flush();
    while Instant::now() < end {
        let _ = tokio::time::timeout(Duration::from_millis(100), net.next(&mut events)).await;
        for event in events.drain(..) {
            let NetEvent::Message { flow, bytes } = event else { continue };
            net.send(flow, bytes, None);
        }
        net.flush();
    }
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.cast_unsigned())
}
