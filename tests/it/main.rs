//! The integration tests, one binary, by capability.

#![cfg(test)]

mod support;
mod validation;
