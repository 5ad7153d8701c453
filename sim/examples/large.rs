//! What a large configuration costs: 10,000 trunks, 100,000 numbers, 100,000 extensions and 1,000 tenants with routes.
//!
//!     cargo run --release -p tandem-sim --example large

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tandem_model::{Change, Config, Entity, Kind, Tenant, TenantId, TrunkId};
use tandem_routing::{Availability, Conditions, Moment, Spent, Trail, from_extension, from_trunk};
use uuid::Uuid;

const TENANTS: u128 = 1_000;
const TRUNKS: u128 = 10_000;
const NUMBERS: u128 = 100_000;
const EXTENSIONS: u128 = 100_000;

struct AllUp;

impl Conditions for AllUp {
    fn availability(&self, _: TrunkId, _: Option<TenantId>) -> Availability {
        Availability::Up
    }

    fn is_impaired(&self, _: TrunkId) -> bool {
        false
    }

    fn spent(&self, _: &Tenant) -> Spent {
        Spent::default()
    }
}

fn main() {
    let stored = stored();
    let texts: Vec<(Kind, String)> =
        stored.iter().map(|entity| (entity.kind(), entity.to_stored().to_string())).collect();
    let (config, took) = timed(|| {
        let read = |(kind, text): &(Kind, String)| {
            Entity::from_stored(*kind, serde_json::from_str(text).expect("it is JSON")).expect("it reads")
        };
        Config::load(texts.iter().map(read))
    });
    println!("read {} entities: {took:?}", texts.len());

    let trunk = config.trunks.values().next().expect("there is one").clone();
    let number = config.numbers.values().next().expect("there is one").clone();
    for (what, entity, patch) in [
        ("trunk", Entity::Trunk(trunk.clone()), json!({ "max_calls": 7 })),
        ("number", Entity::Number(number), json!({ "name": "changed" })),
    ] {
        let changed = entity.patch(patch).expect("it is right");
        let took = median(|| {
            drop(config.apply(std::slice::from_ref(&Change::Put(changed.clone()))).expect("it applies"))
        });
        println!("change one {what}: {took:?}");
    }

    let extension = config.extensions.values().nth(50_000).expect("there is one");
    let moment = Moment { millis: 1_795_694_400_000, random: 1 };
    for (what, dialled) in [("out", "12125550100"), ("to an extension", "1000"), ("nowhere", "99")] {
        let took = median_of(10_000, || {
            drop(from_extension(&config, extension, ("", dialled), moment, &AllUp, &mut Trail::none()))
        });
        println!("route a call {what}: {took:?}");
    }
    for (what, called) in [("to a number", "+15550050000"), ("to nobody's number", "+15559999999")] {
        let took = median_of(10_000, || {
            drop(from_trunk(&config, &trunk, ("+4930", called), moment, &AllUp, &mut Trail::none()))
        });
        println!("route a call that comes in {what}: {took:?}");
    }
}

fn stored() -> Vec<Entity> {
    let id = Uuid::from_u128;
    let entity = |kind, n: u128, body: Value| Entity::create(kind, id(n), body).expect("it is right");
    let (tenant, trunk, extension, number) = (1 << 64, 2 << 64, 3 << 64, 4 << 64);
    let tenants = (0..TENANTS).map(|n| {
        let body = json!({ "name": format!("Tenant {n}"), "slug": format!("t{n}"), "country": "US", "allowed_countries": ["US"] });
        entity(Kind::Tenant, tenant + n, body)
    });
    let trunks = (0..TRUNKS).map(|n| {
        let body = json!({ "name": format!("Trunk {n}"), "host": format!("sip{n}.carrier.example"), "username": "acme", "password": "a-password" });
        entity(Kind::Trunk, trunk + n, body)
    });
    let extensions = (0..EXTENSIONS).map(|n| {
        let body = json!({ "tenant_id": id(tenant + n % TENANTS), "number": (1000 + n / TENANTS).to_string(), "password": "secure-password" });
        entity(Kind::Extension, extension + n, body)
    });
    let numbers = (0..NUMBERS).map(|n| {
        let body = json!({ "number": format!("+1555{:07}", n), "trunk_id": id(trunk) });
        entity(Kind::Number, number + n, body)
    });
    let routes = (0..TENANTS).flat_map(|n| {
        ["1NXXNXXXXXX", "NXXNXXXXXX", "011.", "1800NXXXXXX", "."].into_iter().enumerate().map(move |(k, pattern)| {
            let body = json!({
                "name": format!("{n}-{k}"), "tenant_id": id(tenant + n), "match": { "patterns": [pattern] }, "priority": k,
                "steps": [{ "trunk_id": id(trunk + n) }, { "trunk_id": id(trunk + n + 1) }],
            });
            Entity::create(Kind::Route, id((5 << 64) + 10 * n + k as u128), body).expect("it is right")
        })
    });
    let assignments = (0..TENANTS).flat_map(|n| {
        [n, n + 1].into_iter().enumerate().map(move |(k, to)| {
            let pool = json!(format!("1{}{:03}0-1{}{:03}9", 332 + k, n, 332 + k, n));
            let body = json!({ "trunk_id": id(trunk + to), "tenant_id": id(tenant + n), "did_pool": pool });
            Entity::create(Kind::Assignment, id((6 << 64) + 2 * n + k as u128), body).expect("it is right")
        })
    });
    tenants.chain(trunks).chain(extensions).chain(numbers).chain(routes).chain(assignments).collect()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let made = work();
    (made, began.elapsed())
}

fn median(work: impl FnMut()) -> Duration {
    median_of(11, work)
}

fn median_of(times: usize, mut work: impl FnMut()) -> Duration {
    let mut took: Vec<Duration> = (0..times).map(|_| timed(&mut work).1).collect();
    took.sort();
    took[times / 2]
}
