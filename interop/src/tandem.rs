//! The real Tandem binary, with a data directory and ports of its own.

pub mod office;
pub mod rest;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use self::rest::Rest;
use crate::ports::Ports;
use crate::process::{PATIENCE, Process, wait_until, work_dir};
use crate::vitals::Vitals;

const TOKEN: &str = "interop-admin-token";

/// How to start Tandem.
#[derive(Clone, Debug)]
pub struct Tandem {
    ip: IpAddr,
    rtp_ports: u16,
    args: Vec<String>,
    env: Vec<(String, String)>,
    file: String,
    data: Option<PathBuf>,
    token: bool,
}

impl Tandem {
    /// On 127.0.0.1, with SIP over UDP and TCP on one port, and enough RTP ports for ten calls. It asks for MD5 alone, so that
    /// baresip, which gives up at a challenge that names another algorithm, need not try twice.
    pub fn new() -> Tandem {
        Tandem {
            ip: Ipv4Addr::LOCALHOST.into(),
            rtp_ports: 40,
            args: Vec::new(),
            env: vec![("TANDEM_AUTH_ALGORITHMS".to_owned(), "md5".to_owned())],
            file: String::new(),
            data: None,
            token: true,
        }
    }

    /// Sits on another loopback address.
    pub fn on(mut self, ip: IpAddr) -> Self {
        self.ip = ip;
        self
    }

    /// Has this many ports for RTP and RTCP; a call takes four.
    pub fn rtp_ports(mut self, count: u16) -> Self {
        self.rtp_ports = count;
        self
    }

    /// Adds an argument to `tandem serve`.
    pub fn arg(mut self, arg: impl ToString) -> Self {
        self.args.push(arg.to_string());
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What stands in `tandem.toml`.
    pub fn file(mut self, text: &str) -> Self {
        self.file = text.to_owned();
        self
    }

    /// Keeps its data in this folder, and not in one of its own.
    pub fn data(mut self, folder: &Path) -> Self {
        self.data = Some(folder.to_owned());
        self
    }

    /// Gives it no admin token, so that it makes one of its own.
    pub fn without_token(mut self) -> Self {
        self.token = false;
        self
    }

    fn args(&self, ports: &Ports, data: &Path) -> Vec<String> {
        let address = |offset| SocketAddr::new(self.ip, ports.port(offset));
        let last_rtp = ports.port(FIRST_RTP + self.rtp_ports - 1);
        let mut args = vec!["serve".to_owned()];
        for (name, value) in [
            ("--data", data.display().to_string()),
            ("--sip", format!("udp:{}", address(SIP))),
            ("--sip", format!("tcp:{}", address(SIP))),
            ("--http", address(HTTP).to_string()),
            ("--rtp-ports", format!("{}-{last_rtp}", ports.port(FIRST_RTP))),
        ] {
            args.extend([name.to_owned(), value]);
        }
        args.extend(self.args.iter().cloned());
        args
    }

    /// Starts it and waits until it is healthy.
    #[track_caller]
    pub fn start(self) -> Server {
        let ports = Ports::take(FIRST_RTP + self.rtp_ports);
        let rest = Rest::new(SocketAddr::new(self.ip, ports.port(HTTP)), TOKEN);
        let mut server = Server { settings: self, ports, rest, process: None, dir: work_dir("server") };
        server.restart();
        server
    }
}

impl Default for Tandem {
    fn default() -> Self {
        Tandem::new()
    }
}

const SIP: u16 = 0;
const HTTP: u16 = 1;
const FIRST_RTP: u16 = 2;

/// What a second server may want of a first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shared {
    /// The data folder.
    Data,
    /// The ports.
    Ports,
}

/// A Tandem with its data, running or not.
#[derive(Debug)]
pub struct Server {
    settings: Tandem,
    ports: Ports,
    rest: Rest,
    process: Option<Process>,
    // Last, so that the log is still there when the process shows its end.
    dir: TempDir,
}

impl Server {
    /// Where it listens for SIP, over UDP and TCP.
    pub fn sip(&self) -> SocketAddr {
        SocketAddr::new(self.settings.ip, self.ports.port(SIP))
    }

    /// The URI of a number here.
    pub fn uri(&self, number: &str) -> String {
        format!("sip:{number}@{}", self.sip())
    }

    /// Its REST interface, used as the administrator.
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// The token that it was given.
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// The ports it may use for RTP.
    pub fn rtp_ports(&self) -> std::ops::RangeInclusive<u16> {
        self.ports.port(FIRST_RTP)..=self.ports.port(FIRST_RTP + self.settings.rtp_ports - 1)
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.settings.data.clone().unwrap_or_else(|| self.dir.path().join("data"))
    }

    /// Its log since the first start.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    /// Ends it at once, as a crash would.
    pub fn kill9(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill();
        }
    }

    /// Asks it to end and waits until it has; panics if it does not within `limit`.
    #[track_caller]
    pub fn stop(&mut self, limit: Duration) -> ExitStatus {
        self.terminate();
        self.wait_ended(limit)
    }

    /// Asks it to end, and does not wait.
    pub fn terminate(&mut self) {
        self.process_mut().signal(Signal::SIGTERM);
    }

    /// Has it read its certificates anew.
    pub fn reload(&mut self) {
        self.process_mut().signal(Signal::SIGHUP);
    }

    /// Interrupts it, as Ctrl-C would.
    pub fn interrupt(&mut self) {
        self.process_mut().signal(Signal::SIGINT);
    }

    /// Waits for it to end by itself; panics if it does not within `limit`.
    #[track_caller]
    pub fn wait_ended(&mut self, limit: Duration) -> ExitStatus {
        self.process_mut().wait_ended(limit)
    }

    /// Starts another one that wants something which this one has; tells how it ended and what it said.
    #[track_caller]
    pub fn start_rival(&self, wants: Shared) -> (ExitStatus, String) {
        let ports = Ports::take(FIRST_RTP + self.settings.rtp_ports);
        let args = match wants {
            Shared::Data => self.settings.args(&ports, &self.data_dir()),
            Shared::Ports => self.settings.args(&self.ports, &self.dir.path().join("other-data")),
        };
        let mut rival = Process::start("rival", self.dir.path(), binary(), args, &[]);
        let status = rival.wait_ended(PATIENCE);
        (status, rival.log())
    }

    /// The number of its process.
    #[track_caller]
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("it was started").id()
    }

    /// What its process takes of the machine.
    #[track_caller]
    pub fn vitals(&self) -> Vitals {
        Vitals::of(self.process_id())
    }

    fn process_mut(&mut self) -> &mut Process {
        self.process.as_mut().expect("it was started")
    }

    /// Starts it again with the same data, ports and settings, ending it at once if it still runs.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill9();
        let token = self.settings.token.then_some(("TANDEM_ADMIN_TOKEN", TOKEN));
        let env: Vec<(&str, &str)> = token
            .into_iter()
            .chain(self.settings.env.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .collect();
        fs::write(self.dir.path().join("tandem.toml"), &self.settings.file).expect("the file can be written");
        let args = self.settings.args(&self.ports, &self.data_dir());
        let mut process = Process::start("tandem", self.dir.path(), binary(), args, &env);
        wait_until("tandem to be healthy", PATIENCE, || {
            process.must_run("starting");
            self.rest.is_healthy()
        });
        self.process = Some(process);
    }
}

/// Runs the binary to its end, which must come within `limit`; tells how it ended and what it said.
#[track_caller]
pub fn run(args: &[&str], limit: Duration) -> (ExitStatus, String) {
    let dir = work_dir("run");
    let mut process = Process::start("tandem", dir.path(), binary(), args, &[]);
    let status = process.wait_ended(limit);
    (status, process.log())
}

/// The binary to test: `TANDEM_BIN`, or the one that cargo built next to this test. Cargo does not
/// build another package's binary for a test, so that has to be done before.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("TANDEM_BIN") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().expect("a test knows its own path");
    test.ancestors()
        .skip(1)
        .map(|dir: &Path| dir.join("tandem"))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("no tandem near {}: run cargo build -p tandem", test.display()))
}
