//! A segment being carried over: remembers which of its fields were looked at.
//!
//! What was not looked at and has a value is lost, and is told of.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::hl7v2::message::Segment;
use crate::hl7v2::part::Part;

/// A segment whose fields are taken one after the other.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    segment: Segment<'a>,
    taken: RefCell<BTreeSet<usize>>,
}

impl<'a> Reading<'a> {
    /// A segment that nothing was taken of.
    pub(super) fn new(segment: Segment<'a>) -> Self {
        Self {
            segment,
            taken: RefCell::default(),
        }
    }

    /// Its place among all segments of the message, from 0.
    pub(super) fn place(&self) -> usize {
        self.segment.index()
    }

    /// Its name.
    pub(super) fn name(&self) -> &'a str {
        self.segment.name()
    }

    /// Name, and number where there are several: `OBX(2)`.
    pub(super) fn label(&self) -> String {
        match self.segment.ordinal() {
            1 => self.name().to_owned(),
            ordinal => format!("{}({ordinal})", self.name()),
        }
    }

    /// Takes a field.
    pub(super) fn field(&self, number: usize) -> Part<'a> {
        self.taken.borrow_mut().insert(number);
        self.segment.field(number)
    }

    /// Takes a field and gives its repetitions that have a value.
    pub(super) fn each(&self, number: usize) -> impl Iterator<Item = Part<'a>> {
        self.field(number)
            .repetitions()
            .filter(|part| part.has_value())
    }

    /// Takes fields that carry nothing of their own, such as set ids.
    pub(super) fn pass(&self, numbers: &[usize]) {
        self.taken.borrow_mut().extend(numbers);
    }

    /// Fields with a value that nobody took.
    pub(super) fn lost(&self) -> impl Iterator<Item = Part<'a>> {
        let taken = self.taken.borrow().clone();
        let segment = self.segment;
        (1..=segment.field_count())
            .filter(move |number| !taken.contains(number))
            .map(move |number| segment.field(number))
            .filter(|field| !field.is_empty())
    }
}
