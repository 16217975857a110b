//! Rotation of the master key, and what wraps the keys now.
//!
//! A rotation walks all key documents in pages while the server runs. Done twice it changes nothing
//! the second time, so an interrupted one is simply started again.

use std::collections::BTreeMap;

use crate::access::keys::{
    INDEX_ROOT_CONTEXT, INDEX_ROOT_ID, KeyKeeper, KeysError, damaged_id, key_put,
};
use crate::seal::hex;
use crate::seal::master_key::{Generation, Wrapped};
use crate::seal::ring::{KeyDocument, key_context, rewrap};
use crate::store::batch::{Document, DocumentPut, Expected, KEYS};

/// Key documents read and written together.
const PAGE: usize = 256;
/// How often a page is read again because somebody changed it.
const ATTEMPTS_MAX: usize = 16;

/// How far a rotation is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RotationProgress {
    /// Key documents looked at.
    pub examined: u64,
    /// Keys wrapped anew.
    pub rewrapped: u64,
}

/// What wraps the stored keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyStatus {
    /// Data keys.
    pub keys: u64,
    /// Owners that were erased and have no key since.
    pub erased: u64,
    /// How many keys (the index root among them) each generation of the master key wraps.
    pub wrapped_by: BTreeMap<Generation, u64>,
}

impl KeyKeeper {
    /// Wraps all keys by the current generation of the master key, online. Takes up where an
    /// interrupted rotation stopped; `progress` hears of every page.
    pub async fn rotate_master(
        &self,
        progress: &(dyn Fn(RotationProgress) + Send + Sync),
    ) -> Result<RotationProgress, KeysError> {
        let mut done = RotationProgress::default();
        let mut after = None;
        loop {
            let (last, examined, rewrapped) = self.rewrap_page(after.as_deref()).await?;
            done.examined += examined;
            done.rewrapped += rewrapped;
            progress(done);
            match last {
                Some(last) => after = Some(last),
                None => return Ok(done),
            }
        }
    }

    /// Counts keys by what wraps them; reads all key documents.
    pub async fn status(&self) -> Result<KeyStatus, KeysError> {
        let mut status = KeyStatus::default();
        let mut after: Option<String> = None;
        loop {
            let find = self.store.find_documents(KEYS, after.as_deref(), PAGE);
            let page = find.await?;
            for document in &page {
                let is_data_key = document.id != INDEX_ROOT_ID;
                match KeyDocument::from_bytes(&document.body)? {
                    KeyDocument::Erased => status.erased += 1,
                    KeyDocument::Wrapped(wrapped) => {
                        status.keys += u64::from(is_data_key);
                        *status.wrapped_by.entry(wrapped.generation).or_default() += 1;
                    }
                }
            }
            match page.last() {
                Some(last) => after = Some(last.id.clone()),
                None => return Ok(status),
            }
        }
    }

    /// Rewraps one page; gives back the last id of it, `None` behind the end.
    async fn rewrap_page(
        &self,
        after: Option<&str>,
    ) -> Result<(Option<String>, u64, u64), KeysError> {
        for _ in 0..ATTEMPTS_MAX {
            let page = self.store.find_documents(KEYS, after, PAGE).await?;
            let puts = page
                .iter()
                .filter_map(|document| self.rewrapped(document).transpose())
                .collect::<Result<Vec<_>, _>>()?;
            let (examined, rewrapped) = (count(&page), count(&puts));
            if puts.is_empty() || self.put_unless_raced(puts).await? {
                let last = page.last().map(|document| document.id.clone());
                return Ok((last, examined, rewrapped));
            }
        }
        Err(KeysError::Contended)
    }

    /// The write that rewraps a document, when it needs one.
    fn rewrapped(&self, document: &Document) -> Result<Option<DocumentPut>, KeysError> {
        let KeyDocument::Wrapped(wrapped) = KeyDocument::from_bytes(&document.body)? else {
            return Ok(None);
        };
        let context = match document.id.as_str() {
            INDEX_ROOT_ID => INDEX_ROOT_CONTEXT.to_vec(),
            id => key_context(&hex::decode(id).ok_or_else(damaged_id)?),
        };
        let fresh: Option<Wrapped> = rewrap(&*self.master, &wrapped, &context)?;
        Ok(fresh.map(|wrapped| {
            let expected = Expected::Revision(document.revision);
            key_put(&document.id, expected, Some(&KeyDocument::Wrapped(wrapped)))
        }))
    }
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}
