//! Keeps pages of other sites out of a server that asks nobody for anything.
//!
//! In open mode a browser on this machine is all that stands between any web page and the records:
//! a page may post forms without asking first, and by DNS rebinding read what comes back. Requests
//! that no browser sends carry none of these headers and pass.
//! Spec: RFC 9110 section 7.2 (`Host`), the Fetch standard (`Origin`, `Sec-Fetch-Site`).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderValue, Uri};

use crate::config::AccessMode;
use crate::http::payload::Rejection;
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What may call.
#[derive(Debug, Clone)]
pub struct Guard(Option<Arc<Allowed>>);

#[derive(Debug)]
struct Allowed {
    /// The host of the base URL that clients use.
    host: String,
    /// Origins whose pages may call.
    origins: Vec<String>,
}

impl Guard {
    /// Lets in what is called by this machine's names, or by that of the base URL, and comes from
    /// a page of the same, of one of the origins, or from no page. Outside of open mode a token
    /// decides, and everything is let in.
    pub fn new(mode: AccessMode, base_url: &str, origins: &[String]) -> Self {
        let allowed = Allowed {
            host: host_of_url(base_url).unwrap_or_default(),
            origins: origins.to_vec(),
        };
        Self((mode == AccessMode::Open).then(|| Arc::new(allowed)))
    }

    /// Refuses whoever may not call.
    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Outcome> {
        self.0
            .as_ref()
            .map_or(Ok(()), |allowed| allowed.check(uri, headers))
    }
}

/// The middleware.
pub async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(outcome) => Rejection(outcome).into_response(),
    }
}

impl Allowed {
    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Outcome> {
        let named = match (uri.authority(), headers.get(HOST)) {
            (Some(authority), _) => Some(Some(authority.clone())),
            (None, Some(value)) => Some(authority(value)),
            (None, None) => None,
        };
        if let Some(authority) = named
            && !authority.is_some_and(|authority| self.is_ours(authority.host()))
        {
            return Err(Outcome::new(
                Kind::Forbidden,
                "This server is open to this machine only: call it by localhost, 127.0.0.1 or the \
                 host of its base_url.",
            ));
        }
        let is_foreign = match headers.get(ORIGIN) {
            Some(origin) => !self.allows(origin),
            None => headers
                .get(SEC_FETCH_SITE)
                .is_some_and(|site| site == "cross-site"),
        };
        if is_foreign {
            return Err(Outcome::new(
                Kind::Forbidden,
                "A page of another site called. Add its origin to rest.cors_origins if it may.",
            ));
        }
        Ok(())
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        let Ok(text) = origin.to_str() else {
            return false;
        };
        self.origins
            .iter()
            .any(|known| known == "*" || known == text)
            || host_of_url(text).is_some_and(|host| self.is_ours(&host))
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        is_loopback || host == "localhost" || host.ends_with(".localhost") || host == self.host
    }
}

fn authority(value: &HeaderValue) -> Option<Authority> {
    value.to_str().ok()?.parse().ok()
}

fn host_of_url(url: &str) -> Option<String> {
    let (_scheme, rest) = url.split_once("://")?;
    let (authority, _path) = rest.split_once('/').unwrap_or((rest, ""));
    let authority: Authority = authority.parse().ok()?;
    Some(authority.host().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Uri};

    use super::Guard;
    use crate::config::AccessMode;

    fn passes(mode: AccessMode, headers: &[(&'static str, &str)]) -> bool {
        let origins = ["https://app.example.org".to_owned()];
        let guard = Guard::new(mode, "https://Records.example.org:8443/fhir", &origins);
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        guard.check(&Uri::from_static("/fhir"), &headers).is_ok()
    }

    #[test]
    fn only_this_machine_and_its_pages_pass() {
        for good in [
            &[][..],
            &[("host", "localhost:8080")],
            &[("host", "vesta.localhost")],
            &[("host", "127.0.0.1:8080")],
            &[("host", "[::1]:8080")],
            &[("host", "records.example.org:8443")],
            &[("host", "localhost"), ("origin", "http://localhost:3000")],
            &[
                ("host", "localhost"),
                ("origin", "https://app.example.org"),
                ("sec-fetch-site", "cross-site"),
            ],
            &[("host", "localhost"), ("sec-fetch-site", "none")],
        ] {
            assert!(passes(AccessMode::Open, good), "{good:?}");
        }
        for bad in [
            &[("host", "evil.example.com")][..],
            &[("host", "localhost.example.com")],
            &[("host", "127.0.0.1.example.com")],
            &[("host", "10.0.0.1:8080")],
            &[("host", "not a host")],
            &[
                ("host", "localhost"),
                ("origin", "https://evil.example.com"),
            ],
            &[("host", "localhost"), ("origin", "http://app.example.org")],
            &[("host", "localhost"), ("origin", "null")],
            &[("host", "localhost"), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!passes(AccessMode::Open, bad), "{bad:?}");
            assert!(passes(AccessMode::Smart, bad), "{bad:?}");
        }
    }
}
