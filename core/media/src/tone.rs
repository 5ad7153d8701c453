//! A tone at one end of a call and an ear at the other: what the demo and the simulator prove a media path
//! with.

use crate::g711::Law;
use crate::rtp::{HEADER_LEN, Header};
use std::f64::consts::TAU;

/// Samples a second of telephone speech.
pub const SAMPLE_RATE: u32 = 8_000;
/// Samples in one packet: 20 ms.
pub const FRAME: usize = 160;
/// Bytes of one RTP packet with a frame of G.711.
pub const PACKET_LEN: usize = HEADER_LEN + FRAME;

/// A quarter of full scale: -12 dBFS, loud and far from clipping.
const AMPLITUDE: f64 = 8_000.0;
/// A tone dominates when it has this share of the energy; the rest is quantisation and leakage.
const DOMINANT: f64 = 0.8;
/// Quieter than this, on average, is silence: -54 dBFS.
const SILENCE: f64 = 64.0;

/// A sine wave, one frame of 20 ms after the other without a click between them.
#[derive(Clone, Debug)]
pub struct Sine {
    turns_per_sample: f64,
    turns: f64,
}

impl Sine {
    /// A tone of `hertz`, below 4000.
    pub fn new(hertz: f64) -> Sine {
        Sine { turns_per_sample: hertz / f64::from(SAMPLE_RATE), turns: 0.0 }
    }

    /// The next 20 ms.
    pub fn frame(&mut self) -> [i16; FRAME] {
        std::array::from_fn(|_| {
            let sample = (AMPLITUDE * (self.turns * TAU).sin()) as i16;
            self.turns = (self.turns + self.turns_per_sample).fract();
            sample
        })
    }
}

/// The share of the energy of `samples` that lies at `hertz`, from 0 to 1 (Goertzel's algorithm). Frequencies
/// are told apart from `SAMPLE_RATE / samples.len()` hertz on.
pub fn share(samples: &[i16], hertz: f64) -> f64 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    if energy == 0.0 {
        return 0.0;
    }
    let coefficient = 2.0 * (TAU * hertz / f64::from(SAMPLE_RATE)).cos();
    let (one_back, two_back) = samples.iter().fold((0.0, 0.0), |(one_back, two_back), sample| {
        (f64::from(*sample) + coefficient * one_back - two_back, one_back)
    });
    let power = one_back * one_back + two_back * two_back - coefficient * one_back * two_back;
    (2.0 * power / (energy * samples.len() as f64)).min(1.0)
}

/// Whether `samples` are not silent and mostly a tone of `hertz`.
pub fn dominates(samples: &[i16], hertz: f64) -> bool {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    energy >= SILENCE * SILENCE * samples.len() as f64 && share(samples, hertz) >= DOMINANT
}

/// Says a tone in RTP packets of G.711, one every 20 ms.
#[derive(Clone, Debug)]
pub struct Talker {
    law: Law,
    sine: Sine,
    header: Header,
}

impl Talker {
    /// A stream of `hertz` in `law`, of the source `ssrc`.
    pub fn new(law: Law, hertz: f64, ssrc: u32) -> Talker {
        let (payload_type, payload_at) = (law.payload_type(), HEADER_LEN);
        let header = Header { marker: true, payload_type, sequence: 0, timestamp: 0, ssrc, payload_at };
        Talker { law, sine: Sine::new(hertz), header }
    }

    /// The packet for the next 20 ms.
    pub fn packet(&mut self) -> [u8; PACKET_LEN] {
        let mut packet = [0; PACKET_LEN];
        packet[..HEADER_LEN].copy_from_slice(&self.header.to_bytes());
        for (code, sample) in packet[HEADER_LEN..].iter_mut().zip(self.sine.frame()) {
            *code = self.law.encode(sample);
        }
        self.header.marker = false;
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(FRAME as u32);
        packet
    }
}

/// Decodes RTP packets of G.711 and tells what they sound like.
#[derive(Clone, Debug, Default)]
pub struct Ear {
    recent: Vec<i16>,
}

impl Ear {
    /// How many samples are remembered: a tenth of a second, and so tones are told apart from 10 Hz on.
    const MEMORY: usize = 800;

    /// Takes in a packet; packets of other formats are not heard.
    pub fn packet(&mut self, packet: &[u8]) {
        let Some(header) = Header::parse(packet) else { return };
        let law = match header.payload_type {
            0 => Law::Mu,
            8 => Law::A,
            _ => return,
        };
        self.recent.extend(header.payload(packet).iter().map(|code| law.decode(*code)));
        let forgotten = self.recent.len().saturating_sub(Self::MEMORY);
        self.recent.drain(..forgotten);
    }

    /// Whether the last tenth of a second was a tone of `hertz`.
    pub fn hears(&self, hertz: f64) -> bool {
        self.recent.len() == Self::MEMORY && dominates(&self.recent, hertz)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(hertz: f64, frames: usize) -> Vec<i16> {
        let mut sine = Sine::new(hertz);
        (0..frames).flat_map(|_| sine.frame()).collect()
    }

    #[test]
    fn a_tone_dominates_at_its_own_frequency_only() {
        let tone = samples(1_000.0, 5);
        assert!(share(&tone, 1_000.0) > 0.99);
        for other in [440.0, 950.0, 1_050.0, 2_000.0, 3_000.0] {
            assert!(!dominates(&tone, other), "{other}: {}", share(&tone, other));
        }
    }

    #[test]
    fn silence_and_empty_runs_have_no_tone() {
        assert!(!dominates(&[0; 800], 440.0));
        assert!(!dominates(&[3, -3].repeat(400), 4_000.0));
        assert!(!dominates(&[], 440.0));
    }

    #[test]
    fn of_two_tones_at_once_neither_dominates() {
        let (low, high) = (samples(700.0, 5), samples(1_200.0, 5));
        let both: Vec<i16> = low.iter().zip(&high).map(|(low, high)| low + high).collect();
        assert!(!dominates(&both, 700.0) && !dominates(&both, 1_200.0));
        assert!(share(&both, 700.0) > 0.4);
    }

    #[test]
    fn frames_join_without_a_click() {
        let tone = samples(437.0, 50);
        let steepest = tone.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap();
        assert!(f64::from(steepest) <= AMPLITUDE * TAU * 437.0 / 8_000.0 + 1.0);
    }

    #[test]
    fn what_a_talker_says_in_either_law_an_ear_hears() {
        for law in [Law::Mu, Law::A] {
            let (mut talker, mut ear) = (Talker::new(law, 440.0, 7), Ear::default());
            for n in 0..10 {
                assert_eq!(ear.hears(440.0), n >= 5, "after {n} packets");
                ear.packet(&talker.packet());
            }
            assert!(!ear.hears(1_000.0));
        }
    }

    #[test]
    fn a_talker_counts_its_packets_and_samples() {
        let mut talker = Talker::new(Law::A, 440.0, 7);
        let headers = [talker.packet(), talker.packet()].map(|packet| Header::parse(&packet).unwrap());
        assert_eq!(headers.map(|header| header.marker), [true, false]);
        assert_eq!(headers.map(|header| header.sequence), [0, 1]);
        assert_eq!(headers.map(|header| header.timestamp), [0, 160]);
        assert_eq!(headers[0].payload_type, 8);
    }
}
