//! Reads the tables under `profiles/`: lines of columns parted by tabs, indented by what they
//! belong to; lines that begin with `#` are notes.

use crate::conformance::registry::RegistryError;

/// What parts columns. As a set of letters, not a letter: columns are so short that searching them
/// letter by letter loads all tables a third faster than `split('\t')`.
const TAB: [char; 1] = ['\t'];

/// A table that is part of the program.
#[derive(Clone, Copy)]
pub(super) struct Table {
    /// The file it comes from.
    pub(super) file: &'static str,
    /// Its text.
    pub(super) text: &'static str,
}

/// A line of a table.
#[derive(Clone, Copy)]
pub(super) struct Line {
    file: &'static str,
    number: usize,
    /// How many tabs stand before it.
    pub(super) depth: usize,
    text: &'static str,
}

impl Table {
    /// The lines that hold data.
    pub(super) fn lines(self) -> impl Iterator<Item = Line> {
        self.text
            .lines()
            .enumerate()
            .filter(|(_, text)| !text.is_empty() && !text.starts_with('#'))
            .map(move |(index, line)| {
                let text = line.trim_start_matches('\t');
                Line {
                    file: self.file,
                    number: index + 1,
                    depth: line.len() - text.len(),
                    text,
                }
            })
    }
}

impl Line {
    /// The columns; what a short line leaves out is empty.
    pub(super) fn columns<const N: usize>(self) -> [&'static str; N] {
        let mut columns = [""; N];
        for (column, text) in columns.iter_mut().zip(self.text.split(TAB)) {
            *column = text;
        }
        columns
    }

    /// The columns of a line that has any number of them.
    pub(super) fn all_columns(self) -> impl Iterator<Item = &'static str> {
        self.text.split(TAB)
    }

    /// An error about this line.
    pub(super) fn error(self, problem: &str) -> RegistryError {
        RegistryError {
            file: self.file,
            line: self.number,
            problem: problem.to_owned(),
        }
    }
}

/// The items of a column that holds a list.
pub(super) fn items(column: &'static str) -> impl Iterator<Item = &'static str> {
    column.split(',').filter(|item| !item.is_empty())
}
