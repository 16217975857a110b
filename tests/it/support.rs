//! What several capabilities' tests share.

pub(crate) mod apps;
pub(crate) mod browser;
pub(crate) mod clients;
pub(crate) mod mail;
pub(crate) mod mllp;
pub(crate) mod mongod;
pub(crate) mod packs;
pub(crate) mod people;
pub(crate) mod random;
pub(crate) mod server;
pub(crate) mod smart;
#[macro_use]
pub(crate) mod stores;
