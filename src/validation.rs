//! Whether a resource keeps the R4 definitions: all problems, each with its place and the remedy.
//!
//! Structure, cardinality, primitive formats, required bindings, reference targets, contained
//! resources, narratives and extensions are checked natively, in one walk that allocates only for
//! problems. Profiles and invariants written in FHIRPath are not part of this.
//! Spec: <https://hl7.org/fhir/R4/validation.html>.

mod binding;
mod companion;
mod contained;
pub mod envelope;
mod extension;
mod location;
mod member;
mod narrative;
mod primitive;
mod reference;
mod report;
mod shown;
mod structure;

use crate::fhir::resource::Resource;
use crate::fhir::shape::Shapes;
use crate::outcome::Issue;
use crate::validation::structure::Validator;

/// Bounds on what is accepted and on what is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValidationLimits {
    /// How many elements deep a resource may nest, resources inside it included.
    pub depth_max: usize,
    /// Issues that are listed; what is over it becomes one more issue that says so.
    pub issues_max: usize,
    /// Characters of a `string`, a `markdown` and all other texts but `base64Binary` and `xhtml`.
    pub string_chars_max: usize,
    /// How deep the XHTML of a narrative may nest.
    pub narrative_depth_max: usize,
}

impl Default for ValidationLimits {
    fn default() -> Self {
        Self {
            depth_max: 64,
            issues_max: 100,
            string_chars_max: 1024 * 1024,
            narrative_depth_max: 64,
        }
    }
}

/// Checks a resource. No issue, or warnings only, means that it may be stored.
///
/// A problem stands under the path of its element, with choices under their JSON name
/// (`Observation.valueQuantity.unit`). Messages name elements and what would be right, never what
/// the resource says.
pub fn validate(resource: &Resource, shapes: &Shapes, limits: &ValidationLimits) -> Vec<Issue> {
    Validator::new(shapes, limits).run(resource)
}
