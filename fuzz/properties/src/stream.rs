//! A stream: the same messages are cut out of it in whatever pieces it comes.

use crate::input::Input;
use tandem_sip_msg::{Frame, Framer, Message};

/// The first four bytes of the input say how the rest is cut.
pub fn stream(data: &[u8]) {
    let mut input = Input::new(data);
    let sizes = [input.byte(), input.byte(), input.byte(), input.byte()].map(|n| usize::from(n) + 1);
    let rest = input.bytes(usize::MAX);
    let whole = cut(std::iter::once(rest));
    let mut sizes = sizes.iter().cycle();
    let mut left = rest;
    let pieces = std::iter::from_fn(|| {
        let (piece, after) = left.split_at((*sizes.next()?).min(left.len()));
        left = after;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(whole, cut(pieces), "other pieces, other messages");
    assert_eq!(whole, cut(rest.chunks(1)), "byte for byte, other messages");
}

/// The messages, and what the stream broke at.
fn cut<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Option<&'static str>) {
    let mut framer = Framer::default();
    let mut messages = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(Frame::Message(bytes))) => {
                    let _ = Message::parse(bytes.clone());
                    messages.push(bytes.to_vec());
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    if let Some(head) = error.head {
                        let _ = Message::parse(head);
                    }
                    return (messages, Some(error.why));
                }
            }
        }
    }
    (messages, None)
}
