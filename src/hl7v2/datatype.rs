//! Data types of HL7 v2 as data types of FHIR: one file for each.
//!
//! Spec: <https://build.fhir.org/ig/HL7/v2-to-fhir/datatype_maps.html>.

pub(super) mod cwe;
pub(super) mod cx;
pub(super) mod ed;
pub(super) mod ei;
pub(super) mod hd;
pub(super) mod nm;
pub(super) mod pl;
pub(super) mod ts;
pub(super) mod xad;
pub(super) mod xcn;
pub(super) mod xon;
pub(super) mod xpn;
pub(super) mod xtn;
