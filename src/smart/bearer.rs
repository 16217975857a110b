//! Access tokens as requests bring them: verified, still counting, and what they let through.
//!
//! What a signature says is remembered for a moment; whether the token still counts is looked up
//! for every request, so that a revocation holds at once and on every process.
//! Spec: RFC 6750, RFC 9068 section 4.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use moka::sync::Cache;

use crate::access::Session;
use crate::access::documents::{DocumentError, Kept};
use crate::access::policy::{Policy, Subject};
use crate::access::scope::Scope;
use crate::access::trail::Actor;
use crate::smart::authority::Authority;
use crate::smart::client;
use crate::smart::error::OauthError;
use crate::smart::token::{ACCESS_TOKEN_TYPE, AccessClaims, TOKENS, TokenDocument};

/// Tokens that are remembered, of some kilobytes each.
const REMEMBERED_MAX: u64 = 10_000;

/// How long: search parameters that come or go change what scopes come to.
const REMEMBERED: Duration = Duration::from_mins(1);

/// Characters of a token.
const TOKEN_CHARS_MAX: usize = 16_384;

/// Tokens whose signature was verified, by their digest.
pub(super) struct TokenCache(Cache<[u8; 32], Arc<Verified>>);

impl Default for TokenCache {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(REMEMBERED_MAX);
        Self(cache.time_to_live(REMEMBERED).build())
    }
}

/// A token that this server signed.
pub(super) struct Verified {
    pub(super) claims: AccessClaims,
    policy: Arc<Policy>,
    /// Who acts by it.
    actor: Arc<Actor>,
}

/// The client that holds a token, and the person for whom it acts.
#[derive(Debug)]
pub struct Holder {
    /// The client.
    pub client_id: String,
    /// The person, where it acts for one.
    pub person_id: Option<String>,
}

/// Why a token does not let anybody in.
#[derive(Debug)]
pub enum BearerError {
    /// It is none of this server's, has expired or was revoked.
    Invalid,
    /// It cannot be looked up now.
    Failed(OauthError),
}

impl From<OauthError> for BearerError {
    fn from(error: OauthError) -> Self {
        Self::Failed(error)
    }
}

impl From<DocumentError> for BearerError {
    fn from(error: DocumentError) -> Self {
        Self::Failed(error.into())
    }
}

impl Authority {
    /// The session of a request that brings an access token.
    pub async fn session(&self, token: &str) -> Result<Session, BearerError> {
        let verified = self.active(token).await?;
        let session = Session::bearer(Arc::clone(&verified.policy));
        Ok(session.acting_as(Arc::clone(&verified.actor)))
    }

    /// Whose requests those with a token count as.
    pub async fn holder(&self, token: &str) -> Result<Holder, BearerError> {
        let claims = &self.verified(token).await?.claims;
        let person_id = (claims.sub != claims.client_id).then(|| claims.sub.clone());
        Ok(Holder {
            client_id: claims.client_id.clone(),
            person_id,
        })
    }

    /// A token that counts now.
    pub(super) async fn active(&self, token: &str) -> Result<Arc<Verified>, BearerError> {
        let verified = self.verified(token).await?;
        let claims = &verified.claims;
        if claims.exp <= self.documents.now_ms().div_euclid(1_000) {
            return Err(BearerError::Invalid);
        }
        let behind = self.documents.get(TOKENS, &claims.jti);
        let client = client::find(&self.documents, &claims.client_id);
        let (behind, client) = futures::future::join(behind, client).await;
        let behind: Option<Kept<TokenDocument>> = behind?;
        let belongs = behind.is_some_and(|kept| kept.content.client_id == claims.client_id);
        let may_act = client?.is_some_and(|client| !client.is_disabled);
        if belongs && may_act {
            Ok(verified)
        } else {
            Err(BearerError::Invalid)
        }
    }

    /// A token that this server signed, whether it counts or not.
    pub(super) async fn verified(&self, token: &str) -> Result<Arc<Verified>, BearerError> {
        if token.len() > TOKEN_CHARS_MAX {
            return Err(BearerError::Invalid);
        }
        let digest = *blake3::hash(token.as_bytes()).as_bytes();
        if let Some(known) = self.tokens.0.get(&digest) {
            return Ok(known);
        }
        let verified = Arc::new(self.verify(token).await?);
        self.tokens.0.insert(digest, Arc::clone(&verified));
        Ok(verified)
    }

    async fn verify(&self, token: &str) -> Result<Verified, BearerError> {
        let invalid = |_error| BearerError::Invalid;
        let header = decode_header(token).map_err(invalid)?;
        let is_ours = header.alg == Algorithm::RS256
            && header.typ.as_deref() == Some(ACCESS_TOKEN_TYPE)
            && header.crit.is_none();
        let Some(kid) = header.kid.filter(|_| is_ours) else {
            return Err(BearerError::Invalid);
        };
        let key = self.keys.find(&kid).await?.ok_or(BearerError::Invalid)?;
        let mut validation = Validation::new(Algorithm::RS256);
        // Time and audience are checked below and by this server's clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let decoded = decode::<AccessClaims>(token, key.verifier(), &validation);
        let claims = decoded.map_err(invalid)?.claims;
        if claims.iss != self.issuer() || claims.aud != self.fhir_base() {
            return Err(BearerError::Invalid);
        }
        let scopes = claims.scope.split_ascii_whitespace();
        let scopes: Vec<Scope> = scopes.filter_map(|text| text.parse().ok()).collect();
        let indexer = self.records.indexer();
        let now_ms = self.documents.now_ms();
        let policy = Policy::compile(&scopes, &Subject::default(), &indexer, now_ms);
        let actor = Actor {
            client_id: Some(claims.client_id.clone()),
            grant_id: Some(claims.jti.clone()),
            ..Actor::default()
        };
        Ok(Verified {
            claims,
            actor: Arc::new(actor),
            policy: Arc::new(policy),
        })
    }
}
