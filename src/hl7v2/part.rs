//! A piece of a message: a field, and what repetitions, components and subcomponents it has.
//!
//! A piece knows where in the message it stands, so that whoever complains about it can name the
//! place. What is not there is an empty piece.
//! Spec: HL7 v2.5.1 section 2.5.

use std::borrow::Cow;

use crate::hl7v2::escape;

/// The characters that a message is divided by, as its MSH-1 and MSH-2 say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delimiters {
    /// Between fields.
    pub field: char,
    /// Between components.
    pub component: char,
    /// Between repetitions.
    pub repetition: char,
    /// Around escapes.
    pub escape: char,
    /// Between subcomponents.
    pub subcomponent: char,
}

impl Default for Delimiters {
    fn default() -> Self {
        Self {
            field: '|',
            component: '^',
            repetition: '~',
            escape: '\\',
            subcomponent: '&',
        }
    }
}

/// A piece of a message.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    raw: &'a str,
    at: usize,
    delimiters: Delimiters,
}

impl<'a> Part<'a> {
    /// A piece that begins at a place of the message, in bytes.
    pub(super) fn new(raw: &'a str, at: usize, delimiters: Delimiters) -> Self {
        Self {
            raw,
            at,
            delimiters,
        }
    }

    /// As it stands in the message.
    pub fn raw(self) -> &'a str {
        self.raw
    }

    /// Where it begins in the message, in bytes.
    pub fn at(self) -> usize {
        self.at
    }

    /// Whether there is nothing in it.
    pub fn is_empty(self) -> bool {
        self.raw.trim().is_empty()
    }

    /// Whether it says `""`: that what was known is to be forgotten.
    pub fn is_null(self) -> bool {
        self.raw.trim() == "\"\""
    }

    /// Whether it has a value.
    pub fn has_value(self) -> bool {
        !self.is_empty() && !self.is_null()
    }

    /// Its repetitions that are not empty.
    pub fn repetitions(self) -> impl Iterator<Item = Part<'a>> {
        self.split(self.delimiters.repetition)
            .filter(|part| !part.is_empty())
    }

    /// The component with a number, counted from 1, of its first repetition.
    #[must_use]
    pub fn component(self, number: usize) -> Part<'a> {
        let first = self.nth(self.delimiters.repetition, 1);
        first.nth(self.delimiters.component, number)
    }

    /// All components of its first repetition, empty ones included.
    pub fn components(self) -> impl Iterator<Item = Part<'a>> {
        let first = self.nth(self.delimiters.repetition, 1);
        first.split(self.delimiters.component)
    }

    /// The subcomponent with a number, counted from 1.
    #[must_use]
    pub fn subcomponent(self, number: usize) -> Part<'a> {
        self.nth(self.delimiters.subcomponent, number)
    }

    /// Its text, without escapes; empty for `""`.
    pub fn text(self) -> Cow<'a, str> {
        if self.is_null() {
            return Cow::Borrowed("");
        }
        escape::read(self.raw.trim(), self.delimiters)
    }

    /// Its text, when there is any.
    pub fn value(self) -> Option<Cow<'a, str>> {
        let text = self.text();
        (!text.is_empty()).then_some(text)
    }

    /// What a coded value says to people: its text, else its code.
    pub fn words(self) -> Option<Cow<'a, str>> {
        self.component(2).value().or(self.component(1).value())
    }

    fn nth(self, by: char, number: usize) -> Part<'a> {
        let missing = Part {
            raw: "",
            at: self.at,
            delimiters: self.delimiters,
        };
        self.split(by)
            .nth(number.saturating_sub(1))
            .unwrap_or(missing)
    }

    fn split(self, by: char) -> impl Iterator<Item = Part<'a>> {
        let mut at = self.at;
        self.raw.split(by).map(move |raw| {
            let part = Part {
                raw,
                at,
                delimiters: self.delimiters,
            };
            at += raw.len() + by.len_utf8();
            part
        })
    }
}
