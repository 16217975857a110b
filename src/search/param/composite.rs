//! Composite parameters: several values that belong to one element.
//!
//! Keys: parameter, hash of the first part (a code or a target), then the second part: the number
//! of a quantity without its unit and in base units, both bounds of a date, the hash of a code.
//! Everything is verified on the resource, which also decides systems, units and third parts.
//! Spec: <https://hl7.org/fhir/R4/search.html#combining>.

use std::borrow::Cow;

use crate::conformance::search_parameter::ParameterKind;
use crate::seal::blind::Domain;
use crate::search::hasher::Hasher;
use crate::search::key::{Key, ParameterNumber};
use crate::search::param::token::case::fold;
use crate::search::param::{Condition, Found, KeyWriter, date, number, quantity, reference, token};
use crate::search::plan::{KeyRange, Predicate};

/// What a composite value asks for: one condition for each part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompositeCondition {
    /// In the order of the parts.
    pub parts: Vec<Condition>,
}

/// The values that one element has for each part, in the order of the parts.
pub type Group<'a> = Vec<Vec<Found<'a>>>;

/// Writes the keys of an element that has a value for every part.
pub fn index(kinds: &[ParameterKind], group: &Group<'_>, writer: &mut KeyWriter<'_, '_>) {
    let ([first_kind, second_kind, ..], [first, second, ..]) = (kinds, group.as_slice()) else {
        return;
    };
    for one in first {
        let base_url = writer.base_url;
        each_tag(*first_kind, one, base_url, &mut |tag| {
            for other in second {
                index_second(*second_kind, tag, other, writer);
            }
        });
    }
}

fn index_second(kind: ParameterKind, tag: &str, value: &Found<'_>, writer: &mut KeyWriter<'_, '_>) {
    let (by_first, second) = bases(tag, writer.parameter, writer.hasher);
    match kind {
        ParameterKind::Quantity => quantity::index_tagged(value, tag, writer),
        ParameterKind::Number => {
            if let Some(span) = number::span(value) {
                number::span_keys(&span, &[(by_first, second)], writer.keys);
            }
        }
        ParameterKind::Date => date::index_below(value, by_first, second, writer.keys),
        ParameterKind::Token => token::each_token(value, &mut |_, code| {
            if let Some(code) = code {
                let hash = writer.hasher.hash8(Domain::Code, &fold(code));
                writer.keys.push(by_first.clone().with(&hash));
            }
        }),
        _ => writer.keys.push(by_first),
    }
}

/// What the keys of a parameter in both layouts begin with.
fn bases(tag: &str, parameter: ParameterNumber, hasher: &mut Hasher<'_>) -> (Key, Key) {
    let hash = hasher.hash8(Domain::CodePair, tag);
    let second = Key::second(parameter).with(&hash);
    (Key::new(parameter).with(&hash), second)
}

/// Gives what the first part of a key is made of.
fn each_tag(kind: ParameterKind, value: &Found<'_>, base_url: &str, each: &mut dyn FnMut(&str)) {
    match kind {
        ParameterKind::Token => token::each_token(value, &mut |_, code| {
            if let Some(code) = code {
                each(&fold(code));
            }
        }),
        ParameterKind::Reference => {
            reference::each_target(value, base_url, &mut |target, _| each(target));
        }
        _ => {}
    }
}

impl CompositeCondition {
    /// The condition on keys.
    pub fn lower(&self, parameter: ParameterNumber, hasher: &mut Hasher<'_>) -> Predicate {
        let tags = self.tags();
        if tags.is_empty() {
            return Predicate::present(parameter);
        }
        let mut any: Vec<_> = tags
            .iter()
            .map(|tag| self.lower_second(tag, parameter, hasher))
            .collect();
        match (any.pop(), any.is_empty()) {
            (Some(only), true) => only,
            (Some(last), false) => {
                any.push(last);
                Predicate::Or(any)
            }
            (None, _) => Predicate::Nothing,
        }
    }

    fn lower_second(
        &self,
        tag: &str,
        parameter: ParameterNumber,
        hasher: &mut Hasher<'_>,
    ) -> Predicate {
        let (by_first, second) = bases(tag, parameter, hasher);
        match self.parts.get(1) {
            Some(Condition::Quantity(one)) => one.lower_tagged(tag, parameter, hasher),
            Some(Condition::Number(one)) => one.lower_below(&by_first, &second),
            Some(Condition::Date(one)) => one.lower_below(by_first, second),
            Some(Condition::Token(one)) => match one.code() {
                Some(code) => {
                    let hash = hasher.hash8(Domain::Code, &fold(code));
                    Predicate::Key(by_first.with(&hash))
                }
                None => Predicate::Range(KeyRange::prefix(by_first)),
            },
            _ => Predicate::Key(by_first),
        }
    }

    /// What the first part names; nothing where it names no single thing.
    fn tags(&self) -> Vec<Cow<'_, str>> {
        match self.parts.first() {
            Some(Condition::Token(one)) => one.code().map(fold).into_iter().collect(),
            Some(Condition::Reference(one)) => {
                let targets = one.targets.iter();
                targets.map(|one| Cow::Borrowed(one.as_str())).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether its keys are all that the parameter has.
    pub fn is_walk(&self) -> bool {
        self.tags().is_empty()
    }

    /// Whether an element meets it: each part by one of its values.
    pub fn matches(&self, group: &Group<'_>, base_url: &str) -> bool {
        let mut parts = self.parts.iter().zip(group);
        self.parts.len() == group.len()
            && parts.all(|(part, values)| values.iter().any(|one| part.matches(one, base_url)))
    }
}
