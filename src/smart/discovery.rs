//! What clients find out by themselves: endpoints, keys, and what this server can do.
//!
//! Only what is there is listed.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html>, RFC 8414,
//! <https://openid.net/specs/openid-connect-discovery-1_0.html>.

use serde_json::{Value, json};

use crate::config::smart::RegistrationMode;
use crate::config::{AccessMode, Config};
use crate::smart::assertion::ALGORITHMS;
use crate::smart::authority::{
    AUTHORIZATION_PATH, Authority, GRANTS_PATH, INTROSPECTION_PATH, JWKS_PATH, REGISTRATION_PATH,
    REVOCATION_PATH, TOKEN_PATH,
};
use crate::smart::credentials::{METHODS, PROVING_METHODS};
use crate::smart::error::OauthError;
use crate::smart::pkce;
use crate::smart::token::{AUTHORIZATION_CODE, CLIENT_CREDENTIALS, REFRESH_TOKEN};

/// SMART's names of what this server can do.
const CAPABILITIES: [&str; 18] = [
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-style",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
];

/// Scopes that may be asked for, those on resources in their widest form.
const SCOPES: [&str; 17] = [
    "openid",
    "fhirUser",
    "profile",
    "launch",
    "launch/patient",
    "launch/encounter",
    "offline_access",
    "online_access",
    "patient/*.cruds",
    "patient/*.read",
    "patient/*.write",
    "user/*.cruds",
    "user/*.read",
    "user/*.write",
    "system/*.cruds",
    "system/*.read",
    "system/*.write",
];

/// What identity tokens say.
const CLAIMS: [&str; 9] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "fhirUser",
    "profile",
];

impl Authority {
    /// `.well-known/smart-configuration`
    pub fn smart_configuration(&self) -> Value {
        let mut document = self.metadata();
        if let Some(members) = document.as_object_mut() {
            members.insert("capabilities".to_owned(), json!(CAPABILITIES));
            members.insert(
                "management_endpoint".to_owned(),
                json!(self.url(GRANTS_PATH)),
            );
        }
        document
    }

    /// `.well-known/openid-configuration`
    pub fn openid_configuration(&self) -> Value {
        let mut document = self.metadata();
        if let Some(members) = document.as_object_mut() {
            members.insert("subject_types_supported".to_owned(), json!(["public"]));
            members.insert("claims_supported".to_owned(), json!(CLAIMS));
            let algorithms = json!(["RS256"]);
            members.insert(
                "id_token_signing_alg_values_supported".to_owned(),
                algorithms,
            );
            for name in [
                "request_parameter_supported",
                "request_uri_parameter_supported",
            ] {
                members.insert(name.to_owned(), json!(false));
            }
        }
        document
    }

    /// `.well-known/oauth-authorization-server`
    pub fn metadata(&self) -> Value {
        let mut document = json!({
            "issuer": self.issuer(),
            "jwks_uri": self.url(JWKS_PATH),
            "authorization_endpoint": self.url(AUTHORIZATION_PATH),
            "token_endpoint": self.url(TOKEN_PATH),
            "token_endpoint_auth_methods_supported": METHODS,
            "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "introspection_endpoint": self.url(INTROSPECTION_PATH),
            "introspection_endpoint_auth_methods_supported": PROVING_METHODS,
            "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "revocation_endpoint": self.url(REVOCATION_PATH),
            "revocation_endpoint_auth_methods_supported": METHODS,
            "revocation_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "grant_types_supported": [AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "code_challenge_methods_supported": [pkce::METHOD],
            "authorization_response_iss_parameter_supported": true,
            "scopes_supported": SCOPES,
        });
        if let Some(members) = document.as_object_mut()
            && self.config.registration != RegistrationMode::Off
        {
            let url = self.url(REGISTRATION_PATH);
            members.insert("registration_endpoint".to_owned(), json!(url));
        }
        document
    }

    /// The public keys.
    pub async fn jwks(&self) -> Result<Value, OauthError> {
        self.keys.published().await
    }
}

/// The endpoints by the names that SMART's extension of the CapabilityStatement has for them.
pub fn endpoints(config: &Config) -> Vec<(&'static str, String)> {
    if config.access != AccessMode::Smart {
        return Vec::new();
    }
    let registers = config.smart.registration != RegistrationMode::Off;
    let named = [
        ("authorize", Some(AUTHORIZATION_PATH)),
        ("token", Some(TOKEN_PATH)),
        ("introspect", Some(INTROSPECTION_PATH)),
        ("manage", Some(GRANTS_PATH)),
        ("register", registers.then_some(REGISTRATION_PATH)),
        ("revoke", Some(REVOCATION_PATH)),
    ];
    let root = config.root();
    let named = named.into_iter();
    named
        .filter_map(|(name, path)| Some((name, format!("{root}{}", path?))))
        .collect()
}

/// How apps should look: `smart_style_url`, with the colours and measures of this server's pages.
pub fn style() -> Value {
    json!({
        "color_background": "#f7f7f5",
        "color_error": "#a4262c",
        "color_highlight": "#0b5c6b",
        "color_modal_backdrop": "#00000066",
        "color_success": "#1d6b3a",
        "color_text": "#1c2427",
        "dim_border_radius": "8px",
        "dim_font_size": "16px",
        "dim_spacing_size": "16px",
        "font_family_body": "system-ui, sans-serif",
        "font_family_heading": "system-ui, sans-serif",
    })
}
