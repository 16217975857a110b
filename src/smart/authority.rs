//! The authorization server put together: its addresses, its documents, its keys.
//!
//! Spec: RFC 8414 for what an issuer is.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use moka::sync::Cache;

use crate::access::documents::{DocumentError, Documents};
use crate::access::person;
use crate::access::reach::keeper::Reaches;
use crate::access::records::Records;
use crate::config::smart::{ACCESS_TOKEN_SECONDS_MAX, SmartConfig};
use crate::smart::bearer::TokenCache;
use crate::smart::client::Client;
use crate::smart::error::OauthError;
use crate::smart::jwks::KeyKeeper;
use crate::smart::remote_keys::RemoteKeys;
use crate::smart::throttle::Throttle;

/// What an authority is made of.
pub struct AuthorityParts {
    /// Clients, keys and tokens.
    pub documents: Arc<Documents>,
    /// Knows what can be searched by, for scopes that restrict.
    pub records: Arc<Records>,
    /// How far people reach.
    pub reaches: Arc<Reaches>,
    /// The FHIR base URL, without a slash at the end: what access tokens are good for.
    pub fhir_base: String,
    /// The settings.
    pub config: SmartConfig,
    /// Tells whether people are still signed in.
    pub sessions: Arc<dyn SessionWatch>,
}

/// Knows whether somebody is still signed in: grants for as long as a session ask it.
#[async_trait]
pub trait SessionWatch: Send + Sync {
    /// Whether a session still counts; not, where that cannot be told.
    async fn is_alive(&self, person_id: &str, session_id: &str) -> bool;
}

/// The authorization server.
pub struct Authority {
    pub(super) documents: Arc<Documents>,
    pub(super) records: Arc<Records>,
    pub(super) reaches: Arc<Reaches>,
    pub(super) keys: KeyKeeper,
    pub(super) tokens: TokenCache,
    pub(super) throttle: Throttle,
    pub(super) config: SmartConfig,
    pub(super) remote_keys: RemoteKeys,
    /// When each grant's use was last noted by this process.
    pub(super) uses: Cache<String, i64>,
    sessions: Arc<dyn SessionWatch>,
    fhir_base: String,
    issuer: String,
}

/// Grants whose last use is remembered.
const USES_MAX: u64 = 50_000;

/// Where the endpoints are, below the issuer.
pub const AUTHORIZATION_PATH: &str = "/oauth/authorize";
/// Tokens.
pub const TOKEN_PATH: &str = "/oauth/token";
/// Introspection.
pub const INTROSPECTION_PATH: &str = "/oauth/introspect";
/// Revocation.
pub const REVOCATION_PATH: &str = "/oauth/revoke";
/// How apps should look.
pub const STYLE_PATH: &str = "/oauth/style.json";
/// Registration by the client itself.
pub const REGISTRATION_PATH: &str = "/oauth/register";
/// Where people see and take away what they granted.
pub const GRANTS_PATH: &str = "/apps";
/// Launch contexts of EHRs.
pub const LAUNCH_PATH: &str = "/smart/launch";
/// The public keys.
pub const JWKS_PATH: &str = "/oauth/jwks";

impl Authority {
    /// Puts the parts together. The issuer is the server above the FHIR base.
    pub fn new(parts: AuthorityParts) -> Self {
        let issuer = parts.fhir_base.strip_suffix("/fhir");
        Self {
            issuer: issuer.unwrap_or(&parts.fhir_base).to_owned(),
            keys: KeyKeeper::new(Arc::clone(&parts.documents)),
            tokens: TokenCache::default(),
            throttle: Throttle::new(&parts.config),
            remote_keys: RemoteKeys::default(),
            uses: Cache::new(USES_MAX),
            sessions: parts.sessions,
            documents: parts.documents,
            records: parts.records,
            reaches: parts.reaches,
            config: parts.config,
            fhir_base: parts.fhir_base,
        }
    }

    /// What access tokens are good for.
    pub fn fhir_base(&self) -> &str {
        &self.fhir_base
    }

    /// Who issues them.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The URL of an endpoint.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// What stands behind the host in the issuer, without slashes around.
    pub fn issuer_path(&self) -> &str {
        let rest = self.issuer.split_once("://").map_or("", |(_, rest)| rest);
        let path = rest.split_once('/').map_or("", |(_host, path)| path);
        path.trim_matches('/')
    }

    /// Counts a request that shows credentials; refuses it when there were too many.
    pub fn count_address(&self, address: IpAddr) -> Result<(), OauthError> {
        self.throttle
            .count_address(address, self.documents.now_ms())
    }

    /// Counts a request of a client that proved itself.
    pub(super) fn count_client(&self, client: &Client) -> Result<(), OauthError> {
        self.throttle
            .count_client(&client.client_id, self.documents.now_ms())
    }

    /// Makes the next signing key when it is time, however long nobody asks for one.
    pub async fn tend_keys(&self) -> Result<(), OauthError> {
        self.keys.current().await.map(drop)
    }

    /// Seconds that an access token lives.
    pub(super) fn access_token_seconds(&self) -> i64 {
        let lifetime = self.config.access_token_seconds;
        i64::try_from(lifetime.clamp(1, ACCESS_TOKEN_SECONDS_MAX)).unwrap_or(0)
    }

    /// Whether a session still counts.
    pub(super) async fn is_session_alive(&self, person_id: &str, session_id: &str) -> bool {
        self.sessions.is_alive(person_id, session_id).await
    }

    /// Whether a person is known and not shut out.
    pub(super) async fn is_person_welcome(&self, id: &str) -> Result<bool, DocumentError> {
        let found = person::find(&self.documents, id).await?;
        Ok(found.is_some_and(|kept| !kept.content.is_disabled))
    }
}
