//! From a query to a plan: which keys to look for, and which of them to walk.
//!
//! The most selective condition drives. Where the kind of a condition does not tell, the caller
//! has the store count the candidates, up to [`COUNT_LIMIT`], and the smallest drives.

mod between;

use crate::fhir::resource_type::ResourceType;
use crate::search::hasher::Hasher;
use crate::search::index::Indexer;
use crate::search::key::{Key, ParameterNumber};
use crate::search::param::Condition;
use crate::search::param::date::DateCondition;
use crate::search::plan::{Plan, Predicate};
use crate::search::query::{Criterion, Query, has_column};
use crate::search::words::{CONTENT, WordsCondition};

/// How far candidates are counted.
pub const COUNT_LIMIT: u64 = 1_000;

/// Records of patients that are walked together; of more of them, each is tested for on the way.
const WALKED_CHARTS_MAX: usize = 256;

/// How many candidates are counted at most.
pub const CANDIDATES_MAX: usize = 3;

/// A query as conditions on index entries, all of which hold for every match.
#[derive(Debug, Clone)]
pub struct Lowered {
    type_key: Key,
    conjuncts: Vec<Conjunct>,
}

/// A condition that may drive.
#[derive(Debug, Clone)]
pub struct Contender {
    /// The plan that walks it and tests nothing.
    pub plan: Plan,
    /// Whether it is a range, or several conditions.
    pub is_wide: bool,
}

#[derive(Debug, Clone)]
struct Conjunct {
    predicate: Predicate,
    /// What is walked where the predicate itself cannot be: it holds whenever the predicate does.
    driver: Option<Predicate>,
    breadth: Breadth,
}

/// How much a condition is likely to find, best driver first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Breadth {
    /// Logical ids.
    Listed,
    /// What is meant to find one: identifiers, canonical URLs.
    Unique,
    /// What belongs to one patient or encounter.
    Chart,
    /// Equality of anything else.
    Equal,
    /// A range, or several conditions.
    Wide,
    /// Cannot be walked.
    Untold,
}

impl Conjunct {
    /// A condition made of others.
    fn composed(predicate: Predicate) -> Self {
        let own = (!is_walkable(&predicate)).then(|| walkable_part(&predicate));
        let driver = own.flatten();
        let is_driving = driver.is_some() || is_walkable(&predicate);
        Self {
            breadth: if is_driving {
                Breadth::Wide
            } else {
                Breadth::Untold
            },
            predicate,
            driver,
        }
    }

    /// A condition that is tested only.
    fn untold(predicate: Predicate) -> Self {
        Self {
            predicate,
            driver: None,
            breadth: Breadth::Untold,
        }
    }
}

impl Query {
    /// The conditions on index entries.
    pub fn lower(&self, indexer: &Indexer) -> Lowered {
        let mut hasher = indexer.hasher();
        let mut lowered = Lowered::of_type(self.resource_type);
        for criterion in &self.criteria {
            let conjunct = lower(criterion, self.resource_type, indexer, &mut hasher);
            lowered.conjuncts.push(conjunct);
        }
        between::close(&mut lowered.conjuncts, self, indexer);
        lowered
    }

    /// The conditions on index entries of what contains a resource that meets the query. They
    /// leave much open: each contained resource has to be verified.
    pub fn lower_contained(&self, indexer: &Indexer) -> Lowered {
        let mut lowered = self.lower(indexer);
        lowered.type_key = lowered.type_key.of_contained();
        for conjunct in &mut lowered.conjuncts {
            let driver = conjunct.driver.take();
            conjunct.driver = driver.map(|one| one.of_contained());
            conjunct.predicate = conjunct.predicate.of_contained();
            let driver = conjunct.driver.as_ref().unwrap_or(&conjunct.predicate);
            if !is_walkable(driver) {
                conjunct.driver = None;
                conjunct.breadth = Breadth::Untold;
            }
        }
        lowered
    }
}

impl Lowered {
    /// All resources of a type.
    pub fn of_type(resource_type: ResourceType) -> Self {
        Self {
            type_key: Key::of_type(resource_type),
            conjuncts: Vec::new(),
        }
    }

    /// A further condition that every match has to meet, such as what the client may see.
    pub fn restrict(&mut self, predicate: Predicate) {
        let breadth = match predicate {
            Predicate::Compartment(_) => Breadth::Chart,
            Predicate::AnyCompartment(ref owners) if owners.len() <= WALKED_CHARTS_MAX => {
                Breadth::Wide
            }
            Predicate::Ids(_) => Breadth::Listed,
            Predicate::Key(_) => Breadth::Equal,
            Predicate::Range(_) => Breadth::Wide,
            Predicate::Or(ref any) if any.iter().all(is_walkable) => Breadth::Wide,
            _ => Breadth::Untold,
        };
        self.conjuncts.push(Conjunct {
            predicate,
            driver: None,
            breadth,
        });
    }

    /// All conditions but that of the type as one.
    pub fn condition(&self) -> Predicate {
        let all = self.conjuncts.iter().map(|one| one.predicate.clone());
        conjunction(all.collect())
    }

    /// Plans that are worth counting up to [`COUNT_LIMIT`], in the order in which
    /// [`Lowered::plan`] takes their counts. None where it is clear what drives.
    pub fn candidates(&self) -> Vec<Contender> {
        let places = self.candidate_places();
        if places.len() < 2 {
            return Vec::new();
        }
        let conjuncts = places.iter().filter_map(|&place| self.conjuncts.get(place));
        conjuncts
            .map(|one| {
                let driver = one.driver.as_ref().unwrap_or(&one.predicate);
                Contender {
                    plan: self.plan_of(driver.clone(), Vec::new()),
                    is_wide: one.breadth >= Breadth::Wide,
                }
            })
            .collect()
    }

    /// The plan that walks the candidate at this place, as [`Lowered::smallest`] gave it.
    pub fn plan_by(&self, place: u8) -> Plan {
        let places = 0..self.candidate_places().len();
        let counts: Vec<u64> = places
            .map(|one| u64::from(one != usize::from(place)))
            .collect();
        self.plan(&counts)
    }

    /// The place of the smallest of [`Lowered::candidates`].
    pub fn smallest(counts: &[u64]) -> u8 {
        let counted = counts.iter().enumerate();
        let smallest = counted.min_by_key(|(_, count)| **count);
        smallest.map_or(0, |(place, _)| u8::try_from(place).unwrap_or(0))
    }

    /// The plan that walks the smallest candidate; the first one where nothing was counted.
    pub fn plan(&self, counts: &[u64]) -> Plan {
        let places = self.candidate_places();
        let counted = places.iter().zip(counts);
        let best = counted
            .min_by_key(|(_, count)| **count)
            .map(|(place, _)| *place);
        let mut rest: Vec<_> = self
            .conjuncts
            .iter()
            .map(|one| one.predicate.clone())
            .collect();
        if rest.contains(&Predicate::Nothing) {
            return self.plan_of(Predicate::Ids(Vec::new()), Vec::new());
        }
        match best.or_else(|| places.first().copied()) {
            Some(place) => {
                let own = self.conjuncts.get(place).and_then(|one| one.driver.clone());
                let driver = own.unwrap_or_else(|| rest.remove(place));
                self.plan_of(driver, rest)
            }
            None => self.plan_of(Predicate::Key(self.type_key.clone()), rest),
        }
    }

    fn plan_of(&self, driver: Predicate, mut rest: Vec<Predicate>) -> Plan {
        // A parameter's keys are of one type; a compartment has resources of all.
        if !driver.is_by_key() && !matches!(driver, Predicate::Ids(_)) {
            rest.push(Predicate::Key(self.type_key.clone()));
        }
        Plan {
            driver,
            residual: conjunction(rest),
            type_key: Some(self.type_key.clone()),
        }
    }

    /// The places of the conditions that may drive: one where it is clear.
    fn candidate_places(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.conjuncts.len()).collect();
        let breadth = |place: &usize| {
            let conjunct = self.conjuncts.get(*place);
            conjunct.map_or(Breadth::Untold, |one| one.breadth)
        };
        places.retain(|place| breadth(place) != Breadth::Untold);
        places.sort_by_key(breadth);
        let is_clear = places
            .first()
            .is_some_and(|first| breadth(first) <= Breadth::Chart);
        places.truncate(if is_clear { 1 } else { CANDIDATES_MAX });
        places
    }
}

fn lower(
    criterion: &Criterion,
    resource_type: ResourceType,
    indexer: &Indexer,
    hasher: &mut Hasher<'_>,
) -> Conjunct {
    match criterion {
        Criterion::Ids(ids) => Conjunct {
            predicate: Predicate::Ids(ids.clone()),
            driver: None,
            breadth: Breadth::Listed,
        },
        Criterion::Words(words) => lower_words(words, resource_type, indexer, hasher),
        Criterion::LastUpdated(any_of) => Conjunct::untold(disjunction(
            any_of.iter().map(DateCondition::lower_last_updated),
        )),
        Criterion::Not(inner) if inner.needs_verification() => Conjunct::untold(Predicate::All),
        Criterion::Not(inner) => {
            let inner = lower(inner, resource_type, indexer, hasher);
            Conjunct::untold(Predicate::Not(Box::new(inner.predicate)))
        }
        Criterion::Missing { code, is_missing } => {
            lower_missing(code, *is_missing, resource_type, indexer)
        }
        Criterion::All(parts) => {
            let mut lower = |one| lower(one, resource_type, indexer, hasher).predicate;
            Conjunct::composed(conjunction(parts.iter().map(&mut lower).collect()))
        }
        Criterion::Any(parts) => {
            let mut lower = |one| lower(one, resource_type, indexer, hasher).predicate;
            Conjunct::composed(disjunction(parts.iter().map(&mut lower)))
        }
        Criterion::Related(_) => Conjunct::untold(Predicate::Nothing),
        Criterion::Referred(_) => Conjunct::untold(Predicate::All),
        Criterion::Inside(inside) => {
            let inner = lower(&inside.criterion, inside.target, indexer, hasher);
            let holder = Key::of_container(resource_type, inside.target);
            let both = vec![inner.predicate.of_contained(), Predicate::Key(holder)];
            Conjunct::composed(conjunction(both))
        }
        Criterion::Parameter { code, any_of } => {
            let parameter = indexer.registry().search_parameter(resource_type, code);
            let Some(parameter) = parameter else {
                return Conjunct::untold(Predicate::Nothing);
            };
            let number = ParameterNumber(parameter.number);
            let all = any_of.iter().map(|one| one.lower(number, hasher));
            let predicate = disjunction(all);
            let own = (!is_walkable(&predicate)).then(|| walkable_part(&predicate));
            let driver = own.flatten();
            let breadth = if driver.is_some() || is_walkable(&predicate) {
                breadth_of(code, any_of)
            } else {
                Breadth::Untold
            };
            Conjunct {
                predicate,
                driver,
                breadth,
            }
        }
    }
}

fn lower_words(
    words: &WordsCondition,
    resource_type: ResourceType,
    indexer: &Indexer,
    hasher: &Hasher<'_>,
) -> Conjunct {
    let registry = indexer.registry();
    let Some(content) = registry.search_parameter(resource_type, CONTENT) else {
        return Conjunct::untold(Predicate::Nothing);
    };
    let predicate = words.lower(ParameterNumber(content.number), hasher);
    Conjunct::composed(predicate)
}

fn lower_missing(
    code: &str,
    is_missing: bool,
    resource_type: ResourceType,
    indexer: &Indexer,
) -> Conjunct {
    let parameter = indexer.registry().search_parameter(resource_type, code);
    let present = match parameter {
        _ if has_column(code) => Predicate::All,
        Some(parameter) => Predicate::present(ParameterNumber(parameter.number)),
        None => Predicate::Nothing,
    };
    match present {
        Predicate::All if is_missing => Conjunct::untold(Predicate::Nothing),
        Predicate::Nothing if is_missing => Conjunct::untold(Predicate::All),
        present if is_missing => Conjunct::untold(Predicate::Not(Box::new(present))),
        present => Conjunct {
            breadth: if is_walkable(&present) {
                Breadth::Wide
            } else {
                Breadth::Untold
            },
            predicate: present,
            driver: None,
        },
    }
}

fn breadth_of(code: &str, any_of: &[Condition]) -> Breadth {
    let of = |condition: &Condition| match condition {
        condition if condition.is_walk() => Breadth::Wide,
        Condition::Token(token) if code == "identifier" && token.is_one_code() => Breadth::Unique,
        Condition::Uri(_) if code == "url" => Breadth::Unique,
        Condition::Reference(reference) if reference.is_of_one_chart() => Breadth::Chart,
        Condition::Token(_)
        | Condition::Uri(_)
        | Condition::Reference(_)
        | Condition::Logical(_)
        | Condition::String(_)
        | Condition::Vocabulary(_)
        | Condition::Near(_)
        | Condition::Composite(_) => Breadth::Equal,
        Condition::Date(_) | Condition::Number(_) | Condition::Quantity(_) => Breadth::Wide,
    };
    any_of.iter().map(of).max().unwrap_or(Breadth::Untold)
}

/// A part of a condition that can be walked and holds whenever the whole does.
fn walkable_part(predicate: &Predicate) -> Option<Predicate> {
    match predicate {
        one if is_walkable(one) => Some(one.clone()),
        Predicate::And(all) => all.iter().find_map(walkable_part),
        Predicate::Or(any) => {
            let parts: Option<Vec<_>> = any.iter().map(walkable_part).collect();
            Some(disjunction(parts?.into_iter()))
        }
        _ => None,
    }
}

fn is_walkable(predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Key(_)
        | Predicate::Range(_)
        | Predicate::Compartment(_)
        | Predicate::AnyCompartment(_)
        | Predicate::Ids(_) => true,
        Predicate::Or(any) => any.iter().all(is_walkable),
        _ => false,
    }
}

/// One of these, without an `Or` inside an `Or`.
fn disjunction(any: impl Iterator<Item = Predicate>) -> Predicate {
    let mut flat = Vec::new();
    for one in any {
        match one {
            Predicate::Nothing => {}
            Predicate::Or(inner) => flat.extend(inner),
            other => flat.push(other),
        }
    }
    match (flat.pop(), flat.is_empty()) {
        (None, _) => Predicate::Nothing,
        (Some(only), true) => only,
        (Some(last), false) => {
            flat.push(last);
            Predicate::Or(flat)
        }
    }
}

/// All of these.
fn conjunction(mut flat: Vec<Predicate>) -> Predicate {
    flat.retain(|one| *one != Predicate::All);
    match (flat.pop(), flat.is_empty()) {
        (None, _) => Predicate::All,
        (Some(only), true) => only,
        (Some(last), false) => {
            flat.push(last);
            Predicate::And(flat)
        }
    }
}
