//! Sealed bodies: compressed with a dictionary, encrypted, bound to their address and version.
//!
//! Layout: number 1, nonce 12, ciphertext of a zstd frame, tag 16 bytes. Associated data: layout
//! number | address | 0 | version, big-endian. The frame names its dictionary.
//! Why in this order and with these primitives: `docs/adr/0011-sealed-bodies.md`.

use std::sync::{Arc, Mutex, PoisonError};

use smallvec::SmallVec;
use zstd::zstd_safe::{
    CCtx, DCtx, compress_bound, get_dict_id_from_frame, get_error_name, get_frame_content_size,
};

use crate::seal::SealError;
use crate::seal::data_key::{DataKey, NONCE_BYTES};
use crate::seal::dictionary::{COMPRESSION_LEVEL, Dictionary};
use crate::seal::random::Random;

const LAYOUT: u8 = 1;
/// Idle workspaces kept, about 1 MB each: as many as cores that seal at the same time.
const WORKSPACES_MAX: usize = 32;
/// A larger scratch buffer is given back to the allocator after use.
const SCRATCH_BYTES_MAX: usize = 1 << 20;

/// What a body is bound to: it opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding<'a> {
    /// Type and id, e.g. `Patient/1`; or collection and id of a small document.
    pub address: &'a str,
    /// The version.
    pub version_id: i64,
}

impl Binding<'_> {
    fn associated(&self) -> SmallVec<[u8; 96]> {
        let mut bytes = SmallVec::new();
        bytes.push(LAYOUT);
        bytes.extend_from_slice(self.address.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&self.version_id.to_be_bytes());
        bytes
    }
}

/// Seals and opens bodies. One for the whole process.
pub struct BodySealer {
    dictionaries: Vec<Dictionary>,
    random: Arc<dyn Random>,
    body_bytes_max: usize,
    idle: Mutex<Vec<Workspace>>,
}

/// What zstd needs while it works; costly to make, so it is used again.
struct Workspace {
    encoder: CCtx<'static>,
    decoder: DCtx<'static>,
    scratch: Vec<u8>,
}

impl BodySealer {
    /// The last dictionary seals, all of them open; without one, bodies are compressed alone.
    pub fn new(
        dictionaries: Vec<Dictionary>,
        random: Arc<dyn Random>,
        body_bytes_max: usize,
    ) -> Self {
        Self {
            dictionaries,
            random,
            body_bytes_max,
            idle: Mutex::default(),
        }
    }

    /// Compresses and encrypts a body.
    pub fn seal(
        &self,
        key: &DataKey,
        binding: &Binding<'_>,
        json: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        if json.len() > self.body_bytes_max {
            return Err(self.too_large());
        }
        let mut nonce = [0; NONCE_BYTES];
        self.random.fill(&mut nonce)?;
        self.with_workspace(|workspace| {
            self.compress(workspace, json)?;
            let text = &mut workspace.scratch;
            let tag = key.encrypt(&nonce, &binding.associated(), text)?;
            let mut sealed = Vec::with_capacity(1 + nonce.len() + text.len() + tag.len());
            sealed.push(LAYOUT);
            sealed.extend_from_slice(&nonce);
            sealed.extend_from_slice(text);
            sealed.extend_from_slice(&tag);
            Ok(sealed)
        })
    }

    /// Decrypts and decompresses a body.
    pub fn open(
        &self,
        key: &DataKey,
        binding: &Binding<'_>,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        const SHORT: SealError = SealError::Layout("cut short");
        let (&layout, rest) = sealed.split_first().ok_or(SHORT)?;
        if layout != LAYOUT {
            return Err(SealError::Layout(
                "sealed by another version of the program",
            ));
        }
        let (nonce, rest) = rest.split_first_chunk().ok_or(SHORT)?;
        let (text, tag) = rest.split_last_chunk().ok_or(SHORT)?;
        self.with_workspace(|workspace| {
            workspace.scratch.extend_from_slice(text);
            let scratch = &mut workspace.scratch;
            key.decrypt(nonce, &binding.associated(), scratch, tag)?;
            self.decompress(workspace)
        })
    }

    fn too_large(&self) -> SealError {
        SealError::TooLarge {
            bytes_max: self.body_bytes_max,
        }
    }

    fn with_workspace<T>(
        &self,
        work: impl FnOnce(&mut Workspace) -> Result<T, SealError>,
    ) -> Result<T, SealError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut workspace = match taken {
            Some(workspace) => workspace,
            None => Workspace::new()?,
        };
        let done = work(&mut workspace);
        workspace.scratch.clear();
        workspace.scratch.shrink_to(SCRATCH_BYTES_MAX);
        let mut idle = idle();
        if idle.len() < WORKSPACES_MAX {
            idle.push(workspace);
        }
        done
    }

    fn compress(&self, workspace: &mut Workspace, json: &[u8]) -> Result<(), SealError> {
        let Workspace {
            encoder, scratch, ..
        } = workspace;
        scratch.reserve(compress_bound(json.len()));
        let done = match self.dictionaries.last() {
            Some(dictionary) => encoder.compress_using_cdict(scratch, json, &dictionary.encoder),
            None => encoder.compress(scratch, json, COMPRESSION_LEVEL),
        };
        done.map(drop).map_err(failure)
    }

    fn decompress(&self, workspace: &mut Workspace) -> Result<Vec<u8>, SealError> {
        let Workspace {
            decoder, scratch, ..
        } = workspace;
        // The size is authenticated; the limit guards against one that we ourselves got wrong.
        let Ok(Some(bytes)) = get_frame_content_size(scratch) else {
            return Err(SealError::Layout("no size in the compressed frame"));
        };
        let capacity = usize::try_from(bytes).unwrap_or(usize::MAX);
        if capacity > self.body_bytes_max {
            return Err(self.too_large());
        }
        let mut json = Vec::with_capacity(capacity);
        let done = match get_dict_id_from_frame(scratch) {
            None => decoder.decompress(&mut json, scratch),
            Some(id) => {
                let mut known = self.dictionaries.iter();
                let dictionary = known
                    .find(|dictionary| dictionary.id() == id)
                    .ok_or(SealError::UnknownDictionary(id.get()))?;
                decoder.decompress_using_ddict(&mut json, scratch, &dictionary.decoder)
            }
        };
        done.map(|_bytes| json).map_err(failure)
    }
}

impl Workspace {
    fn new() -> Result<Self, SealError> {
        let made = CCtx::try_create().zip(DCtx::try_create());
        let (encoder, decoder) =
            made.ok_or_else(|| SealError::Compression("out of memory".to_owned()))?;
        Ok(Self {
            encoder,
            decoder,
            scratch: Vec::new(),
        })
    }
}

fn failure(code: usize) -> SealError {
    SealError::Compression(get_error_name(code).to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::{Binding, BodySealer};
    use crate::seal::SealError;
    use crate::seal::data_key::{DataKey, Secret, key_id};
    use crate::seal::dictionary::{DICTIONARY_BYTES_MAX, Dictionary, sample, train};
    use crate::seal::random::SystemRandom;

    const BODY_BYTES_MAX: usize = 1 << 20;
    const BINDING: Binding<'_> = Binding {
        address: "Patient/1",
        version_id: 3,
    };

    fn sealer(dictionaries: Vec<Dictionary>) -> BodySealer {
        BodySealer::new(dictionaries, Arc::new(SystemRandom), BODY_BYTES_MAX)
    }

    fn built_in() -> BodySealer {
        sealer(Dictionary::built_in().unwrap())
    }

    fn key(byte: u8) -> DataKey {
        DataKey::new(key_id(&[byte; 14], 1), &Secret::new([byte; 32]))
    }

    fn refused(opened: &Result<Vec<u8>, SealError>) -> bool {
        matches!(opened, Err(SealError::NotAuthentic))
    }

    #[test]
    fn generated_resources_shrink_to_a_fifth() {
        let seals = built_in();
        let samples = sample::generate(500, 99);
        let lengths = samples.iter().map(|json| {
            let body = seals.seal(&key(1), &BINDING, json).unwrap();
            assert_eq!(seals.open(&key(1), &BINDING, &body).unwrap(), *json);
            body.len()
        });
        let stored: usize = lengths.sum();
        let json: usize = samples.iter().map(Vec::len).sum();
        assert!(stored * 5 < json, "{stored} of {json} bytes");
    }

    #[test]
    fn a_body_opens_only_where_it_was_sealed() {
        let seals = built_in();
        let body = seals.seal(&key(1), &BINDING, b"{}").unwrap();
        let elsewhere = |address, version_id| {
            let binding = Binding {
                address,
                version_id,
            };
            seals.open(&key(1), &binding, &body)
        };
        assert!(refused(&elsewhere("Patient/2", 3)));
        assert!(refused(&elsewhere("Patient/1", 4)));
        assert!(refused(&seals.open(&key(2), &BINDING, &body)));
        assert_eq!(elsewhere("Patient/1", 3).unwrap(), b"{}");
    }

    #[test]
    fn two_seals_of_one_body_differ() {
        let seals = built_in();
        let body = || seals.seal(&key(1), &BINDING, b"{}").unwrap();
        assert_ne!(body(), body());
    }

    #[test]
    fn older_dictionaries_and_none_still_open() {
        let json = br#"{"resourceType":"Patient","active":true}"#;
        let trained = |number: u32, seed| {
            let samples = sample::generate(800, seed);
            let bytes = train(&samples, number.try_into().unwrap(), 16 * 1024).unwrap();
            assert!(bytes.len() <= DICTIONARY_BYTES_MAX);
            Dictionary::new(&bytes).unwrap()
        };
        let (old, new) = (sealer(vec![trained(7, 1)]), sealer(vec![trained(8, 2)]));
        let (none, both) = (
            sealer(Vec::new()),
            sealer(vec![trained(7, 1), trained(8, 2)]),
        );
        for other in [&old, &new, &none] {
            let body = other.seal(&key(1), &BINDING, json).unwrap();
            assert_eq!(both.open(&key(1), &BINDING, &body).unwrap(), json);
        }
        let body = both.seal(&key(1), &BINDING, json).unwrap();
        assert!(matches!(
            old.open(&key(1), &BINDING, &body),
            Err(SealError::UnknownDictionary(8))
        ));
    }

    #[test]
    fn bodies_have_a_limit_both_ways() {
        let wide = built_in();
        let narrow = BodySealer::new(
            Dictionary::built_in().unwrap(),
            Arc::new(SystemRandom),
            1_000,
        );
        let json = vec![b' '; 1_001];
        let body = wide.seal(&key(1), &BINDING, &json).unwrap();
        for refused in [
            narrow.seal(&key(1), &BINDING, &json),
            narrow.open(&key(1), &BINDING, &body),
        ] {
            assert!(matches!(
                refused,
                Err(SealError::TooLarge { bytes_max: 1_000 })
            ));
        }
        assert!(narrow.seal(&key(1), &BINDING, &json[1..]).is_ok());
    }

    #[test]
    fn many_threads_share_one_sealer() {
        let seals = built_in();
        std::thread::scope(|scope| {
            for thread in 0..8_u8 {
                let seals = &seals;
                scope.spawn(move || seal_and_open(seals, thread));
            }
        });
    }

    fn seal_and_open(seals: &BodySealer, thread: u8) {
        for json in sample::generate(50, u64::from(thread)) {
            let body = seals.seal(&key(thread), &BINDING, &json).unwrap();
            assert_eq!(seals.open(&key(thread), &BINDING, &body).unwrap(), json);
        }
    }

    proptest! {
        #[test]
        fn anything_comes_back(
            json: Vec<u8>,
            version_id: i64,
            address in "[A-Z][a-z]{1,20}/.{1,64}",
        ) {
            let binding = Binding { address: &address, version_id };
            let seals = built_in();
            let body = seals.seal(&key(1), &binding, &json).unwrap();
            prop_assert_eq!(seals.open(&key(1), &binding, &body).unwrap(), json);
        }

        #[test]
        fn any_flipped_bit_and_any_cut_is_noticed(
            json in prop::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
        ) {
            let seals = built_in();
            let body = seals.seal(&key(1), &BINDING, &json).unwrap();
            let at = at.index(body.len());
            let mut flipped = body.clone();
            flipped[at] ^= 1 << bit;
            prop_assert!(seals.open(&key(1), &BINDING, &flipped).is_err());
            prop_assert!(seals.open(&key(1), &BINDING, &body[..at]).is_err());
            prop_assert!(seals.open(&key(1), &BINDING, &[&body[..], &[0]].concat()).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            prop_assert!(built_in().open(&key(1), &BINDING, &bytes).is_err());
        }
    }
}
