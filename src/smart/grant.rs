//! Grants: what a person let an app do, for how long, and the end of it.
//!
//! One document for each; every token of the app stands on it, so that taking it away is one write
//! that holds on every process from the next request on. Spec: RFC 6749 section 1.3.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::documents::{Before, DocumentError, Documents, Kept};
use crate::smart::asked::{ScopeSet, Word};
use crate::smart::authority::Authority;
use crate::smart::client::{self, ATTEMPTS_MAX};
use crate::smart::error::OauthError;
use crate::smart::secret::SecretChain;

/// The collection of grants.
pub(super) const GRANTS: &str = "oauth-grant";

/// Which grants a person gave.
const GIVEN: &str = "oauth-given";

/// When a grant was last used.
const USES: &str = "oauth-grant-use";

/// Grants of one person that count at the same time; the oldest goes when there is one more.
const GRANTS_MAX: usize = 200;

/// How exactly the last use is known, in ms.
pub(super) const USE_MS: i64 = 60_000;

/// In which context an app works.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LaunchContext {
    /// The id of the patient.
    #[serde(default)]
    pub patient: Option<String>,
    /// The id of the encounter.
    #[serde(default)]
    pub encounter: Option<String>,
    /// What the app was launched for.
    #[serde(default)]
    pub intent: Option<String>,
    /// Which part of a larger organisation it was launched from.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Other resources that are open, each an object as the specification has it.
    #[serde(default)]
    pub fhir_context: Vec<Value>,
    /// Whether the app has to say whose record it shows.
    #[serde(default)]
    pub need_patient_banner: Option<bool>,
}

/// A grant as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GrantDocument {
    /// Its id.
    pub(super) id: String,
    /// Who gave it.
    pub(super) person_id: String,
    /// To which client.
    pub(super) client_id: String,
    /// What was agreed to.
    pub(super) scopes: Vec<String>,
    /// About what.
    pub(super) context: LaunchContext,
    /// When, in ms since the epoch.
    pub(super) created_ms: i64,
    /// Until when, in ms since the epoch.
    pub(super) expires_ms: i64,
    /// When the person proved who they are, in seconds since the epoch.
    pub(super) auth_time_s: i64,
    /// What the app wants to find in its identity token.
    pub(super) nonce: Option<String>,
    /// The session that it ends with.
    pub(super) session_id: Option<String>,
    /// How refresh tokens follow each other, and which one is next.
    pub(super) refresh: Option<Refresh>,
}

/// The refresh tokens of a grant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Refresh {
    pub(super) chain: SecretChain,
    /// The only one that is good now.
    pub(super) place: u32,
}

impl GrantDocument {
    /// What was agreed to.
    pub(super) fn scopes(&self) -> ScopeSet {
        ScopeSet::of_texts(&self.scopes)
    }

    /// Whether it outlasts the person's session.
    pub(super) fn is_lasting(&self) -> bool {
        self.scopes().has(Word::OfflineAccess)
    }
}

/// A grant as its giver sees it.
#[derive(Debug, Clone)]
pub struct GivenGrant {
    /// Its id.
    pub id: String,
    /// What the app is called.
    pub client_name: String,
    /// What it may do.
    pub scopes: ScopeSet,
    /// Whose record it is about.
    pub patient: Option<String>,
    /// Since when, in ms since the epoch.
    pub created_ms: i64,
    /// Until when, in ms since the epoch.
    pub expires_ms: i64,
    /// Whether it goes on when the person is away.
    pub is_lasting: bool,
    /// When it was last used, to a minute, in ms since the epoch.
    pub last_used_ms: Option<i64>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct GivenDocument {
    grants: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct UseDocument {
    last_ms: i64,
}

/// A grant that still counts.
pub(super) async fn find(
    documents: &Documents,
    id: &str,
) -> Result<Option<Kept<GrantDocument>>, DocumentError> {
    documents.get(GRANTS, id).await
}

/// Keeps a grant, and that the person gave it.
pub(super) async fn keep(
    documents: &Documents,
    grant: &GrantDocument,
) -> Result<(), DocumentError> {
    let place = (GRANTS, grant.id.as_str());
    let until_ms = Some(grant.expires_ms);
    documents
        .put(place, grant, Before::Nothing, until_ms)
        .await?;
    let dropped = note(documents, grant).await?;
    for id in dropped {
        documents.delete(GRANTS, &id).await?;
    }
    Ok(())
}

/// Writes down whose grant it is; the ids of grants that are too many.
async fn note(documents: &Documents, grant: &GrantDocument) -> Result<Vec<String>, DocumentError> {
    for _ in 0..ATTEMPTS_MAX {
        let found: Option<Kept<GivenDocument>> = documents.get(GIVEN, &grant.person_id).await?;
        let (known, before) = match found {
            Some(kept) => (kept.content.grants, Before::Revision(kept.revision)),
            None => (Vec::new(), Before::Nothing),
        };
        let mut grants = Vec::new();
        for id in known {
            if find(documents, &id).await?.is_some() {
                grants.push(id);
            }
        }
        grants.push(grant.id.clone());
        let too_many = grants.len().saturating_sub(GRANTS_MAX);
        let dropped: Vec<_> = grants.drain(..too_many).collect();
        let place = (GIVEN, grant.person_id.as_str());
        let given = GivenDocument { grants };
        match documents.put(place, &given, before, None).await {
            Err(DocumentError::Changed) => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(dropped),
        }
    }
    Err(DocumentError::Changed)
}

/// Takes a grant away, with every token that stands on it.
pub(super) async fn take_away(documents: &Documents, id: &str) -> Result<(), DocumentError> {
    documents.delete(GRANTS, id).await
}

impl Authority {
    /// The grants that a person gave and that still count, the newest first.
    pub async fn grants_of(&self, person_id: &str) -> Result<Vec<GivenGrant>, OauthError> {
        let found: Option<Kept<GivenDocument>> = self.documents.get(GIVEN, person_id).await?;
        let ids = found.map(|kept| kept.content.grants).unwrap_or_default();
        let mut given = Vec::new();
        for id in ids.iter().rev() {
            let Some(kept) = find(&self.documents, id).await? else {
                continue;
            };
            let grant = kept.content;
            let client = client::find(&self.documents, &grant.client_id).await?;
            // A client that is shut out can do nothing with it.
            let Some(client) = client.filter(client::Client::may_act) else {
                continue;
            };
            let used: Option<Kept<UseDocument>> = self.documents.get(USES, id).await?;
            given.push(GivenGrant {
                client_name: client.name,
                scopes: grant.scopes(),
                is_lasting: grant.is_lasting(),
                patient: grant.context.patient,
                created_ms: grant.created_ms,
                expires_ms: grant.expires_ms,
                last_used_ms: used.map(|kept| kept.content.last_ms),
                id: grant.id,
            });
        }
        Ok(given)
    }

    /// Takes a grant of a person's away; whose grant it is not, changes nothing. What it was.
    pub async fn revoke_grant(
        &self,
        person_id: &str,
        grant_id: &str,
    ) -> Result<Option<GivenGrant>, OauthError> {
        let given = self.grants_of(person_id).await?;
        let Some(grant) = given.into_iter().find(|grant| grant.id == grant_id) else {
            return Ok(None);
        };
        take_away(&self.documents, grant_id).await?;
        Ok(Some(grant))
    }

    /// Notes that a grant is used, once a minute on each process.
    pub(super) async fn note_use(&self, grant_id: &str, until_ms: i64) {
        let now_ms = self.documents.now_ms();
        let last_ms = self.uses.get(grant_id);
        if last_ms.is_some_and(|last_ms| now_ms.saturating_sub(last_ms) < USE_MS) {
            return;
        }
        self.uses.insert(grant_id.to_owned(), now_ms);
        let document = UseDocument { last_ms: now_ms };
        let place = (USES, grant_id);
        let put = self
            .documents
            .put(place, &document, Before::Anything, Some(until_ms));
        if let Err(error) = put.await {
            tracing::warn!(%error, "the last use of a grant cannot be noted");
        }
    }
}
