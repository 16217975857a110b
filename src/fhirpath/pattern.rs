//! Regular expressions of `matches()` and `replaceMatches()`, compiled within bounds.
//!
//! They run in linear time, so that text from outside may be both pattern and subject.

use regex::{Regex, RegexBuilder};

/// The most memory a compiled pattern may take.
const SIZE_MAX_BYTES: usize = 1024 * 1024;

/// A compiled regular expression.
#[derive(Debug, Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern; `None` when it is none or becomes too large.
    pub fn compile(text: &str) -> Option<Self> {
        RegexBuilder::new(text)
            .size_limit(SIZE_MAX_BYTES)
            .dot_matches_new_line(true)
            .build()
            .ok()
            .map(Self)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether any part of a text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The text with each match replaced; `$1` and `${name}` stand for groups. An empty pattern
    /// matches nothing here.
    pub fn replace_all(&self, text: &str, by: &str) -> String {
        if self.as_str().is_empty() {
            return text.to_owned();
        }
        self.0.replace_all(text, by).into_owned()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}
