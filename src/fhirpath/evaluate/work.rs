//! How much an evaluation may do: every step, item and piece of text is charged.

use std::cell::Cell;

use crate::fhir::shape::Shapes;
use crate::fhirpath::evaluate::EvaluateError;

/// How many bytes of text count as one step.
const STEP_TEXT_BYTES: usize = 16;

/// The account of one evaluation, with what nearly every function needs beside it.
pub(super) struct Work<'e> {
    pub(super) shapes: &'e Shapes,
    left: Cell<u64>,
}

impl<'e> Work<'e> {
    pub(super) fn new(shapes: &'e Shapes, steps_max: u64) -> Self {
        Self {
            shapes,
            left: Cell::new(steps_max),
        }
    }

    pub(super) fn charge(&self, steps: usize) -> Result<(), EvaluateError> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        match self.left.get().checked_sub(steps) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(EvaluateError::TooMuchWork),
        }
    }

    pub(super) fn charge_text(&self, length_bytes: usize) -> Result<(), EvaluateError> {
        self.charge(1 + length_bytes / STEP_TEXT_BYTES)
    }
}
