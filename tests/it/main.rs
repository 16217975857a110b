//! The integration tests, one binary, by capability.

#![cfg(test)]

#[macro_use]
mod support;

mod store;
mod validation;
