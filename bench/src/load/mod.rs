//! The load: one thread that calls and is called, or registers. It does what a telephone would do on a network that
//! loses messages (requests and 2xx are sent again by the timers of RFC 3261), looks closely at every message that
//! comes, and counts as failed whatever did not go as it should, for whatever reason.

mod callee;
mod caller;
mod registrant;
mod timers;
mod wire;

use crate::stats::Samples;
use callee::Callee;
use caller::{Caller, Step};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use registrant::Registrant;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use timers::PATIENCE;

/// What is wrong with a message.
type Fault = &'static str;

/// New calls are begun this often.
const TICK: Duration = Duration::from_millis(1);
/// After the last call should have ended.
const GRACE: Duration = PATIENCE.saturating_mul(2);

/// A steady load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Calls or registrations begun in a second.
    pub rate: u32,
    /// How many altogether.
    pub count: u32,
}

impl Load {
    /// A load of so long.
    pub fn lasting(rate: u32, length: Duration) -> Load {
        Load { rate, count: rate * length.as_secs() as u32 }
    }

    /// How long it takes to begin them.
    pub fn length(self) -> Duration {
        Duration::from_secs(1) * self.count / self.rate
    }

    /// How many should have been begun by a moment.
    fn begun_by(self, now: Duration) -> u32 {
        let due = now.as_millis() * u128::from(self.rate) / 1000 + 1;
        due.min(self.count.into()) as u32
    }
}

/// Which way the media of a call should go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Media {
    /// Through the server.
    Anchored,
    /// From end to end.
    Direct,
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Calls or registrations that went as they should from beginning to end.
    pub successful: u32,
    /// All others.
    pub failed: u32,
    /// Those of them that were refused, by status.
    pub refused: BTreeMap<u16, u32>,
    /// What was wrong with messages, and how often.
    pub faults: BTreeMap<Fault, u32>,
    /// Messages sent again, by either side, for want of an answer.
    pub retransmissions: u32,
    /// From the first request to its final answer, in ms.
    pub response_ms: Samples,
    /// From the first to the last that was begun.
    pub offered_in: Duration,
}

impl Outcome {
    /// Why what failed did so, for a log.
    pub fn why(&self) -> String {
        let refused = self.refused.iter().map(|(code, count)| format!("{count} times {code}"));
        let faults = self.faults.iter().map(|(fault, count)| format!("{count} times {fault}"));
        let reasons: Vec<String> = refused.chain(faults).collect();
        format!("{} failed, {} sent again; {}", self.failed, self.retransmissions, reasons.join(", "))
    }
}

/// A load under way.
#[derive(Debug)]
pub struct Running {
    up: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Outcome>,
}

/// Calls that hold for so long, through the server and back.
pub fn call(load: Load, hold: Duration, media: Media) -> Outcome {
    begin_calls(load, hold, media).outcome()
}

/// Begins to call.
pub fn begin_calls(load: Load, hold: Duration, media: Media) -> Running {
    Running::start(move |up, stop| {
        let mut calls = Calls { caller: Caller::new(hold, media), callee: Callee::new(load.count, media) };
        let offered_in = drive(&mut calls, load, hold, up, stop);
        calls.outcome(load, offered_in)
    })
}

/// Registers the accounts in turn.
pub fn register(load: Load) -> Outcome {
    let running = Running::start(move |up, stop| {
        let mut registrant = Registrant::new();
        let offered_in = drive(&mut registrant, load, Duration::ZERO, up, stop);
        registrant.outcome(load, offered_in)
    });
    running.outcome()
}

impl Running {
    fn start(run: impl FnOnce(&AtomicU32, &AtomicBool) -> Outcome + Send + 'static) -> Running {
        let (up, stop) = (Arc::<AtomicU32>::default(), Arc::<AtomicBool>::default());
        let shared = (up.clone(), stop.clone());
        let thread = std::thread::Builder::new().name("load".to_owned());
        let thread = thread.spawn(move || run(&shared.0, &shared.1)).expect("a thread can be had");
        Running { up, stop, thread }
    }

    /// Waits until so many calls are up, but not for ever; tells how many are.
    pub fn wait_up(&self, load: Load) -> u32 {
        let deadline = Instant::now() + load.length() + PATIENCE;
        while self.up.load(Relaxed) < load.count && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.up.load(Relaxed)
    }

    /// Breaks off.
    pub fn stop(self) -> Outcome {
        self.stop.store(true, Relaxed);
        self.outcome()
    }

    /// Waits for the end.
    pub fn outcome(self) -> Outcome {
        self.thread.join().expect("the load runs")
    }
}

/// Something that is driven by messages and time.
trait Machine {
    /// Begins one more.
    fn begin(&mut self, now: Duration);
    fn handle_timers(&mut self, now: Duration);
    fn due(&self) -> Option<Duration>;
    /// Reads what waits; whether there may be more.
    fn receive(&mut self, now: Duration) -> bool;
    fn flush(&mut self);
    fn fds(&self) -> Vec<BorrowedFd<'_>>;
    fn ended(&self) -> u32;
    fn up(&self) -> u32;
}

/// Runs the load until all of it has ended; tells how long it took to begin it.
fn drive(
    machine: &mut impl Machine,
    load: Load,
    hold: Duration,
    up: &AtomicU32,
    stop: &AtomicBool,
) -> Duration {
    let start = Instant::now();
    let (mut begun, mut offered_in) = (0, Duration::ZERO);
    let deadline = load.length() + hold + GRACE;
    loop {
        let now = start.elapsed();
        while begun < load.begun_by(now) {
            machine.begin(now);
            (begun, offered_in) = (begun + 1, now);
        }
        machine.handle_timers(now);
        machine.flush();
        up.store(machine.up(), Relaxed);
        if machine.ended() >= load.count || now >= deadline || stop.load(Relaxed) {
            return offered_in;
        }
        let next_tick = (begun < load.count)
            .then(|| TICK * (u64::from(begun) * 1000 / u64::from(load.rate)) as u32)
            .map(|due| due.max(TICK * (now.as_millis() as u32 + 1)));
        let due = machine.due().into_iter().chain(next_tick).min().unwrap_or(deadline);
        wait(&machine.fds(), due.saturating_sub(start.elapsed()).min(Duration::from_millis(50)));
        while machine.receive(start.elapsed()) {
            machine.flush();
        }
    }
}

fn wait(fds: &[BorrowedFd<'_>], at_most: Duration) {
    let mut fds: Vec<PollFd> = fds.iter().map(|fd| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    // Whether it was a message, the time or a signal: all are looked at next.
    let _ = ppoll(&mut fds, Some(TimeSpec::from_duration(at_most)), None);
}

struct Calls {
    caller: Caller,
    callee: Callee,
}

impl Machine for Calls {
    fn begin(&mut self, now: Duration) {
        self.caller.call(now);
    }

    fn handle_timers(&mut self, now: Duration) {
        self.caller.handle_timers(now);
        self.callee.handle_timers(now);
    }

    fn due(&self) -> Option<Duration> {
        self.caller.timers.due().into_iter().chain(self.callee.timers.due()).min()
    }

    fn receive(&mut self, now: Duration) -> bool {
        let (mut to_caller, mut to_callee) = (Vec::new(), Vec::new());
        let more = self.caller.wire.receive(|bytes| to_caller.push(bytes.to_vec()));
        let more = self.callee.wire.receive(|bytes| to_callee.push(bytes.to_vec())) || more;
        to_caller.iter().for_each(|bytes| self.caller.receive(bytes, now));
        to_callee.iter().for_each(|bytes| self.callee.receive(bytes, now));
        more
    }

    fn flush(&mut self) {
        self.caller.wire.flush();
        self.callee.wire.flush();
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.caller.wire.fd(), self.callee.wire.fd()]
    }

    /// On both sides.
    fn ended(&self) -> u32 {
        self.caller.ended.saturating_sub(self.callee.open)
    }

    fn up(&self) -> u32 {
        self.caller.up
    }
}

impl Calls {
    fn outcome(self, load: Load, offered_in: Duration) -> Outcome {
        let mut outcome = Outcome { offered_in, ..Outcome::default() };
        let mut faulty = vec![false; load.count as usize];
        for (index, fault) in self.caller.faults.iter().chain(&self.callee.faults) {
            *outcome.faults.entry(fault).or_default() += 1;
            faulty[*index as usize] = true;
        }
        for ((call, answered), faulty) in self.caller.calls.iter().zip(&self.callee.calls).zip(&faulty) {
            if let Step::Refused(code) = call.step {
                *outcome.refused.entry(code).or_default() += 1;
            }
            let good = call.step == Step::Done && answered.step == callee::Step::Done && !faulty;
            outcome.successful += u32::from(good);
            if !good && call.step != Step::Failed && !matches!(call.step, Step::Refused(_)) {
                *outcome.faults.entry("a call left up").or_default() += 1;
            }
        }
        outcome.failed = load.count - outcome.successful;
        outcome.retransmissions = self.caller.retransmissions + self.callee.retransmissions;
        outcome.response_ms = self.caller.setups.iter().map(|setup| setup.as_secs_f64() * 1000.0).collect();
        outcome
    }
}

/// One audio stream, PCMU.
fn sdp(ip: Ipv4Addr, port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
         a=fmtp:101 0-15\r\na=ptime:20\r\n"
    )
}

/// The address that an SDP wants its audio at; `None` where it has none with PCMU.
fn media_address(body: &[u8]) -> Option<Ipv4Addr> {
    let text = std::str::from_utf8(body).ok()?;
    let line = |start| text.lines().find_map(|line| line.strip_prefix(start));
    let mut audio = line("m=audio ")?.split(' ');
    let port: u16 = audio.next()?.parse().ok()?;
    let pcmu = audio.skip(1).any(|format| format == "0");
    line("c=IN IP4 ")?.parse().ok().filter(|_| port != 0 && pcmu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_begun_at_their_rate() {
        let load = Load::lasting(500, Duration::from_secs(4));
        assert_eq!((load.count, load.length()), (2000, Duration::from_secs(4)));
        assert_eq!(load.begun_by(Duration::ZERO), 1);
        assert_eq!(load.begun_by(Duration::from_millis(1000)), 501);
        assert_eq!(load.begun_by(Duration::from_secs(9)), 2000);
    }

    #[test]
    fn the_address_of_media_is_seen() {
        let ip = Ipv4Addr::new(127, 0, 0, 9);
        assert_eq!(media_address(sdp(ip, 4000).as_bytes()), Some(ip));
        assert_eq!(media_address(sdp(ip, 0).as_bytes()), None);
        assert_eq!(media_address(b"v=0\r\n"), None);
    }
}
