//! Whether case counts in the codes that a query names, where a stored code system says so.
//!
//! Spec: <https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.caseSensitive>.

use crate::access::Grant;
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::outcome::Outcome;
use crate::search::param::Condition;
use crate::search::param::token::TokenCondition;
use crate::search::param::token::case::{LetterCase, has_cases};
use crate::search::query::{Criterion, Query};

/// A code of a system, and how it would be compared if nothing were known of the system.
type Named<'c> = (&'c mut TokenCondition, LetterCase);

/// Has codes compared as the stored code systems of their systems say.
pub(super) async fn settle(ctx: &Context, grant: &Grant, query: &mut Query) -> Result<(), Outcome> {
    let mut named = Vec::new();
    for criterion in &mut query.criteria {
        collect(ctx, query.resource_type, criterion, &mut named);
    }
    for (token, unknown) in named {
        let TokenCondition::CodeInSystem { system, code, case } = token else {
            continue;
        };
        // Most codes are digits: of these nobody has to be asked.
        if system.is_empty() || !has_cases(code) {
            continue;
        }
        match ctx.records.is_case_sensitive(grant, system).await? {
            Some(true) => *case = LetterCase::Exact,
            Some(false) => *case = unknown,
            None => {}
        }
    }
    Ok(())
}

fn collect<'c>(
    ctx: &Context,
    resource_type: ResourceType,
    criterion: &'c mut Criterion,
    named: &mut Vec<Named<'c>>,
) {
    match criterion {
        Criterion::Not(inner) => collect(ctx, resource_type, inner, named),
        Criterion::All(parts) | Criterion::Any(parts) => {
            for part in parts {
                collect(ctx, resource_type, part, named);
            }
        }
        Criterion::Parameter { code, any_of } => {
            for condition in any_of {
                tokens(ctx, (resource_type, code), condition, named);
            }
        }
        _ => {}
    }
    // Identifiers and codes with a required binding are compared with case in any case.
    named.retain(|(_, case)| *case != LetterCase::Exact);
}

fn tokens<'c>(
    ctx: &Context,
    (resource_type, code): (ResourceType, &str),
    condition: &'c mut Condition,
    named: &mut Vec<Named<'c>>,
) {
    let indexer = ctx.records.indexer();
    match condition {
        Condition::Token(token) => {
            let (_, _, case) = indexer.systems(resource_type, code);
            named.push((token, case));
        }
        Condition::Composite(composite) => {
            for (place, part) in composite.parts.iter_mut().enumerate() {
                let (_, _, case) = indexer.component_systems(resource_type, code, place);
                if let Condition::Token(token) = part {
                    named.push((token, case));
                }
            }
        }
        _ => {}
    }
}
