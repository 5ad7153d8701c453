//! G.711: 16-bit linear samples to and from the eight bits of µ-law and A-law (ITU-T G.711).

/// Which of the two laws of G.711.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Law {
    /// µ-law: PCMU, payload type 0 (RFC 3551 §4.5.14).
    Mu,
    /// A-law: PCMA, payload type 8 (RFC 3551 §4.5.14).
    A,
}

impl Law {
    /// Its static payload type (RFC 3551 §6).
    pub const fn payload_type(self) -> u8 {
        match self {
            Law::Mu => 0,
            Law::A => 8,
        }
    }

    /// Encodes one sample.
    pub const fn encode(self, sample: i16) -> u8 {
        match self {
            Law::Mu => encode_mu(sample),
            Law::A => encode_a(sample),
        }
    }

    /// Decodes one byte.
    pub const fn decode(self, code: u8) -> i16 {
        match self {
            Law::Mu => decode_mu(code),
            Law::A => decode_a(code),
        }
    }
}

/// Added to the magnitude, so that every segment of µ-law begins at a power of two (33 in the 14 bits of the
/// table).
const MU_BIAS: u16 = 33 << 2;
/// The largest magnitude that µ-law knows.
const MU_CLIP: u16 = 8_158 << 2;

const fn encode_mu(sample: i16) -> u8 {
    let magnitude = magnitude(sample);
    let biased = (if magnitude > MU_CLIP { MU_CLIP } else { magnitude }) + MU_BIAS;
    let segment = 8 - biased.leading_zeros() as u16;
    let step = (biased >> (segment + 3)) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment << 4 | step) as u8)
}

const fn decode_mu(code: u8) -> i16 {
    let code = !code;
    let (segment, step) = ((code >> 4) & 0x07, (code & 0x0f) as i16);
    let magnitude = (((step << 3) + MU_BIAS as i16) << segment) - MU_BIAS as i16;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}

/// Every second bit of an A-law byte is inverted on the line.
const A_EVEN_BITS: u8 = 0x55;

const fn encode_a(sample: i16) -> u8 {
    let magnitude = magnitude(sample) >> 4;
    let code = if magnitude < 32 {
        magnitude
    } else {
        let segment = 12 - magnitude.leading_zeros() as u16;
        segment << 4 | ((magnitude >> (segment - 1)) & 0x0f)
    };
    let sign = if sample < 0 { 0 } else { 0x80 };
    (sign | code as u8) ^ A_EVEN_BITS
}

const fn decode_a(code: u8) -> i16 {
    let code = code ^ A_EVEN_BITS;
    let (segment, step) = ((code >> 4) & 0x07, (code & 0x0f) as i16);
    let magnitude = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

/// The laws count negative samples from -1 down, so that both signs have equally many steps.
const fn magnitude(sample: i16) -> u16 {
    (if sample < 0 { !sample } else { sample }) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table 2a of G.711: first and last output of each segment, in the table's 14 bits.
    const MU_OUTPUTS: [(i16, i16); 8] = [
        (0, 30),
        (33, 93),
        (99, 219),
        (231, 471),
        (495, 975),
        (1_023, 1_983),
        (2_079, 3_999),
        (4_191, 8_031),
    ];
    /// Table 1a of G.711, in the table's 13 bits.
    const A_OUTPUTS: [(i16, i16); 8] =
        [(1, 31), (33, 63), (66, 126), (132, 252), (264, 504), (528, 1_008), (1_056, 2_016), (2_112, 4_032)];

    /// The 128 outputs of a table in 16 bits: sixteen even steps a segment.
    fn outputs(segments: [(i16, i16); 8], scale: i16) -> Vec<i16> {
        let steps = |(first, last)| (0..16).map(move |n| (first + (last - first) / 15 * n) * scale);
        segments.into_iter().flat_map(steps).collect()
    }

    #[test]
    fn mu_law_decodes_as_the_table_of_the_standard() {
        for (n, output) in outputs(MU_OUTPUTS, 4).into_iter().enumerate() {
            assert_eq!(Law::Mu.decode(0xff - n as u8), output);
            assert_eq!(Law::Mu.decode(0x7f - n as u8), -output);
        }
    }

    #[test]
    fn a_law_decodes_as_the_table_of_the_standard() {
        for (n, output) in outputs(A_OUTPUTS, 8).into_iter().enumerate() {
            assert_eq!(Law::A.decode((0x80 | n as u8) ^ 0x55), output);
            assert_eq!(Law::A.decode(n as u8 ^ 0x55), -output);
        }
    }

    /// Where the standard moves on to the next code, in the table's bits, and the code.
    fn decisions(segment_starts: [i16; 8], first_step: i16) -> impl Iterator<Item = (i16, u8)> {
        let ends = segment_starts.into_iter().skip(1).chain([segment_starts[7] * 2 + first_step / 2]);
        segment_starts.into_iter().zip(ends).enumerate().flat_map(move |(segment, (start, end))| {
            let step = ((end - start) / 16).max(2);
            (0..16).map(move |n| (start + n * step, (segment * 16) as u8 + n as u8))
        })
    }

    #[test]
    fn mu_law_encodes_by_the_decision_values_of_the_standard() {
        // The first step is half a step wide: 0, 1, 3, 5 and so on.
        for (value, n) in decisions([-1, 31, 95, 223, 479, 991, 2_015, 4_063], 66).skip(1) {
            assert_eq!(Law::Mu.encode(value * 4), 0xff - n, "{value}");
            assert_eq!(Law::Mu.encode(value * 4 - 1), 0xff - (n - 1), "below {value}");
            assert_eq!(Law::Mu.encode(!(value * 4)), 0x7f - n, "{value} below zero");
        }
    }

    #[test]
    fn a_law_encodes_by_the_decision_values_of_the_standard() {
        for (value, n) in decisions([0, 32, 64, 128, 256, 512, 1_024, 2_048], 0).skip(1) {
            assert_eq!(Law::A.encode((value - 1) * 8 + 7), (0x80 | (n - 1)) ^ 0x55, "below {value}");
            assert_eq!(Law::A.encode(value * 8), (0x80 | n) ^ 0x55, "{value}");
            assert_eq!(Law::A.encode(!(value * 8)), n ^ 0x55, "{value} below zero");
        }
    }

    #[test]
    fn every_code_decoded_and_encoded_is_itself() {
        for law in [Law::Mu, Law::A] {
            for code in (0..=255).filter(|code| (law, *code) != (Law::Mu, 0x7f)) {
                assert_eq!(law.encode(law.decode(code)), code, "{law:?} {code:#04x}");
            }
        }
        assert_eq!(Law::Mu.decode(0x7f), 0, "µ-law has a second zero");
    }

    #[test]
    fn the_loudest_samples_do_not_wrap() {
        assert_eq!(Law::Mu.decode(Law::Mu.encode(i16::MAX)), 32_124);
        assert_eq!(Law::Mu.decode(Law::Mu.encode(i16::MIN)), -32_124);
        assert_eq!(Law::A.decode(Law::A.encode(i16::MAX)), 32_256);
        assert_eq!(Law::A.decode(Law::A.encode(i16::MIN)), -32_256);
    }
}
