//! Key ring, envelope encryption, compression and blind hashes; no input or output.
