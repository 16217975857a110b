//! The authorization server put together: its addresses, its documents, its keys.
//!
//! Spec: RFC 8414 for what an issuer is.

use std::net::IpAddr;
use std::sync::Arc;

use crate::access::documents::Documents;
use crate::access::records::Records;
use crate::config::smart::SmartConfig;
use crate::smart::bearer::TokenCache;
use crate::smart::client::Client;
use crate::smart::error::OauthError;
use crate::smart::jwks::KeyKeeper;
use crate::smart::throttle::Throttle;

/// What an authority is made of.
pub struct AuthorityParts {
    /// Clients, keys and tokens.
    pub documents: Arc<Documents>,
    /// Knows what can be searched by, for scopes that restrict.
    pub records: Arc<Records>,
    /// The FHIR base URL, without a slash at the end: what access tokens are good for.
    pub fhir_base: String,
    /// The settings.
    pub config: SmartConfig,
}

/// The authorization server.
pub struct Authority {
    pub(super) documents: Arc<Documents>,
    pub(super) records: Arc<Records>,
    pub(super) keys: KeyKeeper,
    pub(super) tokens: TokenCache,
    pub(super) throttle: Throttle,
    pub(super) config: SmartConfig,
    fhir_base: String,
    issuer: String,
}

/// Where the endpoints are, below the issuer.
pub const TOKEN_PATH: &str = "/oauth/token";
/// Introspection.
pub const INTROSPECTION_PATH: &str = "/oauth/introspect";
/// Revocation.
pub const REVOCATION_PATH: &str = "/oauth/revoke";
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
            documents: parts.documents,
            records: parts.records,
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
}
