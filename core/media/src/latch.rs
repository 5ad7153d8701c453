//! Symmetric RTP: a stream goes to where the peer's stream comes from (RFC 4961 §3), and nobody else's is let
//! in.

use crate::DropReason;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tandem_time::Time;

/// After a change of address the old stream may run on for this long without being taken for the new one.
const OVERLAP: Duration = Duration::from_secs(2);

/// Where one stream (RTP or RTCP) of a peer comes from, and so where it is sent.
#[derive(Debug, Default)]
pub(crate) struct Latch {
    announced: Option<Announced>,
    latched: Option<SocketAddr>,
    /// What was latched, or announced, before the peer announced another address, and until when it is not latched again.
    former: Option<(SocketAddr, Time)>,
}

#[derive(Debug)]
struct Announced {
    address: SocketAddr,
    /// Whose packets may latch, from whatever port.
    hosts: [IpAddr; 3],
}

impl Latch {
    /// The peer wants its stream at `address` and is one of `hosts`. Another address than before unlatches, and so does who is none of
    /// the hosts any more.
    pub fn announce(&mut self, address: SocketAddr, hosts: [IpAddr; 3], now: Time) {
        let is_stranger = self.latched.is_some_and(|latched| !hosts.contains(&latched.ip()));
        if let Some(before) =
            self.announced.as_ref().filter(|before| before.address != address || is_stranger)
        {
            self.former = Some((self.latched.take().unwrap_or(before.address), now + OVERLAP));
        }
        self.announced = Some(Announced { address, hosts });
    }

    /// Whether a well-formed packet from `from` is the peer's. The first one that is latches.
    pub fn admit(&mut self, from: SocketAddr, now: Time) -> Result<(), DropReason> {
        if let Some(latched) = self.latched {
            return if latched == from { Ok(()) } else { Err(DropReason::Foreign) };
        }
        let Some(Announced { address, hosts }) = &self.announced else { return Err(DropReason::NoPeer) };
        if !hosts.contains(&from.ip()) || from.port() == 0 {
            return Err(DropReason::Foreign);
        }
        let runs_on =
            self.former.is_some_and(|(former, until)| former == from && from != *address && now < until);
        if !runs_on {
            self.latched = Some(from);
            self.former = None;
        }
        Ok(())
    }

    /// Where the peer's stream comes from, once any of it came.
    pub fn latched(&self) -> Option<SocketAddr> {
        self.latched
    }

    /// Where the peer's stream is to be sent: where its own comes from, else where it said. Nowhere if it
    /// said that it wants none.
    pub fn destination(&self) -> Option<SocketAddr> {
        let announced = self.announced.as_ref()?.address;
        can_be_sent_to(announced).then(|| self.latched.unwrap_or(announced))
    }
}

/// One host can be meant by `address`: a peer can neither put its stream on hold with it (RFC 3264 §8.4) nor
/// make us send to many.
fn can_be_sent_to(address: SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "10.0.0.5:4000";
    const BEHIND_NAT: &str = "203.0.113.9:61000";

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn secs(secs: u64) -> Time {
        Time::from_secs(secs)
    }

    fn hosts(sdp: &str) -> [IpAddr; 3] {
        [addr(sdp).ip(), addr(BEHIND_NAT).ip(), addr(sdp).ip()]
    }

    fn announced(sdp: &str) -> Latch {
        let mut latch = Latch::default();
        latch.announce(addr(sdp), hosts(sdp), secs(0));
        latch
    }

    #[test]
    fn nobody_is_let_in_before_the_peer_is_known() {
        let mut latch = Latch::default();
        assert_eq!(latch.admit(addr(SDP), secs(1)), Err(DropReason::NoPeer));
        assert_eq!(latch.destination(), None);
    }

    #[test]
    fn media_goes_to_the_sdp_address_until_the_peer_is_heard_from_elsewhere() {
        let mut latch = announced(SDP);
        assert_eq!(latch.destination(), Some(addr(SDP)));
        assert_eq!(latch.admit(addr(BEHIND_NAT), secs(1)), Ok(()));
        assert_eq!(latch.destination(), Some(addr(BEHIND_NAT)));
    }

    #[test]
    fn who_is_none_of_the_peers_hosts_any_more_is_let_in_no_more() {
        let mut latch = announced(SDP);
        assert_eq!(latch.admit(addr(BEHIND_NAT), secs(1)), Ok(()));
        latch.announce(addr(SDP), [addr(SDP).ip(); 3], secs(2));
        assert_eq!(latch.admit(addr(BEHIND_NAT), secs(2)), Err(DropReason::Foreign));
        assert_eq!(latch.destination(), Some(addr(SDP)));
        assert_eq!(latch.admit(addr(SDP), secs(2)), Ok(()));
    }

    #[test]
    fn of_two_branches_that_play_at_once_the_one_announced_last_latches() {
        let mut latch = announced(SDP);
        let other = "10.0.0.5:4002";
        latch.announce(addr(other), hosts(other), secs(1));
        assert_eq!(latch.admit(addr(SDP), secs(1)), Ok(()));
        assert_eq!(latch.destination(), Some(addr(other)));
        assert_eq!(latch.admit(addr(other), secs(1)), Ok(()));
        assert_eq!(latch.admit(addr(SDP), secs(1)), Err(DropReason::Foreign));
    }

    #[test]
    fn a_third_host_is_foreign_before_and_after_the_latch() {
        let mut latch = announced(SDP);
        let third = addr("198.51.100.66:4000");
        assert_eq!(latch.admit(third, secs(1)), Err(DropReason::Foreign));
        assert_eq!(latch.admit(addr(SDP), secs(1)), Ok(()));
        assert_eq!(latch.admit(third, secs(1)), Err(DropReason::Foreign));
        assert_eq!(latch.destination(), Some(addr(SDP)));
    }

    #[test]
    fn once_latched_another_port_of_the_same_host_is_foreign() {
        let mut latch = announced(SDP);
        assert_eq!(latch.admit(addr("10.0.0.5:4444"), secs(1)), Ok(()));
        assert_eq!(latch.admit(addr(SDP), secs(1)), Err(DropReason::Foreign));
    }

    #[test]
    fn the_same_address_announced_again_keeps_the_latch() {
        let mut latch = announced(SDP);
        latch.admit(addr(BEHIND_NAT), secs(1)).unwrap();
        latch.announce(addr(SDP), hosts(SDP), secs(2));
        assert_eq!(latch.destination(), Some(addr(BEHIND_NAT)));
        assert_eq!(latch.admit(addr(SDP), secs(3)), Err(DropReason::Foreign));
    }

    #[test]
    fn another_address_announced_unlatches() {
        let mut latch = announced(SDP);
        latch.admit(addr(SDP), secs(1)).unwrap();
        latch.announce(addr("10.0.0.77:5000"), hosts("10.0.0.77:5000"), secs(2));
        assert_eq!(latch.destination(), Some(addr("10.0.0.77:5000")));
        assert_eq!(latch.admit(addr(SDP), secs(2)), Err(DropReason::Foreign));
        assert_eq!(latch.admit(addr("10.0.0.77:5002"), secs(2)), Ok(()));
        assert_eq!(latch.destination(), Some(addr("10.0.0.77:5002")));
    }

    #[test]
    fn the_tail_of_the_old_stream_is_heard_but_does_not_latch() {
        let mut latch = announced("10.0.0.5:4000");
        latch.admit(addr("10.0.0.5:4000"), secs(1)).unwrap();
        latch.announce(addr("10.0.0.5:6000"), hosts("10.0.0.5:6000"), secs(2));
        assert_eq!(latch.admit(addr("10.0.0.5:4000"), secs(3)), Ok(()));
        assert_eq!(latch.destination(), Some(addr("10.0.0.5:6000")));
        assert_eq!(latch.admit(addr("10.0.0.5:6000"), secs(3)), Ok(()));
        assert_eq!(latch.admit(addr("10.0.0.5:4000"), secs(3)), Err(DropReason::Foreign));
    }

    #[test]
    fn a_peer_that_moves_in_name_only_is_latched_again_after_a_while() {
        let mut latch = announced(SDP);
        latch.admit(addr(BEHIND_NAT), secs(1)).unwrap();
        latch.announce(addr("10.0.0.5:6000"), hosts(SDP), secs(2));
        assert_eq!(latch.admit(addr(BEHIND_NAT), secs(3)), Ok(()));
        assert_eq!(latch.destination(), Some(addr("10.0.0.5:6000")));
        assert_eq!(latch.admit(addr(BEHIND_NAT), secs(4)), Ok(()));
        assert_eq!(latch.destination(), Some(addr(BEHIND_NAT)));
    }

    #[test]
    fn a_peer_that_announces_where_it_already_is_stays_latched_by_its_next_packet() {
        let mut latch = announced(SDP);
        latch.admit(addr(BEHIND_NAT), secs(1)).unwrap();
        latch.announce(addr(BEHIND_NAT), hosts(SDP), secs(2));
        latch.admit(addr(BEHIND_NAT), secs(2)).unwrap();
        assert_eq!(latch.admit(addr(SDP), secs(2)), Err(DropReason::Foreign));
    }

    #[test]
    fn nothing_is_sent_to_addresses_that_are_no_host() {
        for nowhere in [
            "0.0.0.0:4000",
            "10.0.0.5:0",
            "224.0.0.1:4000",
            "255.255.255.255:4000",
            "[::]:4000",
            "[ff02::1]:4000",
        ] {
            let mut latch = announced(nowhere);
            assert_eq!(latch.destination(), None, "{nowhere}");
            assert_eq!(latch.admit(addr(BEHIND_NAT), secs(1)), Ok(()));
            assert_eq!(latch.destination(), None, "{nowhere} is a hold, even when the peer talks");
        }
    }
}
