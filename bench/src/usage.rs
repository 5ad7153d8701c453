//! What a server uses, as the kernel counts it. A server is several processes, and which ones changes;
//! they have in common that they work in the directory which the server was started in.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `USER_HZ`: the unit of times in /proc, the same on every machine that Linux runs on today.
const TICKS_PER_SECOND: u32 = 100;

/// The CPU time, user and system, that processes in `dir` and their ended children have used.
pub fn cpu(dir: &Path) -> Duration {
    let ticks: u32 = processes(dir).iter().filter_map(|process| ticks(process)).sum();
    Duration::from_secs(1) / TICKS_PER_SECOND * ticks
}

/// The CPU time, user and system, that this program has used.
pub fn own_cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("it can be asked for");
    let duration = |time: TimeVal| Duration::from_micros(time.num_microseconds() as u64);
    duration(usage.user_time()) + duration(usage.system_time())
}

/// The memory of processes in `dir` in KiB; what they share counts once. Memory of the kernel's, such
/// as socket buffers, is not in it.
pub fn memory_kib(dir: &Path) -> u64 {
    processes(dir).iter().filter_map(|process| proportional_kib(process)).sum()
}

/// The /proc directories of the processes that work in `dir`, less the shells that guard them.
pub fn processes(dir: &Path) -> Vec<PathBuf> {
    let works_there = |process: &PathBuf| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == dir);
    let is_guard =
        |process: &PathBuf| fs::read_to_string(process.join("comm")).is_ok_and(|name| name == "sh\n");
    let all = fs::read_dir("/proc").expect("there is /proc").filter_map(Result::ok).map(|entry| entry.path());
    all.filter(|process| works_there(process) && !is_guard(process)).collect()
}

fn ticks(process: &Path) -> Option<u32> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The name, in brackets, may hold anything; utime, stime, cutime and cstime are fields 14 to 17.
    let after_name = stat.rsplit_once(") ")?.1;
    Some(after_name.split(' ').skip(11).take(4).filter_map(|field| field.parse::<u32>().ok()).sum())
}

fn proportional_kib(process: &Path) -> Option<u64> {
    let rollup = fs::read_to_string(process.join("smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use tandem_interop::process::{PATIENCE, Process, wait_until, work_dir};

    #[test]
    fn what_a_busy_process_uses_is_seen_and_nothing_else() {
        let (dir, other) = (work_dir("usage"), work_dir("usage"));
        let _busy = Process::start("busy", dir.path(), "bash", ["-c", "while :; do :; done"], &[]);
        let started = Instant::now();
        wait_until("some use", PATIENCE, || cpu(dir.path()) >= Duration::from_millis(100));
        assert!(cpu(dir.path()) <= started.elapsed() + Duration::from_millis(50));
        assert!(memory_kib(dir.path()) > 100);
        assert_eq!((cpu(other.path()), memory_kib(other.path())), (Duration::ZERO, 0));
    }
}
