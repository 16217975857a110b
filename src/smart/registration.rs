//! Registration: what a client has to bring, and what it is given.
//!
//! By the operator (`vesta client add`) or by the client itself (RFC 7591), as the settings allow;
//! one that registers itself is given nothing that acts without a person.
//! Spec: RFC 7591, RFC 8252 sections 7 and 8 for redirect URIs.

use oauth2::url::{Host, Url};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::access::documents::{Before, Documents};
use crate::access::scope::Context;
use crate::seal::hex;
use crate::smart::asked::{Asked, SCOPES_MAX};
use crate::smart::assertion;
use crate::smart::client::{CLIENTS, Client, ClientError, ClientKind};
use crate::smart::origin;
use crate::smart::secret::{self, SecretDigest};

/// Bytes of an id of a client.
const ID_BYTES: usize = 16;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 100;

/// Redirect URIs of one client.
const REDIRECT_URIS_MAX: usize = 20;

/// Characters of one URI.
const URI_CHARS_MAX: usize = 1_000;

/// What a client is registered with.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Registration {
    /// What it is called.
    pub name: String,
    /// How it proves itself.
    pub kind: ClientKind,
    /// The scopes it may be given.
    pub scopes: Vec<String>,
    /// Where answers may go.
    pub redirect_uris: Vec<String>,
    /// Where an EHR launches it.
    pub launch_uri: Option<String>,
    /// Its public keys, as the JSON of a JWK set.
    pub jwks: Option<String>,
    /// Where its public keys are fetched.
    pub jwks_uri: Option<String>,
    /// Whether it may ask about the tokens of other clients.
    pub may_introspect: bool,
    /// Whether an administrator has to agree first.
    pub is_waiting: bool,
}

/// Registers a client; its secret, where it has one, is told this once.
pub async fn add(
    documents: &Documents,
    registration: Registration,
) -> Result<(Client, Option<Zeroizing<String>>), ClientError> {
    check(&registration).map_err(ClientError::Unusable)?;
    let random = documents.random();
    let unusable = |error: crate::smart::error::OauthError| {
        ClientError::Unusable(error.source.unwrap_or_default())
    };
    let secret = match registration.kind {
        ClientKind::Secret => Some(secret::make(random).map_err(unusable)?),
        ClientKind::Public | ClientKind::Keys => None,
    };
    let digest = secret.as_ref();
    let digest = digest.map(|secret| SecretDigest::of(secret, random));
    let client = Client {
        client_id: hex::encode(&secret::fresh::<ID_BYTES>(random).map_err(unusable)?),
        name: registration.name,
        kind: registration.kind,
        scopes: registration.scopes,
        redirect_uris: registration.redirect_uris,
        launch_uri: registration.launch_uri,
        jwks: registration.jwks.unwrap_or_default(),
        jwks_uri: registration.jwks_uri,
        secret: digest.transpose().map_err(unusable)?,
        may_introspect: registration.may_introspect,
        is_disabled: false,
        is_waiting: registration.is_waiting,
        created_ms: documents.now_ms(),
    };
    let place = (CLIENTS, client.client_id.as_str());
    documents.put(place, &client, Before::Nothing, None).await?;
    if client.may_act() {
        origin::remember(documents, &client).await?;
    }
    Ok((client, secret))
}

fn check(registration: &Registration) -> Result<(), String> {
    let name = &registration.name;
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return Err(format!("a name has 1 to {NAME_CHARS_MAX} characters"));
    }
    if name.chars().any(char::is_control) {
        return Err("a name has no control characters".to_owned());
    }
    check_scopes(registration)?;
    if registration.redirect_uris.len() > REDIRECT_URIS_MAX {
        return Err(format!(
            "a client has {REDIRECT_URIS_MAX} redirect URIs at most"
        ));
    }
    for uri in &registration.redirect_uris {
        check_redirect_uri(uri).map_err(|reason| format!("{uri}: {reason}"))?;
    }
    if let Some(uri) = &registration.launch_uri {
        check_web(uri).map_err(|reason| format!("{uri}: {reason}"))?;
    }
    check_keys(registration)
}

fn check_scopes(registration: &Registration) -> Result<(), String> {
    let scopes = &registration.scopes;
    if scopes.is_empty() || scopes.len() > SCOPES_MAX {
        return Err(format!(
            "a client needs scopes that it may be given, {SCOPES_MAX} at most"
        ));
    }
    for text in scopes {
        let asked: Asked = text.parse().map_err(|error| format!("{text}: {error}"))?;
        let is_for_clients = match &asked {
            Asked::Word(word) => word.is_for_clients(),
            Asked::Resources(scope) => scope.context == Context::System,
        };
        if is_for_clients && registration.kind != ClientKind::Keys {
            return Err(format!("{text}: only a client with keys acts by itself"));
        }
        if !is_for_clients && registration.redirect_uris.is_empty() {
            return Err(format!(
                "{text}: a client that acts for people needs a redirect URI"
            ));
        }
    }
    Ok(())
}

fn check_keys(registration: &Registration) -> Result<(), String> {
    let (jwks, jwks_uri) = (&registration.jwks, &registration.jwks_uri);
    match (registration.kind, jwks, jwks_uri) {
        (ClientKind::Public | ClientKind::Secret, None, None) => Ok(()),
        (ClientKind::Public | ClientKind::Secret, ..) => {
            Err("only a client of kind keys brings keys".to_owned())
        }
        (ClientKind::Keys, Some(jwks), None) => match assertion::usable_keys(jwks) {
            Ok(0) => Err(
                "the JWK set has no key to sign with: RSA of 2048 bits or more, or EC \
                          on P-384, each with a kid"
                    .to_owned(),
            ),
            Ok(_some) => Ok(()),
            Err(reason) => Err(format!("the JWK set cannot be used: {reason}")),
        },
        (ClientKind::Keys, None, Some(uri)) => {
            let checked = check_web(uri).map(|_web| ());
            checked.map_err(|reason| format!("{uri}: {reason}"))
        }
        (ClientKind::Keys, ..) => {
            Err("a client of kind keys brings a JWK set or the URL of one".to_owned())
        }
    }
}

/// A URL that a browser is sent to, or that is fetched: nobody reads along.
fn check_web(uri: &str) -> Result<Url, &'static str> {
    if uri.len() > URI_CHARS_MAX {
        return Err("it is too long");
    }
    let url = Url::parse(uri).map_err(|_malformed| "it is no absolute URI")?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has no name or password in it");
    }
    if url.fragment().is_some() {
        return Err("it has no fragment");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err("it begins with https://, or with http:// on this machine"),
    }
}

fn check_redirect_uri(uri: &str) -> Result<(), &'static str> {
    let has_own_scheme = Url::parse(uri).is_ok_and(|url| {
        // A scheme of an app's own is its domain in reverse, RFC 8252 section 7.1.
        url.scheme().contains('.') && url.fragment().is_none() && uri.len() <= URI_CHARS_MAX
    });
    if has_own_scheme {
        return Ok(());
    }
    check_web(uri).map(|_web| ())
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Registration, check, check_redirect_uri};
    use crate::smart::client::ClientKind;

    #[test]
    fn answers_go_where_nobody_reads_along() {
        for good in [
            "https://app.example.org/cb",
            "https://app.example.org/cb?tenant=1",
            "http://localhost:4567/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:80/cb",
            "org.example.app:/cb",
        ] {
            assert_eq!(check_redirect_uri(good), Ok(()), "{good}");
        }
        for bad in [
            "http://app.example.org/cb",
            "https://app.example.org/cb#part",
            "https://name:word@app.example.org/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "app:/cb",
            "/cb",
            "//app.example.org/cb",
            "",
        ] {
            assert!(check_redirect_uri(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn each_kind_brings_what_it_needs() {
        let app = |kind, scope: &str| Registration {
            name: "An app".to_owned(),
            kind,
            scopes: vec![scope.to_owned()],
            redirect_uris: vec!["https://app.example.org/cb".to_owned()],
            ..Registration::default()
        };
        assert_eq!(check(&app(ClientKind::Public, "patient/*.rs")), Ok(()));
        assert_eq!(check(&app(ClientKind::Secret, "launch/patient")), Ok(()));
        assert!(
            check(&app(ClientKind::Keys, "patient/*.rs")).is_err(),
            "no keys"
        );
        assert!(check(&app(ClientKind::Secret, "system/*.rs")).is_err());
        assert!(check(&app(ClientKind::Public, "smart/orchestrate_launch")).is_err());
        assert!(check(&app(ClientKind::Public, "everything")).is_err());
        let nowhere = Registration {
            redirect_uris: Vec::new(),
            ..app(ClientKind::Public, "patient/*.rs")
        };
        assert!(check(&nowhere).is_err());
    }
}
