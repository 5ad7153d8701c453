//! Where everything is. Loopback addresses of our own keep ports apart: those of a server, of who
//! calls and of who is called may be the same numbers, and tests on 127.0.0.1 are not in the way.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

/// The server that is measured, whichever it is.
pub const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 10), 5060);
/// Tandem's API.
pub const API: SocketAddrV4 = SocketAddrV4::new(*SERVER.ip(), 8080);
/// Where rtpengine takes orders. `kamailio/bench.cfg` has this address too.
pub const RTPENGINE: SocketAddrV4 = SocketAddrV4::new(*SERVER.ip(), 2223);
/// Who calls, and who registers.
pub const CALLER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 11), 5060);
/// Who is called. `kamailio/bench.cfg` has this address too.
pub const CALLEE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 12), 5060);
/// Who looks whether the server is up.
pub const PROBE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 13), 0);

/// The number that is called.
pub const NUMBER: &str = "15550002";

/// The media ports of a server: as many as there are, since each call of Tandem's takes four and
/// they then rest for 30 s.
pub const MEDIA_PORTS: (u16, u16) = (5062, 65535);

/// The accounts that register. `kamailio/bench.cfg` has them too.
pub const ACCOUNTS: std::ops::Range<u32> = 1000..2000;

/// The password of an account.
pub fn password(account: u32) -> String {
    format!("secret-{account}")
}

/// Panics when someone else is at one of our addresses, and would be measured in our place.
pub fn must_be_free() {
    for address in [SERVER, RTPENGINE, CALLER, CALLEE] {
        UdpSocket::bind(address).unwrap_or_else(|error| panic!("{address} must be free: {error}"));
    }
}
