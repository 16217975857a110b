//! The cookies of a browser, and who is signed in with it.
//!
//! One cookie holds the session; another one, for visitors, only ties forms to the browser that was
//! shown them. With TLS both have the `__Host-` prefix. Spec: RFC 6265bis.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use http::header::USER_AGENT;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};

use crate::access::person::Person;
use crate::account::accounts::Accounts;
use crate::account::session::{Session, Stage};
use crate::account::sign_in::Origin;
use crate::http::middleware::observe::RequestId;
use crate::http::oauth::Peer;
use crate::http::state::AppState;
use crate::portal::page::{Problem, go_to};

const SESSION: &str = "vesta-session";
const VISITOR: &str = "vesta-visitor";

/// What only browsers that came through TLS, from this very host, can have set.
const HOST_PREFIX: &str = "__Host-";

/// Bytes of a place to go to after signing in.
const NEXT_BYTES_MAX: usize = 4_096;

const SESSION_CONTEXT: &str = "vesta portal 2026 forms of a session";
const VISITOR_CONTEXT: &str = "vesta portal 2026 forms of a visitor";

/// The accounts of a server that has them.
pub fn accounts(state: &AppState) -> Result<Arc<Accounts>, Problem> {
    let accounts = state.accounts.as_ref().map(Arc::clone);
    accounts.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "Not here",
            "There are no accounts here.",
        )
    })
}

fn cookie_name(accounts: &Accounts, name: &str) -> String {
    let prefix = if accounts.is_secure() {
        HOST_PREFIX
    } else {
        ""
    };
    format!("{prefix}{name}")
}

fn cookie(accounts: &Accounts, name: &str, value: String) -> Cookie<'static> {
    Cookie::build((cookie_name(accounts, name), value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(accounts.is_secure())
        .build()
}

/// The token of the session that a browser has.
pub fn session_token(accounts: &Accounts, headers: &HeaderMap) -> Option<String> {
    let jar = CookieJar::from_headers(headers);
    let cookie = jar.get(&cookie_name(accounts, SESSION))?;
    Some(cookie.value().to_owned())
}

/// Has the browser keep the token of a session.
pub fn keep(accounts: &Accounts, token: String) -> CookieJar {
    CookieJar::new().add(cookie(accounts, SESSION, token))
}

/// Has the browser forget its session.
pub fn forget(accounts: &Accounts) -> CookieJar {
    // Removing sends a cookie only for what the jar is known to hold.
    let held = Cookie::new(cookie_name(accounts, SESSION), "");
    let mut headers = HeaderMap::new();
    if let Ok(value) = held.to_string().parse() {
        headers.insert(http::header::COOKIE, value);
    }
    CookieJar::from_headers(&headers).remove(cookie(accounts, SESSION, String::new()))
}

/// The token that forms of a session carry.
fn session_csrf(token: &str) -> String {
    derived(SESSION_CONTEXT, token)
}

/// Whoever sees a form learns nothing of the cookie, and whoever lacks the cookie makes no form.
fn derived(context: &str, secret: &str) -> String {
    blake3::Hash::from_bytes(blake3::derive_key(context, secret.as_bytes()))
        .to_hex()
        .to_string()
}

/// From where a request comes.
pub fn origin(accounts: &Accounts, parts: &Parts) -> Origin {
    let peer = parts.extensions.get::<Peer>().copied();
    let id = parts.extensions.get::<RequestId>();
    let agent = parts.headers.get(USER_AGENT);
    let agent = agent.and_then(|value| value.to_str().ok());
    Origin {
        address: peer.map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |Peer(ip)| ip),
        agent: agent.unwrap_or_default().to_owned(),
        former: session_token(accounts, &parts.headers),
        request_id: id.map(ToString::to_string),
    }
}

/// A session however far its sign-in has come.
#[derive(Debug, Clone)]
pub struct Entered {
    /// Whose it is.
    pub person: Person,
    /// The session.
    pub session: Session,
    /// What forms of this session carry.
    pub csrf: String,
}

impl Entered {
    /// The session of a request, if there is one.
    pub async fn of(accounts: &Accounts, headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(token) = session_token(accounts, headers) else {
            return Ok(None);
        };
        let found = accounts.session(&token).await?;
        Ok(found.map(|(person, session)| Self {
            person,
            session,
            csrf: session_csrf(&token),
        }))
    }
}

/// Somebody who is signed in: all that a page needs to know of them. Who is not is sent to the
/// page for it, and comes back afterwards.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who it is; never somebody who is disabled.
    pub person: Person,
    /// What the session is called where it is listed.
    pub session_id: String,
    /// When they signed in, in ms since the epoch.
    pub signed_in_ms: i64,
    /// What forms of this session carry, as the field `csrf`.
    pub csrf: String,
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Response> {
        let accounts = accounts(state).map_err(IntoResponse::into_response)?;
        let entered = Entered::of(&accounts, &parts.headers).await;
        let entered = entered.map_err(IntoResponse::into_response)?;
        let page = match &entered {
            None => "/sign-in",
            Some(entered) => match entered.session.stage {
                Stage::Full => "",
                Stage::NeedsFactor => "/second-factor",
                Stage::NeedsEnrolment => "/second-factor/new",
            },
        };
        match entered.filter(|_| page.is_empty()) {
            Some(entered) => Ok(Self {
                person: entered.person,
                session_id: entered.session.id,
                signed_in_ms: entered.session.created_ms,
                csrf: entered.csrf,
            }),
            None => Err(go_to(&with_next(page, next_of(parts).as_deref()))),
        }
    }
}

/// Where a request was going: only what can be asked for again.
fn next_of(parts: &Parts) -> Option<String> {
    let asked = parts.uri.path_and_query()?.as_str();
    (parts.method == Method::GET && is_local(asked)).then(|| asked.to_owned())
}

/// A page with the place to go to afterwards.
pub fn with_next(page: &str, next: Option<&str>) -> String {
    match next.filter(|next| is_local(next)) {
        None => page.to_owned(),
        Some(next) => {
            let query = form_urlencoded::Serializer::new(String::new())
                .append_pair("next", next)
                .finish();
            format!("{page}?{query}")
        }
    }
}

/// Whether a place is on this server, whatever a browser makes of it.
pub fn is_local(place: &str) -> bool {
    let after = place.strip_prefix('/');
    place.len() <= NEXT_BYTES_MAX
        && after.is_some_and(|rest| !rest.starts_with(['/', '\\']))
        && place.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

/// A browser that is not signed in, with what ties forms to it.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// What forms shown to this browser carry, as the field `csrf`.
    pub csrf: String,
    /// Has the browser keep what its forms are tied to.
    pub jar: CookieJar,
}

impl Visitor {
    /// What ties the forms of a browser to it, if it was shown one.
    pub fn known(accounts: &Accounts, headers: &HeaderMap) -> Option<Self> {
        let jar = CookieJar::from_headers(headers);
        let secret = jar.get(&cookie_name(accounts, VISITOR))?.value().to_owned();
        Some(Self {
            csrf: derived(VISITOR_CONTEXT, &secret),
            jar: CookieJar::new(),
        })
    }
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let accounts = accounts(state)?;
        if let Some(known) = Self::known(&accounts, &parts.headers) {
            return Ok(known);
        }
        let secret = accounts.visitor_secret()?;
        Ok(Self {
            csrf: derived(VISITOR_CONTEXT, &secret),
            jar: CookieJar::new().add(cookie(&accounts, VISITOR, secret)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{is_local, session_csrf, with_next};

    #[test]
    fn only_places_on_this_server_are_gone_to() {
        for good in ["/", "/account", "/oauth/authorize?a=b&c=%2F%2Fd"] {
            assert!(is_local(good), "{good}");
        }
        for bad in [
            "",
            "account",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\\b",
            "/a b",
            "/\t/evil.example",
            "/a\r\nb",
            &format!("/{}", "a".repeat(5_000)),
        ] {
            assert!(!is_local(bad), "{bad:?}");
            assert_eq!(with_next("/sign-in", Some(bad)), "/sign-in");
        }
        assert_eq!(
            with_next("/sign-in", Some("/a?b=c")),
            "/sign-in?next=%2Fa%3Fb%3Dc"
        );
    }

    #[test]
    fn each_session_has_a_token_of_its_own() {
        assert_ne!(session_csrf("a"), session_csrf("b"));
        assert_eq!(session_csrf("a").len(), 64);
    }
}
