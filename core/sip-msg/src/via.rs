//! Via values.

use crate::flow::Transport;
use crate::params::Params;
use crate::text::{skip_blank, skip_token, trim, trim_start};
use crate::uri::Host;

/// One Via value (RFC 3261 §20.42, RFC 3581 §3).
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    text: &'a str,
    /// What stands before the parameters.
    hop: &'a str,
    transport: &'a str,
    host: Host<'a>,
    port: Option<u16>,
    params: Params<'a>,
}

impl<'a> Via<'a> {
    pub(crate) const NOTHING: Via<'static> =
        Via { text: "", hop: "", transport: "", host: Host::Name(""), port: None, params: Params::EMPTY };

    /// Reads one value (not a list). The protocol may be of any name and version.
    pub fn parse(text: &'a str) -> Option<Via<'a>> {
        let (via, params) = Via::parse_hop(text)?;
        Some(Via { params: Params::checked(params)?, ..via })
    }

    /// As `parse`, but parameters need be sound only as far as they go: what an answer to a broken request needs.
    pub(crate) fn salvage(text: &'a str) -> Option<Via<'a>> {
        let (via, params) = Via::parse_hop(text)?;
        Some(Via { params: Params::salvaged(params), ..via })
    }

    /// Everything but the parameters, whose text is handed back.
    fn parse_hop(text: &'a str) -> Option<(Via<'a>, &'a str)> {
        let text = trim(text);
        let bytes = text.as_bytes();
        // RFC 3261 §25.1: white space may stand around the slashes.
        let slash = |start| {
            let end = skip_token(bytes, start);
            let at = skip_blank(bytes, end);
            (end > start && bytes.get(at) == Some(&b'/')).then(|| skip_blank(bytes, at + 1))
        };
        let start = slash(slash(0)?)?;
        let end = skip_token(bytes, start);
        let transport = &text[start..end];
        let host = skip_blank(bytes, end);
        if transport.is_empty() || host == end {
            return None;
        }
        let (host, rest) = Host::split(&text[host..])?;
        let (port, rest) = Host::split_port(trim_start(rest))?;
        let rest = trim_start(rest);
        if !rest.is_empty() && !rest.starts_with(';') {
            return None;
        }
        let hop = trim(&text[..text.len() - rest.len()]);
        Some((Via { text, hop, transport, host, port, params: Params::EMPTY }, rest))
    }

    /// `None` for a transport we do not know.
    pub fn transport(&self) -> Option<Transport> {
        Transport::parse(self.transport)
    }

    /// The sent-by host.
    pub fn host(&self) -> Host<'a> {
        self.host
    }

    /// The sent-by port, where one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The `branch` parameter; absent from RFC 2543 peers.
    pub fn branch(&self) -> Option<&'a str> {
        self.params.get("branch")
    }

    /// The address that a server saw the request come from, with or without brackets (RFC 5118 §4.5).
    pub fn received(&self) -> Option<std::net::IpAddr> {
        let text = self.params.get("received")?;
        match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            Some(inner) => crate::uri::ipv6(inner).map(Into::into),
            None => text.parse().ok().or_else(|| crate::uri::ipv6(text).map(Into::into)),
        }
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        self.params
    }

    /// The whole value as written.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Protocol and sent-by as written.
    pub(crate) fn hop(&self) -> &'a str {
        self.hop
    }
}
