//! JSON Pointers: the way from the root of a resource to a value.
//!
//! Spec: RFC 6901; `-` for the place behind the last item is RFC 6902's, for its `add` only.

use compact_str::CompactString;

/// A way to a value, from the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer(Vec<Token>);

/// One step: the name of a member or the index of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token(CompactString);

impl Pointer {
    /// Reads a pointer; `None` when the text is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self(Vec::new()));
        }
        let tokens = text.strip_prefix('/')?.split('/').map(Token::parse);
        tokens.collect::<Option<_>>().map(Self)
    }

    /// The steps.
    pub(super) fn tokens(&self) -> &[Token] {
        &self.0
    }

    /// The steps to what holds the value, and the last step; `None` for the root.
    pub(super) fn split_last(&self) -> Option<(&[Token], &Token)> {
        self.0.split_last().map(|(last, parent)| (parent, last))
    }

    /// Whether `other` leads to something inside the value this one leads to.
    pub(super) fn is_above(&self, other: &Self) -> bool {
        other.0.len() > self.0.len() && other.0.starts_with(&self.0)
    }
}

impl Token {
    fn parse(escaped: &str) -> Option<Self> {
        if !escaped.contains('~') {
            return Some(Self(escaped.into()));
        }
        let mut name = CompactString::default();
        let mut rest = escaped;
        while let Some((plain, behind)) = rest.split_once('~') {
            name.push_str(plain);
            rest = match (behind.strip_prefix('0'), behind.strip_prefix('1')) {
                (Some(behind), _) => {
                    name.push('~');
                    behind
                }
                (_, Some(behind)) => {
                    name.push('/');
                    behind
                }
                (None, None) => return None,
            };
        }
        name.push_str(rest);
        Some(Self(name))
    }

    /// The name of a member.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The index of an item: digits without a superfluous zero.
    pub(super) fn index(&self) -> Option<usize> {
        let digits = self.0.as_str();
        let is_plain = digits == "0" || !digits.starts_with('0');
        if !is_plain || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Pointer, Token};

    fn names(text: &str) -> Option<Vec<String>> {
        let pointer = Pointer::parse(text)?;
        Some(pointer.0.iter().map(|t| t.as_str().to_owned()).collect())
    }

    #[test]
    fn the_examples_of_the_rfc() {
        assert_eq!(names("").unwrap(), Vec::<String>::new());
        assert_eq!(names("/foo/0").unwrap(), ["foo", "0"]);
        assert_eq!(names("/").unwrap(), [""]);
        assert_eq!(names("/a~1b/m~0n/~01").unwrap(), ["a/b", "m~n", "~1"]);
        for bad in ["foo", "#/foo", "/~", "/~2", "/a~"] {
            assert_eq!(names(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_index_has_one_spelling() {
        let index = |text: &str| Token::parse(text).unwrap().index();
        assert_eq!(index("0"), Some(0));
        assert_eq!(index("10"), Some(10));
        for bad in [
            "",
            "-",
            "-1",
            "+1",
            "01",
            "1e0",
            " 1",
            "99999999999999999999999",
        ] {
            assert_eq!(index(bad), None, "{bad}");
        }
    }
}
