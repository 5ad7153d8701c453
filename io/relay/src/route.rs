//! By which interface a datagram leaves, and with which address of ours.

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::sys::socket::{AddressFamily, setsockopt, sockopt::BindToDevice};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// Kinds of interfaces whose packets have a header of Ethernet's: Ethernet itself, and the loopback.
const ETHERNET_LIKE: [u16; 2] = [libc::ARPHRD_ETHER, libc::ARPHRD_LOOPBACK];

/// An interface that packets come in by.
#[derive(Clone, Debug)]
pub struct Interface {
    pub name: String,
    pub index: u32,
}

/// The way to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// The address of ours that it sees.
    pub source: Ipv4Addr,
    /// The interface that leads to it; none if it is on this machine.
    pub interface: Option<u32>,
}

/// The interfaces of this machine whose packets can be looked at, and the IPv4 addresses that it has.
#[derive(Debug)]
pub struct Interfaces {
    pub usable: Vec<Interface>,
    /// Something that leaves this machine may have to be encrypted (IPsec), which only the system's own way does.
    encrypts: bool,
    addresses: BTreeMap<Ipv4Addr, String>,
}

impl Interfaces {
    /// Those that there are now.
    pub fn find() -> io::Result<Interfaces> {
        let (mut usable, mut addresses) = (Vec::new(), BTreeMap::new());
        for found in getifaddrs()? {
            let (name, Some(address)) = (found.interface_name, found.address) else { continue };
            if let Some(link) = address.as_link_addr().filter(|link| ETHERNET_LIKE.contains(&link.hatype())) {
                usable.push(Interface { name, index: link.ifindex() as u32 });
            } else if let Some(address) = address.as_sockaddr_in() {
                addresses.insert(address.ip(), name);
            }
        }
        Ok(Interfaces { usable, encrypts: encrypts(), addresses })
    }

    /// Takes over what was `found` later, but for interfaces.
    pub fn renew(&mut self, found: Interfaces) {
        (self.addresses, self.encrypts) = (found.addresses, found.encrypts);
    }

    /// The way from a socket that is bound to `bind` to a peer; an error when it is none that a packet can be sent by that is not
    /// the system's own.
    pub fn route(&self, bind: IpAddr, to: SocketAddr) -> io::Result<Route> {
        let IpAddr::V4(peer) = to.ip() else { return Err(io::ErrorKind::Unsupported.into()) };
        let bind = match bind {
            IpAddr::V4(bind) => bind,
            IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
        };
        // Nothing is sent: a connected socket knows its own address (the way that the system would choose).
        let source = address_towards(to, bind, None)?;
        if peer.is_loopback() || self.addresses.contains_key(&peer) {
            return Ok(Route { source, interface: None });
        }
        if self.encrypts {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let name = self.addresses.get(&source).ok_or(io::ErrorKind::AddrNotAvailable)?;
        let interface =
            self.usable.iter().find(|usable| usable.name == *name).ok_or(io::ErrorKind::Unsupported)?;
        // The address may be of another interface than the way: then the system is to do it.
        address_towards(to, bind, Some(name))?;
        Ok(Route { source, interface: Some(interface.index) })
    }
}

/// The address that a socket bound to `bind` has towards a peer, if there is a way to it, and it leads `through` that interface.
fn address_towards(to: SocketAddr, bind: Ipv4Addr, through: Option<&String>) -> io::Result<Ipv4Addr> {
    let socket = UdpSocket::bind((bind, 0))?;
    if let Some(interface) = through {
        setsockopt(&socket, BindToDevice, &interface.into())?;
    }
    socket.connect(to)?;
    match socket.local_addr()?.ip() {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Whether the system has policies of IPsec for what leaves; when it does not tell, it may have.
fn encrypts() -> bool {
    match outgoing_policies() {
        Ok(policies) => policies > 0,
        // It was built without.
        Err(error) => error.raw_os_error() != Some(Errno::EPROTONOSUPPORT as i32),
    }
}

/// How many policies there are: asked by netlink, whose messages are a length, a kind, flags, a number, a port, and what follows.
fn outgoing_policies() -> io::Result<u32> {
    const NETLINK_XFRM: i32 = 6;
    const GET_SPD_INFO: u16 = 0x25;
    const NEW_SPD_INFO: u16 = 0x24;
    const REQUEST: u16 = 1;
    // Behind the header: flags, then an attribute of which the second number is what is looked for.
    const OUTGOING_AT: usize = 16 + 4 + 4 + 4;
    let socket = Socket::new(
        Domain::from(AddressFamily::Netlink as i32),
        Type::RAW,
        Some(Protocol::from(NETLINK_XFRM)),
    )?;
    let mut request = Vec::from(20u32.to_ne_bytes());
    request.extend(GET_SPD_INFO.to_ne_bytes());
    request.extend(REQUEST.to_ne_bytes());
    request.extend([0; 12]);
    socket.send(&request)?;
    let mut answer = [0; 256];
    let length = (&socket).read(&mut answer)?;
    let kind = answer[4..6].first_chunk().map(|kind| u16::from_ne_bytes(*kind));
    match answer[..length].get(OUTGOING_AT..).and_then(<[u8]>::first_chunk) {
        Some(count) if kind == Some(NEW_SPD_INFO) => Ok(u32::from_ne_bytes(*count)),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

    #[test]
    fn who_is_on_this_machine_is_reached_by_no_interface() {
        let interfaces = Interfaces::find().unwrap();
        let route = interfaces.route(ANY, "127.0.0.1:4000".parse().unwrap()).unwrap();
        assert_eq!(route, Route { source: Ipv4Addr::LOCALHOST, interface: None });
        for own in interfaces.addresses.keys() {
            assert_eq!(interfaces.route(ANY, (*own, 4000).into()).unwrap().interface, None);
        }
    }

    #[test]
    fn the_address_that_sockets_are_bound_to_is_the_one_that_peers_see() {
        let interfaces = Interfaces::find().unwrap();
        let bind = "127.0.0.9".parse().unwrap();
        let route = interfaces.route(bind, "127.0.0.1:4000".parse().unwrap()).unwrap();
        assert_eq!(IpAddr::V4(route.source), bind);
    }

    #[test]
    fn ipv6_is_left_to_others() {
        let interfaces = Interfaces::find().unwrap();
        assert!(interfaces.route("::".parse().unwrap(), "[::1]:4000".parse().unwrap()).is_err());
    }
}
