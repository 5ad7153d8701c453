//! Interarrival jitter (RFC 3550 §6.4.1, §A.8), undisturbed by telephone events, comfort noise and silence.

use crate::Position;
use crate::rtp::Header;
use tandem_time::Time;

/// Timestamps that jump further than this against the clock are a new beginning, not jitter.
const DISCONTINUITY_US: i64 = 1_000_000;
/// Packets this far behind in timestamps are a sender that set its clock back; nearer ones belong to an event
/// that began a while ago.
const SET_BACK_US: i64 = 10_000_000;

/// The running estimate. Each packet is compared with the newest one before it, if both are of the same
/// talkspurt and payload type: the packets of one telephone event share a timestamp (RFC 4733 §2.5.1.2), and
/// after a silence a sender may take its time.
#[derive(Debug, Default)]
pub(crate) struct Jitter {
    clock_rate: u32,
    /// Sixteenths of microseconds, as §A.8 keeps it.
    scaled: i64,
    highest: i64,
    newest: Option<Reference>,
}

#[derive(Clone, Copy, Debug)]
struct Reference {
    arrival: Time,
    timestamp: u32,
    payload_type: u8,
}

impl Jitter {
    /// The timestamps count `clock_rate` ticks a second from now on.
    pub fn set_clock_rate(&mut self, clock_rate: u32) {
        self.clock_rate = clock_rate;
        self.newest = None;
    }

    /// The next packet starts a new stream.
    pub fn restart(&mut self) {
        self.newest = None;
    }

    /// How the stream stands after its newest packet, which had this sequence number.
    pub fn position(&self, sequence: u16) -> Option<Position> {
        let Reference { arrival: arrived, timestamp, .. } = self.newest?;
        Some(Position { sequence, timestamp, arrived, jitter: self.scaled, jitter_highest: self.highest })
    }

    /// Takes over the estimate of whoever saw packets pass that followed on the newest one.
    pub fn passed(&mut self, position: &Position) {
        (self.scaled, self.highest) = (position.jitter, position.jitter_highest);
        if let Some(newest) = &mut self.newest {
            (newest.arrival, newest.timestamp) = (position.arrived, position.timestamp);
        }
    }

    /// Ticks a second of the timestamps.
    pub fn clock_rate(&self) -> u32 {
        if self.clock_rate == 0 { 8_000 } else { self.clock_rate }
    }

    /// Takes in a packet with the highest sequence number so far; whether it was one to compare with the one before.
    pub fn newer(&mut self, header: &Header, now: Time) -> bool {
        let Header { timestamp, payload_type, marker, .. } = *header;
        let mut compared = false;
        if let Some(newest) = self.newest {
            let sampled_us = self.sampled_us(newest, timestamp);
            if (-SET_BACK_US..=0).contains(&sampled_us) {
                return false;
            }
            if !marker && payload_type == newest.payload_type {
                compared = self.compare(newest, sampled_us, now);
            }
        }
        self.newest = Some(Reference { arrival: now, timestamp, payload_type });
        compared
    }

    /// Takes in a packet that others have overtaken.
    pub fn late(&mut self, header: &Header, now: Time) {
        if let Some(newest) = self.newest.filter(|newest| newest.payload_type == header.payload_type) {
            self.compare(newest, self.sampled_us(newest, header.timestamp), now);
        }
    }

    /// The estimate in milliseconds.
    pub fn millis(&self) -> f64 {
        self.scaled as f64 / 16_000.0
    }

    /// The highest estimate ever, in milliseconds.
    pub fn highest_millis(&self) -> f64 {
        self.highest as f64 / 16_000.0
    }

    /// How much later than `newest` the packet with this timestamp was sampled.
    fn sampled_us(&self, newest: Reference, timestamp: u32) -> i64 {
        let ticks = timestamp.wrapping_sub(newest.timestamp) as i32;
        i64::from(ticks) * 1_000_000 / i64::from(self.clock_rate())
    }

    /// Whether it was no new beginning.
    fn compare(&mut self, newest: Reference, sampled_us: i64, now: Time) -> bool {
        let arrived_us = i64::try_from(now.since(newest.arrival).as_micros()).unwrap_or(i64::MAX);
        let difference = arrived_us.saturating_sub(sampled_us).abs();
        let compared = difference < DISCONTINUITY_US;
        if compared {
            self.scaled += difference - ((self.scaled + 8) >> 4);
            self.highest = self.highest.max(self.scaled);
        }
        compared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::HEADER_LEN;
    use std::time::Duration;

    /// A stream of 20 ms packets; `arrive` gives each one's delay in milliseconds.
    struct Stream {
        jitter: Jitter,
        n: u32,
    }

    impl Stream {
        fn new() -> Stream {
            Stream { jitter: Jitter::default(), n: 0 }
        }

        fn packet(&mut self, payload_type: u8, ticks: u32, marker: bool, delay_ms: u64) {
            let (timestamp, payload_at) = (0xffff_ff00u32.wrapping_add(ticks), HEADER_LEN);
            let header = Header { marker, payload_type, sequence: 0, timestamp, ssrc: 0, payload_at };
            self.jitter.newer(&header, at(self.n) + Duration::from_millis(delay_ms));
            self.n += 1;
        }

        fn voice(&mut self, delay_ms: u64) {
            self.packet(0, self.n * 160, false, delay_ms);
        }
    }

    fn at(packet: u32) -> Time {
        Time::from_secs(1_700_000_000) + Duration::from_millis(20) * packet
    }

    #[test]
    fn an_even_stream_has_no_jitter() {
        let mut stream = Stream::new();
        (0..100).for_each(|_| stream.voice(30));
        assert_eq!(stream.jitter.millis(), 0.0);
    }

    #[test]
    fn packets_that_swing_by_ten_milliseconds_have_a_jitter_of_ten() {
        let mut stream = Stream::new();
        (0..500).for_each(|n| stream.voice(10 * (n % 2)));
        assert!((9.9..=10.0).contains(&stream.jitter.millis()), "{}", stream.jitter.millis());
        assert_eq!(stream.jitter.highest_millis(), stream.jitter.millis());
    }

    #[test]
    fn the_highest_jitter_is_remembered() {
        let mut stream = Stream::new();
        stream.voice(0);
        stream.voice(160);
        (0..500).for_each(|_| stream.voice(160));
        assert!(stream.jitter.millis() < 0.01);
        assert_eq!(stream.jitter.highest_millis(), 10.0);
    }

    #[test]
    fn a_telephone_event_is_no_jitter() {
        let mut stream = Stream::new();
        (0..10).for_each(|_| stream.voice(5));
        let pressed = stream.n * 160;
        (0..50).for_each(|n| stream.packet(101, pressed, n == 0, 5));
        (0..10).for_each(|_| stream.voice(5));
        assert_eq!(stream.jitter.highest_millis(), 0.0);
    }

    #[test]
    fn an_event_between_voice_packets_is_no_jitter() {
        let mut stream = Stream::new();
        stream.voice(5);
        let pressed = stream.n * 160;
        for _ in 0..50 {
            stream.voice(5);
            stream.packet(101, pressed, false, 5);
        }
        assert_eq!(stream.jitter.highest_millis(), 0.0);
    }

    #[test]
    fn a_silence_with_comfort_noise_is_no_jitter() {
        let mut stream = Stream::new();
        (0..10).for_each(|_| stream.voice(5));
        stream.packet(13, stream.n * 160, false, 12);
        stream.n += 40;
        stream.packet(0, stream.n * 160 - 37, true, 5);
        stream.n += 40;
        stream.packet(0, stream.n * 160 - 999, true, 9);
        assert_eq!(stream.jitter.highest_millis(), 0.0);
    }

    #[test]
    fn timestamps_that_jump_are_a_new_beginning() {
        let mut stream = Stream::new();
        (0..10).for_each(|_| stream.voice(5));
        stream.packet(0, 1_000_000, false, 5);
        stream.packet(0, 1_000_160, false, 5);
        stream.packet(0, 160, false, 5);
        stream.packet(0, 320, false, 21);
        assert_eq!(stream.jitter.highest_millis(), 1.0);
    }

    #[test]
    fn a_late_packet_counts_by_its_lateness() {
        let mut stream = Stream::new();
        (0..3).for_each(|_| stream.voice(0));
        let timestamp = 0xffff_ff00u32.wrapping_add(160);
        let late = Header {
            marker: false,
            payload_type: 0,
            sequence: 1,
            timestamp,
            ssrc: 0,
            payload_at: HEADER_LEN,
        };
        stream.jitter.late(&late, at(2) + Duration::from_millis(12));
        assert_eq!(stream.jitter.millis(), 2.0);
    }

    #[test]
    fn the_clock_rate_is_that_of_the_format() {
        let mut stream = Stream::new();
        stream.jitter.set_clock_rate(48_000);
        (0..100).for_each(|n| stream.packet(111, n * 960, false, 0));
        assert_eq!(stream.jitter.highest_millis(), 0.0);
    }
}
