//! Why a description cannot be used, and what its sender is told.

/// Why a session description cannot be used. The text is fit for a Warning header, a log and a call record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SdpError {
    /// The body breaks the grammar of RFC 8866 where we need it, or a bound of ours.
    #[error("the session description is malformed: {0}")]
    Malformed(&'static str),
    /// No audio line, or the audio was given up for something that we do not carry (such as T.38).
    #[error("the session description has no audio stream that can be carried")]
    NoAudio,
    /// Audio only over a profile that we do not terminate (SRTP, DTLS).
    #[error("audio is offered only encrypted (SRTP); offer RTP/AVP as well")]
    SecureAudioOnly,
    /// The media address is no unicast IP address.
    #[error("the media address is no unicast IP address; host names and multicast are not used for media")]
    UnusableAddress,
    /// No audio codec is left that both sides and the configuration have; telephone-event alone is none.
    #[error("no audio codec in common; allow one of the codecs that the caller and the trunk both have")]
    NoCommonCodec,
}

impl SdpError {
    /// The SIP status for an offer that fails like this (RFC 3261 §21.4.1, §21.4.26).
    pub fn status(self) -> u16 {
        match self {
            SdpError::Malformed(_) => 400,
            _ => 488,
        }
    }
}
