//! SIPp as the load: it calls, it is called, it registers.

use crate::lab;
use crate::stats::Samples;
use std::fs;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};
use tandem_interop::ports::udp_is_bound;
use tandem_interop::process::{PATIENCE, Process, wait_until, work_dir};
use tempfile::TempDir;

/// So much a call or a registration may take beyond what it should before it counts as failed.
const GRACE: Duration = Duration::from_secs(4);

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

    fn length(self) -> Duration {
        Duration::from_secs(1) * self.count / self.rate
    }
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Calls or registrations that went by the script in time.
    pub successful: u32,
    /// Those that did not, or were not even begun in time.
    pub failed: u32,
    /// Messages sent again, by either side, for want of an answer.
    pub retransmissions: u32,
    /// From the first request to its final answer, in ms.
    pub response_ms: Samples,
}

/// Calls that hold for so long, through the server to [`lab::CALLEE`] and back.
pub fn call(load: Load, hold: Duration) -> Outcome {
    let calls = Calls::begin(load, hold);
    calls.end(load, load.length() + hold + GRACE)
}

/// Registers the accounts in turn.
pub fn register(load: Load) -> Outcome {
    let mut data = "SEQUENTIAL\n".to_owned();
    for account in lab::ACCOUNTS {
        let password = lab::password(account);
        data += &format!("{account};[authentication username={account} password={password}]\n");
    }
    let phones = Sipp::start("register", REGISTER, lab::CALLER, &load.args("-inf data.csv"), &data);
    phones.outcome(load, load.length() + GRACE)
}

/// Calls under way.
#[derive(Debug)]
pub struct Calls {
    caller: Sipp,
    callee: Sipp,
}

impl Calls {
    /// Begins to call; the first call is begun when this returns.
    pub fn begin(load: Load, hold: Duration) -> Calls {
        let mut callee = Sipp::start("callee", CALLEE, lab::CALLEE, "-mp 7000", "");
        wait_until("the callee to listen", PATIENCE, || {
            callee.process.must_run("starting");
            udp_is_bound(lab::CALLEE.into())
        });
        let args = load.args(&format!("-s {} -d {} -mp 6000", lab::NUMBER, hold.as_millis()));
        Calls { caller: Sipp::start("caller", CALLER, lab::CALLER, &args, ""), callee }
    }

    /// Waits until all calls of the load are up, but not for ever; tells how many are.
    pub fn wait_up(&self, load: Load) -> u32 {
        let deadline = Instant::now() + load.length() + GRACE;
        loop {
            let up = last_of(&self.caller.table(), "CurrentCall").unwrap_or(0);
            if up >= load.count || Instant::now() >= deadline {
                return up;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn end(self, load: Load, limit: Duration) -> Outcome {
        let outcome = self.caller.outcome(load, limit);
        let callee = self.callee.stop();
        Outcome { retransmissions: outcome.retransmissions + callee.retransmissions, ..outcome }
    }
}

impl Load {
    fn args(self, more: &str) -> String {
        // SIPp would hold calls back when more are up than it thinks right.
        format!("{} -r {} -m {} -l {} {more}", lab::SERVER, self.rate, self.count, self.count)
    }
}

const CALLER: &str = include_str!("../scenarios/caller.xml");
const CALLEE: &str = include_str!("../scenarios/callee.xml");
const REGISTER: &str = include_str!("../scenarios/register.xml");

/// The commands, for those who want to do the same by hand.
pub fn commands() -> [String; 3] {
    let server = lab::SERVER;
    [
        format!("sipp {} -mp 7000", common_args(lab::CALLEE)),
        format!(
            "sipp {} {server} -r RATE -m COUNT -l COUNT -s {} -d HOLD -mp 6000",
            common_args(lab::CALLER),
            lab::NUMBER
        ),
        format!("sipp {} {server} -r RATE -m COUNT -l COUNT -inf data.csv", common_args(lab::CALLER)),
    ]
}

#[derive(Debug)]
struct Sipp {
    process: Process,
    dir: TempDir,
}

impl Sipp {
    fn start(name: &str, scenario: &str, at: SocketAddrV4, args: &str, data: &str) -> Sipp {
        let dir = work_dir("bench-sipp");
        fs::write(dir.path().join("scenario.xml"), scenario).expect("a scenario can be written");
        fs::write(dir.path().join("data.csv"), data).expect("data can be written");
        let args = format!("{} {args}", common_args(at));
        Sipp { process: Process::start(name, dir.path(), "sipp", args.split_whitespace(), &[]), dir }
    }

    fn outcome(mut self, load: Load, limit: Duration) -> Outcome {
        let ended = (0..limit.as_millis() / 10).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            self.process.ended().is_some()
        });
        if !ended {
            self.process.stop(Duration::from_secs(2));
        }
        let counted = self.counted();
        Outcome { failed: load.count.saturating_sub(counted.successful), ..counted }
    }

    fn stop(mut self) -> Outcome {
        self.process.stop(Duration::from_secs(2));
        self.counted()
    }

    fn counted(&self) -> Outcome {
        let table = self.table();
        let count = |column| last_of(&table, column).unwrap_or(0);
        Outcome {
            successful: count("SuccessfulCall(C)"),
            failed: count("FailedCall(C)"),
            retransmissions: count("Retransmissions(C)"),
            response_ms: self.response_times(),
        }
    }

    /// Its counts, a line a second, which begins with the names of the columns.
    fn table(&self) -> String {
        fs::read_to_string(self.dir.path().join("stat.csv")).unwrap_or_default()
    }

    /// SIPp writes them as `date;time;name`, times in ms, into a file with its process number in the name.
    fn response_times(&self) -> Samples {
        let files = fs::read_dir(self.dir.path()).expect("a directory can be read").filter_map(Result::ok);
        let of_times = files.filter(|file| file.file_name().to_string_lossy().ends_with("_rtt.csv"));
        let text: String = of_times.filter_map(|file| fs::read_to_string(file.path()).ok()).collect();
        text.lines().filter_map(|line| line.split(';').nth(1)?.parse().ok()).collect()
    }
}

fn common_args(at: SocketAddrV4) -> String {
    let (ip, port) = (at.ip(), at.port());
    format!(
        "-sf scenario.xml -i {ip} -p {port} -mi {ip} -t u1 -cp 8888 -ci {ip} -buff_size 4000000 -nostdin \
         -trace_stat -fd 1 -stf stat.csv -trace_rtt -rtt_freq 1 -timeout 120"
    )
}

/// The last line's value in a column of SIPp's table.
fn last_of(table: &str, column: &str) -> Option<u32> {
    let mut lines = table.lines();
    let at = lines.next()?.split(';').position(|name| name == column)?;
    lines.next_back()?.split(';').nth(at)?.parse().ok()
}
