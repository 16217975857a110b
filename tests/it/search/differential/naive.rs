//! A plain reading of search over JSON: no index, no keys, no code of the server.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::search::differential::generate::{Clause, Expression, Query};

/// How the values of a parameter are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Name,
    Address,
    Concept,
    Coding,
    Code,
    Identifier,
    Bool,
    Date,
    Number,
    Quantity,
    Reference,
    Uri,
    Id,
    Composite,
}

/// A search parameter, by the elements that it is on.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) of: &'static str,
    pub(super) code: &'static str,
    pub(super) kind: Kind,
    /// Elements, parted by dots; of a composite the elements that have the parts, `.` for all.
    pub(super) paths: &'static [&'static str],
    /// The system that a code is bound to.
    pub(super) system: &'static str,
    /// What a reference points to in what is generated.
    pub(super) target: &'static str,
    /// Whether a chain has to name the type, because others have no such parameter or more.
    pub(super) is_ambiguous: bool,
}

const fn parameter(
    of: &'static str,
    code: &'static str,
    kind: Kind,
    paths: &'static [&'static str],
) -> Parameter {
    Parameter {
        of,
        code,
        kind,
        paths,
        system: "",
        target: "",
        is_ambiguous: false,
    }
}

const fn bound(
    of: &'static str,
    code: &'static str,
    path: &'static [&'static str],
    system: &'static str,
) -> Parameter {
    Parameter {
        system,
        ..parameter(of, code, Kind::Code, path)
    }
}

const fn reference(
    of: &'static str,
    code: &'static str,
    path: &'static [&'static str],
    target: &'static str,
) -> Parameter {
    Parameter {
        target,
        is_ambiguous: true,
        ..parameter(of, code, Kind::Reference, path)
    }
}

/// What is searched by.
pub(super) static PARAMETERS: [Parameter; 53] = [
    parameter("Organization", "name", Kind::Text, &["name", "alias"]),
    parameter(
        "Organization",
        "identifier",
        Kind::Identifier,
        &["identifier"],
    ),
    reference("Organization", "partof", &["partOf"], "Organization"),
    parameter("Organization", "_tag", Kind::Coding, &["meta.tag"]),
    parameter("Organization", "_id", Kind::Id, &["id"]),
    parameter("ValueSet", "url", Kind::Uri, &["url"]),
    bound(
        "ValueSet",
        "status",
        &["status"],
        "http://hl7.org/fhir/publication-status",
    ),
    parameter("ValueSet", "_tag", Kind::Coding, &["meta.tag"]),
    parameter("Patient", "name", Kind::Name, &["name"]),
    parameter("Patient", "family", Kind::Text, &["name.family"]),
    parameter("Patient", "given", Kind::Text, &["name.given"]),
    bound(
        "Patient",
        "gender",
        &["gender"],
        "http://hl7.org/fhir/administrative-gender",
    ),
    parameter("Patient", "birthdate", Kind::Date, &["birthDate"]),
    parameter("Patient", "death-date", Kind::Date, &["deceasedDateTime"]),
    parameter("Patient", "active", Kind::Bool, &["active"]),
    parameter("Patient", "identifier", Kind::Identifier, &["identifier"]),
    parameter("Patient", "address", Kind::Address, &["address"]),
    parameter("Patient", "address-city", Kind::Text, &["address.city"]),
    reference(
        "Patient",
        "organization",
        &["managingOrganization"],
        "Organization",
    ),
    parameter("Patient", "_tag", Kind::Coding, &["meta.tag"]),
    parameter("Patient", "_id", Kind::Id, &["id"]),
    bound(
        "Encounter",
        "status",
        &["status"],
        "http://hl7.org/fhir/encounter-status",
    ),
    parameter("Encounter", "class", Kind::Coding, &["class"]),
    reference("Encounter", "subject", &["subject"], "Patient"),
    parameter("Encounter", "date", Kind::Date, &["period"]),
    parameter("Encounter", "_tag", Kind::Coding, &["meta.tag"]),
    parameter("Condition", "code", Kind::Concept, &["code"]),
    reference("Condition", "subject", &["subject"], "Patient"),
    parameter(
        "Condition",
        "onset-date",
        Kind::Date,
        &["onsetDateTime", "onsetPeriod"],
    ),
    parameter("Condition", "recorded-date", Kind::Date, &["recordedDate"]),
    parameter("Condition", "_tag", Kind::Coding, &["meta.tag"]),
    bound(
        "Observation",
        "status",
        &["status"],
        "http://hl7.org/fhir/observation-status",
    ),
    parameter("Observation", "code", Kind::Concept, &["code"]),
    parameter(
        "Observation",
        "combo-code",
        Kind::Concept,
        &["code", "component.code"],
    ),
    parameter(
        "Observation",
        "component-code",
        Kind::Concept,
        &["component.code"],
    ),
    parameter("Observation", "category", Kind::Concept, &["category"]),
    parameter(
        "Observation",
        "value-concept",
        Kind::Concept,
        &["valueCodeableConcept"],
    ),
    parameter(
        "Observation",
        "value-string",
        Kind::Text,
        &["valueString", "valueCodeableConcept.text"],
    ),
    parameter(
        "Observation",
        "value-quantity",
        Kind::Quantity,
        &["valueQuantity"],
    ),
    parameter(
        "Observation",
        "combo-value-quantity",
        Kind::Quantity,
        &["valueQuantity", "component.valueQuantity"],
    ),
    parameter(
        "Observation",
        "component-value-quantity",
        Kind::Quantity,
        &["component.valueQuantity"],
    ),
    parameter(
        "Observation",
        "date",
        Kind::Date,
        &["effectiveDateTime", "effectivePeriod", "effectiveInstant"],
    ),
    reference("Observation", "subject", &["subject"], "Patient"),
    reference("Observation", "encounter", &["encounter"], "Encounter"),
    parameter(
        "Observation",
        "code-value-quantity",
        Kind::Composite,
        &["."],
    ),
    parameter("Observation", "code-value-concept", Kind::Composite, &["."]),
    parameter(
        "Observation",
        "component-code-value-quantity",
        Kind::Composite,
        &["component"],
    ),
    parameter(
        "Observation",
        "combo-code-value-quantity",
        Kind::Composite,
        &[".", "component"],
    ),
    parameter("Observation", "_tag", Kind::Coding, &["meta.tag"]),
    parameter("Observation", "_id", Kind::Id, &["id"]),
    parameter(
        "RiskAssessment",
        "probability",
        Kind::Number,
        &["prediction.probabilityDecimal"],
    ),
    reference("RiskAssessment", "subject", &["subject"], "Patient"),
    parameter("RiskAssessment", "_tag", Kind::Coding, &["meta.tag"]),
];

impl Parameter {
    /// Whether the order of its values is plain.
    pub(super) fn is_sortable(&self) -> bool {
        let kinds = [
            Kind::Text,
            Kind::Code,
            Kind::Date,
            Kind::Number,
            Kind::Quantity,
        ];
        kinds.contains(&self.kind)
    }

    fn values<'a>(&self, resource: &'a Value) -> Vec<&'a Value> {
        let mut values = Vec::new();
        for path in self.paths {
            walk(resource, path, &mut values);
        }
        values
    }
}

fn walk<'a>(value: &'a Value, path: &str, values: &mut Vec<&'a Value>) {
    if let Some(items) = value.as_array() {
        for item in items {
            walk(item, path, values);
        }
    } else if path.is_empty() || path == "." {
        values.push(value);
    } else {
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        if let Some(member) = value.get(head) {
            walk(member, rest, values);
        }
    }
}

/// All resources, to be searched one by one.
pub(super) struct Naive<'a> {
    by_type: HashMap<&'a str, Vec<&'a Value>>,
}

fn id_of(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

impl<'a> Naive<'a> {
    pub(super) fn new(resources: &'a [Value]) -> Self {
        let mut by_type: HashMap<&str, Vec<&Value>> = HashMap::new();
        for one in resources {
            by_type
                .entry(one["resourceType"].as_str().unwrap())
                .or_default()
                .push(one);
        }
        Self { by_type }
    }

    /// The ids that a query finds; in order when it is sorted.
    pub(super) fn answer(&self, query: &Query) -> Vec<String> {
        let mut found: Vec<_> = self.by_type[query.name].clone();
        for clause in &query.clauses {
            let ids = self.ids(query.name, clause);
            found.retain(|one| ids.contains(id_of(one)));
        }
        if let Some((parameter, is_descending)) = query.sort {
            let keyed = found
                .into_iter()
                .map(|one| (sort_value(parameter, one, is_descending), one));
            let mut keyed: Vec<_> = keyed.collect();
            keyed.sort_by(|(one, resource), (other, other_resource)| {
                let order = match (one, other) {
                    (Some(one), Some(other)) if is_descending => other.cmp(one),
                    (Some(one), Some(other)) => one.cmp(other),
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (None, None) => Ordering::Equal,
                };
                order.then_with(|| id_of(resource).cmp(id_of(other_resource)))
            });
            found = keyed.into_iter().map(|(_, one)| one).collect();
        }
        found.into_iter().map(|one| id_of(one).to_owned()).collect()
    }

    /// The ids of the resources of a type that meet a clause.
    fn ids(&self, name: &str, clause: &Clause) -> HashSet<&'a str> {
        let all = self.by_type[name].iter().copied();
        match clause {
            Clause::Leaf {
                parameter,
                modifier,
                values,
            } => all
                .filter(|one| is_leaf_met(parameter, modifier, values, one))
                .map(id_of)
                .collect(),
            Clause::Chain {
                parameter, inner, ..
            } => {
                let targets = self.ids(parameter.target, inner);
                let is_met =
                    |one: &&Value| target_ids(parameter, one).any(|id| targets.contains(id));
                all.filter(is_met).map(id_of).collect()
            }
            Clause::Has { parameter, inner } => {
                let sources = self.ids(parameter.of, inner);
                let sources = self.by_type[parameter.of]
                    .iter()
                    .filter(|one| sources.contains(id_of(one)));
                sources.flat_map(|one| target_ids(parameter, one)).collect()
            }
            Clause::Filter(expression) => self.filtered(name, expression),
        }
    }

    fn filtered(&self, name: &str, expression: &Expression) -> HashSet<&'a str> {
        match expression {
            Expression::Test(clause) => self.ids(name, clause),
            Expression::Not(inner) => {
                let inner = self.filtered(name, inner);
                let all = self.by_type[name].iter().map(|one| id_of(one));
                all.filter(|id| !inner.contains(id)).collect()
            }
            Expression::And(one, other) => {
                let other = self.filtered(name, other);
                self.filtered(name, one)
                    .into_iter()
                    .filter(|id| other.contains(id))
                    .collect()
            }
            Expression::Or(one, other) => self
                .filtered(name, one)
                .into_iter()
                .chain(self.filtered(name, other))
                .collect(),
        }
    }
}

fn target_ids<'a>(parameter: &'a Parameter, one: &'a Value) -> impl Iterator<Item = &'a str> {
    let values = parameter.values(one).into_iter();
    values.filter_map(|value| {
        let (name, id) = value["reference"].as_str()?.split_once('/')?;
        (name == parameter.target).then_some(id)
    })
}

fn is_leaf_met(parameter: &Parameter, modifier: &str, values: &[String], one: &Value) -> bool {
    let stored = parameter.values(one);
    match modifier {
        ":missing" => {
            let is_there = match parameter.kind {
                Kind::Composite => stored.iter().any(|element| has_parts(parameter, element)),
                _ => !stored.is_empty(),
            };
            is_there != (values[0] == "true")
        }
        ":not" => !is_leaf_met(parameter, "", values, one),
        _ => values.iter().any(|wanted| {
            stored
                .iter()
                .any(|value| is_met(parameter, modifier, wanted, value))
        }),
    }
}

fn is_met(parameter: &Parameter, modifier: &str, wanted: &str, value: &Value) -> bool {
    match (parameter.kind, modifier) {
        (Kind::Text, _) => is_text_met(value.as_str().unwrap(), modifier, wanted, false),
        (Kind::Name | Kind::Address, _) => {
            let mut texts = Vec::new();
            for part in ["family", "given", "text", "city", "line"] {
                walk(value, part, &mut texts);
            }
            texts
                .iter()
                .any(|text| is_text_met(text.as_str().unwrap(), modifier, wanted, true))
        }
        (Kind::Identifier, ":of-type") => {
            let parts: Vec<_> = wanted.split('|').collect();
            let mut types = Vec::new();
            walk(value, "type.coding", &mut types);
            value["value"] == parts[2]
                && types
                    .iter()
                    .any(|one| one["system"] == parts[0] && one["code"] == parts[1])
        }
        (_, ":text") => {
            let mut texts = Vec::new();
            for path in ["text", "display", "coding.display", "type.text"] {
                walk(value, path, &mut texts);
            }
            texts
                .iter()
                .any(|text| is_text_met(text.as_str().unwrap(), "", wanted, true))
        }
        (_, ":identifier") => is_pair_met(
            wanted,
            value["identifier"].get("system"),
            value["identifier"].get("value"),
        ),
        (Kind::Identifier, _) => is_pair_met(wanted, value.get("system"), value.get("value")),
        (Kind::Coding, _) => is_pair_met(wanted, value.get("system"), value.get("code")),
        (Kind::Concept, _) => is_concept_met(wanted, value),
        (Kind::Code, _) => is_pair_met(wanted, Some(&Value::from(parameter.system)), Some(value)),
        (Kind::Bool, _) => value.as_bool().unwrap().to_string() == wanted,
        (Kind::Date, _) => is_date_met(wanted, value),
        (Kind::Number, _) => is_span_met(wanted, point(scaled(&value.to_string()))),
        (Kind::Quantity, _) => is_quantity_met(wanted, value),
        (Kind::Reference, _) => {
            let wanted = wanted.rsplit('/').next().unwrap();
            value["reference"].as_str() == Some(&format!("{}/{wanted}", parameter.target))
        }
        (Kind::Uri, _) => {
            let stored = value.as_str().unwrap();
            let is_below =
                |one: &str, other: &str| one == other || one.starts_with(&format!("{other}/"));
            match modifier {
                ":above" => is_below(wanted, stored),
                ":below" => is_below(stored, wanted),
                _ => stored == wanted,
            }
        }
        (Kind::Id, _) => value == wanted,
        (Kind::Composite, _) => {
            let (first, second) = wanted.split_once('$').unwrap();
            has_parts(parameter, value)
                && is_concept_met(first, &value["code"])
                && if parameter.code == "code-value-concept" {
                    is_concept_met(second, &value["valueCodeableConcept"])
                } else {
                    is_quantity_met(second, &value["valueQuantity"])
                }
        }
    }
}

fn has_parts(parameter: &Parameter, element: &Value) -> bool {
    let second = match parameter.code {
        "code-value-concept" => "valueCodeableConcept",
        _ => "valueQuantity",
    };
    element.get("code").is_some() && element.get(second).is_some()
}

fn folded(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.to_lowercase().chars() {
        match letter {
            'ü' => plain.push('u'),
            'í' => plain.push('i'),
            'ł' => plain.push('l'),
            'ß' => plain.push_str("ss"),
            '\'' | '-' => {}
            other => plain.push(other),
        }
    }
    plain
}

fn is_text_met(stored: &str, modifier: &str, wanted: &str, has_words: bool) -> bool {
    let (plain, part) = (folded(stored), folded(wanted));
    match modifier {
        ":exact" => stored == wanted,
        ":contains" => plain.contains(&part),
        _ => plain.starts_with(&part) || has_words && plain.contains(&format!(" {part}")),
    }
}

fn is_concept_met(wanted: &str, concept: &Value) -> bool {
    let mut codings = Vec::new();
    walk(concept, "coding", &mut codings);
    codings
        .iter()
        .any(|one| is_pair_met(wanted, one.get("system"), one.get("code")))
}

fn is_pair_met(wanted: &str, system: Option<&Value>, code: Option<&Value>) -> bool {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    match wanted.split_once('|') {
        None => text(code) == wanted,
        Some((of, "")) => text(system) == of,
        Some((of, wanted)) => text(system) == of && text(code) == wanted,
    }
}

fn prefixed(text: &str) -> (&str, &str) {
    if text.starts_with(|first: char| first.is_ascii_lowercase()) {
        text.split_at(2)
    } else {
        ("eq", text)
    }
}

/// The first ms of a date and the first ms behind it.
fn interval(text: &str) -> (i64, i64) {
    let (date, time) = text.split_once('T').unwrap_or((text, ""));
    let parts: Vec<i64> = date.split('-').map(|part| part.parse().unwrap()).collect();
    let day_ms = |year, month, day| days(year, month, day) * 86_400_000;
    match *parts.as_slice() {
        [year] => (day_ms(year, 1, 1), day_ms(year + 1, 1, 1)),
        [year, 12] => (day_ms(year, 12, 1), day_ms(year + 1, 1, 1)),
        [year, month] => (day_ms(year, month, 1), day_ms(year, month + 1, 1)),
        [year, month, day] if time.is_empty() => (
            day_ms(year, month, day),
            day_ms(year, month, day) + 86_400_000,
        ),
        [year, month, day] => {
            let at = time.find(['Z', '+', '-']).unwrap();
            let (clock, zone) = time.split_at(at);
            let minutes = |text: &str| -> i64 {
                let (hours, minutes) = text.split_once(':').unwrap();
                hours.parse::<i64>().unwrap() * 60 + minutes.parse::<i64>().unwrap()
            };
            let offset = match zone.split_at(1) {
                ("Z", _) => 0,
                ("-", zone) => -minutes(zone),
                (_, zone) => minutes(zone),
            };
            let (hour_and_minute, seconds) = clock.rsplit_once(':').unwrap();
            let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
            let mut ms = day_ms(year, month, day) + (minutes(hour_and_minute) - offset) * 60_000;
            ms += seconds.parse::<i64>().unwrap() * 1_000;
            let width = match fraction.len() {
                0 => 1_000,
                1 => 100,
                _ => 1,
            };
            if !fraction.is_empty() {
                ms += fraction.parse::<i64>().unwrap() * width;
            }
            (ms, ms + width)
        }
        _ => unreachable!("{text}"),
    }
}

/// Days since 1970 of a day of the calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let of_years: i64 = (1970..year)
        .map(|year| if is_leap(year) { 366 } else { 365 })
        .sum();
    let lengths = [
        31,
        if is_leap(year) { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let of_months: i64 = lengths
        .iter()
        .take(usize::try_from(month).unwrap() - 1)
        .sum();
    of_years + of_months + day - 1
}

fn stored_interval(value: &Value) -> (i64, i64) {
    if let Some(text) = value.as_str() {
        return interval(text);
    }
    let end = |name: &str| value[name].as_str().map(interval);
    (
        end("start").map_or(i64::MIN, |one| one.0),
        end("end").map_or(i64::MAX, |one| one.1),
    )
}

fn is_date_met(wanted: &str, value: &Value) -> bool {
    let (prefix, text) = prefixed(wanted);
    let ((low, high), (begin, end)) = (interval(text), stored_interval(value));
    let is_within = low <= begin && end <= high;
    match prefix {
        "eq" => is_within,
        "ne" => !is_within,
        "gt" => end > high,
        "lt" => begin < low,
        "ge" => end > high || is_within,
        "le" => begin < low || is_within,
        "sa" => begin >= high,
        "eb" => end <= low,
        _ => unreachable!("{wanted}"),
    }
}

/// Billionths: finer than anything that is generated.
const SCALE: i128 = 1_000_000_000;

/// Beyond every number.
const FAR: i128 = i128::MAX / 4;

/// A decimal in billionths.
fn scaled(text: &str) -> i128 {
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let of = |digits: &str| {
        if digits.is_empty() {
            0
        } else {
            digits.parse::<i128>().unwrap()
        }
    };
    sign * (of(whole) * SCALE
        + of(fraction) * SCALE / 10_i128.pow(u32::try_from(fraction.len()).unwrap()))
}

fn point(number: i128) -> (i128, i128) {
    (number, number)
}

/// Whether the numbers from `low` to `high` meet a searched number with a prefix.
fn is_span_met(wanted: &str, span: (i128, i128)) -> bool {
    is_scaled_met(wanted, 1, span)
}

/// The searched number is in a unit `factor` times the stored one's.
fn is_scaled_met(wanted: &str, factor: i128, (low, high): (i128, i128)) -> bool {
    let (prefix, text) = prefixed(wanted);
    let decimals = text
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len());
    let number = scaled(text) * factor;
    let half = SCALE * factor / 10_i128.pow(u32::try_from(decimals).unwrap()) / 2;
    let is_within = number - half <= low && high < number + half;
    match prefix {
        "eq" => is_within,
        "ne" => !is_within,
        "gt" => high > number,
        "lt" => low < number,
        "ge" => high >= number,
        "le" => low <= number,
        "sa" => low > number,
        "eb" => high < number,
        "ap" => {
            // What is the same is near, too.
            let width = half.max(number.abs() / 10);
            low <= number + width && high >= number - width
        }
        _ => unreachable!("{wanted}"),
    }
}

/// How many micrograms a unit is.
fn micrograms(system: &str, code: &str) -> Option<i128> {
    match (system, code) {
        ("http://unitsofmeasure.org", "g") => Some(1_000_000),
        ("http://unitsofmeasure.org", "mg") => Some(1_000),
        ("http://unitsofmeasure.org", "ug") => Some(1),
        _ => None,
    }
}

fn is_quantity_met(wanted: &str, quantity: &Value) -> bool {
    let parts: Vec<_> = wanted.split('|').collect();
    let number = scaled(&quantity["value"].to_string());
    let text = |name: &str| quantity[name].as_str().unwrap_or_default();
    let span = |number: i128| match quantity["comparator"].as_str() {
        Some("<") => (-FAR, number - 1),
        Some("<=") => (-FAR, number),
        Some(">") => (number + 1, FAR),
        Some(">=") => (number, FAR),
        _ => point(number),
    };
    match *parts.as_slice() {
        [wanted] => is_span_met(wanted, span(number)),
        [wanted, "", unit] => {
            (text("code") == unit || text("unit") == unit) && is_span_met(wanted, span(number))
        }
        [wanted, system, code] => match (
            micrograms(system, code),
            micrograms(text("system"), text("code")),
        ) {
            (Some(factor), Some(own)) => is_scaled_met(wanted, factor, span(number * own)),
            (None, None) => {
                text("system") == system
                    && text("code") == code
                    && is_span_met(wanted, span(number))
            }
            _ => false,
        },
        _ => unreachable!("{wanted}"),
    }
}

/// What a resource is sorted by: numbers and texts of one parameter never meet.
fn sort_value(parameter: &Parameter, one: &Value, is_descending: bool) -> Option<(i128, String)> {
    let values = parameter
        .values(one)
        .into_iter()
        .map(|value| match parameter.kind {
            Kind::Date => {
                let (low, high) = stored_interval(value);
                (
                    i128::from(if is_descending { high } else { low }),
                    String::new(),
                )
            }
            Kind::Number => (scaled(&value.to_string()), String::new()),
            Kind::Quantity => (scaled(&value["value"].to_string()), String::new()),
            Kind::Code => (0, value.as_str().unwrap().to_owned()),
            _ => (0, folded(value.as_str().unwrap())),
        });
    if is_descending {
        values.max()
    } else {
        values.min()
    }
}
