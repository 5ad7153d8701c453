//! The hash algorithms of digest and the one computation that both roles share (RFC 7616 §3.4).

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};

/// A hash function.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Hash {
    Md5,
    Sha256,
    Sha512t256,
}

/// A digest algorithm as named in a challenge. Of two, the greater is the stronger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Algorithm {
    hash: Hash,
    session: bool,
}

const ALL: [(&str, Algorithm); 6] = [
    ("MD5", Algorithm { hash: Hash::Md5, session: false }),
    ("MD5-sess", Algorithm { hash: Hash::Md5, session: true }),
    ("SHA-256", Algorithm { hash: Hash::Sha256, session: false }),
    ("SHA-256-sess", Algorithm { hash: Hash::Sha256, session: true }),
    ("SHA-512-256", Algorithm { hash: Hash::Sha512t256, session: false }),
    ("SHA-512-256-sess", Algorithm { hash: Hash::Sha512t256, session: true }),
];

impl Algorithm {
    /// What an absent `algorithm` means.
    pub const MD5: Algorithm = Algorithm { hash: Hash::Md5, session: false };
    /// SHA-256 (RFC 7616 §3.2).
    pub const SHA_256: Algorithm = Algorithm { hash: Hash::Sha256, session: false };

    /// Reads the `algorithm` parameter; `None` for one that we do not have.
    pub fn parse(token: Option<&str>) -> Option<Algorithm> {
        let Some(token) = token else { return Some(Algorithm::MD5) };
        ALL.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(token)).map(|(_, algorithm)| algorithm)
    }

    /// Its name in the `algorithm` parameter.
    pub fn name(self) -> &'static str {
        ALL.into_iter().find(|(_, algorithm)| *algorithm == self).map_or("MD5", |(name, _)| name)
    }

    /// Whether it is made of MD5.
    pub(super) fn is_md5(self) -> bool {
        self.hash == Hash::Md5
    }

    /// Strength alone: `MD5` and `MD5-sess` are equally strong.
    pub(super) fn strength(self) -> u8 {
        self.hash as u8
    }

    /// Whether A1 holds the nonces (RFC 7616 §3.4.2), so that there must be a cnonce whatever the qop.
    pub(super) fn is_session(self) -> bool {
        self.session
    }

    /// H of the parts joined with colons, in lower-case hexadecimal.
    fn hash(self, parts: &[&str]) -> String {
        fn of<D: Digest>(parts: &[&str]) -> String {
            let mut hash = D::new();
            for (n, part) in parts.iter().enumerate() {
                if n > 0 {
                    hash.update(b":");
                }
                hash.update(part.as_bytes());
            }
            hex::encode(hash.finalize())
        }
        match self.hash {
            Hash::Md5 => of::<Md5>(parts),
            Hash::Sha256 => of::<Sha256>(parts),
            Hash::Sha512t256 => of::<Sha512_256>(parts),
        }
    }

    /// The `response` value.
    pub(super) fn response(self, input: &Input<'_>) -> String {
        let Input { username, realm, password, method, uri, nonce, protection } = *input;
        let mut a1 = self.hash(&[username, realm, password]);
        if self.session {
            a1 = self.hash(&[&a1, nonce, input.cnonce()]);
        }
        let a2 = self.hash(&[method, uri]);
        match protection {
            Protection::Auth { nc, cnonce } => self.hash(&[&a1, nonce, nc, cnonce, "auth", &a2]),
            Protection::Legacy { .. } => self.hash(&[&a1, nonce, &a2]),
        }
    }
}

/// What goes into a response; all text unquoted.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) username: &'a str,
    pub(super) realm: &'a str,
    pub(super) password: &'a str,
    pub(super) method: &'a str,
    pub(super) uri: &'a str,
    pub(super) nonce: &'a str,
    pub(super) protection: Protection<'a>,
}

/// The quality of protection.
#[derive(Clone, Copy)]
pub(super) enum Protection<'a> {
    /// `qop=auth`; `nc` as written, eight hexadecimal digits.
    Auth { nc: &'a str, cnonce: &'a str },
    /// No qop (RFC 2617 §3.2.2.1, for RFC 2069 peers). The cnonce serves a `-sess` algorithm only.
    Legacy { cnonce: &'a str },
}

impl<'a> Input<'a> {
    fn cnonce(&self) -> &'a str {
        match self.protection {
            Protection::Auth { cnonce, .. } | Protection::Legacy { cnonce } => cnonce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mufasa(algorithm: &str, password: &str, nonce: &str, cnonce: &str) -> String {
        Algorithm::parse(Some(algorithm)).unwrap().response(&Input {
            username: "Mufasa",
            realm: "http-auth@example.org",
            password,
            method: "GET",
            uri: "/dir/index.html",
            nonce,
            protection: Protection::Auth { nc: "00000001", cnonce },
        })
    }

    #[test]
    fn the_example_of_rfc_7616_section_3_9_1_comes_out() {
        let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        assert_eq!(mufasa("MD5", "Circle of Life", nonce, cnonce), "8ca523f5e9506fed4657c9700eebdbec");
        assert_eq!(
            mufasa("SHA-256", "Circle of Life", nonce, cnonce),
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
        );
    }

    #[test]
    fn the_example_of_rfc_2617_section_3_5_comes_out() {
        let response = Algorithm::MD5.response(&Input {
            username: "Mufasa",
            realm: "testrealm@host.com",
            password: "Circle Of Life",
            method: "GET",
            uri: "/dir/index.html",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            protection: Protection::Auth { nc: "00000001", cnonce: "0a4f113b" },
        });
        assert_eq!(response, "6629fae49393a05397450978507c4ef1");
    }

    #[test]
    fn the_corrected_example_of_rfc_7616_section_3_9_2_comes_out() {
        // Erratum 4897: the RFC itself shows what a draft of SHA-512/256 gives.
        let response = Algorithm::parse(Some("SHA-512-256")).unwrap().response(&Input {
            username: "J\u{e4}s\u{f8}n Doe",
            realm: "api@example.org",
            password: "Secret, or not?",
            method: "GET",
            uri: "/doe.json",
            nonce: "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            protection: Protection::Auth {
                nc: "00000001",
                cnonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
            },
        });
        assert_eq!(response, "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5");
    }

    #[test]
    fn without_qop_the_response_is_that_of_rfc_2069() {
        // The well-known corrected value of the example in RFC 2069 §2.4.
        let response = Algorithm::MD5.response(&Input {
            username: "Mufasa",
            realm: "testrealm@host.com",
            password: "CircleOfLife",
            method: "GET",
            uri: "/dir/index.html",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            protection: Protection::Legacy { cnonce: "" },
        });
        assert_eq!(response, "1949323746fe6a43ef61f9606e7febea");
    }

    #[test]
    fn the_stronger_algorithm_is_the_greater() {
        let by_name = |name| Algorithm::parse(Some(name)).unwrap();
        assert!(by_name("sha-256") > by_name("MD5-sess"));
        assert!(by_name("SHA-512-256") > by_name("SHA-256-sess"));
        assert_eq!(by_name("md5"), Algorithm::MD5);
        assert_eq!(Algorithm::parse(Some("AKAv1-MD5")), None);
        assert_eq!(Algorithm::parse(None), Some(Algorithm::MD5));
    }
}
