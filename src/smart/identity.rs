//! Identity tokens: who signed in, told to the app that they let in.
//!
//! RS256 under the issuer's key, whatever the client signs with itself.
//! Spec: <https://openid.net/specs/openid-connect-core-1_0.html#IDToken>,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>.

use serde::Serialize;

use crate::access::person::Person;
use crate::smart::asked::{ScopeSet, Word};
use crate::smart::authority::Authority;
use crate::smart::error::OauthError;
use crate::smart::grant::GrantDocument;

/// The `typ` of identity tokens: an access token is none, nor the other way round.
const IDENTITY_TOKEN_TYPE: &str = "JWT";

#[derive(Serialize)]
struct IdentityClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: i64,
    iat: i64,
    auth_time: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(rename = "fhirUser", skip_serializing_if = "Option::is_none")]
    fhir_user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a str>,
}

impl Authority {
    /// The URL of the resource that describes a person, where an app may know it.
    pub(super) fn fhir_user(&self, person: &Person, scopes: &ScopeSet) -> Option<String> {
        let may_know =
            scopes.has(Word::Openid) && (scopes.has(Word::FhirUser) || scopes.has(Word::Profile));
        let fhir_user = person.fhir_user.as_ref().filter(|_| may_know)?;
        Some(format!("{}/{fhir_user}", self.fhir_base()))
    }

    /// The identity token of a grant; `None` where it was not asked for.
    pub(super) async fn identity_token(
        &self,
        grant: &GrantDocument,
        scopes: &ScopeSet,
        person: &Person,
    ) -> Result<Option<String>, OauthError> {
        if !scopes.has(Word::Openid) {
            return Ok(None);
        }
        let now_s = self.documents.now_ms().div_euclid(1_000);
        let fhir_user = self.fhir_user(person, scopes);
        let fhir_user = fhir_user.as_deref();
        let claims = IdentityClaims {
            iss: self.issuer(),
            sub: &grant.person_id,
            aud: &grant.client_id,
            exp: now_s.saturating_add(self.access_token_seconds()),
            iat: now_s,
            auth_time: grant.auth_time_s,
            nonce: grant.nonce.as_deref(),
            fhir_user,
            profile: fhir_user.filter(|_| scopes.has(Word::Profile)),
        };
        let key = self.keys.current().await?;
        Ok(Some(key.sign(IDENTITY_TOKEN_TYPE, &claims)?))
    }
}
