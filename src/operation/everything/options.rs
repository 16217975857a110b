//! The parameters of `$everything`, and what they say of a resource.
//!
//! Spec: <https://hl7.org/fhir/R4/patient-operation-everything.html>.

use crate::access::records::Stored;
use crate::fhir::date::PartialDate;
use crate::fhir::instant::Instant;
use crate::fhir::query;
use crate::fhir::resource::Resource;
use crate::fhir::resource_type::ResourceType;
use crate::operation::listing::{self, REPRESENTATION};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::search::index::{Indexer, MAIN_DATES};
use crate::search::param::date::{self, Interval};

/// The parameter that alone says when care was given, where there is one.
const CARE_DATE: &str = "date";

/// Dates that end what a main date begins.
const END_DATES: [&str; 1] = ["abatement-date"];

/// What is wanted.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// The first millisecond of care that counts.
    start_ms: Option<i64>,
    /// The first millisecond of care that no longer counts.
    end_ms: Option<i64>,
    since: Option<Instant>,
    /// The types that are wanted; none for all.
    pub(super) types: Vec<ResourceType>,
    /// Resources on a page.
    pub(super) count: Option<usize>,
}

impl Options {
    pub(super) fn read(pairs: &[(String, String)]) -> Result<Self, Outcome> {
        let mut options = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "start" => {
                    let date = read_date(name, value)?;
                    listing::once(&mut options.start_ms, name, date.low_ms)?;
                }
                "end" => {
                    let date = read_date(name, value)?;
                    listing::once(&mut options.end_ms, name, date.high_ms)?;
                }
                "_since" => {
                    let since = Instant::parse(value);
                    let since = since.ok_or_else(|| {
                        let text = "_since is an instant, as in 2020-01-31T08:00:00Z; in a URL, a \
                                    plus sign is written %2B.";
                        malformed(name, text)
                    })?;
                    listing::once(&mut options.since, name, since)?;
                }
                "_type" => options.types.extend(read_types(name, value)?),
                "_count" => listing::once(&mut options.count, name, listing::count(value)?)?,
                _ if REPRESENTATION.contains(&name.as_str()) => {}
                _ => {
                    let text = "$everything has the parameters start, end, _since, _type and \
                                _count.";
                    let outcome = Outcome::new(Kind::Unsupported, text);
                    return Err(outcome.at(format!("http.{name}")));
                }
            }
        }
        options.types.sort_unstable();
        options.types.dedup();
        if let (Some(start_ms), Some(end_ms)) = (options.start_ms, options.end_ms)
            && start_ms >= end_ms
        {
            return Err(Outcome::new(Kind::Invalid, "end must not be before start."));
        }
        Ok(options)
    }

    /// Whether resources of a type are wanted.
    pub(super) fn wants(&self, resource_type: ResourceType) -> bool {
        self.types.is_empty() || self.types.contains(&resource_type)
    }

    /// Whether it was written since the time that is asked for.
    pub(super) fn is_since(&self, stored: &Stored) -> bool {
        let since = self.since.map(Instant::millis);
        since.is_none_or(|since_ms| stored.version.last_updated_ms >= since_ms)
    }

    /// Whether a time was asked for.
    pub(super) fn has_time(&self) -> bool {
        self.start_ms.is_some() || self.end_ms.is_some()
    }

    /// Whether it is about care in the time that is asked for; so is what says no time.
    pub(super) fn is_in_time(&self, resource: &Resource, indexer: &Indexer) -> bool {
        if !self.has_time() {
            return true;
        }
        care_time(resource, indexer).is_none_or(|care| {
            self.start_ms.is_none_or(|start_ms| care.high_ms > start_ms)
                && self.end_ms.is_none_or(|end_ms| care.low_ms < end_ms)
        })
    }
}

/// The time from the first to the last that a resource is clinically about.
fn care_time(resource: &Resource, indexer: &Indexer) -> Option<Interval> {
    let registry = indexer.registry();
    let of = |code: &str| {
        let parameter = registry.search_parameter(resource.resource_type(), code)?;
        let mut time: Option<Interval> = None;
        indexer.each_value(parameter, resource, &mut |found| {
            let value = date::interval(found);
            time = [time, value].into_iter().flatten().reduce(Interval::hull);
        });
        time
    };
    let others = || MAIN_DATES.iter().chain(&END_DATES).copied();
    of(CARE_DATE).or_else(|| others().filter_map(of).reduce(Interval::hull))
}

fn read_date(name: &str, value: &str) -> Result<PartialDate, Outcome> {
    let hint = query::plus_hint(value).unwrap_or_default();
    let text = format!("{name} is a date, as in 2020, 2020-01 or 2020-01-31.{hint}");
    PartialDate::parse(value).ok_or_else(|| malformed(name, &text))
}

fn read_types(name: &str, value: &str) -> Result<Vec<ResourceType>, Outcome> {
    let read: Result<_, _> = value.split(',').map(str::parse).collect();
    read.map_err(|_unknown| {
        let text = "_type is a list of resource types, as in _type=Condition,Observation.";
        malformed(name, text)
    })
}

fn malformed(name: &str, text: &str) -> Outcome {
    Outcome::new(Kind::Malformed, text).at(format!("http.{name}"))
}
