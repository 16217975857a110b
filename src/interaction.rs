//! The FHIR interactions, one file each; no HTTP types.
