//! The simulator's user agents on real sockets, for tests that must know of each call what its sides were told.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tandem_sim::{Behaviour, CallRef, Packet, Stage, Ua};
use tandem_sip_msg::{Message, Method};
use tandem_time::Time;

/// How long the thread rests when nothing is to be done.
const NAP: Duration = Duration::from_millis(1);

/// What one side of a call was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// A caller: 200 to its INVITE. A callee: the ACK to its 200.
    pub answered: bool,
    /// 200 to its BYE.
    pub ended: bool,
}

/// User agents on a thread of their own, each with a socket.
pub struct Crowd {
    members: Arc<Mutex<Vec<Member>>>,
    clock: Clock,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Member {
    ua: Ua,
    socket: UdpSocket,
    /// By Call-ID.
    told: BTreeMap<String, Told>,
}

#[derive(Clone, Copy)]
struct Clock {
    started: Instant,
    wall: Time,
}

impl Clock {
    fn now(self) -> Time {
        self.wall + self.started.elapsed()
    }
}

impl Crowd {
    /// Nobody yet.
    pub fn new() -> Crowd {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let clock = Clock { started: Instant::now(), wall: Time::default() + wall };
        let (members, stop) = (Arc::<Mutex<Vec<Member>>>::default(), Arc::new(AtomicBool::new(false)));
        let (theirs, stopped) = (members.clone(), stop.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let mut busy = false;
                for member in lock(&theirs).iter_mut() {
                    busy |= member.live(clock);
                }
                if !busy {
                    thread::sleep(NAP);
                }
            }
        });
        Crowd { members, clock, stop, thread: Some(thread) }
    }

    /// Somebody at a free port of this address, who answers calls at once and never sends media; its number and its address.
    #[track_caller]
    pub fn add(&self, user: &str, ip: IpAddr) -> (usize, SocketAddr) {
        let socket = UdpSocket::bind((ip, 0)).expect("a port is free");
        socket.set_nonblocking(true).expect("a socket can be made not to wait");
        let address = socket.local_addr().expect("it is bound");
        let mut ua = Ua::new(user, address, user, 2_000, u64::from(address.port()));
        ua.is_mute = true;
        ua.treat_calls(|_| Behaviour::answer_after(0));
        let mut members = lock(&self.members);
        members.push(Member { ua, socket, told: BTreeMap::new() });
        (members.len() - 1, address)
    }

    /// Does something with somebody, now.
    pub fn with<T>(&self, member: usize, act: impl FnOnce(&mut Ua, Time) -> T) -> T {
        act(&mut lock(&self.members)[member].ua, self.clock.now())
    }

    /// Ends the calls that somebody has had for this long.
    pub fn hang_up_after(&self, member: usize, length: Duration) {
        self.with(member, |ua, now| {
            let over = |call: &CallRef| {
                let call = ua.call(*call);
                call.stage == Stage::Talking && call.answered_at.is_some_and(|at| at + length <= now)
            };
            let due: Vec<CallRef> = (0..ua.calls().len()).map(CallRef).filter(over).collect();
            due.into_iter().for_each(|call| ua.hang_up(call, now));
        });
    }

    /// What somebody was told of each of its calls, by Call-ID.
    pub fn told(&self, member: usize) -> BTreeMap<String, Told> {
        lock(&self.members)[member].told.clone()
    }
}

impl Default for Crowd {
    fn default() -> Crowd {
        Crowd::new()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Member {
    /// Takes in what came, sends what is to be sent; whether there was anything.
    fn live(&mut self, clock: Clock) -> bool {
        let mut buffer = [0; 4096];
        let mut busy = false;
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((len, from)) => self.receive(from, Bytes::copy_from_slice(&buffer[..len]), clock.now()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Nobody listened at an address that something was sent to: a server that is down.
                Err(_) => {}
            }
            busy = true;
        }
        let now = clock.now();
        if self.ua.poll_timeout().is_some_and(|due| due <= now) {
            self.ua.handle_timeout(now);
        }
        while let Some(packet) = self.ua.poll_output() {
            if !packet.is_media {
                // What cannot be sent is lost, and sent again in time.
                let _ = self.socket.send_to(&packet.bytes, packet.to);
            }
            busy = true;
        }
        busy
    }

    fn receive(&mut self, from: SocketAddr, bytes: Bytes, now: Time) {
        if let Ok(message) = Message::parse(bytes.clone()) {
            let what = (message.code(), message.method());
            if matches!(what, (Some(200), Method::Invite | Method::Bye) | (None, Method::Ack)) {
                let told = self.told.entry(message.call_id().to_owned()).or_default();
                match what {
                    (_, Method::Bye) => told.ended = true,
                    _ => told.answered = true,
                }
            }
        }
        let packet = Packet { from, to: self.ua.address, bytes, is_media: false };
        self.ua.receive(&packet, now);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
