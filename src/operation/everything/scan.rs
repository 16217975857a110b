//! What stored JSON refers to, found without making a tree of it.
//!
//! Stored bodies are written by this server, without white space; inside a string every quotation
//! mark is escaped, so that what looks like a member is one.

/// Gives the text of every `reference` and `url` that is a string, and whether it is the latter.
pub(super) fn each_link(json: &[u8], each: &mut dyn FnMut(&str, bool)) {
    let mut parts = json.split(|byte| *byte == b'"').peekable();
    while let Some(name) = parts.next() {
        let is_url = match name {
            b"reference" => false,
            b"url" => true,
            _ => continue,
        };
        if parts.next_if(|between| *between == b":").is_none() {
            continue;
        }
        // What has an escape in it leads to nothing that is stored here.
        let value = parts.next().filter(|value| !value.contains(&b'\\'));
        if let Some(text) = value.and_then(|value| str::from_utf8(value).ok()) {
            each(text, is_url);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::each_link;

    #[test]
    fn members_are_found_and_texts_are_not() {
        let json = br#"{"a":{"reference":"Patient/1"},"b":["reference","url"],
            "text":"\"reference\":\"Patient/2\"","url":"Binary/3","reference":{"url":"x\"y"},
            "c":"reference","d":":","e":"Patient/4","reference":"Patient/5"}"#;
        let mut found = Vec::new();
        each_link(json, &mut |text, is_url| {
            found.push((text.to_owned(), is_url));
        });
        let expected = [
            ("Patient/1", false),
            ("Binary/3", true),
            ("Patient/5", false),
        ];
        let expected = expected.map(|(text, is_url)| (text.to_owned(), is_url));
        assert_eq!(found, expected);
    }
}
