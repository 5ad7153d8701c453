//! Video, fax, and media that goes from peer to peer.

mod common;

use common::{USUAL, media_lines, ours, text, with};
use tandem_sdp::{Direction, Kind, LocalEnd, Path, Sdp, SdpError};

const AUDIO: &str = "m=audio 4000 RTP/AVP 0";
const VIDEO: &[&str] = &[
    "m=video 4002 RTP/AVP 96 34",
    "a=rtpmap:96 H264/90000",
    "a=fmtp:96 profile-level-id=42e01f",
    "a=rtcp-fb:96 nack",
    "a=rtcp-fb:96 nack pli",
];
const FAX: &[&str] = &[
    "m=image 4006 udptl t38",
    "a=T38FaxVersion:0",
    "a=T38MaxBitRate:14400",
    "a=T38FaxUdpEC:t38UDPRedundancy",
];

fn with_video() -> LocalEnd {
    let mut end = ours();
    end.receive_at(Kind::Video, 20002);
    end
}

#[test]
fn video_is_told_with_its_formats_on_a_port_of_its_own() {
    let theirs = with(&[&[AUDIO], VIDEO].concat());
    let said = text(with_video().offer(&theirs, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 20000 RTP/AVP 0", "m=video 20002 RTP/AVP 96 34"]);
    for line in &VIDEO[1..] {
        assert!(said.contains(line), "{line}");
    }
    assert_eq!(theirs.stream(Kind::Video).unwrap().clock_rate, 90_000);
}

#[test]
fn video_is_answered_in_its_place_or_refused_there() {
    let offer = with(&[VIDEO, &[AUDIO]].concat());
    let accepted = with(&["m=video 6002 RTP/AVP 34", "m=audio 6000 RTP/AVP 0"]);
    let said = text(with_video().answer(&accepted, &offer, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=video 20002 RTP/AVP 34", "m=audio 20000 RTP/AVP 0"]);
    for refusing in ["m=video 0 RTP/AVP 34", "m=video 6002 RTP/AVP 31"] {
        let said = text(with_video().answer(&with(&[refusing, AUDIO]), &offer, USUAL).unwrap());
        assert_eq!(media_lines(&said), ["m=video 0 RTP/AVP 96", "m=audio 20000 RTP/AVP 0"]);
    }
}

#[test]
fn video_whose_formats_nobody_explains_is_refused() {
    let said = text(with_video().offer(&with(&[AUDIO, "m=video 4002 RTP/AVP 96"]), USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 20000 RTP/AVP 0", "m=video 0 RTP/AVP 96"]);
}

#[test]
fn video_without_sound_is_no_call() {
    assert_eq!(with_video().offer(&with(VIDEO), USUAL).unwrap_err(), SdpError::NoAudio);
}

#[test]
fn fax_in_the_place_of_the_sound_takes_its_port() {
    for theirs in [with(FAX), with(&[&["m=audio 0 RTP/AVP 0"], FAX].concat())] {
        let mut end = ours();
        let said = text(end.offer(&theirs, USUAL).unwrap());
        assert!(
            said.contains("m=image 20000 udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n"),
            "{said}"
        );
        assert!(!said.contains("sendrecv"), "fax has no direction");
        assert_eq!((end.port_of(Kind::Image), end.port_of(Kind::Audio)), (20000, 0));
        let answer = with(&["m=image 6006 udptl t38", "a=T38FaxVersion:0"]);
        if theirs.stream(Kind::Audio).is_none() {
            let said = text(ours().answer(&answer, &theirs, USUAL).unwrap());
            assert_eq!(media_lines(&said), ["m=image 20000 udptl t38"]);
        }
    }
}

#[test]
fn fax_beside_the_sound_needs_a_port_of_its_own() {
    let theirs = with(&[&[AUDIO], FAX].concat());
    let said = text(ours().offer(&theirs, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 20000 RTP/AVP 0", "m=image 0 udptl t38"]);
    let mut end = ours();
    end.receive_at(Kind::Image, 20004);
    let said = text(end.offer(&theirs, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 20000 RTP/AVP 0", "m=image 20004 udptl t38"]);
}

#[test]
fn an_answer_that_takes_the_fax_and_not_the_sound_is_told_so() {
    let offer = with(&[&[AUDIO], FAX].concat());
    let mut end = ours();
    end.receive_at(Kind::Image, 20004);
    let answer = with(&["m=audio 0 RTP/AVP 0", "m=image 6006 udptl t38"]);
    let said = text(end.answer(&answer, &offer, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 0 RTP/AVP 0", "m=image 20004 udptl t38"]);
}

#[test]
fn fax_over_tcp_or_of_another_kind_is_not_carried() {
    for line in ["m=image 4006 tcp t38", "m=image 4006 udptl t37"] {
        assert_eq!(ours().offer(&with(&[line]), USUAL).unwrap_err(), SdpError::NoAudio);
        let said = text(ours().offer(&with(&[AUDIO, line]), USUAL).unwrap());
        assert!(media_lines(&said)[1].starts_with("m=image 0 "), "{said}");
    }
}

#[test]
fn back_from_fax_the_sound_has_its_port_again() {
    let mut end = ours();
    end.offer(&with(FAX), USUAL).unwrap();
    end.agree();
    let said = text(end.offer(&with(&[AUDIO]), USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 20000 RTP/AVP 0"]);
}

#[test]
fn a_fax_that_is_refused_leaves_the_sound_where_it_was() {
    let mut end = ours();
    let sound = text(end.offer(&with(&[AUDIO]), USUAL).unwrap());
    end.agree();
    end.offer_by(Path::Direct, &with(FAX), USUAL).unwrap();
    end.take_back();
    let again = text(end.again().unwrap());
    assert_eq!(media_lines(&again), media_lines(&sound));
    assert_eq!((end.port_of(Kind::Audio), end.path()), (20000, Path::Anchored));
}

#[test]
fn from_peer_to_peer_each_is_told_the_addresses_of_the_other() {
    let theirs = with(&["m=audio 4000 RTP/AVP 18 8 0", "a=rtcp:4009", "a=sendonly"]);
    let said = text(ours().offer_by(Path::Direct, &theirs, USUAL).unwrap());
    assert_eq!(
        said,
        "v=0\r\no=- 42 1 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 8 0\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtcp:4009\r\na=sendonly\r\n"
    );
    let answer = with(&["m=audio 6000 RTP/AVP 0", "c=IN IP4 198.51.100.7"]);
    let said = Sdp::parse(&ours().answer_by(Path::Direct, &answer, &theirs, USUAL).unwrap()).unwrap();
    assert_eq!(said.audio().unwrap().rtp, "198.51.100.7:6000".parse().unwrap());
    assert_eq!(said.audio().unwrap().direction, Direction::RecvOnly);
}

#[test]
fn from_peer_to_peer_every_line_is_kept() {
    let lines = [
        "m=audio 4000 RTP/AVP 0",
        "m=video 4002 RTP/AVP 34",
        "c=IN IP4 192.0.2.11",
        "m=application 4004 UDP/BFCP *",
        "a=confid:1",
        "a=sendonly",
        "m=audio 4008 RTP/SAVP 8",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj",
        "m=message 0 TCP/MSRP *",
    ];
    let said = text(ours().offer_by(Path::Direct, &with(&lines), USUAL).unwrap());
    for line in lines {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let offer = with(&[AUDIO, "m=application 4004 UDP/BFCP *"]);
    let answer = with(&["m=audio 6000 RTP/AVP 0", "m=application 6004 UDP/BFCP *"]);
    let said = text(ours().answer_by(Path::Direct, &answer, &offer, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 6000 RTP/AVP 0", "m=application 6004 UDP/BFCP *"]);
}

#[test]
fn a_move_of_the_peer_is_a_change_of_what_is_said_only_from_peer_to_peer() {
    for (path, changes) in [(Path::Anchored, false), (Path::Direct, true)] {
        let mut end = ours();
        let first = end.offer_by(path, &with(&[AUDIO]), USUAL).unwrap();
        let moved = end.offer_by(path, &with(&["m=audio 4444 RTP/AVP 0"]), USUAL).unwrap();
        assert_eq!(first != moved, changes);
    }
}

#[test]
fn the_codec_is_that_of_the_sound_whatever_another_line_calls_by_its_number() {
    let mut end = with_video();
    assert_eq!(end.codec(), None, "nothing was said yet");
    let video = &["m=video 4002 RTP/AVP 96", "a=rtpmap:96 H264/90000"];
    let audio = &["m=audio 4000 RTP/AVP 96 0", "a=rtpmap:96 opus/48000/2"];
    end.offer(&with(&[&video[..], audio].concat()), &["opus", "PCMU"]).unwrap();
    assert_eq!(end.codec(), Some("opus"));
    let mut end = ours();
    end.offer(&with(&["m=audio 0 RTP/AVP 8", "m=audio 4000 RTP/AVP 0"]), USUAL).unwrap();
    assert_eq!(end.codec(), Some("PCMU"), "a refused line has no sound");
    let mut end = ours();
    end.offer(&with(FAX), USUAL).unwrap();
    assert_eq!(end.codec(), None, "fax has none");
}

#[test]
fn what_is_refused_of_an_offer_keeps_its_place_and_the_rest_is_told() {
    let mut theirs = with(&[FAX, &[AUDIO]].concat());
    theirs.refuse(Kind::Image);
    assert!(!theirs.has(Kind::Image));
    let mut end = ours();
    end.receive_at(Kind::Image, 20006);
    let said = text(end.offer(&theirs, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=image 0 udptl t38", "m=audio 20000 RTP/AVP 0"]);
    // Whoever accepts it all the same is not heard.
    let answer = with(&["m=image 6006 udptl t38", "m=audio 6000 RTP/AVP 0"]);
    let said = text(end.answer(&answer, &theirs, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=image 0 udptl t38", "m=audio 20000 RTP/AVP 0"]);
}
