//! How far an address can be reached from.

use std::net::IpAddr;

/// From nearest to farthest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scope {
    /// This machine.
    Loopback,
    /// A network of somebody's own: RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291 §2.5.6.
    Private,
    /// Everywhere.
    Public,
}

pub(crate) fn scope(ip: IpAddr) -> Scope {
    let private = match ip.to_canonical() {
        ip if ip.is_loopback() => return Scope::Loopback,
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    if private { Scope::Private } else { Scope::Public }
}

/// Whether `named` cannot be reached by somebody who is seen at `seen`: it belongs to a network of its own, and `seen` does not.
pub(crate) fn is_hidden(named: IpAddr, seen: IpAddr) -> bool {
    scope(named) != Scope::Public && scope(named) != scope(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_hidden_from_who_is_not_in_its_network() {
        let hidden = |named: &str, seen: &str| is_hidden(named.parse().unwrap(), seen.parse().unwrap());
        for named in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.0.1",
            "127.0.0.1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(hidden(named, "203.0.113.5"), "{named}");
        }
        assert!(hidden("10.1.2.3", "127.0.0.1"), "one's own machine is no network");
        assert!(!hidden("10.1.2.3", "192.168.0.7"), "both may be behind the same router");
        assert!(!hidden("127.0.0.1", "127.0.1.5"));
        for named in ["198.51.100.7", "100.128.0.1", "172.32.0.1", "2001:db8::1"] {
            assert!(!hidden(named, "203.0.113.5"), "{named}");
        }
    }
}
