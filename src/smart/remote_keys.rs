//! Public keys that clients publish themselves: fetched, and kept no longer than they may be.
//!
//! Never longer than the answer's Cache-Control allows, and for an hour at most. A key that is not
//! there makes the set be fetched again, though not more often than every few seconds.
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::JwkSet;
use moka::sync::Cache;
use tokio::sync::Semaphore;

use crate::smart::assertion;

/// How long an answer without a word about it is kept, in seconds.
const DEFAULT_SECONDS: i64 = 300;

/// How long an answer is kept at most, in seconds.
const KEPT_SECONDS_MAX: i64 = 3_600;

/// How soon a set may be fetched again, in ms.
const AGAIN_MS: i64 = 5_000;

/// How long fetching may take.
const FETCH_TIME_MAX: Duration = Duration::from_secs(5);

/// Bytes of a set.
const SET_BYTES_MAX: usize = 64 << 10;

/// Sets that are kept.
const SETS_MAX: u64 = 1_000;

/// Sets that are fetched at once.
const FETCHES_MAX: usize = 8;

type HttpsClient = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

#[derive(Clone)]
struct Fetched {
    keys: Arc<JwkSet>,
    at_ms: i64,
    until_ms: i64,
}

/// Fetches and keeps sets.
pub(super) struct RemoteKeys {
    sets: Cache<String, Fetched>,
    client: HttpsClient,
    room: Semaphore,
}

impl Default for RemoteKeys {
    fn default() -> Self {
        // Plain HTTP as well: registration lets it through for this machine only.
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            sets: Cache::new(SETS_MAX),
            client: Client::builder(TokioExecutor::new()).build(connector),
            room: Semaphore::new(FETCHES_MAX),
        }
    }
}

impl RemoteKeys {
    /// The set at a URL. Where what is kept does not have the key that is wanted it is fetched
    /// again: a client may have a new one.
    pub(super) async fn of(
        &self,
        url: &str,
        now_ms: i64,
        has_key: &(dyn Fn(&JwkSet) -> bool + Sync),
    ) -> Result<JwkSet, String> {
        let kept = self.sets.get(url).filter(|kept| now_ms < kept.until_ms);
        if let Some(kept) = kept {
            let is_recent = now_ms.saturating_sub(kept.at_ms) < AGAIN_MS;
            if is_recent || has_key(&kept.keys) {
                return Ok(JwkSet::clone(&kept.keys));
            }
        }
        let _place = self
            .room
            .try_acquire()
            .map_err(|_full| "too many sets of keys are being fetched".to_owned())?;
        let (keys, seconds) = self.fetch(url).await?;
        let fetched = Fetched {
            keys: Arc::new(keys.clone()),
            at_ms: now_ms,
            until_ms: now_ms.saturating_add(seconds.saturating_mul(1_000)),
        };
        self.sets.insert(url.to_owned(), fetched);
        Ok(keys)
    }

    async fn fetch(&self, url: &str) -> Result<(JwkSet, i64), String> {
        let failed = |error: &dyn std::fmt::Display| format!("the keys cannot be fetched: {error}");
        let request = Request::get(url).header(ACCEPT, "application/json");
        let request = request.body(Empty::new()).map_err(|error| failed(&error))?;
        let fetching = async {
            let response = self.client.request(request).await;
            let response = response.map_err(|error| failed(&error))?;
            // Redirects are not followed: what was registered is fetched and nothing else.
            if response.status() != StatusCode::OK {
                return Err(failed(&response.status()));
            }
            let seconds = seconds_kept(response.headers());
            let body = Limited::new(response.into_body(), SET_BYTES_MAX).collect();
            let bytes = body.await.map_err(|error| failed(&error))?.to_bytes();
            let text = std::str::from_utf8(&bytes).map_err(|error| failed(&error))?;
            let keys = assertion::read_keys(text).map_err(|error| failed(&error))?;
            Ok((keys, seconds))
        };
        tokio::time::timeout(FETCH_TIME_MAX, fetching)
            .await
            .map_err(|elapsed| failed(&elapsed))?
    }
}

/// How long an answer may be kept, in seconds.
fn seconds_kept(headers: &HeaderMap) -> i64 {
    let values = headers.get_all(CACHE_CONTROL).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let mut seconds = None;
    for directive in values.flat_map(|value| value.split(',')) {
        let directive = directive.trim().to_ascii_lowercase();
        if directive == "no-store" || directive == "no-cache" {
            return 0;
        }
        if let Some(text) = directive.strip_prefix("max-age=") {
            let named = text.trim_matches('"').parse::<i64>().unwrap_or(0);
            seconds = Some(named.min(seconds.unwrap_or(named)));
        }
    }
    seconds
        .unwrap_or(DEFAULT_SECONDS)
        .clamp(0, KEPT_SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::seconds_kept;

    #[test]
    fn keys_are_kept_no_longer_than_they_may_be() {
        for (value, seconds) in [
            ("", 300),
            ("max-age=60", 60),
            ("public, Max-Age=10", 10),
            ("max-age=999999999", 3_600),
            ("max-age=0", 0),
            ("max-age=nonsense", 0),
            ("no-store, max-age=60", 0),
            ("no-cache", 0),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("cache-control", value.parse().unwrap());
            assert_eq!(seconds_kept(&headers), seconds, "{value}");
        }
        assert_eq!(seconds_kept(&HeaderMap::new()), 300);
    }
}
