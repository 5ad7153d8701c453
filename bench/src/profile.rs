//! Where a server's time goes: its threads as the kernel counts them, and, where `perf` is here, its functions as they
//! are met when one looks a few hundred times a second.

use crate::server::Server;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tandem_interop::process::work_dir;
use tempfile::TempDir;

/// Functions named.
const FUNCTIONS: usize = 15;

/// The times of a server's threads by their names, user and system, in ticks of the kernel.
#[derive(Clone, Debug, Default)]
pub struct Threads(BTreeMap<String, (u64, u64)>);

impl Threads {
    /// As they are now.
    pub fn of(server: &Server) -> Threads {
        let mut times = Threads::default();
        for process in server.processes() {
            let tasks = fs::read_dir(process.join("task")).into_iter().flatten().filter_map(Result::ok);
            for stat in tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok()) {
                let Some((name, user, system)) = read(&stat) else { continue };
                let time = times.0.entry(name).or_default();
                *time = (time.0 + user, time.1 + system);
            }
        }
        times
    }

    /// A table of what was used since `before`, in percent of all.
    pub fn since(&self, before: &Threads) -> String {
        let used = self.0.iter().map(|(name, (user, system))| {
            let (user_before, system_before) = before.0.get(name).copied().unwrap_or_default();
            (name, user.saturating_sub(user_before), system.saturating_sub(system_before))
        });
        let mut used: Vec<_> = used.filter(|(_, user, system)| user + system > 0).collect();
        used.sort_by_key(|(_, user, system)| std::cmp::Reverse(user + system));
        let all: u64 = used.iter().map(|(_, user, system)| user + system).sum();
        let percent = |ticks: u64| 100.0 * ticks as f64 / all.max(1) as f64;
        let mut table = "| thread | % of the time | in the kernel, % |\n| - | - | - |\n".to_owned();
        for (name, user, system) in used {
            writeln!(table, "| {name} | {:.0} | {:.0} |", percent(user + system), percent(system)).unwrap();
        }
        table
    }
}

/// Name, user and system time; the name is in brackets and may hold anything.
fn read(stat: &str) -> Option<(String, u64, u64)> {
    let (before, after) = stat.rsplit_once(") ")?;
    let name = before.split_once('(')?.1.to_owned();
    let mut fields = after.split(' ').skip(11);
    Some((name, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// `perf` at work on a server.
pub struct Perf {
    child: Child,
    dir: TempDir,
}

impl Perf {
    /// Begins to look; `None` where there is no `perf`.
    pub fn begin(server: &Server, length: Duration) -> Option<Perf> {
        let dir = work_dir("bench-perf");
        let of = server.processes().first()?.file_name()?.to_string_lossy().into_owned();
        let child = Command::new("perf")
            .args(["record", "-e", "cpu-clock", "-F", "4999", "-o", "data", "-p", &of, "--", "sleep"])
            .arg(length.as_secs().to_string())
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Some(Perf { child: child.ok()?, dir })
    }

    /// What was seen most, as a table.
    pub fn functions(mut self) -> Option<String> {
        self.child.wait().ok()?;
        let report = Command::new("perf")
            .args([
                "report",
                "-i",
                "data",
                "--no-children",
                "--stdio",
                "-t",
                "|",
                "-F",
                "overhead,comm,dso,sym",
            ])
            .current_dir(self.dir.path())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let report = String::from_utf8_lossy(&report.stdout).into_owned();
        let mut table = "| thread | of | function | % |\n| - | - | - | - |\n".to_owned();
        for line in report.lines().filter(|line| !line.starts_with('#')).take(FUNCTIONS + 1) {
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let [percent, thread, object, function, ..] = fields[..] else { continue };
            let object = object.trim_matches(['[', ']']);
            let function = function.trim_start_matches("[k] ").trim_start_matches("[.] ");
            writeln!(table, "| {thread} | {object} | `{function}` | {} |", percent.trim_end_matches('%'))
                .unwrap();
        }
        Some(table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_whose_name_has_brackets_is_read() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4 0 0 0 0 12 34 0 0 20 0 1 0 1 1 1";
        assert_eq!(read(stat), Some(("a (b) c".to_owned(), 12, 34)));
    }

    #[test]
    fn shares_are_of_what_was_used_meanwhile() {
        let threads = |times: [(&str, u64, u64); 2]| {
            Threads(times.into_iter().map(|(name, user, system)| (name.to_owned(), (user, system))).collect())
        };
        let before = threads([("engine", 100, 100), ("store", 7, 0)]);
        let after = threads([("engine", 110, 120), ("store", 17, 0)]);
        let table = after.since(&before);
        assert!(table.ends_with("| engine | 75 | 50 |\n| store | 25 | 0 |\n"), "{table}");
    }
}
