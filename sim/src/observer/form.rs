//! The form of a message: what has to be in it, and how (RFC 3261 §7, §8.1.1, §20).

use super::sheet::Sheet;
use tandem_sip_msg::Transport;

/// What is wrong with the form of a message.
pub(super) fn check(bytes: &[u8], transport: Transport) -> Result<(), String> {
    let sheet = Sheet::read(bytes)?;
    let (number, method) = cseq(sheet.one("CSeq")?)?;
    let vias: Vec<&str> = sheet.all("Via").collect();
    let top = vias.first().ok_or("Via is missing")?;
    let from = sheet.one("From")?;
    let to = sheet.one("To")?;
    let call_id = sheet.one("Call-ID")?;
    if call_id.contains(' ') {
        return Err(format!("Call-ID {call_id:?}"));
    }
    if number >= 1 << 31 {
        return Err(format!("CSeq {number} is too high (RFC 3261 §8.1.1.5)"));
    }
    address("From", from)?;
    address("To", to)?;
    if let Some(rest) = sheet.start.strip_prefix("SIP/2.0 ") {
        let code: u16 =
            rest.get(..3).and_then(|code| code.parse().ok()).ok_or("the status code is missing")?;
        if !(100..700).contains(&code) || rest.as_bytes().get(3) != Some(&b' ') {
            return Err(format!("status line {:?}", sheet.start));
        }
        if code > 100 && tag(to).is_none() {
            return Err("a response without To tag (RFC 3261 §8.2.6.2)".to_owned());
        }
        // RFC 3261 §12.1.1: what makes a dialog tells where its requests go.
        let opens = method == "INVITE" && (200..300).contains(&code);
        if opens && sheet.all("Contact").count() != 1 {
            return Err("a 2xx to INVITE without one Contact".to_owned());
        }
    } else {
        request(&sheet, method, &vias, top, transport)?;
        if tag(from).is_none() {
            return Err("a request without From tag (RFC 3261 §8.1.1.3)".to_owned());
        }
    }
    body(&sheet)
}

fn request(
    sheet: &Sheet,
    method: &str,
    vias: &[&str],
    top: &str,
    transport: Transport,
) -> Result<(), String> {
    let mut parts = sheet.start.split(' ');
    let (Some(name), Some(uri), Some("SIP/2.0"), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(format!("request line {:?}", sheet.start));
    };
    if name != method {
        return Err(format!("CSeq names {method}"));
    }
    if !["sip:", "sips:", "tel:"].iter().any(|scheme| uri.starts_with(scheme)) {
        return Err(format!("Request-URI {uri:?}"));
    }
    let forwards: u8 =
        sheet.one("Max-Forwards")?.parse().map_err(|_| "Max-Forwards is no number up to 255".to_owned())?;
    if !(1..=70).contains(&forwards) {
        return Err(format!("Max-Forwards {forwards}"));
    }
    if vias.len() != 1 {
        return Err(format!("{} Via values in a request of its own", vias.len()));
    }
    if !top.starts_with(&format!("SIP/2.0/{} ", transport.via_name())) {
        return Err(format!("Via {top:?} over {}", transport.via_name()));
    }
    if !top.contains(";branch=z9hG4bK") {
        return Err(format!("Via {top:?} without a branch of RFC 3261"));
    }
    let contacts = sheet.all("Contact").count();
    if matches!(method, "INVITE" | "UPDATE" | "REFER" | "SUBSCRIBE") && contacts != 1 {
        return Err(format!("{contacts} Contact values"));
    }
    Ok(())
}

fn body(sheet: &Sheet) -> Result<(), String> {
    let length: usize =
        sheet.one("Content-Length")?.parse().map_err(|_| "Content-Length is no number".to_owned())?;
    if length != sheet.body.len() {
        return Err(format!("Content-Length {length}, and {} bytes follow", sheet.body.len()));
    }
    match (length, sheet.all("Content-Type").count()) {
        (0, 0) | (1.., 1) => Ok(()),
        (_, kinds) => Err(format!("{kinds} Content-Type headers for {length} bytes")),
    }
}

fn cseq(value: &str) -> Result<(u32, &str), String> {
    let (number, method) = value.split_once(' ').ok_or_else(|| format!("CSeq {value:?}"))?;
    let number = number.parse().map_err(|_| format!("CSeq {value:?}"))?;
    Ok((number, method))
}

/// `<uri>`, `name <uri>` or `"name" <uri>` with parameters behind; never without brackets, where a parameter could be anybody's.
fn address(name: &str, value: &str) -> Result<(), String> {
    let broken = || format!("{name} {value:?}");
    let rest = match value.strip_prefix('"') {
        Some(quoted) => &quoted[closing_quote(quoted).ok_or_else(broken)? + 1..],
        None => value,
    };
    let open = rest.find('<').ok_or_else(broken)?;
    let close = rest.find('>').filter(|close| *close > open + 1).ok_or_else(broken)?;
    let behind = &rest[close + 1..];
    let is_sound = !rest[..open].contains(['"', ';', ',']) && (behind.is_empty() || behind.starts_with(';'));
    if is_sound && rest[open..close].contains(':') { Ok(()) } else { Err(broken()) }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let is_end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end.then_some(at)
    })
}

fn tag(value: &str) -> Option<&str> {
    let behind = &value[value.rfind('>')?..];
    let start = behind.find(";tag=")? + 5;
    let found = behind[start..].split(';').next()?;
    (!found.is_empty()).then_some(found)
}
