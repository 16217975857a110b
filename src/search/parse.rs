//! From the text of a query to a [`Query`]: names, modifiers, values, result options.
//!
//! What is not understood is refused by name, or under lenient handling left out with a warning.
//! Modifiers and values are in [`value`], parameters about the result in [`result`]; what values
//! mean is in [`crate::search::param`].
//! Spec: <https://hl7.org/fhir/R4/search.html#table>.

mod modifier;
mod refusal;
mod result;
pub mod value;

use crate::fhir::resource_type::ResourceType;
use crate::outcome::{Issue, Severity};
use crate::search::index::Indexer;
use crate::search::param::special;
use crate::search::parse::refusal::unsupported;
use crate::search::parse::value::Named;
use crate::search::query::{Query, ResultOptions};

/// Parameters that a query may have.
pub const PARAMETERS_MAX: usize = 64;

/// Result parameters of R4 that are not served yet.
const UNSUPPORTED_RESULT: [&str; 6] = [
    "_contained",
    "_containedType",
    "_include",
    "_revinclude",
    "_score",
    "_sort",
];

/// What a query is read with.
#[derive(Debug, Clone, Copy)]
pub struct ParseOptions {
    /// The present, in ms since the epoch.
    pub now_ms: i64,
    /// Whether what is not understood is left out with a warning: `Prefer: handling=lenient`.
    pub is_lenient: bool,
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
        now_ms: options.now_ms,
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
    if refused.is_empty() {
        Ok(reader.query)
    } else {
        Err(refused)
    }
}

struct Reader<'a> {
    indexer: &'a Indexer,
    now_ms: i64,
    query: Query,
}

impl Reader<'_> {
    fn read(&mut self, name: &str, value: &str) -> Result<(), Issue> {
        let (code, modifier) = match name.split_once(':') {
            Some((code, modifier)) => (code, Some(modifier)),
            None => (name, None),
        };
        if modifier.is_none() && result::read(&mut self.query.result, name, value)? {
            return Ok(());
        }
        if UNSUPPORTED_RESULT.contains(&code) || special::UNSUPPORTED.contains(&code) {
            return Err(unsupported(name, "is not supported yet"));
        }
        if name.contains('.') {
            return Err(unsupported(
                name,
                "is a chain: chains are not supported yet",
            ));
        }
        let registry = self.indexer.registry();
        let resource_type = self.query.resource_type;
        let Some(parameter) = registry.search_parameter(resource_type, code) else {
            let reason = format!("is not a search parameter of {resource_type}");
            return Err(unsupported(name, &reason));
        };
        if !parameter.is_complete {
            let text = format!(
                "{name} is new: resources are still being indexed by it, the result may be incomplete"
            );
            self.query.warnings.push(Issue {
                severity: Severity::Warning,
                ..Issue::error("incomplete", text)
            });
        }
        let named = Named {
            name,
            modifier,
            resource_type,
            is_repeated: self.query.understood.iter().any(|(other, _)| other == name),
        };
        let criterion = value::read(self.indexer, self.now_ms, &named, parameter, value)?;
        self.query.criteria.push(criterion);
        Ok(())
    }
}
