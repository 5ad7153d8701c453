//! SIPp: calls that follow a script, one or thousands, and a count of those that did not.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use tempfile::TempDir;

use crate::Transport;
use crate::ports::{self, Ports};
use crate::process::{PATIENCE, Process, wait_until, work_dir};

/// Above this many calls a record of every message would slow SIPp down more than it helps.
const CALLS_WORTH_TRACING: u32 = 20;

/// A scenario with its settings.
#[derive(Clone, Debug)]
pub struct Scenario {
    name: String,
    ip: IpAddr,
    target: Option<SocketAddr>,
    transport: Transport,
    calls: Option<u32>,
    status: Option<String>,
    args: Vec<String>,
    data: Option<String>,
    sound: Duration,
}

impl Scenario {
    /// A scenario of `interop/scenarios/`, named without `.xml`, for one call from 127.0.0.1.
    pub fn new(name: &str) -> Scenario {
        Scenario {
            name: name.to_owned(),
            ip: Ipv4Addr::LOCALHOST.into(),
            target: None,
            transport: Transport::Udp,
            calls: Some(1),
            status: None,
            args: Vec::new(),
            data: None,
            sound: Duration::ZERO,
        }
    }

    /// Sits on another loopback address.
    pub fn on(mut self, ip: IpAddr) -> Self {
        self.ip = ip;
        self
    }

    /// Calls this server. A scenario that only answers needs none.
    pub fn target(mut self, server: SocketAddr) -> Self {
        self.target = Some(server);
        self
    }

    /// Talks over this transport; TCP uses one connection for all calls.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// Ends after this many calls.
    pub fn calls(mut self, count: u32) -> Self {
        self.calls = Some(count);
        self
    }

    /// Goes on until stopped.
    pub fn endless(mut self) -> Self {
        self.calls = None;
        self
    }

    /// Starts this many calls a second.
    pub fn rate(self, calls_per_second: u32) -> Self {
        self.arg("-r").arg(calls_per_second)
    }

    /// Keeps no more than this many calls up at a time.
    pub fn limit(self, calls: u32) -> Self {
        self.arg("-l").arg(calls)
    }

    /// The number to call.
    pub fn number(self, number: &str) -> Self {
        self.arg("-s").arg(number)
    }

    /// The number the call comes from.
    pub fn from(self, user: &str) -> Self {
        self.key("caller", user)
    }

    /// Who to be when challenged.
    pub fn credentials(self, user: &str, password: &str) -> Self {
        self.from(user).arg("-au").arg(user).arg("-ap").arg(password)
    }

    /// How long a call lasts, for scenarios that hang up.
    pub fn duration(self, length: Duration) -> Self {
        self.arg("-d").arg(length.as_millis())
    }

    /// The answer that `uas_reject` gives and `uac_refused` gets, such as `503 Service Unavailable`.
    pub fn status(mut self, status: &str) -> Self {
        self.status = Some(status.to_owned());
        self
    }

    /// Sends the RTP it gets back to where it came from.
    pub fn echo(self) -> Self {
        self.arg("-rtp_echo")
    }

    /// Sets `[name]` in the scenario.
    pub fn key(self, name: &str, value: &str) -> Self {
        self.arg("-key").arg(name).arg(value)
    }

    /// Sets `[field0]`, `[field1]` and so on in the scenario, a line for each call.
    pub fn data(mut self, lines: &[&str]) -> Self {
        self.data = Some(format!("SEQUENTIAL\n{}\n", lines.join("\n")));
        self
    }

    /// So much A-law silence for the scenario to send.
    pub fn sound(mut self, length: Duration) -> Self {
        self.sound = length;
        self
    }

    /// Adds any argument of SIPp's.
    pub fn arg(mut self, arg: impl ToString) -> Self {
        self.args.push(arg.to_string());
        self
    }

    /// Starts SIPp, and waits until it listens.
    #[track_caller]
    pub fn start(self) -> Sipp {
        self.start_at(Ports::take(8))
    }

    /// Starts SIPp behind something that has to know its address, and that it has to know: `[behind]` in the scenario.
    #[track_caller]
    pub fn start_behind<T>(
        self,
        open: impl FnOnce(SocketAddr) -> T,
        front: impl FnOnce(&T) -> SocketAddr,
    ) -> (Sipp, T) {
        let ports = Ports::take(8);
        let opened = open(SocketAddr::new(self.ip, ports.port(SIP)));
        let front = front(&opened).to_string();
        (self.key("behind", &front).start_at(ports), opened)
    }

    #[track_caller]
    fn start_at(self, ports: Ports) -> Sipp {
        let addr = SocketAddr::new(self.ip, ports.port(SIP));
        let dir = work_dir("sipp");
        let mut process =
            Process::start(&self.name, dir.path(), "sipp", self.command(dir.path(), &ports), &[]);
        process.also_show(dir.path().join(ERRORS));
        process.also_show(dir.path().join(MESSAGES));

        let mut sipp = Sipp { addr, process, dir, _ports: ports };
        if self.target.is_none() {
            sipp.wait_listening(self.transport);
        }
        sipp
    }

    /// Runs it to its end, and panics unless every call went by the script.
    #[track_caller]
    pub fn run(self) -> Stats {
        self.start().wait_passed(PATIENCE)
    }

    fn command(&self, dir: &Path, ports: &Ports) -> Vec<String> {
        fs::write(dir.join(SCENARIO), self.script()).expect("the scenario can be written");
        let mut args = ["-sf", SCENARIO].map(str::to_owned).to_vec();
        let ip = self.ip.to_string();
        let (sip, media) = (ports.port(SIP).to_string(), ports.port(MEDIA).to_string());
        for arg in ["-i", &ip, "-p", &sip, "-mi", &ip, "-mp", &media] {
            args.push(arg.to_owned());
        }
        let transport = match self.transport {
            Transport::Udp => "u1",
            Transport::Tcp => "t1",
        };
        args.extend(["-t", transport, "-nostdin"].map(str::to_owned));
        // Keeps SIPp from taking a free port of its choice for remote control.
        args.extend(["-cp".to_owned(), ports.port(REMOTE).to_string()]);
        args.extend(["-trace_stat", "-fd", "1", "-stf", STATS].map(str::to_owned));
        args.extend(["-trace_err", "-error_file", ERRORS].map(str::to_owned));
        if let Some(calls) = self.calls {
            args.extend(["-m".to_owned(), calls.to_string()]);
        }
        if self.calls.is_some_and(|calls| calls <= CALLS_WORTH_TRACING) {
            args.extend(["-trace_msg", "-message_file", MESSAGES].map(str::to_owned));
        }
        if !self.sound.is_zero() {
            let bytes = self.sound.as_millis() as usize * ALAW_PER_MS;
            fs::write(dir.join(SOUND), vec![ALAW_SILENCE; bytes]).expect("the sound can be written");
        }
        if let Some(data) = &self.data {
            fs::write(dir.join(DATA), data).expect("the data can be written");
            args.extend(["-inf", DATA].map(str::to_owned));
        }
        args.extend(self.args.iter().cloned());
        // Scenarios name who they call from even if no one told; the first setting wins.
        args.extend(["-key", "caller", "sipp"].map(str::to_owned));
        args.extend(self.target.map(|target| target.to_string()));
        args
    }

    /// The scenario's text. SIPp wants to know a status before it looks at settings of its own.
    fn script(&self) -> String {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(&self.name).with_extension("xml");
        let script = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        match &self.status {
            Some(status) => {
                let code = status.split(' ').next().unwrap_or_default();
                script
                    .replace("SIP/2.0 [status]", &format!("SIP/2.0 {status}"))
                    .replace("\"[code]\"", &format!("{code:?}"))
            }
            None => script,
        }
    }
}

const SIP: u16 = 0;
const REMOTE: u16 = 1;
const MEDIA: u16 = 2;

const SCENARIO: &str = "scenario.xml";
const STATS: &str = "stats.csv";
const ERRORS: &str = "errors.log";
const MESSAGES: &str = "messages.log";
const DATA: &str = "data.csv";
const SOUND: &str = "sound.alaw";
const ALAW_PER_MS: usize = 8;
const ALAW_SILENCE: u8 = 0xd5;

/// What SIPp counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Calls started or taken.
    pub created: u64,
    /// Calls that went by the script.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Messages sent again for want of an answer.
    pub retransmissions: u64,
}

/// A running SIPp.
#[derive(Debug)]
pub struct Sipp {
    addr: SocketAddr,
    process: Process,
    dir: TempDir,
    _ports: Ports,
}

impl Sipp {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits for its end; tells how it ended and what it counted. It ends with 0 if every call went
    /// by the script, with 1 if some did not.
    #[track_caller]
    pub fn wait_ended(&mut self, limit: Duration) -> (ExitStatus, Stats) {
        let status = self.process.wait_ended(limit);
        (status, self.stats())
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.process.ended().is_some()
    }

    /// Waits for its end; panics unless every call went by the script.
    #[track_caller]
    pub fn wait_passed(&mut self, limit: Duration) -> Stats {
        let (status, stats) = self.wait_ended(limit);
        assert!(status.success() && stats.failed == 0, "sipp failed ({status}): {stats:?}");
        stats
    }

    /// Ends it at once, and starts another at the same address.
    #[track_caller]
    pub fn replace(self, next: Scenario) -> Sipp {
        let Sipp { process, dir, _ports: ports, .. } = self;
        drop((process, dir));
        next.start_at(ports)
    }

    /// Ends one that would go on, and tells what it had counted within the last second.
    pub fn stop(&mut self) -> Stats {
        self.process.stop(Duration::from_secs(2));
        self.stats()
    }

    /// What it counted so far; written once a second and at the end.
    pub fn stats(&self) -> Stats {
        let table = fs::read_to_string(self.dir.path().join(STATS)).unwrap_or_default();
        parse_stats(&table).unwrap_or_default()
    }

    /// Every message of a run of few calls, as SIPp saw it.
    pub fn messages(&self) -> String {
        fs::read_to_string(self.dir.path().join(MESSAGES)).unwrap_or_default()
    }

    #[track_caller]
    fn wait_listening(&mut self, transport: Transport) {
        wait_until("sipp to listen", PATIENCE, || {
            self.process.must_run("starting");
            match transport {
                Transport::Udp => ports::udp_is_bound(self.addr),
                Transport::Tcp => ports::tcp_is_bound(self.addr),
            }
        });
    }
}

/// Reads the last whole line of the table; `(C)` marks columns that count from the start.
fn parse_stats(table: &str) -> Option<Stats> {
    let mut lines = table.lines();
    let names: Vec<&str> = lines.next()?.split(';').collect();
    let values: Vec<&str> = lines.rfind(|line| line.split(';').count() >= names.len())?.split(';').collect();
    let column = |name: &str| values[names.iter().position(|n| *n == name)?].parse().ok();
    Some(Stats {
        created: column("TotalCallCreated")?,
        successful: column("SuccessfulCall(C)")?,
        failed: column("FailedCall(C)")?,
        retransmissions: column("Retransmissions(C)")?,
    })
}
