//! The integration tests, one binary, by capability.

#![cfg(test)]

#[macro_use]
mod support;

mod codec;
mod create;
mod delete;
mod distill;
mod documents;
mod fhirpath;
mod generate;
mod keys;
mod read;
mod store;
mod update;
mod validation;
mod vread;
