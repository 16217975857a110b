//! From path segments to types and addresses.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;

use crate::access::trail::Trail;
use crate::access::{Grant, Intent, Session, check};
use crate::fhir::id;
use crate::fhir::resource_type::ResourceType;
use crate::http::oauth;
use crate::http::payload::Rejection;
use crate::http::rates::{self, Account};
use crate::http::state::AppState;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::smart::authority::Authority;
use crate::smart::bearer::BearerError;
use crate::store::Address;

/// The types of what is made of the journal.
const MADE_OF_JOURNAL: [&str; 2] = ["AuditEvent", "Provenance"];

/// Who asks, and the state to decide and answer with.
pub(crate) struct Caller {
    pub(crate) state: AppState,
    session: Session,
}

impl Caller {
    /// A caller whose session was found otherwise.
    pub(crate) fn of(state: &AppState, session: Session) -> Self {
        Self {
            state: state.clone(),
            session,
        }
    }

    /// Who asks.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Asks for access.
    pub(crate) fn grant(&self, intent: Intent) -> Result<Grant, Outcome> {
        check(&self.session, intent)
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let session = match &state.authority {
            Some(authority) => bearer_session(state, authority, parts).await?,
            None => Session::without_credentials(state.access),
        };
        let session = session.on_trail(parts.extensions.get::<Trail>().cloned());
        if asks_for_events(parts.uri.path(), parts.uri.query()) {
            state.events.catch_up().await?;
        }
        Ok(Self {
            state: state.clone(),
            session,
        })
    }
}

/// Whether a request may be about what was written down of others: that has to be complete then.
fn asks_for_events(path: &str, query: Option<&str>) -> bool {
    MADE_OF_JOURNAL
        .iter()
        .any(|name| path.contains(name) || query.is_some_and(|query| query.contains(name)))
}

/// The session of the access token that a request brings. Who brings none is told so before
/// anything else is looked at.
async fn bearer_session(
    state: &AppState,
    authority: &Authority,
    parts: &Parts,
) -> Result<Session, Outcome> {
    let invalid = || {
        Outcome::new(
            Kind::Unauthenticated,
            "The access token is none of this server's, has expired or was revoked: get another \
             one.",
        )
    };
    let Some(token) = oauth::bearer(&parts.headers).map_err(|_other| invalid())? else {
        return Err(Outcome::new(
            Kind::Unauthenticated,
            "This request carries no access token: sign in and send one.",
        ));
    };
    let failed = |error| match error {
        BearerError::Invalid => invalid(),
        BearerError::Failed(error) => {
            let text = "The access token cannot be looked up now. Try again shortly.";
            let source = error.source.unwrap_or_default();
            Outcome::new(Kind::Unavailable, text).caused_by(&source)
        }
    };
    let session = authority.session(token).await.map_err(failed)?;
    let holder = authority.holder(token).await.map_err(failed)?;
    let account = Account {
        client_id: &holder.client_id,
        person_id: holder.person_id.as_deref(),
    };
    let (units, now_ms) = (rates::units_of(parts), state.ctx.clock.now_ms());
    state.rates.count_account(account, units, now_ms)?;
    Ok(session)
}

/// The `{type}` of the path.
pub(crate) struct TypePath(pub(crate) ResourceType);

impl FromRequestParts<AppState> for TypePath {
    type Rejection = Rejection;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let Path(name) = segments::<String>(parts, state).await?;
        Ok(Self(resource_type(&name)?))
    }
}

/// The `{type}/{id}` of the path.
pub(crate) struct InstancePath(pub(crate) Address);

impl FromRequestParts<AppState> for InstancePath {
    type Rejection = Rejection;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let Path((name, id)) = segments::<(String, String)>(parts, state).await?;
        Ok(Self(address(&name, id)?))
    }
}

/// The `{type}/{id}/_history/{version_id}` of the path.
pub(crate) struct VersionPath(pub(crate) Address, pub(crate) String);

impl FromRequestParts<AppState> for VersionPath {
    type Rejection = Rejection;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let Path((name, id, version)) = segments::<(String, String, String)>(parts, state).await?;
        Ok(Self(address(&name, id)?, version))
    }
}

/// The `{type}/{id}/{what}` of the path.
pub(crate) struct WithinPath(pub(crate) Address, pub(crate) String);

impl FromRequestParts<AppState> for WithinPath {
    type Rejection = Rejection;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let Path((name, id, what)) = segments::<(String, String, String)>(parts, state).await?;
        Ok(Self(address(&name, id)?, what))
    }
}

async fn segments<T>(parts: &mut Parts, state: &AppState) -> Result<Path<T>, Rejection>
where
    T: serde::de::DeserializeOwned + Send,
{
    Path::from_request_parts(parts, state)
        .await
        .map_err(|error| {
            Rejection(
                Outcome::new(Kind::NotFound, "There is nothing at this URL.").caused_by(&error),
            )
        })
}

fn resource_type(name: &str) -> Result<ResourceType, Outcome> {
    name.parse().map_err(|_unknown| {
        Outcome::new(
            Kind::NotFound,
            "The first part of the path must be an R4 resource type.",
        )
    })
}

fn address(name: &str, id: String) -> Result<Address, Outcome> {
    let resource_type = resource_type(name)?;
    if !id::is_valid(&id) {
        return Err(Outcome::new(
            Kind::Invalid,
            "An id is 1 to 64 of the characters A-Z, a-z, 0-9, '-' and '.'.",
        ));
    }
    Ok(Address { resource_type, id })
}
