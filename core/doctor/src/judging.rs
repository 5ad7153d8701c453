//! What answers and failures mean, whichever stage they come at.

use tandem_model::{Diagnosis, ExamStage};
use tandem_sip_msg::{Flow, Header, Message, NoConnection, standard_reason};

/// What was found, and the stage that it belongs to.
pub(crate) struct Judgement {
    pub(crate) stage: ExamStage,
    pub(crate) what: Diagnosis,
}

pub(crate) fn of_connection(kind: NoConnection) -> Judgement {
    let what = match kind {
        NoConnection::Refused => Diagnosis::ConnectionRefused,
        NoConnection::Silent => Diagnosis::ConnectionTimeout,
        NoConnection::Network => Diagnosis::NetworkUnreachable,
        NoConnection::WrongName => Diagnosis::TlsWrongName,
        NoConnection::UnknownIssuer => Diagnosis::TlsUnknownIssuer,
        NoConnection::Expired => Diagnosis::TlsExpired,
        NoConnection::BadCertificate => Diagnosis::TlsBadCertificate,
        NoConnection::ClientCertificate => Diagnosis::TlsClientCertificate,
        NoConnection::NotTls => Diagnosis::TlsNotSpoken,
        NoConnection::Handshake => Diagnosis::TlsHandshake,
    };
    Judgement { stage: if kind.is_tls() { ExamStage::Tls } else { ExamStage::Transport }, what }
}

/// What a final answer to INVITE means that is neither success nor a challenge.
pub(crate) fn of_invite(code: u16) -> Diagnosis {
    match code {
        300..=399 => Diagnosis::Redirected,
        402 => Diagnosis::PaymentRequired,
        403 | 433 => Diagnosis::CallerRefused,
        404 | 416 | 484 | 485 | 604 => Diagnosis::NumberRefused,
        410 | 480 | 487 => Diagnosis::NumberUnavailable,
        486 | 600 => Diagnosis::NumberBusy,
        603 | 607 | 608 => Diagnosis::CallDeclined,
        406 | 415 | 488 | 606 => Diagnosis::CodecRefused,
        408 | 504 => Diagnosis::InviteUnanswered,
        482 | 483 => Diagnosis::LoopDetected,
        503 => Diagnosis::ServerUnavailable,
        500..=599 => Diagnosis::ServerError,
        _ => Diagnosis::InviteRefused,
    }
}

/// What a final answer to REGISTER means that is neither success, a challenge nor 423.
pub(crate) fn of_register(code: u16, with_credentials: bool) -> Diagnosis {
    match code {
        300..=399 => Diagnosis::Redirected,
        403 if with_credentials => Diagnosis::RegisterForbidden,
        403 | 405 | 501 => Diagnosis::RegisterNotTaken,
        404 | 604 => Diagnosis::AccountUnknown,
        408 => Diagnosis::RegisterUnanswered,
        480 | 503 => Diagnosis::ServerUnavailable,
        500..=599 => Diagnosis::ServerError,
        _ => Diagnosis::RegisterRefused,
    }
}

/// `udp:192.0.2.1:5060`.
pub(crate) fn address(flow: &Flow) -> String {
    format!("{}:{}", flow.transport.param_name(), flow.remote)
}

/// `403 Forbidden`, with what the answer says beside that.
pub(crate) fn came(answer: &Message) -> String {
    let code = answer.code().unwrap_or(0);
    let phrase: String = answer.reason_phrase().chars().filter(|c| !c.is_control()).take(80).collect();
    let phrase = if phrase.trim().is_empty() { standard_reason(code).to_owned() } else { phrase };
    let mut came = format!("{code} {phrase}");
    if (300..400).contains(&code)
        && let Some(contact) = answer.contact()
    {
        came += &format!(", to {}", contact.uri().as_str());
    }
    for (header, says) in [
        (Header::RetryAfter, "Retry-After"),
        (Header::MinExpires, "Min-Expires"),
        (Header::Reason, "Reason"),
        (Header::Warning, "Warning"),
    ] {
        if let Some(value) = answer.header(header) {
            came += &format!(", {says}: {value}");
        }
    }
    came.chars().filter(|c| !c.is_control()).take(240).collect()
}
