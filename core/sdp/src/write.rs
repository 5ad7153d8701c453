//! What stands above the media lines of a description of ours.

use std::fmt::Write;
use std::net::IpAddr;

/// `IP4 192.0.2.1` or `IP6 2001:db8::1`.
pub(crate) fn typed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(ip) => format!("IP4 {ip}"),
        IpAddr::V6(ip) => format!("IP6 {ip}"),
    }
}

/// `v=`, `o=` and `s=`.
pub(crate) fn origin(out: &mut String, session_id: u64, version: u64, address: IpAddr) {
    let _ = write!(out, "v=0\r\no=- {session_id} {version} IN {}\r\ns=-\r\n", typed(address));
}

/// `c=` and `t=`.
pub(crate) fn connection(address: IpAddr) -> String {
    format!("c=IN {}\r\nt=0 0\r\n", typed(address))
}
