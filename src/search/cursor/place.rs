//! Places in lists other than searches, sealed as cursors are: bound to the list they belong to.

use aes_gcm::Nonce;
use aes_gcm::aead::{Aead, Payload};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{CONTEXT, CursorError, CursorKey, NONCE_BYTES, TEXT_CHARACTERS_MAX};
use crate::seal::random::{Random, RandomError};

/// What tells a place in a list from a cursor of a search.
const LIST: &[u8] = b" in list ";

impl CursorKey {
    /// The text of a place in a list.
    pub fn seal_place(
        &self,
        list: &str,
        place: &[u8],
        random: &dyn Random,
    ) -> Result<String, RandomError> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce)?;
        let aad = associated(list);
        let payload = Payload {
            msg: place,
            aad: &aad,
        };
        let mut sealed = nonce.to_vec();
        // Encryption fails for messages of gigabytes only; without it the link opens nothing.
        let encrypted = self.cipher().encrypt(&Nonce::from(nonce), payload);
        sealed.extend(encrypted.unwrap_or_default());
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The place of a text, when it was made by this server for this list.
    pub fn open_place(&self, list: &str, text: &str) -> Result<Vec<u8>, CursorError> {
        if text.len() > TEXT_CHARACTERS_MAX {
            return Err(CursorError::Foreign);
        }
        let sealed = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let Some((nonce, encrypted)) = sealed.split_first_chunk::<NONCE_BYTES>() else {
            return Err(CursorError::Foreign);
        };
        let aad = associated(list);
        let payload = Payload {
            msg: encrypted,
            aad: &aad,
        };
        let opened = self.cipher().decrypt(&Nonce::from(*nonce), payload);
        opened.map_err(|_altered| CursorError::Foreign)
    }
}

fn associated(list: &str) -> Vec<u8> {
    [CONTEXT, LIST, list.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use crate::seal::blind::BlindKey;
    use crate::seal::random::SystemRandom;
    use crate::search::cursor::{CursorError, CursorKey};

    #[test]
    fn a_place_belongs_to_its_list_and_cannot_be_altered() {
        let key = CursorKey::of_index(&BlindKey::from_root(&[1; 32]));
        let text = key
            .seal_place("Patient/_history", b"here", &SystemRandom)
            .unwrap();
        let open = |list: &str, text: &str| key.open_place(list, text);
        assert_eq!(open("Patient/_history", &text).unwrap(), b"here");
        assert_eq!(open("Group/_history", &text), Err(CursorError::Foreign));
        let altered: String = text.chars().rev().collect();
        assert_eq!(
            open("Patient/_history", &altered),
            Err(CursorError::Foreign)
        );
        assert_eq!(open("Patient/_history", ""), Err(CursorError::Foreign));
    }
}
