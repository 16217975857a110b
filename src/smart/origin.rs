//! Origins of browser apps: pages that may call this server because their app is registered.
//!
//! One small document for each origin, so that the question of a browser costs one look-up and the
//! answer holds on every process. Spec: the Fetch standard,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html>, its section on CORS.

use std::collections::BTreeSet;

use oauth2::url::Url;
use serde::{Deserialize, Serialize};

use crate::access::documents::{Before, DocumentError, Documents, Kept};
use crate::smart::authority::Authority;
use crate::smart::client::{ATTEMPTS_MAX, Client, ClientKind};

/// The collection of origins.
const ORIGINS: &str = "oauth-origin";

/// Clients that are remembered of one origin.
const CLIENTS_MAX: usize = 1_000;

/// Characters of an origin.
const ORIGIN_CHARS_MAX: usize = 300;

/// The clients of an origin.
#[derive(Debug, Default, Serialize, Deserialize)]
struct OriginDocument {
    clients: BTreeSet<String>,
}

impl Authority {
    /// Whether pages of an origin may call: a public client's answers go there.
    pub async fn knows_origin(&self, origin: &str) -> bool {
        if origin.len() > ORIGIN_CHARS_MAX {
            return false;
        }
        let found = self.documents.get::<OriginDocument>(ORIGINS, origin).await;
        match found {
            Ok(found) => found.is_some(),
            Err(error) => {
                tracing::warn!(%error, "an origin cannot be looked up");
                false
            }
        }
    }
}

/// The origin of a URL, as browsers write it; `None` where it has none of its own.
pub fn origin_of(url: &str) -> Option<String> {
    let origin = Url::parse(url).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

fn origins_of(client: &Client) -> BTreeSet<String> {
    if client.kind != ClientKind::Public {
        return BTreeSet::new();
    }
    let uris = client.redirect_uris.iter();
    uris.filter_map(|uri| origin_of(uri)).collect()
}

/// Lets the pages of a client call.
pub(super) async fn remember(documents: &Documents, client: &Client) -> Result<(), DocumentError> {
    for origin in origins_of(client) {
        change(documents, &origin, &|clients| {
            if clients.len() < CLIENTS_MAX {
                clients.insert(client.client_id.clone());
            }
        })
        .await?;
    }
    Ok(())
}

/// Lets them call no longer, unless another client has the same origin.
pub(super) async fn forget(documents: &Documents, client: &Client) -> Result<(), DocumentError> {
    for origin in origins_of(client) {
        change(documents, &origin, &|clients| {
            clients.remove(&client.client_id);
        })
        .await?;
    }
    Ok(())
}

async fn change(
    documents: &Documents,
    origin: &str,
    to: &(dyn Fn(&mut BTreeSet<String>) + Sync),
) -> Result<(), DocumentError> {
    for _ in 0..ATTEMPTS_MAX {
        let found: Option<Kept<OriginDocument>> = documents.get(ORIGINS, origin).await?;
        let (mut document, before) = match found {
            Some(kept) => (kept.content, Before::Revision(kept.revision)),
            None => (OriginDocument::default(), Before::Nothing),
        };
        to(&mut document.clients);
        let done = if document.clients.is_empty() {
            documents.delete(ORIGINS, origin).await
        } else {
            let place = (ORIGINS, origin);
            documents.put(place, &document, before, None).await
        };
        match done {
            Err(DocumentError::Changed) => {}
            done => return done,
        }
    }
    Err(DocumentError::Changed)
}

#[cfg(test)]
mod tests {
    use super::origin_of;

    #[test]
    fn only_pages_have_an_origin() {
        let origin = |url| origin_of(url);
        assert_eq!(
            origin("https://App.example.org/cb?a=b").as_deref(),
            Some("https://app.example.org")
        );
        assert_eq!(
            origin("http://localhost:9000/").as_deref(),
            Some("http://localhost:9000")
        );
        assert_eq!(origin("org.example.app:/cb"), None);
        assert_eq!(origin("nonsense"), None);
    }
}
