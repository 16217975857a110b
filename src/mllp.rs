//! MLLP: HL7 v2 messages over TCP, each between VT and FS CR.
//!
//! Framing and connections only; `ingest` takes the messages.
//! Spec: HL7 v2.5.1 appendix C, section C.4 (minimal lower layer protocol).

pub mod codec;
pub mod listener;
