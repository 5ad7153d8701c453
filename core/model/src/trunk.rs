//! A trunk: a provider, a carrier, a gateway or a PBX; its mode tells which.

mod handling;
mod number_format;
mod receiving;
mod sending;

use crate::{Pool, RateTableId, Secret, TenantId, TrunkId, rules};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tandem_sip_msg::Transport;
use utoipa::ToSchema;

pub use handling::{Capture, Dtmf, MediaEncryption, PingAccept, StirAttest, StirPolicy};
pub use number_format::NumberFormat;
pub use receiving::{CidSource, Delimiters, DidSource, Extract, InboundExtension, Vars, expand};
pub(crate) use sending::{CALLER, slug_of};
pub use sending::{ContactUser, FromCopy};

/// How a trunk and we come to trust each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrunkMode {
    /// We register to it and answer its challenges.
    RegisterOut,
    /// It registers to us with the username and password given here.
    RegisterIn,
    /// Neither registers: its addresses are known.
    IpAuth,
    /// We do not register, but answer its challenges to our calls.
    Credential,
    /// A PBX that calls out by way of us, as an extension does: known by username and password, by `associated_ips`, or by either.
    PeerIn,
}

impl TrunkMode {
    /// Whether the trunk proves itself to us, and not we to it.
    pub fn comes_in(self) -> bool {
        matches!(self, TrunkMode::RegisterIn | TrunkMode::PeerIn)
    }
}

/// The signalling protocol of a trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Technology {
    /// SIP (RFC 3261).
    #[default]
    Sip,
}

/// The transport of a trunk's signalling.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignallingTransport {
    /// UDP; requests over 1300 bytes go over TCP if a connection is answered at once (RFC 3261 §18.1.1).
    #[default]
    Udp,
    /// TCP.
    Tcp,
    /// TLS (RFC 3261 §26.2, RFC 5922).
    Tls,
    /// What the trunk's host says that it takes (NAPTR, SRV); else UDP, and TCP while it does not answer by UDP.
    Auto,
}

impl From<SignallingTransport> for Transport {
    /// The one to begin with.
    fn from(transport: SignallingTransport) -> Transport {
        match transport {
            SignallingTransport::Udp | SignallingTransport::Auto => Transport::Udp,
            SignallingTransport::Tcp => Transport::Tcp,
            SignallingTransport::Tls => Transport::Tls,
        }
    }
}

/// A hash function of digest authentication (RFC 7616 §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub enum AuthAlgorithm {
    /// MD5.
    #[serde(rename = "MD5")]
    Md5,
    /// SHA-256, and SHA-512-256.
    #[serde(rename = "SHA-256")]
    Sha256,
}

impl AuthAlgorithm {
    fn all() -> Vec<AuthAlgorithm> {
        vec![AuthAlgorithm::Md5, AuthAlgorithm::Sha256]
    }
}

/// A codec by its name in SDP (RFC 3551, RFC 4733).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
pub enum Codec {
    /// G.711 µ-law.
    #[serde(rename = "PCMU")]
    Pcmu,
    /// G.711 A-law.
    #[serde(rename = "PCMA")]
    Pcma,
    /// G.722.
    G722,
    /// G.729, passed through only.
    G729,
    /// GSM full rate.
    #[serde(rename = "GSM")]
    Gsm,
    /// Opus (RFC 7587), passed through.
    #[serde(rename = "opus")]
    Opus,
    /// DTMF events (RFC 4733).
    #[serde(rename = "telephone-event")]
    TelephoneEvent,
}

impl Codec {
    /// Whether it carries sound.
    pub fn is_audio(self) -> bool {
        self != Codec::TelephoneEvent
    }

    /// The encoding name as written in `a=rtpmap`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
            Codec::G722 => "G722",
            Codec::G729 => "G729",
            Codec::Gsm => "GSM",
            Codec::Opus => "opus",
            Codec::TelephoneEvent => "telephone-event",
        }
    }

    /// What a trunk or an extension offers when nothing else was said.
    pub fn defaults() -> Vec<Codec> {
        vec![Codec::Pcma, Codec::Pcmu, Codec::G722, Codec::TelephoneEvent]
    }
}

/// The header that tells a trunk who calls, beside From.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum IdentityHeader {
    /// None.
    None,
    /// P-Asserted-Identity (RFC 3325 §9.1).
    #[default]
    Pai,
    /// P-Preferred-Identity (RFC 3325 §9.2), for providers that make the asserted one themselves.
    Ppi,
    /// Remote-Party-ID, for equipment older than RFC 3325.
    Rpid,
}

/// Whether callers who say nothing of it want to stay unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PrivacyDefault {
    /// They are shown.
    #[default]
    None,
    /// They are not (`Privacy: id`, RFC 3325 §9.3).
    Id,
}

/// What a trunk is told of how a call was diverted (Diversion, RFC 5806; History-Info, RFC 7044).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DiversionMode {
    /// Nothing.
    None,
    /// The numbers, in URIs of our own: it learns nothing of the network that they come from.
    #[default]
    Make,
    /// The headers as they came.
    Pass,
}

/// A trunk as configured. Every field but `name` has a default; which others a mode needs is checked by [`crate::Config::apply`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trunk {
    /// Assigned when created.
    pub id: TrunkId,
    /// The tenant whose it is; empty: the system's, which may assign it to tenants.
    #[serde(default)]
    pub tenant_id: Option<TenantId>,
    /// The numbers of the trunk that are its tenant's, as `13322496213;16468097069-16468097079`. Only for a trunk of a tenant: of a
    /// trunk of the system, assignments say it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub did_pool: Option<Pool>,
    /// 1 to 64 characters, unique.
    pub name: String,
    /// 1 to 48 letters, digits, `.`, `_` or `-`, unique: the trunk's name where a space would not do. When absent on creation: made
    /// of the name.
    pub slug: String,
    /// The preset that filled in what was not said when it was created, as `voip-ms`; see `/v1.0/presets`. `generic` fills in nothing.
    #[serde(default = "generic")]
    pub brand: String,
    /// Only `sip` so far.
    #[serde(default, alias = "type")]
    pub technology: Technology,
    /// When absent on creation: `register_out` where a username is given, else `ip_auth`.
    pub mode: TrunkMode,
    /// A disabled trunk is unregistered, refuses calls and is skipped by routes.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Host name or address; required except for `register_in` and `peer_in`.
    #[serde(default, alias = "hostname")]
    pub host: Option<String>,
    /// Empty: found through SRV, else 5060.
    #[serde(default)]
    pub port: Option<u16>,
    /// `udp`, `tcp`, `tls` or `auto`. With `udp`, a request over 1300 bytes goes over TCP if the trunk answers a connection at once; if
    /// not, large requests go over UDP for an hour. With `tls` the certificate of the trunk has to be for its `host` (or
    /// for `registrar` or `outbound_proxy`, where requests go there), whatever the DNS leads to. `auto` takes what the host's NAPTR
    /// or SRV records name; without any it begins as `udp`, and takes the other of UDP and TCP whenever REGISTER or OPTIONS are not
    /// answered.
    #[serde(default)]
    pub transport: SignallingTransport,
    /// The digest realm to answer to; empty: whichever the trunk challenges with.
    #[serde(default)]
    pub realm: Option<String>,
    /// The account name.
    #[serde(default)]
    pub username: Option<String>,
    /// The digest user name where it differs from the account name.
    #[serde(default)]
    pub auth_username: Option<String>,
    /// Write-only.
    #[serde(default, skip_serializing)]
    #[schema(write_only, value_type = Option<String>)]
    pub password: Option<Secret>,
    /// Digest algorithms that challenges are answered with, the strongest that is offered: `MD5`, `SHA-256` (and SHA-512-256).
    #[serde(default = "AuthAlgorithm::all")]
    pub auth_algorithms: Vec<AuthAlgorithm>,
    /// Where REGISTER goes: `host` or `host:port`; empty: the trunk's host.
    #[serde(default)]
    pub registrar: Option<String>,
    /// Where every request to this trunk is sent first: `host` or `host:port`, as a loose route.
    #[serde(default)]
    pub outbound_proxy: Option<String>,
    /// User part of From; `caller`: the caller's number; empty: the username.
    #[serde(default)]
    pub from_user: Option<String>,
    /// Host part of From; `aleg_domain`: the host of the caller's own From; `aleg_full`: the caller's own From as a whole, if it is
    /// known and not to be kept back; empty: the realm if set, else the host. FreeSWITCH's `auto-aleg-domain` and
    /// `auto-aleg-full` are the same.
    #[serde(default)]
    pub from_domain: Option<String>,
    /// Put the caller's number into From instead of the account, at `from_domain` if that is set, else at our own address.
    /// `from_user` then counts for REGISTER and OPTIONS only. (MikoPBX: "disable fromuser".) When absent on creation: true for
    /// `ip_auth`, else false.
    pub caller_id_in_from: bool,
    /// The trunk's own name for callers that have none of their own for trunks.
    #[serde(default)]
    pub caller_id_name: Option<String>,
    /// The trunk's own number, shown for extensions that have no `outbound_cid`.
    #[serde(default)]
    pub caller_id_number: Option<String>,
    /// The trunk's own number and name are shown for every extension, whatever it has itself.
    #[serde(default)]
    pub override_extension_cid: bool,
    /// The header that tells the trunk who calls: `none`, `pai`, `ppi` or `rpid`.
    #[serde(default)]
    pub identity_header: IdentityHeader,
    /// `id`: callers who say nothing of it stay unknown towards this trunk; `none`: they are shown.
    #[serde(default)]
    pub privacy_default: PrivacyDefault,
    /// The trunk is trusted with identities: what it asserts of its callers and of diversions is believed, and it is told the
    /// number of callers who want to stay unknown. When absent on creation: false for `register_in` and `peer_in`, else true.
    pub trust_identity: bool,
    /// What the trunk, if it is trusted, is told of how a call was diverted: `none`, `make` (in our own name) or `pass`.
    #[serde(default)]
    pub diversion: DiversionMode,
    /// Headers of the calling side that the trunk is told in INVITE, each with the name that it has there. What is not named here
    /// ends at this server.
    #[serde(default)]
    pub header_map: BTreeMap<String, String>,
    /// Headers that are put into every INVITE to the trunk.
    #[serde(default, alias = "tech_headers")]
    pub extra_headers: BTreeMap<String, String>,
    /// User part of our Contact: `username`, `token` (`gw+` and the slug) or `extension`.
    #[serde(default)]
    pub contact_user: ContactUser,
    /// Host of our Contact, `host` or `host:port`; empty: our own address as the trunk sees it.
    #[serde(default)]
    pub contact_host: Option<String>,
    /// Extra parameters of our Contact URI, as `name=value;flag`.
    #[serde(default)]
    pub contact_params: Option<String>,
    /// To of REGISTER is the username at the host, whatever From is.
    #[serde(default)]
    pub distinct_to: bool,
    /// Register with `+sip.instance` and `reg-id`, and with `ob` in the Contact of calls (RFC 5626).
    #[serde(default)]
    pub outbound_rfc5626: bool,
    /// How numbers are written in calls to the trunk: `e164_plus`, `e164`, `national`, `international_prefix` or `as_dialled`.
    /// Without `country_code` only a number with `+` is known for what it is; numbers of less than 7 digits always stay.
    #[serde(default)]
    pub number_format_out: NumberFormat,
    /// The country that numbers are dialled in, as `49`.
    #[serde(default)]
    pub country_code: Option<String>,
    /// The area that numbers of up to eight digits are in, without the national prefix, as `30`.
    #[serde(default)]
    pub area_code: Option<String>,
    /// What is dialled there before the country code of another country.
    #[serde(default = "international_prefix")]
    pub international_prefix: String,
    /// What is dialled there before the area code; empty where nothing is.
    #[serde(default)]
    pub national_prefix: String,
    /// Numbers, called and calling, are sent without a leading `+`.
    #[serde(default)]
    pub strip_plus: bool,
    /// Put before the called number when everything else was done to it.
    #[serde(default)]
    pub tech_prefix: String,
    /// Put behind the called number.
    #[serde(default)]
    pub tech_postfix: String,
    /// The Request-URI of calls is a `tel:` URI (RFC 3966).
    #[serde(default)]
    pub tel_uri_rline: bool,
    /// To of calls has a `tel:` URI (RFC 3966).
    #[serde(default)]
    pub tel_uri_to: bool,
    /// Requests have one Via, ours. Always true, as every request is our own.
    #[serde(default = "yes")]
    pub single_via: bool,
    /// Via has our own address. Always true.
    #[serde(default = "yes")]
    pub rewrite_via: bool,
    /// Registration lifetime asked for, seconds, 60 to 86,400.
    #[serde(default = "expires")]
    pub expires: u32,
    /// First wait after a failed registration, seconds, 5 to 3,600; doubles with each failure.
    #[serde(default = "retry_base")]
    pub retry_base: u32,
    /// Longest wait after failed registrations, seconds.
    #[serde(default = "retry_max")]
    pub retry_max: u32,
    /// Wait after a REGISTER that nobody answered, seconds, 5 to 3,600, the same each time; empty: as after any other failure.
    #[serde(default)]
    pub timeout_retry: Option<u32>,
    /// How long a REGISTER may go unanswered, seconds, 5 to 120.
    #[serde(default = "register_timeout")]
    pub register_timeout: u32,
    /// OPTIONS every so many seconds; 0 is off, else 5 to 3,600.
    #[serde(default = "ping_interval")]
    pub ping_interval: u32,
    /// An OPTIONS unanswered for so many seconds has failed.
    #[serde(default = "ping_timeout")]
    pub ping_timeout: u32,
    /// What counts as an answer to OPTIONS: `any_final` but 408 and 503, or `2xx` alone.
    #[serde(default)]
    pub ping_accept: PingAccept,
    /// A trunk that does not answer OPTIONS is taken for unregistered: calls are not sent there, and it registers again at once.
    #[serde(default)]
    pub ping_unregisters: bool,
    /// OPTIONS have our Contact, as calls do.
    #[serde(default)]
    pub ping_contact: bool,
    /// User-Agent of OPTIONS; empty: the server's own.
    #[serde(default)]
    pub ping_user_agent: Option<String>,
    /// So many failures in a row make the trunk unreachable (FreeSWITCH: `ping-max` less `ping-min`, plus one).
    #[serde(default = "ping_fail")]
    pub ping_fail: u32,
    /// So many answers in a row make it reachable again (FreeSWITCH: `ping-min`).
    #[serde(default = "ping_ok")]
    pub ping_ok: u32,
    /// A call ends unless its session is refreshed within so many seconds, 90 to 86,400 (RFC 4028); 0: we ask for no refresh, and
    /// serve a trunk that does.
    #[serde(default = "session_timer")]
    pub session_timer: u32,
    /// Codecs offered to and accepted from this trunk, best first.
    #[serde(default = "Codec::defaults")]
    pub codecs: Vec<Codec>,
    /// How digits that are dialled during a call are told: `auto`, `rfc4733`, `inband`, `info` or `auto_info`. With `inband` and
    /// `info` no telephone-event is offered or accepted. INFO with digits goes between two sides that both take it, phones and trunks
    /// with `info` or `auto_info`; one form is never made of another.
    #[serde(default)]
    pub dtmf: Dtmf,
    /// Only `none` so far.
    #[serde(default)]
    pub media_encryption: MediaEncryption,
    /// Calls to the trunk are signed with `stir_key`, unless they came signed, or the number is kept back from it (RFC 8224,
    /// RFC 8588).
    #[serde(default)]
    pub stir_sign: bool,
    /// Write-only: the private key (P-256) in PEM.
    #[serde(default, skip_serializing)]
    #[schema(write_only, value_type = Option<String>)]
    pub stir_key: Option<Secret>,
    /// Where everybody finds the certificate of `stir_key`, as `https://certificates.example.com/ours.pem`.
    #[serde(default)]
    pub stir_certificate_url: Option<String>,
    /// What is attested of callers: by `auto` A where the caller is ours and owns the number, B where the caller is ours, else C.
    #[serde(default)]
    pub stir_attest: StirAttest,
    /// Which calls from the trunk are refused by what it says of their callers' numbers (`verstat`): by `refuse_failed` those
    /// whose number was found wrong, by `require_passed` all whose number was not found right.
    #[serde(default)]
    pub stir_policy: StirPolicy,
    /// A call ends when the trunk has sent no RTP for so many seconds, 5 to 86,400; 0: never; empty: as the server's limits have it.
    #[serde(default)]
    pub rtp_timeout: Option<u32>,
    /// The same while either side is on hold.
    #[serde(default)]
    pub rtp_timeout_hold: Option<u32>,
    /// Calls at once, both directions together; 0 is unlimited.
    #[serde(default)]
    pub max_calls: u32,
    /// Calls from the trunk at once; 0 is unlimited.
    #[serde(default)]
    pub max_in: u32,
    /// Calls to the trunk at once; 0 is unlimited.
    #[serde(default)]
    pub max_out: u32,
    /// Calls that may begin within a second, both directions together; 0 is unlimited.
    #[serde(default)]
    pub cps: u32,
    /// The table of what calls over it cost; empty: nothing is known of that.
    #[serde(default)]
    pub cost_table_id: Option<RateTableId>,
    /// Share of calls where a route distributes them by weight and its step says none, 1 to 1,000.
    #[serde(default = "weight")]
    pub weight: u32,
    /// Emergency routes may use it.
    #[serde(default = "yes")]
    pub emergency_ok: bool,
    /// Which calls over it the SIP messages are kept of, for `GET /v1.0/cdrs/{id}/messages`: `off`, `on_failure` (those that fail),
    /// `ring` (the latest 20) or `full` (all, as long as there is room: of all trunks together the latest 10,000 are kept).
    #[serde(default)]
    pub capture: Capture,
    /// Addresses and networks that calls from this trunk come from, beside those that its host resolves to.
    #[serde(default, deserialize_with = "crate::network::list")]
    #[schema(value_type = Vec<String>)]
    pub associated_ips: Vec<IpNet>,
    /// Further hosts that calls from this trunk come from, `host` or `host:port`: looked up as its own host is.
    #[serde(default)]
    pub associated_hosts: Vec<String>,
    /// Calls from the addresses that the trunk's hosts have are its own. If not, only those from `associated_ips` and
    /// `associated_hosts` are, and calls to our registered Contact.
    #[serde(default = "yes")]
    pub resolve_host_to_acl: bool,
    /// Calls come from the ports of the trunk's hosts only; from `associated_ips`, from the trunk's `port`.
    #[serde(default)]
    pub verify_source_port: bool,
    /// Networks that may challenge us beside the trunk's hosts and associated addresses: nobody else's challenge gets credentials.
    #[serde(default, deserialize_with = "crate::network::list")]
    #[schema(value_type = Vec<String>)]
    pub challengers: Vec<IpNet>,
    /// Where the called number is: `auto`, `request_uri`, `to`, `diversion`, `p_called_party_id` or `header:NAME`. Where that is
    /// missing in a call, as `auto`.
    #[serde(default)]
    #[schema(value_type = String)]
    pub did_source: DidSource,
    /// Takes the called number out of the whole value of `did_source`: a regular expression, whose first group is the number.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub did_pattern: Option<Extract>,
    /// The same by what stands before and behind it.
    #[serde(default)]
    pub did_delimiters: Option<Delimiters>,
    /// Where the caller's number is: `auto`, `from`, `pai`, `rpid` or `header:NAME`. Where that is missing in a call, as `auto`.
    #[serde(default)]
    #[schema(value_type = String)]
    pub cid_source: CidSource,
    /// Takes the caller's number out of the whole value of `cid_source`, as `did_pattern` does.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub cid_pattern: Option<Extract>,
    /// The same by what stands before and behind it.
    #[serde(default)]
    pub cid_delimiters: Option<Delimiters>,
    /// Where every call from the trunk goes, an extension or a number; `auto_to_user`: to the number in To; `auto`: to that only
    /// where the Request-URI is our Contact with `contact_user` `token` (FreeSWITCH's `extension`).
    #[serde(default)]
    pub inbound_extension: Option<String>,
    /// Variables of calls from the trunk. `sip_h_NAME` is a header of that name to whom it calls; `${name}` in `extra_headers`
    /// of the trunk that it goes to is replaced by the value.
    #[serde(default)]
    pub inbound_context_vars: Vars,
    /// Variables of calls to the trunk, in the same way.
    #[serde(default)]
    pub outbound_vars: Vars,
    /// Host names or addresses, one of which the trunk's TLS certificate has to be for (SubjectAltName). What comes over TLS with such
    /// a certificate is taken for this trunk's, wherever it comes from, and nothing else is taken for it by its address.
    #[serde(default)]
    pub mtls_san: Vec<String>,
    /// Media may go directly between the trunk and the other side, where that side may too; otherwise it goes by here.
    #[serde(default)]
    pub direct_media: bool,
    /// Let the trunk transfer calls (REFER, Replaces), to what its own calls may reach. Whoever can do so can have others called
    /// at our cost: for PBXs and gateways of our own.
    #[serde(default)]
    pub allow_transfer: bool,
    /// What an import found that has no equivalent here, by origin and name, as `freeswitch.context`. Without effect; an export
    /// gives it back.
    #[serde(default)]
    pub imported_params: Vars,
}

fn generic() -> String {
    "generic".to_owned()
}
fn yes() -> bool {
    true
}
fn expires() -> u32 {
    3600
}
fn retry_base() -> u32 {
    30
}
fn retry_max() -> u32 {
    1800
}
fn register_timeout() -> u32 {
    32
}
fn ping_interval() -> u32 {
    30
}
fn ping_timeout() -> u32 {
    5
}
fn ping_fail() -> u32 {
    3
}
fn ping_ok() -> u32 {
    2
}
fn session_timer() -> u32 {
    1800
}
fn weight() -> u32 {
    10
}
fn international_prefix() -> String {
    "00".to_owned()
}

impl Trunk {
    /// The digest user name: `auth_username`, else `username`.
    pub fn digest_username(&self) -> Option<&str> {
        self.auth_username.as_deref().or(self.username.as_deref())
    }

    /// The host part of From: `from_domain`, else the realm where it can be a host, else the host.
    pub fn from_host(&self) -> Option<&str> {
        let realm = self.realm.as_deref().filter(|realm| rules::is_host(realm));
        self.named_domain().or(realm).or(self.host.as_deref())
    }

    /// The user part of From when the caller is not put there: `from_user`, else the username.
    pub fn account_user(&self) -> Option<&str> {
        self.from_user.as_deref().filter(|user| *user != CALLER).or(self.username.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunk(body: serde_json::Value) -> Trunk {
        let mut whole = serde_json::json!({ "id": TrunkId::NIL, "name": "t", "slug": "t", "mode": "ip_auth", "caller_id_in_from": true, "trust_identity": true });
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        serde_json::from_value(whole).unwrap()
    }

    #[test]
    fn neither_debug_nor_json_of_a_trunk_holds_its_password() {
        let trunk = trunk(serde_json::json!({ "username": "acme", "password": "hunter-two" }));
        let shown = format!("{trunk:?} {}", serde_json::to_string(&trunk).unwrap());
        assert!(shown.contains("acme") && !shown.contains("hunter"), "{shown}");
        assert_eq!(trunk.password.unwrap().expose(), "hunter-two");
    }

    #[test]
    fn from_falls_back_from_its_own_fields_to_the_account() {
        let plain = trunk(serde_json::json!({ "host": "sip.example", "username": "acme" }));
        assert_eq!((plain.from_host(), plain.account_user()), (Some("sip.example"), Some("acme")));
        let realm = trunk(serde_json::json!({ "host": "sip.example", "realm": "example" }));
        assert_eq!(realm.from_host(), Some("example"));
        let named =
            trunk(serde_json::json!({ "host": "sip.example", "from_domain": "d.example", "from_user": "u" }));
        assert_eq!((named.from_host(), named.account_user()), (Some("d.example"), Some("u")));
    }

    #[test]
    fn a_realm_that_is_no_host_does_not_get_into_from() {
        let trunk = trunk(serde_json::json!({ "host": "sip.example", "realm": "My Provider" }));
        assert_eq!(trunk.from_host(), Some("sip.example"));
    }

    #[test]
    fn the_digest_username_is_the_account_unless_another_is_given() {
        let trunk = trunk(serde_json::json!({ "username": "acme", "auth_username": "acme-1" }));
        assert_eq!(trunk.digest_username(), Some("acme-1"));
    }

    #[test]
    fn codecs_are_named_in_json_as_in_sdp() {
        for codec in [
            Codec::Pcmu,
            Codec::Pcma,
            Codec::G722,
            Codec::G729,
            Codec::Gsm,
            Codec::Opus,
            Codec::TelephoneEvent,
        ] {
            assert_eq!(serde_json::to_value(codec).unwrap(), codec.name());
        }
    }
}
