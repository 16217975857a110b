//! From the text of a query to a [`Query`]: names, modifiers, values, result options.
//!
//! What is not understood is refused by name, or under lenient handling left out with a warning.
//! Modifiers and values are in [`value`], parameters about the result in `result`; what values
//! mean is in [`crate::search::param`].
//! Spec: <https://hl7.org/fhir/R4/search.html#table>.

mod filter;
mod incomplete;
mod modifier;
mod refusal;
mod relation;
mod result;
pub mod value;

use crate::fhir::resource_type::ResourceType;
use crate::outcome::{Issue, Severity};
use crate::search::index::Indexer;
use crate::search::parse::relation::Reading;
use crate::search::query::{Query, ResultOptions};

/// Parameters that a query may have.
pub const PARAMETERS_MAX: usize = 64;

/// What a query is read with.
#[derive(Debug, Clone, Copy)]
pub struct ParseOptions {
    /// The present, in ms since the epoch.
    pub now_ms: i64,
    /// Whether what is not understood is left out with a warning: `Prefer: handling=lenient`.
    pub is_lenient: bool,
    /// How many steps a chain may have.
    pub chain_depth_max: usize,
}

/// Reads the parameters of a query on a type, percent-decoded, in their order.
pub fn parse(
    resource_type: ResourceType,
    pairs: &[(String, String)],
    indexer: &Indexer,
    options: ParseOptions,
) -> Result<Query, Vec<Issue>> {
    if pairs.len() > PARAMETERS_MAX {
        let text = format!("a query has at most {PARAMETERS_MAX} parameters");
        return Err(vec![Issue::error("too-costly", text)]);
    }
    let mut reader = Reader {
        indexer,
        options,
        query: Query {
            resource_type,
            criteria: Vec::new(),
            result: ResultOptions::default(),
            understood: Vec::new(),
            warnings: Vec::new(),
        },
    };
    let mut refused = Vec::new();
    for (name, value) in pairs {
        match reader.read(name, value) {
            Ok(()) => reader.query.understood.push((name.clone(), value.clone())),
            Err(issue) if options.is_lenient => reader.query.warnings.push(Issue {
                severity: Severity::Warning,
                diagnostics: format!("{}; it was ignored", issue.diagnostics),
                ..issue
            }),
            Err(issue) => refused.push(issue),
        }
    }
    refused.extend(result::check_contained(&reader.query).err());
    if refused.is_empty() {
        let incomplete = incomplete::warnings(&reader.query, indexer);
        reader.query.warnings.extend(incomplete);
        Ok(reader.query)
    } else {
        Err(refused)
    }
}

struct Reader<'a> {
    indexer: &'a Indexer,
    options: ParseOptions,
    query: Query,
}

impl Reader<'_> {
    fn read(&mut self, name: &str, value: &str) -> Result<(), Issue> {
        let (code, modifier) = match name.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (name, None),
        };
        let resource_type = self.query.resource_type;
        let registry = self.indexer.registry();
        let result = &mut self.query.result;
        if name == "_sort" {
            return result::read_sort(result, value, resource_type, registry);
        }
        if result::read_include(result, (code, modifier), value, registry)?
            || modifier.is_none() && result::read(result, name, value)?
        {
            return Ok(());
        }
        let reading = Reading {
            indexer: self.indexer,
            options: self.options,
            whole: name,
            is_repeated: self.query.understood.iter().any(|(other, _)| other == name),
        };
        let criterion = relation::read(&reading, resource_type, (name, value), 0)?;
        self.query.criteria.push(criterion);
        Ok(())
    }
}
