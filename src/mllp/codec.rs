//! Frames: VT, a message, FS, CR; split and joined at any byte.
//!
//! What stands between frames is passed over, and a frame that another one begins in is given up:
//! so a connection that lost its place finds it again. A CR that is missing is not missed.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

const VT: u8 = 0x0b;
const FS: u8 = 0x1c;
const CR: u8 = b'\r';

/// Reads and writes frames.
#[derive(Debug)]
pub struct MllpCodec {
    message_bytes_max: usize,
    is_inside: bool,
    /// Bytes of the frame that were looked at already.
    looked_at: usize,
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum MllpError {
    /// A message is larger than it may be.
    #[error("a message is larger than the limit")]
    TooLarge,
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl MllpCodec {
    /// Takes messages of so many bytes at most.
    pub fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            is_inside: false,
            looked_at: 0,
        }
    }

    /// Passes over what is no frame; `false` when no frame has begun yet.
    fn enter(&mut self, bytes: &mut BytesMut) -> bool {
        if self.is_inside {
            return true;
        }
        let begin = bytes.iter().position(|byte| *byte == VT);
        bytes.advance(begin.map_or(bytes.len(), |begin| begin + 1));
        self.is_inside = begin.is_some();
        self.looked_at = 0;
        self.is_inside
    }

    fn leave(&mut self, bytes: &mut BytesMut, end: usize) -> Bytes {
        let frame = bytes.split_to(end).freeze();
        bytes.advance(1);
        if bytes.first() == Some(&CR) {
            bytes.advance(1);
        }
        self.is_inside = false;
        self.looked_at = 0;
        frame
    }
}

impl Decoder for MllpCodec {
    type Item = Bytes;
    type Error = MllpError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Bytes>, MllpError> {
        while self.enter(bytes) {
            let fresh = bytes.get(self.looked_at..).unwrap_or_default();
            let found = fresh.iter().position(|byte| matches!(*byte, VT | FS));
            let Some(at) = found.map(|at| at + self.looked_at) else {
                self.looked_at = bytes.len();
                if bytes.len() > self.message_bytes_max {
                    return Err(MllpError::TooLarge);
                }
                return Ok(None);
            };
            if at > self.message_bytes_max {
                return Err(MllpError::TooLarge);
            }
            if bytes.get(at) == Some(&FS) {
                return Ok(Some(self.leave(bytes, at)));
            }
            // Another frame begins: this one was cut off.
            bytes.advance(at + 1);
            self.looked_at = 0;
        }
        Ok(None)
    }
}

impl Encoder<Bytes> for MllpCodec {
    type Error = MllpError;

    fn encode(&mut self, message: Bytes, out: &mut BytesMut) -> Result<(), MllpError> {
        out.reserve(message.len() + 3);
        out.put_u8(VT);
        out.put_slice(&message);
        out.put_slice(&[FS, CR]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use proptest::prelude::*;
    use tokio_util::codec::{Decoder, Encoder};

    use super::{MllpCodec, MllpError};

    fn frames(pieces: &[&[u8]]) -> Vec<Bytes> {
        let mut codec = MllpCodec::new(1_000);
        let mut bytes = BytesMut::new();
        let mut found = Vec::new();
        for piece in pieces {
            bytes.extend_from_slice(piece);
            while let Some(frame) = codec.decode(&mut bytes).unwrap() {
                found.push(frame);
            }
        }
        found
    }

    #[test]
    fn garbage_is_passed_over() {
        assert_eq!(frames(&[b"noise\x0bA\x1c\rmore\x0bB\x1c\r"]), ["A", "B"]);
        assert_eq!(frames(&[b"\x0bcut o", b"ff\x0bwhole\x1c\r"]), ["whole"]);
        assert_eq!(
            frames(&[b"\x0bA\x1c\x0bB\x1c", b"\r\x0bC\x1c"]),
            ["A", "B", "C"]
        );
        assert_eq!(frames(&[b"\x0b\x1c\r"]), [""]);
    }

    #[test]
    fn a_frame_has_a_limit() {
        let mut codec = MllpCodec::new(10);
        let mut bytes = BytesMut::from(&b"\x0b0123456789\x1c\r"[..]);
        assert_eq!(codec.decode(&mut bytes).unwrap().unwrap(), "0123456789");
        for text in [&b"\x0b0123456789a"[..], b"\x0b0123456789a\x1c\r"] {
            let mut bytes = BytesMut::from(text);
            let refused = MllpCodec::new(10).decode(&mut bytes);
            assert!(matches!(refused, Err(MllpError::TooLarge)));
        }
        // What is between frames is not kept.
        let mut bytes = BytesMut::from(&[b'x'; 100][..]);
        assert!(codec.decode(&mut bytes).unwrap().is_none());
        assert!(bytes.is_empty());
    }

    proptest! {
        #[test]
        fn frames_come_back_however_they_are_cut(
            messages in prop::collection::vec("[ -~\r]{0,30}", 0..6),
            cut in 1_usize..40,
        ) {
            let mut codec = MllpCodec::new(1_000);
            let mut sent = BytesMut::new();
            for message in &messages {
                codec.encode(Bytes::from(message.clone()), &mut sent).unwrap();
            }
            let pieces: Vec<&[u8]> = sent.chunks(cut).collect();
            let found = frames(&pieces);
            let expected: Vec<_> = messages.into_iter().map(Bytes::from).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn anything_can_come(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            cut in 1_usize..50,
        ) {
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            let whole: usize = frames(&pieces).iter().map(Bytes::len).sum();
            prop_assert!(whole <= bytes.len());
        }
    }
}
