//! Typed settings, one file per subsystem; the only reader of environment and config files.
