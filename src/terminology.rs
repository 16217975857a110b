//! Code systems and value sets: which codes a value set has, what lies above and below a code.
//!
//! Pure: resources come in, codes go out. What a value set refers to and is not given is named, so
//! that the caller can fetch it. Spec: <https://hl7.org/fhir/R4/valueset.html>.

pub mod expand;
pub mod hierarchy;
