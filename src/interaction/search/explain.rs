//! How a search was answered: what was walked, what was tested, how much there was to examine.
//!
//! Only names of parameters and figures are shown, no value of the query or of a resource.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::search::matching::Matching;
use crate::outcome::Issue;
use crate::search::key::{Key, PARAMETER_NUMBER_MAX};
use crate::search::plan::Predicate;

/// Alternatives that are told one by one.
const SHOWN_MAX: usize = 5;

/// What is said about a search.
pub(super) fn notes(ctx: &Context, matching: &Matching, elapsed_ms: i64) -> Vec<Issue> {
    let describe = |predicate: &Predicate| {
        let mut text = String::new();
        describe(ctx, predicate, &mut text);
        text
    };
    let mut texts = vec![
        format!("walked, by index: {}", describe(&matching.plan.driver)),
        format!("tested on each: {}", describe(&matching.plan.residual)),
    ];
    if !matching.counts.is_empty() {
        let counts: Vec<_> = matching.counts.iter().map(u64::to_string).collect();
        texts.push(format!("candidates of each choice: {}", counts.join(", ")));
    }
    let examined = matching.examined.load(Ordering::Relaxed);
    texts.push(format!("candidates examined: {examined}"));
    if matching.needs_verification() {
        texts.push("verified: on the opened resources".to_owned());
    }
    texts.push(format!("time: {elapsed_ms} ms"));
    let notes = texts.into_iter();
    notes
        .map(|text| Issue::information("informational", text))
        .collect()
}

fn describe(ctx: &Context, predicate: &Predicate, text: &mut String) {
    match predicate {
        Predicate::All => text.push_str("everything"),
        Predicate::Nothing => text.push_str("nothing"),
        Predicate::Key(key) => text.push_str(&name_of(ctx, key)),
        Predicate::Range(range) => {
            text.push_str("a range of ");
            text.push_str(&name_of(ctx, &range.low));
        }
        Predicate::Compartment(_) => text.push_str("a patient's compartment"),
        Predicate::AnyCompartment(_) | Predicate::AnyId(_) => {
            text.push_str("the records of some patients");
        }
        Predicate::Ids(ids) => {
            // Writing to a String does not fail.
            write!(text, "{} ids", ids.len()).unwrap_or_default();
        }
        Predicate::LastUpdated { .. } => text.push_str("the time of the last update"),
        Predicate::Not(inner) => {
            text.push_str("not ");
            describe(ctx, inner, text);
        }
        Predicate::And(parts) => describe_all(ctx, ("and", parts), text),
        Predicate::Or(parts) => describe_all(ctx, ("or", parts), text),
    }
}

fn describe_all(ctx: &Context, (word, parts): (&str, &[Predicate]), text: &mut String) {
    text.push('(');
    for (place, part) in parts.iter().take(SHOWN_MAX).enumerate() {
        if place > 0 {
            text.push(' ');
            text.push_str(word);
            text.push(' ');
        }
        describe(ctx, part, text);
    }
    if parts.len() > SHOWN_MAX {
        write!(text, " {word} {} more", parts.len() - SHOWN_MAX).unwrap_or_default();
    }
    text.push(')');
}

/// The parameter that a key belongs to.
fn name_of(ctx: &Context, key: &Key) -> String {
    let mut types = ResourceType::all();
    if let Some(of) = types.find(|one| Key::of_type(*one) == *key) {
        return format!("type {of}");
    }
    let number = key
        .as_bytes()
        .first_chunk()
        .map(|bytes| u16::from_be_bytes(*bytes));
    let number = number.map(|number| number & (PARAMETER_NUMBER_MAX | 1));
    for resource_type in ResourceType::all() {
        let mut parameters = ctx.registry.search_parameters(resource_type).iter();
        if let Some(found) = parameters.find(|one| Some(one.number) == number) {
            return format!("{resource_type}:{}", found.code);
        }
    }
    "a parameter".to_owned()
}
