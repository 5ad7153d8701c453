//! The servers that are measured: started fresh for every measurement, ready when they answer.

use crate::load::Media;
use crate::{lab, usage};
use serde_json::json;
use std::fs;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tandem_interop::ports::udp_is_bound;
use tandem_interop::process::{PATIENCE, Process, wait_until, work_dir};
use tandem_interop::tandem::rest::Rest;
use tempfile::TempDir;

/// A server, or two that do one job together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A back-to-back user agent; media goes past it; keeps records and registrations on disk.
    TandemDirect,
    /// A proxy; media goes past it; keeps nothing on disk.
    Kamailio,
    /// The same back-to-back user agent, which relays media itself.
    Tandem,
    /// The same proxy, which leads media through rtpengine in user space.
    KamailioWithMedia,
}

impl Kind {
    /// All, in the order of the table.
    pub const ALL: [Kind; 4] = [Kind::TandemDirect, Kind::Kamailio, Kind::Tandem, Kind::KamailioWithMedia];

    /// Its name on the command line.
    pub fn short_name(self) -> &'static str {
        match self {
            Kind::TandemDirect => "direct",
            Kind::Kamailio => "kamailio",
            Kind::Tandem => "anchored",
            Kind::KamailioWithMedia => "rtpengine",
        }
    }

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Kind::TandemDirect => "Tandem, media direct",
            Kind::Tandem => "Tandem, media anchored",
            Kind::Kamailio => "Kamailio",
            Kind::KamailioWithMedia => "Kamailio + rtpengine",
        }
    }

    /// Whether it is Tandem, and so stands over the others.
    pub fn is_tandem(self) -> bool {
        matches!(self, Kind::TandemDirect | Kind::Tandem)
    }

    /// Which way the media of calls goes.
    pub fn media(self) -> Media {
        if self.relays() { Media::Anchored } else { Media::Direct }
    }

    /// Whether media goes through it.
    pub fn relays(self) -> bool {
        matches!(self, Kind::Tandem | Kind::KamailioWithMedia)
    }

    /// Whether it is asked to register accounts: those that differ in media only do not register twice.
    pub fn registers(self) -> bool {
        matches!(self, Kind::Tandem | Kind::Kamailio)
    }

    /// Its programs and their arguments. All run in a directory of their own.
    pub fn commands(self) -> Vec<(&'static str, Vec<String>)> {
        let words = |line: String| line.split_whitespace().map(str::to_owned).collect();
        let (first, last) = lab::MEDIA_PORTS;
        let kamailio = "-f kamailio.cfg -DD -E -m 512 -M 8 -b 4194304 -w . -Y .";
        match self {
            Kind::TandemDirect | Kind::Tandem => vec![(
                "tandem",
                words(format!(
                    "serve --data data --sip udp:{} --http {} --rtp-ports {first}-{last} --auth-algorithms MD5",
                    lab::SERVER,
                    lab::API
                )),
            )],
            Kind::Kamailio => vec![("kamailio", words(kamailio.to_owned()))],
            Kind::KamailioWithMedia => vec![
                (
                    "rtpengine",
                    words(format!(
                        "--foreground --log-stderr --log-level=3 --table=-1 --interface={ip} --listen-ng={} \
                         --port-min={first} --port-max={last} --delete-delay=0",
                        lab::RTPENGINE,
                        ip = lab::SERVER.ip()
                    )),
                ),
                ("kamailio", words(format!("{kamailio} -A WITH_MEDIA"))),
            ],
        }
    }
}

const TOKEN: &str = "a-token-for-the-benchmark";

/// With no RTP sent, Tandem would end calls for their silence. Its ports would run out if they rested after each call;
/// rtpengine's do not rest either (`--delete-delay=0`). And all calls come from one address, whose rate is not limited.
const TANDEM_TOML: &str = "[limits]\nmedia_timeout = 0\nmedia_quarantine = 0\nsource_rate = 0\n";

const KAMAILIO_CFG: &str = include_str!("../kamailio/bench.cfg");

/// A server that runs; dropping it ends it and removes its files.
#[derive(Debug)]
pub struct Server {
    started_in: Duration,
    dir: TempDir,
    _processes: Vec<Process>,
}

impl Server {
    /// Starts one and waits until it answers.
    pub fn start(kind: Kind) -> Server {
        Server::start_in(kind, &[])
    }

    /// The same with more in its environment.
    fn start_in(kind: Kind, more: &[(&str, &str)]) -> Server {
        // The one before may take a moment to be gone.
        wait_until("the server's address to be free", PATIENCE, || !udp_is_bound(lab::SERVER.into()));
        let dir = work_dir("bench");
        fs::write(dir.path().join("tandem.toml"), TANDEM_TOML).expect("settings can be written");
        fs::write(dir.path().join("kamailio.cfg"), KAMAILIO_CFG).expect("settings can be written");
        let env = [&[("TANDEM_ADMIN_TOKEN", TOKEN), ("RUST_LOG", "warn")], more].concat();
        let started = Instant::now();
        let mut processes = Vec::new();
        for (program, args) in kind.commands() {
            processes.push(Process::start(program, dir.path(), path_of(program), args, &env));
            if program == "rtpengine" {
                // Kamailio would give it up for a while.
                wait_until("rtpengine to listen", PATIENCE, || udp_is_bound(lab::RTPENGINE.into()));
            }
        }
        wait_for_answer(|| processes.iter_mut().for_each(|process| process.must_run("starting")));
        Server { started_in: started.elapsed(), dir, _processes: processes }
    }

    /// Starts one that sends calls for [`lab::NUMBER`] to [`lab::CALLEE`].
    pub fn start_for_calls(kind: Kind) -> Server {
        Server::start(kind).ready_for_calls(kind)
    }

    /// The same, which leaves no media to the kernel.
    pub fn start_for_calls_by_threads(kind: Kind) -> Server {
        Server::start_in(kind, &[("TANDEM_MEDIA_OFFLOAD", "false")]).ready_for_calls(kind)
    }

    fn ready_for_calls(self, kind: Kind) -> Server {
        if kind.is_tandem() {
            let rest = rest();
            let trunk = |name: &str, at: std::net::SocketAddrV4| {
                let mut body = json!({
                    "name": name, "mode": "ip_auth", "host": at.ip().to_string(), "port": at.port(), "ping_interval": 0,
                });
                if kind == Kind::TandemDirect {
                    body["direct_media"] = true.into();
                }
                rest.post("/v1.0/trunks", &body).expect(201)["id"].clone()
            };
            trunk("caller", lab::CALLER);
            let callee = trunk("callee", lab::CALLEE);
            rest.post("/v1.0/numbers", &json!({ "number": lab::NUMBER, "trunk_id": callee })).expect(201);
        }
        self
    }

    /// Starts one that knows [`lab::ACCOUNTS`].
    pub fn start_for_registrations(kind: Kind) -> Server {
        let server = Server::start(kind);
        if kind.is_tandem() {
            let rest = rest();
            for account in lab::ACCOUNTS {
                let number = account.to_string();
                let body = json!({ "name": number, "number": number, "password": lab::password(account) });
                rest.post("/v1.0/extensions", &body).expect(201);
            }
        }
        server
    }

    /// How long it took from its start to its first answer.
    pub fn started_in(&self) -> Duration {
        self.started_in
    }

    /// The /proc directories of its processes.
    pub fn processes(&self) -> Vec<PathBuf> {
        usage::processes(self.dir.path())
    }

    /// CPU time used so far.
    pub fn cpu(&self) -> Duration {
        usage::cpu(self.dir.path())
    }

    /// Memory in use, in KiB.
    pub fn memory_kib(&self) -> u64 {
        usage::memory_kib(self.dir.path())
    }
}

fn rest() -> Rest {
    Rest::new(lab::API.into(), TOKEN)
}

/// Tandem is what cargo built next to this program; others are found by their names.
pub fn path_of(program: &str) -> PathBuf {
    let here = std::env::current_exe().expect("a program knows its own path");
    if program == "tandem" { here.with_file_name(program) } else { Path::new(program).to_owned() }
}

/// Sends OPTIONS until something answers, whatever the answer.
fn wait_for_answer(mut still_running: impl FnMut()) {
    let socket = UdpSocket::bind(lab::PROBE).expect("a socket can be had");
    socket.connect(lab::SERVER).expect("a socket can be connected");
    socket.set_read_timeout(Some(Duration::from_millis(2))).expect("a timeout can be set");
    let own = socket.local_addr().expect("a socket has an address");
    let deadline = Instant::now() + PATIENCE;
    for attempt in 0.. {
        let request = format!(
            "OPTIONS sip:{server} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {own};branch=z9hG4bKprobe{attempt}\r\n\
             From: <sip:probe@{own}>;tag=probe{attempt}\r\n\
             To: <sip:{server}>\r\n\
             Call-ID: probe{attempt}\r\n\
             CSeq: 1 OPTIONS\r\n\
             Max-Forwards: 70\r\n\
             Content-Length: 0\r\n\r\n",
            server = lab::SERVER,
        );
        let answer = socket.send(request.as_bytes()).and_then(|_| socket.recv(&mut [0; 2048]));
        match answer {
            Ok(_) => return,
            // Nobody is there yet, which the system tells at once.
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                std::thread::sleep(Duration::from_millis(1))
            }
            Err(_) => {}
        }
        still_running();
        assert!(Instant::now() < deadline, "the server does not answer OPTIONS");
    }
}
