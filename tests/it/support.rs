//! What several capabilities' tests share.

pub(crate) mod mongod;
pub(crate) mod packs;
pub(crate) mod random;
#[macro_use]
pub(crate) mod stores;
