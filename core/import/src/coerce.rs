//! Numbers, switches and addresses as the systems that people come from read them.

/// A number as C's `atoi` reads it: what stands before anything that is no digit, and 0 where nothing does.
pub(crate) fn atoi(text: &str) -> i64 {
    let text = text.trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits: String = digits.chars().take_while(char::is_ascii_digit).take(12).collect();
    let number: i64 = digits.parse().unwrap_or(0);
    if negative { -number } else { number }
}

/// A switch as FreeSWITCH reads it; `false` beside it: the text is no word for either, and counts as off.
pub(crate) fn switch(text: &str) -> (bool, bool) {
    const ON: [&str; 7] = ["yes", "on", "true", "t", "enabled", "active", "allow"];
    const OFF: [&str; 8] = ["no", "off", "false", "f", "disabled", "inactive", "disallow", ""];
    let text = text.trim().to_ascii_lowercase();
    let number = text.parse::<i64>();
    let on = ON.contains(&&*text) || number.as_ref().is_ok_and(|number| *number != 0);
    (on, on || OFF.contains(&&*text) || number.is_ok())
}

/// A SIP address taken apart: `sip:user@host:port;transport=tcp`, with any part but the host left out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Address {
    pub user: Option<String>,
    pub host: String,
    pub port: Option<String>,
    pub transport: Option<String>,
    /// A password in it, which is not taken over.
    pub has_password: bool,
}

impl Address {
    pub fn parse(text: &str) -> Address {
        let text = text.trim().trim_start_matches('<');
        let text = text.split('>').next().unwrap_or_default();
        let (secure, text) = match text.split_once(':') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sips") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("sip") => (false, rest),
            _ => (false, text),
        };
        let text = text.replace("\\;", ";");
        let (front, params) = text.split_once(';').unwrap_or((&text, ""));
        let (user, place) = match front.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, front),
        };
        let transport = params.split(';').find_map(|param| {
            let (name, value) = param.split_once('=')?;
            name.trim().eq_ignore_ascii_case("transport").then(|| value.trim().to_ascii_lowercase())
        });
        let (host, port) = split(place.trim());
        Address {
            has_password: user.is_some_and(|user| user.contains(':')),
            user: user.map(|user| user.split(':').next().unwrap_or_default().to_owned()),
            host: host.to_owned(),
            port: port.map(str::to_owned),
            transport: transport.or(secure.then(|| "tls".to_owned())),
        }
    }

    /// `host` or `host:port`, as registrars and proxies are written here.
    pub fn place(&self) -> String {
        match &self.port {
            Some(port) if self.host.contains(':') => format!("[{}]:{port}", self.host),
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

fn split(place: &str) -> (&str, Option<&str>) {
    if place.parse::<std::net::Ipv6Addr>().is_ok() {
        return (place, None);
    }
    match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    }
}

/// Names of preprocessor variables in a value, as `domain` in `$${domain}`.
pub(crate) fn variables(text: &str) -> Vec<&str> {
    text.split("$${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_does() {
        for (text, number) in [("25", 25), (" 7s", 7), ("", 0), ("soon", 0), ("-3", -3), ("+4", 4)] {
            assert_eq!(atoi(text), number, "{text}");
        }
        assert_eq!(atoi(&"9".repeat(40)), 999_999_999_999);
    }

    #[test]
    fn a_switch_is_on_by_many_words() {
        for text in ["true", "YES", "on", "1", "t", "enabled", "active", "allow", "-2"] {
            assert_eq!(switch(text), (true, true), "{text}");
        }
        for text in ["false", "no", "0", "", "disallow"] {
            assert_eq!(switch(text), (false, true), "{text}");
        }
        assert_eq!(switch("perhaps"), (false, false));
    }

    #[test]
    fn an_address_is_taken_apart() {
        let address = Address::parse("<sip:acme:pw@[2001:db8::1]:5070;lr;transport=TCP>");
        assert_eq!(address.user.as_deref(), Some("acme"));
        assert_eq!(
            (address.place().as_str(), address.transport.as_deref()),
            ("[2001:db8::1]:5070", Some("tcp"))
        );
        assert!(address.has_password);
        assert_eq!(Address::parse("sips:sip.example").transport.as_deref(), Some("tls"));
        assert_eq!(Address::parse("sip.example:5080").place(), "sip.example:5080");
        assert_eq!(Address::parse("2001:db8::1").place(), "2001:db8::1");
        assert_eq!(Address::parse("sip:edge.example\\;lr").place(), "edge.example");
    }

    #[test]
    fn variables_are_found() {
        assert_eq!(variables("$${a}.example and $${b}, not ${c}"), ["a", "b"]);
        assert!(variables("$${open").is_empty());
    }
}
