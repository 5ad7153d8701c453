//! Side-by-side measurements of Tandem and Kamailio on one machine, in one run.
//!
//! Load and servers share the cores, so what counts is the CPU time of the server's processes at like
//! rates, not how fast it could go alone. Repetitions take turns between the servers, so that a machine
//! that grows slower grows slower for all; every repetition begins with a fresh server.

mod lab;
mod media;
mod phones;
mod report;
mod server;
mod sipp;
mod stats;
mod usage;

use crate::phones::Phones;
use crate::report::{Row, Show};
use crate::server::{Kind, Server};
use crate::sipp::Load;
use crate::stats::Samples;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::path::Path;
use std::time::Duration;

/// For how long and how often things are measured.
struct Plan {
    how: &'static str,
    repetitions: usize,
    call_rates: &'static [u32],
    call_time: Duration,
    media_calls: &'static [usize],
    media_time: Duration,
    registration_rate: u32,
    registration_time: Duration,
    sections: &'static [Section],
}

const QUICK: Plan = Plan {
    how: "This is the quick run of some four minutes; `make bench FULL=1` measures longer and more.",
    repetitions: 3,
    call_rates: &[200, 500],
    call_time: Duration::from_secs(4),
    media_calls: &[100],
    media_time: Duration::from_secs(3),
    registration_rate: 500,
    registration_time: Duration::from_secs(4),
    sections: SECTIONS.split_last().expect("there are some").1,
};

const FULL: Plan = Plan {
    how: "This is the long run (`FULL=1`).",
    repetitions: 5,
    call_rates: &[200, 500, 1000],
    call_time: Duration::from_secs(10),
    media_calls: &[100, 200],
    media_time: Duration::from_secs(10),
    registration_rate: 1000,
    registration_time: Duration::from_secs(10),
    sections: &SECTIONS,
};

type Section = (&'static str, fn(&mut Bench));

/// The slow one is the last.
const SECTIONS: [Section; 6] = [
    ("signalling", Bench::signalling),
    ("setup", Bench::setup),
    ("media", Bench::media),
    ("memory", Bench::memory),
    ("registrations", Bench::registrations),
    ("highest", Bench::highest_rate),
];

/// How long calls hold where their number does not matter.
const HOLD: Duration = Duration::from_secs(1);
/// Calls that are set up to see how long it takes.
const SET_UP: usize = 150;
/// Calls that are held for the measurement of memory, and how fast they are set up.
const HELD: Load = Load { rate: 400, count: 2000 };
/// After the last of them was answered.
const SETTLE: Duration = Duration::from_secs(1);

/// `--full` for the long run; names of sections for a look at these alone, which writes no page.
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (options, names): (Vec<&str>, Vec<&str>) =
        args.iter().map(String::as_str).partition(|arg| arg.starts_with('-'));
    let unknown = options.iter().find(|option| **option != "--full");
    let unknown =
        unknown.or_else(|| names.iter().find(|name| SECTIONS.iter().all(|(known, _)| known != *name)));
    if let Some(unknown) = unknown {
        let known = SECTIONS.map(|(name, _)| name).join(", ");
        eprintln!("tandem-bench: {unknown:?} is not known; --full is, and the sections {known}");
        std::process::exit(2);
    }

    lab::must_be_free();
    allow_open_files();
    let plan = if options.is_empty() { QUICK } else { FULL };
    let sections = if names.is_empty() { plan.sections } else { &SECTIONS };
    let how = plan.how;
    let mut bench = Bench { kinds: kinds(), plan, rows: Vec::new() };
    for (name, measure) in sections {
        if names.is_empty() || names.contains(name) {
            measure(&mut bench);
        }
    }

    let table = report::table(&bench.rows, &bench.kinds);
    println!("{table}");
    if names.is_empty() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
        std::fs::write(docs, report::page(&table, how, &bench.kinds)).expect("the page can be written");
    }
}

/// The servers whose programs are here.
fn kinds() -> Vec<Kind> {
    let is_here = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
        found || server::path_of(program).is_file() || Path::new("/usr/sbin").join(program).is_file()
    };
    let all = [Kind::Tandem, Kind::Kamailio, Kind::KamailioWithMedia];
    all.into_iter().filter(|kind| kind.commands().iter().all(|(program, _)| is_here(program))).collect()
}

/// Every media port is a file to a server, and what a shell allows by default is soon used up.
fn allow_open_files() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("there is a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the limit can be raised");
}

struct Bench {
    kinds: Vec<Kind>,
    plan: Plan,
    rows: Vec<Row>,
}

impl Bench {
    /// CPU time a call at several rates, and how long the caller waits.
    fn signalling(&mut self) {
        let mut start = Row::new("start to first answer, ms", Show::Median { decimals: 0 });
        let mut idle = Row::new("memory when idle, MiB", Show::Median { decimals: 1 });
        for &rate in self.plan.call_rates {
            let load = Load::lasting(rate, self.plan.call_time);
            let mut cpu = Row::new(format!("CPU a call at {rate}/s, ms"), Show::Median { decimals: 3 });
            let mut most = Row::new(format!("setup at {rate}/s, 99 %, ms"), Show::Median { decimals: 0 });
            let mut failed = Row::new(format!("failed calls at {rate}/s"), Show::Sum);
            let mut again = Row::new(format!("retransmissions at {rate}/s"), Show::Sum);
            self.take_turns(&format!("{rate} calls/s"), &self.kinds, |kind| {
                let server = Server::start_for_calls(kind);
                start.add(kind, ms(server.started_in()));
                idle.add(kind, mib(server.memory_kib()));
                let before = server.cpu();
                let outcome = sipp::call(load, HOLD);
                cpu.add(kind, ms(server.cpu() - before) / f64::from(load.count));
                most.add(kind, outcome.response_ms.percentile(99.0));
                failed.add(kind, f64::from(outcome.failed));
                again.add(kind, f64::from(outcome.retransmissions));
            });
            self.rows.extend([cpu, most, failed, again]);
        }
        self.rows.extend([start, idle]);
    }

    /// How long the caller waits when little goes on.
    fn setup(&mut self) {
        let mut half = Row::new("setup at 100/s, answered at once, median, ms", Show::Median { decimals: 2 });
        self.take_turns("setup", &self.kinds, |kind| {
            let _server = Server::start_for_calls(kind);
            let mut phones = Phones::new();
            let calls = phones.establish(SET_UP);
            phones.hang_up();
            half.add(kind, calls.iter().map(|call| ms(call.setup)).collect::<Samples>().median());
        });
        self.rows.push(half);
    }

    /// CPU time of relayed calls, and what relaying does to packets.
    fn media(&mut self) {
        let relays: Vec<Kind> = self.kinds.iter().copied().filter(|kind| *kind != Kind::Kamailio).collect();
        for &calls in self.plan.media_calls {
            let mut cpu =
                Row::new(format!("relay, % of a core a call, {calls} calls"), Show::Median { decimals: 3 });
            let mut half =
                Row::new(format!("relay delay, median, ms, {calls} calls"), Show::Median { decimals: 3 });
            let mut most =
                Row::new(format!("relay delay, 99 %, ms, {calls} calls"), Show::Median { decimals: 3 });
            let mut loss = Row::new(format!("packets lost, %, {calls} calls"), Show::Median { decimals: 3 });
            let mut failed = Row::new(format!("failed calls, {calls} calls"), Show::Sum);
            self.take_turns(&format!("media of {calls} calls"), &relays, |kind| {
                let server = Server::start_for_calls(kind);
                let outcome = media::measure(&server, calls, self.plan.media_time);
                cpu.add(kind, (outcome.calls > 0).then(|| outcome.cpu_percent / outcome.calls as f64));
                half.add(kind, outcome.delay_ms.percentile(50.0));
                most.add(kind, outcome.delay_ms.percentile(99.0));
                loss.add(kind, (outcome.sent > 0).then(|| outcome.loss_percent()));
                failed.add(kind, outcome.failed as f64);
            });
            self.rows.extend([cpu, half, most, loss, failed]);
        }
    }

    /// Memory of calls that are held.
    fn memory(&mut self) {
        let mut memory =
            Row::new(format!("memory a call, KiB, {} held", HELD.count), Show::Median { decimals: 1 });
        let mut failed = Row::new(format!("failed calls, {} held", HELD.count), Show::Sum);
        self.take_turns("memory", &self.kinds, |kind| {
            let server = Server::start_for_calls(kind);
            let before = server.memory_kib();
            let calls = sipp::Calls::begin(HELD, Duration::from_secs(60));
            let up = calls.wait_up(HELD);
            std::thread::sleep(SETTLE);
            let used = server.memory_kib().saturating_sub(before);
            memory.add(kind, (up > 0).then(|| used as f64 / f64::from(up)));
            failed.add(kind, f64::from(HELD.count - up));
        });
        self.rows.extend([memory, failed]);
    }

    /// Registrations with digest, for each second of CPU time.
    fn registrations(&mut self) {
        let registrars: Vec<Kind> =
            self.kinds.iter().copied().filter(|kind| *kind != Kind::KamailioWithMedia).collect();
        let load = Load::lasting(self.plan.registration_rate, self.plan.registration_time);
        let at = format!("at {}/s", load.rate);
        let mut each = Row::new(format!("registrations a CPU second {at}"), Show::Median { decimals: 0 });
        let mut failed = Row::new(format!("failed registrations {at}"), Show::Sum);
        self.take_turns("registrations", &registrars, |kind| {
            let server = Server::start_for_registrations(kind);
            let before = server.cpu();
            let outcome = sipp::register(load);
            let used = server.cpu() - before;
            each.add(
                kind,
                (outcome.successful > 0).then(|| f64::from(outcome.successful) / used.as_secs_f64()),
            );
            failed.add(kind, f64::from(outcome.failed));
        });
        self.rows.extend([each, failed]);
    }

    /// The most calls a second of which fewer than one in a thousand fail, for 20 s.
    fn highest_rate(&mut self) {
        let mut row = Row::new("highest rate held 20 s, calls/s", Show::Median { decimals: 0 });
        for &kind in &self.kinds {
            row.add(
                kind,
                f64::from(highest_rate(|rate| {
                    eprintln!("highest rate: {} at {rate}/s", kind.name());
                    let server = Server::start_for_calls(kind);
                    let load = Load::lasting(rate, Duration::from_secs(20));
                    let outcome = sipp::call(load, HOLD);
                    drop(server);
                    outcome.failed * 1000 < load.count
                })),
            );
        }
        self.rows.push(row);
    }

    /// Measures each server in turn, again and again.
    fn take_turns(&self, what: &str, kinds: &[Kind], mut measure: impl FnMut(Kind)) {
        for repetition in 1..=self.plan.repetitions {
            for &kind in kinds {
                eprintln!("{what}: {} ({repetition} of {})", kind.name(), self.plan.repetitions);
                measure(kind);
            }
        }
    }
}

/// The highest rate that holds, to within a tenth or so: doubled until it does not, then halved in
/// between.
fn highest_rate(mut holds: impl FnMut(u32) -> bool) -> u32 {
    const FIRST: u32 = 200;
    const LIMIT: u32 = 6400;
    let (mut held, mut failed) = (0, FIRST);
    while failed <= LIMIT && holds(failed) {
        (held, failed) = (failed, 2 * failed);
    }
    while failed - held > (held / 10).max(FIRST / 10) && failed <= LIMIT {
        let between = (held + failed) / 2;
        if holds(between) { held = between } else { failed = between }
    }
    held
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_rate_is_found_from_below() {
        for most in [150, 200, 1111, 2449] {
            let found = highest_rate(|rate| rate <= most);
            assert!(found <= most && found >= most * 4 / 5, "{found} for {most}");
        }
        assert_eq!(highest_rate(|_| false), 0);
        assert_eq!(highest_rate(|_| true), 6400);
    }
}
