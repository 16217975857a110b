//! Conditions: what search criteria of a conditional interaction match.
//!
//! The criteria are reserved before they are searched: of two writers that act on the same
//! criteria at once, the slower one's commit fails and it searches again. So 64 clients that send
//! the same conditional create leave one resource.
//! Spec: <https://hl7.org/fhir/R4/http.html#cond>.

use crate::access::Grant;
use crate::access::records::Stored;
use crate::fhir::resource_type::ResourceType;
use crate::interaction::Context;
use crate::interaction::search::{self, Strictness};
use crate::interaction::stage::Stage;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// Search criteria on one type.
#[derive(Debug, Clone, Copy)]
pub struct Criteria<'a> {
    /// The type.
    pub resource_type: ResourceType,
    /// The query, as it stands behind the question mark.
    pub query: &'a str,
}

impl Criteria<'_> {
    /// What criteria that ask for the same have in common, in whatever words they do.
    pub fn key(&self, ctx: &Context) -> Result<String, Outcome> {
        search::form(ctx, self.resource_type, self.query)
    }
}

/// The criteria of a conditional create: clients send `identifier=x`, `?identifier=x` or
/// `Patient?identifier=x`, and the query counts.
pub fn criteria_of(text: &str) -> &str {
    text.split_once('?').map_or(text, |(_, query)| query)
}

/// The one resource that the criteria match; `None` when nothing does.
///
/// # Errors
/// 412 when several match; 400 when the criteria are empty, unknown or malformed: whoever writes
/// on a condition must have it read exactly.
pub async fn find_one(
    ctx: &Context,
    grant: &Grant,
    stage: &mut Stage,
    criteria: &Criteria<'_>,
) -> Result<Option<Stored>, Outcome> {
    let mut found = find(ctx, grant, stage, criteria, 2).await?;
    if found.len() > 1 {
        return Err(Outcome::new(
            Kind::PreconditionFailed,
            "The criteria match several resources: they must match one at most.",
        ));
    }
    Ok(found.pop())
}

/// Up to `limit` resources that the criteria match.
pub async fn find(
    ctx: &Context,
    grant: &Grant,
    stage: &mut Stage,
    criteria: &Criteria<'_>,
    limit: usize,
) -> Result<Vec<Stored>, Outcome> {
    let query = search::parse(
        ctx,
        criteria.resource_type,
        criteria.query,
        Strictness::Strict,
    )?;
    if query
        .warnings
        .iter()
        .any(|issue| issue.code == "incomplete")
    {
        return Err(Outcome::new(
            Kind::Unavailable,
            "The criteria use a search parameter by which resources are still being indexed: \
             nothing is written on an incomplete answer. Try again when it is complete.",
        ));
    }
    if query.criteria.is_empty() {
        return Err(Outcome::new(
            Kind::PreconditionFailed,
            "The criteria are empty: they would match every resource of the type.",
        ));
    }
    stage.reserve_criteria(ctx, criteria.key(ctx)?).await?;
    search::find_all(ctx, grant, &query, limit).await
}

#[cfg(test)]
mod tests {
    use super::criteria_of;

    #[test]
    fn criteria_may_carry_a_path() {
        assert_eq!(criteria_of("Patient?identifier=x"), "identifier=x");
        assert_eq!(criteria_of("?identifier=x"), "identifier=x");
        assert_eq!(criteria_of("identifier=x"), "identifier=x");
    }
}
