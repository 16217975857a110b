//! `distill`: makes the tables under `profiles/` from HL7's npm package `hl7.fhir.r4.examples`.
//!
//! Facts only, no prose, in the order of their names, so that the same package gives the same
//! bytes and a new one gives a readable difference. The tables are read by `conformance`.

mod codes;
mod definition;
mod structures;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use definition::Definitions;

/// What a run wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Resources, data types and nested elements.
    pub types: usize,
    /// Value sets of required bindings.
    pub code_sets: usize,
}

/// Why there are no new tables.
#[derive(Debug, thiserror::Error)]
pub enum DistillError {
    /// The package cannot be read.
    #[error("cannot read the package")]
    Read(#[source] io::Error),
    /// A file of the package is not the JSON it should be.
    #[error("cannot make sense of {file} in the package")]
    Json {
        /// The file.
        file: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The package leaves out what the tables need, or says it in a way we do not know.
    #[error("the package is not the one expected: {0}")]
    Unexpected(String),
    /// A table cannot be read or written.
    #[error("cannot read or write {path}")]
    Table {
        /// The table.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Distils `package`, a `.tgz` as npm has it, into the tables in the directory `out`.
pub fn run(package: &Path, out: &Path) -> Result<Summary, DistillError> {
    let definitions = Definitions::read(package)?;
    let structures = structures::table(&definitions)?;
    let codes = codes::table(&definitions, &structures.value_sets);
    write(out, "r4-structures.tsv", &structures.text)?;
    write(out, "r4-codes.tsv", &codes)?;
    Ok(Summary {
        types: structures.types,
        code_sets: structures.value_sets.len(),
    })
}

fn write(out: &Path, name: &str, text: &str) -> Result<(), DistillError> {
    let path = out.join(name);
    fs::create_dir_all(out)
        .and_then(|()| fs::write(&path, text))
        .map_err(|source| DistillError::Table { path, source })
}

/// A line of columns, indented, without the empty columns at its end.
fn line(depth: usize, columns: &[&str]) -> String {
    let mut text = "\t".repeat(depth);
    text.push_str(columns.join("\t").trim_end_matches('\t'));
    text.push('\n');
    text
}
