//! What a change of the configuration is told as.

use crate::{Change, Config, Entity, Event, Kind};
use serde_json::Value;
use std::collections::BTreeSet;

impl Event {
    /// What there is to tell of a change that is in effect: of each trunk, and of all together.
    pub fn of_change(before: &Config, after: &Config, changes: &[Change]) -> Vec<Event> {
        let subjects: BTreeSet<_> = changes.iter().map(Change::subject).collect();
        let mut events = Vec::new();
        let (mut created, mut updated, mut deleted) = (0, 0, 0);
        for (kind, id) in subjects {
            let (was, is) = (before.get(kind, id), after.get(kind, id));
            match (&was, &is) {
                (None, Some(_)) => created += 1,
                (Some(_), Some(_)) => updated += 1,
                (Some(_), None) => deleted += 1,
                (None, None) => continue,
            }
            if kind == Kind::Trunk {
                events.extend(of_trunk(was.as_ref(), is.as_ref()));
            }
        }
        events.push(Event::ConfigApplied { version: after.version, created, updated, deleted });
        events
    }
}

fn of_trunk(was: Option<&Entity>, is: Option<&Entity>) -> Option<Event> {
    let Some(Entity::Trunk(trunk)) = is.or(was) else { return None };
    let (trunk_id, name, tenant_id) = (trunk.id, trunk.name.clone(), trunk.tenant_id);
    Some(match (was, is) {
        (None, _) => Event::TrunkCreated { trunk_id, name, tenant_id },
        (_, None) => Event::TrunkDeleted { trunk_id, name, tenant_id },
        (Some(was), Some(is)) => Event::TrunkUpdated { trunk_id, name, fields: changed(was, is), tenant_id },
    })
}

/// The names of fields that are not as they were, secrets too.
fn changed(was: &Entity, is: &Entity) -> Vec<String> {
    let (was, is) = (was.to_stored(), is.to_stored());
    let (Value::Object(was), Value::Object(is)) = (was, is) else { return Vec::new() };
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    names.into_iter().filter(|name| was.get(*name) != is.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    fn after(config: &Config, changes: &[Change]) -> (Config, Vec<Event>) {
        let next = config.apply(changes).unwrap();
        let events = Event::of_change(config, &next, changes);
        (next, events)
    }

    #[test]
    fn a_trunk_tells_its_life_with_the_names_of_what_changed_and_no_values() {
        let id = Uuid::from_u128(1);
        let body = json!({"name": "Carrier", "host": "sip.example.com", "username": "u", "password": "first-password"});
        let trunk = Entity::create(Kind::Trunk, id, body).unwrap();
        let (config, events) = after(&Config::default(), &[Change::Put(trunk.clone())]);
        assert_eq!(events.iter().map(Event::name).collect::<Vec<_>>(), ["trunk.created", "config.applied"]);
        let patched = trunk.patch(json!({"password": "second-password", "port": 5070})).unwrap();
        let (config, events) = after(&config, &[Change::Put(patched)]);
        let told = serde_json::to_string(&events).unwrap();
        assert!(told.contains(r#""fields":["password","port"]"#) && !told.contains("second"), "{told}");
        let (_, events) = after(&config, &[Change::Delete(Kind::Trunk, id)]);
        assert_eq!(events[0].name(), "trunk.deleted");
        assert_eq!(events[1], Event::ConfigApplied { version: 3, created: 0, updated: 0, deleted: 1 });
    }
}
