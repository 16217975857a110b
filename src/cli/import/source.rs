//! The files to import, in the order they go in.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

/// A file to import.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its size on disk.
    pub(super) bytes: u64,
    /// Whether it holds a resource per line.
    pub(super) is_ndjson: bool,
    /// Whether it holds HL7 v2 messages.
    pub(super) is_hl7v2: bool,
    /// Whether other files refer to what it holds, as Synthea's do: it goes first.
    pub(super) is_referred_to: bool,
}

/// How a file's name says what it holds.
#[derive(PartialEq, Eq)]
enum Kind {
    Json,
    Ndjson,
    Hl7v2,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "json" => Some(Self::Json),
            "ndjson" => Some(Self::Ndjson),
            "hl7" => Some(Self::Hl7v2),
            _ => None,
        }
    }
}

/// The files below the given paths, sorted, so that every run takes them in the same order.
///
/// # Errors
/// When a path that was named is not there or cannot be imported: nothing is, then. What is found
/// below a directory and cannot be read is told of when its turn comes.
pub(super) fn find(paths: &[PathBuf]) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    for path in paths {
        let is_directory = fs::metadata(path)
            .map_err(|error| absent(path, &error))?
            .is_dir();
        if is_directory {
            find_below(path, &mut found)?;
        } else if let Some(kind) = Kind::of(path) {
            found.push(source(path.clone(), &kind));
        } else {
            let text = format!(
                "{}: only .json, .ndjson, .hl7 and .gz of these are imported, and directories of them",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn find_below(directory: &Path, found: &mut Vec<Source>) -> io::Result<()> {
    let entries = fs::read_dir(directory).map_err(|error| absent(directory, &error))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            find_below(&path, found)?;
        } else if let Some(kind) = Kind::of(&path) {
            found.push(source(path, &kind));
        }
    }
    Ok(())
}

/// The failure that names a path and says what would be right.
fn absent(path: &Path, error: &io::Error) -> io::Error {
    let shown = path.display();
    let text = match (error.kind(), fs::read_link(path)) {
        (io::ErrorKind::NotFound, Ok(target)) => format!(
            "{shown}: a link to {}, which is not there; name a file or directory that is",
            target.display()
        ),
        (io::ErrorKind::NotFound, Err(_)) => {
            format!("{shown}: there is no such file or directory; nothing was imported")
        }
        _ => format!("{shown}: {error}"),
    };
    io::Error::new(error.kind(), text)
}

fn source(path: PathBuf, kind: &Kind) -> Source {
    let bytes = fs::metadata(&path).map_or(0, |found| found.len());
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_ascii_lowercase());
    let name = name.unwrap_or_default();
    // Some of Synthea's versions put a number in front.
    let word = name.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let is_referred_to = word.starts_with("hospital") || word.starts_with("practitioner");
    Source {
        path,
        bytes,
        is_ndjson: *kind == Kind::Ndjson,
        is_hl7v2: *kind == Kind::Hl7v2,
        is_referred_to,
    }
}

impl Source {
    /// The bytes of the file, decompressed.
    pub(super) fn open(&self) -> io::Result<Box<dyn BufRead + Send>> {
        const BUFFER_BYTES: usize = 256 << 10;
        let file = BufReader::with_capacity(BUFFER_BYTES, File::open(&self.path)?);
        if self
            .path
            .extension()
            .is_some_and(|extension| extension == "gz")
        {
            let decoder = MultiGzDecoder::new(file);
            return Ok(Box::new(BufReader::with_capacity(BUFFER_BYTES, decoder)));
        }
        Ok(Box::new(file))
    }

    /// All of the file, up to `bytes_max`.
    pub(super) fn read(&self, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open()?.take(bytes_max + 1).read_to_end(&mut bytes)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
            let text = format!("larger than {bytes_max} bytes: split it, or use NDJSON");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::find;

    #[test]
    fn files_come_sorted_and_by_kind() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.ndjson.gz", "a.json", "0-hospital1.json", "readme.txt"] {
            fs::write(directory.path().join(name), "{}").unwrap();
        }
        let found = find(&[directory.path().to_path_buf()]).unwrap();
        let kinds: Vec<_> = found
            .iter()
            .map(|s| (s.is_ndjson, s.is_referred_to))
            .collect();
        assert_eq!(kinds, [(false, true), (false, false), (true, false)]);
        assert!(find(&[directory.path().join("readme.txt")]).is_err());
    }
}
