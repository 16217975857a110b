//! Random resources, and random queries that have a chance to find some of them.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::search::differential::naive::{Kind, PARAMETERS, Parameter};
use crate::support::random::Random;

const NAMES: [&str; 12] = [
    "Müller",
    "Muller",
    "O'Brien",
    "Obrien",
    "Van der Berg",
    "Strauß",
    "Strauss",
    "Łukasz",
    "Anna-Maria",
    "García",
    "Ng",
    "de la Fontaine Merveilleuse",
];
const PIECES: [&str; 16] = [
    "mul",
    "MÜL",
    "o'b",
    "ob",
    "der",
    "berg",
    "strau",
    "anna",
    "gar",
    "n",
    "maria",
    "ller",
    "er ber",
    "Van der Berg",
    "de la fontaine m",
    "Strauß",
];
pub(super) const SYSTEMS: [&str; 2] = ["http://s0", "http://s1"];
const GENDERS: [&str; 4] = ["male", "female", "other", "unknown"];
const UNITS: [(&str, &str); 4] = [
    ("http://unitsofmeasure.org", "mg"),
    ("http://unitsofmeasure.org", "g"),
    ("http://unitsofmeasure.org", "ug"),
    ("http://u", "box"),
];
const URLS: [&str; 6] = [
    "http://x.org/a",
    "http://x.org/a/b",
    "http://x.org/a/b/c",
    "http://x.org/ab",
    "http://y.org/a",
    "urn:oid:1.2.3",
];
const WORDS: [&str; 5] = [
    "Heart rate",
    "heart failure",
    "Body weight",
    "Rate",
    "Überweight",
];
const PREFIXES: [&str; 9] = ["", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"];
const COUNTS: [(&str, usize); 7] = [
    ("Organization", 60),
    ("ValueSet", 60),
    ("Patient", 380),
    ("Encounter", 300),
    ("Condition", 300),
    ("Observation", 800),
    ("RiskAssessment", 100),
];

/// Matches that are asked for; how many there are besides is told by the total.
pub(super) const PAGE_MAX: usize = 150;

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.index(from.len())]
}

/// Two thousand resources; references point to those before them.
pub(super) fn resources(random: &mut Random) -> Vec<Value> {
    let mut all = Vec::new();
    for (name, count) in COUNTS {
        for number in 0..count {
            let mut one = resource(random, name);
            one["resourceType"] = json!(name);
            one["id"] = json!(id_of(name, number));
            if random.one_in(4) {
                one["meta"] = json!({ "tag": [coding(random)] });
            }
            all.push(one);
        }
    }
    all
}

fn id_of(name: &str, number: usize) -> String {
    format!("{}-{number:03}", name.to_lowercase())
}

fn some_id(random: &mut Random, name: &str) -> String {
    let count = COUNTS.iter().find(|(one, _)| *one == name).unwrap().1;
    id_of(name, random.index(count))
}

fn resource(random: &mut Random, name: &str) -> Value {
    let mut one = json!({});
    match name {
        "Organization" => {
            one["name"] = json!(pick(random, &NAMES));
            maybe(random, &mut one, "alias", |r| json!([pick(r, &NAMES)]));
            maybe(random, &mut one, "identifier", |r| json!([identifier(r)]));
            maybe(random, &mut one, "partOf", |r| reference(r, "Organization"));
        }
        "ValueSet" => {
            one = json!({ "status": "active" });
            maybe(random, &mut one, "url", |r| json!(pick(r, &URLS)));
        }
        "Patient" => patient(random, &mut one),
        "Encounter" => {
            one = json!({ "status": pick(random, &["finished", "planned"]), "class": coding(random) });
            maybe(random, &mut one, "subject", |r| reference(r, "Patient"));
            maybe(random, &mut one, "period", period);
        }
        "Condition" => {
            one = json!({ "subject": reference(random, "Patient") });
            maybe(random, &mut one, "code", concept);
            let onset = pick(random, &["onsetDateTime", "onsetPeriod", "recordedDate"]);
            one[onset] = if onset == "onsetPeriod" {
                period(random)
            } else {
                json!(date(random))
            };
        }
        "Observation" => observation(random, &mut one),
        _ => {
            one = json!({ "status": "final", "subject": reference(random, "Patient") });
            maybe(
                random,
                &mut one,
                "prediction",
                |r| json!([{ "probabilityDecimal": number(r) }, { "probabilityDecimal": number(r) }]),
            );
        }
    }
    one
}

fn patient(random: &mut Random, one: &mut Value) {
    maybe(random, one, "name", |r| {
        let second = json!({ "given": [pick(r, &NAMES)], "text": pick(r, &NAMES) });
        let first =
            json!({ "family": pick(r, &NAMES), "given": [pick(r, &NAMES), pick(r, &NAMES)] });
        if r.one_in(3) {
            json!([first, second])
        } else {
            json!([first])
        }
    });
    maybe(random, one, "gender", |r| json!(pick(r, &GENDERS)));
    maybe(random, one, "birthDate", |r| json!(day(r)));
    maybe(random, one, "active", |r| json!(r.one_in(2)));
    maybe(random, one, "identifier", |r| {
        json!([identifier(r), identifier(r)])
    });
    maybe(
        random,
        one,
        "address",
        |r| json!([{ "city": pick(r, &NAMES), "line": [pick(r, &NAMES)] }]),
    );
    maybe(random, one, "managingOrganization", |r| {
        reference(r, "Organization")
    });
    maybe(random, one, "deceasedDateTime", |r| json!(date(r)));
}

fn observation(random: &mut Random, one: &mut Value) {
    *one = json!({ "status": pick(random, &["final", "amended", "preliminary"]),
        "code": concept(random) });
    maybe(random, one, "subject", |r| reference(r, "Patient"));
    maybe(random, one, "encounter", |r| reference(r, "Encounter"));
    maybe(random, one, "category", |r| json!([concept(r), concept(r)]));
    match random.below(5) {
        0 => one["effectiveDateTime"] = json!(date(random)),
        1 => one["effectivePeriod"] = period(random),
        2 => one["effectiveInstant"] = json!(instant(random)),
        _ => {}
    }
    match random.below(4) {
        0 | 1 => one["valueQuantity"] = quantity(random),
        2 => one["valueCodeableConcept"] = concept(random),
        _ => one["valueString"] = json!(pick(random, &NAMES)),
    }
    maybe(random, one, "component", |r| {
        let part = |r: &mut Random| json!({ "code": concept(r), "valueQuantity": quantity(r) });
        json!([part(r), part(r)])
    });
}

fn maybe(random: &mut Random, one: &mut Value, name: &str, make: impl Fn(&mut Random) -> Value) {
    if !random.one_in(4) {
        one[name] = make(random);
    }
}

fn reference(random: &mut Random, name: &str) -> Value {
    let target = format!("{name}/{}", some_id(random, name));
    match random.below(8) {
        0 => json!({ "identifier": identifier(random) }),
        1 => json!({ "reference": target, "identifier": identifier(random) }),
        _ => json!({ "reference": target }),
    }
}

fn identifier(random: &mut Random) -> Value {
    let mut one = json!({ "value": format!("v{}", random.below(20)) });
    maybe(random, &mut one, "system", |r| json!(pick(r, &SYSTEMS)));
    if random.one_in(3) {
        one["type"] = json!({ "coding": [coding(random)], "text": pick(random, &WORDS) });
    }
    one
}

fn coding(random: &mut Random) -> Value {
    let mut one = json!({ "code": format!("v{}", random.below(5)) });
    maybe(random, &mut one, "system", |r| json!(pick(r, &SYSTEMS)));
    if random.one_in(3) {
        one["display"] = json!(pick(random, &WORDS));
    }
    one
}

fn concept(random: &mut Random) -> Value {
    match random.below(5) {
        0 => json!({ "text": pick(random, &WORDS) }),
        1 => json!({ "coding": [coding(random), coding(random)], "text": pick(random, &WORDS) }),
        _ => json!({ "coding": [coding(random)] }),
    }
}

fn quantity(random: &mut Random) -> Value {
    let mut one = json!({ "value": number(random) });
    if !random.one_in(6) {
        let (system, code) = pick(random, &UNITS);
        one["system"] = json!(system);
        one["code"] = json!(code);
        one["unit"] = json!(if random.one_in(3) { "unit" } else { code });
    }
    if random.one_in(8) {
        one["comparator"] = json!(pick(random, &["<", "<=", ">", ">="]));
    }
    one
}

/// A number with up to two decimals, some of them equal but for a power of ten.
fn number(random: &mut Random) -> Value {
    serde_json::from_str(&number_text(random)).unwrap()
}

fn number_text(random: &mut Random) -> String {
    let digits = random.below(30);
    match random.below(6) {
        0 => format!("{}000", digits + 1),
        1 => format!("{digits}.50"),
        2 => format!("0.{digits:02}"),
        3 => format!("-{}", digits + 1),
        4 => format!("{digits}.4"),
        _ => digits.to_string(),
    }
}

fn day(random: &mut Random) -> String {
    let (year, month, day) = (
        2000 + random.below(3),
        1 + random.below(12),
        1 + random.below(28),
    );
    match random.below(4) {
        0 => format!("{year}"),
        1 => format!("{year}-{month:02}"),
        _ => format!("{year}-{month:02}-{day:02}"),
    }
}

fn date(random: &mut Random) -> String {
    if random.one_in(2) {
        day(random)
    } else {
        instant(random)
    }
}

fn instant(random: &mut Random) -> String {
    let (year, month, day) = (
        2000 + random.below(3),
        1 + random.below(12),
        1 + random.below(28),
    );
    let zone = pick(random, &["Z", "+02:00", "-05:00"]);
    let fraction = pick(random, &["", ".5", ".123"]);
    let hour = random.below(24);
    format!("{year}-{month:02}-{day:02}T{hour:02}:30:15{fraction}{zone}")
}

fn period(random: &mut Random) -> Value {
    let year = 2000 + random.below(3);
    let start = pick(random, &["-03", "-03-05", "-06-30T10:00:00Z", ""]);
    let end = pick(random, &["-07", "-11-05", "-12-31T23:59:59+01:00", ""]);
    match random.below(5) {
        0 => json!({ "start": format!("{year}{start}") }),
        1 => json!({ "end": format!("{year}{end}") }),
        _ => {
            json!({ "start": format!("{year}{start}"), "end": format!("{}{end}", year + random.below(2)) })
        }
    }
}

/// What a query asks for.
#[derive(Debug, Clone)]
pub(super) enum Clause {
    /// A parameter with a modifier; one of the values has to be met.
    Leaf {
        parameter: &'static Parameter,
        modifier: String,
        values: Vec<String>,
    },
    /// Something that the reference points to meets it.
    Chain {
        parameter: &'static Parameter,
        names_type: bool,
        inner: Box<Clause>,
    },
    /// Something that points here meets it.
    Has {
        parameter: &'static Parameter,
        inner: Box<Clause>,
    },
    /// `_filter`
    Filter(Expression),
}

/// An expression of `_filter`.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    Test(Box<Clause>),
    Not(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
}

/// A query on a type.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) name: &'static str,
    pub(super) clauses: Vec<Clause>,
    /// The parameter to sort by, and whether the largest comes first.
    pub(super) sort: Option<(&'static Parameter, bool)>,
}

impl Query {
    /// The query as people read it.
    pub(super) fn text(&self) -> String {
        let pairs: Vec<_> = self
            .pairs()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("{}?{}", self.name, pairs.join("&"))
    }

    /// The query as it is sent.
    pub(super) fn url(&self) -> String {
        let mut url = format!("{}?_count={PAGE_MAX}&_total=accurate", self.name);
        for (name, value) in self.pairs() {
            write!(url, "&{name}=").unwrap();
            for byte in value.bytes() {
                write!(url, "%{byte:02X}").unwrap();
            }
        }
        url
    }

    fn pairs(&self) -> Vec<(String, String)> {
        let mut pairs: Vec<_> = self.clauses.iter().map(Clause::pair).collect();
        if let Some((parameter, is_descending)) = self.sort {
            let sign = if is_descending { "-" } else { "" };
            pairs.push(("_sort".into(), format!("{sign}{},_id", parameter.code)));
        }
        pairs
    }
}

impl Clause {
    fn pair(&self) -> (String, String) {
        match self {
            Self::Leaf {
                parameter,
                modifier,
                values,
            } => (format!("{}{modifier}", parameter.code), values.join(",")),
            Self::Chain {
                parameter,
                names_type,
                inner,
            } => {
                let (name, value) = inner.pair();
                let of = if *names_type {
                    format!(":{}", parameter.target)
                } else {
                    String::new()
                };
                (format!("{}{of}.{name}", parameter.code), value)
            }
            Self::Has { parameter, inner } => {
                let (name, value) = inner.pair();
                (
                    format!("_has:{}:{}:{name}", parameter.of, parameter.code),
                    value,
                )
            }
            Self::Filter(expression) => ("_filter".into(), expression.text()),
        }
    }

    /// As a test of `_filter`: path, operator, value.
    fn test(&self) -> String {
        let (name, value) = self.pair();
        let (path, modifier) = match name.rsplit_once(':') {
            // The colon of a chain's type is not one of a modifier.
            Some((path, modifier)) if !modifier.contains('.') => (path, modifier),
            _ => (name.as_str(), ""),
        };
        let kind = self.kind();
        if modifier == "missing" {
            return format!("{path} pr {}", value == "false");
        }
        let (operator, value) = match (kind, modifier) {
            (Kind::Text | Kind::Name | Kind::Address, "") => ("sw", value.as_str()),
            (Kind::Text | Kind::Name | Kind::Address, "exact") => ("eq", value.as_str()),
            (Kind::Text | Kind::Name | Kind::Address, _) => ("co", value.as_str()),
            (_, "not") => ("ne", value.as_str()),
            (Kind::Date | Kind::Number | Kind::Quantity, _) => {
                let prefix = PREFIXES
                    .iter()
                    .find(|one| !one.is_empty() && value.starts_with(**one));
                prefix.map_or(("eq", value.as_str()), |one| (one, value.split_at(2).1))
            }
            _ => ("eq", value.as_str()),
        };
        if matches!(kind, Kind::Text | Kind::Name | Kind::Address) {
            format!("{path} {operator} \"{value}\"")
        } else {
            format!("{path} {operator} {value}")
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Leaf { parameter, .. } => parameter.kind,
            Self::Chain { inner, .. } | Self::Has { inner, .. } => inner.kind(),
            Self::Filter(_) => unreachable!("filters do not nest"),
        }
    }
}

impl Expression {
    fn text(&self) -> String {
        match self {
            Self::Test(clause) => clause.test(),
            Self::Not(inner) => format!("not ({})", inner.text()),
            Self::And(one, other) => format!("({}) and ({})", one.text(), other.text()),
            Self::Or(one, other) => format!("{} or ({})", one.text(), other.text()),
        }
    }
}

/// A random query.
pub(super) fn query(random: &mut Random) -> Query {
    let name = if random.one_in(2) {
        pick(random, &["Patient", "Observation"])
    } else {
        pick(random, &COUNTS).0
    };
    let mut clauses: Vec<Clause> = Vec::new();
    for _ in 0..=random.below(3) {
        let next = clause(random, name, 2);
        let is_new = clauses.iter().all(|one| one.pair().0 != next.pair().0);
        if is_new {
            clauses.push(next);
        }
    }
    let sortable: Vec<_> = of_type(name).filter(|one| one.is_sortable()).collect();
    let sort = (random.one_in(4) && !sortable.is_empty())
        .then(|| (pick(random, &sortable), random.one_in(2)));
    Query {
        name,
        clauses,
        sort,
    }
}

fn of_type(name: &str) -> impl Iterator<Item = &'static Parameter> + '_ {
    PARAMETERS.iter().filter(move |one| one.of == name)
}

fn clause(random: &mut Random, name: &'static str, depth: u32) -> Clause {
    let form = random.below(10);
    if form < 2 && depth > 0 {
        let chains: Vec<_> = of_type(name).filter(|one| !one.target.is_empty()).collect();
        if let Some(parameter) = (!chains.is_empty()).then(|| pick(random, &chains)) {
            let names_type = parameter.is_ambiguous || random.one_in(2);
            let inner = Box::new(clause(random, parameter.target, depth - 1));
            if !matches!(*inner, Clause::Filter(_)) {
                return Clause::Chain {
                    parameter,
                    names_type,
                    inner,
                };
            }
        }
    }
    if form == 2 && depth > 0 {
        let sources: Vec<_> = PARAMETERS.iter().filter(|one| one.target == name).collect();
        if let Some(parameter) = (!sources.is_empty()).then(|| pick(random, &sources)) {
            let inner = Box::new(clause(random, parameter.of, depth - 1));
            if !matches!(*inner, Clause::Filter(_)) {
                return Clause::Has { parameter, inner };
            }
        }
    }
    if form == 3 && depth == 2 {
        return Clause::Filter(expression(random, name, 2));
    }
    leaf(random, name)
}

fn expression(random: &mut Random, name: &'static str, depth: u32) -> Expression {
    let inner = |random: &mut Random| Box::new(expression(random, name, depth.saturating_sub(1)));
    match random.below(if depth == 0 { 1 } else { 4 }) {
        0 => loop {
            let test = if random.one_in(4) {
                clause(random, name, 1)
            } else {
                leaf(random, name)
            };
            if is_testable(&test) {
                return Expression::Test(Box::new(test));
            }
        },
        1 => Expression::Not(inner(random)),
        2 => Expression::And(inner(random), inner(random)),
        _ => Expression::Or(inner(random), inner(random)),
    }
}

/// Whether `_filter` has an operator for it.
fn is_testable(clause: &Clause) -> bool {
    match clause {
        Clause::Leaf {
            parameter,
            modifier,
            values,
        } => {
            let known = ["", ":missing", ":exact", ":contains", ":not"];
            // `ne` of a path is the negation of the whole path.
            known.contains(&modifier.as_str())
                && values.len() == 1
                && !matches!(parameter.kind, Kind::Composite)
        }
        Clause::Chain { inner, .. } => match &**inner {
            Clause::Leaf { modifier, .. } => modifier != ":not" && is_testable(inner),
            _ => false,
        },
        _ => false,
    }
}

fn leaf(random: &mut Random, name: &'static str) -> Clause {
    let all: Vec<_> = of_type(name).collect();
    let parameter = pick(random, &all);
    if parameter.kind != Kind::Id && random.one_in(8) {
        let values = vec![random.one_in(2).to_string()];
        return Clause::Leaf {
            parameter,
            modifier: ":missing".into(),
            values,
        };
    }
    let modifier = modifier(random, parameter);
    let count = if matches!(modifier, ":exact" | ":contains") || random.one_in(3) {
        2
    } else {
        1
    };
    let mut values: Vec<String> = Vec::new();
    for _ in 0..count {
        values.push(value(random, parameter, modifier));
    }
    Clause::Leaf {
        parameter,
        modifier: modifier.to_owned(),
        values,
    }
}

fn modifier(random: &mut Random, parameter: &Parameter) -> &'static str {
    let own: &[&str] = match parameter.kind {
        Kind::Text | Kind::Name | Kind::Address => &["", "", ":exact", ":contains"],
        Kind::Concept | Kind::Coding => &["", "", "", ":not", ":text"],
        Kind::Identifier => &["", "", "", ":not", ":text", ":of-type"],
        Kind::Code | Kind::Bool => &["", "", ":not"],
        Kind::Reference if parameter.target == "Patient" => {
            &["", "", "", ":identifier", ":Patient"]
        }
        Kind::Reference => &["", "", "", ":identifier"],
        Kind::Uri => &["", ":above", ":below"],
        _ => &[""],
    };
    pick(random, own)
}

fn value(random: &mut Random, parameter: &'static Parameter, modifier: &str) -> String {
    match (parameter.kind, modifier) {
        (Kind::Text | Kind::Name | Kind::Address, ":exact") => pick(random, &NAMES).to_owned(),
        (Kind::Text | Kind::Name | Kind::Address, _) => pick(random, &PIECES).to_owned(),
        (_, ":text") => pick(random, &["heart", "Rate", "body weight", "uber", "fail"]).to_owned(),
        (_, ":of-type") => {
            format!(
                "{}|v{}|v{}",
                pick(random, &SYSTEMS),
                random.below(5),
                random.below(20)
            )
        }
        (Kind::Identifier, _) | (_, ":identifier") => token(random, 20),
        (Kind::Concept | Kind::Coding, _) => token(random, 5),
        (Kind::Code, _) => {
            let codes = [
                "male", "female", "final", "amended", "finished", "planned", "other",
            ];
            let code = pick(random, &codes);
            match random.below(5) {
                0 => format!("{}|{code}", parameter.system),
                1 => format!("{}|", parameter.system),
                2 => format!("|{code}"),
                _ => code.to_owned(),
            }
        }
        (Kind::Bool, _) => random.one_in(2).to_string(),
        (Kind::Date, _) => {
            let text = if random.one_in(3) {
                instant(random)
            } else {
                day(random)
            };
            format!("{}{text}", pick(random, &PREFIXES))
        }
        (Kind::Number, _) => format!("{}{}", prefix(random), number_text(random)),
        (Kind::Quantity, _) => quantity_value(random),
        (Kind::Reference, ":Patient") => some_id(random, "Patient"),
        (Kind::Reference, _) => {
            let id = some_id(random, parameter.target);
            if random.one_in(2) {
                id
            } else {
                format!("{}/{id}", parameter.target)
            }
        }
        (Kind::Uri, ":above" | ":below") => pick(random, &URLS[..5]).to_owned(),
        (Kind::Uri, _) => pick(random, &URLS).to_owned(),
        (Kind::Id, _) => some_id(random, parameter.of),
        (Kind::Composite, _) => {
            let second = match parameter.code {
                "code-value-concept" => token(random, 5),
                _ => quantity_value(random),
            };
            format!("{}${second}", token(random, 5))
        }
    }
}

fn prefix(random: &mut Random) -> &'static str {
    if random.one_in(6) {
        "ap"
    } else {
        pick(random, &PREFIXES)
    }
}

fn quantity_value(random: &mut Random) -> String {
    let (system, code) = pick(random, &UNITS);
    let unit = match random.below(4) {
        0 => String::new(),
        1 => format!("||{code}"),
        _ => format!("|{system}|{code}"),
    };
    format!("{}{}{unit}", prefix(random), number_text(random))
}

fn token(random: &mut Random, codes: u64) -> String {
    let (system, code) = (pick(random, &SYSTEMS), random.below(codes));
    match random.below(6) {
        0 => format!("{system}|"),
        1 => format!("|v{code}"),
        2 => format!("{system}|v{code}"),
        _ => format!("v{code}"),
    }
}
