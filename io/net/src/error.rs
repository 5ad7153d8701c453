//! Why the server cannot listen, and what its operator can do.

use std::io;
use std::net::SocketAddr;

use tandem_sip_msg::Transport;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The system refuses the address.
    #[error("cannot listen on {} {address}: {source}; {}", transport.param_name(), remedy(source))]
    Listen {
        /// The transport asked for.
        transport: Transport,
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// WebSocket is not served by this crate.
    #[error("cannot listen on {} {address}: only udp, tcp and tls are supported", transport.param_name())]
    Transport {
        /// The transport asked for.
        transport: Transport,
        /// The address asked for.
        address: SocketAddr,
    },
    /// More listeners than can be numbered.
    #[error("cannot listen on more than 65535 addresses; listen on 0.0.0.0 or :: instead of each address")]
    TooMany,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program uses this port: find it with `ss -lnp` and stop it, or choose another port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "no interface has this address: choose one of `ip address`, or 0.0.0.0 for all"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE: grant it, or choose a higher port"
        }
        _ => "check the address and the limit of open files (`ulimit -n`)",
    }
}
