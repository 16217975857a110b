//! Marks on a resource that forbid to store it as it is.
//!
//! A part of a resource must not replace the whole, and rules that are not known cannot be kept.
//! Spec: <https://hl7.org/fhir/R4/search.html#summary>,
//! <https://hl7.org/fhir/R4/resource-definitions.html#Resource.implicitRules>.

use crate::fhir::resource::{Node, Resource};
use crate::outcome::kind::Kind;
use crate::outcome::{Issue, Outcome};

const OBSERVATION_VALUE: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// Refuses a resource that is a part of another, or that names rules of its own.
pub(super) fn check(resource: &Resource) -> Result<(), Outcome> {
    let name = resource.resource_type().name();
    let mut issues = Vec::new();
    if resource.object().contains("implicitRules") {
        let text = "`implicitRules` names rules that this server does not know: it must not accept \
                    the resource.";
        issues.push(Issue::error("not-supported", text).at(format!("{name}.implicitRules")));
    }
    if is_subsetted(resource) {
        let text = "The tag SUBSETTED says that this is only a part of the resource: read it \
                    without _summary and _elements, and send all of it.";
        issues.push(Issue::error("business-rule", text).at(format!("{name}.meta.tag")));
    }
    if issues.is_empty() {
        Ok(())
    } else {
        Err(Outcome::with_issues(Kind::Unprocessable, issues))
    }
}

fn is_subsetted(resource: &Resource) -> bool {
    let Some(Node::Object(meta)) = resource.object().get("meta") else {
        return false;
    };
    meta.items("tag").iter().any(|tag| {
        let text = |member| tag.get(member).and_then(Node::as_str);
        text("code") == Some("SUBSETTED") && text("system").is_none_or(|s| s == OBSERVATION_VALUE)
    })
}
