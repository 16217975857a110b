//! Who may see what: roles, relationships, and what patients allow.

mod actor;
mod api;
mod care;
mod consent;
mod emergency;
mod share;
mod ways;
