//! Data keys: one or more for every owner, each sealing bodies of that owner only.
//!
//! An owner is a patient, or the server itself for what belongs to no patient. Deleting an owner's
//! data keys makes all that they sealed unreadable, wherever a copy of it is.

use std::fmt;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use zeroize::Zeroizing;

use crate::seal::SealError;
use crate::seal::blind::{BlindKey, Domain};
use crate::seal::random::{Random, RandomError};

/// Bytes of a key.
pub const SECRET_BYTES: usize = 32;
/// Bytes of a nonce of AES-GCM.
pub const NONCE_BYTES: usize = 12;
/// Bytes of a tag of AES-GCM.
pub const TAG_BYTES: usize = 16;

/// The bytes of a key, wiped when dropped.
pub type Secret = Zeroizing<[u8; SECRET_BYTES]>;
/// Blind hash of an owner.
pub type OwnerHash = [u8; 14];
/// Names a data key: the owner's hash and a generation, big-endian.
pub type KeyId = [u8; 16];

/// The owner hash of a patient by id; `None` is the server itself.
pub fn owner_hash(blind: &BlindKey, patient_id: Option<&str>) -> OwnerHash {
    // No id is empty, so no patient shares the server's key.
    blind.hash14(Domain::Owner, patient_id.unwrap_or_default().as_bytes())
}

/// The id of an owner's key.
pub fn key_id(owner: &OwnerHash, generation: u16) -> KeyId {
    let mut id = [0; 16];
    let bytes = owner.iter().copied().chain(generation.to_be_bytes());
    for (to, from) in id.iter_mut().zip(bytes) {
        *to = from;
    }
    id
}

/// Whose key it is.
pub fn owner_of(id: &KeyId) -> OwnerHash {
    let mut owner = [0; 14];
    for (to, from) in owner.iter_mut().zip(id) {
        *to = *from;
    }
    owner
}

/// Which of the owner's keys it is; the first is 1.
pub fn generation_of(id: &KeyId) -> u16 {
    let [.., high, low] = *id;
    u16::from_be_bytes([high, low])
}

/// Random bytes for a new key.
pub fn new_secret(random: &dyn Random) -> Result<Secret, RandomError> {
    let mut secret = Secret::default();
    random.fill(secret.as_mut_slice())?;
    Ok(secret)
}

/// A data key, ready for use. The key schedule is wiped when dropped.
pub struct DataKey {
    id: KeyId,
    cipher: Aes256Gcm,
}

impl DataKey {
    /// The key with these bytes.
    pub fn new(id: KeyId, secret: &Secret) -> Self {
        Self {
            id,
            cipher: Aes256Gcm::new((&**secret).into()),
        }
    }

    /// Its name.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Encrypts in place and gives back the tag. A nonce must never occur twice with one key:
    /// random ones are safe for 2^32 bodies.
    pub fn encrypt(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_BYTES], SealError> {
        encrypt(&self.cipher, nonce, associated, text)
    }

    /// Decrypts in place; on failure `text` is to be thrown away.
    pub fn decrypt(
        &self,
        nonce: &[u8; NONCE_BYTES],
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_BYTES],
    ) -> Result<(), SealError> {
        decrypt(&self.cipher, nonce, associated, text, tag)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({}, ..)", generation_of(&self.id))
    }
}

/// Encrypts in place with a cipher that is at hand.
pub(in crate::seal) fn encrypt(
    cipher: &Aes256Gcm,
    nonce: &[u8; NONCE_BYTES],
    associated: &[u8],
    text: &mut [u8],
) -> Result<[u8; TAG_BYTES], SealError> {
    let nonce: &Nonce<_> = nonce.into();
    cipher
        .encrypt_inout_detached(nonce, associated, InOutBuf::from(text))
        .map(Into::into)
        // The only failure of encryption is a text of more than 64 GiB.
        .map_err(|_too_long| SealError::Layout("too long for one nonce"))
}

/// Decrypts in place with a cipher that is at hand.
pub(in crate::seal) fn decrypt(
    cipher: &Aes256Gcm,
    nonce: &[u8; NONCE_BYTES],
    associated: &[u8],
    text: &mut [u8],
    tag: &[u8; TAG_BYTES],
) -> Result<(), SealError> {
    let nonce: &Nonce<_> = nonce.into();
    let tag: &Tag<_> = tag.into();
    cipher
        .decrypt_inout_detached(nonce, associated, InOutBuf::from(text), tag)
        .map_err(|_opaque| SealError::NotAuthentic)
}

#[cfg(test)]
mod tests {
    use super::{generation_of, key_id, owner_hash, owner_of};
    use crate::seal::blind::BlindKey;

    #[test]
    fn a_key_id_holds_owner_and_generation() {
        let id = key_id(&[9; 14], 0x1234);
        assert_eq!((owner_of(&id), generation_of(&id)), ([9; 14], 0x1234));
        assert!(key_id(&[9; 14], 255) < key_id(&[9; 14], 256));
    }

    #[test]
    fn no_patient_shares_the_servers_key() {
        let blind = BlindKey::from_root(&[1; 32]);
        let server = owner_hash(&blind, None);
        for id in ["system", "server", "1", "-"] {
            assert_ne!(owner_hash(&blind, Some(id)), server);
        }
    }
}
