//! Whether the case of letters counts in a code: by its code system, and by the type of the value.
//!
//! Where nothing is known it does not count: finding too much harms less than finding too little.
//! Spec: <https://hl7.org/fhir/R4/search.html#token>.

use std::borrow::Cow;

use crate::search::param::{DataType, Found};
use crate::search::unit::UCUM;

/// How the codes of a parameter are compared, by the types of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LetterCase {
    /// With case: identifiers, texts, codes with a required binding.
    #[default]
    Exact,
    /// Without case, unless the system that is asked for says otherwise.
    Folded,
    /// It has values of both sorts.
    Mixed,
}

impl LetterCase {
    /// Of values of these types; `has_bindings` when codes among them are bound as required.
    pub fn of(types: impl Iterator<Item = DataType>, has_bindings: bool) -> Self {
        // What has no letters is compared alike either way.
        let types = types
            .filter(|one| !matches!(one, DataType::Boolean | DataType::Number | DataType::Date));
        let mut found = types.map(|one| match one {
            DataType::Code if has_bindings => Self::Exact,
            one if is_exact(one) => Self::Exact,
            _ => Self::Folded,
        });
        let first = found.next().unwrap_or_default();
        if found.all(|one| one == first) {
            first
        } else {
            Self::Mixed
        }
    }

    /// For codes of a system.
    #[must_use]
    pub fn within(self, system: &str) -> Self {
        if is_case_sensitive(system) {
            Self::Exact
        } else {
            self
        }
    }

    /// Whether the code of a value is the wanted one.
    pub fn is_same(self, value: &Found<'_>, stored: &str, wanted: &str) -> bool {
        stored == wanted || self != Self::Exact && is_folded(value) && fold(stored) == fold(wanted)
    }
}

/// Whether the case of a value's codes may be ignored.
pub fn is_folded(value: &Found<'_>) -> bool {
    let is_bound = value.data_type == DataType::Code && value.codes.is_some();
    !is_bound && !is_exact(value.data_type)
}

/// Types whose values are compared with case: identifiers are, as R4 has it, unless their system
/// is known not to.
fn is_exact(data_type: DataType) -> bool {
    matches!(
        data_type,
        DataType::Identifier | DataType::Text | DataType::Uri | DataType::Canonical
    )
}

/// Systems whose codes differ in case: HL7's own but for the tables of version 2, and UCUM.
fn is_case_sensitive(system: &str) -> bool {
    let of_terminology = system.strip_prefix("http://terminology.hl7.org/CodeSystem/");
    system == UCUM
        || system.starts_with("http://hl7.org/fhir/")
        || of_terminology.is_some_and(|name| !name.starts_with("v2-"))
}

/// A code without the case of its letters.
pub fn fold(code: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| letter.is_ascii() && !letter.is_ascii_uppercase();
    if code.chars().all(is_plain) {
        Cow::Borrowed(code)
    } else {
        Cow::Owned(code.to_lowercase())
    }
}

/// Whether a code has letters that could have another case.
pub fn has_cases(code: &str) -> bool {
    code.chars().any(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::{LetterCase, fold};
    use crate::search::param::DataType;

    #[test]
    fn systems_say_whether_case_counts() {
        for (system, expected) in [
            ("http://unitsofmeasure.org", LetterCase::Exact),
            (
                "http://hl7.org/fhir/administrative-gender",
                LetterCase::Exact,
            ),
            (
                "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                LetterCase::Exact,
            ),
            (
                "http://terminology.hl7.org/CodeSystem/v2-0203",
                LetterCase::Folded,
            ),
            ("http://snomed.info/sct", LetterCase::Folded),
            ("", LetterCase::Folded),
        ] {
            assert_eq!(LetterCase::Folded.within(system), expected, "{system}");
        }
    }

    #[test]
    fn types_say_whether_case_can_be_ignored() {
        let of = |types: &[DataType], bound| LetterCase::of(types.iter().copied(), bound);
        assert_eq!(of(&[DataType::Identifier], false), LetterCase::Exact);
        assert_eq!(of(&[DataType::CodeableConcept], false), LetterCase::Folded);
        assert_eq!(of(&[DataType::Code], false), LetterCase::Folded);
        assert_eq!(of(&[DataType::Code], true), LetterCase::Exact);
        let both = [DataType::CodeableConcept, DataType::Identifier];
        assert_eq!(of(&both, false), LetterCase::Mixed);
        assert_eq!(of(&[DataType::Boolean], false), LetterCase::Exact);
        let either = [DataType::Boolean, DataType::CodeableConcept];
        assert_eq!(of(&either, false), LetterCase::Folded);
        assert_eq!(of(&[], false), LetterCase::Exact);
    }

    #[test]
    fn only_letters_are_folded() {
        assert_eq!(fold("8867-4"), "8867-4");
        assert_eq!(fold("N17.9"), "n17.9");
        assert_eq!(fold("\u{c4}x"), "\u{e4}x");
    }
}
