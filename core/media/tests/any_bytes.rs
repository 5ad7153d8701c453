//! Nothing that arrives at a media port harms it (S14), whatever the bytes and however they are ordered.

use proptest::prelude::*;
use std::net::SocketAddr;
use tandem_media::rtp::{HEADER_LEN, Header};
use tandem_media::{Port, Verdict};
use tandem_time::Time;

const PEER: ([u8; 4], u16) = ([10, 0, 0, 5], 4_000);

fn port() -> Port {
    let (mut port, peer) = (Port::default(), SocketAddr::from(PEER));
    port.remote(peer, peer, peer.ip(), 8_000, Time::default());
    port
}

proptest! {
    #[test]
    fn any_bytes_are_judged(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..20)) {
        let mut port = port();
        for packet in &packets {
            let rtp = port.receive_rtp(packet, PEER.into(), Time::from_secs(1));
            prop_assert_eq!(rtp == Verdict::Forward, Header::parse(packet).is_some());
            port.receive_rtcp(packet, PEER.into(), Time::from_secs(1));
            if let Some(header) = Header::parse(packet) {
                prop_assert!(header.payload(packet).len() <= packet.len() - HEADER_LEN);
            }
        }
    }

    #[test]
    fn any_headers_are_counted(headers in prop::collection::vec(
        (any::<u16>(), any::<u32>(), 0..3u32, any::<u8>(), any::<u64>()), 0..200,
    )) {
        let mut port = port();
        for (sequence, timestamp, ssrc, kind, now) in headers {
            let (marker, payload_type) = (kind & 0x80 != 0, kind & 0x3f);
            let header = Header { marker, payload_type, sequence, timestamp, ssrc, payload_at: HEADER_LEN };
            port.receive_rtp(&header.to_bytes(), PEER.into(), Time::from_micros(now));
        }
        let stats = port.stats();
        prop_assert!(stats.jitter_ms >= 0.0 && stats.jitter_max_ms < 1_000.0);
        prop_assert!(stats.out_of_order + stats.duplicates <= stats.packets);
        prop_assert!(stats.lost <= 3_000 * stats.packets);
    }

    #[test]
    fn a_shuffled_stream_with_losses_and_doubles_is_counted_exactly(
        fates in prop::collection::vec((0..10u8, 0..40u64), 1..500),
    ) {
        // Each packet n is lost (0), doubled (1) or comes once, up to 40 places late.
        let mut arrivals: Vec<(u64, u16)> = Vec::new();
        for (n, (fate, late)) in (0u16..).zip(&fates) {
            let first = u64::from(n) + late;
            let copies = match fate { 0 => 0, 1 => 2, _ => 1 };
            arrivals.extend((0..copies).map(|copy| (first + copy, n.wrapping_add(65_300))));
        }
        arrivals.sort_unstable();
        let mut port = port();
        for (at, sequence) in &arrivals {
            let header = Header {
                marker: false, payload_type: 0, sequence: *sequence, timestamp: 0, ssrc: 1, payload_at: HEADER_LEN,
            };
            port.receive_rtp(&header.to_bytes(), PEER.into(), Time::from_secs(*at));
        }
        let came: Vec<usize> = (0..fates.len()).filter(|n| fates[*n].0 != 0).collect();
        let expected = came.last().map_or(0, |last| last - came[0] + 1);
        let stats = port.stats();
        prop_assert_eq!(stats.lost, (expected - came.len()) as u64);
        prop_assert_eq!(stats.packets - stats.duplicates, came.len() as u64);
    }
}
