//! Which dialog a new one is to take the place of (RFC 3891).

use crate::params::Params;

/// A Replaces value: the identifiers of a dialog as its other end knows them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaces {
    /// SIP Call-ID.
    pub call_id: String,
    /// The tag of whoever receives this header; `0` stands for none.
    pub to_tag: String,
    /// The tag of that one's peer; `0` stands for none.
    pub from_tag: String,
    /// Only as long as the dialog is not confirmed.
    pub early_only: bool,
}

impl Replaces {
    /// Reads a header value; each tag has to be there once (RFC 3891 §6.1).
    pub fn parse(value: &str) -> Option<Replaces> {
        let (call_id, params) = value.split_at(value.find(';')?);
        let params = Params::checked(params)?;
        let call_id = call_id.trim();
        let tag = |name| params.get_once(name).ok().flatten().filter(|tag| !tag.is_empty());
        if call_id.is_empty() || call_id.contains([',', ' ', '\t']) {
            return None;
        }
        Some(Replaces {
            call_id: call_id.to_owned(),
            to_tag: tag("to-tag")?.to_owned(),
            from_tag: tag("from-tag")?.to_owned(),
            early_only: params.has("early-only"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NameAddr, Uri};

    #[test]
    fn a_dialog_is_named_by_its_call_id_and_both_tags() {
        let replaces = Replaces::parse("425928@phone.example;to-tag=7743; from-tag=6472;early-only").unwrap();
        assert_eq!(replaces.call_id, "425928@phone.example");
        assert_eq!((replaces.to_tag.as_str(), replaces.from_tag.as_str()), ("7743", "6472"));
        assert!(replaces.early_only);
        assert!(!Replaces::parse("a;from-tag=1;to-tag=2").unwrap().early_only);
    }

    #[test]
    fn a_dialog_named_by_half_or_twice_is_none() {
        for value in [
            "",
            "abc",
            ";to-tag=1;from-tag=2",
            "abc;to-tag=1",
            "abc;from-tag=1",
            "abc;to-tag=1;to-tag=2;from-tag=3",
            "abc;to-tag=;from-tag=3",
            "abc;to-tag=1;from-tag=2, def;to-tag=1;from-tag=2",
        ] {
            assert_eq!(Replaces::parse(value), None, "{value}");
        }
    }

    #[test]
    fn a_refer_to_carries_it_escaped() {
        let refer_to =
            "<sip:bob@192.0.2.4?Require=replaces&Replaces=12345%40192.0.2.3%3Bto-tag%3D1%3Bfrom-tag%3D5F>";
        let uri = NameAddr::parse(refer_to).unwrap().uri();
        let found: Vec<_> = uri.embedded("replaces").collect();
        let [value] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(Replaces::parse(value).unwrap().call_id, "12345@192.0.2.3");
        assert_eq!(Uri::parse("sip:bob@192.0.2.4").unwrap().embedded("Replaces").count(), 0);
    }
}
