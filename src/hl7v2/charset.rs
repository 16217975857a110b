//! Bytes to text by the character set of MSH-18, or of the feed.
//!
//! Spec: HL7 v2.5.1 section 2.15.9.18, HL7 table 0211.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// Bytes of a head that are looked at for MSH-18.
const HEAD_BYTES_MAX: usize = 4_096;

/// A character set that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the character set of MSH-18 is none that this server reads")]
pub struct UnknownCharset;

/// A text and whether bytes of it could not be read and were replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The text.
    pub text: String,
    /// How it was read, and how an answer is to be written.
    pub encoding: &'static Encoding,
    /// Whether something was replaced.
    pub has_replacements: bool,
}

/// Reads bytes as the message says, as `usual` says where it says nothing, else as UTF-8.
pub fn decode(bytes: &[u8], usual: Option<&str>) -> Result<Decoded, UnknownCharset> {
    let named = named(bytes);
    let name = named.as_deref().or(usual);
    let encoding = match name {
        // ASCII that is none is most likely UTF-8, and Latin-1 where it is not.
        None | Some("" | "ASCII") if std::str::from_utf8(bytes).is_ok() => encoding_rs::UTF_8,
        None | Some("" | "ASCII") => encoding_rs::WINDOWS_1252,
        Some(name) => encoding(name).ok_or(UnknownCharset)?,
    };
    let (text, _used, has_replacements) = encoding.decode(bytes);
    Ok(Decoded {
        text: text.into_owned(),
        encoding,
        has_replacements,
    })
}

/// Whether a character set can be read.
pub fn is_known(name: &str) -> bool {
    name == "ASCII" || encoding(name).is_some()
}

fn encoding(name: &str) -> Option<&'static Encoding> {
    let name = name.trim().to_ascii_uppercase();
    let label = match name.as_str() {
        "UNICODE UTF-8" | "UNICODE" => "utf-8".into(),
        "UNICODE UTF-16" => "utf-16".into(),
        "ISO IR87" | "ISO IR159" => "iso-2022-jp".into(),
        "ISO IR14" | "ISO IR13" => "shift_jis".into(),
        "GB 18030-2000" => "gb18030".into(),
        "KS X 1001" => "euc-kr".into(),
        "BIG-5" => "big5".into(),
        // 8859/15 is how HL7 writes ISO-8859-15.
        other => match other.strip_prefix("8859/") {
            Some(part) => Cow::Owned(format!("iso-8859-{part}")),
            None => Cow::Owned(other.to_owned()),
        },
    };
    Encoding::for_label(label.as_bytes())
}

/// MSH-18 of bytes that are not read yet: all sets that occur write a head alike.
fn named(bytes: &[u8]) -> Option<String> {
    let start = bytes.windows(3).position(|three| three == b"MSH")?;
    let head = bytes.get(start..)?;
    let separator = *head.get(3)?;
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let line = line.get(..line.len().min(HEAD_BYTES_MAX))?;
    // MSH-1 is the separator itself, so the field with number n is behind n - 1 of them.
    let field = line.split(|byte| *byte == separator).nth(17)?;
    let first = field.split(|byte| !is_of_name(*byte)).next()?;
    let text = std::str::from_utf8(first).ok()?.trim().to_ascii_uppercase();
    (!text.is_empty()).then_some(text)
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'/' | b'-' | b'_')
}

#[cfg(test)]
mod tests {
    use super::decode;

    fn with(charset: &str, name: &[u8]) -> Vec<u8> {
        let head = format!("MSH|^~\\&|A|B|||1||ADT^A01|1|P|2.5||||||{charset}\rPID|||1||");
        [head.as_bytes(), name].concat()
    }

    #[test]
    fn the_message_says_how_it_is_read() {
        for (charset, bytes, expected) in [
            ("UNICODE UTF-8", "Müller".as_bytes(), "Müller"),
            ("8859/1", b"M\xfcller", "Müller"),
            ("8859/15", b"\xa4", "€"),
            ("8859/5", b"\xb8\xd2\xd0\xdd", "Иван"),
            ("", b"M\xfcller", "Müller"),
            ("ASCII", "Müller".as_bytes(), "Müller"),
            ("8859/1~UNICODE", b"\xe9", "é"),
        ] {
            let decoded = decode(&with(charset, bytes), None).unwrap();
            assert!(decoded.text.ends_with(expected), "{charset}: {decoded:?}");
            assert!(!decoded.has_replacements);
        }
    }

    #[test]
    fn the_feed_says_it_where_the_message_does_not() {
        let decoded = decode(&with("", b"\xb8"), Some("8859/5")).unwrap();
        assert!(decoded.text.ends_with('И'));
        assert!(decode(&with("KLINGON", b""), None).is_err());
        assert!(
            decode(&with("UNICODE UTF-8", b"\xff"), None)
                .unwrap()
                .has_replacements
        );
    }
}
