//! One leg's answer told to the other.

mod common;

use common::{USUAL, media_lines, origin, ours, text, with};
use tandem_sdp::{Sdp, SdpError};

fn dtmf_at(number: u8) -> String {
    format!("a=rtpmap:{number} telephone-event/8000")
}

#[test]
fn the_answer_has_the_shape_of_the_offer() {
    let offer = with(&["m=video 4002 RTP/AVP 31", "m=audio 4000 RTP/AVP 0 8", "m=audio 4004 RTP/AVP 0"]);
    let answer = with(&["m=video 0 RTP/AVP 31", "m=audio 6000 RTP/AVP 8", "m=audio 0 RTP/AVP 0"]);
    let said = text(ours().answer(&answer, &offer, USUAL).unwrap());
    let expected = ["m=video 0 RTP/AVP 31", "m=audio 20000 RTP/AVP 8", "m=audio 0 RTP/AVP 0"];
    assert_eq!(media_lines(&said), expected);
}

#[test]
fn an_answer_with_lines_missing_is_put_into_shape() {
    let offer = with(&["m=video 4002 RTP/AVP 31", "m=audio 4000 RTP/AVP 0 8"]);
    let said = text(ours().answer(&with(&["m=audio 6000 RTP/AVP 0"]), &offer, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=video 0 RTP/AVP 31", "m=audio 20000 RTP/AVP 0"]);
    let empty = common::sdp("v=0\r\nc=IN IP4 192.0.2.1\r\n");
    assert_eq!(ours().answer(&empty, &offer, USUAL).unwrap_err(), SdpError::NoAudio);
}

#[test]
fn formats_that_were_not_offered_or_are_not_allowed_are_left_out() {
    let offer = with(&["m=audio 4000 RTP/AVP 0 18"]);
    let answer = with(&["m=audio 6000 RTP/AVP 18 8 0 101", &dtmf_at(101)]);
    let said = text(ours().answer(&answer, &offer, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 20000 RTP/AVP 0"]);
}

#[test]
fn an_answer_of_foreign_codecs_only_has_none_in_common() {
    let offer = with(&["m=audio 4000 RTP/AVP 0 101", &dtmf_at(101)]);
    let answer = with(&["m=audio 6000 RTP/AVP 8 101", &dtmf_at(101)]);
    assert_eq!(ours().answer(&answer, &offer, USUAL).unwrap_err(), SdpError::NoCommonCodec);
}

#[test]
fn an_audio_codec_comes_first() {
    let offer = with(&["m=audio 4000 RTP/AVP 8 0 101", &dtmf_at(101)]);
    let answer = with(&["m=audio 6000 RTP/AVP 101 0 8", &dtmf_at(101)]);
    let said = text(ours().answer(&answer, &offer, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 20000 RTP/AVP 0 101 8"]);
}

#[test]
fn dynamic_numbers_of_the_answer_are_passed_as_they_are() {
    let offer = with(&["m=audio 4000 RTP/AVP 0 101", &dtmf_at(101)]);
    let answer = with(&["m=audio 6000 RTP/AVP 0 96", &dtmf_at(96), "a=fmtp:96 0-15"]);
    let said = text(ours().answer(&answer, &offer, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 20000 RTP/AVP 0 96"]);
    assert!(said.contains("a=fmtp:96 0-15\r\n"));
}

#[test]
fn a_stream_refused_by_the_other_leg_is_refused() {
    let offer = with(&["m=audio 4000 RTP/AVP 8 0"]);
    let said = text(ours().answer(&with(&["m=audio 0 RTP/AVP 0"]), &offer, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 0 RTP/AVP 8"]);
}

#[test]
fn an_answer_at_a_host_name_is_not_used() {
    let offer = with(&["m=audio 4000 RTP/AVP 0"]);
    let answer = with(&["m=audio 6000 RTP/AVP 0", "c=IN IP4 media.example.com"]);
    assert_eq!(ours().answer(&answer, &offer, USUAL).unwrap_err(), SdpError::UnusableAddress);
}

#[test]
fn the_profile_of_the_answer_is_that_of_the_offer() {
    let offer = with(&["m=audio 4000 RTP/AVPF 0"]);
    let said = text(ours().answer(&with(&["m=audio 6000 RTP/AVP 0"]), &offer, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 20000 RTP/AVPF 0"]);
}

#[test]
fn offer_and_answer_of_one_leg_share_the_version_count() {
    let mut end = ours();
    end.offer(&with(&["m=audio 4000 RTP/AVP 8 0"]), USUAL).unwrap();
    let offer = with(&["m=audio 4000 RTP/AVP 0"]);
    let answer = with(&["m=audio 6000 RTP/AVP 0"]);
    let said = text(end.answer(&answer, &offer, USUAL).unwrap());
    assert!(origin(&said).starts_with("o=- 42 2 "));
    assert_eq!(text(end.answer(&answer, &offer, USUAL).unwrap()), said);
}

/// The caller sends no offer: the callee's 200 has it, the caller's ACK answers (RFC 3264 §4, RFC 3261 §13.2.1).
#[test]
fn a_late_offer_goes_from_the_200_to_the_ack() {
    let callee_offers = with(&["m=audio 6000 RTP/AVP 0 8 101", &dtmf_at(101)]);
    let (mut caller_end, mut callee_end) = (ours(), ours());
    let told = Sdp::parse(&caller_end.offer(&callee_offers, USUAL).unwrap()).unwrap();
    let caller_answers = with(&["m=audio 4000 RTP/AVP 8 101", &dtmf_at(101)]);
    assert_eq!(told.audio().unwrap().codecs.len(), 3);
    let said = text(callee_end.answer(&caller_answers, &callee_offers, USUAL).unwrap());
    assert_eq!(media_lines(&said), ["m=audio 20000 RTP/AVP 8 101"]);
}
