//! Segments as resources: one file for each, in the order of its fields.
//!
//! Spec: <https://build.fhir.org/ig/HL7/v2-to-fhir/segment_maps.html>.

pub(super) mod al1;
pub(super) mod dg1;
pub(super) mod in1;
pub(super) mod mrg;
pub(super) mod nk1;
pub(super) mod nte;
pub(super) mod obr;
pub(super) mod obx;
pub(super) mod orc;
pub(super) mod pd1;
pub(super) mod pid;
pub(super) mod pr1;
pub(super) mod pv1;
pub(super) mod pv2;
pub(super) mod rxa;
pub(super) mod rxe;
pub(super) mod sch;
pub(super) mod spm;
pub(super) mod txa;
