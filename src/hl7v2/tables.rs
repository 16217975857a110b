//! Codes of HL7 tables as codes of FHIR, and the names of code systems in table 0396.
//!
//! The tables are data: `profiles/hl7v2-codes.tsv`, `profiles/hl7v2-code-systems.tsv`.
//! Spec: <https://build.fhir.org/ig/HL7/v2-to-fhir/concept_maps.html>.

use std::collections::HashMap;

const CODES: &str = include_str!("../../profiles/hl7v2-codes.tsv");
const SYSTEMS: &str = include_str!("../../profiles/hl7v2-code-systems.tsv");

/// The tables.
#[derive(Debug, Clone)]
pub struct Tables {
    /// By table and target system, then by code.
    codes: HashMap<(&'static str, &'static str), HashMap<&'static str, &'static str>>,
    systems: HashMap<&'static str, &'static str>,
}

impl Default for Tables {
    fn default() -> Self {
        let mut codes: HashMap<_, HashMap<_, _>> = HashMap::new();
        for [table, system, from, to] in rows(CODES) {
            codes.entry((table, system)).or_default().insert(from, to);
        }
        let systems = rows(SYSTEMS).map(|[name, system]| (name, system)).collect();
        Self { codes, systems }
    }
}

impl Tables {
    /// What a code of a table is in a system of FHIR.
    pub(super) fn code(&self, table: &str, system: &str, code: &str) -> Option<&'static str> {
        self.codes.get(&(table, system))?.get(code).copied()
    }

    /// The system that FHIR has for a name of table 0396.
    pub(super) fn system(&self, name: &str) -> Option<&'static str> {
        let known = self.systems.get(name).copied();
        known.or_else(|| {
            let upper = name.to_ascii_uppercase();
            self.systems.get(upper.as_str()).copied()
        })
    }
}

fn rows<const N: usize>(text: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let cells: Vec<_> = line.split('\t').collect();
        cells.try_into().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::{CODES, SYSTEMS, Tables, rows};

    #[test]
    fn every_row_is_read() {
        let count = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!(rows::<4>(CODES).count(), count(CODES));
        assert_eq!(rows::<2>(SYSTEMS).count(), count(SYSTEMS));
        let tables = Tables::default();
        let gender = tables.code("0001", "http://hl7.org/fhir/administrative-gender", "F");
        assert_eq!(gender, Some("female"));
        assert_eq!(tables.system("Ln"), Some("http://loinc.org"));
    }
}
