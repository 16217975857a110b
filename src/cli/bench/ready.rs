//! What the import stored, read back: documents and keys ready to be written, and what to ask for.

use std::sync::Arc;

use serde_json::Value;

use crate::access::{Grant, Intent, Session, check};
use crate::cli::Failure;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::interaction::Context;
use crate::server::open;
use crate::store::batch::{Batch, Put};
use crate::store::{HistoryPosition, HistoryScope, HistoryWindow};

/// Versions read from the history at once.
const PAGE: usize = 1_000;

/// Observations that are asked for and written, about; spread evenly over all there are.
const OBSERVATIONS_KEPT: usize = 4_096;

/// Documents with their keys, and the facts that requests are made of.
#[derive(Default)]
pub(super) struct Ready {
    /// Everything that was stored, in the order in which it was.
    pub(super) puts: Vec<Put>,
    /// Patients as JSON.
    pub(super) patients: Vec<Value>,
    /// Observations, spread evenly over all there are.
    pub(super) observations: Vec<Observation>,
}

/// An observation and what was stored of it.
#[derive(Clone)]
pub(super) struct Observation {
    /// As JSON.
    pub(super) json: Value,
    /// As it is stored.
    pub(super) put: Put,
}

impl Ready {
    /// Reads a store in which no resource has a second version.
    pub(super) async fn read(config: &Config, resources: usize) -> Result<Self, Failure> {
        let opened = open::open(config, Arc::new(SystemClock)).await?;
        let grant = check(&Session::operator(), Intent::ReadSystem)?;
        let mut ready = Self::default();
        let stride = (resources / OBSERVATIONS_KEPT).max(1);
        let mut window = HistoryWindow {
            since_ms: None,
            until_ms: None,
            after: None,
            limit: PAGE,
            bytes_max: usize::MAX,
        };
        while let Some(last) = ready
            .read_page(&opened.ctx, &grant, &window, stride)
            .await?
        {
            window.after = Some(last);
        }
        ready.puts.sort_by_key(|put| put.version.sequence);
        opened.ctx.records.close().await?;
        if ready.patients.is_empty() || ready.observations.is_empty() {
            return Err("there is nothing to ask for: generate more patients".into());
        }
        Ok(ready)
    }

    async fn read_page(
        &mut self,
        ctx: &Context,
        grant: &Grant,
        window: &HistoryWindow,
        stride: usize,
    ) -> Result<Option<HistoryPosition>, Failure> {
        let records = &ctx.records;
        let page = records
            .history(grant, &HistoryScope::System, window)
            .await?;
        let last = page.last;
        for stored in page.versions {
            let version = &stored.version;
            let resource = stored.resource()?;
            let put = Put {
                entries: records
                    .indexer()
                    .entries(&resource, version.last_updated_ms)?,
                version: stored.version.clone(),
                supersedes: None,
            };
            match resource.resource_type().name() {
                "Patient" => self.patients.push(serde_json::from_slice(&stored.json)?),
                "Observation"
                    if self.puts.len().is_multiple_of(stride) || self.observations.is_empty() =>
                {
                    self.observations.push(Observation {
                        json: serde_json::from_slice(&stored.json)?,
                        put: put.clone(),
                    });
                }
                _ => {}
            }
            self.puts.push(put);
        }
        Ok(last)
    }

    /// The documents in batches: what was shared by itself, the rest as large as the bundles.
    pub(super) fn batches(&self, sizes: &[usize]) -> (Batch, Vec<Batch>) {
        let patients: usize = sizes.iter().sum();
        let shared = self.puts.len().saturating_sub(patients);
        let (first, mut rest) = self.puts.split_at_checked(shared).unwrap_or_default();
        let mut batches = Vec::with_capacity(sizes.len());
        for size in sizes {
            let (batch, behind) = rest.split_at_checked(*size).unwrap_or((rest, &[]));
            batches.push(batch_of(batch));
            rest = behind;
        }
        (batch_of(first), batches)
    }
}

fn batch_of(puts: &[Put]) -> Batch {
    Batch {
        puts: puts.to_vec(),
        ..Batch::default()
    }
}
