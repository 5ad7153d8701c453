//! One leg's offer told to the other.

mod common;

use common::{USUAL, media_lines, origin, ours, text, with};
use tandem_sdp::{LocalEnd, SdpError};

#[test]
fn codecs_are_filtered_and_ordered_by_what_is_allowed() {
    let theirs = with(&[
        "m=audio 4000 RTP/AVP 0 18 96 8",
        "a=rtpmap:96 telephone-event/8000",
        "a=fmtp:96 0-16",
        "a=fmtp:18 annexb=no",
    ]);
    let said = text(ours().offer(&theirs, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 20000 RTP/AVP 8 0 96"]);
    assert!(said.contains("a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\n"));
    assert!(!said.contains("annexb"));
}

#[test]
fn codec_names_compare_without_case() {
    let theirs = with(&["m=audio 4000 RTP/AVP 97", "a=rtpmap:97 OPUS/48000/2", "a=fmtp:97 useinbandfec=1"]);
    let said = text(ours().offer(&theirs, &["opus"]).unwrap());
    assert!(said.contains("a=rtpmap:97 OPUS/48000/2\r\na=fmtp:97 useinbandfec=1\r\n"));
}

#[test]
fn nothing_of_the_other_network_is_passed_on() {
    let theirs = common::sdp(
        "v=0\r\no=alice 1 1 IN IP4 10.1.1.1\r\ns=Secret\r\ni=secret\r\nu=http://10.1.1.1/\r\ne=a@10.1.1.1\r\n\
         p=+1 secret\r\nc=IN IP4 10.1.1.1\r\nb=AS:80\r\nt=1 2\r\nk=clear:secret\r\na=ice-lite\r\na=group:BUNDLE 0\r\n\
         a=tool:secret\r\nm=audio 49170 RTP/AVP 0\r\ni=secret\r\nc=IN IP4 10.1.1.1\r\nb=AS:64\r\nk=clear:secret\r\n\
         a=rtcp:49175 IN IP4 10.1.1.1\r\na=rtcp-mux\r\na=candidate:1 1 UDP 1 10.1.1.1 49170 typ host\r\n\
         a=ice-ufrag:secret\r\na=ice-pwd:secret\r\na=fingerprint:sha-256 AA\r\na=setup:actpass\r\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret\r\na=ssrc:1 cname:secret\r\na=x-own:10.1.1.1\r\n\
         a=mid:0\r\na=ptime:20\r\na=maxptime:60\r\na=silenceSupp:off - - - -\r\na=recvonly\r\n",
    );
    let said = text(ours().offer(&theirs, USUAL).unwrap());
    assert_eq!(
        said,
        "v=0\r\no=- 42 1 IN IP4 203.0.113.1\r\ns=-\r\nc=IN IP4 203.0.113.1\r\nt=0 0\r\n\
         m=audio 20000 RTP/AVP 0\r\nb=AS:64\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=maxptime:60\r\n\
         a=silenceSupp:off - - - -\r\na=recvonly\r\n"
    );
}

#[test]
fn other_media_keep_their_place_with_port_zero() {
    let theirs = with(&[
        "m=video 4002 RTP/AVP 31 34",
        "m=audio 4010 RTP/SAVP 0",
        "m=audio 4000 RTP/AVP 0",
        "m=audio 4004 RTP/AVP 8",
        "m=image 4006 udptl t38",
        "m=application 4008 UDP/DTLS/SCTP webrtc-datachannel",
    ]);
    let said = text(ours().offer(&theirs, USUAL).unwrap());
    assert_eq!(
        media_lines(&said),
        [
            "m=video 0 RTP/AVP 31",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 20000 RTP/AVP 0",
            "m=audio 0 RTP/AVP 8",
            "m=image 0 udptl t38",
            "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        ]
    );
}

#[test]
fn no_codec_allowed_is_no_common_codec() {
    let theirs = with(&["m=audio 4000 RTP/AVP 18 4"]);
    assert_eq!(ours().offer(&theirs, USUAL).unwrap_err(), SdpError::NoCommonCodec);
    assert_eq!(ours().offer(&theirs, &[]).unwrap_err().status(), 488);
}

#[test]
fn telephone_event_and_comfort_noise_are_no_audio_codec() {
    let theirs = with(&["m=audio 4000 RTP/AVP 13 101", "a=rtpmap:101 telephone-event/8000"]);
    let error = ours().offer(&theirs, &["CN", "telephone-event"]).unwrap_err();
    assert_eq!(error, SdpError::NoCommonCodec);
}

#[test]
fn a_leg_on_ipv6_says_so() {
    let mut end = LocalEnd::new(7, "2001:db8::1".parse().unwrap(), 30000);
    let said = text(end.offer(&with(&["m=audio 4000 RTP/AVP 0"]), USUAL).unwrap());
    assert!(said.contains("o=- 7 1 IN IP6 2001:db8::1\r\n"));
    assert!(said.contains("c=IN IP6 2001:db8::1\r\n"));
    assert_eq!(media_lines(&said), ["m=audio 30000 RTP/AVP 0"]);
}

#[test]
fn the_same_words_keep_their_version_and_other_words_count_up() {
    let mut end = ours();
    assert_eq!(end.again(), None);
    let first = end.offer(&with(&["m=audio 4000 RTP/AVP 0 8"]), USUAL).unwrap();
    let moved = end.offer(&with(&["m=audio 4444 RTP/AVP 0 8", "a=tool:other"]), USUAL).unwrap();
    assert_eq!(first, moved, "their new address is not our change");
    assert_eq!(end.again(), Some(first));
    let held = text(end.offer(&with(&["m=audio 4000 RTP/AVP 0 8", "a=sendonly"]), USUAL).unwrap());
    assert!(origin(&held).starts_with("o=- 42 2 "));
    let back = text(end.offer(&with(&["m=audio 4000 RTP/AVP 0 8"]), USUAL).unwrap());
    assert!(origin(&back).starts_with("o=- 42 3 "));
}

#[test]
fn a_refused_offer_counts_no_version() {
    let mut end = ours();
    let first = end.offer(&with(&["m=audio 4000 RTP/AVP 0"]), USUAL).unwrap();
    end.offer(&with(&["m=audio 4000 RTP/AVP 18"]), USUAL).unwrap_err();
    assert_eq!(end.again(), Some(first));
}

#[test]
fn media_lines_never_become_fewer_on_a_leg() {
    let mut end = ours();
    end.offer(&with(&["m=audio 4000 RTP/AVP 0", "m=video 4002 RTP/AVP 31"]), USUAL).unwrap();
    let said = text(end.offer(&with(&["m=audio 5000 RTP/AVP 0"]), USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 20000 RTP/AVP 0", "m=video 0 RTP/AVP 31"]);
    let said = text(end.offer(&with(&["m=video 0 RTP/AVP 31"; 3]), USUAL).unwrap_or_default());
    assert_eq!(said, "", "no audio line at all is refused");
}

#[test]
fn a_stream_given_up_is_given_up_on_the_other_leg() {
    let said = text(ours().offer(&with(&["m=audio 0 RTP/AVP 0 8"]), USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 0 RTP/AVP 0"]);
}

#[test]
fn an_offer_taken_back_leaves_what_was_said_under_a_version_of_its_own() {
    let mut end = ours();
    let first = text(end.offer(&with(&["m=audio 4000 RTP/AVP 0"]), USUAL).unwrap());
    end.agree();
    let hold = text(
        end.offer(&with(&["m=audio 4000 RTP/AVP 0", "a=sendonly", "m=video 0 RTP/AVP 31"]), USUAL).unwrap(),
    );
    end.take_back();
    let again = text(end.again().unwrap());
    assert_eq!(again.split_once("s=").unwrap().1, first.split_once("s=").unwrap().1);
    assert!(origin(&again) != origin(&first) && origin(&again) != origin(&hold));
    end.take_back();
    assert_eq!(text(end.again().unwrap()), again);
}

#[test]
fn an_offer_that_says_what_stands_is_no_news() {
    let mut end = ours();
    end.offer(&with(&["m=audio 4000 RTP/AVP 0"]), USUAL).unwrap();
    assert!(end.has_news(), "nothing stood before");
    end.agree();
    end.offer(&with(&["m=audio 4002 RTP/AVP 0"]), USUAL).unwrap();
    assert!(!end.has_news(), "the peer's port is not told");
    end.take_back();
    end.offer(&with(&["m=audio 4000 RTP/AVP 8 0"]), USUAL).unwrap();
    assert!(end.has_news());
    end.agree();
    end.offer(&with(&["m=audio 4000 RTP/AVP 0 8"]), &["PCMU", "PCMA"]).unwrap();
    assert!(!end.has_news(), "in another order");
    end.take_back();
    end.offer(&with(&["m=audio 4000 RTP/AVP 0", "a=sendonly"]), USUAL).unwrap();
    assert!(end.has_news());
}

#[test]
fn a_session_is_resumed_for_somebody_else() {
    let held = with(&["m=audio 4000 RTP/AVP 0", "a=recvonly"]);
    assert_eq!(held.resumed().audio().unwrap().direction, tandem_sdp::Direction::SendRecv);
}
