//! Dynamic registration: a client that brings its own description.
//!
//! Off, with an administrator's approval, or open, as the settings say. A client that nobody looked
//! at acts only for people who agree, and its keys are fetched from nowhere inside of a network.
//! Spec: RFC 7591.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::smart::RegistrationMode;
use crate::smart::asked::Word;
use crate::smart::authority::Authority;
use crate::smart::client::{Client, ClientError, ClientKind};
use crate::smart::error::{Code, OauthError};
use crate::smart::registration::{self, Registration};
use crate::smart::token::{AUTHORIZATION_CODE, REFRESH_TOKEN};

/// The description of a client. What is not known here is ignored, as the RFC has it.
#[derive(Debug, Deserialize)]
struct Metadata {
    client_name: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    scope: Option<String>,
    initiate_login_uri: Option<String>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    software_statement: Option<Value>,
}

/// Ends of names that are no public places.
const INSIDE: [&str; 4] = ["local", "localhost", "internal", "arpa"];

/// The scopes of a client that names none.
const DEFAULT_SCOPES: &str = "openid fhirUser launch launch/patient offline_access patient/*.rs";

impl Authority {
    /// Registers the client that describes itself; what it is registered with.
    pub async fn register(&self, body: &[u8]) -> Result<(Client, Value), OauthError> {
        let is_waiting = match self.config.registration {
            RegistrationMode::Off => {
                let text = "Clients are registered by whoever runs this server.";
                return Err(OauthError::new(Code::AccessDenied, text));
            }
            RegistrationMode::Approval => true,
            RegistrationMode::Open => false,
        };
        let metadata: Metadata = serde_json::from_slice(body)
            .map_err(|error| unusable(&error, "Send the client's metadata as JSON."))?;
        let registration = metadata.registration(is_waiting)?;
        let added = registration::add(&self.documents, registration).await;
        let (client, secret) = added.map_err(|error| match error {
            ClientError::Documents(error) => error.into(),
            other => unusable(
                &other,
                "The client's metadata cannot be used: see the documentation for what a client \
                 brings.",
            ),
        })?;
        let mut told = told(&client);
        if let (Some(secret), Some(members)) = (secret, told.as_object_mut()) {
            members.insert("client_secret".to_owned(), json!(*secret));
            members.insert("client_secret_expires_at".to_owned(), json!(0));
        }
        Ok((client, told))
    }
}

impl Metadata {
    fn registration(self, is_waiting: bool) -> Result<Registration, OauthError> {
        let refuse = |text| Err(OauthError::new(Code::InvalidClientMetadata, text));
        if self.software_statement.is_some() {
            return Err(OauthError::new(
                Code::InvalidClientMetadata,
                "Software statements are not supported.",
            ));
        }
        if self.redirect_uris.is_empty() {
            let text = "redirect_uris is missing.";
            return Err(OauthError::new(Code::InvalidRedirectUri, text));
        }
        let grants = self.grant_types.unwrap_or_default();
        if !grants
            .iter()
            .all(|one| one == AUTHORIZATION_CODE || one == REFRESH_TOKEN)
        {
            return refuse("grant_types may be authorization_code and refresh_token.");
        }
        if self
            .response_types
            .is_some_and(|all| all.iter().any(|one| one != "code"))
        {
            return refuse("response_types may be code.");
        }
        // The RFC's default.
        let method = self.token_endpoint_auth_method;
        let kind = match method.as_deref().unwrap_or("client_secret_basic") {
            "none" => ClientKind::Public,
            "client_secret_basic" | "client_secret_post" => ClientKind::Secret,
            "private_key_jwt" => ClientKind::Keys,
            _ => return refuse("token_endpoint_auth_method is not one of those supported."),
        };
        // What a stranger names is fetched from public places only.
        if self.jwks_uri.as_ref().is_some_and(|uri| !is_public(uri)) {
            return refuse("jwks_uri is an https URL with a host's name.");
        }
        let scopes = self.scope.unwrap_or_else(|| DEFAULT_SCOPES.to_owned());
        let scopes = scopes.split_ascii_whitespace();
        let orchestrate = Word::OrchestrateLaunch.name();
        let is_of_people = |text: &&str| !text.starts_with("system/") && *text != orchestrate;
        Ok(Registration {
            name: self
                .client_name
                .unwrap_or_else(|| "An app without a name".to_owned()),
            kind,
            scopes: scopes.filter(is_of_people).map(ToOwned::to_owned).collect(),
            redirect_uris: self.redirect_uris,
            launch_uri: self.initiate_login_uri,
            jwks: self.jwks.map(|jwks| jwks.to_string()),
            jwks_uri: self.jwks_uri,
            may_introspect: false,
            is_waiting,
        })
    }
}

/// Whether a URL leads to a named host, by TLS on its usual port.
fn is_public(url: &str) -> bool {
    let Ok(url) = oauth2::url::Url::parse(url) else {
        return false;
    };
    let is_named = url.domain().is_some_and(|name| {
        let top = name.trim_end_matches('.').rsplit_once('.');
        top.is_some_and(|(_, top)| !INSIDE.contains(&top))
    });
    url.scheme() == "https" && url.port().is_none() && is_named
}

/// What a client is registered with, as it is told.
fn told(client: &Client) -> Value {
    let method = match client.kind {
        ClientKind::Public => "none",
        ClientKind::Secret => "client_secret_basic",
        ClientKind::Keys => "private_key_jwt",
    };
    let mut told = json!({
        "client_id": client.client_id,
        "client_id_issued_at": client.created_ms.div_euclid(1_000),
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "token_endpoint_auth_method": method,
        "grant_types": [AUTHORIZATION_CODE, REFRESH_TOKEN],
        "response_types": ["code"],
        "scope": client.scopes.join(" "),
    });
    if let Some(members) = told.as_object_mut() {
        let more = [
            ("initiate_login_uri", &client.launch_uri),
            ("jwks_uri", &client.jwks_uri),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                members.insert(name.to_owned(), json!(value));
            }
        }
        if let Ok(jwks @ Value::Object(_)) = serde_json::from_str(&client.jwks) {
            members.insert("jwks".to_owned(), jwks);
        }
    }
    told
}

fn unusable(source: &dyn std::fmt::Display, text: &'static str) -> OauthError {
    OauthError {
        source: Some(source.to_string()),
        ..OauthError::new(Code::InvalidClientMetadata, text)
    }
}

#[cfg(test)]
mod tests {
    use super::is_public;

    #[test]
    fn keys_of_strangers_come_from_public_places() {
        assert!(is_public("https://app.example.org/jwks.json"));
        for inside in [
            "http://app.example.org/jwks.json",
            "https://127.0.0.1/jwks.json",
            "https://[::1]/jwks.json",
            "https://10.0.0.1/",
            "https://localhost/",
            "https://store.internal/",
            "https://app.example.org:8443/",
            "file:///etc/passwd",
        ] {
            assert!(!is_public(inside), "{inside}");
        }
    }
}
