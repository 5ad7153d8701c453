//! What holds for any bytes.

mod common;

use common::{USUAL, ours};
use proptest::prelude::*;
use tandem_sdp::Sdp;

/// Lines that are nearly right, so that the parser is gone through and not stopped at the door.
fn nearly_sdp() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "m=(audio|video|AUDIO) [0-9]{1,6}(/[0-9])? RTP/S?AVPF?( [0-9]{1,3}){0,6}",
        "c=IN IP[46] (0\\.0\\.0\\.0|192\\.0\\.2\\.[0-9]|::1|a\\.invalid|[a-z.]{0,8})",
        "a=(rtpmap|fmtp):[0-9]{1,3} (PCMU|telephone-event|opus|[a-z/]{0,6})/[0-9]{0,6}(/[0-9])?",
        "a=(sendonly|recvonly|inactive|sendrecv|rtcp-mux|rtcp:[0-9]{0,6}|ptime:[0-9]{0,3}|[a-z:]{0,9})",
        "b=(AS|RS):[0-9]{0,12}",
        "[a-z]=\\PC{0,20}",
        ".{0,20}",
    ];
    proptest::collection::vec(line, 0..20).prop_map(|lines| format!("v=0\r\n{}\r\n", lines.join("\r\n")))
}

fn goes_through(body: &[u8]) {
    let Ok(sdp) = Sdp::parse(body) else { return };
    let audio = sdp.audio();
    let (mut one, mut other) = (ours(), ours());
    if let Ok(said) = one.offer(&sdp, USUAL) {
        let said = Sdp::parse(&said).expect("what we say can be read");
        assert_eq!(said.audio().map(|a| a.refused), audio.as_ref().map(|a| a.refused));
        let back = other.answer(&said, &sdp, USUAL).expect("our own offer, mirrored, answers theirs");
        Sdp::parse(&back).expect("what we answer can be read");
    }
    let _ = other.answer(&sdp, &sdp, USUAL);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        goes_through(&body);
        goes_through(&[b"v=0\n".as_slice(), &body].concat());
    }

    #[test]
    fn nearly_right_bodies_are_read_or_refused_and_ours_stay_readable(body in nearly_sdp()) {
        goes_through(body.as_bytes());
    }
}
