//! Vesta: a FHIR R4 interoperability server with a personal health record on top of it.
//!
//! `ARCHITECTURE.md` has the map; a module uses lower layers only.

pub mod access;
pub mod account;
pub mod api;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod conformance;
pub mod fetch;
pub mod fhir;
pub mod fhirpath;
pub mod hl7v2;
pub mod http;
pub mod ingest;
pub mod interaction;
pub mod mllp;
pub mod operation;
pub mod outcome;
pub mod portal;
pub mod seal;
pub mod search;
pub mod server;
pub mod smart;
pub mod store;
pub mod terminology;
pub mod validation;
