//! HL7 v2 messages from any bytes: decoded, read, carried over, answered.
//!
//! What is looked for is a panic, an overflow, or memory without an end.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use vesta::config::hl7v2::FeedConfig;
use vesta::hl7v2::ack::{Answer, Stage, Verdict};
use vesta::hl7v2::conversion::{convert, patients};
use vesta::hl7v2::feed::Feeds;
use vesta::hl7v2::message::Message;
use vesta::hl7v2::tables::Tables;
use vesta::hl7v2::{batch, charset};

/// 2026-11-28T00:00:00Z
const NOW_MS: i64 = 1_795_824_000_000;

fn fixture() -> &'static (Tables, Feeds) {
    static FIXTURE: OnceLock<(Tables, Feeds)> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let feeds = Feeds::new(&[FeedConfig::default()]).expect("the defaults are usable");
        (Tables::default(), feeds)
    })
}

fuzz_target!(|bytes: &[u8]| {
    let (tables, feeds) = fixture();
    for bytes in batch::messages(bytes) {
        let Ok(decoded) = charset::decode(bytes, None) else {
            continue;
        };
        let Ok(message) = Message::parse(decoded.text) else {
            continue;
        };
        let feed = feeds.of(&message);
        patients(&message, feed, tables);
        let problems: Vec<_> = convert(&message, feed, tables, NOW_MS).err().into_iter().collect();
        let answer = Answer {
            message: Some(&message),
            stage: Stage::Application,
            verdict: Verdict::Accept,
            problems: &problems,
            control_id: "1",
            now_ms: NOW_MS,
        };
        assert!(Message::parse(answer.write()).is_ok(), "an answer is a message");
    }
});
