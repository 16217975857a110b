//! Frames of MLLP from any bytes, cut at any place.
//!
//! What is looked for is a panic, or more in the frames than came in.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::Decoder;
use vesta::mllp::codec::MllpCodec;

const MESSAGE_BYTES_MAX: usize = 1_000;

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let mut codec = MllpCodec::new(MESSAGE_BYTES_MAX);
    let (mut buffer, mut total) = (BytesMut::new(), 0);
    for piece in bytes.chunks(usize::from(cut).max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => {
                    assert!(frame.len() <= MESSAGE_BYTES_MAX);
                    total += frame.len();
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    assert!(total <= bytes.len());
});
