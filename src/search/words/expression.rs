//! Expressions of words: `(bone or liver) and metastases`, `"heart rate"`, `not tumour`.
//!
//! `not` binds closest, then `and`, which may be left out, then `or`; their case does not count.

use crate::search::plan::Predicate;
use crate::search::words::words;

/// How deep parentheses may nest.
const DEPTH_MAX: usize = 16;

/// Words and operators of one expression.
const TOKENS_MAX: usize = 200;

/// Words that have to be there, or must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// These words, one behind the other.
    Phrase(Vec<String>),
    /// All of these.
    All(Vec<Expression>),
    /// One of these.
    Any(Vec<Expression>),
    /// Not this.
    Not(Box<Expression>),
}

impl Expression {
    /// Reads an expression; the error says what would be right.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser {
            tokens: tokens(text)?,
            place: 0,
        };
        let expression = parser.alternatives(0)?;
        if parser.place < parser.tokens.len() {
            return Err("has a parenthesis that was not opened".into());
        }
        Ok(expression)
    }

    /// The condition on keys that holds for all that matches: what must not be there may be.
    pub(super) fn lower(&self, key: &dyn Fn(&str) -> Predicate) -> Predicate {
        match self {
            Self::Phrase(words) => conjunction(words.iter().map(|word| key(word)).collect()),
            Self::All(all) => conjunction(all.iter().map(|one| one.lower(key)).collect()),
            Self::Any(any) => {
                let mut flat = Vec::new();
                for one in any {
                    match one.lower(key) {
                        Predicate::All => return Predicate::All,
                        Predicate::Or(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                Predicate::Or(flat)
            }
            Self::Not(_) => Predicate::All,
        }
    }

    /// Whether texts, each as its words, meet it.
    pub(super) fn matches(&self, texts: &[Vec<String>]) -> bool {
        match self {
            Self::Phrase(phrase) => {
                let mut windows = texts.iter().flat_map(|text| text.windows(phrase.len()));
                windows.any(|window| window == phrase.as_slice())
            }
            Self::All(all) => all.iter().all(|one| one.matches(texts)),
            Self::Any(any) => any.iter().any(|one| one.matches(texts)),
            Self::Not(inner) => !inner.matches(texts),
        }
    }
}

fn conjunction(mut all: Vec<Predicate>) -> Predicate {
    all.retain(|one| *one != Predicate::All);
    match (all.pop(), all.is_empty()) {
        (None, _) => Predicate::All,
        (Some(only), true) => only,
        (Some(last), false) => {
            all.push(last);
            Predicate::And(all)
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Phrase(Vec<String>),
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if tokens.len() >= TOKENS_MAX {
            return Err(format!("has more than {TOKENS_MAX} words"));
        }
        let behind = rest.get(first.len_utf8()..).unwrap_or_default();
        rest = match first {
            '(' => {
                tokens.push(Token::Open);
                behind
            }
            ')' => {
                tokens.push(Token::Close);
                behind
            }
            '"' => {
                let closed = behind.split_once('"');
                let (phrase, behind) = closed.ok_or("has a phrase that is not closed")?;
                tokens.extend(phrase_of(phrase));
                behind
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '"'));
                let end = end.unwrap_or(rest.len());
                let (word, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
                tokens.extend(match word.to_ascii_lowercase().as_str() {
                    "and" => Some(Token::And),
                    "or" => Some(Token::Or),
                    "not" => Some(Token::Not),
                    _ => phrase_of(word),
                });
                behind
            }
        }
        .trim_start();
    }
    Ok(tokens)
}

fn phrase_of(text: &str) -> Option<Token> {
    let words = words(text);
    (!words.is_empty()).then_some(Token::Phrase(words))
}

struct Parser {
    tokens: Vec<Token>,
    place: usize,
}

impl Parser {
    fn alternatives(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > DEPTH_MAX {
            return Err("nests too deep".into());
        }
        let mut any = vec![self.sequence(depth)?];
        while self.takes(&Token::Or) {
            any.push(self.sequence(depth)?);
        }
        Ok(match (any.pop(), any.is_empty()) {
            (Some(only), true) => only,
            (last, _) => Expression::Any(any.into_iter().chain(last).collect()),
        })
    }

    fn sequence(&mut self, depth: usize) -> Result<Expression, String> {
        let mut all = vec![self.operand(depth)?];
        loop {
            let is_joined = self.takes(&Token::And);
            let ends = matches!(
                self.tokens.get(self.place),
                None | Some(Token::Or | Token::Close)
            );
            if ends && !is_joined {
                break;
            }
            all.push(self.operand(depth)?);
        }
        Ok(match (all.pop(), all.is_empty()) {
            (Some(only), true) => only,
            (last, _) => Expression::All(all.into_iter().chain(last).collect()),
        })
    }

    fn operand(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > DEPTH_MAX {
            return Err("nests too deep".into());
        }
        let token = self.tokens.get(self.place).cloned();
        self.place += 1;
        match token {
            Some(Token::Phrase(words)) => Ok(Expression::Phrase(words)),
            Some(Token::Not) => Ok(Expression::Not(Box::new(self.operand(depth + 1)?))),
            Some(Token::Open) => {
                let inner = self.alternatives(depth + 1)?;
                if self.takes(&Token::Close) {
                    Ok(inner)
                } else {
                    Err("has a parenthesis that is not closed".into())
                }
            }
            _ => Err("is made of words, as in (bone or liver) and metastases".into()),
        }
    }

    fn takes(&mut self, wanted: &Token) -> bool {
        let is_next = self.tokens.get(self.place) == Some(wanted);
        self.place += usize::from(is_next);
        is_next
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Expression;

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "", "and", "bone and", "bone or", "(bone", "bone)", "not", "\"bone", "()",
        ] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
        let deep = format!("{}bone{}", "(".repeat(40), ")".repeat(40));
        assert!(Expression::parse(&deep).is_err());
        assert!(Expression::parse(&"not ".repeat(199)).is_err());
    }

    #[test]
    fn and_binds_closer_than_or() {
        let read = |text| Expression::parse(text).unwrap();
        assert_eq!(read("a b or c"), read("((a) AND b) or c"));
        assert_eq!(read("a or b c"), read("a or (b and c)"));
        assert_ne!(read("a or b c"), read("(a or b) c"));
        assert_eq!(read("a-b"), read("\"a b\""));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _is_read = Expression::parse(&text).is_ok();
        }
    }
}
