//! What the sequence numbers of a stream say of it: packets lost, late and doubled (RFC 3550 §A.1, §A.3).

use crate::jitter::Jitter;
use crate::rtp::{HEADER_LEN, Header};
use crate::{Passed, Position};
use tandem_time::Time;

/// A gap of this many packets or more is a restart of the sender, not a loss (RFC 3550 §A.1).
const MAX_DROPOUT: u16 = 3_000;
/// A packet this much behind is late; further behind it is a restart of the sender (RFC 3550 §A.1).
const MAX_MISORDER: u16 = 100;

/// Counts the packets of a stream, across changes of its source.
#[derive(Debug, Default)]
pub(crate) struct Reception {
    pub jitter: Jitter,
    pub out_of_order: u64,
    pub duplicates: u64,
    /// How many of the last packets followed each on the one before, with nothing to be said about them.
    pub in_a_row: u32,
    lost_before: u64,
    source: Option<Source>,
}

/// One run of sequence numbers.
#[derive(Debug)]
struct Source {
    ssrc: u32,
    /// The lowest and the highest sequence number, extended to 64 bits.
    base: u64,
    highest: u64,
    /// Packets of this run, duplicates not included.
    received: u64,
    /// Bit n: `highest - n` came.
    window: u128,
    /// What would follow on a packet far out of the run: coming next, it proves that the sender started anew.
    restart_at: Option<u16>,
}

/// Where a packet stands in its run.
enum Place {
    /// With so many missing before it.
    Next {
        missing: u16,
    },
    Late,
    Duplicate,
    Stray,
    Restart,
}

impl Reception {
    /// Takes in the next packet of the stream.
    pub fn count(&mut self, header: &Header, now: Time) {
        let place = match &mut self.source {
            Some(source) if source.ssrc == header.ssrc => source.place(header.sequence),
            _ => {
                self.begin(Source::new(header.ssrc, header.sequence));
                Place::Next { missing: 0 }
            }
        };
        let mut is_ordinary = false;
        match place {
            Place::Next { missing } => {
                let compared = self.jitter.newer(header, now);
                is_ordinary = compared && missing == 0 && header.payload_at == HEADER_LEN;
            }
            Place::Late => {
                self.out_of_order += 1;
                self.jitter.late(header, now);
            }
            Place::Duplicate => self.duplicates += 1,
            Place::Stray => {}
            Place::Restart => {
                let mut source = Source::new(header.ssrc, header.sequence.wrapping_sub(1));
                source.place(header.sequence);
                self.begin(source);
                self.jitter.newer(header, now);
            }
        }
        self.in_a_row = if is_ordinary { self.in_a_row.saturating_add(1) } else { 0 };
    }

    /// The source of the stream, and how it stands after its last packet.
    pub fn position(&self) -> Option<(u32, Position)> {
        let source = self.source.as_ref()?;
        Some((source.ssrc, self.jitter.position(source.highest as u16)?))
    }

    /// Counts packets that followed on the last one.
    pub fn passed(&mut self, passed: &Passed) {
        self.jitter.passed(&passed.position);
        if let Some(source) = &mut self.source {
            source.highest += passed.packets;
            source.received += passed.packets;
            let came = u32::try_from(passed.packets).unwrap_or(u32::MAX);
            source.window = !(!source.window).checked_shl(came).unwrap_or(0);
            source.restart_at = None;
        }
    }

    /// Packets that never came, over all sources.
    pub fn lost(&self) -> u64 {
        self.lost_before + self.source.as_ref().map_or(0, Source::lost)
    }

    /// Whether this packet is of the stream that is received.
    pub fn is_of_stream(&self, header: &Header) -> bool {
        self.source.as_ref().is_some_and(|source| source.ssrc == header.ssrc)
    }

    fn begin(&mut self, source: Source) {
        self.lost_before = self.lost();
        self.source = Some(source);
        self.jitter.restart();
    }
}

impl Source {
    fn new(ssrc: u32, sequence: u16) -> Source {
        // One cycle up, so that what is late to the first packet does not fall below zero.
        let first = 0x1_0000 + u64::from(sequence);
        Source { ssrc, base: first, highest: first, received: 1, window: 1, restart_at: None }
    }

    fn place(&mut self, sequence: u16) -> Place {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        let behind = ahead.wrapping_neg();
        if ahead != 0 && ahead < MAX_DROPOUT {
            self.highest += u64::from(ahead);
            self.window = self.window.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.received += 1;
            self.restart_at = None;
            return Place::Next { missing: ahead - 1 };
        }
        if behind <= MAX_MISORDER {
            let bit = 1 << behind;
            if self.window & bit != 0 {
                return Place::Duplicate;
            }
            self.window |= bit;
            self.received += 1;
            self.base = self.base.min(self.highest - u64::from(behind));
            Place::Late
        } else if self.restart_at == Some(sequence) {
            Place::Restart
        } else {
            self.restart_at = Some(sequence.wrapping_add(1));
            Place::Stray
        }
    }

    fn lost(&self) -> u64 {
        (self.highest - self.base + 1).saturating_sub(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::HEADER_LEN;

    fn receive(sequences: impl IntoIterator<Item = (u32, u16)>) -> Reception {
        let mut reception = Reception::default();
        for (ssrc, sequence) in sequences {
            let timestamp = u32::from(sequence) * 160;
            let header =
                Header { marker: false, payload_type: 0, sequence, timestamp, ssrc, payload_at: HEADER_LEN };
            reception.count(&header, Time::from_secs(1));
        }
        reception
    }

    fn counts(of: &Reception) -> (u64, u64, u64) {
        (of.lost(), of.out_of_order, of.duplicates)
    }

    #[test]
    fn a_whole_stream_loses_nothing_across_the_wrap() {
        let reception = receive((65_500..65_700u32).map(|n| (7, n as u16)));
        assert_eq!(counts(&reception), (0, 0, 0));
    }

    #[test]
    fn gaps_are_losses() {
        assert_eq!(counts(&receive([(7, 65_535), (7, 3), (7, 4), (7, 6)])), (4, 0, 0));
    }

    #[test]
    fn a_late_packet_is_no_loss() {
        assert_eq!(counts(&receive([(7, 1), (7, 3), (7, 2), (7, 4)])), (0, 1, 0));
    }

    #[test]
    fn the_second_of_two_exchanged_first_packets_is_no_loss() {
        assert_eq!(counts(&receive([(7, 0), (7, 65_535), (7, 1)])), (0, 1, 0));
    }

    #[test]
    fn duplicates_do_not_hide_losses() {
        assert_eq!(counts(&receive([(7, 1), (7, 1), (7, 3), (7, 3), (7, 1)])), (1, 0, 3));
    }

    #[test]
    fn a_new_source_keeps_the_losses_of_the_old_one() {
        let reception = receive([(7, 1), (7, 3), (8, 40_000), (8, 40_002), (8, 40_003)]);
        assert_eq!(counts(&reception), (2, 0, 0));
    }

    #[test]
    fn a_sender_that_starts_anew_has_lost_nothing() {
        assert_eq!(counts(&receive([(7, 1), (7, 2), (7, 30_000), (7, 30_001), (7, 30_003)])), (1, 0, 0));
    }

    #[test]
    fn one_stray_packet_changes_nothing() {
        assert_eq!(counts(&receive([(7, 1), (7, 2), (7, 30_000), (7, 3), (7, 4)])), (0, 0, 0));
    }

    #[test]
    fn a_hundred_packets_of_lateness_are_told_apart_bit_by_bit() {
        let evens_then_odds = (0..=100).step_by(2).chain((1..100).step_by(2)).chain(0..100);
        assert_eq!(counts(&receive(evens_then_odds.map(|n| (7, n)))), (0, 50, 100));
    }
}
