//! The state that both ends of a dialog share (RFC 3261 §12), and requests within it.

use std::net::{IpAddr, SocketAddr};
use tandem_sip_msg::{Flow, Header, Host, Message, Method, NameAddr, Scheme, Transport, Uri, Writer};

/// Record-Route entries kept at most; a longer path is cut, and would not be walked by anybody.
const MAX_ROUTES: usize = 16;

/// One dialog as seen from our end.
#[derive(Clone, Debug)]
pub struct Dialog {
    /// SIP Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag, once known.
    pub remote_tag: Option<String>,
    /// Our From (or To) value without tag.
    pub local: String,
    /// The peer's, without tag.
    pub remote: String,
    /// Where the peer wants requests: its Contact URI.
    pub remote_target: String,
    /// Route header values, nearest hop first.
    pub routes: Vec<String>,
    /// Our Contact value.
    pub contact: String,
    /// CSeq number of our last request.
    pub local_cseq: u32,
    /// CSeq number of the peer's last request.
    pub remote_cseq: Option<u32>,
    /// Where requests go.
    pub flow: Flow,
    /// Requests always go back to where the peer's messages came from, whatever its Contact says: it is behind NAT.
    pub symmetric: bool,
}

impl Dialog {
    /// The callee's end of a dialog, from the INVITE (RFC 3261 §12.1.1).
    pub fn uas(invite: &Message, flow: Flow, local_tag: String, contact: String, symmetric: bool) -> Dialog {
        let mut dialog = Dialog {
            call_id: invite.call_id().to_owned(),
            local_tag,
            remote_tag: invite.from_tag().map(str::to_owned),
            local: without_tag(invite.to()),
            remote: without_tag(invite.from()),
            remote_target: String::new(),
            routes: invite.headers(Header::RecordRoute).take(MAX_ROUTES).map(str::to_owned).collect(),
            contact,
            local_cseq: 0,
            remote_cseq: Some(invite.cseq()),
            flow,
            symmetric,
        };
        dialog.remote_target = invite.from().uri().as_str().to_owned();
        dialog.refresh_target(invite, flow);
        dialog
    }

    /// The caller's end of a dialog, from the response to its INVITE alone (RFC 3261 §12.1.2).
    pub fn uac(response: &Message, flow: Flow) -> Dialog {
        let mut dialog = Dialog {
            call_id: response.call_id().to_owned(),
            local_tag: response.from_tag().unwrap_or_default().to_owned(),
            remote_tag: None,
            local: without_tag(response.from()),
            remote: without_tag(response.to()),
            remote_target: response.to().uri().as_str().to_owned(),
            routes: Vec::new(),
            contact: String::new(),
            local_cseq: response.cseq(),
            remote_cseq: None,
            flow,
            symmetric: false,
        };
        dialog.establish(response, flow);
        dialog
    }

    /// The caller's end learns of the callee from a response with a tag (RFC 3261 §12.1.2).
    pub fn establish(&mut self, response: &Message, flow: Flow) {
        self.remote_tag = response.to_tag().map(str::to_owned);
        let mut routes: Vec<String> =
            response.headers(Header::RecordRoute).take(MAX_ROUTES).map(str::to_owned).collect();
        routes.reverse();
        self.routes = routes;
        self.refresh_target(response, flow);
    }

    /// A target refresh: the peer's Contact as of this message that came by `flow` (RFC 3261 §12.2).
    pub fn refresh_target(&mut self, message: &Message, flow: Flow) {
        if let Some(contact) = message.contact() {
            let uri = contact.uri();
            // A header part of a Contact must not travel into our Request-URI.
            let text = uri.as_str();
            let text = text.split_once('?').map_or(text, |(head, _)| head);
            self.remote_target = text.to_owned();
        }
        self.flow = self.next_hop(flow);
    }

    /// A request of the peer within the dialog came by this flow. The connection that the peer uses now is the one to it; where
    /// the peer is does not follow from that (RFC 3261 §12.2).
    pub fn came_by(&mut self, flow: Flow) {
        let same = flow.transport == self.flow.transport && flow.remote.ip() == self.flow.remote.ip();
        if same && flow.connection.is_some() {
            self.flow.connection = flow.connection;
            self.flow.listener = flow.listener;
        }
    }

    /// Where requests go. Over a stream back by its connection, as long as there is one.
    fn next_hop(&self, came_by: Flow) -> Flow {
        if came_by.transport.is_reliable() {
            let domain = came_by.domain.or(self.flow.domain);
            return Flow { remote: self.listening_at(came_by), domain, ..came_by };
        }
        if self.symmetric { came_by } else { self.reachable_at(came_by).unwrap_or(came_by) }
    }

    /// Where a peer takes a new connection once this one is gone: at its Contact, if that can be reached from here; else where
    /// we had connected to. The far port of a connection that the peer made is no place to connect to.
    fn listening_at(&self, came_by: Flow) -> SocketAddr {
        let before = self.flow.remote;
        let known = if before.ip() == came_by.remote.ip() { before } else { came_by.remote };
        match self.reachable_at(came_by) {
            // A device that is behind NAT can be reached at its Contact only if that is where it is seen.
            Some(flow) if !self.symmetric || flow.remote.ip() == came_by.remote.ip() => flow.remote,
            _ => known,
        }
    }

    /// The first route, else the peer's Contact, if it is an address that can be reached from here by the transport that the peer
    /// uses. Names in a Contact are not looked up: a dialog never waits for DNS.
    fn reachable_at(&self, came_by: Flow) -> Option<Flow> {
        let next = match self.routes.first() {
            Some(route) => NameAddr::parse(route).map(|route| route.uri()),
            None => Uri::parse(&self.remote_target),
        };
        let uri = next?;
        let Host::Ip(ip) = uri.host() else { return None };
        let secure = uri.scheme() == Scheme::Sips && came_by.transport == Transport::Tls;
        // Peers on TCP often leave the parameter out.
        let transport = match uri.params().get("transport") {
            _ if secure => Transport::Tls,
            Some(named) => Transport::parse(named).unwrap_or(Transport::Udp),
            None => came_by.transport,
        };
        let same_family = ip.is_ipv4() == came_by.remote.is_ipv4();
        let hidden = is_private(ip) && !is_private(came_by.remote.ip());
        if transport != came_by.transport
            || !(secure || uri.scheme() == Scheme::Sip)
            || !same_family
            || hidden
            || ip.is_unspecified()
        {
            return None;
        }
        Some(Flow { remote: (ip, uri.port().unwrap_or(transport.default_port())).into(), ..came_by })
    }

    /// A request within the dialog (RFC 3261 §12.2.1.1), without top Via. ACK uses the CSeq of its INVITE; any other method takes
    /// the next one.
    pub fn request(&mut self, method: Method) -> Writer {
        self.local_cseq += 1;
        self.request_with_cseq(method, self.local_cseq)
    }

    /// The ACK to a 2xx of the INVITE with this CSeq number.
    pub fn ack(&self, cseq: u32) -> Writer {
        self.request_with_cseq(Method::Ack, cseq)
    }

    fn request_with_cseq(&self, method: Method, cseq: u32) -> Writer {
        let name = method.name().unwrap_or("OPTIONS");
        // A first route without `lr` is a strict router: it gets its own URI in the request line (RFC 3261 §12.2.1.1).
        let strict = self
            .routes
            .first()
            .and_then(|route| NameAddr::parse(route))
            .filter(|route| !route.uri().params().has("lr"));
        let mut w = match strict {
            Some(first) => {
                let mut w = Writer::request(name, first.uri().as_str());
                for route in &self.routes[1..] {
                    w.text(Header::Route, &[route]);
                }
                w.header(Header::Route, format_args!("<{}>", self.remote_target));
                w
            }
            None => {
                let mut w = Writer::request(name, &self.remote_target);
                for route in &self.routes {
                    w.text(Header::Route, &[route]);
                }
                w
            }
        };
        w.header(Header::MaxForwards, 70);
        w.text(Header::From, &[&self.local, ";tag=", &self.local_tag]);
        match &self.remote_tag {
            Some(tag) => w.text(Header::To, &[&self.remote, ";tag=", tag]),
            None => w.text(Header::To, &[&self.remote]),
        };
        w.text(Header::CallId, &[&self.call_id]);
        w.header(Header::CSeq, format_args!("{cseq} {name}"));
        w
    }

    /// Whether a message with these identifiers is within this dialog.
    pub fn owns(&self, message: &Message) -> bool {
        let (local, remote) = if message.is_request() {
            (message.to_tag(), message.from_tag())
        } else {
            (message.from_tag(), message.to_tag())
        };
        message.call_id() == self.call_id
            && local == Some(&self.local_tag)
            && remote == self.remote_tag.as_deref()
    }
}

/// A From or To value without its tag; other parameters stay.
fn without_tag(addr: NameAddr<'_>) -> String {
    let text = addr.as_str();
    let Some(tag) = addr.tag() else { return text.to_owned() };
    let params = addr.params().as_str();
    let head = &text[..text.len() - params.len().min(text.len())];
    let mut out = head.trim_end().trim_end_matches(';').trim_end().to_owned();
    for param in params.split(';').map(str::trim).filter(|p| !p.is_empty()) {
        let name = param.split('=').next().unwrap_or("").trim();
        if name.eq_ignore_ascii_case("tag") && param.contains(tag) {
            continue;
        }
        out.push(';');
        out.push_str(param);
    }
    out
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tandem_sip_msg::{ConnectionId, ListenerId};

    fn message(method: &str, contact: &str) -> Message {
        let text = format!(
            "{method} sip:100@198.51.100.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1\r\n\
             From: <sip:alice@example.com>;tag=theirs\r\nTo: <sip:100@198.51.100.1>\r\nCall-ID: c\r\n\
             CSeq: 1 {method}\r\nContact: {contact}\r\nContent-Length: 0\r\n\r\n"
        );
        Message::parse(Bytes::from(text)).unwrap()
    }

    fn tcp(remote: &str, connection: u64) -> Flow {
        let connection = Some(ConnectionId(connection));
        Flow {
            transport: Transport::Tcp,
            listener: ListenerId(0),
            remote: remote.parse().unwrap(),
            connection,
            domain: None,
        }
    }

    /// Where a caller is connected to anew, who called from this address.
    fn anew(contact: &str, from: &str, symmetric: bool) -> String {
        let dialog =
            Dialog::uas(&message("INVITE", contact), tcp(from, 7), "ours".into(), String::new(), symmetric);
        assert_eq!(dialog.flow.connection, Some(ConnectionId(7)), "the connection is used while it stands");
        dialog.flow.remote.to_string()
    }

    #[test]
    fn a_trunk_whose_connection_is_gone_is_connected_to_at_its_contact() {
        let from = "192.0.2.9:40000";
        for (contact, expected) in [
            ("<sip:192.0.2.9:5062;transport=tcp>", "192.0.2.9:5062"),
            ("<sip:192.0.2.9>", "192.0.2.9:5060"),
            ("<sip:203.0.113.5:5070;transport=TCP>", "203.0.113.5:5070"),
            ("<sip:192.0.2.9:5062;transport=udp>", from),
            ("<sips:192.0.2.9:5062>", from),
            ("<sip:carrier.example.com>", from),
            ("<sip:10.0.0.5:5062;transport=tcp>", from),
            ("<sip:0.0.0.0:5062;transport=tcp>", from),
            ("<sip:[2001:db8::1]:5062;transport=tcp>", from),
        ] {
            assert_eq!(anew(contact, from, false), expected, "{contact}");
        }
    }

    #[test]
    fn a_device_is_connected_to_at_its_contact_only_if_that_is_where_it_is_seen() {
        assert_eq!(anew("<sip:a@192.0.2.9:5062;transport=tcp>", "192.0.2.9:40000", true), "192.0.2.9:5062");
        assert_eq!(
            anew("<sip:a@203.0.113.5:5062;transport=tcp>", "192.0.2.9:40000", true),
            "192.0.2.9:40000"
        );
    }

    #[test]
    fn whom_we_had_connected_to_is_connected_to_there_again() {
        let from = tcp("192.0.2.9:5060", 7);
        let mut dialog = Dialog::uas(
            &message("INVITE", "<sip:carrier.example.com>"),
            from,
            "ours".into(),
            String::new(),
            false,
        );
        // It made a connection of its own meanwhile, and changed the session over that.
        let other = tcp("192.0.2.9:41000", 8);
        dialog.came_by(other);
        assert_eq!((dialog.flow.connection, dialog.flow.remote), (other.connection, from.remote));
        dialog.refresh_target(&message("INVITE", "<sip:carrier.example.com>"), tcp("192.0.2.9:42000", 9));
        assert_eq!((dialog.flow.connection, dialog.flow.remote), (Some(ConnectionId(9)), from.remote));
        dialog.came_by(tcp("198.51.100.99:43000", 10));
        assert_eq!(
            dialog.flow.connection,
            Some(ConnectionId(9)),
            "it is not for another host to take a dialog over"
        );
    }
}
