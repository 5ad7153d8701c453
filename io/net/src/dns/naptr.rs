//! Which transports a host offers, and in which order it likes them (RFC 3263 §4.1, RFC 3403).

use tandem_sip_msg::Transport;

/// One NAPTR record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pointer {
    pub(super) order: u16,
    pub(super) preference: u16,
    pub(super) flags: String,
    pub(super) services: String,
    /// The owner of SRV records.
    pub(super) replacement: String,
}

/// The transports that are `ours` too and where their SRV records are, in the order of the host.
pub(super) fn order(mut pointers: Vec<Pointer>, ours: &[Transport]) -> Vec<(Transport, String)> {
    pointers.sort_by_key(|pointer| (pointer.order, pointer.preference));
    let usable = |pointer: Pointer| {
        let to_services =
            pointer.flags.eq_ignore_ascii_case("s") && !matches!(&*pointer.replacement, "" | ".");
        let transport =
            transport(&pointer.services).filter(|transport| to_services && ours.contains(transport))?;
        Some((transport, pointer.replacement))
    };
    pointers.into_iter().filter_map(usable).collect()
}

fn transport(services: &str) -> Option<Transport> {
    [("SIP+D2U", Transport::Udp), ("SIP+D2T", Transport::Tcp), ("SIPS+D2T", Transport::Tls)]
        .into_iter()
        .find(|(name, _)| services.eq_ignore_ascii_case(name))
        .map(|(_, transport)| transport)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(order: u16, preference: u16, flags: &str, services: &str) -> Pointer {
        let replacement = format!("{services}.example.");
        let (flags, services) = (flags.to_owned(), services.to_owned());
        Pointer { order, preference, flags, services, replacement }
    }

    #[test]
    fn the_host_decides_among_what_both_have() {
        let pointers = vec![
            pointer(50, 50, "s", "SIP+D2U"),
            pointer(10, 90, "S", "sip+d2t"),
            pointer(10, 20, "s", "SIPS+D2T"),
            pointer(1, 1, "s", "SIP+D2S"),
            pointer(1, 1, "u", "SIP+D2U"),
            pointer(1, 1, "s", "E2U+sip"),
        ];
        let all = order(pointers.clone(), &[Transport::Udp, Transport::Tcp, Transport::Tls]);
        let transports: Vec<Transport> = all.iter().map(|(transport, _)| *transport).collect();
        assert_eq!(transports, [Transport::Tls, Transport::Tcp, Transport::Udp]);
        assert_eq!(all[0].1, "SIPS+D2T.example.");
        assert_eq!(order(pointers, &[Transport::Udp]), [(Transport::Udp, "SIP+D2U.example.".to_owned())]);
    }
}
