//! Search, pure: text -> query -> plan, and the index entries of a resource.
//!
//! No store and no HTTP: a plan is a value that both stores execute alike.
//! Spec: <https://hl7.org/fhir/R4/search.html>.

pub mod canonical;
pub mod current;
pub mod cursor;
pub mod decimal;
pub mod escape;
pub mod hasher;
pub mod hierarchy;
pub mod include;
pub mod index;
pub mod inside;
pub mod key;
pub mod looked_at;
pub mod lower;
pub mod modifier;
pub mod param;
pub mod parse;
pub mod plan;
pub mod prefix;
pub mod query;
pub mod relation;
pub mod sort;
pub mod target;
pub mod text;
pub mod unit;
pub mod words;

#[cfg(test)]
mod tests;
