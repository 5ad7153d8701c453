//! Kamailio as a carrier: accounts that register and authenticate, numbers that belong to them,
//! and the telephone network behind it.

use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::ports::Ports;
use crate::process::{PATIENCE, Process, find, wait_for, wait_until, work_dir};

const LOGIC: &str = include_str!("../kamailio/carrier.cfg");

/// How a carrier behaves; see [`Carrier::new`] for what it does unless told otherwise.
#[derive(Clone, Debug)]
pub struct Carrier {
    ip: IpAddr,
    realm: String,
    accounts: Vec<(String, String)>,
    numbers: Vec<(String, String)>,
    routes: Vec<(String, SocketAddr)>,
    trusted: Vec<SocketAddr>,
    min_expires: u32,
    max_expires: u32,
    nonce_lifetime: u32,
    number_in_request_uri: bool,
}

impl Carrier {
    /// A carrier on 127.0.0.1 that grants registrations of up to an hour, and sends calls to an
    /// account's registered contact with the dialled number in the request URI.
    pub fn new() -> Carrier {
        Carrier {
            ip: Ipv4Addr::LOCALHOST.into(),
            realm: "carrier.test".to_owned(),
            accounts: Vec::new(),
            numbers: Vec::new(),
            routes: Vec::new(),
            trusted: Vec::new(),
            min_expires: 1,
            max_expires: 3600,
            nonce_lifetime: 300,
            number_in_request_uri: true,
        }
    }

    /// Listens on another loopback address.
    pub fn on(mut self, ip: IpAddr) -> Self {
        self.ip = ip;
        self
    }

    /// An account that may register and, once it proves its password, call.
    pub fn account(mut self, user: &str, password: &str) -> Self {
        self.accounts.push((user.to_owned(), password.to_owned()));
        self
    }

    /// A number whose calls go to an account's registered contact. An account is its own number too.
    pub fn number(mut self, number: &str, account: &str) -> Self {
        self.numbers.push((number.to_owned(), account.to_owned()));
        self
    }

    /// Sends numbers with this prefix to a subscriber or another network at `target`, over UDP.
    /// Calls that come from `target` need no password.
    pub fn route(mut self, prefix: &str, target: SocketAddr) -> Self {
        self.routes.push((prefix.to_owned(), target));
        self.trusted(target)
    }

    /// Takes calls that come from this address, over UDP, without a password.
    pub fn trusted(mut self, source: SocketAddr) -> Self {
        self.trusted.push(source);
        self
    }

    /// Answers 423 to registrations shorter than this many seconds.
    pub fn min_expires(mut self, seconds: u32) -> Self {
        self.min_expires = seconds;
        self
    }

    /// Grants no more than this many seconds to a registration.
    pub fn max_expires(mut self, seconds: u32) -> Self {
        self.max_expires = seconds;
        self
    }

    /// Answers a nonce older than this many seconds with a fresh one marked `stale=true`.
    pub fn nonce_lifetime(mut self, seconds: u32) -> Self {
        self.nonce_lifetime = seconds;
        self
    }

    /// Leaves the request URI as it was registered, as some carriers do; the number is then in
    /// the To header only.
    pub fn number_in_to_only(mut self) -> Self {
        self.number_in_request_uri = false;
        self
    }

    /// Starts Kamailio and waits until it answers.
    #[track_caller]
    pub fn start(self) -> Kamailio {
        let ports = Ports::take(1);
        let addr = SocketAddr::new(self.ip, ports.port(0));
        let mut kamailio =
            Kamailio { carrier: self, addr, process: None, dir: work_dir("kamailio"), _ports: ports };
        kamailio.restart();
        kamailio
    }

    fn config(&self, addr: SocketAddr, control: &str) -> String {
        let mut config = String::from("#!KAMAILIO\n");
        if self.number_in_request_uri {
            config += "#!define NUMBER_IN_REQUEST_URI\n";
        }
        for (name, value) in [
            ("REALM", format!("{:?}", self.realm)),
            ("MIN_EXPIRES", self.min_expires.to_string()),
            ("MAX_EXPIRES", self.max_expires.to_string()),
            ("NONCE_LIFETIME", self.nonce_lifetime.to_string()),
            ("CONTROL", format!("{control:?}")),
        ] {
            writeln!(config, "#!define {name} {value}").unwrap();
        }
        writeln!(config, "listen=udp:{addr}\nlisten=tcp:{addr}").unwrap();
        config + LOGIC + &self.tables() + &self.route_block()
    }

    /// What the logic looks up, filled in once at start.
    fn tables(&self) -> String {
        let mut block = String::from("\nevent_route[htable:mod-init] {\n");
        for (user, password) in &self.accounts {
            writeln!(block, "    $sht(passwords=>{user}) = {password:?};").unwrap();
        }
        for (number, account) in &self.numbers {
            writeln!(block, "    $sht(numbers=>{number}) = {account:?};").unwrap();
        }
        for source in &self.trusted {
            writeln!(block, "    $sht(trusted=>{source}) = 1;").unwrap();
        }
        // A block may not be empty.
        block + "    return;\n}\n"
    }

    fn route_block(&self) -> String {
        let mut block = String::from("\nroute[BY_PREFIX] {\n");
        for (prefix, target) in &self.routes {
            let (ip, port) = (target.ip(), target.port());
            writeln!(
                block,
                "    if ($rU =~ \"^{}\") {{ $ru = \"sip:\" + $rU + \"@{ip}:{port}\"; return 1; }}",
                prefix.replace('+', "[+]"),
            )
            .unwrap();
        }
        block + "    return -1;\n}\n"
    }
}

impl Default for Carrier {
    fn default() -> Self {
        Carrier::new()
    }
}

/// One contact that an account registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// The contact's URI.
    pub contact: String,
    /// Seconds left.
    pub expires: u32,
    /// Call-ID of the REGISTER.
    pub call_id: String,
    /// CSeq of the last REGISTER; grows with each refresh.
    pub cseq: u32,
}

/// A running carrier.
#[derive(Debug)]
pub struct Kamailio {
    carrier: Carrier,
    addr: SocketAddr,
    process: Option<Process>,
    dir: TempDir,
    _ports: Ports,
}

impl Kamailio {
    /// Where it listens, for UDP and TCP.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of record of an account or number here.
    pub fn uri(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.addr)
    }

    /// Ends it; its port stays reserved. Registrations are forgotten.
    pub fn stop(&mut self) {
        if let Some(process) = &mut self.process {
            process.stop(Duration::from_secs(2));
        }
    }

    /// Has it hear everything and say nothing, until it is started again.
    pub fn fall_silent(&mut self) {
        if let Some(process) = &mut self.process {
            process.freeze();
        }
    }

    /// Starts it on the same port, stopping it first if it runs.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        let dir = self.dir.path();
        fs::write(dir.join("kamailio.cfg"), self.carrier.config(self.addr, &self.control()))
            .expect("the config can be written");
        let run_dir = dir.to_str().expect("temporary paths are text");
        let args = ["-f", "kamailio.cfg", "-DD", "-E", "-m", "16", "-M", "4", "-w", run_dir, "-Y", run_dir];
        let mut process = Process::start("kamailio", dir, "kamailio", args, &[]);
        wait_until("kamailio to answer", PATIENCE, || {
            process.must_run("starting");
            self.rpc(&["core.uptime"]).is_ok()
        });
        self.process = Some(process);
    }

    /// Changes or adds a password, at once and for later restarts.
    #[track_caller]
    pub fn set_password(&mut self, user: &str, password: &str) {
        self.carrier.accounts.retain(|(name, _)| name != user);
        self.carrier.accounts.push((user.to_owned(), password.to_owned()));
        if self.process.as_mut().is_some_and(|process| process.ended().is_none()) {
            self.rpc(&["htable.sets", "passwords", &text(user), &text(password)])
                .expect("kamailio takes the password");
        }
    }

    /// Forgets an account's registration, as a carrier that lost its database would.
    #[track_caller]
    pub fn forget(&self, user: &str) {
        self.rpc(&["ul.rm", "location", &text(user)]).expect("kamailio knows the account");
    }

    /// The contacts an account has registered now.
    pub fn registrations(&self, user: &str) -> Vec<Registration> {
        self.rpc(&["ul.lookup", "location", &text(user)])
            .map(|dump| parse_contacts(&dump))
            .unwrap_or_default()
    }

    /// Waits until an account has a contact, and tells the first.
    #[track_caller]
    pub fn wait_registered(&self, user: &str) -> Registration {
        wait_for(&format!("{user} to register"), PATIENCE, || self.registrations(user).into_iter().next())
    }

    /// Waits until an account has refreshed the registration.
    #[track_caller]
    pub fn wait_refreshed(&self, user: &str, before: &Registration) -> Registration {
        wait_for(&format!("{user} to refresh"), PATIENCE, || {
            let now = self.registrations(user).into_iter().next()?;
            (now.call_id != before.call_id || now.cseq > before.cseq).then_some(now)
        })
    }

    /// Waits until an account has no contact left.
    #[track_caller]
    pub fn wait_unregistered(&self, user: &str) {
        wait_until(&format!("{user} to unregister"), PATIENCE, || self.registrations(user).is_empty());
    }

    /// One line for each message received since the first start: `<< INVITE sip:… from ip:port …`
    /// for requests, `<< 200 …` for replies.
    pub fn messages(&self) -> Vec<String> {
        let log = self.process.as_ref().map(Process::log).unwrap_or_default();
        log.lines().filter_map(|line| line.find("<< ").map(|at| line[at..].to_owned())).collect()
    }

    /// Calls one of Kamailio's own commands; `Err` has what it says is wrong.
    pub fn rpc(&self, command: &[&str]) -> Result<String, String> {
        let output = Command::new(find("kamcmd".as_ref()))
            .args(["-s", &self.control()])
            .args(command)
            .output()
            .expect("kamcmd starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && !text.starts_with("error") {
            Ok(text)
        } else {
            Err(text + &String::from_utf8_lossy(&output.stderr))
        }
    }

    fn control(&self) -> String {
        format!("unixs:{}/control", self.dir.path().display())
    }
}

/// An argument that kamcmd does not take for a number, whatever it looks like.
fn text(argument: &str) -> String {
    format!("s:{argument}")
}

/// Reads the contacts out of kamcmd's `Name: value` lines, skipping those that just expired.
fn parse_contacts(dump: &str) -> Vec<Registration> {
    dump.split("Contact: {").skip(1).filter_map(parse_contact).collect()
}

fn parse_contact(lines: &str) -> Option<Registration> {
    let value = |name: &str| {
        lines.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": ")).map(str::to_owned)
    };
    Some(Registration {
        contact: value("Address")?,
        expires: value("Expires")?.parse().ok()?,
        call_id: value("Call-ID")?,
        cseq: value("CSeq")?.parse().ok()?,
    })
}
