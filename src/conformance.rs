//! What R4 defines, loaded once from `profiles/`: shapes, search parameters, compartments.
//!
//! The tables are written by `cli::distill`; their layout is in their first lines and in
//! `docs/conformance.md`.

mod code_set;
pub mod compartment;
pub mod custom;
pub mod registry;
pub mod search_parameter;
mod structure;
mod table;
