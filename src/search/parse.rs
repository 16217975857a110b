//! From the text of a query to a [`Query`]: names, modifiers, values, result options.
//!
//! What is not understood is refused by name, or under lenient handling left out with a warning.
//! What values mean is in [`crate::search::param`].
//! Spec: <https://hl7.org/fhir/R4/search.html#table>.

use crate::conformance::search_parameter::{ParameterKind, SearchParameter};
use crate::fhir::resource_type::ResourceType;
use crate::outcome::kind::Kind;
use crate::outcome::{Issue, Severity};
use crate::search::escape;
use crate::search::index::Indexer;
use crate::search::modifier::Modifier;
use crate::search::param::token::Systems;
use crate::search::param::{self, Condition, ParseContext, special};
use crate::search::query::{Criterion, Query, ResultOptions, Summary, Total};

/// Parameters that a query may have.
pub const PARAMETERS_MAX: usize = 64;

/// Values, parted by commas, that a parameter may have.
pub const OR_VALUES_MAX: usize = 1_000;

/// Characters of a parameter's name that a message shows.
const SHOWN_CHARACTERS_MAX: usize = 64;

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
        if modifier.is_none() && self.read_result_option(name, value)? {
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
        let target = modifier
            .map(|text| target_type(name, text, parameter))
            .transpose()?;
        let criterion = self.criterion(name, parameter, target, value)?;
        self.query.criteria.push(criterion);
        Ok(())
    }

    fn criterion(
        &self,
        name: &str,
        parameter: &SearchParameter,
        target: Option<ResourceType>,
        value: &str,
    ) -> Result<Criterion, Issue> {
        let texts = escape::split(value, ',');
        if texts.len() > OR_VALUES_MAX {
            let reason = format!("has more than {OR_VALUES_MAX} values");
            return Err(issue("too-costly", name, &reason));
        }
        let is_repeated = self.query.understood.iter().any(|(other, _)| other == name);
        if texts.len() > 1 && !parameter.is_multiple_or || is_repeated && !parameter.is_multiple_and
        {
            return Err(malformed(name, "may have one value only"));
        }
        let refuse = |reason: String| malformed(name, &reason);
        let each = |read: &dyn Fn(&str) -> Result<Condition, String>| {
            let all: Result<Vec<_>, String> = texts.iter().map(|text| read(text)).collect();
            all.map_err(refuse)
        };
        match parameter.code.as_str() {
            special::ID => {
                let ids: Result<Vec<_>, _> =
                    texts.iter().map(|text| special::parse_id(text)).collect();
                Ok(Criterion::Ids(ids.map_err(refuse)?))
            }
            special::LAST_UPDATED => {
                let read = |text: &&str| special::parse_last_updated(text, self.now_ms);
                let dates: Result<Vec<_>, _> = texts.iter().map(read).collect();
                Ok(Criterion::LastUpdated(dates.map_err(refuse)?))
            }
            _ if matches!(
                parameter.kind,
                ParameterKind::Composite | ParameterKind::Special
            ) || parameter.expression.is_none() =>
            {
                Err(unsupported(name, "is not supported yet"))
            }
            code => {
                let of_type = self.query.resource_type;
                let (are_stated, bindings) = self.indexer.systems(of_type, code);
                let context = ParseContext {
                    targets: target
                        .as_ref()
                        .map_or(&parameter.targets, std::slice::from_ref),
                    systems: Systems {
                        are_stated,
                        bindings: &bindings,
                    },
                    base_url: self.indexer.base_url(),
                    now_ms: self.now_ms,
                };
                Ok(Criterion::Parameter {
                    code: parameter.code.clone(),
                    any_of: each(&|text| param::parse(parameter.kind, text, &context))?,
                })
            }
        }
    }

    /// Reads a parameter about the result; false when it is none.
    fn read_result_option(&mut self, name: &str, value: &str) -> Result<bool, Issue> {
        let result = &mut self.query.result;
        match name {
            // What they ask for is settled before the query is read.
            "_format" | "_pretty" => {}
            "_count" => {
                let count = value.parse().map_err(|_not_a_number| {
                    malformed(name, "needs a whole number that is not negative")
                })?;
                set_once(&mut result.count, count, name)?;
            }
            "_summary" => {
                let summary = match value {
                    "true" => Summary::True,
                    "text" => Summary::Text,
                    "data" => Summary::Data,
                    "count" => Summary::Count,
                    "false" => Summary::False,
                    _ => return Err(malformed(name, "is true, text, data, count or false")),
                };
                set_once(&mut result.summary, summary, name)?;
            }
            "_total" => {
                let total = match value {
                    "none" => Total::None,
                    "estimate" => Total::Estimate,
                    "accurate" => Total::Accurate,
                    _ => return Err(malformed(name, "is none, estimate or accurate")),
                };
                set_once(&mut result.total, total, name)?;
            }
            "_elements" => {
                let elements = value.split(',').map(str::trim);
                let is_name = |text: &str| {
                    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
                };
                if !elements.clone().all(is_name) {
                    return Err(malformed(name, "is a list of element names"));
                }
                result.elements.extend(elements.map(Into::into));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// The type that a modifier limits a reference to; other modifiers are refused.
fn target_type(
    name: &str,
    modifier: &str,
    parameter: &SearchParameter,
) -> Result<ResourceType, Issue> {
    match Modifier::parse(modifier) {
        Some(Modifier::Type(target)) if parameter.kind == ParameterKind::Reference => {
            if parameter.targets.is_empty() || parameter.targets.contains(&target) {
                Ok(target)
            } else {
                Err(malformed(name, "names a type that it cannot refer to"))
            }
        }
        Some(Modifier::Type(_)) => Err(malformed(
            name,
            "names a type, which only references may have behind the colon",
        )),
        Some(_) => Err(unsupported(
            name,
            "has a modifier that is not supported yet",
        )),
        None => Err(unsupported(name, "has a modifier that does not exist")),
    }
}

fn set_once<T>(place: &mut Option<T>, value: T, name: &str) -> Result<(), Issue> {
    if place.is_some() {
        return Err(malformed(name, "may be given only once"));
    }
    *place = Some(value);
    Ok(())
}

fn unsupported(name: &str, reason: &str) -> Issue {
    issue(Kind::Unsupported.issue_code(), name, reason)
}

fn malformed(name: &str, reason: &str) -> Issue {
    issue(Kind::Malformed.issue_code(), name, reason)
}

/// An issue that names the parameter; never its value, which may be about a patient.
fn issue(code: &'static str, name: &str, reason: &str) -> Issue {
    let shown: String = name
        .chars()
        .filter(|letter| !letter.is_control())
        .take(SHOWN_CHARACTERS_MAX)
        .collect();
    Issue::error(code, format!("'{shown}': {reason}")).at(format!("http.{shown}"))
}
