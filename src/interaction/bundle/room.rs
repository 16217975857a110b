//! Room in an answer: many small requests must not add up to one that fills the memory.

use crate::interaction::Context;
use crate::interaction::bundle::EntryAnswer;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

/// What may still be read for one answer.
#[derive(Debug)]
pub struct Room {
    bytes_left: usize,
    bytes_max: usize,
}

impl Room {
    /// The whole room of an answer.
    pub fn new(ctx: &Context) -> Self {
        let bytes_max = ctx.settings.limits.answer_bytes_max;
        Self {
            bytes_left: bytes_max,
            bytes_max,
        }
    }

    /// Takes the room of what was read. When there is not enough, nothing fits from then on.
    ///
    /// # Errors
    /// 413 when it does not fit.
    pub fn take(&mut self, answer: &EntryAnswer) -> Result<(), Outcome> {
        let bytes = match answer {
            EntryAnswer::Read(stored) => stored.json.len(),
            EntryAnswer::Made(json) => json.len(),
            EntryAnswer::Written(_) | EntryAnswer::NotModified(_) | EntryAnswer::Failed(_) => 0,
        };
        let Some(left) = self.bytes_left.checked_sub(bytes) else {
            self.bytes_left = 0;
            return Err(full(self.bytes_max));
        };
        self.bytes_left = left;
        Ok(())
    }

    /// Whether nothing more fits.
    pub fn is_full(&self) -> bool {
        self.bytes_left == 0
    }

    /// The refusal of what does not fit.
    pub fn refusal(&self) -> Outcome {
        full(self.bytes_max)
    }
}

fn full(bytes_max: usize) -> Outcome {
    Outcome::new(
        Kind::TooLarge,
        format!("The answer would be over the limit of {bytes_max} bytes: read less at once."),
    )
}
