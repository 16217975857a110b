//! What every handler is given.

use std::ops::Deref;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusRecorder;

use crate::account::accounts::Accounts;
use crate::audit::journal::Journal;
use crate::config::AccessMode;
use crate::http::rates::Rates;
use crate::ingest::Ingest;
use crate::interaction::Context;
use crate::operation::audit_events::AuditEvents;
use crate::smart::authority::Authority;

/// The state of the router: one pointer, because every layer clones it for every request.
#[derive(Clone)]
pub struct AppState(Arc<AppParts>);

/// What the state holds.
pub struct AppParts {
    /// What interactions work with.
    pub ctx: Context,
    /// How access is decided.
    pub access: AccessMode,
    /// The authorization server, where access is decided by it.
    pub authority: Option<Arc<Authority>>,
    /// Who did what; nothing is answered before it is written there.
    pub journal: Arc<Journal>,
    /// People who sign in, where access is decided by the authorization server.
    pub accounts: Option<Arc<Accounts>>,
    /// What takes HL7 v2 messages in.
    pub ingest: Arc<Ingest>,
    /// Makes `AuditEvent`s of it.
    pub events: Arc<AuditEvents>,
    /// What everybody may still ask for.
    pub rates: Arc<Rates>,
    /// Where measurements go.
    pub recorder: Arc<PrometheusRecorder>,
    /// The JSON of the CapabilityStatement.
    pub capability_statement: Arc<[u8]>,
}

impl AppState {
    /// The state that holds these parts.
    pub fn new(parts: AppParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for AppState {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}
