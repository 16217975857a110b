//! What every handler is given.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusRecorder;

use crate::config::AccessMode;
use crate::interaction::Context;

/// The state of the router.
#[derive(Clone)]
pub struct AppState {
    /// What interactions work with.
    pub ctx: Context,
    /// How access is decided.
    pub access: AccessMode,
    /// Where measurements go.
    pub recorder: Arc<PrometheusRecorder>,
    /// The JSON of the CapabilityStatement.
    pub capability_statement: Arc<[u8]>,
}
