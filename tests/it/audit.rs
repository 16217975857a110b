//! The journal of who did what, and the `AuditEvent`s that are made from it.

mod access;
mod command;
mod durable;
mod erase;
mod killed;
mod tamper;
