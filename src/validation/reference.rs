//! References: their form, the type of their target, and contained targets that must be there.
//!
//! Whether any other target exists is for the interaction to find out.
//! Spec: <https://hl7.org/fhir/R4/references.html>.

use compact_str::CompactString;

use crate::fhir::id;
use crate::fhir::reference::Reference;
use crate::fhir::resource::Object;
use crate::fhir::resource_type::ResourceType;
use crate::fhir::shape::ElementShape;
use crate::validation::location::Location;
use crate::validation::structure::Validator;

/// Target types that a message lists at most.
const TARGETS_LISTED_MAX: usize = 12;

impl Validator<'_> {
    /// Checks a `Reference` that is the value of `element`.
    pub(super) fn check_reference(
        &mut self,
        object: &Object,
        element: &ElementShape,
        at: &Location<'_>,
    ) {
        let mut referred = None;
        if let Some(text) = object.get_str("reference") {
            let here = at.member("reference");
            referred = self.check_literal(text, &here);
            if let Some(resource_type) = referred {
                self.check_target(resource_type, element, &here);
            }
        }
        if let Some(text) = object.get_str("type") {
            self.check_stated_type(text, referred, element, &at.member("type"));
        }
    }

    /// Checks the text of a reference; the type it refers to, when it tells.
    fn check_literal(&mut self, text: &str, here: &Location<'_>) -> Option<ResourceType> {
        match Reference::parse(text, None) {
            Reference::Local { resource_type, .. }
            | Reference::Conditional { resource_type, .. } => Some(resource_type),
            Reference::Absolute(url) => type_in_url(url),
            Reference::Urn(_) => None,
            Reference::Contained("") => {
                if !self.scope.refer_to_container() {
                    let text = "`reference` # means the container, and there is none.";
                    self.report.error("invariant", here, text.to_owned());
                }
                None
            }
            Reference::Contained(id) => {
                let Some(target) = self.scope.refer(id) else {
                    let text = "`reference` must name a resource in `contained` by its id (ref-1).";
                    self.report.error("invariant", here, text.to_owned());
                    return None;
                };
                target.get_str("resourceType")?.parse().ok()
            }
            Reference::Malformed => {
                let text = "`reference` must be Type/id, an absolute URL, urn:uuid:..., #id of a \
                    contained resource, or (in a transaction) Type?query.";
                self.report.error("value", here, text.to_owned());
                None
            }
        }
    }

    fn check_stated_type(
        &mut self,
        text: &str,
        referred: Option<ResourceType>,
        element: &ElementShape,
        here: &Location<'_>,
    ) {
        let name = text
            .strip_prefix("http://hl7.org/fhir/StructureDefinition/")
            .unwrap_or(text);
        let Ok(stated) = name.parse::<ResourceType>() else {
            // Any other absolute URL may name a logical model; what is no URI is refused already.
            if !text.contains([':', ' ']) {
                let text = "`type` must be a resource type such as Patient.";
                self.report.error("value", here, text.to_owned());
            }
            return;
        };
        match referred {
            Some(referred) if referred != stated => {
                let text = format!(
                    "`type` says {stated} and `reference` {referred}: they must be the same."
                );
                self.report.error("value", here, text);
            }
            Some(_) => {}
            None => self.check_target(stated, element, here),
        }
    }

    fn check_target(&mut self, found: ResourceType, element: &ElementShape, here: &Location<'_>) {
        let targets = &element.targets;
        let is_allowed = |target: &str| target == found.name() || target == "Resource";
        if targets.is_empty() || targets.iter().any(|target| is_allowed(target)) {
            return;
        }
        let more = if targets.len() > TARGETS_LISTED_MAX {
            ", ..."
        } else {
            ""
        };
        let listed: Vec<_> = targets
            .iter()
            .take(TARGETS_LISTED_MAX)
            .map(CompactString::as_str)
            .collect();
        let text = format!(
            "`{}` may refer to {}{more}, not to {found}.",
            element.name,
            listed.join(", ")
        );
        self.report.error("value", here, text);
    }
}

/// The resource type in `http://server/base/Patient/1`, with or without a version behind.
fn type_in_url(url: &str) -> Option<ResourceType> {
    let (path, _) = url.split_once("/_history/").unwrap_or((url, ""));
    let (rest, target) = path.rsplit_once('/')?;
    let (_, name) = rest.rsplit_once('/')?;
    id::is_valid(target).then(|| name.parse().ok())?
}
