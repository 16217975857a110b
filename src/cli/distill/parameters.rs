//! The table of search parameters, with a number for every pair of resource type and parameter.
//!
//! Stored index keys begin with these numbers: a number, once given, stays with its pair, so the
//! table that is already there is read first and only what is new to it gets new numbers.

use std::collections::BTreeMap;

use super::definition::{Component, Definitions, Parameter, last_segment};
use super::{DistillError, line};

/// How the line with the next number begins.
const NEXT: &str = "# Next number: ";

const NOTE: &str = "\
# Search parameters of R4. Written by `vesta distill`, which reads the numbers from here first.
# url, code, kind, targets, comparators, modifiers, refused repetition
#\t\tcomponent's parameter, its expression
#\tresource type, number, expression for it
# Numbers begin stored keys: never change one, never use one again.
# Targets: * is every resource type.
";

/// Components whose expressions are wrong in R4: what they are like, what stands there, and what
/// is meant. The two of `DocumentReference-relationship` have each other's expression.
const CORRECTIONS: [(&str, &str, &str); 3] = [
    (
        "Observation-value-date",
        "value.as(DateTime) | value.as(Period)",
        "value.as(dateTime) | value.as(Period)",
    ),
    ("DocumentReference-relatesto", "code", "target"),
    ("DocumentReference-relation", "target", "code"),
];

/// A resource type and the code of a parameter.
type Pair = (String, String);

/// Numbers given so far.
pub(super) struct Numbers {
    given: BTreeMap<Pair, u16>,
    next: u16,
}

/// Makes the table; `known` is what the present one says.
pub(super) fn table(
    definitions: &Definitions,
    known: Numbers,
) -> Result<(String, usize), DistillError> {
    let concrete = definitions.concrete_resources();
    let mut numbers = known;
    numbers.add(definitions, &concrete)?;
    let mut text = format!("{NOTE}{NEXT}{}\n", numbers.next);
    for (url, parameter) in &definitions.parameters {
        let targets = if is_any(&parameter.target, &concrete) {
            "*".to_owned()
        } else {
            parameter.target.join(",")
        };
        let refused: Vec<_> = [
            (parameter.multiple_or, "or"),
            (parameter.multiple_and, "and"),
        ]
        .into_iter()
        .filter_map(|(is_allowed, name)| (is_allowed == Some(false)).then_some(name))
        .collect();
        let columns = [
            url.as_str(),
            &parameter.code,
            &parameter.r#type,
            &targets,
            &parameter.comparator.join(","),
            &parameter.modifier.join(","),
            &refused.join(","),
        ];
        text.push_str(&line(0, &columns));
        for component in &parameter.component {
            let columns = [component.definition.as_str(), corrected(component)];
            text.push_str(&line(2, &columns));
        }
        for name in bases(definitions, parameter, &concrete) {
            let number = numbers.of(name, &parameter.code)?.to_string();
            let expression = expression_for(parameter, name, &concrete)?;
            text.push_str(&line(1, &[name, &number, &expression]));
        }
    }
    Ok((text, definitions.parameters.len()))
}

impl Numbers {
    /// Reads the numbers from the table as it is; an empty text has none.
    pub(super) fn read(table: &str) -> Result<Self, DistillError> {
        let broken = || DistillError::Unexpected("the present table of search parameters".into());
        let mut numbers = Self {
            given: BTreeMap::new(),
            next: 1,
        };
        let mut code = "";
        for text in table.lines() {
            if let Some(next) = text.strip_prefix(NEXT) {
                numbers.next = next.parse().map_err(|_not_a_number| broken())?;
            } else if text.starts_with('#') || text.starts_with("\t\t") {
            } else if let Some(row) = text.strip_prefix('\t') {
                let mut columns = row.split('\t');
                let name = columns.next().ok_or_else(broken)?;
                let number = columns.next().and_then(|number| number.parse().ok());
                let pair = (name.to_owned(), code.to_owned());
                numbers.given.insert(pair, number.ok_or_else(broken)?);
            } else {
                code = text.split('\t').nth(1).ok_or_else(broken)?;
            }
        }
        Ok(numbers)
    }

    /// Gives numbers to pairs that have none, in the order of their names.
    fn add(&mut self, definitions: &Definitions, concrete: &[&str]) -> Result<(), DistillError> {
        let mut pairs: Vec<Pair> = Vec::new();
        for parameter in definitions.parameters.values() {
            for name in bases(definitions, parameter, concrete) {
                pairs.push((name.to_owned(), parameter.code.clone()));
            }
        }
        pairs.sort();
        if let Some(twice) = pairs.windows(2).find_map(|two| match two {
            [one, other] if one == other => Some(one),
            _ => None,
        }) {
            let problem = format!("two parameters {} of {}", twice.1, twice.0);
            return Err(DistillError::Unexpected(problem));
        }
        for pair in pairs {
            if !self.given.contains_key(&pair) {
                self.given.insert(pair, self.next);
                let full = || DistillError::Unexpected("more parameters than numbers".into());
                self.next = self.next.checked_add(1).ok_or_else(full)?;
            }
        }
        Ok(())
    }

    fn of(&self, name: &str, code: &str) -> Result<u16, DistillError> {
        let pair = (name.to_owned(), code.to_owned());
        let number = self.given.get(&pair).copied();
        number.ok_or_else(|| DistillError::Unexpected(format!("no number for {name} {code}")))
    }
}

/// The concrete types that a parameter applies to.
fn bases<'a>(
    definitions: &'a Definitions,
    parameter: &'a Parameter,
    concrete: &[&'a str],
) -> Vec<&'a str> {
    let is_base = |name: &str| parameter.base.iter().any(|base| base == name);
    let applies = |name: &&&str| definitions.lineage(name).any(is_base);
    concrete.iter().filter(applies).copied().collect()
}

/// Whether the targets are all resource types; R4 leaves out `Parameters`, which has no identity.
fn is_any(targets: &[String], concrete: &[&str]) -> bool {
    let mut types = concrete.iter().filter(|name| **name != "Parameters");
    types.all(|name| targets.iter().any(|target| target == name))
}

/// The part of an expression that can give something for resources of one type: the alternatives
/// that begin with the name of another type are left out.
fn expression_for(
    parameter: &Parameter,
    name: &str,
    concrete: &[&str],
) -> Result<String, DistillError> {
    let Some(expression) = &parameter.expression else {
        return Ok(String::new());
    };
    let kept: Vec<_> = alternatives(expression)
        .into_iter()
        .filter(|alternative| {
            let first = first_word(alternative);
            first == name || !concrete.contains(&first)
        })
        .collect();
    if kept.is_empty() {
        let url = &parameter.url;
        return Err(DistillError::Unexpected(format!(
            "{} says nothing about its base {name}",
            last_segment(url)
        )));
    }
    Ok(kept.join(" | "))
}

/// The alternatives of a union that is not inside brackets or quotes.
fn alternatives(expression: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let mut is_quoted = false;
    expression
        .split(|letter| {
            match letter {
                '\'' => is_quoted = !is_quoted,
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            letter == '|' && depth == 0 && !is_quoted
        })
        .map(str::trim)
        .collect()
}

fn first_word(expression: &str) -> &str {
    let inner = expression.trim_start_matches(['(', ' ']);
    let end = inner.find(|letter: char| !letter.is_ascii_alphanumeric());
    end.and_then(|end| inner.get(..end)).unwrap_or(inner)
}

fn corrected(component: &Component) -> &str {
    let definition = last_segment(&component.definition);
    let correction = CORRECTIONS
        .iter()
        .find(|(name, wrong, _)| *name == definition && *wrong == component.expression);
    correction.map_or(&component.expression, |(_, _, right)| right)
}
