//! Where shares are kept: one sealed document each, and lists by patient and by recipient.
//!
//! The document alone counts: a list that still names a share which is gone opens nothing. So a
//! share that was taken back is over at once, on every process that looks.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::{Deserialize, Serialize};

use crate::access::documents::{Before, DocumentError, Documents, Kept};
use crate::access::share::{Category, Recipient, Share};
use crate::seal::hex;

/// The collection of shares.
const SHARES: &str = "share";
/// Ids of the shares of a patient.
const OF_PATIENT: &str = "share-of";
/// Ids of the shares with a clinician or an organisation.
const WITH_RECIPIENT: &str = "share-with";
/// What a link leads to.
const LINKS: &str = "share-link";

/// Shares that one patient may have at once.
const OF_PATIENT_MAX: usize = 100;
/// Shares that one recipient may have at once.
const WITH_RECIPIENT_MAX: usize = 5_000;
/// How often a list is read again when somebody else changes it.
const TRIES_MAX: usize = 20;
/// Wrong passcodes after which a link is dead.
const ATTEMPTS_MAX: u32 = 10;

const ID_BYTES: usize = 16;
const SALT_BYTES: usize = 16;
/// Digits of a passcode.
const PASSCODE_DIGITS: usize = 8;

/// What passcodes are hashed for.
const PASSCODE_CONTEXT: &str = "vesta share passcode 2026";

/// What a patient asks for.
#[derive(Debug, Clone)]
pub struct ShareRequest {
    /// Whose record.
    pub patient_id: String,
    /// To whom.
    pub to: Recipient,
    /// Which parts; all where none is named.
    pub categories: Vec<Category>,
    /// When it ends, in ms since the epoch.
    pub ends_ms: i64,
    /// Who asks: the id of the person.
    pub created_by: String,
}

/// A share that was made; link and passcode are shown this once.
pub struct Made {
    /// The share.
    pub share: Share,
    /// The secret part of the link, and the passcode.
    pub link: Option<(String, String)>,
}

/// Why there is no share.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The patient, or the recipient, has as many as may be.
    #[error("there are as many shares as there may be: take back one that is not needed")]
    TooMany,
    /// It is not there, is over, or the passcode is wrong: which one is not told.
    #[error("there is no such share, or the passcode is another one")]
    Unknown,
    /// Documents cannot be read or written now.
    #[error(transparent)]
    Failed(#[from] DocumentError),
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Listed {
    ids: Vec<String>,
}

/// What stands behind a link.
#[derive(Debug, Serialize, Deserialize)]
struct Link {
    share_id: String,
    salt: [u8; SALT_BYTES],
    passcode_hash: [u8; 32],
    attempts: u32,
}

/// Makes a share.
pub async fn create(documents: &Documents, request: ShareRequest) -> Result<Made, ShareError> {
    let share = Share {
        id: hex::encode(&random::<ID_BYTES>(documents)?),
        patient_id: request.patient_id,
        to: request.to,
        categories: request.categories,
        created_ms: documents.now_ms(),
        ends_ms: request.ends_ms,
        created_by: request.created_by,
    };
    let ends_ms = Some(share.ends_ms);
    documents
        .put((SHARES, &share.id), &share, Before::Nothing, ends_ms)
        .await?;
    if let Err(error) = enter(documents, &share).await {
        documents.delete(SHARES, &share.id).await?;
        return Err(error);
    }
    let link = match share.to {
        Recipient::Link => Some(make_link(documents, &share).await?),
        Recipient::Practitioner(_) | Recipient::Organization(_) => None,
    };
    Ok(Made { share, link })
}

/// Enters a share into the lists of its patient and its recipient.
async fn enter(documents: &Documents, share: &Share) -> Result<(), ShareError> {
    let place = (OF_PATIENT, share.patient_id.as_str());
    add(documents, place, &share.id, OF_PATIENT_MAX).await?;
    if let Some(name) = share.recipient() {
        let place = (WITH_RECIPIENT, name.as_str());
        add(documents, place, &share.id, WITH_RECIPIENT_MAX).await?;
    }
    Ok(())
}

async fn make_link(documents: &Documents, share: &Share) -> Result<(String, String), ShareError> {
    let secret = hex::encode(&random::<32>(documents)?);
    let passcode = passcode(documents)?;
    let salt = random(documents)?;
    let link = Link {
        share_id: share.id.clone(),
        salt,
        passcode_hash: passcode_hash(&salt, &passcode),
        attempts: 0,
    };
    documents
        .put(
            (LINKS, &secret),
            &link,
            Before::Nothing,
            Some(share.ends_ms),
        )
        .await?;
    Ok((secret, passcode))
}

/// The shares of a patient that are not over, newest first.
pub async fn list(documents: &Documents, patient_id: &str) -> Result<Vec<Share>, DocumentError> {
    let listed = documents.get::<Listed>(OF_PATIENT, patient_id).await?;
    let mut shares = read_all(documents, listed).await?;
    shares.retain(|share| share.patient_id == patient_id);
    shares.reverse();
    Ok(shares)
}

/// The shares with somebody, by the name that references have for them.
pub(in crate::access) async fn with(
    documents: &Documents,
    name: &str,
) -> Result<Vec<Share>, DocumentError> {
    let listed = documents.get::<Listed>(WITH_RECIPIENT, name).await?;
    let mut shares = read_all(documents, listed).await?;
    shares.retain(|share| share.recipient().as_deref() == Some(name));
    Ok(shares)
}

/// Takes back a share of a patient; gives back what it was.
pub async fn revoke(
    documents: &Documents,
    patient_id: &str,
    id: &str,
) -> Result<Share, ShareError> {
    let found: Option<Kept<Share>> = documents.get(SHARES, id).await?;
    let share = found.map(|kept| kept.content);
    let share = share.filter(|share| share.patient_id == patient_id);
    let share = share.ok_or(ShareError::Unknown)?;
    documents.delete(SHARES, id).await?;
    Ok(share)
}

/// The share that a link leads to. Wrong passcodes are counted before they are compared, so that
/// no crowd of requests guesses more of them.
pub async fn find_by_link(
    documents: &Documents,
    secret: &str,
    passcode: &str,
) -> Result<Share, ShareError> {
    let found: Option<Kept<Link>> = documents.get(LINKS, secret).await?;
    let Some(Kept {
        content: mut link,
        revision,
    }) = found
    else {
        return Err(ShareError::Unknown);
    };
    let share: Option<Kept<Share>> = documents.get(SHARES, &link.share_id).await?;
    let now_ms = documents.now_ms();
    let share = share.map(|kept| kept.content);
    let share = share.filter(|share| share.is_active(now_ms) && share.to == Recipient::Link);
    let (Some(share), true) = (share, link.attempts < ATTEMPTS_MAX) else {
        return Err(ShareError::Unknown);
    };
    link.attempts += 1;
    let place = (LINKS, secret);
    let ends_ms = Some(share.ends_ms);
    let counted = documents.put(place, &link, Before::Revision(revision), ends_ms);
    match counted.await {
        Err(DocumentError::Changed) => return Err(ShareError::Unknown),
        counted => counted?,
    }
    let hash = passcode_hash(&link.salt, passcode);
    if verify_slices_are_equal(&hash, &link.passcode_hash).is_err() {
        return Err(ShareError::Unknown);
    }
    link.attempts = 0;
    documents
        .put(place, &link, Before::Anything, ends_ms)
        .await?;
    Ok(share)
}

/// Adds an id to a list, and drops those whose shares are gone when it is full.
async fn add(
    documents: &Documents,
    (collection, name): (&str, &str),
    id: &str,
    max: usize,
) -> Result<(), ShareError> {
    for _try in 0..TRIES_MAX {
        let known = documents.get::<Listed>(collection, name).await?;
        let (mut listed, before) = match known {
            Some(kept) => (kept.content, Before::Revision(kept.revision)),
            None => (Listed::default(), Before::Nothing),
        };
        if listed.ids.len() >= max {
            let alive = read_all(
                documents,
                Some(Kept {
                    content: listed,
                    revision: 0,
                }),
            )
            .await?;
            listed = Listed {
                ids: alive.into_iter().map(|share| share.id).collect(),
            };
        }
        if listed.ids.len() >= max {
            return Err(ShareError::TooMany);
        }
        listed.ids.push(id.to_owned());
        match documents
            .put((collection, name), &listed, before, None)
            .await
        {
            Err(DocumentError::Changed) => {}
            done => return Ok(done?),
        }
    }
    Err(DocumentError::Changed.into())
}

/// The shares of a list that are there and not over, in its order.
async fn read_all(
    documents: &Documents,
    listed: Option<Kept<Listed>>,
) -> Result<Vec<Share>, DocumentError> {
    let now_ms = documents.now_ms();
    let mut shares = Vec::new();
    for id in listed.map(|kept| kept.content.ids).unwrap_or_default() {
        let found: Option<Kept<Share>> = documents.get(SHARES, &id).await?;
        let found = found.map(|kept| kept.content);
        shares.extend(found.filter(|share| share.is_active(now_ms)));
    }
    Ok(shares)
}

fn random<const N: usize>(documents: &Documents) -> Result<[u8; N], DocumentError> {
    let mut bytes = [0; N];
    let filled = documents.random().fill(&mut bytes);
    filled.map_err(|_none| DocumentError::Damaged("there is no randomness"))?;
    Ok(bytes)
}

/// Digits, each of which is as likely as the others.
fn passcode(documents: &Documents) -> Result<String, DocumentError> {
    let mut digits = String::new();
    while digits.len() < PASSCODE_DIGITS {
        let [byte] = random::<1>(documents)?;
        if byte < 250 {
            digits.push(char::from(b'0' + byte % 10));
        }
    }
    Ok(digits)
}

fn passcode_hash(salt: &[u8; SALT_BYTES], passcode: &str) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(PASSCODE_CONTEXT);
    hasher.update(salt);
    hasher.update(passcode.as_bytes());
    *hasher.finalize().as_bytes()
}
