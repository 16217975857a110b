//! Compression dictionaries: what FHIR JSON has in common, so that no body has to say it again.
//!
//! A dictionary is part of the format of what it sealed: built-in ones stay in the program for
//! ever, new ones come beside them. They are trained on generated resources only, because whoever
//! has the program can read them. Why and how much: `docs/adr/0012-compression-dictionary.md`.

pub mod sample;

use std::fmt;
use std::num::NonZeroU32;

use zstd::zstd_safe::{CDict, DDict, get_dict_id_from_dict};

use crate::seal::SealError;

/// Bytes of a dictionary at most; larger ones win less than they cost in cache.
pub const DICTIONARY_BYTES_MAX: usize = 64 * 1024;
/// Higher levels cost more and win nothing on bodies this small.
pub(in crate::seal) const COMPRESSION_LEVEL: i32 = 1;

/// More samples train longer and compress no better.
const SAMPLES: usize = 6_000;
const SAMPLES_SEED: u64 = 1;

/// The built-in dictionaries by number; the last one seals, all of them open.
pub const BUILT_IN: [&[u8]; 1] = [include_bytes!("../../profiles/dictionary-1.zdict")];

/// A dictionary, ready for use.
pub struct Dictionary {
    id: NonZeroU32,
    pub(in crate::seal) encoder: CDict<'static>,
    pub(in crate::seal) decoder: DDict<'static>,
}

impl Dictionary {
    /// Makes a dictionary ready (0.3 ms).
    pub fn new(bytes: &[u8]) -> Result<Self, SealError> {
        let prepared = get_dict_id_from_dict(bytes).and_then(|id| {
            Some(Self {
                id,
                encoder: CDict::try_create(bytes, COMPRESSION_LEVEL)?,
                decoder: DDict::try_create(bytes)?,
            })
        });
        prepared.ok_or_else(|| SealError::Compression("not a zstd dictionary".to_owned()))
    }

    /// The built-in dictionaries, the one that seals last.
    pub fn built_in() -> Result<Vec<Self>, SealError> {
        BUILT_IN.iter().map(|bytes| Self::new(bytes)).collect()
    }

    /// The number that stands in the frames made with it.
    pub fn id(&self) -> NonZeroU32 {
        self.id
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dictionary({})", self.id)
    }
}

/// Makes `profiles/dictionary-1.zdict` again: the same bytes with the same version of zstd.
///
/// A dictionary that has sealed anything is never replaced; a better one gets the next number and
/// a place in [`BUILT_IN`] behind the others.
pub fn train_built_in() -> Result<Vec<u8>, SealError> {
    let samples = sample::generate(SAMPLES, SAMPLES_SEED);
    train(&samples, NonZeroU32::MIN, DICTIONARY_BYTES_MAX)
}

/// Trains a dictionary on JSON bodies as they are stored, and gives it a number.
pub fn train(
    samples: &[Vec<u8>],
    number: NonZeroU32,
    bytes_max: usize,
) -> Result<Vec<u8>, SealError> {
    let mut bytes = zstd::dict::from_samples(samples, bytes_max)
        .map_err(|error| SealError::Compression(error.to_string()))?;
    // The trainer draws a number; ours stands in its place, behind the magic number.
    let place = bytes.iter_mut().skip(4);
    for (to, from) in place.zip(number.get().to_le_bytes()) {
        *to = from;
    }
    Ok(bytes)
}
