//! What a REGISTER asks for, and what that would change: RFC 3261 §10.3 steps 6 to 8, all or nothing.

use crate::bindings::{Bound, second};
use crate::contact::seconds;
use crate::registrar::RegistrarConfig;
use tandem_model::{Binding, BindingChange, BindingOwner};
use tandem_sip_msg::{Flow, Header, Host, Message, NameAddr, Scheme, Transport, Uri};
use tandem_time::Time;

const MAX_CONTACTS: usize = 10;
const MAX_URI: usize = 512;
const MAX_PATHS: usize = 8;
const MAX_CALL_ID: usize = 256;
const MAX_AGENT: usize = 128;

/// Why a REGISTER is not carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) phrase: &'static str,
    pub(crate) header: Option<(Header, String)>,
}

impl Refusal {
    pub(crate) fn new(code: u16, phrase: &'static str) -> Refusal {
        Refusal { code, phrase, header: None }
    }

    pub(crate) fn with(code: u16, phrase: &'static str, header: Header, value: impl ToString) -> Refusal {
        Refusal { code, phrase, header: Some((header, value.to_string())) }
    }
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Asked {
    /// Which bindings there are.
    Query,
    /// `Contact: *`: that there be none.
    RemoveAll,
    /// These, each with its lifetime in seconds; 0 removes.
    Change(Vec<(String, u32)>),
}

/// Reads a REGISTER.
pub(crate) fn read(message: &Message, flow: &Flow, limits: &RegistrarConfig) -> Result<Asked, Refusal> {
    unsupported(message)?;
    if message.call_id().len() > MAX_CALL_ID {
        return Err(Refusal::new(400, "Call-ID Too Long"));
    }
    let values: Vec<&str> = message.headers(Header::Contact).take(MAX_CONTACTS + 1).collect();
    if values.len() > MAX_CONTACTS {
        return Err(Refusal::new(400, "Too Many Contacts"));
    }
    if values.contains(&"*") {
        let alone = values.len() == 1 && message.expires() == Some(0);
        return if alone {
            Ok(Asked::RemoveAll)
        } else {
            Err(Refusal::new(400, "Contact * Needs Expires 0"))
        };
    }
    if values.is_empty() {
        return Ok(Asked::Query);
    }
    let mut contacts: Vec<(String, u32)> = Vec::new();
    for value in values {
        let contact = NameAddr::parse(value).ok_or(Refusal::new(400, "Bad Contact"))?;
        let uri = acceptable(contact.uri(), flow.transport)?;
        let expires = lifetime(message, &contact, limits)?;
        // Named twice: the last word holds.
        contacts.retain(|(other, _)| !same(other, uri));
        contacts.push((uri.to_owned(), expires));
    }
    Ok(Asked::Change(contacts))
}

/// RFC 3261 §10.3 step 2; Path is the one extension we have.
fn unsupported(message: &Message) -> Result<(), Refusal> {
    let unknown: Vec<&str> =
        message.headers(Header::Require).filter(|tag| !tag.eq_ignore_ascii_case("path")).take(8).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Refusal::with(420, "Bad Extension", Header::Unsupported, unknown.join(", ")))
}

/// A Contact that requests can be sent to without harm: no headers to be smuggled into them.
fn acceptable(uri: Uri<'_>, transport: Transport) -> Result<&str, Refusal> {
    match uri.scheme() {
        Scheme::Sip => {}
        Scheme::Sips if transport == Transport::Tls => {}
        // RFC 5630 §5.3: what is to be reached over TLS alone registers over TLS.
        Scheme::Sips => return Err(Refusal::new(400, "A SIPS Contact Registers Over TLS")),
        _ => return Err(Refusal::new(400, "Contact Is No SIP URI")),
    }
    if uri.headers().is_some() || uri.host() == Host::Name("") {
        return Err(Refusal::new(400, "Bad Contact URI"));
    }
    if uri.as_str().len() > MAX_URI {
        return Err(Refusal::new(400, "Contact Too Long"));
    }
    Ok(uri.as_str())
}

/// RFC 3261 §10.3 step 7: `expires` of the Contact, else Expires, else our default; one that cannot be read is the default.
fn lifetime(message: &Message, contact: &NameAddr<'_>, limits: &RegistrarConfig) -> Result<u32, Refusal> {
    let asked = match contact.params().get("expires") {
        Some(text) => seconds(text),
        None => message.expires(),
    };
    let asked = asked.unwrap_or(limits.default_expires);
    if asked > 0 && asked < limits.min_expires {
        return Err(Refusal::with(423, "Interval Too Brief", Header::MinExpires, limits.min_expires));
    }
    Ok(asked.min(limits.max_expires))
}

/// Comparison as RFC 3261 §10.3 has it: by URI equivalence.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a == b || matches!((Uri::parse(a), Uri::parse(b)), (Some(a), Some(b)) if a.equivalent(&b))
}

/// What a REGISTER would change.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) changes: Vec<BindingChange>,
    /// Contacts that end with it, and why.
    pub(crate) ended: Vec<(String, &'static str)>,
}

/// Weighs a REGISTER against the bindings that there are (RFC 3261 §10.3 step 7).
pub(crate) fn plan(
    asked: Asked,
    owner: BindingOwner,
    existing: &[Bound],
    max_contacts: usize,
    message: &Message,
    flow: Flow,
    now: Time,
) -> Result<Plan, Refusal> {
    let mut plan = Plan::default();
    let mut left: Vec<&Bound> = existing.iter().collect();
    let mut added: Vec<Binding> = Vec::new();
    match asked {
        Asked::Query => {}
        Asked::RemoveAll => {
            for bound in left.drain(..) {
                in_order(&bound.binding, message)?;
                plan.end(owner, &bound.binding.contact, "removed");
            }
        }
        Asked::Change(contacts) => {
            let path = path(message)?;
            for (uri, expires) in contacts {
                let known = left.iter().position(|bound| same(&bound.binding.contact, &uri));
                let known = known.map(|at| left.remove(at));
                if let Some(bound) = known {
                    in_order(&bound.binding, message)?;
                    match expires {
                        0 => plan.end(owner, &bound.binding.contact, "removed"),
                        // The same place written otherwise.
                        _ if bound.binding.contact != uri => plan.delete(owner, &bound.binding.contact),
                        _ => {}
                    }
                }
                if expires > 0 {
                    added.push(binding(owner, uri, expires, &path, message, flow, now));
                }
            }
        }
    }
    // A further device takes the place of the one that has been silent for longest.
    let too_many = (left.len() + added.len()).saturating_sub(max_contacts.max(1));
    for bound in left.iter().take(too_many) {
        plan.end(owner, &bound.binding.contact, "replaced");
    }
    let too_many_added = too_many.saturating_sub(left.len()).min(added.len());
    plan.changes.extend(added.drain(too_many_added..).map(BindingChange::Put));
    Ok(plan)
}

impl Plan {
    fn delete(&mut self, owner: BindingOwner, contact: &str) {
        self.changes.push(BindingChange::Delete { owner, contact: contact.to_owned() });
    }

    fn end(&mut self, owner: BindingOwner, contact: &str, why: &'static str) {
        self.delete(owner, contact);
        self.ended.push((contact.to_owned(), why));
    }
}

/// A request that is older than what it would change has been overtaken. The same number comes again only where we have
/// forgotten that we answered (a restart), and then says the same.
fn in_order(binding: &Binding, message: &Message) -> Result<(), Refusal> {
    if binding.call_id == message.call_id() && message.cseq() < binding.cseq {
        return Err(Refusal::new(500, "CSeq Out Of Order"));
    }
    Ok(())
}

fn binding(
    owner: BindingOwner,
    contact: String,
    expires: u32,
    path: &[String],
    message: &Message,
    flow: Flow,
    now: Time,
) -> Binding {
    let agent = message.header(Header::UserAgent).filter(|agent| !agent.is_empty());
    Binding {
        owner,
        contact,
        call_id: message.call_id().to_owned(),
        cseq: message.cseq(),
        expires_at: second(now) + u64::from(expires),
        transport: flow.transport.param_name().to_owned(),
        source: flow.remote,
        listener: flow.listener.0,
        connection: flow.connection.map(|connection| connection.0),
        path: path.to_vec(),
        user_agent: agent.map(|agent| agent.chars().filter(|c| !c.is_control()).take(MAX_AGENT).collect()),
    }
}

/// Path values to be kept (RFC 3327 §5.3), within bounds and with nothing in them that could be smuggled on.
fn path(message: &Message) -> Result<Vec<String>, Refusal> {
    let values: Vec<&str> = message.headers(Header::Path).take(MAX_PATHS + 1).collect();
    let sound = |value: &&str| {
        let uri = NameAddr::parse(value).map(|hop| hop.uri());
        value.len() <= MAX_URI
            && uri.is_some_and(|uri| {
                matches!(uri.scheme(), Scheme::Sip | Scheme::Sips) && uri.headers().is_none()
            })
    };
    if values.len() > MAX_PATHS || !values.iter().all(sound) {
        return Err(Refusal::new(400, "Bad Path"));
    }
    Ok(values.into_iter().map(str::to_owned).collect())
}
