//! Header names: which are known, how they are written, which of them are lists.

/// Names of headers that something in Tandem reads or writes; compact forms are known (RFC 3261 §7.3.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Header {
    /// RFC 3261 §20.1
    Accept,
    /// RFC 3261 §20.5
    Allow,
    /// RFC 6665 §8.2.2
    AllowEvents,
    /// RFC 3261 §20.7
    Authorization,
    /// RFC 3261 §20.8
    CallId,
    /// RFC 3261 §20.10
    Contact,
    /// RFC 3261 §20.12
    ContentEncoding,
    /// RFC 3261 §20.14
    ContentLength,
    /// RFC 3261 §20.15
    ContentType,
    /// RFC 3261 §20.16
    CSeq,
    /// RFC 3261 §20.17
    Date,
    /// RFC 5806 §4
    Diversion,
    /// RFC 6665 §8.2.1
    Event,
    /// RFC 3261 §20.19
    Expires,
    /// RFC 3261 §20.20
    From,
    /// RFC 7044 §5
    HistoryInfo,
    /// RFC 8224 §4
    Identity,
    /// RFC 3261 §20.22
    MaxForwards,
    /// RFC 3261 §20.23
    MinExpires,
    /// RFC 4028 §5
    MinSe,
    /// RFC 3325 §9.1
    PAssertedIdentity,
    /// RFC 3325 §9.2
    PPreferredIdentity,
    /// RFC 7315 §4.2
    PCalledPartyId,
    /// RFC 3327 §4
    Path,
    /// RFC 3323 §4.2
    Privacy,
    /// RFC 3261 §20.27
    ProxyAuthenticate,
    /// RFC 3261 §20.28
    ProxyAuthorization,
    /// RFC 3261 §20.29
    ProxyRequire,
    /// RFC 3262 §7.2
    RAck,
    /// RFC 3262 §7.1
    RSeq,
    /// RFC 3326 §2
    Reason,
    /// RFC 3261 §20.30
    RecordRoute,
    /// RFC 3515 §2.1
    ReferTo,
    /// RFC 3892 §3
    ReferredBy,
    /// draft-ietf-sip-privacy-04, never an RFC, yet in use
    RemotePartyId,
    /// RFC 3891 §6.1
    Replaces,
    /// RFC 3261 §20.32
    Require,
    /// RFC 3261 §20.33
    RetryAfter,
    /// RFC 3261 §20.34
    Route,
    /// RFC 3261 §20.35
    Server,
    /// RFC 3608 §5
    ServiceRoute,
    /// RFC 4028 §4
    SessionExpires,
    /// RFC 3261 §20.37
    Supported,
    /// RFC 3261 §20.39
    To,
    /// RFC 3261 §20.40
    Unsupported,
    /// RFC 3261 §20.41
    UserAgent,
    /// RFC 3261 §20.42
    Via,
    /// RFC 3261 §20.43
    Warning,
    /// RFC 3261 §20.44
    WwwAuthenticate,
}

impl Header {
    /// The canonical long form, as written.
    pub fn name(self) -> &'static str {
        match self {
            Header::Accept => "Accept",
            Header::Allow => "Allow",
            Header::AllowEvents => "Allow-Events",
            Header::Authorization => "Authorization",
            Header::CallId => "Call-ID",
            Header::Contact => "Contact",
            Header::ContentEncoding => "Content-Encoding",
            Header::ContentLength => "Content-Length",
            Header::ContentType => "Content-Type",
            Header::CSeq => "CSeq",
            Header::Date => "Date",
            Header::Diversion => "Diversion",
            Header::Event => "Event",
            Header::Expires => "Expires",
            Header::From => "From",
            Header::HistoryInfo => "History-Info",
            Header::Identity => "Identity",
            Header::MaxForwards => "Max-Forwards",
            Header::MinExpires => "Min-Expires",
            Header::MinSe => "Min-SE",
            Header::PAssertedIdentity => "P-Asserted-Identity",
            Header::PPreferredIdentity => "P-Preferred-Identity",
            Header::PCalledPartyId => "P-Called-Party-ID",
            Header::Path => "Path",
            Header::Privacy => "Privacy",
            Header::ProxyAuthenticate => "Proxy-Authenticate",
            Header::ProxyAuthorization => "Proxy-Authorization",
            Header::ProxyRequire => "Proxy-Require",
            Header::RAck => "RAck",
            Header::RSeq => "RSeq",
            Header::Reason => "Reason",
            Header::RecordRoute => "Record-Route",
            Header::ReferTo => "Refer-To",
            Header::ReferredBy => "Referred-By",
            Header::RemotePartyId => "Remote-Party-ID",
            Header::Replaces => "Replaces",
            Header::Require => "Require",
            Header::RetryAfter => "Retry-After",
            Header::Route => "Route",
            Header::Server => "Server",
            Header::ServiceRoute => "Service-Route",
            Header::SessionExpires => "Session-Expires",
            Header::Supported => "Supported",
            Header::To => "To",
            Header::Unsupported => "Unsupported",
            Header::UserAgent => "User-Agent",
            Header::Via => "Via",
            Header::Warning => "Warning",
            Header::WwwAuthenticate => "WWW-Authenticate",
        }
    }

    /// Reads long and compact forms in any case.
    pub fn parse(name: &str) -> Option<Header> {
        Header::from_bytes(name.as_bytes())
    }

    /// Length and first letter leave at most two names, so that one or two comparisons decide.
    pub(crate) fn from_bytes(name: &[u8]) -> Option<Header> {
        use Header::*;
        let first = name.first()?.to_ascii_lowercase();
        let (one, other) = match (name.len(), first) {
            (1, _) => return Header::from_compact(first),
            (2, b't') => (To, To),
            (3, b'v') => (Via, Via),
            (4, b'c') => (CSeq, CSeq),
            (4, b'd') => (Date, Date),
            (4, b'f') => (From, From),
            (4, b'p') => (Path, Path),
            (4, b'r') => (RAck, RSeq),
            (5, b'a') => (Allow, Allow),
            (5, b'e') => (Event, Event),
            (5, b'r') => (Route, Route),
            (6, b'a') => (Accept, Accept),
            (6, b'm') => (MinSe, MinSe),
            (6, b'r') => (Reason, Reason),
            (6, b's') => (Server, Server),
            (7, b'c') => (CallId, Contact),
            (7, b'e') => (Expires, Expires),
            (7, b'p') => (Privacy, Privacy),
            (7, b'r') => (Require, Require),
            (7, b'w') => (Warning, Warning),
            (8, b'i') => (Identity, Identity),
            (8, b'r') => (ReferTo, Replaces),
            (9, b'd') => (Diversion, Diversion),
            (9, b's') => (Supported, Supported),
            (10, b'u') => (UserAgent, UserAgent),
            (11, b'm') => (MinExpires, MinExpires),
            (11, b'r') => (ReferredBy, RetryAfter),
            (11, b'u') => (Unsupported, Unsupported),
            (12, b'a') => (AllowEvents, AllowEvents),
            (12, b'c') => (ContentType, ContentType),
            (12, b'h') => (HistoryInfo, HistoryInfo),
            (12, b'm') => (MaxForwards, MaxForwards),
            (12, b'r') => (RecordRoute, RecordRoute),
            (13, b'a') => (Authorization, Authorization),
            (13, b'p') => (ProxyRequire, ProxyRequire),
            (13, b's') => (ServiceRoute, ServiceRoute),
            (14, b'c') => (ContentLength, ContentLength),
            (15, b'r') => (RemotePartyId, RemotePartyId),
            (15, b's') => (SessionExpires, SessionExpires),
            (16, b'c') => (ContentEncoding, ContentEncoding),
            (16, b'w') => (WwwAuthenticate, WwwAuthenticate),
            (17, b'p') => (PCalledPartyId, PCalledPartyId),
            (18, b'p') => (ProxyAuthenticate, ProxyAuthenticate),
            (19, b'p') => (PAssertedIdentity, ProxyAuthorization),
            (20, b'p') => (PPreferredIdentity, PPreferredIdentity),
            _ => return None,
        };
        let is = |header: Header| {
            let long = header.name().as_bytes();
            name == long || name.eq_ignore_ascii_case(long)
        };
        if is(one) { Some(one) } else { (one != other && is(other)).then_some(other) }
    }

    fn from_compact(letter: u8) -> Option<Header> {
        Some(match letter {
            b'b' => Header::ReferredBy,
            b'c' => Header::ContentType,
            b'e' => Header::ContentEncoding,
            b'f' => Header::From,
            b'i' => Header::CallId,
            b'k' => Header::Supported,
            b'l' => Header::ContentLength,
            b'm' => Header::Contact,
            b'o' => Header::Event,
            b'r' => Header::ReferTo,
            b't' => Header::To,
            b'u' => Header::AllowEvents,
            b'v' => Header::Via,
            b'x' => Header::SessionExpires,
            b'y' => Header::Identity,
            _ => return None,
        })
    }

    /// Whether several values may stand in one line with commas between (RFC 3261 §7.3.1). Headers that carry
    /// commas inside a value, such as Date and the digest ones, are none.
    pub fn is_list(self) -> bool {
        use Header::*;
        matches!(
            self,
            Accept
                | Allow
                | AllowEvents
                | Contact
                | ContentEncoding
                | Diversion
                | HistoryInfo
                | PAssertedIdentity
                | PPreferredIdentity
                | Path
                | ProxyRequire
                | Reason
                | RecordRoute
                | RemotePartyId
                | Require
                | Route
                | ServiceRoute
                | Supported
                | Unsupported
                | Via
                | Warning
        )
    }
}

/// The compact form of a header that [`Header`] does not list (RFC 3261 §7.3.3, RFC 3841 §9).
pub(crate) fn unlisted_compact(name: &str) -> Option<&'static str> {
    const FORMS: [(&str, &str); 5] = [
        ("Subject", "s"),
        ("Accept-Contact", "a"),
        ("Request-Disposition", "d"),
        ("Reject-Contact", "j"),
        ("Identity-Info", "n"),
    ];
    FORMS.into_iter().find(|(long, _)| long.eq_ignore_ascii_case(name)).map(|(_, short)| short)
}
