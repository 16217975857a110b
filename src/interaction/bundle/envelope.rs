//! Whether a Bundle of requests says only what can be heeded.
//!
//! A condition that is misspelt, of the wrong type, or meant for another method would otherwise
//! disappear, and the write would go ahead without it. The resources are not looked at here.
//! Spec: <https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.request>.

use crate::fhir::resource::{Node, Object};
use crate::interaction::Context;
use crate::outcome::kind::Kind;
use crate::outcome::{Issue, Outcome, Severity};
use crate::validation::envelope::{validate_bundle_entry, validate_bundle_head};

/// The members of a request that say under which condition it is carried out.
const CONDITIONS: [&str; 4] = ["ifNoneMatch", "ifModifiedSince", "ifMatch", "ifNoneExist"];

/// Refuses a Bundle whose own members are not those of R4; its entries were taken out.
pub(super) fn check_head(ctx: &Context, bundle: &Object) -> Result<(), Outcome> {
    if bundle.contains("implicitRules") {
        let text = "`implicitRules` names rules that this server does not know.";
        return Err(Outcome::new(Kind::Unprocessable, text).at("Bundle.implicitRules"));
    }
    let shapes = ctx.registry.shapes();
    refuse(validate_bundle_head(
        bundle,
        shapes,
        &ctx.validation_limits(),
    ))
}

/// Refuses an entry that says what R4 does not know; its resource was taken out.
pub(super) fn check_entry(ctx: &Context, entry: &Object, index: usize) -> Result<(), Outcome> {
    let shapes = ctx.registry.shapes();
    refuse(validate_bundle_entry(
        entry,
        index,
        shapes,
        &ctx.validation_limits(),
    ))?;
    let request = entry.get("request").and_then(Node::as_object);
    let issues = request.map(|request| misplaced(request, index));
    refuse(issues.unwrap_or_default())
}

/// Conditions that the method does not have, and conditions without a value.
fn misplaced(request: &Object, index: usize) -> Vec<Issue> {
    let method = request.get_str("method").unwrap_or_default();
    let fitting: &[&str] = match method {
        "GET" | "HEAD" => &["ifNoneMatch", "ifModifiedSince"],
        "POST" => &["ifNoneExist"],
        _ => &["ifMatch", "ifNoneMatch"],
    };
    let mut issues = Vec::new();
    for name in CONDITIONS {
        let place = format!("Bundle.entry[{index}].request.{name}");
        if !request.contains(name) {
            if request.contains(&format!("_{name}")) {
                let text = format!("`{name}` has no value: give one, or leave it out.");
                issues.push(Issue::error("required", text).at(place));
            }
        } else if !fitting.contains(&name) {
            let text = format!(
                "`{name}` does not go with {method}, which can have {}.",
                fitting.join(" and ")
            );
            issues.push(Issue::error("invalid", text).at(place));
        }
    }
    issues
}

fn refuse(issues: Vec<Issue>) -> Result<(), Outcome> {
    if issues.iter().any(|issue| issue.severity == Severity::Error) {
        return Err(Outcome::with_issues(Kind::Invalid, issues));
    }
    Ok(())
}
