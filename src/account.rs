//! People who sign in: passwords, second factors, sessions, invitations.
//!
//! It knows no cookie, no page and no OAuth; who a person is and in which role is kept in
//! [`crate::access::person`]. `docs/accounts.md` says how it works.

pub mod accounts;
pub mod administration;
pub mod credential;
pub mod error;
pub mod factor;
pub mod join;
pub mod link;
pub mod lockout;
pub mod mail;
pub mod outside;
pub mod overview;
pub mod passkey;
pub mod password;
pub mod session;
pub mod sign_in;
pub mod trace;
