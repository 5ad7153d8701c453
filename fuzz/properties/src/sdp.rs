//! Session descriptions: what we say of one side to the other is one, and shaped to what was offered.

use std::net::{IpAddr, Ipv4Addr};
use tandem_sdp::{LocalEnd, Sdp, SdpError};

const ALLOWED: [&str; 5] = ["opus", "PCMA", "PCMU", "G729", "telephone-event"];
const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77));

/// An offer and, after a zero byte, its answer; and after another one, the next offer of the other side.
pub fn sdp(data: &[u8]) {
    let mut parts = data.split(|&b| b == 0);
    let mut next = || parts.next().and_then(|part| Sdp::parse(part).ok().map(|sdp| (part, sdp)));
    let (Some((_, offer)), answer, change) = (next(), next(), next()) else { return };
    let _ = offer.audio();
    let mut callee = LocalEnd::new(1, OURS, 30_000);
    let Ok(told) = callee.offer(&offer, &ALLOWED) else { return };
    is_ours(&told);
    let mut caller = LocalEnd::new(2, OURS, 30_002);
    if let Some((_, answer)) = &answer
        && let Ok(back) = caller.answer(answer, &offer, &ALLOWED)
    {
        is_ours(&back);
        assert_eq!(lines(&back), lines(&told), "an answer has as many media lines as its offer");
        callee.agree();
    }
    if let Some((_, change)) = &change {
        let before = caller.again();
        match caller.offer(change, &ALLOWED) {
            Ok(told) => {
                is_ours(&told);
                caller.take_back();
                if let Some(before) = before {
                    let after = caller.again().expect("something was said before");
                    assert_eq!(media_of(&before), media_of(&after));
                }
            }
            Err(error) => assert!((400..700).contains(&error.status())),
        }
    }
}

/// A description that another reader takes, with our address in it and nobody else's.
fn is_ours(said: &[u8]) {
    let text = String::from_utf8_lossy(said);
    match Sdp::parse(said) {
        Ok(sdp) => {
            if let Some(audio) = sdp.audio().filter(|audio| audio.rtp.port() != 0) {
                assert_eq!(audio.rtp.ip(), OURS, "{text}");
            }
        }
        // All of it refused: nothing is left to talk over, and that is no error of ours.
        Err(SdpError::NoAudio) => {}
        Err(error) => panic!("{error}: {text}"),
    }
    for line in text.lines().filter(|line| line.starts_with("c=") || line.starts_with("o=")) {
        assert!(line.ends_with(&OURS.to_string()), "{line}");
    }
}

fn lines(said: &[u8]) -> usize {
    String::from_utf8_lossy(said).lines().filter(|line| line.starts_with("m=")).count()
}

/// All but the version of the session.
fn media_of(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said).into_owned();
    text.lines().filter(|line| !line.starts_with("o=")).collect::<Vec<_>>().join("\n")
}
