//! RTP and RTCP headers as they lie in a datagram (RFC 3550 §5.1, §6.1).

/// An RTP packet without header extension and sources is this much longer than its payload.
pub const HEADER_LEN: usize = 12;

/// The fixed header of an RTP packet, and where its payload begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The first packet after a silence, for audio (RFC 3551 §4.1).
    pub marker: bool,
    /// Which format of the SDP the payload has.
    pub payload_type: u8,
    /// Counts packets, modulo 2^16.
    pub sequence: u16,
    /// When the first sample was taken, in ticks of the format's clock.
    pub timestamp: u32,
    /// Who sends: random, and new for every stream.
    pub ssrc: u32,
    /// Where the payload begins: behind contributing sources and header extension.
    pub payload_at: usize,
}

impl Header {
    /// Reads the header of `packet`; `None` if it is no whole RTP packet.
    ///
    /// The first byte keeps STUN, DTLS and the like out (RFC 7983 §7), the second RTCP (RFC 5761 §4). Padding
    /// is not looked at: in SRTP its length is encrypted.
    pub fn parse(packet: &[u8]) -> Option<Header> {
        let fixed: &[u8; HEADER_LEN] = packet.first_chunk()?;
        let payload_type = fixed[1] & 0x7f;
        if fixed[0] >> 6 != 2 || (64..96).contains(&payload_type) {
            return None;
        }
        let mut payload_at = HEADER_LEN + 4 * usize::from(fixed[0] & 0x0f);
        if fixed[0] & 0x10 != 0 {
            let extension: &[u8; 4] = packet.get(payload_at..)?.first_chunk()?;
            payload_at += 4 + 4 * usize::from(u16::from_be_bytes([extension[2], extension[3]]));
        }
        if payload_at > packet.len() {
            return None;
        }
        Some(Header {
            marker: fixed[1] & 0x80 != 0,
            payload_type,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            payload_at,
        })
    }

    /// The payload of the unencrypted `packet` that this header was read from, without padding.
    pub fn payload<'p>(&self, packet: &'p [u8]) -> &'p [u8] {
        let payload = packet.get(self.payload_at..).unwrap_or_default();
        let padded = packet.first().is_some_and(|first| first & 0x20 != 0);
        let padding = if padded { payload.last().map_or(0, |last| usize::from(*last)) } else { 0 };
        &payload[..payload.len().saturating_sub(padding)]
    }

    /// The first twelve bytes of a packet with this header: no extension, no contributing sources.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = 0x80;
        bytes[1] = u8::from(self.marker) << 7 | (self.payload_type & 0x7f);
        bytes[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes
    }
}

/// Whether `packet` begins as an RTCP packet does (RFC 3550 §A.2). SRTCP encrypts what follows the first
/// eight bytes (RFC 3711 §3.4), so no more than the first header can be held against it.
pub fn is_rtcp(packet: &[u8]) -> bool {
    let Some(head) = packet.first_chunk::<8>() else { return false };
    let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
    head[0] >> 6 == 2 && (192..224).contains(&head[1]) && 4 * (words + 1) <= packet.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        let (sequence, timestamp, ssrc) = (0xfffe, 0x0102_0304, 0xdead_beef);
        Header { marker: true, payload_type: 101, sequence, timestamp, ssrc, payload_at: HEADER_LEN }
    }

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = [&header().to_bytes()[..], rest].concat();
        packet[0] = first;
        packet
    }

    #[test]
    fn a_header_written_is_read_back() {
        let packet = packet(0x80, b"payload");
        let read = Header::parse(&packet).unwrap();
        assert_eq!(read, header());
        assert_eq!(read.payload(&packet), b"payload");
    }

    #[test]
    fn the_payload_lies_behind_sources_and_extension() {
        let sources_and_extension = b"src1src2\xbe\xde\0\x01ext.voice";
        let packet = packet(0x92, sources_and_extension);
        assert_eq!(Header::parse(&packet).unwrap().payload(&packet), b"voice");
    }

    #[test]
    fn padding_is_cut_off_even_when_it_lies() {
        let honest = packet(0xa0, b"voice\0\0\x03");
        assert_eq!(Header::parse(&honest).unwrap().payload(&honest), b"voice");
        let lying = packet(0xa0, b"voice\xff");
        assert_eq!(Header::parse(&lying).unwrap().payload(&lying), b"");
    }

    #[test]
    fn what_is_cut_short_is_no_rtp() {
        let whole = packet(0x92, b"src1src2\xbe\xde\0\x01ext.");
        for len in 0..whole.len() {
            assert_eq!(Header::parse(&whole[..len]), None, "{len} bytes");
        }
        assert!(Header::parse(&whole).is_some());
        assert_eq!(Header::parse(&packet(0x90, b"\xbe\xde\xff\xff")), None);
    }

    #[test]
    fn stun_dtls_and_rtcp_are_no_rtp() {
        for first in [0, 1, 3, 20, 63, 64, 79, 127, 192, 255] {
            assert_eq!(Header::parse(&packet(first, b"payload")), None, "first byte {first}");
        }
        let mut sender_report = packet(0x80, b"payload");
        sender_report[1] = 200;
        assert_eq!(Header::parse(&sender_report), None);
    }

    #[test]
    fn rtcp_needs_eight_bytes_its_version_its_type_and_its_length() {
        let receiver_report = [0x80, 201, 0, 1, 1, 2, 3, 4];
        assert!(is_rtcp(&receiver_report));
        assert!(!is_rtcp(&receiver_report[..7]));
        assert!(!is_rtcp(&[0x40, 201, 0, 1, 1, 2, 3, 4]));
        assert!(!is_rtcp(&[0x80, 100, 0, 1, 1, 2, 3, 4]));
        assert!(!is_rtcp(&[0x80, 201, 0, 2, 1, 2, 3, 4]));
        assert!(!is_rtcp(&[0x80, 201, 255, 255, 1, 2, 3, 4]));
    }
}
