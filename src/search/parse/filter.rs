//! `_filter`: expressions of tests, `and`, `or`, `not` and parentheses.
//!
//! A test is read as the parameter it stands for (`birthdate ge 2000` as `birthdate=ge2000`), so
//! that it means the same. `and` binds closer than `or`. `ew`, and filters in brackets inside a
//! path, are refused. Spec: <https://hl7.org/fhir/R4/search_filter.html>.

use crate::conformance::search_parameter::ParameterKind;
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Issue;
use crate::search::parse::refusal::{malformed, unsupported};
use crate::search::parse::relation::{self, Reading};
use crate::search::query::Criterion;

/// Tests in one expression.
const TESTS_MAX: usize = 100;

/// How deep parentheses may nest.
const DEPTH_MAX: usize = 16;

/// How close `or` binds; `and` binds closer.
const OR: u8 = 1;
const AND: u8 = 2;

/// Reads an expression on a type.
pub(super) fn read(
    reading: &Reading<'_>,
    resource_type: ResourceType,
    text: &str,
    depth: usize,
) -> Result<Criterion, Issue> {
    let mut parser = Parser {
        reading,
        resource_type,
        depth,
        rest: text,
        tests: 0,
    };
    let criterion = parser.expression(0, 0)?;
    if parser.rest.trim_start().is_empty() {
        Ok(criterion)
    } else {
        Err(parser.malformed("has something behind its end: join tests with and, or"))
    }
}

struct Parser<'a> {
    reading: &'a Reading<'a>,
    resource_type: ResourceType,
    /// Steps of chains before the type.
    depth: usize,
    rest: &'a str,
    tests: usize,
}

impl<'a> Parser<'a> {
    /// An expression whose operators bind closer than `binding`.
    fn expression(&mut self, binding: u8, depth: usize) -> Result<Criterion, Issue> {
        if depth > DEPTH_MAX {
            return Err(self.malformed("nests too deep"));
        }
        let mut left = self.operand(depth)?;
        loop {
            let before = self.rest;
            let operator = match self.word() {
                "and" => AND,
                "or" => OR,
                _ => 0,
            };
            if operator <= binding {
                self.rest = before;
                return Ok(left);
            }
            let right = self.expression(operator, depth + 1)?;
            let parts = vec![left, right];
            left = if operator == AND {
                Criterion::All(parts)
            } else {
                Criterion::Any(parts)
            };
        }
    }

    fn operand(&mut self, depth: usize) -> Result<Criterion, Issue> {
        if self.takes('(') {
            let inner = self.expression(0, depth + 1)?;
            return if self.takes(')') {
                Ok(inner)
            } else {
                Err(self.malformed("has a parenthesis that is not closed"))
            };
        }
        let path = self.word();
        if path == "not" {
            let before = self.rest;
            if self.takes('(') {
                self.rest = before;
                let inner = self.operand(depth + 1)?;
                return Ok(Criterion::Not(Box::new(inner)));
            }
        }
        if path.is_empty() {
            return Err(
                self.malformed("is made of tests, as in name co \"pet\" and active eq true")
            );
        }
        if path.contains('[') {
            return Err(unsupported("_filter", "has a filter inside a path"));
        }
        self.tests += 1;
        if self.tests > TESTS_MAX {
            return Err(self.malformed("has too many tests"));
        }
        let operator = self.word();
        let value = self.value()?;
        self.test(path, operator, &value)
    }

    fn test(&self, path: &str, operator: &str, value: &str) -> Result<Criterion, Issue> {
        let kind = kind_of(self.reading, self.resource_type, path);
        let Some(kind) = kind else {
            return Err(unsupported(
                "_filter",
                "tests something that is no search parameter",
            ));
        };
        let is_ordered = matches!(
            kind,
            ParameterKind::Date | ParameterKind::Number | ParameterKind::Quantity
        );
        let with = |modifier: &str, value: &str| {
            let name = format!("{path}{modifier}");
            let pair = (name.as_str(), value);
            relation::read(self.reading, self.resource_type, pair, self.depth)
        };
        let prefixed = |prefix: &str| with("", &format!("{prefix}{value}"));
        match operator {
            "eq" if kind == ParameterKind::String => with(":exact", value),
            "eq" => with("", value),
            "ne" if is_ordered => prefixed("ne"),
            "ne" => Ok(negation(self.test(path, "eq", value)?)),
            "co" if kind == ParameterKind::String => with(":contains", value),
            "sw" if kind == ParameterKind::String => with("", value),
            "gt" | "lt" | "ge" | "le" | "ap" | "sa" | "eb" if is_ordered => prefixed(operator),
            "po" if kind == ParameterKind::Date => Ok(Criterion::All(vec![
                negation(prefixed("sa")?),
                negation(prefixed("eb")?),
                with(":missing", "false")?,
            ])),
            "pr" => match value {
                "true" => with(":missing", "false"),
                "false" => with(":missing", "true"),
                _ => Err(self.malformed("has pr with something else than true or false")),
            },
            "ss" => with(":above", value),
            "sb" => with(":below", value),
            "in" => with(":in", value),
            "ni" => with(":not-in", value),
            "re" if kind == ParameterKind::Reference => with("", value),
            "ew" => Err(unsupported("_filter", "has the operator ew")),
            _ => Err(self.malformed("has an operator that does not fit the parameter")),
        }
    }

    /// The next word, up to white space or a parenthesis; brackets belong to it.
    fn word(&mut self) -> &'a str {
        let text = self.rest.trim_start();
        let end = text.find(|letter: char| letter.is_whitespace() || matches!(letter, '(' | ')'));
        let (word, rest) = text
            .split_at_checked(end.unwrap_or(text.len()))
            .unwrap_or((text, ""));
        self.rest = rest;
        word
    }

    /// A value, with what separates values escaped.
    fn value(&mut self) -> Result<String, Issue> {
        let text = self.rest.trim_start();
        let Some(quoted) = text.strip_prefix('"') else {
            let word = self.word();
            return if word.is_empty() {
                Err(self.malformed("has a test without a value"))
            } else {
                Ok(word.replace(',', "\\,"))
            };
        };
        let mut value = String::new();
        let mut letters = quoted.char_indices();
        while let Some((place, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.rest = quoted.get(place + 1..).unwrap_or_default();
                    return Ok(value);
                }
                '\\' => match letters.next() {
                    Some((_, escaped @ (',' | '$' | '|'))) => value.extend(['\\', escaped]),
                    Some((_, '\\')) => value.push_str("\\\\"),
                    Some((_, '"')) => value.push('"'),
                    _ => return Err(self.malformed("has a text with an unknown escape")),
                },
                ',' => value.push_str("\\,"),
                letter => value.push(letter),
            }
        }
        Err(self.malformed("has a text that is not closed"))
    }

    fn takes(&mut self, wanted: char) -> bool {
        match self.rest.trim_start().strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn malformed(&self, reason: &str) -> Issue {
        malformed(self.reading.whole, reason)
    }
}

fn negation(criterion: Criterion) -> Criterion {
    Criterion::Not(Box::new(criterion))
}

/// The kind of the parameter at the end of a path; of several types the first that has it.
fn kind_of(
    reading: &Reading<'_>,
    resource_type: ResourceType,
    path: &str,
) -> Option<ParameterKind> {
    let registry = reading.indexer.registry();
    let mut types = vec![resource_type];
    let mut steps = path.split('.').peekable();
    while let Some(step) = steps.next() {
        let (code, named) = match step.split_once(':') {
            Some((code, name)) => (code, name.parse::<ResourceType>().ok()),
            None => (step, None),
        };
        let mut found = types
            .iter()
            .filter_map(|&one| registry.search_parameter(one, code));
        if steps.peek().is_none() {
            return found.next().map(|parameter| parameter.kind);
        }
        let targets: Vec<ResourceType> = match named {
            Some(named) => vec![named],
            None => found.flat_map(|one| one.targets.iter().copied()).collect(),
        };
        types = targets;
    }
    None
}
