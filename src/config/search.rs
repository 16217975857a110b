//! What can be searched by, where it costs something.

use serde::{Deserialize, Serialize};

/// Settings of search.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SearchConfig {
    /// Whether every word of a resource is indexed, for `_text` and `_content`.
    pub words: bool,
}
