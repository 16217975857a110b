//! `distill`: makes the tables under `profiles/` from HL7's npm package `hl7.fhir.r4.examples`.
//!
//! Facts only, no prose, in the order of their names, so that the same package gives the same
//! bytes and a new one gives a readable difference. The tables are read by `conformance`.

mod codes;
mod compartments;
mod definition;
mod parameters;
mod structures;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use definition::Definitions;
use parameters::Numbers;

/// What a run wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Resources, data types and nested elements.
    pub types: usize,
    /// Value sets of required bindings.
    pub code_sets: usize,
    /// Search parameters, each counted once for all types it applies to.
    pub search_parameters: usize,
    /// Compartments.
    pub compartments: usize,
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

const STRUCTURES: &str = "r4-structures.tsv";
const CODES: &str = "r4-codes.tsv";
const PARAMETERS: &str = "r4-search-parameters.tsv";
const COMPARTMENTS: &str = "r4-compartments.tsv";

/// Distils `package`, a `.tgz` as npm has it, into the tables in the directory `out`.
pub fn run(package: &Path, out: &Path) -> Result<Summary, DistillError> {
    let definitions = Definitions::read(package)?;
    let structures = structures::table(&definitions)?;
    let codes = codes::table(&definitions, &structures.value_sets);
    let known = Numbers::read(&read_present(out, PARAMETERS)?)?;
    let (parameters, search_parameters) = parameters::table(&definitions, known)?;
    let (compartments, compartment_count) = compartments::table(&definitions);
    write(out, STRUCTURES, &structures.text)?;
    write(out, CODES, &codes)?;
    write(out, PARAMETERS, &parameters)?;
    write(out, COMPARTMENTS, &compartments)?;
    Ok(Summary {
        types: structures.types,
        code_sets: structures.value_sets.len(),
        search_parameters,
        compartments: compartment_count,
    })
}

/// The table as it is now; nothing when there is none.
fn read_present(out: &Path, name: &str) -> Result<String, DistillError> {
    let path = out.join(name);
    match fs::read_to_string(&path) {
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(DistillError::Table { path, source }),
        Ok(text) => Ok(text),
    }
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
