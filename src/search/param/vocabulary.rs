//! Tokens by value sets and hierarchies: `:in`, `:not-in`, `:above`, `:below`.
//!
//! Read here as what is asked; the codes are filled in once, by whoever can fetch value sets and
//! code systems. Until then the condition holds for nothing.
//! Spec: <https://hl7.org/fhir/R4/search.html#token>.

use std::sync::OnceLock;

use crate::search::escape;
use crate::search::hasher::Hasher;
use crate::search::key::ParameterNumber;
use crate::search::modifier::Modifier;
use crate::search::param::Found;
use crate::search::param::token::case::LetterCase;
use crate::search::param::token::{Systems, TokenCondition, of_known_system, of_pair};
use crate::search::plan::Predicate;

/// What is asked of the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The codes of a value set, by its URL or `ValueSet/id`.
    In(String),
    /// A code and those above it.
    Above {
        /// The system.
        system: String,
        /// The code.
        code: String,
    },
    /// A code and those below it.
    Below {
        /// The system.
        system: String,
        /// The code.
        code: String,
    },
}

/// A code, and whether its system says that case counts.
pub type StatedCode<'a> = (&'a str, Option<bool>);

/// A condition on codes that are known once the vocabulary is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VocabularyCondition {
    /// What is asked.
    pub asked: Asked,
    /// Systems with the codes that bound elements can have without stating it.
    bound: Vec<(String, Vec<String>)>,
    /// Whether case counts in the parameter's codes.
    case: LetterCase,
    tokens: OnceLock<Vec<TokenCondition>>,
}

/// Reads the URL of a value set, or `system|code`.
pub fn parse(
    text: &str,
    modifier: Modifier,
    systems: &Systems<'_>,
) -> Result<VocabularyCondition, String> {
    let plain = |part| escape::unescape(part).into_owned();
    let asked = match (modifier, escape::split_once(text, '|')) {
        (Modifier::In | Modifier::NotIn, _) if text.is_empty() => {
            return Err("the URL of a value set is missing".into());
        }
        (Modifier::In | Modifier::NotIn, _) => Asked::In(plain(text)),
        (_, Some((system, code))) if !system.is_empty() && !code.is_empty() => {
            let (system, code) = (plain(system), plain(code));
            if modifier == Modifier::Above {
                Asked::Above { system, code }
            } else {
                Asked::Below { system, code }
            }
        }
        _ => return Err("what lies above or below is system|code".into()),
    };
    let known = systems.bindings.iter().flat_map(|set| &set.systems);
    let bound = known.map(|one| {
        let codes = one.codes.iter().map(ToString::to_string);
        (one.system.to_string(), codes.collect())
    });
    Ok(VocabularyCondition {
        asked,
        bound: bound.collect(),
        case: systems.case,
        tokens: OnceLock::new(),
    })
}

impl VocabularyCondition {
    /// Fills in what is asked for: systems with their codes, or with none for all of a system.
    /// What was filled in before stays.
    pub fn fill<'a>(&self, systems: impl Iterator<Item = (&'a str, Option<StatedCode<'a>>)>) {
        let tokens = systems.map(|(system, code)| match code {
            Some((code, is_sensitive)) => {
                let (system, code) = (system.to_owned(), code.to_owned());
                match is_sensitive {
                    None => of_pair(system, code, self.case),
                    Some(is_sensitive) => {
                        let case = if is_sensitive {
                            LetterCase::Exact
                        } else {
                            self.case
                        };
                        TokenCondition::CodeInSystem { system, code, case }
                    }
                }
            }
            None => of_known_system(system, &self.bound),
        });
        self.tokens.get_or_init(|| tokens.collect());
    }

    /// Whether the keys alone decide it.
    pub fn is_exact(&self) -> bool {
        let mut tokens = self.tokens.get().into_iter().flatten();
        tokens.all(TokenCondition::is_exact)
    }

    /// The condition on keys.
    pub fn lower(&self, parameter: ParameterNumber, hasher: &mut Hasher<'_>) -> Predicate {
        let mut any = Vec::new();
        for token in self.tokens.get().into_iter().flatten() {
            match token.lower(parameter, hasher) {
                Predicate::Or(inner) => any.extend(inner),
                other => any.push(other),
            }
        }
        match (any.pop(), any.is_empty()) {
            (None, _) => Predicate::Nothing,
            (Some(only), true) => only,
            (Some(last), false) => {
                any.push(last);
                Predicate::Or(any)
            }
        }
    }

    /// Whether a value meets it.
    pub fn matches(&self, value: &Found<'_>) -> bool {
        let mut tokens = self.tokens.get().into_iter().flatten();
        tokens.any(|token| token.matches(value))
    }
}
