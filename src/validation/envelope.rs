//! The envelope of a Bundle of requests: what it says itself, without the resources it carries.
//!
//! A misspelt or mistyped condition must not be taken for none. The resources are validated later,
//! where they are about to be written, so they are not descended into here.
//! Spec: <https://hl7.org/fhir/R4/bundle.html>.

use crate::fhir::resource::{Node, Object};
use crate::fhir::shape::Shapes;
use crate::outcome::Issue;
use crate::validation::ValidationLimits;
use crate::validation::location::Location;
use crate::validation::structure::Validator;

const BUNDLE: &str = "Bundle";
const ENTRY: &str = "entry";

/// Checks the members of a Bundle whose entries were taken out.
pub fn validate_bundle_head(
    bundle: &Object,
    shapes: &Shapes,
    limits: &ValidationLimits,
) -> Vec<Issue> {
    let Some(type_id) = shapes.type_id(BUNDLE) else {
        return Vec::new();
    };
    let mut validator = Validator::new(shapes, limits);
    validator.members(bundle, type_id, &Location::root(BUNDLE));
    validator.report.into_issues()
}

/// Checks an entry of a Bundle whose resource was taken out.
pub fn validate_bundle_entry(
    entry: &Object,
    index: usize,
    shapes: &Shapes,
    limits: &ValidationLimits,
) -> Vec<Issue> {
    let bundle = shapes.type_id(BUNDLE);
    let Some(found) = bundle.and_then(|type_id| shapes.find(type_id, ENTRY)) else {
        return Vec::new();
    };
    let root = Location::root(BUNDLE);
    let here = root.member(ENTRY).item(index);
    let mut validator = Validator::new(shapes, limits);
    validator.members(entry, found.value_type, &here);
    for (place, object) in [
        (here, Some(entry)),
        (
            here.member("request"),
            entry.get("request").and_then(Node::as_object),
        ),
    ] {
        if object.is_some_and(|object| object.contains("modifierExtension")) {
            let text = "`modifierExtension` changes what a request means in a way that this server \
                        does not know.";
            let place = place.member("modifierExtension");
            validator
                .report
                .error("not-supported", &place, text.to_owned());
        }
    }
    validator.report.into_issues()
}
