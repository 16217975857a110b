//! What happened: who, what, how it ended, from where, and whose record it was about.
//!
//! Whoever lets somebody in, or does something to accounts, clients and grants, makes an [`Event`]
//! and gives it to [`super::journal::Journal::record`] before answering. What FHIR requests touch
//! is put together by the middleware. Nothing here holds the content of a resource.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Characters of a text that an event keeps of what somebody else made up.
const TEXT_CHARS_MAX: usize = 200;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it was written down, in ms since the epoch; set by the journal.
    #[serde(rename = "at")]
    pub recorded_ms: i64,
    /// What was done.
    pub act: Act,
    /// How it ended.
    #[serde(rename = "end")]
    pub ending: Ending,
    /// Who did it.
    #[serde(rename = "by")]
    pub agent: Agent,
    /// The id of the request, as the client and the log know it.
    #[serde(rename = "req", default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Why it was done, where somebody said so: a code of v3-PurposeOfUse.
    #[serde(rename = "why", default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// Ids of the patients whose records it was about.
    #[serde(rename = "pat", default, skip_serializing_if = "Vec::is_empty")]
    pub patients: Vec<String>,
    /// The resources that left, or were written.
    #[serde(rename = "res", default, skip_serializing_if = "Vec::is_empty")]
    pub touched: Vec<Touched>,
    /// What it was about where that is no resource: an account, a client, a grant. Never a secret.
    #[serde(rename = "obj", default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What was asked for, as it was sent. Kept apart from the rest of the event, so that it can
    /// go when a patient is erased.
    #[serde(skip)]
    pub query: Option<String>,
    /// What binds the query to the event; set by the journal.
    #[serde(rename = "qh", default, skip_serializing_if = "Option::is_none")]
    pub query_hash: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// `GET [type]/[id]`.
    Read,
    /// `GET [type]/[id]/_history/[version]`.
    Vread,
    /// The history of one resource, of a type or of all.
    History,
    /// A search.
    Search,
    /// `POST [type]`.
    Create,
    /// `PUT`.
    Update,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
    /// A batch or transaction.
    Bundle,
    /// An operation.
    Operation,
    /// Data taken out in bulk.
    Export,
    /// A patient's record destroyed.
    Erase,
    /// Something else over FHIR.
    Other,
    /// Somebody signed in, or tried to.
    SignIn,
    /// Somebody signed out, or was signed out.
    SignOut,
    /// A second factor was set up, used or removed; a password was changed or reset.
    Credential,
    /// An account was made, or who it belongs to was settled.
    Registration,
    /// A patient let an app in, or a share or consent was given.
    Grant,
    /// A grant, a share, a session or a token was taken back.
    Revoke,
    /// A token was given to an app.
    Token,
    /// A token was looked up by another server.
    Introspection,
    /// An app was registered, approved, changed or disabled.
    Client,
    /// An account was changed, disabled, given another role.
    Account,
    /// A record was opened in an emergency, past what is granted otherwise.
    BreakGlass,
    /// The queries of events about an erased patient were taken away.
    Forget,
    /// Keys, index, settings: work of an operator.
    Administration,
    /// A server process began to serve.
    Start,
    /// A server process stopped in good order.
    Stop,
}

/// How something ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// Whether it was done.
    #[serde(rename = "of")]
    pub outcome: EventOutcome,
    /// In a few words, without data of anybody: `403 forbidden`, `wrong password`.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// The outcomes that FHIR has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventOutcome {
    /// It was done.
    Success,
    /// It was refused, or asked for wrongly.
    Minor,
    /// It failed.
    Serious,
}

/// Who did something.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// The server's own id of the person.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub person_id: Option<String>,
    /// The resource that describes them: `Practitioner/2`.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub fhir_user: Option<String>,
    /// What they are to this server.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The app that acted, by the id of its registration.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The grant or token it acted by.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<String>,
    /// Where it came from.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Whether the server did it by itself, or its operator on the command line.
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_system: bool,
}

/// A resource that left or was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Touched {
    /// `Type/id`.
    #[serde(rename = "r")]
    pub reference: String,
    /// Which version.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<i64>,
    /// The patients in whose record it is: places in [`Event::patients`].
    #[serde(rename = "p", default, skip_serializing_if = "Vec::is_empty")]
    pub patients: Vec<u32>,
    /// Whether it was written.
    #[serde(rename = "w", default, skip_serializing_if = "std::ops::Not::not")]
    pub is_written: bool,
}

impl Act {
    /// The act as it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Vread => "vread",
            Self::History => "history",
            Self::Search => "search",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::Bundle => "bundle",
            Self::Operation => "operation",
            Self::Export => "export",
            Self::Erase => "erase",
            Self::Other => "other",
            Self::SignIn => "sign-in",
            Self::SignOut => "sign-out",
            Self::Credential => "credential",
            Self::Registration => "registration",
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::Token => "token",
            Self::Introspection => "introspection",
            Self::Client => "client",
            Self::Account => "account",
            Self::BreakGlass => "break-glass",
            Self::Forget => "forget",
            Self::Administration => "administration",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

impl Event {
    /// Something that was done.
    pub fn success(act: Act) -> Self {
        Self::ended(act, EventOutcome::Success, None)
    }

    /// Something that was refused, with the reason in a few words and without anybody's data.
    pub fn refused(act: Act, reason: &str) -> Self {
        Self::ended(act, EventOutcome::Minor, Some(reason))
    }

    /// Something that failed.
    pub fn failed(act: Act, reason: &str) -> Self {
        Self::ended(act, EventOutcome::Serious, Some(reason))
    }

    fn ended(act: Act, outcome: EventOutcome, description: Option<&str>) -> Self {
        Self {
            recorded_ms: 0,
            act,
            ending: Ending {
                outcome,
                description: description.map(cut),
            },
            agent: Agent::default(),
            request_id: None,
            purpose: None,
            patients: Vec::new(),
            touched: Vec::new(),
            subject: None,
            query: None,
            query_hash: None,
        }
    }

    /// Who did it.
    #[must_use]
    pub fn by(mut self, agent: Agent) -> Self {
        self.agent = agent;
        self
    }

    /// By which request.
    #[must_use]
    pub fn in_request(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }

    /// About which account, client or grant: an id, never a name or a secret.
    #[must_use]
    pub fn about(mut self, subject: &str) -> Self {
        self.subject = Some(cut(subject));
        self
    }

    /// About the record of a patient.
    #[must_use]
    pub fn of_patient(mut self, patient_id: &str) -> Self {
        self.patients.push(patient_id.to_owned());
        self
    }

    /// For a purpose: a code of v3-PurposeOfUse.
    #[must_use]
    pub fn for_purpose(mut self, code: &str) -> Self {
        self.purpose = Some(cut(code));
        self
    }
}

impl Agent {
    /// A person, by the server's own id and by the resource that describes them.
    pub fn person(id: &str, role: &str, fhir_user: Option<&str>) -> Self {
        Self {
            person_id: Some(id.to_owned()),
            role: Some(role.to_owned()),
            fhir_user: fhir_user.map(ToOwned::to_owned),
            ..Self::default()
        }
    }

    /// An app that acts by itself.
    pub fn client(client_id: &str) -> Self {
        Self::default().through(client_id)
    }

    /// The server, or its operator on the command line.
    pub fn system() -> Self {
        Self {
            is_system: true,
            ..Self::default()
        }
    }

    /// Through an app.
    #[must_use]
    pub fn through(mut self, client_id: &str) -> Self {
        self.client_id = Some(cut(client_id));
        self
    }

    /// From an address.
    #[must_use]
    pub const fn from(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }
}

/// What somebody else made up is kept no longer than it helps.
fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}
