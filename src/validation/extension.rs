//! Extensions: an absolute `url`, and either a value or nested extensions.
//!
//! Whether an extension is defined, and where it may be used, is not known here.
//! Spec: <https://hl7.org/fhir/R4/extensibility.html#Extension>.

use crate::fhir::resource::Object;
use crate::validation::location::Location;
use crate::validation::structure::Validator;

impl Validator<'_> {
    /// Checks an `Extension`, whose members are checked already.
    pub(super) fn check_extension(&mut self, object: &Object, here: &Location<'_>) {
        let is_nested = here.parent_name() == Some("extension");
        let is_absolute = object.get_str("url").is_none_or(|url| url.contains(':'));
        if !is_nested && !is_absolute {
            let text = "`url` of an extension must be absolute, e.g. http://example.org/x; only \
                extensions within extensions have short ones.";
            self.report
                .error("value", &here.member("url"), text.to_owned());
        }
        let has_value = object
            .iter()
            .any(|(name, _)| name.trim_start_matches('_').starts_with("value"));
        if has_value == object.contains("extension") {
            let text = "An extension must have either a value or extensions of its own (ext-1).";
            self.report.error("invariant", here, text.to_owned());
        }
    }
}
