//! Datagrams as large as they come, each full of one thing.

use bytes::Bytes;

/// One datagram and what it is full of.
pub struct Datagram {
    pub name: String,
    pub bytes: Bytes,
}

/// Header lines up to where the repetition begins.
const LINES: [&str; 28] = [
    "Via: ",
    "Via: SIP/2.0/UDP h;branch=z9hG4bK1;",
    "Via: SIP/2.0/UDP h;branch=z9hG4bK1,",
    "Contact: ",
    "Contact: <sip:a@b>;",
    "Route: ",
    "Record-Route: ",
    "Require: ",
    "Proxy-Require: a",
    "Supported: ",
    "Allow: ",
    "Accept: ",
    "Authorization: Digest ",
    "Proxy-Authorization: Digest ",
    "Reason: Q.850;",
    "P-Asserted-Identity: ",
    "Privacy: ",
    "Diversion: ",
    "History-Info: ",
    "Identity: ",
    "Session-Expires: 1800;",
    "Replaces: x;",
    "Refer-To: ",
    "Path: ",
    "User-Agent: ",
    "X: ",
    "Content-Type: ",
    "Content-Type: multipart/mixed;boundary=",
];

/// What is repeated in them.
const PIECES: [&str; 24] = [
    ",",
    ";",
    ":",
    "<",
    ">",
    "\"",
    "\\",
    "\\\"",
    "[",
    "]",
    "(",
    "@",
    "=",
    "%41",
    " ",
    "a,",
    ";a",
    ";a=\"b\"",
    "a=b,",
    "<sip:a@b>,",
    "\"\",",
    "SIP/2.0/UDP h;branch=z9hG4bK1,",
    "\r\n ",
    "ü",
];

/// Lines of a session description, each repeated.
const SDP_LINES: [&str; 16] = [
    "a=x\r\n",
    "a=rtpmap:96 x/8000\r\n",
    "a=fmtp:0 x=1;y=2\r\n",
    "a=sendrecv\r\n",
    "a=ptime:20\r\n",
    "a=rtcp:1 IN IP4 192.0.2.1\r\n",
    "a=candidate:1 1 UDP 1 192.0.2.1 1 typ host\r\n",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x\r\n",
    "b=AS:1\r\n",
    "c=IN IP4 192.0.2.1\r\n",
    "m=audio 4000 RTP/AVP 0\r\n",
    "m=image 0 udptl t38\r\n",
    "t=0 0\r\n",
    "v=0\r\n",
    "\r\n",
    "x",
];

/// What is repeated in one line of a session description.
const SDP_PLACES: [(&str, &str); 8] = [
    ("m=audio 4000 RTP/AVP 0", " 8"),
    ("m=audio 4000 RTP/AVP", "/0"),
    ("m=audio 4000 RTP/AVP 0\r\na=fmtp:0 ", ";x"),
    ("m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 ", "PCMU/"),
    ("m=audio 4000 RTP/AVP 0\r\na=ptime:", "0"),
    ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 ", "1."),
    ("m=audio ", "1"),
    ("o=", " -"),
];

/// Every datagram, of about this size. No two have the same Call-ID or branch.
pub fn all(size: usize) -> Vec<Datagram> {
    let mut found = Vec::new();
    for method in ["INVITE", "REGISTER"] {
        for line in LINES {
            for piece in PIECES {
                let name = format!("{method} with {piece:?} in {line:?}");
                let text = format!("{line}{}\r\n", piece.repeat(size / piece.len()));
                found.push(datagram(name, |n| request(method, n, "", &text, "")));
            }
            let text = format!("{line}x\r\n");
            let lines = text.repeat(size / text.len());
            found.push(datagram(format!("{method} with {line:?} a thousand times"), |n| {
                request(method, n, "", &lines, "")
            }));
        }
    }
    for piece in PIECES {
        let many = piece.repeat(size / piece.len());
        let more = format!(";{many}");
        found
            .push(datagram(format!("{piece:?} in the Request-URI"), |n| request("INVITE", n, &many, "", "")));
        found.push(datagram(format!("{piece:?} in the Request-URI's parameters"), |n| {
            request("INVITE", n, &more, "", "")
        }));
        found.push(datagram(format!("{piece:?} in a body of parts"), |n| {
            let kind = "Content-Type: multipart/mixed;boundary=x\r\n";
            request("INVITE", n, "", kind, &format!("--x\r\n{many}"))
        }));
    }
    let sdp = |body: String| move |n| request("INVITE", n, "", "Content-Type: application/sdp\r\n", &body);
    for line in SDP_LINES {
        let lines = line.repeat(size / line.len());
        let start = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";
        found.push(datagram(format!("SDP of {line:?}"), sdp(format!("{start}{lines}"))));
        let audio = format!("{start}m=audio 4000 RTP/AVP 0 8\r\n{lines}");
        found.push(datagram(format!("SDP of {line:?} below audio"), sdp(audio)));
    }
    for (place, piece) in SDP_PLACES {
        let many = piece.repeat(size / piece.len());
        let body = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{place}{many}\r\n"
        );
        found.push(datagram(format!("SDP with {piece:?} in {place:?}"), sdp(body)));
    }
    for byte in 0..=255u8 {
        found.push(Datagram { name: format!("{byte:#04x} alone"), bytes: vec![byte; size].into() });
        let mut bytes = b"OPTIONS sip:a SIP/2.0\r\n".to_vec();
        bytes.resize(size, byte);
        found.push(Datagram { name: format!("{byte:#04x} behind a request line"), bytes: bytes.into() });
    }
    found
}

fn datagram(name: String, write: impl Fn(usize) -> String) -> Datagram {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let bytes = write(COUNT.fetch_add(1, Ordering::Relaxed)).into();
    Datagram { name, bytes }
}

fn request(method: &str, n: usize, uri: &str, lines: &str, body: &str) -> String {
    format!(
        "{method} sip:15550001@10.0.0.1{uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.1.1;branch=z9hG4bK{n};rport\r\n\
         From: <sip:1@10.0.1.1>;tag={n}\r\nTo: <sip:15550001@10.0.0.1>\r\nCall-ID: hostile-{n}\r\nCSeq: 1 {method}\r\n\
         Max-Forwards: 70\r\n{lines}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
