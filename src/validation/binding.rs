//! Required bindings: codes that must be taken from a value set.
//!
//! Weaker bindings are not looked at, nor are value sets whose codes cannot be listed. A message
//! shows the codes that are allowed when they are few, and never the one that was sent.
//! Spec: <https://hl7.org/fhir/R4/terminologies.html#required>.

use crate::fhir::resource::{Node, Object};
use crate::fhir::shape::{CodeSet, TypeShape};
use crate::validation::location::Location;
use crate::validation::structure::Validator;

/// Value sets with more codes than this are named, not listed.
const CODES_LISTED_MAX: usize = 30;

impl Validator<'_> {
    /// Checks a bare `code` (or a string bound like one).
    pub(super) fn check_code(&mut self, code: &str, codes: u16, here: &Location<'_>) {
        let Some(set) = self.shapes.code_set(codes) else {
            return;
        };
        if set.is_enumerable() && !set.contains(None, code) {
            self.wrong_code(set, false, here);
        }
    }

    /// Checks a `Coding`, `CodeableConcept` or `Quantity`; other types have no codes.
    pub(super) fn check_coded(
        &mut self,
        object: &Object,
        shape: &TypeShape,
        codes: u16,
        here: &Location<'_>,
    ) {
        let Some(set) = self
            .shapes
            .code_set(codes)
            .filter(|set| set.is_enumerable())
        else {
            return;
        };
        let holds = match shape.name.as_str() {
            "Coding" => is_member(set, object) != Some(false),
            "CodeableConcept" => {
                let codings = object.items("coding");
                let has_code = codings
                    .iter()
                    .filter_map(Node::as_object)
                    .any(|coding| is_member(set, coding) == Some(true));
                // An extension may say why there is no code, e.g. data-absent-reason.
                let says_why =
                    codings.is_empty() && !object.contains("text") && object.contains("extension");
                has_code || says_why
            }
            "Quantity" | "SimpleQuantity" | "Age" | "Duration" | "Distance" | "Count" => {
                is_member(set, object) != Some(false)
            }
            _ => true,
        };
        if !holds {
            self.wrong_code(set, true, here);
        }
    }

    #[cold]
    fn wrong_code(&mut self, set: &CodeSet, has_system: bool, here: &Location<'_>) {
        let name = here.name();
        let value_set = &set.value_set;
        let count: usize = set.systems.iter().map(|system| system.codes.len()).sum();
        let mut text = format!("`{name}` must be a code of the value set {value_set}");
        if count <= CODES_LISTED_MAX {
            for (index, system) in set.systems.iter().enumerate() {
                text.push_str(if index == 0 { ": " } else { "; " });
                text.push_str(&system.codes.join(", "));
                if has_system {
                    text.push_str(" of the system ");
                    text.push_str(&system.system);
                }
            }
        }
        text.push('.');
        self.report.error("code-invalid", here, text);
    }
}

/// Whether system and code are in the set; `None` when there is no code at all.
fn is_member(set: &CodeSet, coded: &Object) -> Option<bool> {
    let code = coded.get_str("code")?;
    let system = coded.get_str("system");
    Some(system.is_some_and(|system| set.contains(Some(system), code)))
}
