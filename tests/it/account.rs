//! Accounts: what is written down of them.

mod trace;
