//! The journal of who did what, and the AuditEvents that are made from it.

mod command;
mod durable;
mod tamper;
