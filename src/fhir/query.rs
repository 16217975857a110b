//! Query strings as pairs, in order, decoded.
//!
//! What the names mean is not known here. Spec: RFC 3986, the URL standard's form encoding.

use std::borrow::Cow;

/// A query string or form body that cannot be decoded without guessing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A `%` that two hexadecimal digits do not follow.
    #[error("{0} holds a % that two hexadecimal digits do not follow: a plain % is written %25")]
    Percent(String),
    /// Bytes that are no text.
    #[error("{0} is not UTF-8 once it is decoded: encode letters beyond ASCII as UTF-8")]
    Encoding(String),
}

/// Whether a query string can be decoded exactly. What cannot is refused: a replacement character
/// in a criterion would match somebody else.
pub fn check(text: &str) -> Result<(), QueryError> {
    for pair in text.split('&') {
        let name = || shown(pair.split('=').next().unwrap_or_default());
        let bytes = decode(pair).ok_or_else(|| QueryError::Percent(name()))?;
        if std::str::from_utf8(&bytes).is_err() {
            return Err(QueryError::Encoding(name()));
        }
    }
    Ok(())
}

fn decode(pair: &str) -> Option<Cow<'_, [u8]>> {
    if !pair.contains('%') {
        return Some(Cow::Borrowed(pair.as_bytes()));
    }
    let mut out = Vec::with_capacity(pair.len());
    let mut parts = pair.split('%');
    out.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let (digits, rest) = part.as_bytes().split_at_checked(2)?;
        let [high, low] = digits else {
            return None;
        };
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        out.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
        out.extend_from_slice(rest);
    }
    Some(out.into())
}

/// The name of a parameter for a message, as far as it looks like one.
fn shown(name: &str) -> String {
    const NAME_CHARS_MAX: usize = 64;
    let is_name = !name.is_empty()
        && name.len() <= NAME_CHARS_MAX
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b));
    if is_name {
        format!("The parameter {name}")
    } else {
        "The name or value of a parameter".to_owned()
    }
}

/// Names and values of a query string or form body; `+` is a space, RFC 1866.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(text.as_bytes())
        .map(|(name, value)| (Cow::into_owned(name), Cow::into_owned(value)))
        .collect()
}

/// What to say about a date with a time zone whose `+` was sent as it is, and so became a space.
pub fn plus_hint(value: &str) -> Option<&'static str> {
    let (time, zone) = value.rsplit_once(' ')?;
    let is_zone = matches!(zone.as_bytes(), [a, b, b':', c, d]
        if [a, b, c, d].into_iter().all(u8::is_ascii_digit));
    (is_zone && time.contains('T')).then_some(" A + in a URL is a space: write it as %2B.")
}

/// The first value of `name`.
pub fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

/// Writes pairs as a query string.
pub fn encode(pairs: &[(String, String)]) -> String {
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        out.append_pair(name, value);
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{QueryError, check, encode, pairs};

    #[test]
    fn what_cannot_be_decoded_exactly_is_named() {
        let encoding = Err(QueryError::Encoding("The parameter given".to_owned()));
        let percent = Err(QueryError::Percent("The parameter given".to_owned()));
        assert_eq!(check("a=1&given=Zo%EB"), encoding);
        for text in ["given=50%", "given=%4", "given=%zz", "x=1&given=%+1"] {
            assert_eq!(check(text), percent, "{text}");
        }
        assert!(check("Zo%EB=1").unwrap_err().to_string().contains("name"));
        assert_eq!(check("given=Zo%C3%AB&x=a+b&&y"), Ok(()));
        assert_eq!(check(""), Ok(()));
    }

    proptest! {
        #[test]
        fn what_is_encoded_passes_and_comes_back(name in "[a-z]{1,8}", value in ".{0,20}") {
            let text = encode(&[(name.clone(), value.clone())]);
            prop_assert_eq!(check(&text), Ok(()));
            prop_assert_eq!(pairs(&text), vec![(name, value)]);
        }
    }
}
