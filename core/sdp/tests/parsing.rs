//! Bodies from strangers: every one is read or refused in plain words, none does harm.

mod common;

use common::{sdp, with};
use tandem_sdp::{Direction, Sdp, SdpError};

fn refusal(body: &[u8]) -> SdpError {
    let parsed = Sdp::parse(body);
    match parsed {
        Err(error) => error,
        Ok(parsed) => common::ours().offer(&parsed, common::USUAL).unwrap_err(),
    }
}

fn malformed(body: &str) {
    let error = refusal(body.as_bytes());
    assert!(matches!(error, SdpError::Malformed(_)), "{error} for {body:?}");
    assert_eq!(error.status(), 400);
}

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n";

#[test]
fn a_body_that_is_no_sdp_is_malformed() {
    for body in [
        "",
        "\r\n",
        "hello",
        "v=1\r\n",
        "o=- 1 1 IN IP4 192.0.2.1\r\n",
        "v=0\r\nnonsense\r\n",
        "v=0\r\n=x\r\n",
    ] {
        malformed(body);
    }
}

#[test]
fn a_port_over_65535_is_malformed() {
    for port in ["65536", "4294967296", "4294967297", "-1", "0x10", "", "99999999999999999999999"] {
        malformed(&format!("{HEAD}m=audio {port} RTP/AVP 0\r\n"));
    }
}

#[test]
fn a_media_line_with_missing_fields_is_malformed() {
    for line in ["m=", "m=audio", "m=audio 4000", "m=audio 4000 RTP/AVP", "m=au(dio 4000 RTP/AVP 0"] {
        malformed(&format!("{HEAD}{line}\r\n"));
    }
}

#[test]
fn nuls_are_malformed_wherever_they_stand() {
    malformed(&format!("{HEAD}m=audio 4000 RTP/AVP 0\0\r\n"));
    malformed(&format!("{HEAD}m=audio 4000 RTP/AVP 0\r\na=x\0\r\n"));
    malformed("\0\0\0\0");
}

#[test]
fn a_media_line_without_any_address_is_malformed() {
    malformed("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n");
}

#[test]
fn bounds_hold_for_bodies_lines_and_formats() {
    malformed(&format!("{HEAD}{}", "a=x\r\n".repeat(14_000)));
    malformed(&format!("{HEAD}{}", "m=audio 0 RTP/AVP 0\r\n".repeat(33)));
    malformed(&format!("{HEAD}m=audio 4000 RTP/AVP{}\r\n", " 0".repeat(65)));
    let many = format!("{HEAD}{}", "m=audio 4000 RTP/AVP 0\r\n".repeat(32));
    assert!(Sdp::parse(many.as_bytes()).is_ok());
}

#[test]
fn no_media_line_is_no_audio() {
    let error = refusal(HEAD.as_bytes());
    assert_eq!((error, error.status()), (SdpError::NoAudio, 488));
}

#[test]
fn video_alone_is_no_audio() {
    let error = refusal(format!("{HEAD}m=video 4000 RTP/AVP 31\r\n").as_bytes());
    assert_eq!((error, error.status()), (SdpError::NoAudio, 488));
}

#[test]
fn encrypted_audio_alone_is_refused_with_the_reason() {
    let error = refusal(format!("{HEAD}m=audio 4000 RTP/SAVP 0\r\n").as_bytes());
    assert_eq!((error, error.status()), (SdpError::SecureAudioOnly, 488));
    assert!(error.to_string().contains("SRTP"));
}

#[test]
fn host_names_multicast_and_broadcast_are_no_media_addresses() {
    for address in
        ["IN IP4 media.example.com", "IN IP4 224.2.1.1/127", "IN IP4 255.255.255.255", "IN IP6 ff02::1"]
    {
        let body = format!("v=0\r\nc={address}\r\nm=audio 4000 RTP/AVP 0\r\n");
        assert_eq!(refusal(body.as_bytes()), SdpError::UnusableAddress, "{address}");
    }
}

#[test]
fn bare_line_feeds_blank_lines_and_stray_lines_are_tolerated() {
    let audio = sdp("v=0\no=x\nq=?\nc=IN IP4 192.0.2.9\n\nm=audio 4000 RTP/AVP 8 0\n\n").audio().unwrap();
    assert_eq!(audio.rtp, "192.0.2.9:4000".parse().unwrap());
    assert_eq!(audio.codecs.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["PCMA", "PCMU"]);
}

#[test]
fn the_address_of_the_media_goes_before_that_of_the_session() {
    let audio = with(&["m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:db8::7"]).audio().unwrap();
    assert_eq!(audio.rtp, "[2001:db8::7]:4000".parse().unwrap());
    assert_eq!(audio.rtcp, "[2001:db8::7]:4001".parse().unwrap());
}

#[test]
fn rtcp_is_the_next_port_unless_said_otherwise() {
    let rtcp = |line: &str| with(&["m=audio 4000 RTP/AVP 0", line]).audio().unwrap().rtcp.to_string();
    assert_eq!(rtcp("a=x"), "192.0.2.10:4001");
    assert_eq!(rtcp("a=rtcp:53020"), "192.0.2.10:53020");
    assert_eq!(rtcp("a=rtcp:53020 IN IP4 192.0.2.99"), "192.0.2.99:53020");
    assert_eq!(rtcp("a=rtcp:53020 IN IP6 2001:db8::9"), "[2001:db8::9]:53020");
    assert_eq!(rtcp("a=rtcp:99999"), "192.0.2.10:4001");
    assert_eq!(with(&["m=audio 65535 RTP/AVP 0"]).audio().unwrap().rtcp.port(), 0);
}

#[test]
fn codecs_come_from_rtpmap_or_the_static_table_once_each() {
    let audio = with(&[
        "m=audio 4000 RTP/AVP 18 97 0 0 98 101 250 x",
        "a=rtpmap:97 opus/48000/2",
        "a=rtpmap:101 Telephone-Event/8000",
        "a=ptime:30",
    ])
    .audio()
    .unwrap();
    let codecs: Vec<_> = audio.codecs.iter().map(|p| (p.number, p.name.as_str(), p.clock_rate)).collect();
    let expected =
        [(18, "G729", 8000), (97, "opus", 48000), (0, "PCMU", 8000), (101, "Telephone-Event", 8000)];
    assert_eq!(codecs, expected);
    assert_eq!(audio.ptime, Some(30));
}

#[test]
fn a_broken_rtpmap_is_not_believed() {
    for map in
        ["97 opus", "97 opus/0", "97 opus/x", "97 /8000", "97 o pus/8000", "97 a/1/2/3", "97", "999 x/8000"]
    {
        let line = format!("a=rtpmap:{map}");
        let audio = with(&["m=audio 4000 RTP/AVP 97", &line]).audio().unwrap();
        assert_eq!(audio.codecs, [], "{map}");
    }
}

#[test]
fn the_direction_of_the_session_holds_for_media_that_say_none() {
    let head = "v=0\r\nc=IN IP4 192.0.2.1\r\na=sendonly\r\nm=audio 4000 RTP/AVP 0\r\n";
    assert_eq!(sdp(head).audio().unwrap().direction, Direction::SendOnly);
    assert_eq!(sdp(&format!("{head}a=recvonly\r\n")).audio().unwrap().direction, Direction::RecvOnly);
}

#[test]
fn the_first_audio_stream_that_can_be_used_is_the_audio() {
    let audio =
        with(&["m=audio 4000 RTP/SAVP 0", "m=audio 0 RTP/AVP 0", "m=audio 4004 RTP/AVP 8"]).audio().unwrap();
    assert_eq!((audio.rtp.port(), audio.refused), (4004, false));
    let audio = with(&["m=audio 0 RTP/AVP 0"]).audio().unwrap();
    assert!(audio.refused);
}

#[test]
fn a_plain_description_reads_back_as_built() {
    let body = Sdp::build("192.0.2.4".parse().unwrap(), 4000, &["opus", "PCMA", "telephone-event", "iLBC"]);
    let audio = Sdp::parse(&body).unwrap().audio().unwrap();
    assert_eq!(audio.codecs.iter().map(|p| p.number).collect::<Vec<_>>(), [111, 8, 101, 99]);
    assert_eq!(audio.rtp, "192.0.2.4:4000".parse().unwrap());
    assert_eq!(audio.direction, Direction::SendRecv);
}

#[test]
fn addresses_of_ipv6_are_read_as_rfc_5118_section_4_6_has_them() {
    let offer = sdp("v=0\r\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\r\ns=Live video feed\r\n\
         c=IN IP6 2001:db8::20\r\nt=3338481189 3370017201\r\nm=audio 6000 RTP/AVP 2 0\r\na=rtpmap:2 G726-32/8000\r\n\
         m=video 6024 RTP/AVP 107\r\na=rtpmap:107 H263-1998/90000\r\n");
    assert_eq!(offer.audio().unwrap().rtp, "[2001:db8::20]:6000".parse().unwrap());
}

#[test]
fn each_media_line_has_its_own_address_as_rfc_5118_section_4_8_has_it() {
    let offer = sdp(
        "v=0\r\no=bob 280744730 28977631 IN IP4 host.example.com\r\ns=\r\nt=0 0\r\nm=audio 22334 RTP/AVP 0\r\n\
         c=IN IP4 192.0.2.1\r\nm=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\na=rtpmap:107 H263-1998/90000\r\n",
    );
    assert_eq!(offer.audio().unwrap().rtp, "192.0.2.1:22334".parse().unwrap());
}
