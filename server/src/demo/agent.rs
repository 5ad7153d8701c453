//! A simulated user agent on real sockets.

use crate::clock::Clock;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tandem_sim::{Ladder, Packet, Ua};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc};

/// Where user agents note what they send and get.
pub type SharedLadder = Arc<Mutex<Ladder>>;

/// A user agent that lives on a task of its own. Clones share it.
#[derive(Clone)]
pub struct Agent {
    ua: Arc<Mutex<Ua>>,
    wake: Arc<Notify>,
    clock: Clock,
    /// Its SIP address.
    pub address: SocketAddr,
}

impl Agent {
    /// Starts a user agent at some free port of `ip`.
    pub async fn start(
        name: &str,
        user: &str,
        ip: IpAddr,
        tone: f64,
        clock: Clock,
        ladder: SharedLadder,
    ) -> io::Result<Agent> {
        let sip = UdpSocket::bind((ip, 0)).await?;
        let address = sip.local_addr()?;
        let mut ua = Ua::new(name, address, user, media_ports(address.port()), u64::from(address.port()));
        ua.tone = tone;
        lock(&ladder).name(address, name);
        let agent = Agent { ua: Arc::new(Mutex::new(ua)), wake: Arc::default(), clock, address };
        tokio::spawn(live(agent.clone(), sip, ladder));
        Ok(agent)
    }

    /// Does something with it, now.
    pub fn with<T>(&self, act: impl FnOnce(&mut Ua, tandem_time::Time) -> T) -> T {
        let result = act(&mut lock(&self.ua), self.clock.now());
        self.wake.notify_one();
        result
    }

    /// Waits until something holds of it; `false` when it did not in time.
    pub async fn wait(&self, at_most: Duration, holds: impl Fn(&Ua) -> bool) -> bool {
        let until = tokio::time::Instant::now() + at_most;
        while tokio::time::Instant::now() < until {
            if holds(&lock(&self.ua)) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }
}

/// Where its media ports begin: even, and elsewhere than those of an agent with another port.
fn media_ports(sip: u16) -> u16 {
    sip / 4 * 2 + 1024
}

async fn live(agent: Agent, sip: UdpSocket, ladder: SharedLadder) {
    let (arrived, mut arrivals) = mpsc::channel(1024);
    let mut sockets = BTreeMap::from([(agent.address, listen(sip, agent.address, false, arrived.clone()))]);
    loop {
        open_media(&agent, &mut sockets, &arrived).await;
        let due = {
            let mut ua = lock(&agent.ua);
            let now = agent.clock.now();
            if ua.poll_timeout().is_some_and(|due| due <= now) {
                ua.handle_timeout(now);
            }
            while let Some(packet) = ua.poll_output() {
                if !packet.is_media {
                    lock(&ladder).add(now, packet.from, packet.to, &packet.bytes);
                }
                if let Some(socket) = sockets.get(&packet.from) {
                    // What the kernel does not take now is lost, as on any network.
                    let _ = socket.try_send_to(&packet.bytes, packet.to);
                }
            }
            ua.poll_timeout().unwrap_or(now + Duration::from_secs(3600))
        };
        tokio::select! {
            packet = arrivals.recv() => {
                let Some(packet): Option<Packet> = packet else { return };
                let now = agent.clock.now();
                if !packet.is_media {
                    lock(&ladder).add(now, packet.from, packet.to, &packet.bytes);
                }
                lock(&agent.ua).receive(&packet, now);
            }
            () = agent.wake.notified() => {}
            () = tokio::time::sleep_until(agent.clock.instant(due).into()) => {}
        }
    }
}

/// Opens the media sockets of calls that are new.
async fn open_media(
    agent: &Agent,
    sockets: &mut BTreeMap<SocketAddr, Arc<UdpSocket>>,
    arrived: &mpsc::Sender<Packet>,
) {
    let addresses = lock(&agent.ua).calls().iter().map(|call| call.media_address()).collect::<Vec<_>>();
    let new: Vec<SocketAddr> =
        addresses.into_iter().filter(|address| !sockets.contains_key(address)).collect();
    for address in new {
        match UdpSocket::bind(address).await {
            Ok(socket) => {
                sockets.insert(address, listen(socket, address, true, arrived.clone()));
            }
            Err(error) => eprintln!("the demo's media port {address} cannot be opened: {error}"),
        }
    }
}

fn listen(
    socket: UdpSocket,
    to: SocketAddr,
    is_media: bool,
    arrived: mpsc::Sender<Packet>,
) -> Arc<UdpSocket> {
    let socket = Arc::new(socket);
    let receiver = socket.clone();
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_535];
        loop {
            // An error here is an ICMP message for something sent before: the socket goes on.
            let Ok((len, from)) = receiver.recv_from(&mut buffer).await else { continue };
            let bytes = Bytes::copy_from_slice(&buffer[..len]);
            if arrived.send(Packet { from, to, bytes, is_media }).await.is_err() {
                return;
            }
        }
    });
    socket
}

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
