//! MikoPBX: the additional parameters of a provider, which override what it generates itself.

use crate::draft::Source;
use crate::ini::{self, Section};
use crate::pjsip::{Object, number, take};
use crate::plan::NoteKind;
use crate::refuse::refuse;
use crate::{Draft, Read};
use tandem_model::{Config, Kind, Rejection, TrunkMode};

const ORIGIN: &str = "MikoPBX";
const KEPT: &str = "mikopbx";

/// Those that say where first, then who.
const ORDER: [Object; 6] = [
    Object::Aor,
    Object::RegistrationAuth,
    Object::Registration,
    Object::EndpointAuth,
    Object::Endpoint,
    Object::Identify,
];

/// Whether these are sections of MikoPBX and not of Asterisk, where each has a type.
pub(crate) fn looks_like(sections: &[Section]) -> bool {
    let ours = |section: &Section| ORDER.iter().any(|object| object.name() == section.name);
    sections.iter().all(|section| ours(section) && section.value("type").is_none())
}

pub(crate) fn read(text: &str, name: Option<&str>, config: &Config) -> Result<Read, Rejection> {
    let sections = ini::sections(text)?;
    for section in &sections {
        if !ORDER.iter().any(|object| object.name() == section.name) {
            let names: Vec<String> = ORDER.iter().map(|object| format!("`[{}]`", object.name())).collect();
            let message = format!("`[{}]` is no section of additional parameters", section.name);
            let fix = format!("known are {}", names.join(", "));
            return Err(refuse(Some(section.line), &*section.name, "UNKNOWN_SECTION", message, fix));
        }
    }
    let Some(name) = name else {
        let message = "additional parameters do not say which provider they are for";
        let fix = "give the trunk's name: `tandem import FILE --name NAME`, or `name` in the body";
        return Err(refuse(None, "name", "REQUIRED", message, fix));
    };
    let there = config.trunk_by_name(None, name).or_else(|| config.trunk_by_slug(name));
    let line = sections.first().map_or(1, |section| section.line);
    let mut draft = Draft::new(Kind::Trunk, there.map_or(name, |trunk| &trunk.name), line);
    if let Some(trunk) = there {
        // What is compared with: an account that stays is not given again.
        draft.assume("username", trunk.username.as_deref());
        draft.assume("host", trunk.host.as_deref());
    }
    for object in ORDER {
        for section in sections.iter().filter(|section| section.name == object.name()) {
            take(&mut draft, KEPT, object, &section.keys);
        }
    }
    match there {
        Some(trunk) => draft.forget_assumed(trunk),
        None => defaults(&mut draft, name, &sections),
    }
    if let Some(base) = number(&draft, "retry_base") {
        let most = there.map_or(1800, |trunk| trunk.retry_max);
        if base > u64::from(most) {
            draft.coerce("retry_max", base, &Source::default_of("Tandem"), "not less than `retry_base`");
        }
    }
    Ok(Read { drafts: vec![draft], notes: Vec::new() })
}

/// What MikoPBX generates for a provider where its parameters say nothing.
fn defaults(draft: &mut Draft, name: &str, sections: &[Section]) {
    let source = Source::default_of(ORIGIN);
    draft.set("name", name, &source);
    let registers = sections.iter().any(|section| section.name.starts_with("registration"));
    let mode = match (registers, draft.get("password").is_some()) {
        (true, _) => TrunkMode::RegisterOut,
        (false, true) => TrunkMode::Credential,
        (false, false) => TrunkMode::IpAuth,
    };
    draft.set_default("mode", serde_json::to_value(mode).unwrap_or_default(), &source);
    for (field, value) in [
        ("expires", 120),
        ("retry_base", 45),
        ("ping_interval", 60),
        ("ping_timeout", 3),
        ("session_timer", 0),
    ] {
        draft.set_default(field, value, &source);
    }
    for (field, value) in [("rtp_timeout", 60), ("rtp_timeout_hold", 300)] {
        if draft.knows(field) {
            draft.set_default(field, value, &source);
        }
    }
    for (field, value) in [
        ("transport", "udp"),
        ("contact_user", "username"),
        ("number_format_out", "as_dialled"),
        ("identity_header", "none"),
    ] {
        draft.set_default(field, value, &source);
    }
    draft.set_default("caller_id_in_from", false, &source);
    let message = "outgoing routes are not in this text; for each give `on_exhausted: next_rule`, as MikoPBX tries all that match";
    draft.note(NoteKind::Skipped, None, "routes", message);
}
