//! Clients: who may ask for tokens, how they prove themselves, and what they may be given.
//!
//! Kept sealed in the store, so that every process knows them at once. What a client has to bring
//! to be registered is in [`crate::smart::registration`]. Spec: RFC 7591 section 2,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr>.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::access::documents::{Before, DocumentError, Documents, Kept};
use crate::access::scope::Scope;
use crate::smart::asked::ScopeSet;
use crate::smart::origin;
use crate::smart::registration::{self, Registration};
use crate::smart::secret::SecretDigest;

/// The collection of clients.
pub(super) const CLIENTS: &str = "oauth-client";

/// How often a change that somebody else overtook is tried again.
pub(super) const ATTEMPTS_MAX: usize = 8;

/// How a client proves that it is that client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientKind {
    /// Not at all: it runs where it cannot keep a secret, as in a browser or on a phone.
    Public,
    /// By a secret that it was given.
    Secret,
    /// By signing with a key of its own.
    #[default]
    Keys,
}

impl ClientKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Public, Self::Secret, Self::Keys];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Secret => "secret",
            Self::Keys => "keys",
        }
    }
}

/// A text that names no kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a client is one of public, secret, keys")]
pub struct UnknownKind;

impl FromStr for ClientKind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.name() == text).ok_or(UnknownKind)
    }
}

/// A client as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Client {
    /// Its id.
    pub client_id: String,
    /// What it is called.
    pub name: String,
    /// How it proves itself.
    #[serde(default)]
    pub kind: ClientKind,
    /// The scopes it may be given, as text.
    pub scopes: Vec<String>,
    /// Where answers to authorization requests may go.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Where an EHR launches it.
    #[serde(default)]
    pub launch_uri: Option<String>,
    /// Its public keys, as the JSON of a JWK set; empty where they are fetched or there are none.
    pub jwks: String,
    /// Where its public keys are fetched.
    #[serde(default)]
    pub jwks_uri: Option<String>,
    /// What is kept of its secret.
    #[serde(default)]
    pub secret: Option<SecretDigest>,
    /// Whether it may ask about the tokens of other clients.
    pub may_introspect: bool,
    /// Whether it may no longer do anything.
    pub is_disabled: bool,
    /// Whether it registered itself and no administrator has agreed yet.
    #[serde(default)]
    pub is_waiting: bool,
    /// When it was registered, in ms since the epoch.
    pub created_ms: i64,
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
    /// Let in one that registered itself.
    Approve(String),
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
    /// The scopes on resources that it may be given.
    pub fn allowed(&self) -> Vec<Scope> {
        self.allowed_set().resources
    }

    /// The scopes it may be given.
    pub fn allowed_set(&self) -> ScopeSet {
        ScopeSet::of_texts(&self.scopes)
    }

    /// Whether it may act now.
    pub fn may_act(&self) -> bool {
        !self.is_disabled && !self.is_waiting
    }

    fn state(&self) -> &'static str {
        match (self.is_disabled, self.is_waiting) {
            (true, _) => "disabled",
            (false, true) => "waiting",
            (false, false) => "active",
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, state, kind) = (&self.client_id, self.state(), self.kind.name());
        write!(f, "{id} {state} {kind} {:?}", self.name)?;
        write!(f, " {}", self.scopes.join(" "))?;
        for uri in &self.redirect_uris {
            write!(f, " redirect={uri}")?;
        }
        if let Some(uri) = &self.launch_uri {
            write!(f, " launch={uri}")?;
        }
        Ok(())
    }
}

/// The client with an id.
pub async fn find(documents: &Documents, client_id: &str) -> Result<Option<Client>, DocumentError> {
    let found: Option<Kept<Client>> = documents.get(CLIENTS, client_id).await?;
    Ok(found.map(|kept| kept.content))
}

/// All clients, the oldest first.
pub async fn list(documents: &Documents) -> Result<Vec<Client>, DocumentError> {
    let mut all: Vec<Kept<Client>> = documents.list(CLIENTS).await?;
    all.sort_by_key(|kept| kept.content.created_ms);
    Ok(all.into_iter().map(|kept| kept.content).collect())
}

/// Does what an operator asks for; the lines that tell them.
pub async fn carry_out(
    documents: &Documents,
    command: Command,
) -> Result<Vec<String>, ClientError> {
    match command {
        Command::Add(registration) => {
            let (client, secret) = registration::add(documents, registration).await?;
            let id = format!("client_id: {}", client.client_id);
            // Shown this once: nobody can tell it again.
            let secret = secret.map(|secret| format!("client_secret: {}", *secret));
            Ok(std::iter::once(id).chain(secret).collect())
        }
        Command::List => {
            let all = list(documents).await?;
            Ok(all.iter().map(ToString::to_string).collect())
        }
        Command::Disable(client_id) => {
            disable(documents, &client_id).await?;
            Ok(vec![format!("disabled {client_id}")])
        }
        Command::Approve(client_id) => {
            approve(documents, &client_id).await?;
            Ok(vec![format!("approved {client_id}")])
        }
    }
}

/// Refuses a client and every token it has from now on.
pub async fn disable(documents: &Documents, client_id: &str) -> Result<(), ClientError> {
    let client = change(documents, client_id, |client| client.is_disabled = true).await?;
    origin::forget(documents, &client).await?;
    Ok(())
}

/// Lets in a client that registered itself.
pub async fn approve(documents: &Documents, client_id: &str) -> Result<(), ClientError> {
    let client = change(documents, client_id, |client| client.is_waiting = false).await?;
    if client.may_act() {
        origin::remember(documents, &client).await?;
    }
    Ok(())
}

async fn change(
    documents: &Documents,
    client_id: &str,
    to: fn(&mut Client),
) -> Result<Client, ClientError> {
    for _ in 0..ATTEMPTS_MAX {
        let found: Option<Kept<Client>> = documents.get(CLIENTS, client_id).await?;
        let mut kept = found.ok_or(ClientError::Unknown)?;
        to(&mut kept.content);
        let before = Before::Revision(kept.revision);
        match documents
            .put((CLIENTS, client_id), &kept.content, before, None)
            .await
        {
            Err(DocumentError::Changed) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(kept.content),
        }
    }
    Err(DocumentError::Changed.into())
}
