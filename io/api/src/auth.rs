//! Whoever asks shows a token, in a header or in the query.

use crate::access::Who;
use crate::error::ApiError;
use crate::limiter::Limiter;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

/// The name of the query parameter.
pub(crate) const TOKEN: &str = "token";

/// How late a wrong token is answered when there were too many.
const PENALTY: Duration = Duration::from_secs(1);

/// Where a request came from; `serve` adds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Checks the token of a request. The header counts when there is one; else the query, unless that is switched off.
pub(crate) async fn check(
    parts: &Parts,
    query_too: bool,
    limiter: &Limiter,
    authorize: impl Fn(&str) -> Option<Who>,
) -> Result<Who, ApiError> {
    let token = match bearer(&parts.headers) {
        Some(token) => Some(Cow::Borrowed(token)),
        None if query_too => in_query(parts.uri.query()),
        None => None,
    };
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Err(ApiError::token_missing()) };
    if let Some(who) = authorize(&token) {
        return Ok(who);
    }
    let peer = parts.extensions.get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    if limiter.failed(peer, Instant::now()) {
        // Slower, and no longer worth a line each. The connections that wait are bounded for each address.
        tokio::time::sleep(PENALTY).await;
    } else {
        tracing::warn!(%peer, "a wrong API token was refused");
    }
    Err(ApiError::token_invalid())
}

/// The token of `Authorization: Bearer` (RFC 6750 §2.1); empty when the header is something else.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap_or_default();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    Some(if scheme.eq_ignore_ascii_case("bearer") { token.trim() } else { "" })
}

fn in_query(query: Option<&str>) -> Option<Cow<'_, str>> {
    form_urlencoded::parse(query?.as_bytes()).find(|(name, _)| name == TOKEN).map(|(_, value)| value)
}
