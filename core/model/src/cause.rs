//! Why a call ended: SIP status codes and Q.850 causes in one table (RFC 3326, RFC 6432).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The end of a leg as the other side is to be told: a SIP status, its phrase and the Q.850 cause where known.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Cause {
    /// SIP status code, 300 to 699.
    pub code: u16,
    /// Reason phrase, as received where it came from upstream.
    pub phrase: String,
    /// Q.850 cause value, 1 to 127.
    pub q850: Option<u8>,
    /// `Reason` header values received, passed on as they are (RFC 3326).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
}

/// The Q.850 cause that a SIP status stands for (RFC 3398 §8.2.6.1).
pub fn q850_of(code: u16) -> u8 {
    match code {
        400 | 481 | 500 => 41,
        401 | 402 | 403 | 407 | 603 | 607 | 608 => 21,
        404 => 1,
        405 => 63,
        406 | 415 | 488 | 606 => 79,
        408 | 504 => 102,
        410 => 22,
        413 | 414 | 416 | 420..=423 | 505 | 513 => 127,
        480 => 18,
        482 | 483 => 25,
        484 => 28,
        485 | 604 => 1,
        486 | 600 => 17,
        487 => 16,
        501 => 79,
        502 => 38,
        503 => 41,
        _ => 31,
    }
}

impl Cause {
    /// A cause of our own, with the standard phrase and the Q.850 value that the code stands for.
    pub fn of(code: u16) -> Cause {
        Cause {
            code,
            phrase: tandem_sip_msg::standard_reason(code).to_owned(),
            q850: Some(q850_of(code)),
            reasons: Vec::new(),
        }
    }

    /// The same with a phrase of our own.
    pub fn with_phrase(code: u16, phrase: impl Into<String>) -> Cause {
        Cause { phrase: phrase.into(), ..Cause::of(code) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_stands_for_the_cause_that_rfc_3398_gives_it() {
        for (code, q850) in [
            (400, 41),
            (403, 21),
            (404, 1),
            (408, 102),
            (410, 22),
            (415, 79),
            (416, 127),
            (420, 127),
            (480, 18),
            (483, 25),
            (484, 28),
            (486, 17),
            (487, 16),
            (501, 79),
            (502, 38),
            (503, 41),
            (600, 17),
            (603, 21),
            (604, 1),
        ] {
            assert_eq!(q850_of(code), q850, "{code}");
        }
    }

    #[test]
    fn every_status_has_a_cause_that_q850_knows() {
        assert!((300..700).all(|code| (1..=127).contains(&q850_of(code))));
    }

    #[test]
    fn a_phrase_of_ours_replaces_only_the_phrase() {
        let cause = Cause::with_phrase(486, "On the phone");
        assert_eq!((cause.code, cause.phrase.as_str(), cause.q850), (486, "On the phone", Some(17)));
        assert_eq!(Cause::of(486).phrase, "Busy Here");
    }

    #[test]
    fn reasons_appear_only_where_there_are_some() {
        let mut cause = Cause::of(486);
        assert!(serde_json::to_value(&cause).unwrap().get("reasons").is_none());
        cause.reasons.push("Q.850;cause=17".to_owned());
        let read: Cause = serde_json::from_value(serde_json::to_value(&cause).unwrap()).unwrap();
        assert_eq!(read, cause);
    }
}
