//! Side-by-side measurements of Tandem and Kamailio on one machine, in one run.
//!
//! Load and servers share the cores, so what counts is the CPU time of the server's processes at like
//! rates, not how fast it could go alone. Repetitions take turns between the servers, so that a machine
//! that grows slower grows slower for all; every repetition begins with a fresh server.

mod lab;
mod load;
mod media;
mod phones;
mod profile;
mod report;
mod server;
mod sipp;
mod stats;
mod usage;

use crate::load::{Load, Outcome};
use crate::phones::Phones;
use crate::report::{Row, Show};
use crate::server::{Kind, Server};
use crate::stats::Samples;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::path::Path;
use std::time::Duration;

/// For how long and how often things are measured.
struct Plan {
    how: &'static str,
    repetitions: usize,
    call_rates: Vec<u32>,
    call_time: Duration,
    media_calls: &'static [usize],
    media_time: Duration,
    registration_rates: Vec<u32>,
    registration_time: Duration,
    /// The highest rate is one that holds for so long, and is found to within this part of it.
    highest_time: Duration,
    highest_within: u32,
}

fn quick() -> Plan {
    Plan {
        how: "This is the quick run of some ten minutes; `make bench FULL=1` measures longer and more.",
        repetitions: 3,
        call_rates: vec![500, 1000],
        call_time: Duration::from_secs(3),
        media_calls: &[200],
        media_time: Duration::from_secs(3),
        registration_rates: vec![2000],
        registration_time: Duration::from_secs(3),
        highest_time: Duration::from_secs(4),
        highest_within: 4,
    }
}

fn full() -> Plan {
    Plan {
        how: "This is the long run (`FULL=1`).",
        repetitions: 3,
        call_rates: vec![500, 1000, 2000],
        call_time: Duration::from_secs(10),
        media_calls: &[100, 200, 400],
        media_time: Duration::from_secs(10),
        registration_rates: vec![1000, 4000],
        registration_time: Duration::from_secs(10),
        highest_time: Duration::from_secs(20),
        highest_within: 10,
    }
}

type Section = (&'static str, fn(&mut Bench));

const SECTIONS: [Section; 8] = [
    ("signalling", Bench::signalling),
    ("sipp", Bench::sipp),
    ("highest", Bench::highest_rates),
    ("setup", Bench::setup),
    ("media", Bench::media),
    ("memory", Bench::memory),
    ("registrations", Bench::registrations),
    ("profile", Bench::profile),
];

/// How long calls hold where their number does not matter.
const HOLD: Duration = Duration::from_secs(1);
/// Calls a second by SIPp, which does not do many more.
const SIPP_RATE: u32 = 500;
/// Calls or registrations a second of which it is looked where their time goes.
const PROFILED: u32 = 1000;
/// Calls that are set up to see how long it takes.
const SET_UP: usize = 150;
/// Calls that are held for the measurement of memory, and how fast they are set up.
const HELD: Load = Load { rate: 400, count: 2000 };
/// After the last of them was answered.
const SETTLE: Duration = Duration::from_secs(1);

/// `--full` for the long run, `--rate=N` for calls and registrations at one rate; names of sections or servers for a look at these alone, which writes no page.
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (options, names): (Vec<&str>, Vec<&str>) =
        args.iter().map(String::as_str).partition(|arg| arg.starts_with('-'));
    let (servers, sections): (Vec<&str>, Vec<&str>) =
        names.iter().partition(|name| Kind::ALL.iter().any(|kind| kind.short_name() == **name));
    let rate = options.iter().find_map(|option| option.strip_prefix("--rate=")?.parse().ok());
    let unknown = options.iter().find(|option| **option != "--full" && !option.starts_with("--rate="));
    let unknown =
        unknown.or_else(|| sections.iter().find(|name| SECTIONS.iter().all(|(known, _)| known != *name)));
    if let Some(unknown) = unknown {
        let known = SECTIONS.map(|(name, _)| name).join(", ");
        let servers = Kind::ALL.map(Kind::short_name).join(", ");
        eprintln!(
            "tandem-bench: {unknown:?} is not known; --full and --rate=N are, the sections {known}, and the servers {servers}"
        );
        std::process::exit(2);
    }

    lab::must_be_free();
    allow_open_files();
    let mut plan = if options.contains(&"--full") { full() } else { quick() };
    if let Some(rate) = rate {
        plan.call_rates = vec![rate];
        plan.registration_rates = vec![rate];
    }
    let how = plan.how;
    let mut kinds = kinds();
    kinds.retain(|kind| servers.is_empty() || servers.contains(&kind.short_name()));
    let mut bench = Bench { kinds, plan, rows: Vec::new(), profiles: String::new() };
    for (name, measure) in &SECTIONS {
        if sections.is_empty() || sections.contains(name) {
            measure(&mut bench);
        }
    }

    let table = report::table(&bench.rows, &bench.kinds);
    println!("{table}\n{}", bench.profiles);
    if sections.is_empty() && servers.is_empty() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
        std::fs::write(docs, report::page(&table, how, &bench.profiles, &bench.kinds))
            .expect("the page can be written");
    }
}

/// The servers whose programs are here.
fn kinds() -> Vec<Kind> {
    let is_here = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).any(|dir| dir.join(program).is_file());
        found || server::path_of(program).is_file() || Path::new("/usr/sbin").join(program).is_file()
    };
    Kind::ALL.into_iter().filter(|kind| kind.commands().iter().all(|(program, _)| is_here(program))).collect()
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
    /// Where the time goes, in Markdown.
    profiles: String,
}

impl Bench {
    /// CPU time a call at several rates.
    fn signalling(&mut self) {
        let mut start = Row::new("start to first answer, ms", Show::Median { decimals: 0 });
        let mut idle = Row::new("memory when idle, MiB", Show::Median { decimals: 1 });
        for rate in self.plan.call_rates.clone() {
            let load = Load::lasting(rate, self.plan.call_time);
            let mut cpu = Row::new(format!("CPU a call at {rate}/s, ms"), Show::Median { decimals: 3 });
            let mut most = Row::new(format!("setup at {rate}/s, 99 %, ms"), Show::Median { decimals: 1 });
            let mut failed = Row::new(format!("failed calls at {rate}/s"), Show::Sum);
            let mut again = Row::new(format!("retransmissions at {rate}/s"), Show::Sum);
            self.take_turns(&format!("{rate} calls/s"), &self.kinds, |kind| {
                let server = Server::start_for_calls(kind);
                start.add(kind, ms(server.started_in()));
                idle.add(kind, mib(server.memory_kib()));
                let before = server.cpu();
                let outcome = load::call(load, HOLD, kind.media());
                cpu.add(kind, ms(server.cpu() - before) / f64::from(load.count));
                most.add(kind, outcome.response_ms.percentile(99.0));
                failed.add(kind, f64::from(outcome.failed));
                again.add(kind, f64::from(outcome.retransmissions));
                tell(&outcome);
            });
            self.rows.extend([cpu, most, failed, again]);
        }
        self.rows.extend([start, idle]);
    }

    /// The same with another load, to see whether it is the load that makes the difference.
    fn sipp(&mut self) {
        let load = Load::lasting(SIPP_RATE, self.plan.call_time);
        let mut cpu =
            Row::new(format!("CPU a call at {SIPP_RATE}/s by SIPp, ms"), Show::Median { decimals: 3 });
        let mut failed = Row::new(format!("failed calls at {SIPP_RATE}/s by SIPp"), Show::Sum);
        self.take_turns("SIPp", &self.kinds, |kind| {
            let server = Server::start_for_calls(kind);
            let before = server.cpu();
            failed.add(kind, f64::from(sipp::call(load, HOLD)));
            cpu.add(kind, ms(server.cpu() - before) / f64::from(load.count));
        });
        self.rows.extend([cpu, failed]);
    }

    /// Where Tandem's time goes: signalling with media direct and anchored, and registrations.
    fn profile(&mut self) {
        let tandems: Vec<Kind> = self.kinds.iter().copied().filter(|kind| kind.is_tandem()).collect();
        let length = self.plan.call_time;
        for kind in tandems {
            self.profile_of(
                &format!("{}, {PROFILED} calls/s", kind.name()),
                Server::start_for_calls(kind),
                || load::call(Load::lasting(PROFILED, length), HOLD, kind.media()),
            );
        }
        if self.kinds.contains(&Kind::Tandem) {
            let server = Server::start_for_registrations(Kind::Tandem);
            self.profile_of(&format!("Tandem, {PROFILED} registrations/s"), server, || {
                load::register(Load::lasting(PROFILED, length))
            });
        }
    }

    fn profile_of(&mut self, what: &str, server: Server, load: impl FnOnce() -> Outcome) {
        eprintln!("profile: {what}");
        let before = profile::Threads::of(&server);
        let perf = profile::Perf::begin(&server, self.plan.call_time);
        tell(&load());
        let threads = profile::Threads::of(&server).since(&before);
        let functions = perf.and_then(profile::Perf::functions).unwrap_or_default();
        self.profiles += &format!("### {what}\n\n{threads}\n{functions}\n");
    }

    /// The most calls a second of which fewer than one in a thousand fail, and what is left of it at twice that.
    fn highest_rates(&mut self) {
        let length = self.plan.highest_time;
        let secs = length.as_secs();
        let mut held = Row::new(format!("highest rate held {secs} s, calls/s"), Show::Median { decimals: 0 });
        let mut busy = Row::new("CPU a call at that rate, ms", Show::Median { decimals: 3 });
        let mut good = Row::new("goodput at twice that rate, calls/s", Show::Median { decimals: 0 });
        for &kind in &self.kinds {
            let at = |rate: u32| {
                eprintln!("highest rate: {} at {rate}/s", kind.name());
                let server = Server::start_for_calls(kind);
                let before = server.cpu();
                let load = Load::lasting(rate, length);
                let outcome = load::call(load, HOLD, kind.media());
                tell(&outcome);
                (outcome, ms(server.cpu() - before) / f64::from(load.count))
            };
            let mut cpu = 0.0;
            let rate = highest_rate(self.plan.highest_within, |rate| {
                let (outcome, used) = at(rate);
                let holds = outcome.failed * 1000 < rate * secs as u32;
                if holds {
                    cpu = used;
                }
                holds
            });
            held.add(kind, f64::from(rate));
            busy.add(kind, cpu);
            let (outcome, _) = at(2 * rate.max(1));
            good.add(kind, f64::from(outcome.successful) / outcome.offered_in.max(length).as_secs_f64());
        }
        self.rows.extend([held, busy, good]);
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
        let relays: Vec<Kind> = self.kinds.iter().copied().filter(|kind| kind.relays()).collect();
        for &calls in self.plan.media_calls {
            let mut rows = RelayRows::new("relay", calls);
            let mut by_threads = RelayRows::new("relay by threads", calls);
            self.take_turns(&format!("media of {calls} calls"), &relays, |kind| {
                let measure = |server: &Server| media::measure(server, calls, self.plan.media_time);
                let outcome = measure(&Server::start_for_calls(kind));
                rows.add(kind, &outcome);
                match kind {
                    Kind::Tandem => by_threads.add(kind, &measure(&Server::start_for_calls_by_threads(kind))),
                    // It has no other way.
                    _ => by_threads.add(kind, &outcome),
                }
            });
            self.rows.extend(rows.0.into_iter().chain(by_threads.0));
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
            let calls = load::begin_calls(HELD, Duration::from_secs(60), kind.media());
            let up = calls.wait_up(HELD);
            std::thread::sleep(SETTLE);
            let used = server.memory_kib().saturating_sub(before);
            memory.add(kind, (up > 0).then(|| used as f64 / f64::from(up)));
            failed.add(kind, f64::from(HELD.count - up));
            calls.stop();
        });
        self.rows.extend([memory, failed]);
    }

    /// Registrations with digest, for each second of CPU time, and how many a second there may be.
    fn registrations(&mut self) {
        let registrars: Vec<Kind> = self.kinds.iter().copied().filter(|kind| kind.registers()).collect();
        for rate in self.plan.registration_rates.clone() {
            let load = Load::lasting(rate, self.plan.registration_time);
            let mut each =
                Row::new(format!("registrations a CPU second at {rate}/s"), Show::Median { decimals: 0 });
            let mut failed = Row::new(format!("failed registrations at {rate}/s"), Show::Sum);
            self.take_turns(&format!("{rate} registrations/s"), &registrars, |kind| {
                let server = Server::start_for_registrations(kind);
                let before = server.cpu();
                let outcome = load::register(load);
                let used = server.cpu() - before;
                tell(&outcome);
                each.add(
                    kind,
                    (outcome.successful > 0).then(|| f64::from(outcome.successful) / used.as_secs_f64()),
                );
                failed.add(kind, f64::from(outcome.failed));
            });
            self.rows.extend([each, failed]);
        }
        let secs = self.plan.highest_time.as_secs();
        let mut held =
            Row::new(format!("highest rate held {secs} s, registrations/s"), Show::Median { decimals: 0 });
        for &kind in &registrars {
            let rate = highest_rate(self.plan.highest_within, |rate| {
                eprintln!("highest rate: {} at {rate} registrations/s", kind.name());
                let _server = Server::start_for_registrations(kind);
                let load = Load::lasting(rate, self.plan.highest_time);
                let outcome = load::register(load);
                tell(&outcome);
                outcome.failed * 1000 < load.count
            });
            held.add(kind, f64::from(rate));
        }
        self.rows.push(held);
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

/// Says on the way what went wrong, if anything did.
fn tell(outcome: &Outcome) {
    if outcome.failed > 0 || outcome.retransmissions > 0 {
        eprintln!("    {}", outcome.why());
    }
}

/// The highest rate that holds, to within a part of it: doubled until it does not, then halved in between.
fn highest_rate(within: u32, mut holds: impl FnMut(u32) -> bool) -> u32 {
    const FIRST: u32 = 1000;
    const LIMIT: u32 = 32_000;
    let (mut held, mut failed) = (0, FIRST);
    while failed <= LIMIT && holds(failed) {
        (held, failed) = (failed, 2 * failed);
    }
    while failed - held > (held / within).max(FIRST / 10) && failed <= LIMIT {
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

/// What is told of a relay.
struct RelayRows([Row; 6]);

impl RelayRows {
    fn new(what: &str, calls: usize) -> RelayRows {
        let median =
            |text: &str| Row::new(format!("{what}{text}, {calls} calls"), Show::Median { decimals: 3 });
        RelayRows([
            median(", % of a core a call"),
            median(" with the kernel's part, % of a core a call"),
            median(" delay, median, ms"),
            median(" delay, 99 %, ms"),
            median(": packets lost, %"),
            Row::new(format!("{what}: failed calls, {calls} calls"), Show::Sum),
        ])
    }

    fn add(&mut self, kind: Kind, outcome: &media::Outcome) {
        let a_call = |percent: f64| (outcome.calls > 0).then(|| percent / outcome.calls as f64);
        let [cpu, whole, half, most, loss, failed] = &mut self.0;
        cpu.add(kind, a_call(outcome.cpu_percent));
        whole.add(kind, a_call(outcome.whole_percent));
        half.add(kind, outcome.delay_ms.percentile(50.0));
        most.add(kind, outcome.delay_ms.percentile(99.0));
        loss.add(kind, (outcome.sent > 0).then(|| outcome.loss_percent()));
        failed.add(kind, outcome.failed as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_rate_is_found_from_below() {
        for most in [1000, 1111, 2449, 20_000] {
            let found = highest_rate(10, |rate| rate <= most);
            assert!(found <= most && found >= most * 4 / 5, "{found} for {most}");
        }
        assert_eq!(highest_rate(10, |_| false), 0);
        assert_eq!(highest_rate(10, |_| true), 32_000);
    }
}
