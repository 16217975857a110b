//! Bounds on requests and on the work one request may cause.

use serde::{Deserialize, Serialize};

/// A limit on everything that a client could make large.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a request body, after decompression.
    pub body_bytes_max: usize,
    /// Bytes of what the reads of one transaction or batch may answer with.
    pub answer_bytes_max: usize,
    /// Entries of a transaction or batch.
    pub bundle_entries_max: usize,
    /// Operations of one patch.
    pub patch_operations_max: usize,
    /// How deep a resource may nest.
    pub depth_max: usize,
    /// Characters of one text in a resource; base64 data and narratives aside.
    pub string_chars_max: usize,
    /// Attributes of one XML element.
    pub xml_attributes_max: usize,
    /// Problems listed in one `OperationOutcome`.
    pub issues_max: usize,
    /// Matches on one page at most; a larger `_count` is cut to it.
    pub page_max: usize,
    /// Bytes of the resources on one page of a search or history; the first one always has room.
    /// Included ones share the room of the matches, and go behind the `next` link without it.
    pub page_bytes_max: usize,
    /// Matches on one page when `_count` is absent.
    pub page_default: usize,
    /// Resources one search may examine before it is refused as too costly.
    pub examined_max: usize,
    /// Up to this many matches `Bundle.total` is counted unasked, where the index alone tells it.
    pub total_max: u64,
    /// How many steps a chain in a search may have.
    pub chain_depth_max: usize,
    /// Resources that one step of a chain may lead to.
    pub chain_targets_max: usize,
    /// Included resources in one Bundle; the rest of them is behind its `next` link.
    pub include_max: usize,
    /// Resources that one page may include in all.
    pub include_total_max: usize,
    /// Matches that one search may sort.
    pub sort_candidates_max: usize,
    /// Seconds for which the links of a sorted search, or to further included resources, work.
    pub result_seconds_max: u64,
    /// How often an interaction is started again after a conflict.
    pub retries_max: u32,
    /// Seconds one request may take.
    pub request_seconds_max: u64,
    /// Seconds that may pass between two pieces of a request body.
    pub body_pause_seconds_max: u64,
    /// Requests worked on at once; one more is told to come again.
    pub requests_at_once_max: usize,
    /// Connections open at once; one more waits to be accepted.
    pub connections_max: usize,
    /// Seconds a client may take to send the head of a request, or to begin the next one.
    pub request_head_seconds_max: u64,
    /// Seconds a graceful stop waits for requests under way.
    pub shutdown_seconds_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 64 << 20,
            answer_bytes_max: 128 << 20,
            bundle_entries_max: 50_000,
            patch_operations_max: 1_000,
            depth_max: 64,
            string_chars_max: 1 << 20,
            xml_attributes_max: 32,
            issues_max: 50,
            page_max: 1000,
            page_bytes_max: 32 << 20,
            page_default: 20,
            examined_max: 200_000,
            total_max: 1_000,
            chain_depth_max: 8,
            chain_targets_max: 10_000,
            include_max: 1000,
            include_total_max: 100_000,
            sort_candidates_max: 100_000,
            result_seconds_max: 3600,
            retries_max: 100,
            request_seconds_max: 60,
            body_pause_seconds_max: 15,
            requests_at_once_max: 1024,
            connections_max: 4096,
            request_head_seconds_max: 60,
            shutdown_seconds_max: 30,
        }
    }
}
