//! Files of messages: with FHS and BHS around them, or one after the other.
//!
//! Spec: HL7 v2.5.1 section 2.10.3.

/// Segments that stand around messages and belong to none.
const AROUND: [&[u8]; 4] = [b"FHS", b"BHS", b"BTS", b"FTS"];

/// The messages of a file, each from its MSH on, as bytes that are not decoded yet.
pub fn messages(file: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut begin = None;
    for (at, line) in lines(file) {
        let is_head = line.starts_with(b"MSH");
        let is_around = AROUND.iter().any(|name| line.starts_with(name));
        if !is_head && !is_around {
            continue;
        }
        if let Some(begin) = begin.take() {
            found.extend(file.get(begin..at));
        }
        begin = is_head.then_some(at);
    }
    if let Some(begin) = begin {
        found.extend(file.get(begin..));
    }
    found
}

/// Whether a file says that it holds many messages.
pub fn is_batch(file: &[u8]) -> bool {
    let first = lines(file)
        .map(|(_, line)| line)
        .find(|line| !line.is_empty());
    first.is_some_and(|line| line.starts_with(b"FHS") || line.starts_with(b"BHS"))
}

/// Lines with the place where they begin; framing of MLLP and byte order marks are no part of them.
fn lines(file: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    file.split(|byte| matches!(byte, b'\r' | b'\n'))
        .map(move |line| {
            let begin = at;
            at += line.len() + 1;
            let skipped = line
                .iter()
                .take_while(|byte| matches!(byte, 0x0b | 0x1c | b' ' | 0xef | 0xbb | 0xbf))
                .count();
            (begin + skipped, line.get(skipped..).unwrap_or_default())
        })
}

#[cfg(test)]
mod tests {
    use super::{is_batch, messages};

    #[test]
    fn messages_are_told_apart() {
        let file = b"FHS|^~\\&|A\rBHS|^~\\&|A\rMSH|^~\\&|1\rPID|\rMSH|^~\\&|2\rBTS|2\rFTS|1\r";
        let found = messages(file);
        assert_eq!(found, [&b"MSH|^~\\&|1\rPID|\r"[..], b"MSH|^~\\&|2\r"]);
        assert!(is_batch(file));
    }

    #[test]
    fn messages_may_stand_one_after_the_other() {
        let file = b"\xef\xbb\xbf\n\x0bMSH|^~\\&|1\n\x1c\n\x0bMSH|^~\\&|2\nPID|1\n\x1c\n";
        assert_eq!(messages(file).len(), 2);
        assert!(!is_batch(file));
        assert!(messages(b"PID|1").is_empty());
    }
}
