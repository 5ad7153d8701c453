//! baresip as a telephone: it registers, calls, answers, plays a tone and records what it hears.

mod control;

use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

use self::control::Control;
pub use self::control::Event;
use crate::Transport;
use crate::ports::Ports;
use crate::process::{PATIENCE, Process, wait_for, wait_until, work_dir};
use crate::tone::Audio;

/// baresip plays a file once and then hangs up, so the file outlasts every test.
const TONE_LENGTH: Duration = Duration::from_secs(120);

/// Enough of a tone to be no accident.
const CLEARLY: Duration = Duration::from_millis(500);

/// Where Debian puts them; baresip itself would look in the current directory.
const MODULES: &str = "/usr/lib/baresip/modules";

/// What a phone does with a call that comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Answer {
    /// Takes it.
    #[default]
    Auto,
    /// Rings until told to [`Phone::accept`] or [`Phone::hang_up`].
    Manual,
    /// As with `Manual`, but follows the 180 with a 183 that has an SDP answer. baresip 1.0 still
    /// neither plays nor records before it accepts.
    Early,
}

impl Answer {
    fn as_str(self) -> &'static str {
        match self {
            Answer::Auto => "auto",
            Answer::Manual => "manual",
            Answer::Early => "early",
        }
    }
}

/// A phone's settings.
#[derive(Clone, Debug)]
pub struct Baresip {
    user: String,
    ip: IpAddr,
    server: Option<SocketAddr>,
    domain: Option<String>,
    password: Option<String>,
    register_every: u32,
    transport: Transport,
    answer: Answer,
    codecs: String,
    tone: u32,
}

impl Baresip {
    /// A phone on 127.0.0.1 that belongs to no one, answers by itself with a tone of 440 Hz, and
    /// talks A-law or µ-law. Calls to it must name `user` in the request URI.
    pub fn new(user: &str) -> Baresip {
        Baresip {
            user: user.to_owned(),
            ip: Ipv4Addr::LOCALHOST.into(),
            server: None,
            domain: None,
            password: None,
            register_every: 0,
            transport: Transport::Udp,
            answer: Answer::Auto,
            codecs: "pcma,pcmu".to_owned(),
            tone: 440,
        }
    }

    /// Sits on another loopback address. Its RTP still comes from 127.0.0.1, as if behind a NAT.
    pub fn on(mut self, ip: IpAddr) -> Self {
        self.ip = ip;
        self
    }

    /// Has its account at this server, and sends calls to bare numbers there.
    pub fn account_at(mut self, server: SocketAddr) -> Self {
        self.server = Some(server);
        self
    }

    /// Is of this SIP domain, which its account's server is asked for.
    pub fn of_domain(mut self, domain: &str) -> Self {
        self.domain = Some(domain.to_owned());
        self
    }

    /// The account's password, for the server's challenges.
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// Registers the account, asking for this many seconds.
    pub fn register_every(mut self, seconds: u32) -> Self {
        self.register_every = seconds;
        self
    }

    /// Talks SIP over this transport.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// What it does with calls that come in.
    pub fn answer(mut self, answer: Answer) -> Self {
        self.answer = answer;
        self
    }

    /// The codecs it offers and takes, best first: `pcma`, `pcmu`.
    pub fn codecs(mut self, codecs: &str) -> Self {
        self.codecs = codecs.to_owned();
        self
    }

    /// The tone it sends, in Hz.
    pub fn tone(mut self, frequency: u32) -> Self {
        self.tone = frequency;
        self
    }

    /// Starts the phone and waits until it can be controlled.
    #[track_caller]
    pub fn start(self) -> Phone {
        let ports = Ports::take(FIRST_RTP + RTP_PORTS);
        let dir = work_dir("baresip");
        let path = dir.path();
        Audio::tone(self.tone, TONE_LENGTH).write(&path.join("tone.wav")).expect("the tone can be written");
        fs::write(path.join("config"), self.config(&ports)).expect("the config can be written");
        fs::write(path.join("accounts"), self.account(&ports)).expect("the account can be written");
        // Missing, it would be created from a template that dials out.
        fs::write(path.join("contacts"), "").expect("the contacts can be written");

        let home = path.to_str().expect("temporary paths are text");
        let mut process =
            Process::start(&self.user, path, "baresip", ["-4", "-s", "-f", home], &[("HOME", home)]);
        let control = wait_for("baresip to take commands", PATIENCE, || {
            process.must_run("starting");
            Control::connect(ports.local(CONTROL)).ok()
        });
        Phone { settings: self, process, control, dir, ports }
    }

    fn addr(&self, ports: &Ports) -> SocketAddr {
        SocketAddr::new(self.ip, ports.port(SIP))
    }

    fn config(&self, ports: &Ports) -> String {
        let mut config = String::new();
        let (first_rtp, last_rtp) = (ports.port(FIRST_RTP), ports.port(FIRST_RTP + RTP_PORTS - 1));
        for (name, value) in [
            ("sip_listen", self.addr(ports).to_string()),
            ("net_interface", self.ip.to_string()),
            // Nothing here may look a name up: this is where no one listens.
            ("dns_server", "127.0.0.1:9".to_owned()),
            ("rtp_ports", format!("{first_rtp}-{last_rtp}")),
            ("call_max_calls", "4".to_owned()),
            ("module_path", MODULES.to_owned()),
            ("module", "g711.so".to_owned()),
            ("module", "aufile.so".to_owned()),
            ("audio_source", "aufile,tone.wav".to_owned()),
            // The decoder runs only when someone plays; a bridge that leads nowhere does.
            ("module", "aubridge.so".to_owned()),
            ("audio_player", "aubridge,player".to_owned()),
            ("audio_alert", "aubridge,alert".to_owned()),
            // Writes both directions of each call into files of their own.
            ("module", "sndfile.so".to_owned()),
            ("snd_path", ".".to_owned()),
            ("module_tmp", "account.so".to_owned()),
            ("module_app", "menu.so".to_owned()),
            ("statmode_default", "off".to_owned()),
            ("module_app", "ctrl_tcp.so".to_owned()),
            ("ctrl_tcp_listen", ports.local(CONTROL).to_string()),
            ("module", "cons.so".to_owned()),
            ("cons_listen", ports.local(CONSOLE).to_string()),
        ] {
            writeln!(config, "{name} {value}").unwrap();
        }
        config
    }

    fn account(&self, ports: &Ports) -> String {
        let server = self.server.unwrap_or_else(|| self.addr(ports));
        let domain = self.domain.clone().unwrap_or_else(|| server.to_string());
        let mut account = format!(
            "<sip:{}@{domain};transport={}>;regint={};answermode={};audio_codecs={}",
            self.user,
            self.transport.as_str(),
            self.register_every,
            self.answer.as_str(),
            self.codecs,
        );
        if self.domain.is_some() {
            write!(account, ";outbound=\"sip:{server};transport={}\"", self.transport.as_str()).unwrap();
        }
        if let Some(password) = &self.password {
            write!(account, ";auth_user={};auth_pass={password}", self.user).unwrap();
        }
        account + "\n"
    }
}

/// How `reginfo` shows the state of a registration: green or red.
const REGISTERED: &str = "\x1b[32mOK";
const REFUSED: &str = "\x1b[31mERR";

/// How a phone uses its ports. It also listens for TLS, on the port after SIP's.
const SIP: u16 = 0;
const CONTROL: u16 = 2;
const CONSOLE: u16 = 3;
const FIRST_RTP: u16 = 4;
const RTP_PORTS: u16 = 16;

/// A running phone.
#[derive(Debug)]
pub struct Phone {
    settings: Baresip,
    process: Process,
    control: Control,
    dir: TempDir,
    ports: Ports,
}

impl Phone {
    /// Where it listens, for UDP and TCP.
    pub fn addr(&self) -> SocketAddr {
        self.settings.addr(&self.ports)
    }

    /// The URI that reaches it directly.
    pub fn uri(&self) -> String {
        format!("sip:{}@{}", self.settings.user, self.addr())
    }

    /// Waits until the server has taken its registration.
    #[track_caller]
    pub fn wait_registered(&mut self) {
        wait_until(&format!("{} to register", self.settings.user), PATIENCE, || self.is_registered());
    }

    /// Waits until the server has refused its registration. Asks for the state, since the event may
    /// have come before anyone listened.
    #[track_caller]
    pub fn wait_refused(&mut self) {
        wait_until(&format!("{} to be refused", self.settings.user), PATIENCE, || {
            self.command("reginfo", "").contains(REFUSED)
        });
    }

    /// Whether the server took its last registration.
    pub fn is_registered(&mut self) -> bool {
        self.command("reginfo", "").contains(REGISTERED)
    }

    /// Calls a URI, or a number at its own server.
    #[track_caller]
    pub fn dial(&mut self, target: &str) {
        self.command("dial", target);
    }

    /// Takes the call that rings.
    #[track_caller]
    pub fn accept(&mut self) {
        self.command("accept", "");
    }

    /// Ends the call; rejects it with 486 if it only rings.
    #[track_caller]
    pub fn hang_up(&mut self) {
        self.command("hangup", "");
    }

    /// Puts the call on hold with a re-INVITE.
    #[track_caller]
    pub fn hold(&mut self) {
        self.command("hold", "");
    }

    /// Takes the call off hold with a re-INVITE.
    #[track_caller]
    pub fn resume(&mut self) {
        self.command("resume", "");
    }

    /// Transfers the call with a REFER.
    #[track_caller]
    pub fn transfer(&mut self, target: &str) {
        self.command("transfer", target);
    }

    /// Presses a key: `0` to `9`, `*` or `#`. Only the console can; long commands cannot.
    pub fn press(&mut self, key: char) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket can be had");
        socket.send_to(&[key as u8], self.ports.local(CONSOLE)).expect("the console can be reached");
    }

    /// Gives any of baresip's long commands, and returns what it prints.
    #[track_caller]
    pub fn command(&mut self, command: &str, params: &str) -> String {
        self.process.must_run(command);
        self.control.command(command, params)
    }

    /// Waits for a call to come in, and tells who calls.
    #[track_caller]
    pub fn wait_incoming(&mut self) -> String {
        self.wait_event("CALL_INCOMING").peer
    }

    /// Waits for the called side to ring.
    #[track_caller]
    pub fn wait_ringing(&mut self) {
        self.wait_event("CALL_RINGING");
    }

    /// Waits until a call stands, in either direction.
    #[track_caller]
    pub fn wait_established(&mut self) {
        self.wait_event("CALL_ESTABLISHED");
    }

    /// Waits for the end of a call, and tells why it ended: a status like `486 Busy Here` if it
    /// never stood, `Connection reset by peer` if the other side hung up, `… by user` if this one.
    #[track_caller]
    pub fn wait_closed(&mut self) -> String {
        self.wait_event("CALL_CLOSED").param
    }

    /// Waits for a key that the other side pressed.
    #[track_caller]
    pub fn wait_key(&mut self) -> String {
        self.wait_event("CALL_DTMF_START").param
    }

    /// Waits for an event that no earlier wait returned, and returns it.
    #[track_caller]
    pub fn wait_event(&mut self, kind: &str) -> Event {
        let what = format!("{} at {}", kind, self.settings.user);
        wait_for(&what, PATIENCE, || {
            self.process.must_run(&what);
            self.control.take_event(kind)
        })
    }

    /// The events that no wait has returned yet.
    pub fn events(&mut self) -> &[Event] {
        self.control.events()
    }

    /// Waits until this phone has clearly heard the tone in its last call.
    #[track_caller]
    pub fn wait_hears(&mut self, frequency: u32) {
        wait_until(&format!("{} to hear {frequency} Hz", self.settings.user), PATIENCE, || {
            self.heard().is_some_and(|audio| audio.time_of(frequency) >= CLEARLY)
        });
    }

    /// How many RTP packets its call has received. Goes on counting after a hold, while baresip 1.0 stops
    /// recording with the first re-INVITE.
    #[track_caller]
    pub fn received(&mut self) -> u64 {
        let report = self.command("audio_debug", "");
        let count = report.split("rcvd=").nth(1).unwrap_or_default();
        count.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// What it heard in its last call so far, as decoded, without the gaps of lost packets.
    pub fn heard(&self) -> Option<Audio> {
        self.recordings().last().map(|path| Audio::read(path).expect("baresip records plain WAV"))
    }

    /// The recordings of what it heard, oldest first. Calls that start within the same second
    /// share one file.
    pub fn recordings(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.dir.path()).expect("the phone's directory is there");
        let mut recordings: Vec<PathBuf> = files
            .map(|file| file.expect("the phone's directory can be read").path())
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        // Their names have the time.
        recordings.sort();
        recordings
    }

    /// Its log, with every SIP message sent and received.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it without a word to anyone, as if its power were cut.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}
