//! The integration tests, one binary, by capability.

#![cfg(test)]

#[macro_use]
mod support;

mod codec;
mod distill;
mod documents;
mod fhirpath;
mod generate;
mod keys;
mod store;
mod validation;
