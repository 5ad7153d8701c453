//! The messages that the layer itself writes: Via, ACK, CANCEL, and answers that need no owner.

use crate::matching::BranchText;
use bytes::Bytes;
use std::net::SocketAddr;
use tandem_sip_msg::{Header, Message, Transport, Writer, insert_top, standard_reason};

/// The request with our Via on top (RFC 3261 §8.1.1.7, RFC 3581 §3).
pub(crate) fn with_via(request: &[u8], transport: Transport, sent_by: &str, branch: &BranchText) -> Bytes {
    let name = transport.via_name();
    insert_top(request, Header::Via, &["SIP/2.0/", name, " ", sent_by, ";branch=", branch.as_str(), ";rport"])
}

/// The ACK to a non-2xx final response (RFC 3261 §17.1.1.3). `None` if the owner's INVITE was no message.
pub(crate) fn ack(invite: &Bytes, response: &Message) -> Option<Bytes> {
    let to = response.header(Header::To)?;
    hop_by_hop("ACK", invite, Some(to)).map(Writer::finish)
}

/// The CANCEL of an INVITE (RFC 3261 §9.1), with a Reason (RFC 3326) if there is one. `None` if the owner's INVITE was
/// no message.
pub(crate) fn cancel(invite: &Bytes, reason: Option<&str>) -> Option<Bytes> {
    let mut writer = hop_by_hop("CANCEL", invite, None)?;
    if let Some(reason) = reason {
        writer.header(Header::Reason, reason);
    }
    Some(writer.finish())
}

/// What ACK and CANCEL share: the INVITE's own top Via, Request-URI, From, Call-ID, CSeq number and Route set.
fn hop_by_hop(method: &str, invite: &Bytes, to: Option<&str>) -> Option<Writer> {
    let invite = Message::parse(invite.clone()).ok()?;
    let mut writer = Writer::request(method, invite.request_uri()?.as_str());
    writer.header(Header::Via, invite.top_via().as_str());
    for route in invite.headers(Header::Route) {
        writer.header(Header::Route, route);
    }
    writer
        .header(Header::MaxForwards, 70)
        .header(Header::From, invite.header(Header::From)?)
        .header(Header::To, to.or(invite.header(Header::To))?)
        .header(Header::CallId, invite.call_id())
        .header(Header::CSeq, format_args!("{} {method}", invite.cseq()));
    Some(writer)
}

/// A response without a body.
pub(crate) fn reply(request: &Message, source: SocketAddr, code: u16, to_tag: Option<&str>) -> Bytes {
    Writer::reply(request, source, code, standard_reason(code), to_tag).finish()
}

/// The same, with Retry-After in seconds where one is given.
pub(crate) fn refusal(
    request: &Message,
    source: SocketAddr,
    code: u16,
    to_tag: &str,
    retry_after: Option<u32>,
) -> Bytes {
    let mut writer = Writer::reply(request, source, code, standard_reason(code), Some(to_tag));
    if let Some(seconds) = retry_after {
        writer.header(Header::RetryAfter, seconds);
    }
    writer.finish()
}
