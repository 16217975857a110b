//! Choices that FHIR's REST page leaves to the server.

use serde::{Deserialize, Serialize};

/// Settings of the REST interface.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RestConfig {
    /// Whether a conditional delete may delete several resources at once.
    pub conditional_delete_multiple: bool,
    /// Resources one conditional delete may delete, when it may delete several.
    pub conditional_delete_max: usize,
    /// Origins whose pages may call from a browser; none by default, `*` is any.
    pub cors_origins: Vec<String>,
}

impl Default for RestConfig {
    fn default() -> Self {
        Self {
            conditional_delete_multiple: false,
            conditional_delete_max: 1000,
            cors_origins: Vec::new(),
        }
    }
}
