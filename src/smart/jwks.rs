//! The issuer's signing keys: made when there is none, replaced by new ones, published.
//!
//! RSA of 2048 bits for RS256, which every client can verify. A key is published for a while before
//! it signs and after it last did. All processes share the keys, sealed in the store.
//! Spec: RFC 7517, RFC 9068 section 2.1.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::access::documents::{Before, DocumentError, Documents, Kept};
use crate::smart::error::OauthError;

/// The collection of signing keys.
const KEYS: &str = "signing-key";

/// How old the newest key may become before another one is made, in ms: 60 days.
const MAKE_AFTER_MS: i64 = 60 * 86_400_000;

/// How long a key is published, in ms: 90 days.
const KEEP_MS: i64 = 90 * 86_400_000;

/// How long a key is published before it signs, in ms, so that whoever caches the set knows it.
const LEAD_MS: i64 = 3_600_000;

/// How long what was read from the store is used, in ms.
const FRESH_MS: i64 = 300_000;

/// How soon an unknown key makes the store be read again, in ms.
const RELOAD_MS: i64 = 5_000;

/// Bytes of the id of a key.
const ID_BYTES: usize = 12;

#[derive(Serialize, Deserialize)]
struct KeyDocument {
    kid: String,
    created_ms: i64,
    /// PKCS #8 in PEM.
    private: Zeroizing<String>,
}

/// A key that signs and verifies.
pub(super) struct SigningKey {
    kid: String,
    created_ms: i64,
    encoding: EncodingKey,
    decoding: DecodingKey,
    public: Value,
}

struct Loaded {
    keys: Vec<Arc<SigningKey>>,
    at_ms: i64,
}

/// Finds, makes and keeps signing keys.
pub(super) struct KeyKeeper {
    documents: Arc<Documents>,
    loaded: RwLock<Arc<Loaded>>,
    /// One load at a time.
    loading: tokio::sync::Mutex<()>,
}

impl SigningKey {
    /// Signs claims.
    pub(super) fn sign<T: Serialize>(&self, typ: &str, claims: &T) -> Result<String, OauthError> {
        let mut header = Header::new(Algorithm::RS256);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding)
            .map_err(|error| OauthError::internal(&error))
    }

    /// What verifies its signatures.
    pub(super) fn verifier(&self) -> &DecodingKey {
        &self.decoding
    }

    fn open(document: &KeyDocument) -> Result<Self, jsonwebtoken::errors::Error> {
        let encoding = EncodingKey::from_rsa_pem(document.private.as_bytes())?;
        let mut public = Jwk::from_encoding_key(&encoding, Algorithm::RS256)?;
        public.common.key_id = Some(document.kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        public.common.key_algorithm = Some(KeyAlgorithm::RS256);
        Ok(Self {
            kid: document.kid.clone(),
            created_ms: document.created_ms,
            decoding: DecodingKey::from_jwk(&public)?,
            public: serde_json::to_value(&public)?,
            encoding,
        })
    }
}

impl KeyKeeper {
    pub(super) fn new(documents: Arc<Documents>) -> Self {
        let loaded = Loaded {
            keys: Vec::new(),
            at_ms: i64::MIN,
        };
        Self {
            documents,
            loaded: RwLock::new(Arc::new(loaded)),
            loading: tokio::sync::Mutex::default(),
        }
    }

    /// The key that signs now; made, durably, where there is none.
    pub(super) async fn current(&self) -> Result<Arc<SigningKey>, OauthError> {
        let now_ms = self.documents.now_ms();
        let loaded = self
            .at_least_as_new_as(now_ms.saturating_sub(FRESH_MS))
            .await?;
        let mut keys = loaded.keys.iter();
        // The newest one that was published long enough; at first the only one.
        let settled = keys.rfind(|key| key.created_ms <= now_ms.saturating_sub(LEAD_MS));
        let key = settled.or_else(|| loaded.keys.first()).cloned();
        key.ok_or_else(|| OauthError::internal(&"there is no signing key"))
    }

    /// The key with an id; `None` when there is none.
    pub(super) async fn find(&self, kid: &str) -> Result<Option<Arc<SigningKey>>, OauthError> {
        let named = |loaded: &Loaded| loaded.keys.iter().find(|key| key.kid == kid).cloned();
        let now_ms = self.documents.now_ms();
        let known = self
            .at_least_as_new_as(now_ms.saturating_sub(FRESH_MS))
            .await?;
        if let Some(key) = named(&known) {
            return Ok(Some(key));
        }
        // Another process may have made one since.
        let newer = self
            .at_least_as_new_as(now_ms.saturating_sub(RELOAD_MS))
            .await?;
        Ok(named(&newer))
    }

    /// The JWK set that is published.
    pub(super) async fn published(&self) -> Result<Value, OauthError> {
        let now_ms = self.documents.now_ms();
        let loaded = self
            .at_least_as_new_as(now_ms.saturating_sub(FRESH_MS))
            .await?;
        let keys: Vec<_> = loaded.keys.iter().map(|key| key.public.clone()).collect();
        Ok(json!({ "keys": keys }))
    }

    async fn at_least_as_new_as(&self, wanted_ms: i64) -> Result<Arc<Loaded>, OauthError> {
        let known = || Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner));
        let before = known();
        if before.at_ms > wanted_ms {
            return Ok(before);
        }
        let _turn = self.loading.lock().await;
        let before = known();
        if before.at_ms > wanted_ms {
            return Ok(before);
        }
        let loaded = Arc::new(self.load().await?);
        let mut place = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        *place = Arc::clone(&loaded);
        Ok(loaded)
    }

    async fn load(&self) -> Result<Loaded, OauthError> {
        let now_ms = self.documents.now_ms();
        let mut kept: Vec<Kept<KeyDocument>> = self.documents.list(KEYS).await?;
        let newest = kept.iter().map(|one| one.content.created_ms).max();
        if newest.is_none_or(|newest| newest <= now_ms.saturating_sub(MAKE_AFTER_MS)) {
            self.make(now_ms).await?;
            kept = self.documents.list(KEYS).await?;
        }
        kept.sort_by_key(|one| one.content.created_ms);
        let opened = kept
            .iter()
            .map(|one| SigningKey::open(&one.content).map(Arc::new));
        let keys = opened.collect::<Result<Vec<_>, _>>();
        Ok(Loaded {
            keys: keys.map_err(|error| OauthError::internal(&error))?,
            at_ms: now_ms,
        })
    }

    async fn make(&self, now_ms: i64) -> Result<(), OauthError> {
        let made = tokio::task::spawn_blocking(make_private).await;
        let private = made.map_err(|error| OauthError::internal(&error))?;
        let private = private.map_err(|reason| OauthError::internal(&reason))?;
        let mut id = [0; ID_BYTES];
        let filled = self.documents.random().fill(&mut id);
        filled.map_err(|error| OauthError::internal(&error))?;
        let document = KeyDocument {
            kid: URL_SAFE_NO_PAD.encode(id),
            created_ms: now_ms,
            private,
        };
        let expires_ms = Some(now_ms.saturating_add(KEEP_MS));
        let place = (KEYS, document.kid.as_str());
        let put = self
            .documents
            .put(place, &document, Before::Nothing, expires_ms);
        match put.await {
            // Somebody else made one with the same id: any will do.
            Ok(()) | Err(DocumentError::Changed) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A new private key as PKCS #8 in PEM.
fn make_private() -> Result<Zeroizing<String>, &'static str> {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_error| "no RSA key can be made")?;
    let der = pair
        .as_der()
        .map_err(|_error| "an RSA key cannot be written")?;
    let text = Zeroizing::new(STANDARD.encode(der.as_ref()));
    let mut pem = Zeroizing::new(String::with_capacity(text.len() + 64));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.extend(line.iter().map(|byte| char::from(*byte)));
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Ok(pem)
}
