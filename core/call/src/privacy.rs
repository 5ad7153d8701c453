//! What a caller wants kept back (RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §10.1).

use tandem_sip_msg::{Header, Message};

/// The values of a Privacy header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Privacy(u8);

const NAMES: [(&str, u8); 7] =
    [("header", 1), ("session", 2), ("user", 4), ("id", 8), ("history", 16), ("critical", 32), ("none", 64)];

impl Privacy {
    /// The asserted identity stays among those who are trusted with it.
    pub const ID: Privacy = Privacy(8);
    const USER: Privacy = Privacy(4);
    const NONE: Privacy = Privacy(64);

    /// Those of a message; values that nobody knows are passed over.
    pub fn read(message: &Message) -> Privacy {
        let values = message.headers(Header::Privacy).flat_map(|line| line.split([';', ',']));
        let bits = values.filter_map(|value| {
            NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(value.trim())).map(|(_, bit)| bit)
        });
        Privacy(bits.fold(0, |all, bit| all | bit))
    }

    /// Wants this as well.
    pub fn add(&mut self, more: Privacy) {
        self.0 |= more.0;
    }

    /// Whether the caller wants to stay unknown.
    pub fn hides_caller(self) -> bool {
        self.0 & (Privacy::ID.0 | Privacy::USER.0) != 0
    }

    /// Whether the caller wants to be shown, whatever is usual.
    pub fn is_waived(self) -> bool {
        self.0 & Privacy::NONE.0 != 0 && !self.hides_caller()
    }

    /// The header's value; `None` where the caller wants nothing. `none` stands alone or not at all.
    pub fn value(self) -> Option<String> {
        let asked = self.0 & !Privacy::NONE.0;
        let bits = if asked == 0 { self.0 } else { asked };
        let names: Vec<&str> =
            NAMES.iter().filter(|(_, bit)| bits & bit != 0).map(|(name, _)| *name).collect();
        (!names.is_empty()).then(|| names.join(";"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Privacy {
        let text = format!(
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\
             Call-ID: 1\r\nCSeq: 1 INVITE\r\nPrivacy: {value}\r\nContent-Length: 0\r\n\r\n"
        );
        Privacy::read(&Message::parse(text.into()).unwrap())
    }

    #[test]
    fn id_and_user_hide_the_caller_and_others_do_not() {
        for (value, hides) in [
            ("id", true),
            ("Header; USER", true),
            ("critical;id", true),
            ("header;session", false),
            ("none", false),
            ("shy", false),
        ] {
            assert_eq!(read(value).hides_caller(), hides, "{value}");
        }
    }

    #[test]
    fn what_is_asked_is_written_in_one_form_and_none_only_alone() {
        for (value, written) in [
            ("id;critical", Some("id;critical")),
            ("USER ;id", Some("user;id")),
            ("none", Some("none")),
            ("none;id", Some("id")),
            ("shy", None),
        ] {
            assert_eq!(read(value).value().as_deref(), written, "{value}");
        }
        assert!(read("none").is_waived() && !read("none;id").is_waived() && !read("header").is_waived());
    }
}
