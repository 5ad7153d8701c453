//! Our own side: which listener serves a peer, and what of it is written into Contact.

use std::net::SocketAddr;
use tandem_sip_msg::{Flow, ListenerId, Transport};

/// How the server is reached: what goes into Contact, and which listener serves a transport.
#[derive(Clone, Debug)]
pub struct Local {
    /// Transport and advertised address of each listener, by its position.
    pub listeners: Vec<(Transport, SocketAddr)>,
}

impl Local {
    /// The flow to `remote` over the first listener with this transport and address family; `None` if there is none.
    /// Of several, one on the loopback serves loopback peers only, and the others serve the rest.
    pub fn flow_to(&self, transport: Transport, remote: SocketAddr) -> Option<Flow> {
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        let fits = |near: bool| {
            self.listeners.iter().position(|(t, address)| {
                let inside = address.ip().is_loopback() == remote.ip().is_loopback();
                *t == transport && address.is_ipv4() == remote.is_ipv4() && (inside || !near)
            })
        };
        let at = fits(true).or_else(|| fits(false))?;
        let listener = ListenerId(u16::try_from(at).ok()?);
        Some(Flow { transport, listener, remote, connection: None, domain: None })
    }

    /// By listener: of a UDP one the TCP listener at the same address, if there is one.
    pub fn streams(&self) -> Vec<Option<ListenerId>> {
        let tcp_at = |at: SocketAddr| {
            let at = self.listeners.iter().position(|listener| *listener == (Transport::Tcp, at))?;
            u16::try_from(at).ok().map(ListenerId)
        };
        self.listeners.iter().map(|(t, at)| if *t == Transport::Udp { tcp_at(*at) } else { None }).collect()
    }

    /// `host:port` (and `;transport=tcp` where it is not UDP) of a listener, for a Contact URI.
    pub fn contact_host(&self, flow: &Flow) -> String {
        let listener = self.listeners.get(usize::from(flow.listener.0));
        let (transport, address) = match listener {
            Some((transport, address)) => (*transport, address.to_string()),
            None => (flow.transport, "invalid".to_owned()),
        };
        match transport {
            Transport::Udp => address,
            other => format!("{address};transport={}", other.param_name()),
        }
    }
}
