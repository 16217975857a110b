//! A master key in a file that only its owner can read.
//!
//! One generation a line: the time it was made, in ms since the epoch, and 64 hexadecimal digits;
//! the last line wraps. A running server learns new generations by reading the file again. Changes
//! replace the file as a whole and hold a lock on its directory, so that no key is ever lost to two
//! rotations at once.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use crate::seal::data_key::{Secret, new_secret};
use crate::seal::hex;
use crate::seal::master_key::{Generation, KeySet, MasterKey, MasterKeyError, Wrapped};
use crate::seal::random::Random;

/// How long a superseded generation stays: longer than any process takes from wrapping a key to
/// storing it.
pub const SETTLING_MS: i64 = 10 * 60 * 1000;
const FILE_BYTES_MAX: u64 = 64 * 1024;
const HEADER: &str = "\
# The master key of a Vesta server: whoever has it and the database can read everything.
# Keep a copy of this file apart from the copies of the database. Lines: made at (ms), key.
";

/// A master key in a file.
pub struct FileMasterKey {
    path: PathBuf,
    random: Arc<dyn Random>,
    loaded: RwLock<Loaded>,
}

/// What was read, and how the file looked then.
struct Loaded {
    stamp: Stamp,
    keys: KeySet,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    changed: (i64, i64),
    bytes: u64,
}

/// A line of the file.
struct Line {
    made_ms: i64,
    secret: Secret,
}

impl FileMasterKey {
    /// Reads the file.
    pub fn open(path: &Path, random: Arc<dyn Random>) -> Result<Self, MasterKeyError> {
        let loaded = RwLock::new(load(path)?);
        Ok(Self {
            path: path.to_owned(),
            random,
            loaded,
        })
    }

    /// Reads the file, or makes it with a new key when there is none.
    pub fn open_or_create(
        path: &Path,
        random: Arc<dyn Random>,
        now_ms: i64,
    ) -> Result<Self, MasterKeyError> {
        if !path.exists() {
            let directory = directory(path);
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(|error| failure(path, &error))?;
            let _lock = lock(path)?;
            // Another process may have been first.
            if !path.exists() {
                let secret = new_secret(&*random)?;
                let made_ms = now_ms;
                write(path, &[Line { made_ms, secret }])?;
            }
        }
        Self::open(path, random)
    }

    /// Adds a generation, which wraps from now on.
    pub fn add_generation(&self, now_ms: i64) -> Result<Generation, MasterKeyError> {
        let _lock = lock(&self.path)?;
        let (_stamp, mut lines) = read(&self.path)?;
        let secret = new_secret(&*self.random)?;
        let generation = Generation::of(&secret);
        let made_ms = now_ms;
        lines.push(Line { made_ms, secret });
        write(&self.path, &lines)?;
        self.reload()?;
        Ok(generation)
    }

    /// Takes out the generations that are neither current nor in use, and gives back which.
    ///
    /// One that was superseded less than [`SETTLING_MS`] ago stays: a process may just be storing
    /// a key that it wrapped. What is taken out can never unwrap anything again, so `in_use` must
    /// come from a complete look at the stored keys.
    pub fn drop_unused(
        &self,
        in_use: &[Generation],
        now_ms: i64,
    ) -> Result<Vec<Generation>, MasterKeyError> {
        let _lock = lock(&self.path)?;
        let (_stamp, lines) = read(&self.path)?;
        let superseded_ms: Vec<_> = lines.iter().skip(1).map(|next| next.made_ms).collect();
        let (mut kept, mut dropped) = (Vec::new(), Vec::new());
        for (index, line) in lines.into_iter().enumerate() {
            let generation = Generation::of(&line.secret);
            let settled = superseded_ms
                .get(index)
                .is_some_and(|at_ms| now_ms.saturating_sub(*at_ms) >= SETTLING_MS);
            if settled && !in_use.contains(&generation) {
                dropped.push(generation);
            } else {
                kept.push(line);
            }
        }
        if !dropped.is_empty() {
            write(&self.path, &kept)?;
            self.reload()?;
        }
        Ok(dropped)
    }

    /// The generations in the file, the one that wraps last.
    pub fn generations(&self) -> Result<Vec<Generation>, MasterKeyError> {
        self.refresh()?;
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        Ok(loaded.keys.0.iter().map(|key| key.generation).collect())
    }

    /// Reads the file again when it is not the one that was read. A file that is gone is an
    /// error: what would be wrapped now could not be unwrapped after a restart.
    fn refresh(&self) -> Result<(), MasterKeyError> {
        let metadata = fs::metadata(&self.path).map_err(|error| failure(&self.path, &error))?;
        let stamp = {
            let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
            loaded.stamp
        };
        if Stamp::of(&metadata) == stamp {
            return Ok(());
        }
        self.reload()
    }

    fn reload(&self) -> Result<(), MasterKeyError> {
        let fresh = load(&self.path)?;
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    fn unwrap_known(
        &self,
        wrapped: &Wrapped,
        context: &[u8],
    ) -> Option<Result<Secret, MasterKeyError>> {
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let member = loaded.keys.find(wrapped.generation)?;
        Some(member.unwrap(wrapped, context))
    }
}

impl MasterKey for FileMasterKey {
    fn generation(&self) -> Result<Generation, MasterKeyError> {
        self.refresh()?;
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let current = loaded.keys.current().map(|member| member.generation);
        current.ok_or_else(|| empty(&self.path))
    }

    fn wrap(&self, secret: &Secret, context: &[u8]) -> Result<Wrapped, MasterKeyError> {
        // Always with the file's last line, or a rotation could drop what wraps this.
        self.refresh()?;
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let member = loaded.keys.current().ok_or_else(|| empty(&self.path))?;
        member.wrap(&*self.random, secret, context)
    }

    fn unwrap(&self, wrapped: &Wrapped, context: &[u8]) -> Result<Secret, MasterKeyError> {
        if let Some(unwrapped) = self.unwrap_known(wrapped, context) {
            return unwrapped;
        }
        self.refresh()?;
        let unknown = MasterKeyError::UnknownGeneration(wrapped.generation);
        self.unwrap_known(wrapped, context).unwrap_or(Err(unknown))
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            inode: (metadata.dev(), metadata.ino()),
            changed: (metadata.mtime(), metadata.mtime_nsec()),
            bytes: metadata.size(),
        }
    }
}

fn load(path: &Path) -> Result<Loaded, MasterKeyError> {
    let (stamp, lines) = read(path)?;
    let keys = KeySet::new(lines.iter().map(|line| &line.secret));
    Ok(Loaded { stamp, keys })
}

fn read(path: &Path) -> Result<(Stamp, Vec<Line>), MasterKeyError> {
    let io = |error: io::Error| failure(path, &error);
    let mut file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() || metadata.size() > FILE_BYTES_MAX {
        return Err(invalid(path, "not a master key file"));
    }
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(MasterKeyError::Exposed { path, mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(io)?;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || invalid(path, &format!("line {} is not a time and a key", index + 1));
        lines.push(Line::parse(line).ok_or_else(wrong)?);
    }
    if lines.is_empty() {
        return Err(empty(path));
    }
    Ok((Stamp::of(&metadata), lines))
}

impl Line {
    fn parse(line: &str) -> Option<Self> {
        let (made, key) = line.trim().split_once(' ')?;
        Some(Self {
            made_ms: made.parse().ok()?,
            secret: Secret::new(hex::decode(key.trim())?),
        })
    }
}

/// Replaces the file durably. The directory is locked by the caller.
fn write(path: &Path, lines: &[Line]) -> Result<(), MasterKeyError> {
    let mut text = Zeroizing::new(HEADER.to_owned());
    for line in lines {
        let key = Zeroizing::new(hex::encode(line.secret.as_slice()));
        text.push_str(&line.made_ms.to_string());
        text.push(' ');
        text.push_str(&key);
        text.push('\n');
    }
    let mut draft_name = OsString::from(path);
    draft_name.push(".new");
    let draft = PathBuf::from(draft_name);
    let replace = || {
        // Under the lock, a draft that is there was left by a process that died.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _gone => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        File::open(directory(path))?.sync_all()
    };
    replace().map_err(|error| failure(path, &error))
}

/// Locks the directory against other processes that would change the file; dropping unlocks.
fn lock(path: &Path) -> Result<File, MasterKeyError> {
    let locked = File::open(directory(path)).and_then(|directory| {
        directory.lock()?;
        Ok(directory)
    });
    locked.map_err(|error| failure(path, &error))
}

fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _bare_name => Path::new("."),
    }
}

fn failure(path: &Path, error: &io::Error) -> MasterKeyError {
    invalid(path, &error.to_string())
}

fn empty(path: &Path) -> MasterKeyError {
    invalid(path, "holds no key")
}

fn invalid(path: &Path, reason: &str) -> MasterKeyError {
    MasterKeyError::File {
        path: path.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::{FileMasterKey, SETTLING_MS};
    use crate::seal::data_key::Secret;
    use crate::seal::master_key::{MasterKey, MasterKeyError};
    use crate::seal::random::SystemRandom;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn path_in(directory: &tempfile::TempDir) -> PathBuf {
        directory.path().join("new/master.key")
    }

    fn create(path: &Path) -> Result<FileMasterKey, MasterKeyError> {
        FileMasterKey::open_or_create(path, Arc::new(SystemRandom), NOW_MS)
    }

    fn open(path: &Path) -> Result<FileMasterKey, MasterKeyError> {
        FileMasterKey::open(path, Arc::new(SystemRandom))
    }

    #[test]
    fn the_file_is_made_once_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        assert!(open(&path).is_err(), "there is none yet");
        let first = create(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = create(&path).unwrap();
        assert_eq!(first.generation().unwrap(), again.generation().unwrap());
        let names: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 1, "nothing else is left behind");
    }

    #[test]
    fn many_first_starts_make_one_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        let generations: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..16)
                .map(|_| scope.spawn(|| create(&path).unwrap().generation().unwrap()))
                .collect();
            starts
                .into_iter()
                .map(|start| start.join().unwrap())
                .collect()
        });
        assert!(generations.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_line_that_mends_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        drop(create(&path).unwrap());
        for mode in [0o644, 0o640, 0o604, 0o660, 0o666] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let Err(error) = open(&path) else {
                panic!("mode {mode:o} was taken");
            };
            assert!(matches!(error, MasterKeyError::Exposed { .. }));
            let mends = format!("chmod 600 '{}'", path.display());
            assert!(error.to_string().contains(&mends), "{error}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert!(open(&path).is_ok());
    }

    #[test]
    fn a_damaged_file_is_refused_by_line_without_showing_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        drop(create(&path).unwrap());
        let whole = fs::read_to_string(&path).unwrap();
        let key = whole.trim_end().rsplit(' ').next().unwrap();
        let (_first_digit, most) = key.split_at(1);
        for damaged in [whole.replace(key, most), whole.replace(' ', "")] {
            fs::write(&path, damaged).unwrap();
            let error = open(&path).err().map(|error| error.to_string());
            let error = error.expect("a damaged file was taken");
            assert!(
                error.contains("line ") || error.contains("no key"),
                "{error}"
            );
            assert!(!error.contains(most));
        }
        fs::write(&path, "# nothing\n").unwrap();
        assert!(open(&path).is_err());
    }

    #[test]
    fn a_running_server_learns_a_new_generation() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        let server = create(&path).unwrap();
        let before = server.wrap(&Secret::new([1; 32]), b"a").unwrap();

        let command = open(&path).unwrap();
        let added = command.add_generation(NOW_MS).unwrap();
        let after = command.wrap(&Secret::new([2; 32]), b"b").unwrap();
        assert_eq!(after.generation, added);

        assert_eq!(*server.unwrap(&after, b"b").unwrap(), [2; 32]);
        assert_eq!(*server.unwrap(&before, b"a").unwrap(), [1; 32]);
        let next = server.wrap(&Secret::new([3; 32]), b"c").unwrap();
        assert_eq!(next.generation, added, "wraps with the newest");
        assert!(server.unwrap(&next, b"other context").is_err());
    }

    #[test]
    fn concurrent_rotations_lose_no_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        let first = create(&path).unwrap().generation().unwrap();
        let mut made: Vec<_> = std::thread::scope(|scope| {
            let rotations: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| open(&path).unwrap().add_generation(NOW_MS).unwrap()))
                .collect();
            let rotations = rotations.into_iter();
            rotations.map(|rotation| rotation.join().unwrap()).collect()
        });
        made.push(first);
        let kept = open(&path).unwrap().generations().unwrap();
        assert_eq!(kept.len(), 9);
        assert!(made.iter().all(|generation| kept.contains(generation)));
    }

    #[test]
    fn only_settled_unused_generations_are_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        let master = create(&path).unwrap();
        let wrapped = master.wrap(&Secret::new([1; 32]), b"a").unwrap();
        let first = wrapped.generation;
        let second = master.add_generation(NOW_MS).unwrap();
        let third = master.add_generation(NOW_MS + 1).unwrap();

        let too_early = NOW_MS + SETTLING_MS - 1;
        assert!(master.drop_unused(&[third], too_early).unwrap().is_empty());
        let settled = NOW_MS + SETTLING_MS + 1;
        assert_eq!(master.drop_unused(&[first], settled).unwrap(), [second]);
        assert_eq!(master.drop_unused(&[], settled).unwrap(), [first]);
        assert_eq!(
            master.generations().unwrap(),
            [third],
            "the current one stays"
        );
        assert!(matches!(
            master.unwrap(&wrapped, b"a"),
            Err(MasterKeyError::UnknownGeneration(generation)) if generation == first
        ));
    }

    #[test]
    fn nothing_is_wrapped_by_a_file_that_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = path_in(&directory);
        let master = create(&path).unwrap();
        let wrapped = master.wrap(&Secret::new([1; 32]), b"a").unwrap();
        fs::remove_file(&path).unwrap();
        assert!(master.wrap(&Secret::new([2; 32]), b"a").is_err());
        assert!(master.unwrap(&wrapped, b"a").is_ok(), "reading goes on");
    }
}
