//! An outside OpenID provider that people may sign in with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Settings of the provider; without an issuer there is none.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenidConfig {
    /// Its issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// What the button on the sign-in page calls it.
    pub name: String,
    /// What this server is called there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Its secret there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Scopes that are asked for besides `openid`.
    pub scopes: Vec<String>,
    /// The claim that says which role somebody has.
    pub role_claim: String,
    /// `VALUE=ROLE`: what the values of that claim mean; whoever has none of them is refused.
    pub roles: Vec<String>,
    /// The claim with the resource that describes somebody, as `Practitioner/1` or only its id.
    pub fhir_user_claim: String,
    /// Whether the provider itself sees to a second factor.
    pub has_second_factor: bool,
}

impl Default for OpenidConfig {
    fn default() -> Self {
        Self {
            issuer: None,
            name: "your organisation".to_owned(),
            client_id: None,
            client_secret: None,
            scopes: vec!["profile".to_owned(), "email".to_owned()],
            role_claim: "role".to_owned(),
            roles: Vec::new(),
            fhir_user_claim: "fhirUser".to_owned(),
            has_second_factor: false,
        }
    }
}

impl fmt::Debug for OpenidConfig {
    /// Shows everything but the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenidConfig")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}
