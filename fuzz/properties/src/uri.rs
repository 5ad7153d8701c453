//! A URI: its parts make it up again, and equivalence is one.

use tandem_sip_msg::{Host, Scheme, Uri};

/// Two URIs, one line each.
pub fn uri(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.splitn(2, '\n');
    let first = lines.next().and_then(Uri::parse);
    let second = lines.next().and_then(Uri::parse);
    for uri in [&first, &second].into_iter().flatten() {
        makes_itself_up_again(uri);
    }
    if let (Some(a), Some(b)) = (&first, &second) {
        assert_eq!(a.equivalent(b), b.equivalent(a), "{a:?} and {b:?}");
    }
}

/// Longer ones are never called equivalent, unless they are the same to the letter.
const LONGEST_COMPARED: usize = 4_000;

fn makes_itself_up_again(uri: &Uri<'_>) {
    let again = Uri::parse(uri.as_str()).expect("it was one before");
    assert!(again.equivalent(uri), "{uri:?}");
    let scheme = match uri.scheme() {
        Scheme::Sip => "sip",
        Scheme::Sips => "sips",
        _ => return,
    };
    if uri.as_str().len() > LONGEST_COMPARED {
        return;
    }
    let host = uri.host().to_string();
    if let Host::Ip(ip) = uri.host() {
        assert_eq!(host.trim_matches(['[', ']']).parse(), Ok(ip));
    }
    // Without a user its parts could be read otherwise.
    if uri.user().is_none() && uri.as_str().contains('@') {
        return;
    }
    let mut built = format!("{scheme}:");
    if let Some(user) = uri.user() {
        built += user;
        if let Some(password) = uri.password() {
            built = built + ":" + password;
        }
        built += "@";
    }
    built += &host;
    if let Some(port) = uri.port() {
        built = format!("{built}:{port}");
    }
    let params = uri.params().as_str();
    if !params.is_empty() {
        built = built + ";" + params.strip_prefix(';').unwrap_or(params);
    }
    if let Some(headers) = uri.headers() {
        built = built + "?" + headers;
    }
    let rebuilt = Uri::parse(&built).unwrap_or_else(|| panic!("{built:?} made of {uri:?}"));
    assert!(rebuilt.equivalent(uri), "{built:?} made of {uri:?}");
    let _ = uri.user_unescaped();
}
