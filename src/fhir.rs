//! The R4 data model: resources as lossless trees, their codecs and their small value types.
//!
//! Nothing here does input or output, and nothing knows a particular resource type:
//! what R4 says about elements comes in as [`shape::Shapes`].

pub mod bundle;
pub mod date;
pub mod id;
pub mod instant;
pub mod json;
pub mod patch;
pub mod primitive;
pub mod query;
pub mod reference;
pub mod resource;
pub mod resource_type;
pub mod shape;
pub mod subset;
pub mod xml;
