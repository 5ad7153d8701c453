//! XML as FreeSWITCH's configuration is written in: files, and pieces of them.

use super::{Gateway, Param, Subscription, Variable};
use crate::plan::{Note, NoteKind};
use crate::refuse::refuse;
use roxmltree::{Document, Node, ParsingOptions};
use tandem_model::Rejection;

/// What was found in a text.
pub(super) struct File {
    pub gateways: Vec<Gateway>,
    pub notes: Vec<Note>,
}

/// More elements and attributes than any configuration has.
const MOST_NODES: u32 = 500_000;
const DEEPEST: usize = 64;

pub(super) fn read(text: &str) -> Result<File, Rejection> {
    check_depth(text)?;
    // A piece of a file has no root, or several: what is around them here stands on the first and last line, so that lines keep
    // their numbers.
    let whole = format!("<text>{}</text>", without_declaration(text));
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&whole, options).map_err(|error| {
        let line = error.pos().row as usize;
        refuse(Some(line), "", "MALFORMED_XML", format!("this is not XML: {}", words(&error)), fix(&error))
    })?;
    let mut file = File { gateways: Vec::new(), notes: Vec::new() };
    for node in document.descendants().filter(Node::is_element) {
        let line = line(&node);
        match node.tag_name().name() {
            "gateway" => file.gateways.push(gateway(&node, &mut file.notes)),
            "X-PRE-PROCESS" => file.notes.push(Note {
                kind: NoteKind::Skipped,
                line: Some(line),
                subject: "X-PRE-PROCESS".to_owned(),
                message: "preprocessor commands are not carried out: what it includes has to be imported by itself".to_owned(),
            }),
            "param" if node.attribute("name") == Some("register-gateway") => file.notes.push(Note {
                kind: NoteKind::NoEquivalent,
                line: Some(line),
                subject: "register-gateway".to_owned(),
                message: "a trunk registers as long as it is enabled, not only while a user of the directory is registered".to_owned(),
            }),
            _ => {}
        }
    }
    if file.gateways.is_empty() {
        let message = "there is no `<gateway name=\"...\">` here";
        let fix = "give the file of a gateway; what stands in `<!-- -->` is not read, so take the comment marks away";
        return Err(refuse(None, "", "NOTHING_TO_IMPORT", message, fix));
    }
    Ok(file)
}

/// Elements within elements without end would overflow the stack of the parser.
fn check_depth(text: &str) -> Result<(), Rejection> {
    let mut depth = 0usize;
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            let end = comment.find("-->").map_or(comment.len(), |end| end + 3);
            rest = &comment[end..];
            continue;
        }
        let end = rest.find('>').map_or(rest.len(), |end| end + 1);
        let tag = &rest[..end];
        if tag.starts_with("</") {
            depth = depth.saturating_sub(1);
        } else if !tag.ends_with("/>") && !tag.starts_with("<?") && !tag.starts_with("<!") {
            depth += 1;
        }
        if depth > DEEPEST {
            let message = format!("elements are nested more than {DEEPEST} deep");
            return Err(refuse(None, "", "MALFORMED_XML", message, "give the file of a gateway"));
        }
        rest = &rest[end..];
    }
    Ok(())
}

/// `<?xml ...?>` may stand at the very beginning only: it is blotted out, its line ends kept.
fn without_declaration(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match text.trim_start().strip_prefix("<?xml").and_then(|rest| rest.find("?>")) {
        Some(_) => {
            let end = text.find("?>").map_or(0, |end| end + 2);
            let lines: String = text[..end].chars().filter(|c| *c == '\n').collect();
            lines + &text[end..]
        }
        None => text.to_owned(),
    }
}

fn words(error: &roxmltree::Error) -> String {
    match error {
        roxmltree::Error::DtdDetected => "it has a document type declaration".to_owned(),
        roxmltree::Error::UnexpectedCloseTag(expected, found, _) if expected == "text" => {
            format!("`</{found}>` closes nothing")
        }
        roxmltree::Error::UnexpectedCloseTag(expected, found, _) if found == "text" => {
            format!("`<{expected}>` is never closed")
        }
        roxmltree::Error::UnexpectedCloseTag(expected, found, _) => {
            format!("`</{found}>` stands where `</{expected}>` should")
        }
        roxmltree::Error::UnknownEntityReference(name, _) => format!("`&{name};` stands for nothing"),
        roxmltree::Error::DuplicatedAttribute(name, _) => format!("the attribute `{name}` is given twice"),
        // Others may quote what is written there, a password even.
        _ => "a tag, an attribute or a quotation mark is missing or wrong".to_owned(),
    }
}

fn fix(error: &roxmltree::Error) -> &'static str {
    match error {
        roxmltree::Error::DtdDetected => "remove `<!DOCTYPE ...>`: nothing outside of the text is read",
        roxmltree::Error::UnexpectedCloseTag(..) => {
            "close each element, as `<gateway name=\"x\"> ... </gateway>`"
        }
        roxmltree::Error::UnknownEntityReference(..) => "write `&` as `&amp;`",
        _ => "mend it there: `&` is written `&amp;`, `<` is written `&lt;`, values stand in double quotes",
    }
}

fn line(node: &Node) -> usize {
    node.document().text_pos_at(node.range().start).row as usize
}

fn gateway(node: &Node, notes: &mut Vec<Note>) -> Gateway {
    let user = node
        .ancestors()
        .find(|above| above.has_tag_name("user"))
        .map(|user| user.attribute("id").unwrap_or_default().to_owned());
    let name = node.attribute("name").unwrap_or_default().to_owned();
    let mut gateway = Gateway { name, line: line(node), user, ..Gateway::default() };
    for child in node.descendants().skip(1) {
        if child.is_comment() {
            gateway.withheld |= child.text().unwrap_or_default().trim_start().starts_with("password:");
        }
        if !child.is_element() {
            continue;
        }
        let attribute = |name: &str| child.attribute(name).unwrap_or_default().to_owned();
        let at = line(&child);
        let of_subscription = child.ancestors().skip(1).any(|above| above.has_tag_name("subscription"));
        match child.tag_name().name() {
            "param" if of_subscription => {
                let param = Param { name: attribute("name"), value: attribute("value"), line: at };
                if let Some(subscription) = gateway.subscriptions.last_mut() {
                    subscription.params.push(param);
                }
            }
            "param" => {
                gateway.params.push(Param { name: attribute("name"), value: attribute("value"), line: at });
            }
            "variable" => gateway.variables.push(Variable {
                name: attribute("name"),
                value: attribute("value"),
                direction: child.attribute("direction").map(str::to_owned),
                line: at,
            }),
            "subscription" => gateway.subscriptions.push(Subscription {
                event: attribute("event"),
                params: Vec::new(),
                line: at,
            }),
            "variables" | "subscriptions" => {}
            other => notes.push(Note {
                kind: NoteKind::Skipped,
                line: Some(at),
                subject: other.to_owned(),
                message: format!("`<{other}>` is no part of a gateway"),
            }),
        }
    }
    gateway
}
