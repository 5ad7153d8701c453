//! Numbers: bought, switched off and given back; shown to who helps; without fax.

use crate::tenants::{Town, rings, town};
use serde_json::{Value, json};
use std::time::Duration;
use tandem_model::{Event, Kind, NumberStatus};
use tandem_sim::Stage;
use tandem_sip_msg::Header;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const BOUGHT: &str = "+12025550142";

/// Acme with a phone, which shows a number of its pool, and a number that nobody has yet.
struct Shop {
    town: Town,
    phone: usize,
    extension: String,
    number: String,
}

fn shop(number: Value) -> Shop {
    let mut town = town();
    let acme = town.acme.clone();
    let (phone, extension) = town.phone(&acme, "100", json!({"outbound_cid": "13322496214"}));
    let mut body = json!({"number": BOUGHT, "status": "available"});
    body.as_object_mut().unwrap().extend(number.as_object().unwrap().clone());
    let number = town.w.create(Kind::Number, body);
    Shop { town, phone, extension, number }
}

impl Shop {
    fn patch(&mut self, patch: Value) {
        self.town.w.patch(Kind::Number, &self.number, patch);
    }

    /// The number is Acme's, and rings its phone.
    fn buys(&mut self) {
        let (acme, extension) = (self.town.acme.clone(), self.extension.clone());
        self.patch(json!({"tenant_id": acme, "status": "assigned"}));
        self.patch(json!({"extension_id": extension}));
    }

    fn status(&self) -> NumberStatus {
        self.town.w.config().number(None, "12025550142").unwrap().status
    }

    /// What becomes of a call to the number.
    fn comes(&mut self) -> Option<u16> {
        let carrier = self.town.carrier;
        self.town.w.dial(carrier, BOUGHT);
        self.town.w.run_for(secs(1));
        let code = self.town.w.last_call(carrier).code;
        self.town.w.with_ua(carrier, |ua, now| ua.hang_up_all(now));
        self.town.w.run_for(secs(1));
        code
    }

    /// The caller number that is shown when the phone dials.
    fn shown(&mut self, dialled: &str) -> String {
        let (phone, carrier) = (self.phone, self.town.carrier);
        self.town.dials(phone, "acme", dialled);
        assert_eq!(self.town.w.stage(phone), Stage::Talking, "{dialled}");
        let invite = self.town.w.last_call(carrier).invite.clone().unwrap();
        self.town.w.hang_up(phone);
        self.town.w.run_for(secs(1));
        let asserted = invite.header(Header::PAssertedIdentity).unwrap();
        asserted.split("sip:").nth(1).unwrap().split('@').next().unwrap().to_owned()
    }

    /// What becomes of a change to fax by one side of the call that they have.
    fn fax(&mut self, asker: usize) -> Option<u16> {
        let call = self.town.w.ua(asker).last_call().unwrap();
        self.town.w.with_ua(asker, |ua, now| ua.change_to_fax(call, true, now));
        self.town.w.run_for(secs(1));
        self.town.w.last_call(asker).change_code
    }
}

#[test]
fn a_number_reaches_something_from_when_it_is_bought_until_it_is_given_back() {
    let mut shop = shop(json!({}));
    assert_eq!((shop.status(), shop.comes()), (NumberStatus::Available, Some(404)));
    shop.buys();
    assert_eq!((shop.status(), shop.comes()), (NumberStatus::Active, Some(200)));
    shop.patch(json!({"extension_id": null}));
    assert_eq!((shop.status(), shop.comes()), (NumberStatus::Assigned, Some(404)), "nothing takes it");
    let extension = shop.extension.clone();
    shop.town.inbound(json!({"did": "12025550142", "destination": rings(&extension)}));
    assert_eq!((shop.status(), shop.comes()), (NumberStatus::Assigned, Some(200)), "an inbound route does");
    shop.patch(json!({"enabled": false}));
    assert_eq!((shop.status(), shop.comes()), (NumberStatus::Disabled, Some(404)), "whatever takes it");
    let told = shop.town.w.events.iter().rev().find_map(|event| match event {
        Event::InboundUnmatched { nearest, .. } => nearest.clone(),
        _ => None,
    });
    assert_eq!(told.as_deref(), Some("+12025550142 (disabled)"));
    let route = shop.town.w.config().inbound_routes.keys().next().unwrap().to_string();
    shop.town.w.delete(Kind::InboundRoute, &route);
    shop.patch(json!({"tenant_id": null, "status": "released"}));
    assert_eq!((shop.status(), shop.comes()), (NumberStatus::Released, Some(404)));
    shop.town.w.assert_quiet_but_for_registrations();
}

#[test]
fn a_number_is_shown_only_while_it_is_in_force() {
    let mut shop = shop(json!({}));
    shop.buys();
    let extension = shop.extension.clone();
    let acme = shop.town.acme.clone();
    shop.town.w.patch(Kind::Tenant, &acme, json!({"default_caller_id": "13322496215"}));
    shop.town.w.patch(Kind::Extension, &extension, json!({"outbound_cid": BOUGHT}));
    assert_eq!(shop.shown("12125550100"), BOUGHT);
    shop.patch(json!({"status": "disabled"}));
    assert_eq!(shop.shown("12125550100"), "13322496215", "the next in order");
    shop.patch(json!({"enabled": true}));
    assert_eq!(shop.shown("12125550100"), BOUGHT);
}

#[test]
fn emergency_calls_show_a_number_that_is_for_them_where_there_is_one() {
    let mut shop = shop(json!({"emergency": true}));
    let steps = json!([{"trunk_id": shop.town.trunk}]);
    let help = json!({"name": "help", "emergency": true, "match": {"patterns": ["911"]}, "steps": steps});
    shop.town.w.create(Kind::Route, help);
    assert_eq!(shop.shown("911"), "13322496214", "what is nobody's is shown by nobody");
    shop.buys();
    assert_eq!(shop.shown("911"), BOUGHT);
    assert_eq!(shop.shown("12125550100"), "13322496214", "other calls show what they would");
    let acme = shop.town.acme.clone();
    let own = json!({"tenant_id": acme, "number": "13322496214", "emergency": true});
    shop.town.w.create(Kind::Number, own);
    assert_eq!(shop.shown("911"), "13322496214", "of several the one that would be shown anyway");
    shop.patch(json!({"emergency": false}));
    assert_eq!(shop.shown("911"), "13322496214");
}

#[test]
fn fax_is_refused_to_and_from_a_number_that_takes_none() {
    for t38 in [true, false] {
        let expected = Some(if t38 { 200 } else { 488 });
        let mut shop = shop(json!({"t38": t38}));
        shop.buys();
        let (phone, carrier, extension) = (shop.phone, shop.town.carrier, shop.extension.clone());
        for ua in [phone, carrier] {
            shop.town.w.ua(ua).takes_fax = true;
        }
        shop.town.w.patch(Kind::Extension, &extension, json!({"outbound_cid": BOUGHT}));
        for asker in [phone, carrier] {
            shop.town.w.talk(carrier, BOUGHT);
            assert_eq!(shop.fax(asker), expected, "to the number");
            assert_eq!(shop.town.w.last_call(phone).is_fax(), t38);
            shop.town.w.hang_up(carrier);
            shop.town.w.run_for(secs(1));
            shop.town.dials(phone, "acme", "12125550100");
            assert_eq!(shop.fax(asker), expected, "from the number");
            if !t38 {
                let heard = [phone, carrier].map(|ua| shop.town.w.hears_packets(ua));
                assert!(heard.iter().all(|packets| *packets > 40), "the sound goes on: {heard:?}");
            }
            shop.town.w.hang_up(phone);
            shop.town.w.run_for(secs(1));
        }
        // Another number of the same tenant is not concerned.
        shop.town.w.patch(Kind::Extension, &extension, json!({"outbound_cid": "13322496214"}));
        shop.town.dials(phone, "acme", "12125550100");
        assert_eq!(shop.fax(phone), Some(200));
        shop.town.w.hang_up(phone);
        shop.town.w.run_for(secs(1));
        shop.town.w.assert_quiet_but_for_registrations();
        assert_eq!(shop.town.w.observer.complaints(), [""; 0]);
    }
}
