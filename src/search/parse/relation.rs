//! Names of parameters with a path: chains and reverse chains, of any depth up to a limit.
//!
//! Spec: <https://hl7.org/fhir/R4/search.html#chaining>, <https://hl7.org/fhir/R4/search.html#has>.

use crate::conformance::search_parameter::ParameterKind;
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Issue;
use crate::search::escape;
use crate::search::index::Indexer;
use crate::search::param::special;
use crate::search::parse::refusal::{issue, malformed, unsupported};
use crate::search::parse::value::{self, Named};
use crate::search::parse::{ParseOptions, filter};
use crate::search::query::Criterion;
use crate::search::relation::Relation;
use crate::search::words::{self, WordsCondition};

/// What is the same for all steps of a name.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    pub(super) indexer: &'a Indexer,
    pub(super) options: ParseOptions,
    /// The whole name, for messages.
    pub(super) whole: &'a str,
    /// Whether the query has had the name before.
    pub(super) is_repeated: bool,
}

/// Reads the criterion that `name=value` is on a type, `depth` steps from the searched one.
pub(super) fn read(
    reading: &Reading<'_>,
    resource_type: ResourceType,
    (name, value): (&str, &str),
    depth: usize,
) -> Result<Criterion, Issue> {
    let whole = reading.whole;
    if depth > reading.options.chain_depth_max {
        let reason = format!(
            "has more than {} steps: search in several requests",
            reading.options.chain_depth_max
        );
        return Err(issue("too-costly", whole, &reason));
    }
    if let Some(rest) = name.strip_prefix("_has:") {
        return read_has(reading, resource_type, (rest, value), depth);
    }
    if let Some((head, rest)) = name.split_once('.') {
        return read_chain(reading, resource_type, (head, rest, value), depth);
    }
    match name {
        "_list" => return read_lists(whole, value),
        words::TEXT | words::CONTENT => return read_words(reading, name, value),
        "_filter" => return filter::read(reading, resource_type, value, depth),
        _ => {}
    }
    let (code, modifier) = match name.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (name, None),
    };
    if special::UNSUPPORTED.contains(&code) {
        return Err(unsupported(whole, "is not supported yet"));
    }
    let registry = reading.indexer.registry();
    let Some(parameter) = registry.search_parameter(resource_type, code) else {
        let reason = format!("is not a search parameter of {resource_type}");
        return Err(unsupported(whole, &reason));
    };
    let named = Named {
        name: whole,
        modifier,
        resource_type,
        is_repeated: reading.is_repeated && depth == 0,
    };
    value::read(
        reading.indexer,
        reading.options.now_ms,
        &named,
        parameter,
        value,
    )
}

fn read_has(
    reading: &Reading<'_>,
    resource_type: ResourceType,
    (path, value): (&str, &str),
    depth: usize,
) -> Result<Criterion, Issue> {
    let whole = reading.whole;
    let mut parts = path.splitn(3, ':');
    let (Some(source), Some(code), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        let reason = "names a type, a reference parameter and a parameter, as in \
                      _has:Observation:patient:code";
        return Err(malformed(whole, reason));
    };
    let source: ResourceType = source
        .parse()
        .map_err(|_unknown| malformed(whole, "names a resource type behind _has"))?;
    let registry = reading.indexer.registry();
    let parameter = registry.search_parameter(source, code);
    let parameter = parameter.filter(|one| {
        one.kind == ParameterKind::Reference
            && (one.targets.is_empty() || one.targets.contains(&resource_type))
    });
    let Some(parameter) = parameter else {
        let reason = format!("names a parameter of {source} that refers to {resource_type}");
        return Err(malformed(whole, &reason));
    };
    let criterion = read(reading, source, (rest, value), depth + 1)?;
    Ok(Criterion::Related(Relation::Has {
        source,
        code: parameter.code.clone(),
        criterion: Box::new(criterion),
    }))
}

fn read_chain(
    reading: &Reading<'_>,
    resource_type: ResourceType,
    (head, rest, value): (&str, &str, &str),
    depth: usize,
) -> Result<Criterion, Issue> {
    let whole = reading.whole;
    let (code, named_type) = match head.split_once(':') {
        Some((code, name)) => {
            let named = name.parse::<ResourceType>();
            let reason = "has a resource type behind the colon of a step";
            (
                code,
                Some(named.map_err(|_unknown| malformed(whole, reason))?),
            )
        }
        None => (head, None),
    };
    let registry = reading.indexer.registry();
    let Some(parameter) = registry.search_parameter(resource_type, code) else {
        let reason = format!("is no chain: its first part is no parameter of {resource_type}");
        return Err(unsupported(whole, &reason));
    };
    if parameter.kind != ParameterKind::Reference {
        return Err(malformed(
            whole,
            "is a chain over a parameter that is no reference",
        ));
    }
    let all: Vec<ResourceType>;
    let types: &[ResourceType] = match &named_type {
        Some(one) if parameter.targets.is_empty() || parameter.targets.contains(one) => {
            std::slice::from_ref(one)
        }
        Some(_) => return Err(malformed(whole, "names a type that it cannot refer to")),
        None if parameter.targets.is_empty() => {
            all = ResourceType::all().collect();
            &all
        }
        None => &parameter.targets,
    };
    let mut targets = Vec::new();
    let mut refused = None;
    for &target in types {
        match read(reading, target, (rest, value), depth + 1) {
            Ok(criterion) => targets.push((target, criterion)),
            // A type without the parameter has no part in it; a value that one of the types
            // cannot read is not what was meant.
            Err(issue) if issue.code != "not-supported" => return Err(issue),
            Err(issue) => refused = Some(issue),
        }
    }
    match refused {
        Some(issue) if targets.is_empty() => Err(issue),
        _ => Ok(Criterion::Related(Relation::Chain {
            code: parameter.code.clone(),
            targets,
        })),
    }
}

fn read_words(reading: &Reading<'_>, name: &str, value: &str) -> Result<Criterion, Issue> {
    if !reading.indexer.has_words() {
        let reason = format!(
            "needs an index of words, which is off: see {}",
            words::SETTING
        );
        return Err(unsupported(reading.whole, &reason));
    }
    let condition = WordsCondition::parse(name == words::TEXT, &escape::unescape(value));
    let refuse = |reason: String| malformed(reading.whole, &reason);
    condition.map(Criterion::Words).map_err(refuse)
}

fn read_lists(whole: &str, value: &str) -> Result<Criterion, Issue> {
    let mut ids = Vec::new();
    for text in escape::split(value, ',') {
        if text.starts_with('$') {
            let reason = "names a List by its id: the functional lists ($current-...) are not kept";
            return Err(unsupported(whole, reason));
        }
        let text = text.strip_prefix("List/").unwrap_or(text);
        ids.push(special::parse_id(text).map_err(|reason| malformed(whole, &reason))?);
    }
    Ok(Criterion::Related(Relation::Lists(ids)))
}
