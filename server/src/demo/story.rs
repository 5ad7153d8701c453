//! The demo from its beginning to its end.

use super::agent::{Agent, SharedLadder, lock};
use super::verdict::Verdict;
use crate::options::Options;
use crate::server::{self, Server};
use serde_json::{Value, json};
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tandem_api::Backend;
use tandem_model::{CallRecord, Change, Entity, Kind, TrunkId, TrunkState};
use tandem_sim::{Behaviour, CallRef, Line, Stage};
use tandem_sip_msg::{Uri, escape_user};

/// The number that rings the second phone.
const NUMBER: &str = "+15550100";
/// How long the two talk.
const TALK: Duration = Duration::from_millis(2500);

/// Numbers at the simulated carrier that behave in their own way.
const MAGIC: [(&str, &str); 6] = [
    ("5550486", "is busy"),
    ("5550503", "is refused with 503 Service Unavailable"),
    ("5550408", "is never answered, not even with 100"),
    ("5550180", "rings for ever"),
    ("5550001", "answers, but sends no audio"),
    ("any other", "rings for a second and answers"),
];

fn magic(called: &str) -> Behaviour {
    match called {
        "5550486" => Behaviour::Refuse {
            code: 486,
            phrase: "Busy Here",
            reason: Some("Q.850;cause=17;text=\"User busy\""),
        },
        "5550503" => Behaviour::refuse(503, "Service Unavailable"),
        "5550408" => Behaviour::Silent,
        "5550180" => Behaviour::RingForever,
        "5550001" => Behaviour::Answer { ring: Duration::from_secs(1), early: false, talks: false },
        _ => Behaviour::answer_after(1000),
    }
}

struct Scene {
    server: Server,
    sip: SocketAddr,
    carrier: Agent,
    alice: Agent,
    bob: Agent,
    ladder: SharedLadder,
    softphone_password: String,
}

/// Starts everything, places both calls, and stays up unless `once`.
pub async fn tell(options: Options, sip: SocketAddr, once: bool) -> Result<(), Box<dyn Error>> {
    println!("Tandem {} demo: a server, a carrier and two phones on loopback\n", env!("CARGO_PKG_VERSION"));
    let stage = set(options, sip).await?;
    println!("The trunk is registered at the carrier and both phones at the server.\n");
    let out = call_out(&stage).await;
    let inward = call_in(&stage).await;
    let good = out.is_good() && inward.is_good();
    if !once {
        farewell(&stage);
        let _ = tokio::signal::ctrl_c().await;
        println!();
    }
    stage.server.drain(Duration::from_secs(1)).await;
    stage.server.stop().await;
    if good { Ok(()) } else { Err("a call of the demo did not go well; see the verdicts above".into()) }
}

/// Sets the stage: server, carrier, phones, and the configuration that connects them.
async fn set(options: Options, sip: SocketAddr) -> Result<Scene, Box<dyn Error>> {
    let ladder = SharedLadder::default();
    lock(&ladder).name(sip, "tandem");
    let server = server::start(&options, Box::new(|_| ())).await?;
    let clock = server.live.clock;
    let agent = async |name, user, host, tone| {
        Agent::start(name, user, Ipv4Addr::new(127, 0, 0, host).into(), tone, clock, ladder.clone()).await
    };
    let carrier = agent("carrier", "carrier", 2, 600.0).await?;
    let alice = agent("1001", "1001", 3, 440.0).await?;
    let bob = agent("1002", "1002", 4, 880.0).await?;
    let secrets: Vec<String> = (0..4).map(|_| server.live.new_uuid().simple().to_string()).collect();
    carrier.with(|ua, _| {
        ua.add_account("demo", &secrets[0]);
        ua.max_expires = 120;
        ua.treat_calls(magic);
    });
    let trunk = create(
        &server,
        Kind::Trunk,
        json!({
            "name": "Simulated carrier", "mode": "register_out", "host": carrier.address.ip().to_string(),
            "port": carrier.address.port(), "username": "demo", "password": secrets[0],
        }),
    )
    .await?;
    let everything = json!({"name": "Everything", "steps": [{"trunk_id": trunk}]});
    create(&server, Kind::Route, everything).await?;
    for (phone, number, password) in
        [(Some(&alice), "1001", &secrets[1]), (Some(&bob), "1002", &secrets[2]), (None, "1003", &secrets[3])]
    {
        let id =
            create(&server, Kind::Extension, json!({"name": number, "number": number, "password": password}))
                .await?;
        if number == "1002" {
            create(&server, Kind::Number, json!({"number": NUMBER, "extension_id": id})).await?;
        }
        if let Some(phone) = phone {
            phone.with(|ua, now| {
                ua.set_password(password);
                ua.register_at(sip, 3600, now);
            });
        }
    }
    let load =
        json!({"name": "SIPp on 127.0.0.5", "mode": "ip_auth", "host": "127.0.0.5", "ping_interval": 0});
    create(&server, Kind::Trunk, load).await?;
    for phone in [&alice, &bob] {
        if !phone.wait(Duration::from_secs(5), |ua| ua.registration_code() == Some(200)).await {
            return Err("a phone of the demo could not register".into());
        }
    }
    registered(&server, trunk.parse()?).await?;
    let softphone_password = secrets[3].clone();
    Ok(Scene { server, sip, carrier, alice, bob, ladder, softphone_password })
}

/// Creates something as the API does; its id.
async fn create(server: &Server, kind: Kind, body: Value) -> Result<String, Box<dyn Error>> {
    let id = server.live.new_uuid();
    let entity = Entity::create(kind, id, body)?;
    server.live.change(vec![Change::Put(entity)]).await.map_err(|error| format!("{error:?}"))?;
    Ok(id.to_string())
}

async fn registered(server: &Server, trunk: TrunkId) -> Result<(), Box<dyn Error>> {
    for _ in 0..1_000 {
        if server
            .live
            .trunk_statuses()
            .await
            .get(&trunk)
            .is_some_and(|status| status.state == TrunkState::Registered)
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err("the trunk of the demo could not register".into())
}

async fn call_out(stage: &Scene) -> Verdict {
    println!("Phone 1001 calls 5551234, out over the trunk:\n");
    let first = lock(&stage.ladder).len();
    let call = stage.alice.with(|ua, now| ua.dial(stage.sip, "5551234", now));
    follow(stage, first, (&stage.alice, call), &stage.carrier).await
}

async fn call_in(stage: &Scene) -> Verdict {
    println!("The carrier calls {NUMBER}, which rings phone 1002:\n");
    let first = lock(&stage.ladder).len();
    let call = stage.carrier.with(|ua, now| {
        let contact =
            ua.registered("demo", now).map(|registered| registered.contact.clone()).unwrap_or_default();
        ua.dial_line(stage.sip, Line::to(with_user(&contact, NUMBER)), now)
    });
    follow(stage, first, (&stage.carrier, call), &stage.bob).await
}

/// The registered Contact with the number called in place of its user, as carriers do.
fn with_user(contact: &str, number: &str) -> String {
    let user = Uri::parse(contact).and_then(|uri| uri.user()).unwrap_or_default();
    contact.replacen(&format!("{user}@"), &format!("{}@", escape_user(number)), 1)
}

async fn follow(stage: &Scene, first: usize, (caller, call): (&Agent, CallRef), callee: &Agent) -> Verdict {
    let dialled = stage.server.live.clock.now();
    let known = latest(&stage.server).await.map(|record| record.id);
    let answered = caller.wait(Duration::from_secs(10), |ua| ua.call(call).stage == Stage::Talking).await;
    if answered {
        tokio::time::sleep(TALK).await;
    }
    let tone = |agent: &Agent| agent.with(|ua, _| ua.tone);
    let (caller_tone, callee_tone) = (tone(caller), tone(callee));
    let setup = caller.with(|ua, _| ua.call(call).answered_at.map(|at| at.since(dialled)));
    let (to_caller, caller_hears) =
        caller.with(|ua, _| (ua.call(call).packets_received(), ua.call(call).hears(callee_tone)));
    let (to_callee, callee_hears) = callee.with(|ua, _| {
        ua.calls().last().map_or((0, false), |call| (call.packets_received(), call.hears(caller_tone)))
    });
    if answered {
        caller.with(|ua, now| ua.hang_up(call, now));
    }
    let mut record = None;
    for _ in 0..300 {
        record = latest(&stage.server).await.filter(|record| Some(record.id) != known);
        if record.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    print!("{}", lock(&stage.ladder).text(first, &["OPTIONS", "REGISTER"]));
    let verdict = Verdict { setup, to_caller, to_callee, caller_hears, callee_hears, record };
    println!("\n{verdict}");
    verdict
}

async fn latest(server: &Server) -> Option<CallRecord> {
    let query = tandem_model::RecordQuery { limit: 1, ..Default::default() };
    server.live.records(query).await.ok()?.records.into_iter().next()
}

/// What to do next, ready to paste.
fn farewell(stage: &Scene) {
    let (sip, http) = (stage.sip, stage.server.http);
    let token = stage.server.token.as_deref().unwrap_or("(the one given)");
    let password = &stage.softphone_password;
    println!("The server stays up. Ctrl-C ends it, and nothing of it remains.\n");
    println!("  API            http://{http}/v1.0/   documentation http://{http}/docs");
    println!("  Admin token    {token}");
    println!("  Try            curl -H 'Authorization: Bearer {token}' http://{http}/v1.0/cdrs\n");
    println!("  A softphone    extension 1003, password {password}, server {sip}, UDP; with baresip:");
    println!(
        "    mkdir -p /tmp/tandem-baresip && echo '<sip:1003@{sip}>;auth_pass={password};regint=60' > /tmp/tandem-baresip/accounts && baresip -f /tmp/tandem-baresip -e '/dial 5551234'"
    );
    println!("  SIPp           calls {NUMBER}, which rings phone 1002:");
    println!("    sipp -sn uac {sip} -i 127.0.0.5 -s 15550100 -d 3000 -m 1\n");
    println!("  Numbers at the carrier:");
    for (number, what) in MAGIC {
        println!("    {number:<10} {what}");
    }
}
