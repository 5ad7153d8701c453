//! What must not stand in a configuration: each is refused with status, field, reason and what to do.

use crate::client::{Answer, Client};
use axum::http::Method;
use serde_json::{Value, json};

/// Two tenants that share a carrier, each with numbers there; Acme has a phone, Beta a route.
struct Town {
    client: Client,
    carrier: String,
    acme: String,
    beta: String,
}

async fn town() -> Town {
    let client = Client::new();
    let carrier = json!({"name": "Carrier", "host": "192.0.2.10", "username": "acct", "mode": "ip_auth"});
    let carrier = client.create("/v1.0/trunks", carrier).await;
    let acme =
        client.create("/v1.0/tenants", json!({"name": "Acme", "sip_domain": "pbx.acme.example"})).await;
    let beta = client.create("/v1.0/tenants", json!({"name": "Beta"})).await;
    for (tenant, pool) in [(&acme, "13322496213-13322496219"), (&beta, "16468097069")] {
        let share = json!({"trunk_id": carrier, "tenant_id": tenant, "did_pool": pool});
        client.create("/v1.0/assignments", share).await;
    }
    let phone = json!({"tenant_id": acme, "number": "100", "password": "a good password", "outbound_cid": "13322496213"});
    client.create("/v1.0/extensions", phone).await;
    Town { client, carrier, acme, beta }
}

/// What is refused: status, field, reason, and words of the fix.
type Refused = (u16, &'static str, &'static str, &'static str);

#[track_caller]
fn assert_refused(answer: &Answer, (status, field, reason, fix): Refused, what: &Value) {
    assert_eq!(answer.status, status, "{what}: {}", answer.text);
    assert_eq!(answer.refused(), (status, reason), "{what}: {}", answer.text);
    assert_eq!(answer.json["field"].as_str().unwrap_or_default(), field, "{what}: {}", answer.text);
    assert!(answer.json["fix"].as_str().unwrap().contains(fix), "{what}: {}", answer.text);
}

impl Town {
    async fn refuses(&self, collection: &str, body: Value, refused: Refused) {
        let answer = self.client.post(&format!("/v1.0/{collection}"), body.clone()).await;
        assert_refused(&answer, refused, &body);
    }

    /// The id of the only assignment of a tenant.
    async fn share(&self, tenant: &str) -> String {
        let all = self.client.get("/v1.0/assignments").await.json;
        let all = all["items"].as_array().unwrap();
        all.iter().find(|a| a["tenant_id"] == tenant).unwrap()["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_pool_is_written_by_its_grammar() {
    let town = town().await;
    let trunk = json!({"name": "Own", "host": "192.0.2.20", "tenant_id": town.acme});
    let many = (0..257).map(|n| (20_000_000_000_u64 + 2 * n).to_string()).collect::<Vec<_>>().join(";");
    for (pool, fix) in [
        ("", "13322496213;16468097069-16468097079"),
        ("1 ; ; 2", "take one of them out"),
        ("1332abc", "write `1332`, digits alone"),
        ("+13322496213", "write `13322496213`"),
        ("013322496213", "write `13322496213`"),
        ("0013322496213", "write `13322496213`"),
        ("1332-13322496215", "write both in full"),
        ("13322496215-13322496213", "write it as `13322496213-13322496215`"),
        ("13322496213;13322496213", "leave it out of one of the items"),
        ("13322496213-13322496219;13322496215-13322496230", "leave it out of one of the items"),
        ("10000000-99999999", "make its ranges smaller"),
        (many.as_str(), "join neighbouring numbers to ranges"),
        ("13322496213,13322496215", "write `;` between them"),
        ("1234567890123456", "correct it"),
    ] {
        let mut body = trunk.clone();
        body["did_pool"] = json!(pool);
        town.refuses("trunks", body, (400, "did_pool", "BAD_FORMAT", fix)).await;
    }
    let mut neighbours = trunk;
    neighbours["did_pool"] = json!("13322496300-13322496309;13322496310-13322496319;");
    town.client.create("/v1.0/trunks", neighbours).await;
}

#[tokio::test]
async fn who_signs_needs_a_key_and_who_verifies_is_trusted() {
    let town = town().await;
    let url = "https://certificates.example.com/ours.pem";
    for (more, field, reason, fix) in [
        (json!({"stir_sign": true, "stir_certificate_url": url}), "stir_key", "REQUIRED", "in PEM"),
        (json!({"stir_key": "tell nobody"}), "stir_key", "BAD_FORMAT", "in PEM"),
        (
            json!({"stir_certificate_url": "http://c.example"}),
            "stir_certificate_url",
            "BAD_FORMAT",
            "`https://",
        ),
        (json!({"stir_attest": "D"}), "stir_attest", "UNKNOWN_VALUE", "`A`"),
        (json!({"stir_policy": "drop"}), "stir_policy", "UNKNOWN_VALUE", "`off`"),
        (
            json!({"stir_policy": "refuse_failed", "trust_identity": false}),
            "stir_policy",
            "CONFLICTING_FIELDS",
            "`trust_identity`",
        ),
    ] {
        let mut body = json!({"name": "Signed", "host": "192.0.2.20", "mode": "ip_auth"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        town.refuses("trunks", body.clone(), (400, field, reason, fix)).await;
        let answer = town.client.post("/v1.0/trunks", body).await;
        assert!(!answer.text.contains("tell nobody"), "a key is repeated: {}", answer.text);
    }
}

#[tokio::test]
async fn one_number_is_one_tenants() {
    let town = town().await;
    let other = json!({"name": "Other", "host": "192.0.2.30"});
    let other = town.client.create("/v1.0/trunks", other).await;
    let share = json!({"trunk_id": other, "tenant_id": town.beta, "did_pool": "13322496217-13322496230"});
    let answer = town.client.post("/v1.0/assignments", share.clone()).await;
    assert_refused(&answer, (409, "did_pool", "DID_POOL_OVERLAP", ""), &share);
    assert!(answer.text.contains("13322496217-13322496219"), "the numbers that clash: {}", answer.text);
    assert!(
        !answer.text.contains("13322496213") && !answer.text.contains("Acme"),
        "and no more: {}",
        answer.text
    );
    let taken = json!({"tenant_id": town.beta, "number": "+13322496218"});
    town.refuses("numbers", taken, (409, "number", "DID_POOL_OVERLAP", "from their owner")).await;
    let again = json!({"trunk_id": town.carrier, "tenant_id": town.acme});
    town.refuses("assignments", again, (409, "tenant_id", "ALREADY_ASSIGNED", "change that assignment"))
        .await;
    let own = json!({"trunk_id": other, "tenant_id": town.acme, "did_pool": "13322496213"});
    town.client.create("/v1.0/assignments", own).await;
    // Short numbers are each provider's own.
    let short = |name: &str, tenant: &str, host: &str| {
        json!({
            "name": name, "host": host, "username": name, "password": "p", "tenant_id": tenant, "did_pool": "100-109",
        })
    };
    town.client.create("/v1.0/trunks", short("First", &town.acme, "192.0.2.40")).await;
    let clash = short("Second", &town.beta, "192.0.2.40");
    town.refuses("trunks", clash, (409, "did_pool", "DID_POOL_OVERLAP", "")).await;
    town.client.create("/v1.0/trunks", short("Third", &town.beta, "192.0.2.41")).await;
    let path = |share: &str| format!("/v1.0/assignments/{share}");
    let shares = (town.share(&town.acme).await, town.share(&town.beta).await);
    let first = json!({"did_pool": "2000-2009;13322496213"});
    assert_eq!(town.client.patch(&path(&shares.0), first).await.status, 200);
    let clash = json!({"did_pool": "2009-2019;16468097069"});
    let answer = town.client.patch(&path(&shares.1), clash.clone()).await;
    assert_refused(&answer, (409, "did_pool", "DID_POOL_OVERLAP", ""), &clash);
    assert!(answer.text.contains("2009 belongs"), "{}", answer.text);
}

#[tokio::test]
async fn a_slug_is_one_trunks_and_one_tenants_whatever_they_are_called() {
    let town = town().await;
    let pbx =
        |tenant: &str, host: &str| json!({"name": "PBX", "slug": "pbx", "tenant_id": tenant, "host": host});
    town.client.create("/v1.0/trunks", pbx(&town.acme, "192.0.2.60")).await;
    let twin = pbx(&town.beta, "192.0.2.61");
    let answer = town.client.post("/v1.0/trunks", twin.clone()).await;
    assert_refused(&answer, (409, "slug", "SLUG_TAKEN", "of its own"), &twin);
    assert_eq!(answer.json["message"], "somebody else has this slug already", "who is not told");
    town.refuses("tenants", json!({"name": "Acme"}), (409, "slug", "SLUG_TAKEN", "of its own")).await;
}

#[tokio::test]
async fn a_pool_keeps_what_is_used_of_it() {
    let town = town().await;
    let acme = &town.acme;
    let number = json!({"tenant_id": acme, "number": "+13322496214"});
    town.client.create("/v1.0/numbers", number).await;
    let route =
        json!({"tenant_id": acme, "name": "In", "did": "13322496215", "destination": {"type": "busy"}});
    town.client.create("/v1.0/inbound_routes", route).await;
    let step = json!([{"trunk_id": town.carrier, "caller_id": "13322496216"}]);
    town.client.create("/v1.0/routes", json!({"tenant_id": acme, "name": "Out", "steps": step})).await;
    let path = format!("/v1.0/assignments/{}", town.share(acme).await);
    for (pool, user) in [
        ("13322496214-13322496219", "extension `100`"),
        ("13322496213;13322496215-13322496219", "number `+13322496214`"),
        ("13322496213-13322496214;13322496216-13322496219", "inbound route `In`"),
        ("13322496213-13322496215;13322496217-13322496219", "route `Out`"),
    ] {
        let body = json!({ "did_pool": pool });
        let answer = town.client.patch(&path, body.clone()).await;
        assert_refused(&answer, (409, "did_pool", "POOL_IN_USE", ""), &body);
        assert!(answer.json["message"].as_str().unwrap().contains(user), "who uses it: {}", answer.text);
    }
    let answer = town.client.patch(&path, json!({"did_pool": "13322496213-13322496216"})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn a_tenant_uses_no_number_that_it_does_not_own() {
    let town = town().await;
    let (acme, carrier) = (&town.acme, &town.carrier);
    let outside = "16468097069";
    let busy = json!({"type": "busy"});
    for (collection, body, field) in [
        (
            "inbound_routes",
            json!({"tenant_id": acme, "name": "In", "did": outside, "destination": busy}),
            "did",
        ),
        (
            "routes",
            json!({"tenant_id": acme, "name": "Out", "steps": [{"trunk_id": carrier, "caller_id": outside}]}),
            "steps[0].caller_id",
        ),
        (
            "extensions",
            json!({"tenant_id": acme, "number": "101", "password": "a good password", "outbound_cid": outside}),
            "outbound_cid",
        ),
    ] {
        town.refuses(collection, body, (400, field, "NUMBER_NOT_OWNED", "")).await;
    }
    let body = json!({"default_caller_id": outside});
    let answer = town.client.patch(&format!("/v1.0/tenants/{acme}"), body.clone()).await;
    assert_refused(&answer, (400, "default_caller_id", "NUMBER_NOT_OWNED", ""), &body);
}

#[tokio::test]
async fn a_trunk_has_what_its_mode_needs_and_nothing_that_contradicts_it() {
    let town = town().await;
    for (body, refused) in [
        (json!({"name": "x", "mode": "ip_auth"}), (400, "host", "REQUIRED", "sip.provider.com")),
        (
            json!({"name": "x", "mode": "register_out", "host": "h.example"}),
            (400, "username", "REQUIRED", "ip_auth"),
        ),
        (
            json!({"name": "x", "mode": "register_out", "host": "h.example", "username": "u"}),
            (400, "password", "REQUIRED", "password"),
        ),
        (json!({"name": "x", "mode": "register_in"}), (400, "username", "REQUIRED", "account name")),
        (json!({"name": "x", "mode": "peer_in"}), (400, "associated_ips", "REQUIRED", "`associated_ips`")),
        // What Ring2All says twice, a type and a switch, is said once here: by `mode`.
        (
            json!({"name": "x", "mode": "register_out", "register": false, "host": "h.example", "username": "u", "password": "p"}),
            (400, "register", "UNKNOWN_FIELD", ""),
        ),
        (json!({"name": "x", "host": "sip:h.example"}), (400, "host", "BAD_FORMAT", "")),
        (json!({"name": "x", "host": "user@h.example"}), (400, "host", "BAD_FORMAT", "")),
        (json!({"name": "x", "host": "h .example"}), (400, "host", "BAD_FORMAT", "")),
        (json!({"name": "", "host": "h.example"}), (400, "name", "REQUIRED", "1 to 64")),
        (json!({"name": "x", "host": "h.example", "port": 0}), (400, "port", "OUT_OF_RANGE", "1 to 65535")),
        (
            json!({"name": "x", "host": "h.example", "brand": "nobody"}),
            (400, "brand", "UNKNOWN_BRAND", "generic"),
        ),
        (
            json!({"name": "x", "host": "h.example", "technology": "iax2"}),
            (400, "technology", "UNKNOWN_VALUE", "IAX2 comes later"),
        ),
        (
            json!({"name": "x", "host": "h.example", "media_encryption": "sdes"}),
            (400, "media_encryption", "UNKNOWN_VALUE", "SRTP comes later"),
        ),
        (json!({"name": "x", "host": "h.example", "codecs": []}), (400, "codecs", "NO_AUDIO_CODEC", "PCMA")),
        (
            json!({"name": "x", "host": "h.example", "expires": 59}),
            (400, "expires", "OUT_OF_RANGE", "60 to 86400"),
        ),
        (
            json!({"name": "x", "host": "h.example", "retry_base": 4}),
            (400, "retry_base", "OUT_OF_RANGE", "5 to 3600"),
        ),
        (
            json!({"name": "x", "host": "h.example", "ping_interval": 4}),
            (400, "ping_interval", "OUT_OF_RANGE", "5 to 3600"),
        ),
        (
            json!({"name": "x", "host": "h.example", "session_timer": 89}),
            (400, "session_timer", "OUT_OF_RANGE", "90 to 86400"),
        ),
        (
            json!({"name": "x", "host": "h.example", "associated_ips": ["10.0.0.0/7"]}),
            (400, "associated_ips[0]", "NETWORK_TOO_WIDE", "networks"),
        ),
        (
            json!({"name": "x", "host": "h.example", "associated_ips": ["2000::/8"]}),
            (400, "associated_ips[0]", "NETWORK_TOO_WIDE", "networks"),
        ),
        (
            json!({"name": "x", "host": "h.example", "did_source": "header:X", "did_pattern": "(a+"}),
            (400, "did_pattern", "BAD_FORMAT", ""),
        ),
    ] {
        town.refuses("trunks", body, refused).await;
    }
}

#[tokio::test]
async fn a_provider_that_takes_no_register_is_not_registered_at() {
    let town = town().await;
    let twilio = json!({
        "name": "T", "brand": "twilio-elastic", "mode": "register_out", "host": "a.pstn.twilio.com", "username": "u", "password": "p",
    });
    town.refuses("trunks", twilio, (400, "mode", "BRAND_REFUSES_REGISTER", "set `brand` to `generic`")).await;
}

#[tokio::test]
async fn a_tenant_makes_no_trunk_that_is_known_by_its_address() {
    let town = town().await;
    let token = json!({"name": "t", "role": "tenant_admin", "tenant_id": town.acme});
    let token = town.client.post("/v1.0/tokens", token).await.json["token"].as_str().unwrap().to_owned();
    let create =
        async |body: &Value| town.client.ask_as(&token, Method::POST, "/v1.0/trunks", body.to_string()).await;
    for body in [
        json!({"name": "x", "host": "198.51.100.1"}),
        json!({"name": "x", "host": "198.51.100.1", "mode": "ip_auth", "username": "u"}),
        json!({"name": "x", "mode": "peer_in", "associated_ips": ["198.51.100.1"]}),
    ] {
        assert_refused(&create(&body).await, (403, "mode", "FORBIDDEN_MODE", ""), &body);
    }
    let registers = json!({"name": "x", "host": "198.51.100.1", "username": "u", "password": "p"});
    let made = create(&registers).await;
    assert_eq!((made.status.as_u16(), &made.json["tenant_id"]), (201, &json!(town.acme)), "{}", made.text);
    let path = format!("/v1.0/trunks/{}", made.json["id"].as_str().unwrap());
    let change = json!({"mode": "ip_auth"});
    let answer = town.client.ask_as(&token, Method::PATCH, &path, change.to_string()).await;
    assert_refused(&answer, (403, "mode", "FORBIDDEN_MODE", ""), &change);
}

#[tokio::test]
async fn no_two_trunks_are_the_same_account_or_the_same_source() {
    let town = town().await;
    let account = |name: &str| json!({"name": name, "mode": "register_out", "host": "sip.example.com", "username": "u", "password": "p"});
    town.client.create("/v1.0/trunks", account("One")).await;
    town.refuses("trunks", account("Two"), (409, "username", "DUPLICATE_ACCOUNT", "another host")).await;
    town.refuses("trunks", account("One"), (409, "name", "NAME_TAKEN", "another name")).await;
    let by_address = |name: &str, ips: Value| json!({"name": name, "host": name, "associated_ips": ips});
    town.client.create("/v1.0/trunks", by_address("a.example", json!(["198.51.100.0/24"]))).await;
    let within = by_address("b.example", json!(["198.51.100.7"]));
    town.refuses("trunks", within, (409, "associated_ips", "AMBIGUOUS_SOURCE", "different usernames")).await;
    let same = json!({"name": "c", "host": "a.example"});
    town.refuses("trunks", same, (409, "host", "AMBIGUOUS_SOURCE", "different usernames")).await;
}

#[tokio::test]
async fn a_trunk_does_not_lead_back_to_this_server() {
    let town = town().await;
    {
        let mut config = town.client.fake.config.lock().unwrap();
        let here = ["192.0.2.1:5060", "[2001:db8::1]:5080", "0.0.0.0:5070"].map(|at| at.parse().unwrap());
        *config = std::sync::Arc::new((**config).clone().listening_at(here));
    }
    for (host, port, loops) in [
        ("192.0.2.1", json!(null), true),
        ("192.0.2.1", json!(5060), true),
        ("192.0.2.1", json!(5061), false),
        ("2001:db8::1", json!(5080), true),
        ("127.0.0.1", json!(5070), true),
        ("192.0.2.2", json!(null), false),
    ] {
        let body = json!({"name": format!("{host} {port}"), "host": host, "port": port});
        match loops {
            true => town.refuses("trunks", body, (400, "host", "LOOP", "provider")).await,
            false => drop(town.client.create("/v1.0/trunks", body).await),
        }
    }
    let proxy = json!({"name": "x", "host": "sip.example.com", "outbound_proxy": "192.0.2.1:5060"});
    town.refuses("trunks", proxy, (400, "outbound_proxy", "LOOP", "provider")).await;
}

#[tokio::test]
async fn who_registers_here_does_so_in_no_tenants_domain() {
    let town = town().await;
    let guest = |field: &str, domain: &str| {
        let mut body =
            json!({"name": "Gateway", "mode": "register_in", "username": "gw", "password": "gw-secret"});
        body[field] = json!(domain);
        body
    };
    for (field, domain) in [("realm", "PBX.acme.example"), ("host", "acme.registrar.voip.example")] {
        town.refuses("trunks", guest(field, domain), (409, field, "DOMAIN_TAKEN", "made up")).await;
    }
    town.client.create("/v1.0/trunks", guest("realm", "gateways.example")).await;
    let body = json!({"sip_domain": "gateways.example"});
    let answer = town.client.patch(&format!("/v1.0/tenants/{}", town.beta), body.clone()).await;
    assert_refused(&answer, (409, "sip_domain", "DOMAIN_TAKEN", "change that trunk"), &body);
}

#[tokio::test]
async fn what_is_used_is_not_deleted() {
    let town = town().await;
    town.client.create("/v1.0/routes", json!({"name": "Out", "provider_id": town.carrier})).await;
    let answer = town.client.delete(&format!("/v1.0/trunks/{}", town.carrier)).await;
    assert_refused(&answer, (409, "", "REFERENCED", ""), &json!("the trunk"));
    assert!(answer.text.contains("Out"), "who uses it: {}", answer.text);
    let answer = town.client.delete(&format!("/v1.0/tenants/{}", town.acme)).await;
    assert_refused(&answer, (409, "", "REFERENCED", ""), &json!("the tenant"));
}

#[tokio::test]
async fn an_outbound_route_takes_numbers_and_leads_somewhere() {
    let town = town().await;
    let carrier = &town.carrier;
    let step = json!([{"trunk_id": carrier}]);
    let nobody = "0198c0de-0000-7000-8000-000000000001";
    let other = town.client.create("/v1.0/trunks", json!({"name": "Other", "host": "192.0.2.50"})).await;
    for (body, refused) in [
        (
            json!({"match": {"patterns": ["1N.X"]}, "steps": step}),
            (400, "match.patterns[0]", "BAD_FORMAT", ""),
        ),
        (
            json!({"match": {"patterns": ["1[]"]}, "steps": step}),
            (400, "match.patterns[0]", "BAD_FORMAT", ""),
        ),
        (json!({"match": {"patterns": ["[1"]}, "steps": step}), (400, "match.patterns[0]", "BAD_FORMAT", "")),
        (
            json!({"match": {"prefixes": ["12a"]}, "steps": step}),
            (400, "match.prefixes[0]", "BAD_FORMAT", "pattern"),
        ),
        (
            json!({"match": {"countries": ["XX"]}, "steps": step}),
            (400, "match.countries[0]", "UNKNOWN_COUNTRY", "`US`"),
        ),
        (json!({"steps": []}), (400, "steps", "OUT_OF_RANGE", "name the trunks")),
        (
            json!({"steps": vec![json!({"trunk_id": carrier}); 7]}),
            (400, "steps", "OUT_OF_RANGE", "next_rule"),
        ),
        (json!({"steps": [{"trunk_id": nobody}]}), (400, "steps[0].trunk_id", "UNKNOWN_TRUNK", "")),
        (
            json!({"tenant_id": town.acme, "steps": [{"trunk_id": other}]}),
            (400, "steps[0].trunk_id", "TRUNK_NOT_ASSIGNED", "assign"),
        ),
        (
            json!({"match": {"patterns": ["911"]}, "steps": [{"trunk_id": carrier, "strip": 3}]}),
            (400, "steps[0].strip", "STRIP_TOO_LONG", "at most 2"),
        ),
        (
            json!({"steps": [{"trunk_id": carrier, "prepend": "a b"}]}),
            (400, "steps[0].prepend", "BAD_FORMAT", "digits"),
        ),
        (json!({"steps": step, "priority": 10_000}), (400, "priority", "OUT_OF_RANGE", "0 to 9999")),
        (json!({"steps": step, "strategy": "cheapest"}), (400, "strategy", "UNKNOWN_VALUE", "prioritized")),
    ] {
        let mut whole = json!({"name": "r"});
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        town.refuses("routes", whole, refused).await;
    }
}

#[tokio::test]
async fn an_inbound_route_is_asked_for_what_no_other_is_and_ends_somewhere() {
    let town = town().await;
    let acme = &town.acme;
    let busy = json!({"type": "busy"});
    let range = |first: &str| json!({"type": "extension_range", "first": first});
    let all = json!({"tenant_id": acme, "name": "All", "did": "13322496213", "destination": busy});
    town.client.create("/v1.0/inbound_routes", all).await;
    for (body, refused) in [
        (
            json!({"did": "13322496213", "destination": busy}),
            (409, "did", "DUPLICATE_ROUTE", "change that route"),
        ),
        (
            json!({"did": "13322496219-13322496213", "destination": busy}),
            (400, "did", "BAD_FORMAT", "lower one first"),
        ),
        (
            json!({"did": "13322496213-13322496219", "destination": range("95")}),
            (400, "destination.first", "OUT_OF_RANGE", "begin lower"),
        ),
        (
            json!({"did": "13322496213*", "destination": range("100")}),
            (400, "destination.first", "CONFLICTING_FIELDS", "as a range"),
        ),
        (
            json!({"did": "13322496214", "destination": {"type": "number", "number": "13322496214"}}),
            (400, "destination.number", "LOOP", "another number"),
        ),
        (
            json!({"did": "13322496214", "destination": busy, "out_of_hours": busy}),
            (400, "out_of_hours", "REQUIRED", "schedule_id"),
        ),
        (
            json!({"did": "13322496214", "destination": busy, "no_answer_timeout": 7401}),
            (400, "no_answer_timeout", "OUT_OF_RANGE", "0 to 7400"),
        ),
    ] {
        let mut whole = json!({"tenant_id": acme, "name": "r"});
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        town.refuses("inbound_routes", whole, refused).await;
    }
}

#[tokio::test]
async fn an_extension_has_a_plain_name_and_a_password_that_is_none() {
    let town = town().await;
    let good = "a good password";
    for (body, refused) in [
        (json!({"number": "1 00", "password": good}), (400, "number", "BAD_FORMAT", "letters, digits")),
        (json!({"number": "<100>", "password": good}), (400, "number", "BAD_FORMAT", "letters, digits")),
        (json!({"number": "101"}), (400, "password", "REQUIRED", "8 to 128")),
        (json!({"number": "101", "password": "short"}), (400, "password", "WEAK_PASSWORD", "8 to 128")),
        (
            json!({"number": "10101010", "password": "10101010"}),
            (400, "password", "WEAK_PASSWORD", "cannot be guessed"),
        ),
        (
            json!({"tenant_id": town.acme, "number": "100", "username": "other", "password": good}),
            (409, "number", "NUMBER_TAKEN", "another number"),
        ),
        (
            json!({"tenant_id": town.acme, "number": "102", "username": "100", "password": good}),
            (409, "username", "USERNAME_TAKEN", "another username"),
        ),
    ] {
        town.refuses("extensions", body, refused).await;
    }
}

#[tokio::test]
async fn headers_stay_in_their_line_and_do_not_say_where_a_request_goes() {
    let town = town().await;
    let with = |headers: Value| json!({"name": "x", "host": "h.example", "extra_headers": headers});
    let broken = with(json!({"X-A": "1\r\nVia: evil"}));
    town.refuses("trunks", broken, (400, "extra_headers.X-A", "BAD_FORMAT", "")).await;
    for name in [
        "Via",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Contact",
        "Max-Forwards",
        "Route",
        "Content-Type",
        "Authorization",
        "Identity",
    ] {
        let body = with(json!({name: "x"}));
        let answer = town.client.post("/v1.0/trunks", body.clone()).await;
        assert_eq!(answer.refused(), (400, "RESERVED_HEADER"), "{body}");
        assert!(answer.json["field"].as_str().unwrap().starts_with("extra_headers"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_network_is_written_by_its_first_address_and_an_unknown_field_is_none() {
    let town = town().await;
    let body = json!({"name": "x", "host": "h.example", "associated_ips": ["203.0.113.77/24"]});
    let answer = town.client.post("/v1.0/trunks", body).await;
    assert_eq!(answer.json["associated_ips"], json!(["203.0.113.0/24"]), "{}", answer.text);
    let unknown = json!({"name": "y", "host": "i.example", "hots": "j.example"});
    town.refuses("trunks", unknown, (400, "hots", "UNKNOWN_FIELD", "host")).await;
    let foreign = json!({"name": "y", "host": "i.example", "x_crm": 7});
    let answer = town.client.post("/v1.0/trunks", foreign).await;
    assert_eq!((answer.status.as_u16(), answer.json.get("x_crm")), (201, None), "{}", answer.text);
}

#[tokio::test]
async fn a_tenant_has_a_slug_a_domain_and_countries_that_exist() {
    let town = town().await;
    for (body, refused) in [
        (json!({"name": "Acme"}), (409, "slug", "SLUG_TAKEN", "of its own")),
        (json!({"name": "x", "slug": "1x"}), (400, "slug", "BAD_FORMAT", "")),
        (
            json!({"name": "x1", "sip_domain": "pbx.acme.example"}),
            (409, "sip_domain", "DOMAIN_TAKEN", "another domain"),
        ),
        (
            json!({"name": "x1", "allowed_countries": ["US", "ZZ"]}),
            (400, "allowed_countries[1]", "UNKNOWN_COUNTRY", "`US`"),
        ),
        (
            json!({"name": "x1", "timezone": "Nowhere/City"}),
            (400, "timezone", "UNKNOWN_TIMEZONE", "Europe/Berlin"),
        ),
        (
            json!({"name": "x1", "blocked_prefixes": ["19x"]}),
            (400, "blocked_prefixes[0]", "BAD_FORMAT", "digits"),
        ),
    ] {
        town.refuses("tenants", body, refused).await;
    }
}
