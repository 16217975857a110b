//! The contract of [`vesta::store::Store`], the same for every back end.
//!
//! `sample` makes what the cases write; each file below proves one part of the trait. What only
//! one back end promises (kill -9, a full disk) has a file named for the back end.

mod batch;
mod document;
mod embedded;
mod erase;
mod find;
mod history;
mod kill;
mod mongo;
mod plot;
mod rewrite;
pub(crate) mod sample;
mod single;
mod unconfirmed;
