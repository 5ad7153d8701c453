//! Asterisk's `pjsip.conf`: what of it are trunks.

use crate::coerce::Address;
use crate::draft::Source;
use crate::ini::{self, Section};
use crate::pjsip::{Object, number, take};
use crate::plan::{Note, NoteKind};
use crate::refuse::refuse;
use crate::{Draft, Read};
use serde_json::Value;
use tandem_model::{Kind, Rejection};

const ORIGIN: &str = "Asterisk";
const KEPT: &str = "asterisk";

/// The objects of a file, templates aside.
struct Objects(Vec<Section>);

impl Objects {
    fn of(&self, kind: &str) -> impl Iterator<Item = &Section> {
        self.0.iter().filter(move |section| section.value("type") == Some(kind))
    }

    fn find(&self, kind: &str, name: &str) -> Option<&Section> {
        self.of(kind).find(|section| section.name == name)
    }
}

pub(crate) fn read(text: &str) -> Result<Read, Rejection> {
    let sections: Vec<Section> =
        ini::sections(text)?.into_iter().filter(|section| !section.is_template).collect();
    if let Some(bare) =
        sections.iter().find(|section| section.value("type").is_none() && section.name != "global")
    {
        let message = format!("the section `{}` has no `type`", bare.name);
        let fix = "give `type=endpoint`, `aor`, `auth`, `registration`, `identify` or `transport`; additional parameters of MikoPBX are another format";
        return Err(refuse(Some(bare.line), "type", "REQUIRED", message, fix));
    }
    let objects = Objects(sections);
    let mut read = Read { drafts: Vec::new(), notes: Vec::new() };
    let mut registrations: Vec<&Section> = objects.of("registration").collect();
    for endpoint in objects.of("endpoint") {
        let position =
            registrations.iter().position(|registration| belongs(registration, endpoint, &objects));
        let registration = position.map(|position| registrations.remove(position));
        let aor = aor_of(endpoint, &objects);
        let identify =
            objects.of("identify").any(|identify| identify.value("endpoint") == Some(&endpoint.name));
        let is_trunk = registration.is_some()
            || endpoint.value("outbound_auth").is_some()
            || identify
            || aor.is_some_and(|aor| aor.value("contact").is_some());
        if is_trunk {
            read.drafts.push(trunk(&endpoint.name, endpoint.line, Some(endpoint), registration, &objects));
        } else {
            read.notes.push(skipped(endpoint, "it has neither a registration nor an address of its own: a phone, which is an extension here"));
        }
    }
    for registration in registrations {
        read.drafts.push(trunk(&registration.name, registration.line, None, Some(registration), &objects));
    }
    let known = ["endpoint", "registration", "auth", "aor", "identify", "transport", "global", "system"];
    for other in
        objects.0.iter().filter(|section| section.value("type").is_some_and(|kind| !known.contains(&kind)))
    {
        read.notes.push(skipped(other, "no trunk is made of a section of this type"));
    }
    Ok(read)
}

fn skipped(section: &Section, message: &str) -> Note {
    let subject = format!("{} {}", section.value("type").unwrap_or_default(), section.name);
    Note { kind: NoteKind::Skipped, line: Some(section.line), subject, message: message.to_owned() }
}

fn aor_of<'a>(endpoint: &Section, objects: &'a Objects) -> Option<&'a Section> {
    let names = endpoint.value("aors").unwrap_or(&endpoint.name);
    names.split(',').find_map(|name| objects.find("aor", name.trim()))
}

/// Whether this registration is the one of the endpoint: it says so, or has its name or its credentials, or goes where its calls go.
fn belongs(registration: &Section, endpoint: &Section, objects: &Objects) -> bool {
    if let Some(named) = registration.value("endpoint") {
        return named == endpoint.name;
    }
    let auth = |section: &Section| section.value("outbound_auth").map(str::to_owned);
    if registration.name == endpoint.name
        || auth(registration).is_some() && auth(registration) == auth(endpoint)
    {
        return true;
    }
    let server = registration.value("server_uri").map(|uri| Address::parse(uri).host);
    let contact =
        aor_of(endpoint, objects).and_then(|aor| aor.value("contact")).map(|uri| Address::parse(uri).host);
    server.is_some() && server == contact && auth(endpoint).is_none()
}

fn trunk(
    name: &str,
    line: usize,
    endpoint: Option<&Section>,
    registration: Option<&Section>,
    objects: &Objects,
) -> Draft {
    let mut draft = Draft::new(Kind::Trunk, name, line);
    draft.set("name", name, &Source::written(line, "section", name));
    let auth = |section: Option<&Section>| {
        section
            .and_then(|section| section.value("outbound_auth"))
            .and_then(|name| objects.find("auth", name.trim()))
    };
    let (for_register, for_calls) = (auth(registration), auth(endpoint));
    // The aor first: calls go to its contact, and where REGISTER goes elsewhere, that is the registrar.
    let aor = endpoint.and_then(|endpoint| aor_of(endpoint, objects));
    let identifies: Vec<&Section> =
        objects.of("identify").filter(|identify| identify.value("endpoint") == Some(name)).collect();
    let parts = [
        (Object::Aor, aor),
        (Object::RegistrationAuth, for_register.or(for_calls)),
        (Object::Registration, registration),
        (Object::EndpointAuth, for_calls.filter(|_| for_register.is_some())),
        (Object::Endpoint, endpoint),
    ];
    for (object, section) in parts {
        let Some(section) = section else { continue };
        let keys: Vec<_> = section.keys.iter().filter(|key| key.name != "transport").cloned().collect();
        take(&mut draft, KEPT, object, &keys);
    }
    let matches: Vec<_> = identifies.iter().flat_map(|identify| identify.keys.iter().cloned()).collect();
    take(&mut draft, KEPT, Object::Identify, &matches);
    for section in [registration, endpoint].into_iter().flatten() {
        transport(&mut draft, section, objects);
    }
    let mode = match (registration, for_register.or(for_calls)) {
        (Some(_), _) => "register_out",
        (None, Some(_)) => "credential",
        (None, None) => "ip_auth",
    };
    draft.set("mode", mode, &Source::written(line, "section", name));
    defaults(&mut draft);
    draft
}

/// `transport=` names a section.
fn transport(draft: &mut Draft, section: &Section, objects: &Objects) {
    let Some(key) = section.get("transport") else { return };
    let source = Source::written(key.line, "transport", &key.value);
    match objects.find("transport", &key.value).and_then(|transport| transport.value("protocol")) {
        Some(protocol) => draft.set("transport", protocol.to_ascii_lowercase(), &source),
        None => {
            let by_name =
                ["tls", "tcp", "udp"].into_iter().find(|name| key.value.to_ascii_lowercase().contains(name));
            match by_name {
                Some(name) => draft.coerce(
                    "transport",
                    name,
                    &source,
                    "the section is not in the text: taken from its name",
                ),
                None => draft.keep(
                    KEPT,
                    key.line,
                    "transport",
                    &key.value,
                    "the section is not in the text: udp is taken",
                ),
            }
        }
    }
}

fn defaults(draft: &mut Draft) {
    let source = Source::default_of(ORIGIN);
    draft.set_default("transport", "udp", &source);
    draft.set_default("expires", 3600, &source);
    draft.set_default("retry_base", 60, &source);
    draft.set_default("ping_interval", 0, &source);
    draft.set_default("ping_timeout", 3, &source);
    draft.set_default("identity_header", "none", &source);
    draft.set_default("trust_identity", false, &source);
    draft.set_default("session_timer", 1800, &source);
    draft.set_default("contact_user", "username", &source);
    draft.set_default("number_format_out", "as_dialled", &source);
    draft.set_default("caller_id_in_from", true, &source);
    let base = number(draft, "retry_base").unwrap_or(60);
    draft.set("retry_max", base.max(1800), &Source::default_of("Tandem"));
    if draft.get("direct_media").is_none() {
        let message =
            "media goes by this server, where Asterisk lets it go directly: set `direct_media` for that";
        draft.set("direct_media", Value::Bool(false), &Source::default_of("Tandem"));
        draft.note(NoteKind::Wire, None, "direct_media", message);
    }
    if draft.text("mode") == Some("register_out") {
        let message = "after failures the wait before the next REGISTER doubles each time; Asterisk's stays the same and ends after `max_retries`";
        draft.note(NoteKind::Wire, None, "retry_interval", message);
    }
}
