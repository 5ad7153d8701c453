//! Asterisk's configuration files: sections, templates, keys that may stand several times.

use crate::refuse::refuse;
use tandem_model::Rejection;

/// A section as it is written, with what its templates give it before its own keys.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub name: String,
    pub line: usize,
    pub is_template: bool,
    pub keys: Vec<Key>,
}

/// `key = value`, or `key => value`.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub name: String,
    pub value: String,
    pub line: usize,
}

impl Section {
    /// The last value of a key.
    pub fn get(&self, name: &str) -> Option<&Key> {
        self.keys.iter().rev().find(|key| key.name == name)
    }

    /// The last value of a key as text.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(|key| key.value.as_str())
    }
}

/// All sections of a text in order. Two of one name are two, unless the second says `(+)`.
pub(crate) fn sections(text: &str) -> Result<Vec<Section>, Rejection> {
    let mut sections: Vec<Section> = Vec::new();
    let mut current: Option<usize> = None;
    let mut in_comment = false;
    for (n, raw) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let at = n + 1;
        if in_comment || raw.trim_start().starts_with(";--") {
            in_comment = !raw.contains("--;");
            continue;
        }
        let line = without_comment(raw);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            current = Some(open(rest, at, &mut sections)?);
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            let message = "this is neither a section nor a `key = value`";
            let fix = "write `[section]` or `key = value`, and `;` before a comment";
            return Err(refuse(Some(at), "", "MALFORMED_LINE", message, fix));
        };
        let Some(section) = current.and_then(|current| sections.get_mut(current)) else {
            let message = "there is no section above this line";
            return Err(refuse(
                Some(at),
                name.trim(),
                "MALFORMED_LINE",
                message,
                "write `[section]` above it",
            ));
        };
        let value = value.strip_prefix('>').unwrap_or(value).trim().to_owned();
        section.keys.push(Key { name: name.trim().to_ascii_lowercase(), value, line: at });
    }
    Ok(sections)
}

/// The section that a header opens: a new one, or with `(+)` the last of its name.
fn open(rest: &str, at: usize, sections: &mut Vec<Section>) -> Result<usize, Rejection> {
    let malformed = |message: &str| {
        Err(refuse(
            Some(at),
            "",
            "MALFORMED_LINE",
            message,
            "write it as `[name]`, `[name](!)` or `[name](template)`",
        ))
    };
    let Some((name, options)) = rest.split_once(']') else { return malformed("the bracket is never closed") };
    let options = options.trim();
    let options = match options.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        Some(options) => options,
        None if options.is_empty() => "",
        None => return malformed("there is something behind the name that is no `(template)`"),
    };
    let mut section =
        Section { name: name.trim().to_owned(), line: at, is_template: false, keys: Vec::new() };
    for option in options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
        match option {
            "!" => section.is_template = true,
            "+" => match sections.iter().rposition(|other| other.name == section.name) {
                Some(position) => return Ok(position),
                None => return malformed("there is no section of this name before it to add to"),
            },
            template => match sections.iter().rfind(|other| other.name == template) {
                Some(other) => section.keys.extend(other.keys.iter().cloned()),
                None => {
                    let message = format!("there is no template `{template}` before it");
                    let fix = "put the template before what uses it";
                    return Err(refuse(Some(at), "", "UNKNOWN_TEMPLATE", message, fix));
                }
            },
        }
    }
    sections.push(section);
    Ok(sections.len() - 1)
}

/// The line without what stands behind `;`, unless it is written `\;`.
fn without_comment(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&';') => out.push(chars.next().unwrap_or(';')),
            ';' => break,
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_come_first_and_escaped_semicolons_stay() {
        let text = "[t](!)\ntype = endpoint ; yes\nallow => ulaw\n\n;-- long\ncomment --;\n[a](t)\nallow=alaw\nproxy=sip:x\\;lr\n[a](+)\nb=1";
        let sections = sections(text).unwrap();
        assert_eq!(sections.len(), 2);
        let keys: Vec<(&str, &str, usize)> =
            sections[1].keys.iter().map(|key| (key.name.as_str(), key.value.as_str(), key.line)).collect();
        let expected = [
            ("type", "endpoint", 2),
            ("allow", "ulaw", 3),
            ("allow", "alaw", 8),
            ("proxy", "sip:x;lr", 9),
            ("b", "1", 11),
        ];
        assert_eq!(keys, expected);
        assert!(sections[0].is_template && !sections[1].is_template);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line) in
            [("[a]\nnonsense", 2), ("\nkey=1", 2), ("[a", 1), ("[a](gone)", 1), ("[a](+)", 1), ("[a] b", 1)]
        {
            let message = sections(text).unwrap_err().problems[0].message.clone();
            assert!(message.starts_with(&format!("line {line}: ")), "{text}: {message}");
        }
    }
}
