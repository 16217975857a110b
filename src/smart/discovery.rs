//! What clients find out by themselves: endpoints, keys, and what this server can do.
//!
//! Only what is there is listed.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html>, RFC 8414.

use serde_json::{Value, json};

use crate::smart::assertion::ALGORITHMS;
use crate::smart::authority::{
    Authority, INTROSPECTION_PATH, JWKS_PATH, REVOCATION_PATH, TOKEN_PATH,
};
use crate::smart::error::OauthError;
use crate::smart::token::CLIENT_CREDENTIALS;

/// SMART's names of what this server can do.
const CAPABILITIES: [&str; 3] = [
    "client-confidential-asymmetric",
    "permission-v1",
    "permission-v2",
];

/// Scopes that may be asked for, in their widest form.
const SCOPES: [&str; 3] = ["system/*.cruds", "system/*.read", "system/*.write"];

impl Authority {
    /// `.well-known/smart-configuration`
    pub fn smart_configuration(&self) -> Value {
        let mut document = self.metadata();
        if let Some(members) = document.as_object_mut() {
            members.insert("capabilities".to_owned(), json!(CAPABILITIES));
            // Says where identity tokens come from, and there are none.
            members.remove("issuer");
        }
        document
    }

    /// `.well-known/oauth-authorization-server`
    pub fn metadata(&self) -> Value {
        json!({
            "issuer": self.issuer(),
            "jwks_uri": self.url(JWKS_PATH),
            "token_endpoint": self.url(TOKEN_PATH),
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "introspection_endpoint": self.url(INTROSPECTION_PATH),
            "introspection_endpoint_auth_methods_supported": ["private_key_jwt"],
            "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "revocation_endpoint": self.url(REVOCATION_PATH),
            "revocation_endpoint_auth_methods_supported": ["private_key_jwt"],
            "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "grant_types_supported": [CLIENT_CREDENTIALS],
            "response_types_supported": [],
            "scopes_supported": SCOPES,
        })
    }

    /// The public keys.
    pub async fn jwks(&self) -> Result<Value, OauthError> {
        self.keys.published().await
    }
}
