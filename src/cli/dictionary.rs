//! `dictionary`: makes the compression dictionary under `profiles/` from generated resources.
//!
//! What it is trained on stands beside it, in `profiles/dictionary-*.tsv`; no patient's data is
//! ever among it. What was sealed with a dictionary needs it for ever: `seal::dictionary`.

use std::fs;
use std::io;
use std::path::Path;

use crate::seal::SealError;
use crate::seal::dictionary::train_built_in;

/// Why there is no new dictionary.
#[derive(Debug, thiserror::Error)]
pub enum DictionaryError {
    /// Training failed.
    #[error(transparent)]
    Train(#[from] SealError),
    /// The file cannot be written.
    #[error("cannot write the dictionary: {0}")]
    Write(#[from] io::Error),
}

/// Trains the dictionary and writes it to `out`; gives back its length in bytes.
pub fn run(out: &Path) -> Result<usize, DictionaryError> {
    let bytes = train_built_in()?;
    fs::write(out, &bytes)?;
    Ok(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::run;
    use crate::seal::dictionary::Dictionary;

    #[test]
    fn what_is_written_is_dictionary_number_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("1.zdict");
        let length = run(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), length);
        assert_eq!(Dictionary::new(&bytes).unwrap().id().get(), 1);
    }
}
