//! Which addresses are the whole world's, and which are of this machine, its network or nobody (RFC 6890).

use hyper::Uri;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address that a URL names without asking a name server.
pub fn literal(url: &str) -> Option<IpAddr> {
    let uri: Uri = url.parse().ok()?;
    match host_of(&uri)? {
        host if host.eq_ignore_ascii_case("localhost") => Some(Ipv4Addr::LOCALHOST.into()),
        host => host.parse().ok(),
    }
}

/// The host of a URL, an IPv6 address without its brackets.
pub(crate) fn host_of(uri: &Uri) -> Option<&str> {
    uri.host().map(|host| host.trim_start_matches('[').trim_end_matches(']'))
}

/// Whether this is an address of the public internet.
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
        || (a == 192 && b == 0 && c == 0);
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = ip.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match (a, b) {
        // Gateways to IPv4: NAT64 and 6to4.
        (0x64, 0xff9b) if [c, d, e, f] == [0; 4] => is_public_v4(embedded(g, h)),
        (0x2002, _) => is_public_v4(embedded(b, c)),
        // Special purposes, Teredo and documentation among them.
        (0x2001, 0..0x200 | 0xdb8) => false,
        // All that is given out of unicast addresses.
        (0x2000..0x4000, _) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_this_machine_or_its_network_can_reach_is_not_public() {
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "198.18.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
            "100::1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn a_url_may_name_its_address() {
        let address = |url| literal(url).map(|ip| ip.to_string());
        assert_eq!(address("https://[::1]:8443/x").as_deref(), Some("::1"));
        assert_eq!(address("http://LOCALHOST/").as_deref(), Some("127.0.0.1"));
        assert_eq!(address("https://10.0.0.1/").as_deref(), Some("10.0.0.1"));
        assert_eq!(address("https://hooks.example.com/"), None);
    }

    #[test]
    fn what_anybody_can_reach_is() {
        for ip in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "198.20.0.1",
            "192.0.1.1",
            "2606:4700::1111",
            "2001:4860::8888",
            "64:ff9b::101:101",
        ] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }
}
