//! FreeSWITCH: gateways in XML, of a profile or of the directory.

mod gateway;
mod write;
mod xml;

use crate::plan::{Note, NoteKind};
use crate::{Draft, Read};
use std::collections::BTreeSet;
use tandem_model::Rejection;

pub(crate) use write::write;

pub(crate) const ORIGIN: &str = "FreeSWITCH";

/// A gateway as it is written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gateway {
    pub name: String,
    pub line: usize,
    pub params: Vec<Param>,
    pub variables: Vec<Variable>,
    pub subscriptions: Vec<Subscription>,
    /// A comment says that the password was left out.
    pub withheld: bool,
    /// The directory user whose it is.
    pub user: Option<String>,
}

/// `<param name value>`.
#[derive(Clone, Debug)]
pub(crate) struct Param {
    pub name: String,
    pub value: String,
    pub line: usize,
}

/// `<variable name value direction>`.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub name: String,
    pub value: String,
    pub direction: Option<String>,
    pub line: usize,
}

/// `<subscription event>`: nothing is made of it.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub event: String,
    pub params: Vec<Param>,
    pub line: usize,
}

/// Reads a file of gateways.
pub(crate) fn read(text: &str) -> Result<Read, Rejection> {
    let xml::File { gateways, mut notes } = xml::read(text)?;
    let mut drafts: Vec<Draft> = Vec::new();
    let mut names = BTreeSet::new();
    for gateway in gateways {
        let mut skip = |why: &str| {
            notes.push(Note {
                kind: NoteKind::Skipped,
                line: Some(gateway.line),
                subject: format!("gateway {}", gateway.name),
                message: format!("{why}: skipped, as FreeSWITCH does"),
            });
        };
        if !is_name(&gateway.name) {
            skip("its name is not made of letters, digits, `_`, `.` and `-` alone");
        } else if let Some(why) = gateway::incomplete(&gateway) {
            skip(why);
        } else if !names.insert(gateway.name.clone()) {
            skip("there is another one of this name before it");
        } else {
            drafts.push(gateway::draft(&gateway));
        }
    }
    Ok(Read { drafts, notes })
}

/// `^[\w\.\-\_]+$`, which is what FreeSWITCH asks of a name.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
