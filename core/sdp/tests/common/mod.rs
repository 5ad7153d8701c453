//! Words shared by the tests.
#![allow(dead_code)]

use tandem_sdp::{LocalEnd, Sdp};

/// What a trunk usually allows.
pub const USUAL: &[&str] = &["PCMA", "PCMU", "telephone-event"];

pub fn sdp(text: &str) -> Sdp {
    Sdp::parse(text.as_bytes()).unwrap()
}

/// A description at 192.0.2.10 with these lines below `t=`.
pub fn with(lines: &[&str]) -> Sdp {
    let head = "v=0\r\no=alice 2890844526 7 IN IP4 192.0.2.10\r\ns=Talk\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n";
    sdp(&format!("{head}{}\r\n", lines.join("\r\n")))
}

/// Our end at 203.0.113.1:20000.
pub fn ours() -> LocalEnd {
    LocalEnd::new(42, "203.0.113.1".parse().unwrap(), 20000)
}

pub fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).unwrap()
}

pub fn media_lines(body: &str) -> Vec<&str> {
    body.lines().filter(|line| line.starts_with("m=")).collect()
}

pub fn origin(body: &str) -> &str {
    body.lines().find(|line| line.starts_with("o=")).unwrap()
}
