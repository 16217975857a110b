//! Searches that the server makes by itself, to find out about relationships.

use crate::access::records::{Records, Stored};
use crate::access::{Grant, Intent};
use crate::fhir::resource_type::ResourceType;
use crate::outcome::Outcome;
use crate::search::parse::{self, ParseOptions};
use crate::search::plan::{Order, Plan, Window};
use crate::search::query::Query;

/// Matches read together.
const STEP: usize = 500;

/// Bytes of their bodies.
const STEP_BYTES_MAX: usize = 16 << 20;

/// Candidates examined for one search: what is behind them is not seen, and opens nothing.
const EXAMINED_MAX: usize = 200_000;

/// Searches as the server itself.
pub(super) struct Searches<'r> {
    pub(super) records: &'r Records,
    pub(super) now_ms: i64,
}

impl Searches<'_> {
    /// Gives each match of a query, newest first, until `visit` has enough.
    pub(super) async fn each(
        &self,
        type_name: &str,
        parameters: &[(&str, &str)],
        visit: &mut (dyn FnMut(&Stored) -> Result<bool, Outcome> + Send),
    ) -> Result<(), Outcome> {
        let query = self.query(type_name, parameters)?;
        let indexer = self.records.indexer();
        let plan = query.lower(&indexer).plan(&[]);
        self.walk(query.resource_type, &plan, &mut |stored| {
            let is_met = !query.needs_verification()
                || query.verify(
                    &stored.resource()?,
                    stored.version.last_updated_ms,
                    &indexer,
                );
            if is_met { visit(stored) } else { Ok(true) }
        })
        .await?;
        Ok(())
    }

    /// Gives each match of a plan, newest first, until `visit` has enough. False when there are
    /// more than are examined.
    pub(super) async fn walk(
        &self,
        resource_type: ResourceType,
        plan: &Plan,
        visit: &mut (dyn FnMut(&Stored) -> Result<bool, Outcome> + Send),
    ) -> Result<bool, Outcome> {
        let grant = Grant::of_server(Intent::Search(Some(resource_type)));
        let mut window = Window {
            order: Order::NewestFirst,
            after: None,
            high_water: None,
            limit: STEP,
            examined_max: EXAMINED_MAX,
            bytes_max: STEP_BYTES_MAX,
        };
        let mut examined = 0;
        loop {
            let page = self.records.find(&grant, plan, &window).await?;
            for stored in &page.matches {
                if !visit(stored)? {
                    return Ok(true);
                }
            }
            examined += page.found;
            if page.is_last {
                return Ok(true);
            }
            if page.stopped_at.is_some() || examined > EXAMINED_MAX {
                tracing::warn!(%resource_type, "relationships are more than are examined");
                return Ok(false);
            }
            window.after = page.last.or(window.after);
        }
    }

    fn query(&self, type_name: &str, parameters: &[(&str, &str)]) -> Result<Query, Outcome> {
        let internal = || Outcome::internal(format!("{type_name} cannot be searched by this"));
        let resource_type: ResourceType = type_name.parse().map_err(|_unknown| internal())?;
        let pairs = parameters.iter();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let options = ParseOptions {
            now_ms: self.now_ms,
            is_lenient: false,
            chain_depth_max: 0,
        };
        let indexer = self.records.indexer();
        parse::parse(resource_type, &pairs, &indexer, options).map_err(|_issues| internal())
    }
}
