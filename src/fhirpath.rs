//! FHIRPath over our resource tree: text to [`ast`], and from there two ways to run it.
//!
//! [`program`] is the hot path of search: expressions compiled for one resource type. [`evaluate`]
//! runs any expression, [`patch`] changes resources at places that paths name.
//! Nothing here reads or writes anything outside its arguments.
//! Spec: <http://hl7.org/fhirpath/N1/> and <https://hl7.org/fhir/R4/fhirpath.html>.

pub mod ast;
pub mod evaluate;
#[cfg(test)]
mod fixture;
pub mod function;
pub mod lexer;
pub mod location;
pub mod parser;
pub mod patch;
pub mod pattern;
mod pointer;
pub mod program;
pub mod temporal;
