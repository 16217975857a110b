//! The integration tests, one binary, by capability.

#![cfg(test)]

#[macro_use]
mod support;

mod absent;
mod access;
mod account;
mod attack;
mod audit;
mod bad_input;
mod batch;
mod bench;
mod binary;
mod browser;
mod clients;
mod codec;
mod conditional;
mod create;
mod custom_parameter;
mod delete;
mod distill;
mod documents;
mod durable;
mod edge;
mod envelope;
mod erase;
mod everything;
mod fhirpath;
mod format;
mod generate;
mod guard;
mod history;
mod hl7v2;
mod import;
mod keys;
mod lastn;
mod layout;
mod meta;
mod operate;
mod overload;
mod patch;
mod portal;
mod quiet_log;
mod read;
mod rotate;
mod sealed;
mod search;
mod shown;
mod smart;
mod smart_clients;
mod store;
mod tls;
mod transaction;
mod unparsed;
mod update;
mod validation;
mod vread;
