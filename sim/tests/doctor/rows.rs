//! The troubleshooting tables of VoIPBIN's trunk document, in our words: each piece of advice there is what some finding says.

use tandem_model::Diagnosis;

const ROWS: &[(&str, &str, &[&str])] = &[
    (
        "calls do not go out",
        "is there a trunk with a host that exists",
        &["DNS_NO_SUCH_NAME", "TRUNK_DISABLED"],
    ),
    ("calls do not go out", "is there a route", &["NO_ROUTE"]),
    (
        "calls do not go out",
        "are the credentials right",
        &["WRONG_PASSWORD", "CREDENTIALS_MISSING", "WRONG_REALM"],
    ),
    ("the wrong trunk is used", "priorities, and routes for particular destinations", &["ROUTED_ELSEWHERE"]),
    ("no trunk works", "is the provider up", &["NO_ANSWER", "SERVER_UNAVAILABLE", "OPTIONS_UNAVAILABLE"]),
    ("no trunk works", "is our own network up", &["ALL_TRUNKS_DOWN", "NETWORK_UNREACHABLE", "DNS_TIMEOUT"]),
    ("a device is not rung", "is it registered, is it on", &["EXTENSION_OFFLINE", "PEER_NOT_REGISTERED"]),
    ("a device is not rung", "does the number lead to it", &["NO_INBOUND"]),
    ("no registration", "the credentials", &["WRONG_PASSWORD", "REGISTER_FORBIDDEN", "ACCOUNT_UNKNOWN"]),
    (
        "no registration",
        "the address of the registrar",
        &["DNS_NO_SUCH_NAME", "REGISTER_NOT_TAKEN", "REGISTER_UNANSWERED"],
    ),
    (
        "no registration",
        "does the firewall let SIP through",
        &["NO_ANSWER", "CONNECTION_TIMEOUT", "UDP_PORT_CLOSED"],
    ),
    ("a registration that comes and goes", "a NAT, kept open too seldom", &["NAT_IN_BETWEEN"]),
    (
        "a registration that comes and goes",
        "the lifetime, or another one in its place",
        &["REGISTER_TOO_BRIEF", "REGISTRATION_REPLACED"],
    ),
    ("no sound at all", "the ports for RTP", &["NO_RTP", "NO_MEDIA_PORT"]),
    ("no sound at all", "NAT traversal", &["OWN_ADDRESS_PRIVATE", "SDP_PRIVATE_ADDRESS"]),
    ("no sound at all", "can the media address be reached", &["SDP_PRIVATE_ADDRESS", "OWN_ADDRESS_PRIVATE"]),
    (
        "sound one way only",
        "a NAT that somebody does not know of",
        &["SDP_PRIVATE_ADDRESS", "OWN_ADDRESS_PRIVATE"],
    ),
    ("sound one way only", "symmetric RTP", &["RTP_SOURCE_DIFFERS", "RTP_FROM_ELSEWHERE"]),
    ("sound one way only", "may both sides send", &["ANSWERED_ON_HOLD", "NO_RTP"]),
    ("poor sound", "the bandwidth", &["RTP_LOSS"]),
    ("poor sound", "jitter", &["RTP_JITTER"]),
    ("poor sound", "precedence for voice", &["RTP_LOSS", "RTP_JITTER"]),
];

#[test]
fn every_row_of_the_troubleshooting_tables_is_among_the_findings() {
    for (symptom, advice, codes) in ROWS {
        assert!(!codes.is_empty());
        for code in *codes {
            let known = Diagnosis::ALL.iter().any(|diagnosis| diagnosis.code() == *code);
            assert!(known, "{symptom}: {advice}: {code}");
        }
    }
}
