//! Access tokens as requests bring them: verified, still counting, and what they let through.
//!
//! What a signature says is remembered for a moment; whether the token still counts is looked up
//! for every request, so that a revocation holds at once and on every process.
//! Spec: RFC 6750, RFC 9068 section 4.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use moka::sync::Cache;

use crate::access::Session;
use crate::access::documents::{DocumentError, Kept};
use crate::access::person::{self, Person};
use crate::access::policy::{Policy, Subject};
use crate::access::reach::Reach;
use crate::access::scope::{Context, Permissions, Scope};
use crate::access::trail::Actor;
use crate::smart::asked::ScopeSet;
use crate::smart::authority::Authority;
use crate::smart::client;
use crate::smart::error::{Code, OauthError};
use crate::smart::grant::{self, GrantDocument};
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
    scopes: ScopeSet,
    /// What it came to when it was last used.
    policy: Mutex<Option<Compiled>>,
}

/// What scopes come to, as far as a person reaches.
struct Compiled {
    reach: Option<Arc<Reach>>,
    policy: Arc<Policy>,
}

/// A token that counts now.
pub(super) struct Active {
    pub(super) verified: Arc<Verified>,
    /// For whom the client acts, and what they agreed to.
    pub(super) behalf: Option<Behalf>,
}

impl Active {
    /// Who acts by it, for the journal.
    fn actor(&self) -> Actor {
        let claims = &self.verified.claims;
        let Some(behalf) = &self.behalf else {
            return Actor {
                client_id: Some(claims.client_id.clone()),
                grant_id: Some(claims.jti.clone()),
                ..Actor::default()
            };
        };
        Actor {
            client_id: Some(claims.client_id.clone()),
            grant_id: Some(behalf.grant.id.clone()),
            ..Actor::person(&behalf.person)
        }
    }
}

/// For whom a client acts.
pub(super) struct Behalf {
    pub(super) person: Person,
    pub(super) grant: GrantDocument,
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
        let active = self.active(token).await?;
        if let Some(behalf) = &active.behalf {
            let grant = &behalf.grant;
            self.note_use(&grant.id, grant.expires_ms).await;
        }
        let actor = active.actor();
        Ok(Session::bearer(self.policy(&active).await?).acting_as(Arc::new(actor)))
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
    pub(super) async fn active(&self, token: &str) -> Result<Active, BearerError> {
        let verified = self.verified(token).await?;
        let claims = &verified.claims;
        if claims.exp <= self.documents.now_ms().div_euclid(1_000) {
            return Err(BearerError::Invalid);
        }
        let behind = self.documents.get(TOKENS, &claims.jti);
        let client = client::find(&self.documents, &claims.client_id);
        let behalf = self.behalf(claims);
        let (behind, client, behalf) = futures::future::join3(behind, client, behalf).await;
        let behind: Option<Kept<TokenDocument>> = behind?;
        let belongs = behind.is_some_and(|kept| {
            kept.content.client_id == claims.client_id && kept.content.grant_id == claims.grant_id
        });
        let may_act = client?.is_some_and(|client| client.may_act());
        let behalf = behalf?;
        if belongs && may_act {
            Ok(Active { verified, behalf })
        } else {
            Err(BearerError::Invalid)
        }
    }

    /// For whom a token lets its client act; not at all where they took it back or are shut out.
    async fn behalf(&self, claims: &AccessClaims) -> Result<Option<Behalf>, BearerError> {
        let Some(grant_id) = &claims.grant_id else {
            return Ok(None);
        };
        let grant = grant::find(&self.documents, grant_id);
        let person = person::find(&self.documents, &claims.sub);
        let (grant, person) = futures::future::join(grant, person).await;
        let grant = grant?.map(|kept| kept.content);
        let grant = grant
            .filter(|grant| grant.person_id == claims.sub && grant.client_id == claims.client_id);
        let person = person?.map(|kept| kept.content);
        let person = person.filter(|person| !person.is_disabled);
        match (grant, person) {
            (Some(grant), Some(person)) => Ok(Some(Behalf { person, grant })),
            _ => Err(BearerError::Invalid),
        }
    }

    /// What an active token lets through; remembered until the person reaches elsewhere.
    async fn policy(&self, active: &Active) -> Result<Arc<Policy>, BearerError> {
        let verified = &active.verified;
        let reach = match &active.behalf {
            Some(behalf) => Some(self.reach(&behalf.person).await?),
            None => None,
        };
        let mut known = verified
            .policy
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = &*known
            && compiled.reach.as_ref().map(Arc::as_ptr) == reach.as_ref().map(Arc::as_ptr)
        {
            return Ok(Arc::clone(&compiled.policy));
        }
        let policy = self.compile(&verified.scopes, active.behalf.as_ref(), reach.clone());
        let policy = Arc::new(policy);
        *known = Some(Compiled {
            reach,
            policy: Arc::clone(&policy),
        });
        Ok(policy)
    }

    async fn reach(&self, person: &Person) -> Result<Arc<Reach>, BearerError> {
        let reach = self.reaches.of(person).await;
        reach.map_err(|outcome| {
            let source = outcome.source.unwrap_or_default();
            let text = "The server cannot look this up now. Try again shortly.";
            BearerError::Failed(OauthError {
                source: Some(source),
                ..OauthError::new(Code::TemporarilyUnavailable, text)
            })
        })
    }

    fn compile(
        &self,
        scopes: &ScopeSet,
        behalf: Option<&Behalf>,
        reach: Option<Arc<Reach>>,
    ) -> Policy {
        let indexer = self.records.indexer();
        let now_ms = self.documents.now_ms();
        let (Some(Behalf { person, grant }), Some(reach)) = (behalf, reach) else {
            let subject = Subject::default();
            return Policy::compile(&scopes.resources, &subject, &indexer, now_ms);
        };
        let mut resources = scopes.resources.clone();
        // Whoever an app may know it may also look up.
        if self.fhir_user(person, scopes).is_some() {
            resources.extend(person.fhir_user.as_deref().and_then(only));
        }
        let subject = Subject::of_person(reach, grant.context.patient.clone());
        Policy::compile(&resources, &subject, &indexer, now_ms)
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
        let scopes = ScopeSet::read(claims.scope.split_ascii_whitespace());
        Ok(Verified {
            claims,
            scopes,
            policy: Mutex::default(),
        })
    }
}

/// A scope on nothing but one resource.
fn only(reference: &str) -> Option<Scope> {
    let (name, id) = reference.split_once('/')?;
    Some(Scope {
        context: Context::System,
        resource_type: Some(name.parse().ok()?),
        permissions: Permissions::READ,
        restrictions: vec![("_id".to_owned(), id.to_owned())],
        is_version_1: false,
    })
}
