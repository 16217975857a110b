//! Randomness as an argument, so that tests can fix it.

/// Why there is no randomness; a machine without it cannot serve.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no randomness: {0}")]
pub struct RandomError(String);

/// A source of unpredictable bytes.
pub trait Random: Send + Sync {
    /// Fills all of `out`.
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError>;
}

/// The operating system's randomness.
///
/// Asked afresh each time: a buffer of nonces would be used twice by two copies of a snapshot of
/// this machine, and AES-GCM does not forgive that.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(out).map_err(|error| RandomError(error.to_string()))
    }
}
