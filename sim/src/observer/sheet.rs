//! A message read strictly, by other means than those of the server.

/// The parts of a message, each as written.
pub(super) struct Sheet<'a> {
    pub(super) start: &'a str,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a [u8],
}

impl<'a> Sheet<'a> {
    /// Reads what has lines that end in CRLF, no folds, and header names that are tokens.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Sheet<'a>, String> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or("its head does not end")?;
        let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "its head is not UTF-8")?;
        if let Some(odd) = head.replace("\r\n", "").chars().find(|c| c.is_control() && *c != '\t') {
            return Err(format!("{odd:?} in the head"));
        }
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap_or_default();
        let headers = lines.map(header).collect::<Result<_, _>>()?;
        Ok(Sheet { start, headers, body: &bytes[end + 4..] })
    }

    /// The values of a header.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// The value of a header that has to be there once.
    pub(super) fn one(&self, name: &str) -> Result<&'a str, String> {
        let mut all = self.all(name);
        match (all.next(), all.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err(format!("{name} is missing")),
            (Some(_), Some(_)) => Err(format!("{name} is there twice")),
        }
    }
}

fn header(line: &str) -> Result<(&str, &str), String> {
    let (name, value) = line.split_once(": ").ok_or_else(|| format!("{line:?} is no header"))?;
    let is_token =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b));
    match is_token && value.trim() == value && !value.is_empty() {
        true => Ok((name, value)),
        false => Err(format!("{line:?} is no header")),
    }
}
