//! The integration tests, one binary, by capability.
