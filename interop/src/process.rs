//! Child processes that never outlive the test, and waiting for what they do.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Long enough for anything a healthy peer does on a busy machine. Nothing waits this long unless
/// the test is about to fail.
pub const PATIENCE: Duration = Duration::from_secs(10);

const POLL: Duration = Duration::from_millis(5);
const TAIL_LINES: usize = 60;

/// Runs the peer in place of the shell, after leaving a guard in its process group: the guard
/// reads from a pipe that the test holds open, so it wakes when the test is gone, however it went,
/// and takes the group with it. A drop handler alone would not run when a test runner kills a test
/// that takes too long. A file that may not grow is told to the writer, and does not end it.
const GUARDED: &str =
    r#"trap '' XFSZ; exec 3<&0; { read -r _ <&3; kill -KILL 0; } & exec "$@" 3<&- </dev/null"#;

/// A running program. Dropping it kills the program and all that it started.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    more_logs: Vec<PathBuf>,
    /// Once the group is gone, its number may come to mean someone else's.
    killed: bool,
}

impl Process {
    /// Starts `program` in `dir`; what it prints is appended to `<name>.log` there.
    pub fn start<A: AsRef<OsStr>>(
        name: &str,
        dir: &Path,
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = A>,
        env: &[(&str, &str)],
    ) -> Process {
        let program = find(program.as_ref());
        let log = dir.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log).expect("the log can be opened");
        let err = out.try_clone().expect("the log's handle can be copied");
        let child = Command::new("sh")
            .args(["-c", GUARDED, "sh"])
            .arg(&program)
            .args(args)
            .envs(env.iter().copied())
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("{} does not start: {e}", program.display()));
        Process { name: name.to_owned(), child, log, more_logs: Vec::new(), killed: false }
    }

    /// Names another file whose end tells what went wrong when a test fails.
    pub fn also_show(&mut self, log: PathBuf) {
        self.more_logs.push(log);
    }

    /// How the program ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Panics if the program ended; `doing` says what it should have been doing instead.
    #[track_caller]
    pub fn must_run(&mut self, doing: &str) {
        if let Some(status) = self.ended() {
            panic!("{} ended ({status}) while {doing}", self.name);
        }
    }

    /// Waits for the program to end by itself.
    #[track_caller]
    pub fn wait_ended(&mut self, limit: Duration) -> ExitStatus {
        wait_for(&format!("{} to end", self.name), limit, || self.ended())
    }

    /// Asks the program to end.
    pub fn terminate(&mut self) {
        self.signal(Signal::SIGTERM);
    }

    /// Sends the program a signal, if it still runs.
    pub fn signal(&mut self, signal: Signal) {
        // A program that was waited for has no number of its own any more.
        if self.ended().is_none() {
            signal::kill(self.pid(), signal).ok();
        }
    }

    /// Stops the program and everything it started where they are: their sockets stay, and nobody reads from them.
    pub fn freeze(&mut self) {
        if self.ended().is_none() {
            signal::killpg(self.pid(), Signal::SIGSTOP).ok();
        }
    }

    /// Asks the program to end, and insists if it has not after `limit`. Tells whether asking was
    /// enough.
    pub fn stop(&mut self, limit: Duration) -> bool {
        self.terminate();
        let stopped = poll(limit, || self.ended()).is_some();
        self.kill();
        stopped
    }

    /// Ends the program and everything it started, at once.
    pub fn kill(&mut self) {
        if self.killed {
            return;
        }
        self.killed = true;
        // The guard holds the group's number until here, even if the program itself is gone.
        signal::killpg(self.pid(), Signal::SIGKILL).ok();
        self.child.wait().ok();
    }

    /// All that the program printed so far, without colours.
    pub fn log(&self) -> String {
        read_plain(&self.log)
    }

    /// Its number, while it runs.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            for log in [&self.log].into_iter().chain(&self.more_logs) {
                eprintln!("--- {}: the end of {}\n{}", self.name, log.display(), tail(&read_plain(log)));
            }
        }
    }
}

/// A directory for a peer's files, gone when dropped unless `TANDEM_INTEROP_KEEP` is set.
pub fn work_dir(name: &str) -> TempDir {
    tempfile::Builder::new()
        .prefix(&format!("tandem-{name}-"))
        .disable_cleanup(std::env::var_os("TANDEM_INTEROP_KEEP").is_some())
        .tempdir()
        .expect("a temporary directory can be made")
}

/// Waits until `condition` holds; panics after `limit`, naming `what` never came.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, limit, || condition().then_some(()));
}

/// Waits until `look` finds something; panics after `limit`, naming `what` never came.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, look: impl FnMut() -> Option<T>) -> T {
    match poll(limit, look) {
        Some(found) => found,
        None => panic!("waited {limit:?} in vain for {what}"),
    }
}

fn poll<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        // Looks once more at the deadline: on a busy machine the sleep may last past it.
        let last = Instant::now() >= deadline;
        match look() {
            Some(found) => return Some(found),
            None if last => return None,
            None => thread::sleep(POLL),
        }
    }
}

/// The program's full path. Looked up here because the shell would report a missing one only in
/// the log, and because daemons live in directories that are not on everyone's path.
pub(crate) fn find(program: &OsStr) -> PathBuf {
    if Path::new(program).components().count() > 1 {
        return PathBuf::from(program);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| panic!("{} is not installed: run tools/install-test-tools", program.display()))
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

fn read_plain(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    without_escapes(&String::from_utf8_lossy(&bytes))
}

/// Drops terminal escape sequences: ESC, `[`, parameters, one letter.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            chars.find(|c| c.is_ascii_alphabetic());
        } else if c != '\r' {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(pid: i32) -> bool {
        // A killed process may stay a zombie until its new parent looks at it; that is not alive.
        fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn a_drop_takes_the_grandchildren_too() {
        let dir = work_dir("process");
        let process =
            Process::start("parent", dir.path(), "sh", ["-c", "sleep 60 & echo child $!; wait"], &[]);
        let grandchild: i32 = wait_for("the grandchild's id", PATIENCE, || {
            process.log().strip_prefix("child ")?.strip_suffix('\n')?.parse().ok()
        });
        assert!(alive(grandchild));
        drop(process);
        wait_until("the grandchild to be gone", PATIENCE, || !alive(grandchild));
    }

    #[test]
    fn the_guard_ends_the_process_when_its_pipe_closes() {
        let dir = work_dir("process");
        let mut process = Process::start("orphan", dir.path(), "sleep", ["60"], &[]);
        drop(process.child.stdin.take());
        process.wait_ended(PATIENCE);
    }

    #[test]
    fn stopping_tells_whether_asking_was_enough() {
        let dir = work_dir("process");
        assert!(Process::start("polite", dir.path(), "sleep", ["60"], &[]).stop(PATIENCE));

        let mut deaf =
            Process::start("deaf", dir.path(), "sh", ["-c", "trap '' TERM; echo up; sleep 60"], &[]);
        wait_until("the trap", PATIENCE, || deaf.log().contains("up"));
        assert!(!deaf.stop(Duration::from_millis(50)));
    }

    #[test]
    fn logs_come_without_colours() {
        assert_eq!(without_escapes("\x1b[31mred\x1b[;m\r\nplain"), "red\nplain");
    }
}
