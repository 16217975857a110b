//! Attacks, each of which fails closed.

mod assertion;
mod assignment;
mod brute_force;
mod csrf;
mod idor;
mod token;
