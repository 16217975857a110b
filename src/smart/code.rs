//! Authorization codes: good once, for a minute, for the client and verifier they were made for.
//!
//! A code that comes a second time was stolen on one of its ways: everything it gave is taken
//! away. Spec: RFC 6749 section 4.1.2, OAuth 2.1.

use serde::{Deserialize, Serialize};

use crate::access::documents::{Before, DocumentError, Documents, Kept};
use crate::smart::authority::Authority;
use crate::smart::authorize::RequestDocument;
use crate::smart::client::Client;
use crate::smart::error::{Code, OauthError};
use crate::smart::form::Form;
use crate::smart::grant::{self, GrantDocument};
use crate::smart::{pkce, secret};

/// The collection of codes.
const CODES: &str = "oauth-code";

/// How long a code is good, in ms.
pub(super) const GOOD_MS: i64 = 60_000;

/// How long a code is remembered, in ms, to know it when it comes again.
const REMEMBERED_MS: i64 = 600_000;

/// Characters of a code that is looked up.
const CODE_CHARS_MAX: usize = 100;

#[derive(Debug, Serialize, Deserialize)]
struct CodeDocument {
    grant_id: String,
    client_id: String,
    redirect_uri: String,
    challenge: String,
    created_ms: i64,
    is_used: bool,
}

/// Makes the code of a grant.
pub(super) async fn make(
    documents: &Documents,
    request: &RequestDocument,
    grant: &GrantDocument,
) -> Result<String, OauthError> {
    let code = secret::make(documents.random())?.to_string();
    let document = CodeDocument {
        grant_id: grant.id.clone(),
        client_id: grant.client_id.clone(),
        redirect_uri: request.redirect_uri.clone(),
        challenge: request.challenge.clone(),
        created_ms: grant.created_ms,
        is_used: false,
    };
    let until_ms = Some(grant.created_ms.saturating_add(REMEMBERED_MS));
    let place = (CODES, code.as_str());
    documents
        .put(place, &document, Before::Nothing, until_ms)
        .await?;
    Ok(code)
}

/// What a code that does not do is answered with.
fn invalid() -> OauthError {
    OauthError::new(
        Code::InvalidGrant,
        "The code is none that this client may use with this redirect_uri and code_verifier, or \
         it was used or has expired.",
    )
}

impl Authority {
    /// The grant that a client's code stands for; the code is good no longer.
    pub(super) async fn use_code(
        &self,
        form: &Form,
        client: &Client,
    ) -> Result<GrantDocument, OauthError> {
        let code = form
            .get("code")
            .ok_or_else(|| OauthError::new(Code::InvalidRequest, "code is missing."))?;
        if code.len() > CODE_CHARS_MAX {
            return Err(invalid());
        }
        let found: Option<Kept<CodeDocument>> = self.documents.get(CODES, code).await?;
        let kept = found.filter(|kept| kept.content.client_id == client.client_id);
        let mut kept = kept.ok_or_else(invalid)?;
        let document = &mut kept.content;
        if document.is_used {
            grant::take_away(&self.documents, &document.grant_id).await?;
            return Err(invalid());
        }
        document.is_used = true;
        let until_ms = Some(document.created_ms.saturating_add(REMEMBERED_MS));
        let before = Before::Revision(kept.revision);
        let put = self
            .documents
            .put((CODES, code), &kept.content, before, until_ms);
        let is_ours = match put.await {
            Ok(()) => true,
            Err(DocumentError::Changed) => false,
            Err(error) => return Err(error.into()),
        };
        let document = kept.content;
        let age_ms = self.documents.now_ms().saturating_sub(document.created_ms);
        let verifier = form.get("code_verifier").unwrap_or_default();
        let is_good = is_ours
            && age_ms <= GOOD_MS
            && form.get("redirect_uri") == Some(document.redirect_uri.as_str())
            && pkce::verifies(verifier, &document.challenge);
        if !is_good {
            grant::take_away(&self.documents, &document.grant_id).await?;
            return Err(invalid());
        }
        let grant = grant::find(&self.documents, &document.grant_id).await?;
        Ok(grant.ok_or_else(invalid)?.content)
    }
}
