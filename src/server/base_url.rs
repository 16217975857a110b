//! The base URL that a store was written with.
//!
//! References that begin with it are stored and indexed as local ones, so under another base what
//! was local is foreign. A store remembers its base; what to do when it changes:
//! `docs/operations.md`.

use crate::clock::Clock;
use crate::config::Config;
use crate::server::ServerError;
use crate::store::batch::{DocumentPut, Expected};
use crate::store::{Store, StoreError};

/// The collection of what the records say about themselves.
const META: &str = "meta";

/// The document that holds the base.
const BASE_URL: &str = "base-url";

/// What the document begins with when the base was configured, and when it was only where the
/// server listened.
const CONFIGURED: char = '=';
const LISTENED: char = '~';

/// Refuses a base other than the one the store was written with, when that one was configured. A
/// base that was only where a server listened may change; the log says so.
pub async fn settle(
    store: &dyn Store,
    config: &Config,
    clock: &dyn Clock,
) -> Result<(), ServerError> {
    let failed = |error: StoreError| ServerError::Store(error.to_string());
    let base = config.fhir_base();
    let mark = match config.base_url {
        Some(_) => CONFIGURED,
        None => LISTENED,
    };
    loop {
        let known = store.get_document(META, BASE_URL, clock.now_ms()).await;
        let known = known.map_err(failed)?;
        let expected = match &known {
            None => Expected::Absent,
            Some(document) => {
                let text = String::from_utf8_lossy(&document.body);
                if !may_follow(&text, mark, &base, config)? {
                    return Ok(());
                }
                Expected::Revision(document.revision)
            }
        };
        let put = DocumentPut {
            collection: META.to_owned(),
            id: BASE_URL.to_owned(),
            expected,
            body: Some(format!("{mark}{base}").into_bytes()),
            expires_ms: None,
        };
        match store.put_documents(vec![put]).await {
            Ok(()) => return Ok(()),
            // Another process was first: look at what it wrote.
            Err(StoreError::VersionConflict(_) | StoreError::ReservationConflict) => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Whether the base has to be written down, after one that is known.
fn may_follow(known: &str, mark: char, base: &str, config: &Config) -> Result<bool, ServerError> {
    let was_configured = known.starts_with(CONFIGURED);
    let former = known.trim_start_matches([CONFIGURED, LISTENED]);
    if former == base {
        // A base that was configured once stays so.
        return Ok(!was_configured && mark == CONFIGURED);
    }
    if was_configured && config.former_base_url.as_deref() != Some(former) {
        return Err(ServerError::Setting(format!(
            "the store was written under {former}, not under {base}: references to the former \
             would be foreign. Set base_url as it was; or, if the server has moved for good, set \
             former_base_url = \"{former}\" and see docs/operations.md, Moving to another address"
        )));
    }
    if was_configured {
        tracing::warn!(
            former,
            base,
            "the base URL has changed, as former_base_url allows"
        );
    } else {
        tracing::debug!(former, base, "the base URL has changed");
    }
    Ok(true)
}
