//! HL7 v2: where messages are taken, and how each feed writes what the standard leaves open.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Settings of HL7 v2.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hl7v2Config {
    /// Where to listen for MLLP; nowhere when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Addresses that may connect beside those of this machine: MLLP asks for no credentials.
    pub peers: Vec<IpAddr>,
    /// When a message is acknowledged that asks for no particular acknowledgement.
    pub acknowledge: Acknowledge,
    /// Bytes of one message.
    pub message_bytes_max: usize,
    /// MLLP connections open at once; one more waits to be accepted.
    pub connections_max: usize,
    /// Seconds for which an MLLP connection may be silent.
    pub idle_seconds_max: u64,
    /// Messages that wait to be applied before senders have to wait.
    pub waiting_max: usize,
    /// Messages applied at once.
    pub at_once_max: usize,
    /// Days for which applied messages are kept, to be looked at and undone.
    pub kept_days: u32,
    /// What is known of senders.
    pub feeds: Vec<FeedConfig>,
}

/// When a message is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acknowledge {
    /// When it has been applied.
    Applied,
    /// When it is kept safe.
    Received,
}

/// What is known of a sender.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeedConfig {
    /// MSH-3 of its messages; any when empty.
    pub sending_application: String,
    /// MSH-4 of its messages; any when empty.
    pub sending_facility: String,
    /// The character set where MSH-18 names none, in the words of HL7 table 0211.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub character_set: Option<String>,
    /// The time zone of times without one: `+01:00`, or a POSIX rule with summer time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// Systems of identifiers by assigning authority (namespace or universal id).
    pub authorities: BTreeMap<String, String>,
    /// Code systems by their name in CWE-3.
    pub code_systems: BTreeMap<String, String>,
    /// Whether its messages wait until somebody approves them.
    pub is_held: bool,
}

impl Default for Hl7v2Config {
    fn default() -> Self {
        Self {
            listen: None,
            peers: Vec::new(),
            acknowledge: Acknowledge::Applied,
            message_bytes_max: 8 << 20,
            connections_max: 256,
            idle_seconds_max: 3_600,
            waiting_max: 10_000,
            at_once_max: 32,
            kept_days: 30,
            feeds: Vec::new(),
        }
    }
}
