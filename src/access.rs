//! Who may do what: the one place that decides, and the proof of its decision.

pub mod keys;
