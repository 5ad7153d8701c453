//! Socket addresses as C has them.

use nix::libc;
use std::mem::size_of;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// A socket address of either family, told apart by its first field as in C.
#[repr(C)]
pub union Address {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl Default for Address {
    fn default() -> Address {
        // SAFETY: all zeroes is a value of each of its views.
        unsafe { std::mem::zeroed() }
    }
}

impl Address {
    /// The address; `None` when it is of another family.
    pub fn decode(&self) -> Option<SocketAddr> {
        // SAFETY: every byte of the union is initialised (zeroed at first) and any bytes are valid integers; the
        // family says which view the kernel meant.
        unsafe {
            match i32::from(self.family) {
                libc::AF_INET => {
                    let v4 = self.v4;
                    let ip = u32::from_be(v4.sin_addr.s_addr).into();
                    Some(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))))
                }
                libc::AF_INET6 => {
                    let v6 = self.v6;
                    let (ip, port) = (Ipv6Addr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port));
                    Some(match ip.to_ipv4_mapped() {
                        Some(ip) => SocketAddr::V4(SocketAddrV4::new(ip, port)),
                        // Without the flow label: one stream may have several.
                        None => SocketAddr::V6(SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id)),
                    })
                }
                _ => None,
            }
        }
    }

    /// Writes `to` and gives its length; IPv4 as `::ffff:a.b.c.d` when it is to be `mapped`.
    pub fn encode(&mut self, to: SocketAddr, mapped: bool) -> libc::socklen_t {
        let v6 = match to {
            SocketAddr::V4(to) if !mapped => {
                self.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as _,
                    sin_port: to.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from(*to.ip()).to_be() },
                    sin_zero: [0; 8],
                };
                return size_of::<libc::sockaddr_in>() as _;
            }
            SocketAddr::V4(to) => SocketAddrV6::new(to.ip().to_ipv6_mapped(), to.port(), 0, 0),
            SocketAddr::V6(to) => to,
        };
        self.v6 = libc::sockaddr_in6 {
            sin6_family: libc::AF_INET6 as _,
            sin6_port: v6.port().to_be(),
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
            sin6_scope_id: v6.scope_id(),
        };
        size_of::<libc::sockaddr_in6>() as _
    }
}
