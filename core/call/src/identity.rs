//! What a call knows of its caller and of how it came here, as far as who sent it is trusted (RFC 3323, 3325, 5806, 7044, 8224).
//!
//! Everything is read here and written in `presentation`; nothing of it goes through a call in any other way.

use crate::Source;
use crate::privacy::Privacy;
use tandem_model::{Anonymous, CidSource, Extension, Party, Trunk};
use tandem_sip_msg::{Header, Message, NameAddr, Scheme};
use tandem_stir::Verstat;

/// Diversion and History-Info values kept of a call.
const MAX_ENTRIES: usize = 20;
/// The longest of them.
const LONGEST_ENTRY: usize = 512;
/// Bytes of Identity values kept of a call; those that do not fit any more are left out whole.
const MAX_SIGNED: usize = 8 * 1024;
const LONGEST_DATE: usize = 64;
/// A number or a name beyond so many characters is cut.
const LONGEST_NAME: usize = 128;
/// A From with a longer host is not told on.
const LONGEST_HOST: usize = 255;

/// A number with the name that belongs to it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Named {
    /// Empty where the caller is not known.
    pub number: String,
    /// The display name.
    pub name: Option<String>,
}

/// The caller's own From, as far as it may be told on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OwnFrom {
    /// Display name and user.
    pub named: Named,
    /// The host of its URI.
    pub host: String,
}

/// Who calls, and how the call came here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Identity {
    /// Who calls, as it is to be shown.
    pub shown: Named,
    /// From as the caller wrote it; `None` where it names nobody.
    pub from: Option<OwnFrom>,
    /// Who calls, on the word of somebody trusted.
    pub asserted: Option<Named>,
    /// The number that an extension asks to be shown as, where that is not its own; whether it may is not decided here.
    pub preferred: Option<String>,
    /// The asserted number came as `tel:` as well (RFC 3325 §9.1).
    pub tel: Option<String>,
    /// What the caller wants kept back.
    pub privacy: Privacy,
    /// Diversion values, the latest first (RFC 5806 §5.1).
    pub diversions: Vec<String>,
    /// History-Info values, the earliest first (RFC 7044 §5).
    pub history: Vec<String>,
    /// Identity values, to the byte as they came (RFC 8224 §4).
    pub signed: Vec<String>,
    /// The Date that they were signed with.
    pub date: Option<String>,
    /// What somebody trusted found out about the caller's number.
    pub verstat: Option<Verstat>,
}

impl Identity {
    /// What an INVITE tells. An extension is itself whatever it claims; only its wishes count, for privacy and for a number to show.
    pub fn read(source: &Source, invite: &Message) -> Identity {
        match source {
            Source::Extension(extension) => of_extension(extension, invite),
            Source::Trunk(trunk) => of_trunk(trunk, invite),
            Source::Guest(_) => unproven(invite),
        }
    }

    /// The caller as the record has it: the true number, where it is known.
    pub fn party(&self, source: &Source) -> Party {
        let named = self.asserted.as_ref().filter(|named| !named.number.is_empty()).unwrap_or(&self.shown);
        let number = if named.number.is_empty() { "anonymous" } else { &named.number };
        let (extension_id, trunk_id) = match source {
            Source::Extension(extension) => (Some(extension.id), None),
            Source::Trunk(trunk) => (None, Some(trunk.id)),
            Source::Guest(_) => (None, None),
        };
        Party { extension_id, trunk_id, number: number.to_owned(), name: named.name.clone() }
    }
}

fn of_extension(extension: &Extension, invite: &Message) -> Identity {
    let name = Some(extension.name.clone()).filter(|name| !name.is_empty() && *name != extension.number);
    let own = Named { number: extension.number.clone(), name };
    let mut privacy = match extension.anonymous {
        Anonymous::Never => Privacy::default(),
        Anonymous::Always | Anonymous::Auto => Privacy::read(invite),
    };
    let asks = extension.anonymous == Anonymous::Auto && is_anonymous(invite.from());
    if asks || extension.anonymous == Anonymous::Always {
        privacy.add(Privacy::ID);
    }
    let is_own = |user: &str| user == extension.username || user == extension.number;
    let from = own_from(invite.from())
        .map(|from| if is_own(&from.named.number) { from } else { OwnFrom { named: own.clone(), ..from } });
    let preferred = preferred(invite).filter(|number| !is_own(number));
    Identity { shown: own.clone(), from, asserted: Some(own), preferred, privacy, ..Identity::default() }
}

/// The number that a device asks for: in P-Preferred-Identity (RFC 3325 §9.2), in P-Asserted-Identity as phones write that too, else
/// in From.
fn preferred(invite: &Message) -> Option<String> {
    let asked = [Header::PPreferredIdentity, Header::PAssertedIdentity];
    let asked = asked.into_iter().find_map(|name| invite.header(name).and_then(NameAddr::parse));
    let addr = asked.unwrap_or_else(|| invite.from());
    Some(named(addr).number).filter(|number| !number.is_empty() && !is_anonymous(addr))
}

/// Who calls by what From says, which may be anything.
fn unproven(invite: &Message) -> Identity {
    let from = invite.from();
    let mut privacy = Privacy::read(invite);
    let mut shown = named(from);
    if is_anonymous(from) {
        shown = Named::default();
        privacy.add(Privacy::ID);
    }
    Identity { shown, from: own_from(from), privacy, ..Identity::default() }
}

/// A trunk's caller is in From, or asserted where From only names the account.
fn of_trunk(trunk: &Trunk, invite: &Message) -> Identity {
    let mut identity = unproven(invite);
    identity.read_signed(invite);
    if trunk.trust_identity {
        identity.read_asserted(invite);
        identity.verstat = verstat(invite);
        identity.diversions = entries(invite, Header::Diversion, |_| true);
        identity.history = entries(invite, Header::HistoryInfo, |entry| index_of(entry).is_some());
        let is_account = trunk.username.as_deref() == Some(identity.shown.number.as_str());
        if let Some(asserted) = identity.asserted.clone().filter(|_| is_account) {
            identity.shown = asserted;
        }
    }
    if let Some(named) = where_it_says(trunk, invite) {
        identity.asserted = trunk.trust_identity.then(|| named.clone());
        identity.tel = None;
        identity.shown = named;
    }
    identity
}

/// The caller by the trunk's `cid_source`: as a whole where something is to be taken out of it, else the user of its URI, else
/// the value itself.
fn where_it_says(trunk: &Trunk, invite: &Message) -> Option<Named> {
    let calling = |value: &&str| {
        NameAddr::parse(value)
            .is_some_and(|addr| addr.params().get("party").is_none_or(|party| party == "calling"))
    };
    let value = match &trunk.cid_source {
        CidSource::Auto if !trunk.extracts_cid() => return None,
        CidSource::Auto | CidSource::From => invite.from().as_str(),
        CidSource::Pai => invite.headers(Header::PAssertedIdentity).next()?,
        CidSource::Rpid => invite.headers(Header::RemotePartyId).find(calling)?,
        CidSource::Header(name) => invite.header_named(name)?,
    };
    let addr = NameAddr::parse(value).filter(|addr| addr.uri().scheme() != Scheme::Other);
    let read = addr.map(named).unwrap_or_default();
    let number = match trunk.extracts_cid() {
        true => trunk.cid_in(value)?,
        false if read.number.is_empty() => value.trim().to_owned(),
        false => read.number,
    };
    let number: String = number.chars().take(LONGEST_NAME).collect();
    (!number.is_empty() && !addr.is_some_and(is_anonymous)).then_some(Named { number, name: read.name })
}

impl Identity {
    /// P-Asserted-Identity, else what was in use before it, else what the sender would have asserted.
    fn read_asserted(&mut self, invite: &Message) {
        for addr in invite.headers(Header::PAssertedIdentity).take(2).filter_map(NameAddr::parse) {
            if addr.uri().scheme() == Scheme::Tel {
                self.tel = self.tel.take().or(global_number(addr));
            }
            self.assert(named(addr));
        }
        let calling = |addr: &NameAddr<'_>| {
            addr.params().get("party").is_none_or(|party| party.eq_ignore_ascii_case("calling"))
        };
        let remote = invite.headers(Header::RemotePartyId).filter_map(NameAddr::parse).find(calling);
        if let Some(addr) = remote {
            let hides =
                addr.params().get("privacy").is_some_and(|privacy| !privacy.eq_ignore_ascii_case("off"));
            if hides {
                self.privacy.add(Privacy::ID);
            }
            if self.asserted.is_none() {
                self.assert(named(addr));
            }
        }
        if self.asserted.is_none()
            && let Some(addr) = invite.header(Header::PPreferredIdentity).and_then(NameAddr::parse)
        {
            self.assert(named(addr));
        }
    }

    fn assert(&mut self, named: Named) {
        match &mut self.asserted {
            Some(first) => first.name = first.name.take().or(named.name),
            None if !named.number.is_empty() => self.asserted = Some(named),
            None => {}
        }
    }

    fn read_signed(&mut self, invite: &Message) {
        let mut room = MAX_SIGNED;
        for value in invite.headers(Header::Identity) {
            if let Some(rest) = room.checked_sub(value.len()) {
                room = rest;
                self.signed.push(value.to_owned());
            }
        }
        let date = invite.header(Header::Date).filter(|date| date.len() <= LONGEST_DATE);
        self.date = date.filter(|_| !self.signed.is_empty()).map(str::to_owned);
    }
}

/// What was found out about the number: in P-Asserted-Identity, else in From (3GPP TS 24.229 §7.2A.20.2). Some write it behind the
/// URI instead of behind the number.
fn verstat(invite: &Message) -> Option<Verstat> {
    let asserted = invite.headers(Header::PAssertedIdentity).take(2).filter_map(NameAddr::parse);
    asserted.chain([invite.from()]).find_map(|addr| {
        let uri = addr.uri();
        let places = [uri.number_param(NAME), uri.params().get(NAME), addr.params().get(NAME)];
        places.into_iter().flatten().next().map(Verstat::read)
    })
}

const NAME: &str = "verstat";

/// The index of a History-Info value: numbers with dots between (RFC 7044 §5.1).
pub(crate) fn index_of<'a>(entry: &NameAddr<'a>) -> Option<&'a str> {
    let index = entry.params().get("index")?;
    let sound = index.len() <= 64
        && index.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    sound.then_some(index)
}

fn entries(invite: &Message, name: Header, sound: impl Fn(&NameAddr<'_>) -> bool) -> Vec<String> {
    invite
        .headers(name)
        .filter(|value| {
            value.len() <= LONGEST_ENTRY && NameAddr::parse(value).is_some_and(|addr| sound(&addr))
        })
        .take(MAX_ENTRIES)
        .map(str::to_owned)
        .collect()
}

fn own_from(from: NameAddr<'_>) -> Option<OwnFrom> {
    let host = from.uri().host().to_string();
    (!host.is_empty() && host.len() <= LONGEST_HOST && !is_anonymous(from))
        .then(|| OwnFrom { named: named(from), host })
}

fn named(addr: NameAddr<'_>) -> Named {
    let number = addr.uri().number().unwrap_or_default();
    let name = addr.display().map(|name| name.chars().take(LONGEST_NAME).collect());
    Named { number: number.chars().take(LONGEST_NAME).collect(), name }
}

/// RFC 3323 §4.1.1.3, and what is written where that is not known.
fn is_anonymous(from: NameAddr<'_>) -> bool {
    let uri = from.uri();
    uri.host().to_string().to_ascii_lowercase().ends_with("anonymous.invalid")
        || uri.user().is_some_and(|user| user.eq_ignore_ascii_case("anonymous"))
}

/// A number that means the same everywhere, without what only makes it readable (RFC 3966 §5.1.4).
fn global_number(addr: NameAddr<'_>) -> Option<String> {
    let digits: String = addr.uri().user()?.chars().filter(|c| !"-.()".contains(*c)).take(32).collect();
    let sound = digits
        .strip_prefix('+')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    sound.then_some(digits)
}
