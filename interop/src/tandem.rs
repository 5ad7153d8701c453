//! The real Tandem binary, with a data directory and ports of its own.

pub mod rest;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use tempfile::TempDir;

use self::rest::Rest;
use crate::ports::Ports;
use crate::process::{PATIENCE, Process, wait_until, work_dir};

const TOKEN: &str = "interop-admin-token";

/// How to start Tandem.
#[derive(Clone, Debug)]
pub struct Tandem {
    ip: IpAddr,
    rtp_ports: u16,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl Tandem {
    /// On 127.0.0.1, with SIP over UDP and TCP on one port, and enough RTP ports for ten calls.
    pub fn new() -> Tandem {
        Tandem { ip: Ipv4Addr::LOCALHOST.into(), rtp_ports: 40, args: Vec::new(), env: Vec::new() }
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

    /// Starts it and waits until it is healthy.
    #[track_caller]
    pub fn start(self) -> Server {
        let ports = Ports::take(FIRST_RTP + self.rtp_ports);
        let rest = Rest::new(SocketAddr::new(self.ip, ports.port(HTTP)), TOKEN);
        let mut server = Server { settings: self, ports, dir: work_dir("server"), rest, process: None };
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

/// A Tandem with its data, running or not.
#[derive(Debug)]
pub struct Server {
    settings: Tandem,
    ports: Ports,
    dir: TempDir,
    rest: Rest,
    process: Option<Process>,
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

    /// The ports it may use for RTP.
    pub fn rtp_ports(&self) -> std::ops::RangeInclusive<u16> {
        self.ports.port(FIRST_RTP)..=self.ports.port(FIRST_RTP + self.settings.rtp_ports - 1)
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
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
        let process = self.process.as_mut().expect("it was started");
        process.terminate();
        process.wait_ended(limit)
    }

    /// Starts it again with the same data, ports and settings, ending it at once if it still runs.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill9();
        let env: Vec<(&str, &str)> = [("TANDEM_ADMIN_TOKEN", TOKEN)]
            .into_iter()
            .chain(self.settings.env.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .collect();
        let mut process = Process::start("tandem", self.dir.path(), binary(), self.args(), &env);
        wait_until("tandem to be healthy", PATIENCE, || {
            process.must_run("starting");
            self.rest.is_healthy()
        });
        self.process = Some(process);
    }

    fn args(&self) -> Vec<String> {
        let (sip, http, rtp) = (self.sip(), self.rest.addr(), self.rtp_ports());
        let mut args = vec!["serve".to_owned()];
        for (name, value) in [
            ("--data", self.data_dir().display().to_string()),
            ("--sip", format!("udp:{sip}")),
            ("--sip", format!("tcp:{sip}")),
            ("--http", http.to_string()),
            ("--rtp-ports", format!("{}-{}", rtp.start(), rtp.end())),
        ] {
            args.extend([name.to_owned(), value]);
        }
        args.extend(self.settings.args.iter().cloned());
        args
    }
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
