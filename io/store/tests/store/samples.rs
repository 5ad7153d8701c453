//! Things to store.

use serde_json::json;
use tandem_model::{
    Attempt, Binding, BindingOwner, CallId, CallRecord, Cause, Direction, Entity, ExtensionId, Kind, Outcome,
    Party, Side, TrunkId,
};
use tandem_store::Store;
use uuid::Uuid;

/// The store in a folder of its own, which goes with the second value.
pub async fn store() -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Store::open(folder.path()).await.unwrap(), folder)
}

/// The n-th id.
pub fn id(n: u64) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(1_700_000_000_000 + n, &[7; 10]).into_uuid()
}

pub fn trunk(n: u64, name: &str) -> Entity {
    let body =
        json!({ "name": name, "host": "sip.example.com", "username": name, "password": "s3cret+:%\"'" });
    Entity::create(Kind::Trunk, id(n), body).unwrap()
}

pub fn extension(n: u64) -> Entity {
    let body = json!({ "username": format!("phone{n}"), "password": "correct horse" });
    Entity::create(Kind::Extension, id(n), body).unwrap()
}

pub fn binding(n: u64) -> Binding {
    Binding {
        owner: BindingOwner::Extension(ExtensionId(id(n))),
        contact: format!("sip:phone{n}@192.0.2.{}:5060;transport=udp;line=a'b\"c", n % 250),
        call_id: format!("{n}-0a1b2c3d4e5f@192.0.2.1"),
        cseq: 7,
        expires_at: 1_700_003_600 + n,
        transport: "udp".to_owned(),
        source: "[2001:db8::1]:40000".parse().unwrap(),
        listener: 1,
        connection: None,
        path: vec!["<sip:edge.example.com;lr>".to_owned()],
        user_agent: Some("Some phone/1.2.3 (with a usual amount of text)".to_owned()),
    }
}

/// A record of a call that began `n` milliseconds after the first.
pub fn record(n: u64, trunk: u64, extension: u64, outcome: Outcome) -> CallRecord {
    let started_at = 1_700_000_000_000 + n;
    let trunk_id = Some(TrunkId(id(trunk)));
    CallRecord {
        id: CallId(id(n)),
        tenant_id: None,
        direction: Direction::Outbound,
        caller: Party {
            extension_id: Some(ExtensionId(id(extension))),
            number: "100".to_owned(),
            ..Party::default()
        },
        callee: Party { number: "+15551234567".to_owned(), ..Party::default() },
        started_at,
        ringing_at: Some(started_at + 400),
        answered_at: None,
        ended_at: started_at + 9_000,
        duration_ms: 0,
        outcome,
        ended_by: Side::Callee,
        cause: Cause::of(486),
        sip_call_id: format!("call-{n}@192.0.2.9"),
        attempts: vec![Attempt {
            trunk_id,
            extension_id: None,
            route_id: None,
            step: Some(1),
            forwarded: None,
            number: "15551234567".to_owned(),
            target: "udp:192.0.2.1:5060".to_owned(),
            started_at,
            pdd_ms: Some(400),
            answered_at: None,
            ended_at: started_at + 9_000,
            code: 486,
            reason: "Busy Here".to_owned(),
            q850: Some(17),
            codec: None,
            country: None,
            charge: None,
        }],
        media_from_caller: None,
        media_from_callee: None,
        direct_media: false,
        video_from_caller: None,
        video_from_callee: None,
        transfers: Vec::new(),
    }
}
