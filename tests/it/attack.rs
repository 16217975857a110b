//! Attacks, each of which fails closed.

mod assertion;
mod token;
