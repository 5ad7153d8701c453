//! What a server is told on its command line, in its environment and in `tandem.toml`, in this order of precedence.

use clap::Args;
use serde::Deserialize;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use tandem_engine::{Algorithm, DoorLimits, GuardLimits, Limits};
use tandem_media::QUARANTINE;
use tandem_net::{Listen, TlsFiles};
use tandem_sip_msg::Transport;

/// `tandem serve`. Everything not given here is taken from the environment, then from `tandem.toml`.
#[derive(Args, Clone, Debug, Default)]
pub struct ServeArgs {
    /// File with settings; `tandem.toml` in the working directory is read if it is there
    #[arg(long, env = "TANDEM_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder for the database [default: ./data]
    #[arg(long, env = "TANDEM_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address to take SIP on, as udp:192.0.2.1:5060, tcp:192.0.2.1:5060 or tls:192.0.2.1:5061; repeatable [default: udp and tcp on 127.0.0.1:5060]
    #[arg(long, env = "TANDEM_SIP", value_name = "TRANSPORT:ADDRESS", value_delimiter = ',')]
    pub sip: Vec<SipAddress>,
    /// Address for the API [default: 127.0.0.1:8080]
    #[arg(long, env = "TANDEM_HTTP", value_name = "ADDRESS")]
    pub http: Option<SocketAddr>,
    /// UDP ports for media [default: 20000-29999]
    #[arg(long, env = "TANDEM_RTP_PORTS", value_name = "FIRST-LAST")]
    pub rtp_ports: Option<PortRange>,
    /// The address that others reach this server at, for Contact, Via and SDP [default: the listening address]
    #[arg(long, env = "TANDEM_ADVERTISE", value_name = "IP")]
    pub advertise: Option<IpAddr>,
    /// Realm in our digest challenges [default: tandem]
    #[arg(long, env = "TANDEM_REALM")]
    pub realm: Option<String>,
    /// Digest algorithms in our challenges, best first. With both, a phone that gives up at one it does not know is asked again
    /// with md5 alone, which costs it one try; with md5 it need not [default: sha-256,md5]
    #[arg(long, env = "TANDEM_AUTH_ALGORITHMS", value_name = "LIST", value_delimiter = ',')]
    pub auth_algorithms: Vec<AuthAlgorithm>,
    /// Certificate of this server for TLS, with those between it and its root, PEM; read anew when it changes, and on SIGHUP
    #[arg(long, env = "TANDEM_TLS_CERTIFICATE", value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,
    /// Key of the certificate, PEM
    #[arg(long, env = "TANDEM_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Certificates by whose issuers servers of trunks are believed, beside those of the system, PEM
    #[arg(long, env = "TANDEM_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Certificates by whose issuers clients are believed: those who connect are asked for a certificate, and one that is shown
    /// has to lead to one of these [default: nobody is asked]
    #[arg(long, env = "TANDEM_TLS_CLIENT_CA", value_name = "FILE")]
    pub tls_client_ca: Option<PathBuf>,
    /// Certificate that is shown to servers of trunks that ask for one, PEM [default: that of the server]
    #[arg(long, env = "TANDEM_TLS_CLIENT_CERTIFICATE", value_name = "FILE")]
    pub tls_client_certificate: Option<PathBuf>,
    /// Key of that certificate
    #[arg(long, env = "TANDEM_TLS_CLIENT_KEY", value_name = "FILE")]
    pub tls_client_key: Option<PathBuf>,
    /// Name server to ask, as 192.0.2.53:53; repeatable [default: those of /etc/resolv.conf]
    #[arg(long, env = "TANDEM_NAME_SERVERS", value_name = "ADDRESS", value_delimiter = ',')]
    pub name_server: Vec<SocketAddr>,
    /// Webhooks may be on this machine and in private networks: only where all who may configure one may reach those too
    #[arg(long, env = "TANDEM_WEBHOOKS_PRIVATE")]
    pub webhooks_private: bool,
    /// Certificates by whose issuers servers of webhooks are believed, beside those of the system, PEM
    #[arg(long, env = "TANDEM_WEBHOOKS_CA", value_name = "FILE")]
    pub webhooks_ca: Option<PathBuf>,
    /// Whether the kernel is to send media on by itself once nothing is left to decide about it, where it can [default: true]
    #[arg(long, env = "TANDEM_MEDIA_OFFLOAD", value_name = "BOOL")]
    pub media_offload: Option<bool>,
    /// Calls at once; more are answered 503 [default: 20000]
    #[arg(long, env = "TANDEM_MAX_CALLS")]
    pub max_calls: Option<usize>,
    /// Seconds that calls under way are given when the server is told to end [default: 60]
    #[arg(long, env = "TANDEM_DRAIN", value_name = "SECONDS")]
    pub drain: Option<u64>,
    /// Days after which records of calls are deleted that are no tenant's, which each have a time of their own; 0: they are kept for
    /// ever [default: 0]
    #[arg(long, env = "TANDEM_RETENTION_DAYS", value_name = "DAYS")]
    pub retention_days: Option<u32>,
    /// Admin token instead of the stored one
    #[arg(long, env = "TANDEM_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub admin_token: Option<String>,
    /// Whether the token may come as `?token=`, which others may log, beside the header [default: true]
    #[arg(long, env = "TANDEM_QUERY_TOKEN", value_name = "BOOL")]
    pub query_token: Option<bool>,
    /// Whether /metrics is open to anybody who reaches the API's address [default: false]
    #[arg(long, env = "TANDEM_OPEN_METRICS", value_name = "BOOL")]
    pub open_metrics: Option<bool>,
}

/// `tandem.toml`. The names are those of the command line.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    data: Option<PathBuf>,
    sip: Vec<SipAddress>,
    http: Option<SocketAddr>,
    rtp_ports: Option<PortRange>,
    advertise: Option<IpAddr>,
    realm: Option<String>,
    auth_algorithms: Vec<AuthAlgorithm>,
    media_offload: Option<bool>,
    max_calls: Option<usize>,
    drain: Option<u64>,
    retention_days: Option<u32>,
    admin_token: Option<String>,
    query_token: Option<bool>,
    open_metrics: Option<bool>,
    name_servers: Vec<SocketAddr>,
    tls: FileTls,
    webhooks: FileWebhooks,
    limits: FileLimits,
}

/// `[webhooks]` of `tandem.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileWebhooks {
    private: bool,
    ca: Option<PathBuf>,
}

/// `[tls]` of `tandem.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileTls {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    ca: Option<PathBuf>,
    client_ca: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
}

/// `[limits]` of `tandem.toml`; 0 means none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileLimits {
    setup: Option<u64>,
    duration: Option<u64>,
    media_timeout: Option<u64>,
    hold_timeout: Option<u64>,
    silence: Option<u64>,
    media_quarantine: Option<u64>,
    source_rate: Option<u32>,
    source_burst: Option<u32>,
    lag_ms: Option<u64>,
    auth_failures: Option<u32>,
    auth_window: Option<u64>,
    auth_block: Option<u64>,
    session_timer: Option<u32>,
}

/// Everything decided.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder for the database.
    pub data: PathBuf,
    /// SIP listeners.
    pub sip: Vec<Listen>,
    /// Certificates and keys, where there is TLS.
    pub tls: Option<TlsFiles>,
    /// Name servers instead of the system's.
    pub name_servers: Vec<SocketAddr>,
    /// Webhooks may be at addresses that are not public.
    pub webhooks_private: bool,
    /// Roots for servers of webhooks, beside those of the system.
    pub webhooks_ca: Option<PathBuf>,
    /// API address.
    pub http: SocketAddr,
    /// First and last media port.
    pub rtp_ports: (u16, u16),
    /// Address put into Contact, Via and SDP.
    pub advertise: IpAddr,
    /// Address that media sockets are bound to.
    pub media_bind: IpAddr,
    /// Whether the kernel sends on the media that it can.
    pub media_offload: bool,
    /// Digest realm.
    pub realm: String,
    /// Digest algorithms offered, best first.
    pub auth_algorithms: Vec<Algorithm>,
    /// Calls at once.
    pub max_calls: usize,
    /// Time for calls to end by themselves.
    pub drain: Duration,
    /// Days that records are kept of calls that are no tenant's; 0: for ever.
    pub retention_days: u32,
    /// Admin token given from outside.
    pub admin_token: Option<String>,
    /// What may be set about the API.
    pub api: tandem_api::Options,
    /// How long calls may take.
    pub limits: Limits,
    /// How long a media port rests after a call.
    pub media_quarantine: Duration,
    /// Who is let in, and how many.
    pub door: DoorLimits,
    /// How many wrong passwords are too many.
    pub guard: GuardLimits,
}

/// What is wrong with the options: which one, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{option}: {why}. {fix}")]
pub struct OptionsError {
    option: String,
    why: String,
    fix: String,
}

impl Options {
    /// Settles what is given with what is in the file and the defaults.
    pub fn settle(args: ServeArgs) -> Result<Options, OptionsError> {
        let file = read_file(args.config.as_deref())?;
        let sip = [args.sip, file.sip].into_iter().find(|list| !list.is_empty()).unwrap_or_else(default_sip);
        let sip: Vec<Listen> = sip.into_iter().map(|SipAddress(listen)| listen).collect();
        let bind = sip[0].bind.ip();
        let tls = tls_files(
            FileTls {
                certificate: args.tls_certificate.or(file.tls.certificate),
                key: args.tls_key.or(file.tls.key),
                ca: args.tls_ca.or(file.tls.ca),
                client_ca: args.tls_client_ca.or(file.tls.client_ca),
                client_certificate: args.tls_client_certificate.or(file.tls.client_certificate),
                client_key: args.tls_client_key.or(file.tls.client_key),
            },
            &sip,
        )?;
        let name_servers = [args.name_server, file.name_servers].into_iter().find(|list| !list.is_empty());
        let mut limits = Limits::default();
        file.limits.apply(&mut limits)?;
        let media_quarantine = file.limits.media_quarantine.map_or(QUARANTINE, Duration::from_secs);
        let (door, guard) = (file.limits.door(), file.limits.guard());
        Ok(Options {
            data: args.data.or(file.data).unwrap_or_else(|| "./data".into()),
            http: args.http.or(file.http).unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 8080).into()),
            rtp_ports: args.rtp_ports.or(file.rtp_ports).map_or((20_000, 29_999), |range| (range.0, range.1)),
            advertise: args.advertise.or(file.advertise).unwrap_or_else(|| reachable(bind)),
            media_bind: bind,
            media_offload: args.media_offload.or(file.media_offload).unwrap_or(true),
            auth_algorithms: algorithms([args.auth_algorithms, file.auth_algorithms]),
            realm: args.realm.or(file.realm).unwrap_or_else(|| "tandem".to_owned()),
            max_calls: args.max_calls.or(file.max_calls).unwrap_or(20_000),
            retention_days: args.retention_days.or(file.retention_days).unwrap_or(0),
            drain: Duration::from_secs(args.drain.or(file.drain).unwrap_or(60)),
            admin_token: token(args.admin_token.or(file.admin_token))?,
            api: api(args.query_token.or(file.query_token), args.open_metrics.or(file.open_metrics)),
            webhooks_private: args.webhooks_private || file.webhooks.private,
            webhooks_ca: args.webhooks_ca.or(file.webhooks.ca),
            sip,
            tls,
            name_servers: name_servers.unwrap_or_default(),
            limits,
            media_quarantine,
            door,
            guard,
        })
    }
}

fn api(query_token: Option<bool>, open_metrics: Option<bool>) -> tandem_api::Options {
    let usual = tandem_api::Options::default();
    tandem_api::Options {
        query_token: query_token.unwrap_or(usual.query_token),
        metrics_open: open_metrics.unwrap_or(usual.metrics_open),
        ..usual
    }
}

impl FileLimits {
    fn apply(&self, limits: &mut Limits) -> Result<(), OptionsError> {
        let unless_zero = |seconds: u64| (seconds != 0).then(|| Duration::from_secs(seconds));
        if let Some(setup) = self.setup {
            limits.setup = Duration::from_secs(setup.max(1));
        }
        if let Some(silence) = self.silence {
            limits.silence = Duration::from_secs(silence.max(1));
        }
        limits.duration = self.duration.map_or(limits.duration, unless_zero);
        limits.media_timeout = self.media_timeout.map_or(limits.media_timeout, unless_zero);
        limits.hold_timeout = self.hold_timeout.map_or(limits.hold_timeout, unless_zero);
        limits.session_timer = self.session_timer.unwrap_or(limits.session_timer);
        if !matches!(limits.session_timer, 0 | 90..=86_400) {
            return Err(OptionsError {
                option: "limits.session_timer".to_owned(),
                why: format!("{} is neither 0 nor between 90 and 86400", limits.session_timer),
                fix: "Give 0 to ask for no refresh, else 90 to 86400 seconds (RFC 4028)".to_owned(),
            });
        }
        Ok(())
    }

    fn door(&self) -> DoorLimits {
        let mut door = DoorLimits::default();
        door.source.per_second = self.source_rate.unwrap_or(door.source.per_second);
        door.source.burst = self.source_burst.unwrap_or(door.source.burst).max(1);
        door.lag = match self.lag_ms {
            Some(0) => None,
            Some(millis) => Some(Duration::from_millis(millis)),
            None => door.lag,
        };
        door
    }

    fn guard(&self) -> GuardLimits {
        let default = GuardLimits::default();
        GuardLimits {
            failures: self.auth_failures.unwrap_or(default.failures),
            window: self.auth_window.map_or(default.window, Duration::from_secs),
            block: self.auth_block.map_or(default.block, Duration::from_secs),
        }
    }
}

fn read_file(named: Option<&Path>) -> Result<File, OptionsError> {
    let path = named.unwrap_or(Path::new("tandem.toml"));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => {
            return Ok(File::default());
        }
        Err(error) => {
            let fix = "Name a file that can be read with --config".to_owned();
            return Err(OptionsError { option: path.display().to_string(), why: error.to_string(), fix });
        }
    };
    toml::from_str(&text).map_err(|error| OptionsError {
        option: path.display().to_string(),
        // Without the line itself, which may hold the token.
        why: error.message().to_owned(),
        fix: "See docs/configuration.md for every name and its form".to_owned(),
    })
}

/// The certificates, if anything is said of them; a listener for TLS cannot be without.
fn tls_files(given: FileTls, sip: &[Listen]) -> Result<Option<TlsFiles>, OptionsError> {
    let listens = sip.iter().any(|listen| listen.transport == Transport::Tls);
    let wrong = |option: &str, why: &str, fix: &str| {
        Err(OptionsError { option: option.to_owned(), why: why.to_owned(), fix: fix.to_owned() })
    };
    let FileTls { certificate, key, ca, client_ca, client_certificate, client_key } = given;
    match (certificate, key) {
        (Some(_), Some(_)) if client_certificate.is_some() != client_key.is_some() => wrong(
            "tls.client_certificate",
            "a certificate goes with its key",
            "Give both client_certificate and client_key, or neither",
        ),
        (Some(certificate), Some(key)) => {
            Ok(Some(TlsFiles { certificate, key, client_certificate, client_key, ca, client_ca }))
        }
        (None, None)
            if !listens
                && [&ca, &client_ca, &client_certificate, &client_key].iter().all(|f| f.is_none()) =>
        {
            Ok(None)
        }
        (certificate, _) => wrong(
            if certificate.is_none() { "tls.certificate" } else { "tls.key" },
            "TLS needs a certificate and its key",
            "Name their files with --tls-certificate and --tls-key, or in [tls] as certificate and key",
        ),
    }
}

fn algorithms(given: [Vec<AuthAlgorithm>; 2]) -> Vec<Algorithm> {
    let given = given.into_iter().find(|list| !list.is_empty());
    given.map_or_else(
        || vec![Algorithm::SHA_256, Algorithm::MD5],
        |list| list.into_iter().map(|AuthAlgorithm(algorithm)| algorithm).collect(),
    )
}

fn default_sip() -> Vec<SipAddress> {
    let bind = (Ipv4Addr::LOCALHOST, 5060).into();
    [Transport::Udp, Transport::Tcp].map(|transport| SipAddress(Listen { transport, bind })).into()
}

fn token(token: Option<String>) -> Result<Option<String>, OptionsError> {
    match token {
        Some(token) if token.len() < 16 => Err(OptionsError {
            option: "admin token".to_owned(),
            why: "it is shorter than 16 characters".to_owned(),
            fix: "Take one of 16 or more, as `openssl rand -hex 24` makes".to_owned(),
        }),
        token => Ok(token),
    }
}

/// An address that others can use for one that we are bound to: itself, or for a wildcard the one that the default route uses.
fn reachable(bind: IpAddr) -> IpAddr {
    if !bind.is_unspecified() {
        return bind;
    }
    // Connecting a UDP socket sends nothing; it only asks the routing table.
    let outward = UdpSocket::bind((bind, 0)).and_then(|socket| {
        socket.connect(if bind.is_ipv4() { "192.0.2.1:9" } else { "[2001:db8::1]:9" })?;
        socket.local_addr()
    });
    outward.map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}

/// `udp:192.0.2.1:5060`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct SipAddress(pub Listen);

impl FromStr for SipAddress {
    type Err = String;
    fn from_str(text: &str) -> Result<SipAddress, String> {
        let (transport, address) = text.split_once(':').ok_or("write it as udp:192.0.2.1:5060")?;
        let transport = match transport {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            "tls" => Transport::Tls,
            other => return Err(format!("{other:?} is no transport; udp, tcp and tls are served")),
        };
        let bind = address
            .parse()
            .map_err(|_| format!("{address:?} is no address with port, as 192.0.2.1:5060 or [::]:5060"))?;
        Ok(SipAddress(Listen { transport, bind }))
    }
}

impl TryFrom<String> for SipAddress {
    type Error = String;
    fn try_from(text: String) -> Result<SipAddress, String> {
        text.parse()
    }
}

/// `sha-256` or `md5`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct AuthAlgorithm(pub Algorithm);

impl FromStr for AuthAlgorithm {
    type Err = String;
    fn from_str(text: &str) -> Result<AuthAlgorithm, String> {
        let known = [Algorithm::SHA_256, Algorithm::MD5];
        let named = known.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(text.trim()));
        named.map(AuthAlgorithm).ok_or_else(|| format!("{text:?} is none of sha-256 and md5"))
    }
}

impl TryFrom<String> for AuthAlgorithm {
    type Error = String;
    fn try_from(text: String) -> Result<AuthAlgorithm, String> {
        text.parse()
    }
}

/// `20000-29999`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct PortRange(pub u16, pub u16);

impl FromStr for PortRange {
    type Err = String;
    fn from_str(text: &str) -> Result<PortRange, String> {
        let ports = text
            .split_once('-')
            .and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
        match ports {
            Some((first, last)) if first >= 1024 && u32::from(first) + 3 <= u32::from(last) => {
                Ok(PortRange(first, last))
            }
            Some(_) => Err("from 1024 up, and at least four ports: one call takes two pairs".to_owned()),
            None => Err("write it as 20000-29999".to_owned()),
        }
    }
}

impl TryFrom<String> for PortRange {
    type Error = String;
    fn try_from(text: String) -> Result<PortRange, String> {
        text.parse()
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(args: ServeArgs, file: &str) -> Result<Options, OptionsError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tandem.toml");
        std::fs::write(&path, file).unwrap();
        Options::settle(ServeArgs { config: Some(path), ..args })
    }

    #[test]
    fn what_is_not_said_has_a_default_that_works_on_one_machine() {
        let options = settle(ServeArgs::default(), "").unwrap();
        assert_eq!(options.data, PathBuf::from("./data"));
        assert_eq!(options.sip.len(), 2);
        assert_eq!(options.http.to_string(), "127.0.0.1:8080");
        assert_eq!(options.rtp_ports, (20_000, 29_999));
        assert_eq!(options.advertise.to_string(), "127.0.0.1");
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let args = ServeArgs { http: Some("127.0.0.1:1".parse().unwrap()), ..ServeArgs::default() };
        let options =
            settle(args, "http = '127.0.0.1:2'\nrtp_ports = '30000-30100'\nsip = ['tcp:127.0.0.1:6000']")
                .unwrap();
        assert_eq!(options.http.port(), 1);
        assert_eq!(options.rtp_ports, (30_000, 30_100));
        assert_eq!(options.sip[0].transport, Transport::Tcp);
    }

    #[test]
    fn both_algorithms_are_offered_unless_said_otherwise() {
        let both = settle(ServeArgs::default(), "").unwrap();
        assert_eq!(both.auth_algorithms, [Algorithm::SHA_256, Algorithm::MD5]);
        let one = settle(ServeArgs::default(), "auth_algorithms = ['md5']").unwrap();
        assert_eq!(one.auth_algorithms, [Algorithm::MD5]);
        assert!("sha1".parse::<AuthAlgorithm>().unwrap_err().contains("sha-256 and md5"));
    }

    #[test]
    fn a_limit_of_zero_is_no_limit() {
        let options = settle(ServeArgs::default(), "[limits]\nduration = 0\nmedia_timeout = 5").unwrap();
        assert_eq!(options.limits.duration, None);
        assert_eq!(options.limits.media_timeout, Some(Duration::from_secs(5)));
    }

    #[test]
    fn media_ports_rest_for_half_a_minute_or_as_long_as_is_said() {
        let rest = |file| settle(ServeArgs::default(), file).unwrap().media_quarantine;
        assert_eq!(rest(""), Duration::from_secs(30));
        assert_eq!(rest("[limits]\nmedia_quarantine = 2"), Duration::from_secs(2));
        assert_eq!(rest("[limits]\nmedia_quarantine = 0"), Duration::ZERO);
    }

    #[test]
    fn what_a_source_may_do_is_set_in_the_file() {
        let options = settle(ServeArgs::default(), "[limits]\nsource_rate = 7\nlag_ms = 0").unwrap();
        assert_eq!((options.door.source.per_second, options.door.source.burst), (7, 1_000));
        assert_eq!(options.door.lag, None);
        let options = settle(ServeArgs::default(), "[limits]\nauth_failures = 3\nauth_block = 60").unwrap();
        assert_eq!((options.guard.failures, options.guard.block), (3, Duration::from_secs(60)));
    }

    #[test]
    fn a_session_timer_is_off_or_as_long_as_the_rfc_asks() {
        for seconds in [0, 90, 1800, 86_400] {
            let options =
                settle(ServeArgs::default(), &format!("[limits]\nsession_timer = {seconds}")).unwrap();
            assert_eq!(options.limits.session_timer, seconds);
        }
        let error = settle(ServeArgs::default(), "[limits]\nsession_timer = 60").unwrap_err().to_string();
        assert!(error.contains("session_timer") && error.contains("90"), "{error}");
    }

    #[test]
    fn tls_takes_a_certificate_and_its_key() {
        let listener = "sip = ['tls:127.0.0.1:5061']\n";
        let error = |file: &str| settle(ServeArgs::default(), file).unwrap_err().to_string();
        assert!(error(listener).contains("tls.certificate: TLS needs a certificate and its key"));
        assert!(error(&format!("{listener}[tls]\ncertificate = 'a'")).contains("tls.key"));
        assert!(error("[tls]\nca = 'a'").contains("--tls-certificate"));
        let half = "[tls]\ncertificate = 'a'\nkey = 'b'\nclient_key = 'c'";
        assert!(error(half).contains("Give both"));
        let file = format!("{listener}[tls]\ncertificate = 'a'\nkey = 'b'\nclient_ca = 'c'");
        let args = ServeArgs { tls_key: Some("mine".into()), ..ServeArgs::default() };
        let options = settle(args, &file).unwrap();
        assert_eq!(options.sip[0].transport, Transport::Tls);
        let paths: Vec<PathBuf> = options.tls.unwrap().paths().map(PathBuf::from).collect();
        assert_eq!(paths, ["a", "mine", "c"].map(PathBuf::from));
        assert!(settle(ServeArgs::default(), "").unwrap().tls.is_none());
    }

    #[test]
    fn bad_settings_are_named_and_never_echo_a_token() {
        let error = settle(ServeArgs::default(), "admin_token = 'short'").unwrap_err().to_string();
        assert!(error.contains("16 characters") && !error.contains("short'"), "{error}");
        let error =
            settle(ServeArgs::default(), "admin_token = 'abcdefghijklmnop' = 1").unwrap_err().to_string();
        assert!(!error.contains("abcdefghijklmnop"), "{error}");
        let error = settle(ServeArgs::default(), "rtp_port = '1-2'").unwrap_err().to_string();
        assert!(error.contains("rtp_port"), "{error}");
        assert!("udp:here".parse::<SipAddress>().unwrap_err().contains("192.0.2.1:5060"));
        assert!("sctp:127.0.0.1:1".parse::<SipAddress>().unwrap_err().contains("udp, tcp and tls"));
        assert!("5-9".parse::<PortRange>().is_err());
    }
}
