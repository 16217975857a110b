//! Clients: who may ask for tokens, how they prove themselves, and what they may be given.
//!
//! Registered by the operator with `vesta client`; kept sealed in the store, so that every process
//! knows them at once. Spec: RFC 7591 section 2 for what a client is registered with.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::access::documents::{Before, DocumentError, Documents, Kept};
use crate::access::scope::{Context, Scope};
use crate::seal::hex;
use crate::smart::assertion;

/// The collection of clients.
const CLIENTS: &str = "oauth-client";

/// Bytes of an id of a client.
const ID_BYTES: usize = 16;

/// How often a change that somebody else overtook is tried again.
const ATTEMPTS_MAX: usize = 8;

/// Characters of a name.
const NAME_CHARS_MAX: usize = 100;

/// A client as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Client {
    /// Its id.
    pub client_id: String,
    /// What it is called.
    pub name: String,
    /// The scopes it may be given, as text.
    pub scopes: Vec<String>,
    /// Its public keys, as the JSON of a JWK set.
    pub jwks: String,
    /// Whether it may ask about the tokens of other clients.
    pub may_introspect: bool,
    /// Whether it may no longer do anything.
    pub is_disabled: bool,
    /// When it was registered, in ms since the epoch.
    pub created_ms: i64,
}

/// What a client is registered with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Registration {
    /// What it is called.
    pub name: String,
    /// The scopes it may be given.
    pub scopes: Vec<String>,
    /// Its public keys, as the JSON of a JWK set.
    pub jwks: String,
    /// Whether it may ask about the tokens of other clients.
    pub may_introspect: bool,
}

/// What an operator may do with clients.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Register one.
    Add(Registration),
    /// Show all.
    List,
    /// Refuse one from now on, with every token it has.
    Disable(String),
}

/// Why a client cannot be registered or changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// What it is registered with does not do.
    #[error("{0}")]
    Unusable(String),
    /// There is no such client.
    #[error("there is no client with this id")]
    Unknown,
    /// The store refused.
    #[error(transparent)]
    Documents(#[from] DocumentError),
}

impl Client {
    /// The scopes it may be given.
    pub fn allowed(&self) -> Vec<Scope> {
        let all = self.scopes.iter();
        all.filter_map(|text| text.parse().ok()).collect()
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_disabled {
            "disabled"
        } else {
            "active"
        };
        write!(
            f,
            "{} {state} {:?} {}",
            self.client_id,
            self.name,
            self.scopes.join(" ")
        )
    }
}

/// The client with an id.
pub async fn find(documents: &Documents, client_id: &str) -> Result<Option<Client>, DocumentError> {
    let found: Option<Kept<Client>> = documents.get(CLIENTS, client_id).await?;
    Ok(found.map(|kept| kept.content))
}

/// Does what an operator asks for; the lines that tell them.
pub async fn carry_out(
    documents: &Documents,
    command: Command,
) -> Result<Vec<String>, ClientError> {
    match command {
        Command::Add(registration) => {
            let client = add(documents, registration).await?;
            Ok(vec![format!("client_id: {}", client.client_id)])
        }
        Command::List => {
            let mut all: Vec<Kept<Client>> = documents.list(CLIENTS).await?;
            all.sort_by_key(|kept| kept.content.created_ms);
            Ok(all.iter().map(|kept| kept.content.to_string()).collect())
        }
        Command::Disable(client_id) => {
            disable(documents, &client_id).await?;
            Ok(vec![format!("disabled {client_id}")])
        }
    }
}

/// Registers a client.
pub async fn add(documents: &Documents, registration: Registration) -> Result<Client, ClientError> {
    check(&registration)?;
    let mut id = [0; ID_BYTES];
    let filled = documents.random().fill(&mut id);
    filled.map_err(|error| ClientError::Unusable(error.to_string()))?;
    let client = Client {
        client_id: hex::encode(&id),
        name: registration.name,
        scopes: registration.scopes,
        jwks: registration.jwks,
        may_introspect: registration.may_introspect,
        is_disabled: false,
        created_ms: documents.now_ms(),
    };
    let place = (CLIENTS, client.client_id.as_str());
    documents.put(place, &client, Before::Nothing, None).await?;
    Ok(client)
}

/// Refuses a client and every token it has from now on.
pub async fn disable(documents: &Documents, client_id: &str) -> Result<(), ClientError> {
    for _ in 0..ATTEMPTS_MAX {
        let found: Option<Kept<Client>> = documents.get(CLIENTS, client_id).await?;
        let mut kept = found.ok_or(ClientError::Unknown)?;
        kept.content.is_disabled = true;
        let before = Before::Revision(kept.revision);
        match documents
            .put((CLIENTS, client_id), &kept.content, before, None)
            .await
        {
            Err(DocumentError::Changed) => {}
            done => return Ok(done?),
        }
    }
    Err(DocumentError::Changed.into())
}

fn check(registration: &Registration) -> Result<(), ClientError> {
    let unusable = |text: String| Err(ClientError::Unusable(text));
    let name = &registration.name;
    if name.trim().is_empty() || name.chars().count() > NAME_CHARS_MAX {
        return unusable(format!("a name has 1 to {NAME_CHARS_MAX} characters"));
    }
    if name.chars().any(char::is_control) {
        return unusable("a name has no control characters".to_owned());
    }
    if registration.scopes.is_empty() {
        return unusable("a client needs a scope that it may be given".to_owned());
    }
    for text in &registration.scopes {
        let scope = text.parse::<Scope>();
        let scope = scope.map_err(|error| ClientError::Unusable(format!("{text}: {error}")))?;
        if scope.context != Context::System {
            return unusable(format!(
                "{text}: a client of its own is given system/ scopes only"
            ));
        }
    }
    match assertion::usable_keys(&registration.jwks) {
        Ok(0) => unusable(
            "the JWK set has no key to sign with: RSA of 2048 bits or more, or EC on P-384, each \
             with a kid"
                .to_owned(),
        ),
        Ok(_some) => Ok(()),
        Err(reason) => unusable(format!("the JWK set cannot be used: {reason}")),
    }
}
