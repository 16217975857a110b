//! Text into tokens: names, literals, punctuation; white space and comments fall away.
//!
//! What tokens mean together is the parser's business.
//! Spec: <http://hl7.org/fhirpath/N1/#lexical-elements>.

use compact_str::CompactString;

/// A token and where it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned {
    /// The token.
    pub token: Token,
    /// The byte it begins at.
    pub at: usize,
}

/// The smallest part of an expression that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A name or a word such as `and`.
    Name(CompactString),
    /// A name between backticks, never a word of the language.
    Quoted(CompactString),
    /// A text between apostrophes, unescaped.
    String(CompactString),
    /// Digits, perhaps with a fraction.
    Number(CompactString),
    /// What stands behind `@`.
    Temporal(CompactString),
    /// `$this`, `$index`, `$total`, without the sign.
    Variable(CompactString),
    /// A sign of one or two characters.
    Sign(&'static str),
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not FHIRPath, at character {at}: {reason}")]
pub struct SyntaxError {
    /// The byte where it goes wrong.
    pub at: usize,
    /// What is wrong there.
    pub reason: String,
}

impl SyntaxError {
    /// An error at a byte of the text.
    pub fn new(at: usize, reason: impl Into<String>) -> Self {
        Self {
            at,
            reason: reason.into(),
        }
    }
}

/// Signs, longer ones first where one begins another.
const SIGNS: [&str; 22] = [
    "<=", ">=", "!=", "!~", "<", ">", "=", "~", "+", "-", "*", "/", "&", "|", "(", ")", "[", "]",
    "{", "}", ",", ".",
];

/// Splits an expression into tokens.
pub fn tokens(text: &str) -> Result<Vec<Spanned>, SyntaxError> {
    let mut lexer = Lexer { text, at: 0 };
    let mut found = Vec::with_capacity(text.len() / 4);
    while let Some(spanned) = lexer.next()? {
        found.push(spanned);
    }
    Ok(found)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, reason: &str) -> SyntaxError {
        SyntaxError::new(self.at, reason)
    }

    /// Takes the longest beginning whose characters all fit.
    fn take_while(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or_default()
    }

    fn eat(&mut self, sign: &str) -> bool {
        let is_next = self.rest().starts_with(sign);
        if is_next {
            self.at += sign.len();
        }
        is_next
    }

    fn skip_blanks(&mut self) -> Result<(), SyntaxError> {
        loop {
            self.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
            if self.eat("//") {
                self.take_while(|c| c != '\n');
            } else if self.rest().starts_with("/*") {
                let Some(end) = self.rest().find("*/") else {
                    return Err(self.error("a comment has no end"));
                };
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Option<Spanned>, SyntaxError> {
        self.skip_blanks()?;
        let at = self.at;
        let Some(first) = self.rest().chars().next() else {
            return Ok(None);
        };
        let token = match first {
            'a'..='z' | 'A'..='Z' | '_' => Token::Name(self.take_while(is_name).into()),
            '0'..='9' => Token::Number(self.number().into()),
            '\'' => Token::String(self.quoted('\'')?),
            '`' => Token::Quoted(self.quoted('`')?),
            // Older expressions write names between quotation marks.
            '"' => Token::Quoted(self.quoted('"')?),
            '@' => Token::Temporal(self.temporal().into()),
            '$' => {
                self.at += 1;
                Token::Variable(self.take_while(is_name).into())
            }
            '%' => {
                self.at += 1;
                return Ok(Some(Spanned {
                    token: Token::Sign("%"),
                    at,
                }));
            }
            _ => match SIGNS.iter().find(|sign| self.rest().starts_with(**sign)) {
                Some(sign) => {
                    self.at += sign.len();
                    Token::Sign(sign)
                }
                None => return Err(self.error("this character has no meaning here")),
            },
        };
        Ok(Some(Spanned { token, at }))
    }

    /// Digits, and a fraction when a digit follows the point: `1.toString()` has none.
    fn number(&mut self) -> &'a str {
        let start = self.at;
        self.take_while(|c| c.is_ascii_digit());
        let has_fraction = self
            .rest()
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if has_fraction {
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn temporal(&mut self) -> &'a str {
        self.at += 1;
        let start = self.at;
        let date = self.take_while(|c| c.is_ascii_digit() || c == '-');
        if self.eat("T") {
            self.take_while(|c| c.is_ascii_digit() || c == ':');
            let has_fraction = self
                .rest()
                .strip_prefix('.')
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            if has_fraction {
                self.at += 1;
                self.take_while(|c| c.is_ascii_digit());
            }
            // A time of day has no zone; what follows it is an operator.
            if !date.is_empty() && !self.eat("Z") {
                self.zone();
            }
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn zone(&mut self) {
        let bytes = self.rest().as_bytes();
        let is_zone = matches!(
            bytes,
            [b'+' | b'-', a, b, b':', c, d, ..]
                if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit())
        );
        if is_zone {
            self.at += 6;
        }
    }

    fn quoted(&mut self, mark: char) -> Result<CompactString, SyntaxError> {
        let start = self.at;
        let mut text = CompactString::default();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((offset, letter)) = letters.next() {
            if letter == mark {
                self.at = start + offset + 1;
                return Ok(text);
            }
            if letter != '\\' {
                text.push(letter);
                continue;
            }
            let Some((_, escaped)) = letters.next() else {
                break;
            };
            match escaped {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'f' => text.push('\u{c}'),
                '\'' | '"' | '`' | '\\' | '/' => text.push(escaped),
                'u' => {
                    let digits: String = letters.by_ref().take(4).map(|(_, c)| c).collect();
                    let letter = u32::from_str_radix(&digits, 16)
                        .ok()
                        .and_then(char::from_u32);
                    match letter {
                        Some(letter) if digits.len() == 4 => text.push(letter),
                        _ => return Err(self.error("\\u needs four hexadecimal digits")),
                    }
                }
                // Published expressions hold regular expressions with single backslashes.
                other => {
                    text.push('\\');
                    text.push(other);
                }
            }
        }
        Err(SyntaxError::new(start, format!("{mark} is not closed")))
    }
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

#[cfg(test)]
mod tests {
    use super::{Token, tokens};

    fn kinds(text: &str) -> Vec<Token> {
        tokens(text).unwrap().into_iter().map(|s| s.token).collect()
    }

    #[test]
    fn numbers_end_before_a_method() {
        assert_eq!(
            kinds("1.5.a 2.b"),
            [
                Token::Number("1.5".into()),
                Token::Sign("."),
                Token::Name("a".into()),
                Token::Number("2".into()),
                Token::Sign("."),
                Token::Name("b".into()),
            ]
        );
    }

    #[test]
    fn comments_and_blanks_fall_away() {
        assert_eq!(kinds("a // b\n/* c */ "), [Token::Name("a".into())]);
        assert!(tokens("/* a").is_err());
    }

    #[test]
    fn texts_are_unescaped() {
        assert_eq!(
            kinds(r"'a\'\u00e4\n' `b c`"),
            [
                Token::String("a'\u{e4}\n".into()),
                Token::Quoted("b c".into())
            ]
        );
        for broken in ["'a", r"'\u00g0'", r"'\u12'", "'a\\"] {
            assert!(tokens(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn dates_take_their_zone_and_times_do_not() {
        assert_eq!(
            kinds("@2026-11-22T10:00:00.5+01:00 @T10:00 - 1"),
            [
                Token::Temporal("2026-11-22T10:00:00.5+01:00".into()),
                Token::Temporal("T10:00".into()),
                Token::Sign("-"),
                Token::Number("1".into()),
            ]
        );
        assert_eq!(kinds("@2026.a").len(), 3);
    }
}
