//! What an examination leaves behind, and how many there may be.

use crate::rig::{NUMBER, Rig, assert_warns};
use serde_json::json;
use std::time::Duration;
use tandem_model::{ExamStage, Kind, NoExamination, StageOutcome};
use tandem_sim::provider::Act;

#[test]
fn a_trunk_is_examined_once_at_a_time_and_only_so_many_at_once() {
    let mut rig = Rig::new();
    let first = rig.trunk(json!({}));
    let mut others = Vec::new();
    for n in 0..4 {
        let body = json!({"name": format!("other {n}"), "host": format!("203.0.113.{}", 100 + n), "mode": "ip_auth", "port": 5060});
        others.push(tandem_model::TrunkId(rig.create(Kind::Trunk, body)));
    }
    assert!(rig.begin(first, None).is_ok());
    assert_eq!(rig.begin(first, None), Err(NoExamination::UnderWay));
    assert!(others[..3].iter().all(|other| rig.begin(*other, None).is_ok()));
    assert_eq!(rig.begin(others[3], None), Err(NoExamination::Busy));
    let nobody = tandem_model::TrunkId(uuid::Uuid::from_u128(99));
    assert_eq!(rig.begin(nobody, None), Err(NoExamination::NoTrunk));
    rig.run_for(Duration::from_secs(60));
    assert_eq!(rig.reports.len(), 4);
    assert!(rig.begin(others[3], None).is_ok(), "there is room again");
}

#[test]
fn every_examination_ends_by_itself_whoever_is_silent() {
    let acts = [Act::Accept, Act::Ignore, Act::Ring, Act::refuse(503)];
    for options in &acts {
        for query in &acts {
            for invite in &acts {
                let mut rig = Rig::new();
                (rig.provider.options, rig.provider.query) = (options.clone(), query.clone());
                (rig.provider.register, rig.provider.invite) = (query.clone(), invite.clone());
                let trunk = rig.account(json!({"enabled": false}));
                let report = rig.examine(trunk, Some(NUMBER));
                assert!(report.duration_ms < 100_000, "{} ms", report.duration_ms);
                rig.run_for(Duration::from_secs(60));
                rig.assert_quiet();
            }
        }
    }
}

#[test]
fn a_server_that_goes_down_hangs_up_and_reports_what_it_has() {
    let mut rig = Rig::new();
    let trunk = rig.trunk(json!({}));
    rig.begin(trunk, Some(NUMBER)).unwrap();
    rig.run_for(Duration::from_secs(2));
    assert!(rig.reports.is_empty());
    let now = rig.now;
    rig.engine.shut_down(now);
    rig.run_for(Duration::from_secs(1));
    let report = rig.reports.pop().expect("a report");
    assert_eq!(report.stages[6].outcome, StageOutcome::Passed, "the call was answered");
    assert_eq!(rig.provider.count("BYE"), 1);
    assert_eq!(rig.begin(trunk, None), Err(NoExamination::Ending));
    rig.run_for(Duration::from_secs(60));
    rig.assert_quiet();
}

#[test]
fn what_the_configuration_lacks() {
    let mut rig = Rig::new();
    let trunk = json!({"name": "carrier", "host": "203.0.113.10", "port": 5060, "mode": "ip_auth", "ping_interval": 0});
    let trunk = tandem_model::TrunkId(rig.create(Kind::Trunk, trunk));
    let report = rig.examine(trunk, None);
    assert_warns(&report, ExamStage::Configuration, "NO_ROUTE");
    assert_warns(&report, ExamStage::Configuration, "NO_INBOUND");

    let extension =
        rig.create(Kind::Extension, json!({"name": "a", "number": "100", "password": "a-long-password-100"}));
    rig.create(Kind::Number, json!({"number": "4930777", "extension_id": extension}));
    assert_warns(&rig.examine(trunk, None), ExamStage::Configuration, "EXTENSION_OFFLINE");

    let dead = json!({"name": "dead", "host": "nowhere.example", "mode": "ip_auth"});
    rig.create(Kind::Trunk, dead);
    rig.run_for(Duration::from_secs(10));
    assert_warns(&rig.examine(trunk, None), ExamStage::Configuration, "ALL_TRUNKS_DOWN");
}

#[test]
fn a_device_that_has_not_registered() {
    let mut rig = Rig::new();
    let body =
        json!({"name": "gateway", "mode": "register_in", "username": "fxo", "password": "a-long-password"});
    let trunk = tandem_model::TrunkId(rig.create(Kind::Trunk, body));
    let report = rig.examine(trunk, Some(NUMBER));
    crate::rig::assert_fails(&report, ExamStage::Configuration, "PEER_NOT_REGISTERED");
}
