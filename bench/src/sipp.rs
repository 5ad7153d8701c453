//! SIPp as the load, for a look whether it sees the same: the load of our own must not be what makes the difference.

use crate::lab;
use crate::load::Load;
use std::fs;
use std::net::SocketAddrV4;
use std::time::Duration;
use tandem_interop::ports::udp_is_bound;
use tandem_interop::process::{PATIENCE, Process, wait_until, work_dir};
use tempfile::TempDir;

/// So much a call may take beyond what it should before it counts as failed.
const GRACE: Duration = Duration::from_secs(4);

const CALLER: &str = include_str!("../scenarios/caller.xml");
const CALLEE: &str = include_str!("../scenarios/callee.xml");

/// Calls that hold for so long, through the server to [`lab::CALLEE`] and back; how many did not go by the script.
pub fn call(load: Load, hold: Duration) -> u32 {
    let mut callee = Sipp::start("callee", CALLEE, lab::CALLEE, "-mp 7000");
    wait_until("the callee to listen", PATIENCE, || {
        callee.process.must_run("starting");
        udp_is_bound(lab::CALLEE.into())
    });
    // SIPp would hold calls back when more are up than it thinks right.
    let args = format!(
        "{} -r {} -m {count} -l {count} -s {} -d {} -mp 6000",
        lab::SERVER,
        load.rate,
        lab::NUMBER,
        hold.as_millis(),
        count = load.count,
    );
    let mut caller = Sipp::start("caller", CALLER, lab::CALLER, &args);
    let limit = load.length() + hold + GRACE;
    let ended = (0..limit.as_millis() / 10).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        caller.process.ended().is_some()
    });
    if !ended {
        caller.process.stop(Duration::from_secs(2));
    }
    callee.process.stop(Duration::from_secs(2));
    load.count.saturating_sub(caller.count("SuccessfulCall(C)"))
}

/// The commands, for those who want to do the same by hand.
pub fn commands() -> [String; 2] {
    [
        format!("sipp {} -mp 7000", common_args(lab::CALLEE)),
        format!(
            "sipp {} {} -r RATE -m COUNT -l COUNT -s {} -d HOLD -mp 6000",
            common_args(lab::CALLER),
            lab::SERVER,
            lab::NUMBER
        ),
    ]
}

#[derive(Debug)]
struct Sipp {
    process: Process,
    dir: TempDir,
}

impl Sipp {
    fn start(name: &str, scenario: &str, at: SocketAddrV4, args: &str) -> Sipp {
        let dir = work_dir("bench-sipp");
        fs::write(dir.path().join("scenario.xml"), scenario).expect("a scenario can be written");
        let args = format!("{} {args}", common_args(at));
        Sipp { process: Process::start(name, dir.path(), "sipp", args.split_whitespace(), &[]), dir }
    }

    /// A count of its table, a line a second, which begins with the names of the columns.
    fn count(&self, name: &str) -> u32 {
        let table = fs::read_to_string(self.dir.path().join("stat.csv")).unwrap_or_default();
        last_of(&table, name).unwrap_or(0)
    }
}

fn common_args(at: SocketAddrV4) -> String {
    let (ip, port) = (at.ip(), at.port());
    format!(
        "-sf scenario.xml -i {ip} -p {port} -mi {ip} -t u1 -cp 8888 -ci {ip} -buff_size 4000000 -nostdin \
         -trace_stat -fd 1 -stf stat.csv -timeout 120"
    )
}

/// The last line's value in a column of SIPp's table.
fn last_of(table: &str, column: &str) -> Option<u32> {
    let mut lines = table.lines();
    let at = lines.next()?.split(';').position(|name| name == column)?;
    lines.next_back()?.split(';').nth(at)?.parse().ok()
}
