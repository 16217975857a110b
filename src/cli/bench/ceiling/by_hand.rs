//! Searches that a bare store takes several steps for, written out as one would by hand.
//!
//! Nothing is parsed, verified or paged that the answer does not need; bodies are opened where
//! values are needed that no index holds.

use axum::extract::{Query as UrlQuery, RawQuery, State};
use serde::Deserialize;
use serde_json::Value;

use crate::access::records::pages::Page;
use crate::cli::bench::ceiling::{Answer, Ceiling, Refused, bodies, failed, nothing};
use crate::cli::bench::search::PAGE;
use crate::fhir::query;
use crate::fhir::resource_type::ResourceType;
use crate::search::key::Key;
use crate::search::param::Condition;
use crate::search::param::reference::ReferenceCondition;
use crate::search::plan::{Order, Plan, Predicate, Window};
use crate::search::query::{Criterion, Query};
use crate::store::Address;

/// What one step finds at most.
const STEP_MAX: usize = 1_000;

/// What is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// The first search: a type with a query behind a question mark.
    #[serde(default)]
    first: String,
    /// A patient.
    #[serde(default)]
    id: String,
}

/// The newest page of what refers to what a search finds, step by step.
pub(super) async fn chain(State(state): State<Ceiling>, RawQuery(query): RawQuery) -> Answer {
    let pairs = query::pairs(&query.unwrap_or_default());
    let mut values = pairs.into_iter().map(|(_, value)| value);
    let mut plan = state.first(&values.next().unwrap_or_default()).await?;
    for step in values {
        let (name, code) = step.split_once(':').ok_or_else(nothing)?;
        let resource_type: ResourceType = name.parse().map_err(|_unknown| nothing())?;
        let step = all();
        let sealed = state.ctx.records.find_sealed(&state.grant, &plan, &step);
        let found = sealed.await.map_err(failed)?.versions.into_iter();
        let targets = found.map(|one| {
            let Address { resource_type, id } = one.address;
            format!("{resource_type}/{id}")
        });
        let reference = Criterion::Parameter {
            code: code.into(),
            any_of: vec![Condition::Reference(ReferenceCondition {
                targets: targets.collect(),
                version_id: None,
                are_canonical: false,
            })],
        };
        let query = Query::of(resource_type, vec![reference]);
        plan = query.lower(&state.ctx.records.indexer()).plan(&[]);
    }
    let window = Window {
        limit: PAGE,
        ..all()
    };
    Ok(bodies(&state.find(&plan, &window).await?.matches))
}

/// A page of the patients that what a search finds refers to.
pub(super) async fn has(State(state): State<Ceiling>, UrlQuery(asked): UrlQuery<Asked>) -> Answer {
    let plan = state.first(&asked.first).await?;
    let found = state.find(&plan, &all()).await?;
    let mut ids = Vec::new();
    for stored in &found.matches {
        let json: Value = serde_json::from_slice(&stored.json).map_err(|_broken| nothing())?;
        let reference = json.pointer("/subject/reference").and_then(Value::as_str);
        ids.extend(reference.and_then(|text| text.strip_prefix("Patient/").map(str::to_owned)));
    }
    ids.sort_unstable();
    ids.dedup();
    let type_key = Key::of_type(patient()?);
    let plan = Plan {
        driver: Predicate::Ids(ids),
        residual: Predicate::All,
        type_key: Some(type_key),
    };
    let window = Window {
        limit: PAGE,
        ..all()
    };
    Ok(bodies(&state.find(&plan, &window).await?.matches))
}

/// Everything that a search finds is opened, and a page of it sent.
pub(super) async fn whole(
    State(state): State<Ceiling>,
    UrlQuery(asked): UrlQuery<Asked>,
) -> Answer {
    let plan = state.first(&asked.first).await?;
    let found = state.find(&plan, &all()).await?.matches;
    Ok(bodies(found.get(..PAGE).unwrap_or(&found)))
}

/// A patient with all that is in the compartment.
pub(super) async fn chart(
    State(state): State<Ceiling>,
    UrlQuery(asked): UrlQuery<Asked>,
) -> Answer {
    let owner = state.ctx.records.indexer().compartment(&asked.id);
    let plan = Plan {
        driver: Predicate::Compartment(owner),
        residual: Predicate::All,
        type_key: None,
    };
    Ok(bodies(&state.find(&plan, &all()).await?.matches))
}

impl Ceiling {
    async fn first(&self, search: &str) -> Result<Plan, Refused> {
        let (name, query) = search.split_once('?').ok_or_else(nothing)?;
        Ok(Plan::clone(&*self.plan(name, query).await?))
    }

    async fn find(&self, plan: &Plan, window: &Window) -> Result<Page, Refused> {
        let found = self.ctx.records.find(&self.grant, plan, window).await;
        found.map_err(failed)
    }
}

fn all() -> Window {
    Window {
        order: Order::NewestFirst,
        after: None,
        high_water: None,
        limit: STEP_MAX,
        examined_max: usize::MAX,
        bytes_max: usize::MAX,
    }
}

fn patient() -> Result<ResourceType, Refused> {
    "Patient".parse().map_err(|_unknown| nothing())
}
