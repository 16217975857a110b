//! Reads the codes of required bindings: a line per value set, below it a line per code system.

use std::collections::HashMap;

use crate::conformance::registry::RegistryError;
use crate::conformance::table::Table;
use crate::fhir::shape::{CodeSet, CodeSystemCodes};

/// Code sets, and where each value set is among them.
pub(super) struct CodeSets {
    /// The sets in the order of the table.
    pub(super) sets: Vec<CodeSet>,
    /// Their places by the URL of the value set.
    pub(super) places: HashMap<&'static str, u16, foldhash::fast::RandomState>,
}

/// Reads `r4-codes.tsv`.
pub(super) fn read(table: Table) -> Result<CodeSets, RegistryError> {
    let mut read = CodeSets {
        sets: Vec::new(),
        places: HashMap::default(),
    };
    for line in table.lines() {
        let mut columns = line.all_columns();
        let url = columns.next().unwrap_or_default();
        if line.depth == 0 {
            let place = u16::try_from(read.sets.len())
                .map_err(|_overflow| line.error("more value sets than there are numbers"))?;
            read.places.insert(url, place);
            read.sets.push(CodeSet {
                value_set: url.into(),
                systems: Vec::new(),
            });
        } else if let Some(set) = read.sets.last_mut() {
            set.systems.push(CodeSystemCodes {
                system: url.into(),
                codes: columns.map(Into::into).collect(),
            });
        } else {
            return Err(line.error("a code system before the first value set"));
        }
    }
    Ok(read)
}
