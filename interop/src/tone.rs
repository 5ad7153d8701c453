//! Tones: written for a phone to play, found again in what another phone recorded.

use std::f64::consts::TAU;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// The sample rate of every telephone codec used here.
pub const RATE: u32 = 8000;

const AMPLITUDE: f64 = 8000.0;
/// 20 Hz between neighbouring frequencies: fine enough to keep any two tones of a test apart.
const WINDOW: Duration = Duration::from_millis(50);
/// A pure tone through G.711 keeps well over nine tenths of its power at its own frequency.
const SHARE_OF_A_TONE: f64 = 0.8;
/// Mean square below which a window counts as silence; some 40 dB under the tone.
const SILENCE: f64 = AMPLITUDE * AMPLITUDE / 20_000.0;

const HEADER_LEN: usize = 44;

/// Mono audio.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    rate: u32,
    samples: Vec<i16>,
}

impl Audio {
    /// A sine of `frequency` Hz.
    pub fn tone(frequency: u32, length: Duration) -> Audio {
        let count = (length.as_secs_f64() * f64::from(RATE)) as usize;
        let step = TAU * f64::from(frequency) / f64::from(RATE);
        let samples = (0..count).map(|i| (AMPLITUDE * (step * i as f64).sin()) as i16).collect();
        Audio { rate: RATE, samples }
    }

    /// Writes a WAV file: 16 bits, mono.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let data_len = self.samples.len() as u32 * 2;
        let mut file = Vec::with_capacity(HEADER_LEN + data_len as usize);
        file.extend(b"RIFF");
        file.extend((HEADER_LEN as u32 - 8 + data_len).to_le_bytes());
        file.extend(b"WAVEfmt ");
        file.extend(16u32.to_le_bytes());
        file.extend(1u16.to_le_bytes()); // plain PCM
        file.extend(1u16.to_le_bytes()); // channels
        file.extend(self.rate.to_le_bytes());
        file.extend((self.rate * 2).to_le_bytes()); // bytes a second
        file.extend(2u16.to_le_bytes()); // bytes a frame
        file.extend(16u16.to_le_bytes()); // bits a sample
        file.extend(b"data");
        file.extend(data_len.to_le_bytes());
        file.extend(self.samples.iter().flat_map(|s| s.to_le_bytes()));
        fs::write(path, file)
    }

    /// Reads a WAV file that may still be growing. Its header then gives no true length, so
    /// everything after it counts, which is right for the plain files that phones record.
    pub fn read(path: &Path) -> io::Result<Audio> {
        let file = fs::read(path)?;
        let Some((header, data)) = file.split_at_checked(HEADER_LEN) else {
            return Ok(Audio { rate: RATE, samples: Vec::new() });
        };
        let (format, shape, rate) = (&header[8..16], &header[20..24], &header[24..28]);
        if format != b"WAVEfmt " || shape != [1, 0, 1, 0] || &header[36..40] != b"data" {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a plain mono WAV file"));
        }
        let rate = u32::from_le_bytes(rate.try_into().expect("four bytes"));
        let samples = data.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
        Ok(Audio { rate, samples })
    }

    /// How long it lasts.
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(self.samples.len() as f64 / f64::from(self.rate))
    }

    /// The last part of it, or all of it if it is shorter.
    pub fn last(&self, length: Duration) -> Audio {
        let count = (length.as_secs_f64() * f64::from(self.rate)) as usize;
        let start = self.samples.len().saturating_sub(count);
        Audio { rate: self.rate, samples: self.samples[start..].to_vec() }
    }

    /// The fraction of it, 0 to 1, in which the tone of `frequency` Hz dominates.
    pub fn presence(&self, frequency: u32) -> f64 {
        let windows = self.samples.len() / self.window();
        if windows == 0 { 0.0 } else { self.windows_with(frequency) as f64 / windows as f64 }
    }

    /// For how long, all in all, the tone of `frequency` Hz dominates.
    pub fn time_of(&self, frequency: u32) -> Duration {
        WINDOW * self.windows_with(frequency) as u32
    }

    fn windows_with(&self, frequency: u32) -> usize {
        let cycles = f64::from(frequency) / f64::from(self.rate);
        self.samples.chunks_exact(self.window()).filter(|w| is_tone(w, cycles)).count()
    }

    fn window(&self) -> usize {
        (WINDOW.as_secs_f64() * f64::from(self.rate)) as usize
    }
}

/// Whether most of the window's power is at one frequency, given in cycles a sample.
fn is_tone(window: &[i16], cycles: f64) -> bool {
    let len = window.len() as f64;
    let power = window.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / len;
    // A sine of amplitude A has power A²/2 and, over whole cycles, a Goertzel magnitude of A·len/2.
    let at_frequency = 2.0 * goertzel(window, cycles) / (len * len);
    power > SILENCE && at_frequency / power > SHARE_OF_A_TONE
}

/// The squared magnitude of one frequency in the window.
fn goertzel(window: &[i16], cycles: f64) -> f64 {
    let turn = 2.0 * (TAU * cycles).cos();
    let (last, before) =
        window.iter().fold((0.0, 0.0), |(last, before), &s| (f64::from(s) + turn * last - before, last));
    last * last + before * before - turn * last * before
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::work_dir;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_tone_is_found_at_its_own_frequency_only() {
        let tone = Audio::tone(440, SECOND);
        assert_eq!(tone.presence(440), 1.0);
        assert_eq!(tone.time_of(440), SECOND);
        for other in [400, 480, 880, 1000] {
            assert_eq!(tone.presence(other), 0.0, "{other} Hz");
        }
    }

    #[test]
    fn silence_and_a_mix_are_no_tone() {
        let silence = Audio { rate: RATE, samples: vec![0; 8000] };
        assert_eq!(silence.presence(440), 0.0);

        let (low, high) = (Audio::tone(440, SECOND), Audio::tone(880, SECOND));
        let samples = low.samples.iter().zip(&high.samples).map(|(a, b)| a / 2 + b / 2).collect();
        let mix = Audio { rate: RATE, samples };
        assert_eq!((mix.presence(440), mix.presence(880)), (0.0, 0.0));
    }

    #[test]
    fn presence_counts_the_part_with_the_tone() {
        let mut half = Audio::tone(440, SECOND);
        half.samples.extend(vec![0; 8000]);
        assert_eq!(half.presence(440), 0.5);
        assert_eq!(half.last(SECOND).presence(440), 0.0);
        assert_eq!(half.length(), 2 * SECOND);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let dir = work_dir("tone");
        let path = dir.path().join("tone.wav");
        let tone = Audio::tone(880, SECOND / 4);
        tone.write(&path).unwrap();
        assert_eq!(Audio::read(&path).unwrap(), tone);
    }
}
