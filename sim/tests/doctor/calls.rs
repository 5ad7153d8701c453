//! Faults of calls and of their sound.

use crate::rig::{NUMBER, Rig, assert_fails, assert_warns, stage};
use serde_json::json;
use std::time::Duration;
use tandem_model::{ExamStage, Examination, Kind, StageOutcome};
use tandem_sim::provider::Act;
use tandem_sim::{Stage, World};
use tandem_sip_msg::Header;

#[test]
fn calls_that_are_refused() {
    let cases = [
        (Act::refuse(403), "CALLER_REFUSED", true),
        (Act::refuse(433), "CALLER_REFUSED", true),
        (Act::refuse(402), "PAYMENT_REQUIRED", true),
        (Act::refuse(404), "NUMBER_REFUSED", true),
        (Act::refuse(484), "NUMBER_REFUSED", true),
        (Act::refuse(488), "CODEC_REFUSED", true),
        (Act::refuse(606), "CODEC_REFUSED", true),
        (Act::refuse(302).with(Header::Contact, "<sip:elsewhere.example>"), "REDIRECTED", true),
        (Act::refuse(482), "LOOP_DETECTED", true),
        (Act::refuse(500), "SERVER_ERROR", true),
        (Act::refuse(503).with(Header::RetryAfter, "30"), "SERVER_UNAVAILABLE", true),
        (Act::refuse(408), "INVITE_UNANSWERED", true),
        (Act::refuse(421), "INVITE_REFUSED", true),
        (Act::Ignore, "INVITE_UNANSWERED", true),
        (Act::refuse(480), "NUMBER_UNAVAILABLE", false),
        (Act::refuse(486), "NUMBER_BUSY", false),
        (Act::refuse(603), "CALL_DECLINED", false),
        (Act::Ring, "NOT_ANSWERED", false),
    ];
    for (act, code, fails) in cases {
        let mut rig = Rig::new();
        rig.provider.invite = act;
        let trunk = rig.trunk(json!({}));
        let report = rig.examine(trunk, Some(NUMBER));
        match fails {
            true => assert_fails(&report, ExamStage::Invite, code),
            // Whoever is busy was reached: the trunk is well.
            false => assert_warns(&report, ExamStage::Invite, code),
        }
        assert_eq!(stage(&report, ExamStage::Rtp).outcome, StageOutcome::Skipped);
        assert!(!stage(&report, ExamStage::Invite).sent.is_empty());
        rig.assert_quiet();
    }
}

#[test]
fn a_caller_that_the_provider_does_not_take_is_named() {
    let mut rig = Rig::new();
    rig.provider.callers = vec!["+4930777"];
    let trunk = rig.trunk(json!({"caller_id_number": "+4930999", "from_domain": "us.example"}));
    let report = rig.examine(trunk, Some(NUMBER));
    assert_fails(&report, ExamStage::Invite, "CALLER_REFUSED");
    let detail = &stage(&report, ExamStage::Invite).detail;
    assert!(detail.contains("sip:+4930999@us.example") && detail.contains("P-Asserted-Identity"), "{detail}");
}

#[test]
fn a_number_in_another_form_than_the_provider_s() {
    let mut rig = Rig::new();
    rig.provider.numbers = vec!["4930123456"];
    let trunk = rig.trunk(json!({}));
    let report = rig.examine(trunk, Some(NUMBER));
    assert_fails(&report, ExamStage::Invite, "NUMBER_REFUSED");

    // As told: without its `+`.
    let mut rig = Rig::new();
    rig.provider.numbers = vec!["4930123456"];
    let trunk = rig.trunk(json!({"strip_plus": true}));
    assert_eq!(rig.examine(trunk, Some(NUMBER)).outcome, StageOutcome::Passed);
}

#[test]
fn credentials_of_calls() {
    let login = Some(("alice", "wonderland", "carrier"));
    let credential = |more: serde_json::Value| {
        let mut body = json!({"mode": "credential", "username": "alice", "password": "wonderland"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (body, code) in [
        (json!({}), "CREDENTIALS_MISSING"),
        (credential(json!({"password": "looking-glass"})), "WRONG_PASSWORD"),
        (credential(json!({"realm": "another"})), "WRONG_REALM"),
    ] {
        let mut rig = Rig::new();
        rig.provider.account = login;
        let trunk = rig.trunk(body);
        let report = rig.examine(trunk, Some(NUMBER));
        assert_fails(&report, ExamStage::Invite, code);
        rig.assert_quiet();
    }
    let mut rig = Rig::new();
    rig.provider.account = login;
    let trunk = rig.trunk(credential(json!({})));
    assert_eq!(rig.examine(trunk, Some(NUMBER)).outcome, StageOutcome::Passed);
}

#[test]
fn a_provider_that_takes_no_registration_is_called_all_the_same() {
    let mut rig = Rig::new();
    (rig.provider.query, rig.provider.register) = (Act::refuse(405), Act::refuse(405));
    let trunk = rig.account(json!({}));
    let report = rig.examine(trunk, Some(NUMBER));
    assert_fails(&report, ExamStage::Register, "REGISTER_NOT_TAKEN");
    assert_eq!(stage(&report, ExamStage::Rtp).outcome, StageOutcome::Passed);
}

#[test]
fn sound_that_does_not_come() {
    // The provider is behind a NAT that it does not know of, and waits for us to speak first.
    let mut rig = Rig::new();
    rig.provider.media = "10.1.2.3:30000".parse().unwrap();
    let trunk = rig.trunk(json!({}));
    let report = rig.examine(trunk, Some(NUMBER));
    assert_fails(&report, ExamStage::Rtp, "SDP_PRIVATE_ADDRESS");
    assert!(stage(&report, ExamStage::Rtp).detail.contains("10.1.2.3"));
    rig.assert_quiet();

    // It speaks by itself: symmetric RTP makes it good.
    rig.sound.latches = false;
    rig.sound.from = Some("203.0.113.10:61000".parse().unwrap());
    let report = rig.examine(trunk, Some(NUMBER));
    assert_warns(&report, ExamStage::Rtp, "SDP_PRIVATE_ADDRESS");

    let mut rig = Rig::new();
    rig.sound.from = None;
    let trunk = rig.trunk(json!({}));
    assert_fails(&rig.examine(trunk, Some(NUMBER)), ExamStage::Rtp, "NO_RTP");

    let mut rig = Rig::new();
    rig.sound.from = Some("203.0.113.99:40000".parse().unwrap());
    let trunk = rig.trunk(json!({}));
    let report = rig.examine(trunk, Some(NUMBER));
    assert_fails(&report, ExamStage::Rtp, "RTP_FROM_ELSEWHERE");
    assert!(stage(&report, ExamStage::Rtp).detail.contains("203.0.113.99:40000"));

    let mut rig = Rig::with(|settings| settings.media_address = "192.168.1.5".parse().unwrap());
    rig.sound.from = None;
    let trunk = rig.trunk(json!({}));
    assert_fails(&rig.examine(trunk, Some(NUMBER)), ExamStage::Rtp, "OWN_ADDRESS_PRIVATE");

    let mut rig = Rig::new();
    rig.provider.sdp = "m=audio PORT RTP/AVP 8\r\na=recvonly\r\n";
    rig.sound.from = None;
    let trunk = rig.trunk(json!({}));
    assert_fails(&rig.examine(trunk, Some(NUMBER)), ExamStage::Rtp, "ANSWERED_ON_HOLD");

    let mut rig = Rig::new();
    rig.provider.sdp = "m=video PORT RTP/AVP 31\r\n";
    let trunk = rig.trunk(json!({}));
    assert_fails(&rig.examine(trunk, Some(NUMBER)), ExamStage::Invite, "ANSWER_WITHOUT_AUDIO");
    rig.assert_quiet();
}

#[test]
fn sound_that_is_poor() {
    type Fault = fn(&mut Rig);
    let cases: [(Fault, &str); 3] = [
        (|rig| rig.sound.loses = 10, "RTP_LOSS"),
        (|rig| rig.sound.late = Duration::from_millis(90), "RTP_JITTER"),
        (|rig| rig.sound.payload = 18, "RTP_OTHER_CODEC"),
    ];
    for (set, code) in cases {
        let mut rig = Rig::new();
        set(&mut rig);
        let trunk = rig.trunk(json!({}));
        assert_warns(&rig.examine(trunk, Some(NUMBER)), ExamStage::Rtp, code);
    }
    let mut rig = Rig::new();
    rig.sound.from = Some("203.0.113.10:61000".parse().unwrap());
    let trunk = rig.trunk(json!({}));
    let report = rig.examine(trunk, Some(NUMBER));
    assert_eq!(report.outcome, StageOutcome::Passed);
    assert_eq!(stage(&report, ExamStage::Rtp).findings[0].code, "RTP_SOURCE_DIFFERS");
    assert_eq!(report.call.unwrap().came_from.as_deref(), Some("203.0.113.10:61000"));

    let mut rig = Rig::new();
    rig.provider.hangs_up = true;
    let trunk = rig.trunk(json!({}));
    let report = rig.examine(trunk, Some(NUMBER));
    assert!(
        stage(&report, ExamStage::Rtp).findings.iter().any(|f| f.code == "CALL_ENDED_EARLY"),
        "{report:#?}"
    );
    rig.assert_quiet();
}

#[test]
fn limits_hold_for_a_test_call_too() {
    let mut w = World::new();
    let (carrier, trunk) = w.carrier("carrier");
    w.patch(Kind::Trunk, &trunk, json!({"max_calls": 1}));
    w.route(&[&trunk]);
    let phone = w.phone("100");
    w.talk(phone, "5551234");
    let asked = Examination { test_number: Some(NUMBER.to_owned()) };
    let id = trunk.parse().unwrap();
    let now = w.now;
    w.engine.examine(id, asked.clone(), now).unwrap();
    w.run_for(Duration::from_secs(60));
    assert_fails(&w.reports.pop().unwrap(), ExamStage::Invite, "TRUNK_FULL");
    assert_eq!((w.stage(phone), w.count_to(carrier, "INVITE")), (Stage::Talking, 1));

    // With room for it the call is made, and gives its place back.
    w.hang_up(phone);
    w.run_for(Duration::from_secs(2));
    let now = w.now;
    w.engine.examine(id, asked, now).unwrap();
    w.run_for(Duration::from_secs(60));
    let report = w.reports.pop().unwrap();
    assert_eq!(stage(&report, ExamStage::Rtp).outcome, StageOutcome::Passed, "{report:#?}");
    assert_eq!((w.status(&trunk).calls, w.records.len()), (0, 1), "a test call is no call of anybody");
}

#[test]
fn the_routes_say_which_number_goes_out_and_whether_it_goes_by_this_trunk() {
    let mut rig = Rig::new();
    let trunk = rig.trunk(json!({}));
    rig.create(Kind::Extension, json!({"name": "a", "number": "100", "password": "a-long-password-100"}));
    let other = rig.create(
        Kind::Trunk,
        json!({"name": "other", "host": "203.0.113.10", "port": 5090, "mode": "ip_auth"}),
    );
    rig.create(
        Kind::Route,
        json!({"name": "first", "priority": 1, "match": {"prefixes": ["+4930"]},
               "steps": [{"trunk_id": other}, {"trunk_id": trunk, "strip": 1, "prepend": "00"}]}),
    );
    let report = rig.examine(trunk, Some(NUMBER));
    assert_warns(&report, ExamStage::Configuration, "ROUTED_ELSEWHERE");
    let invite = rig.provider.heard.iter().find(|m| m.method_name() == "INVITE").unwrap();
    assert!(invite.request_uri().unwrap().as_str().contains("4930123456"));
}

#[test]
fn a_tenant_s_trunk_calls_no_further_than_the_tenant_may() {
    let mut rig = Rig::new();
    let tenant =
        rig.create(Kind::Tenant, json!({"name": "Acme", "country": "DE", "allowed_countries": ["DE"]}));
    let trunk = rig.trunk(json!({"tenant_id": tenant}));
    let extension =
        json!({"name": "a", "number": "100", "password": "a-long-password-100", "tenant_id": tenant});
    assert_fails(&rig.examine(trunk, Some(NUMBER)), ExamStage::Invite, "NUMBER_FORBIDDEN");
    rig.create(Kind::Extension, extension);
    assert_fails(&rig.examine(trunk, Some("+442071234567")), ExamStage::Invite, "NUMBER_FORBIDDEN");
    assert_eq!(rig.provider.count("INVITE"), 0);
    let report = rig.examine(trunk, Some(NUMBER));
    assert_eq!(stage(&report, ExamStage::Rtp).outcome, StageOutcome::Passed, "{report:#?}");
}
