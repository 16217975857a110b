//! Coded terms, and the model's elements made of them.
//!
//! One place that knows the URIs of the code systems, and how quantities, periods and concepts
//! are put together. Spec: <https://hl7.org/fhir/R4/terminologies-systems.html>.

use vesta_model::r4::types::{CodeableConcept, Coding, Identifier, Period, Quantity, Reference};

use super::calendar::Moment;

/// A code with its text in one code system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Term {
    /// URI of the code system.
    pub(super) system: &'static str,
    /// The code.
    pub(super) code: &'static str,
    /// What it is called there.
    pub(super) display: &'static str,
}

/// SNOMED CT.
pub(super) const fn snomed(code: &'static str, display: &'static str) -> Term {
    term("http://snomed.info/sct", code, display)
}

/// LOINC.
pub(super) const fn loinc(code: &'static str, display: &'static str) -> Term {
    term("http://loinc.org", code, display)
}

/// `RxNorm`.
pub(super) const fn rxnorm(code: &'static str, display: &'static str) -> Term {
    term("http://www.nlm.nih.gov/research/umls/rxnorm", code, display)
}

/// A vaccine.
pub(super) const fn cvx(code: &'static str, display: &'static str) -> Term {
    term("http://hl7.org/fhir/sid/cvx", code, display)
}

/// Any code system.
pub(super) const fn term(system: &'static str, code: &'static str, display: &'static str) -> Term {
    Term {
        system,
        code,
        display,
    }
}

impl Term {
    /// As a `Coding`.
    pub(super) fn coding(self) -> Coding {
        Coding {
            system: Some(self.system.into()),
            code: Some(self.code.into()),
            display: Some(self.display.into()),
            ..Coding::default()
        }
    }

    /// As a concept without text of its own.
    pub(super) fn coded(self) -> CodeableConcept {
        CodeableConcept {
            coding: vec![self.coding()],
            ..CodeableConcept::default()
        }
    }

    /// As a concept whose text is the term's.
    pub(super) fn concept(self) -> CodeableConcept {
        CodeableConcept {
            text: Some(self.display.into()),
            ..self.coded()
        }
    }
}

/// A measured value, in units of UCUM. `value` counts the last of the decimals.
pub(super) fn quantity(value: i64, decimals: u32, unit: &str, code: &str) -> Quantity {
    Quantity {
        value: Some(decimal(value, decimals).into()),
        unit: Some(unit.into()),
        system: Some("http://unitsofmeasure.org".into()),
        code: Some(code.into()),
        ..Quantity::default()
    }
}

/// The text of a number that counts the last of its decimals: (54, 1) is `5.4`.
pub(super) fn decimal(value: i64, decimals: u32) -> String {
    if decimals == 0 {
        return value.to_string();
    }
    let scale = 10_i64.saturating_pow(decimals);
    let sign = if value < 0 { "-" } else { "" };
    let (whole, rest) = (value.abs() / scale, value.abs() % scale);
    let width = usize::try_from(decimals).unwrap_or(0);
    format!("{sign}{whole}.{rest:0width$}")
}

/// A reference with what it shows.
pub(super) fn reference(target: &str, display: &str) -> Reference {
    Reference {
        reference: Some(target.into()),
        display: Some(display.into()),
        ..Reference::default()
    }
}

/// A reference to something that needs no explanation.
pub(super) fn reference_to(target: &str) -> Reference {
    Reference {
        reference: Some(target.into()),
        ..Reference::default()
    }
}

/// A business identifier.
pub(super) fn identifier(system: &str, value: &str) -> Identifier {
    Identifier {
        system: Some(system.into()),
        value: Some(value.into()),
        ..Identifier::default()
    }
}

/// From one moment to another.
pub(super) fn period(start: Moment, end: Option<Moment>) -> Period {
    Period {
        start: Some(start.text().into()),
        end: end.map(|end| end.text().into()),
        ..Period::default()
    }
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn decimals_keep_their_places() {
        for (value, decimals, text) in [
            (54, 1, "5.4"),
            (50, 1, "5.0"),
            (7, 2, "0.07"),
            (-7, 2, "-0.07"),
            (120, 0, "120"),
        ] {
            assert_eq!(decimal(value, decimals), text);
        }
    }
}
