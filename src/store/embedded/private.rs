//! Files that only their owner may read, whatever the umask says.
//!
//! Bodies are sealed, but ids, types, instants and wrapped keys are not for everyone on a machine.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// What the names of the store's own files begin with.
const OWN_NAMES: [&str; 4] = ["records.sqlite", "keys.sqlite", "lock", "control.sock"];

/// Makes a directory for the store, or closes to others the one there is. One that holds more than
/// a store is left as it is: others may have business in it.
pub(super) fn directory(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return DirBuilder::new()
            .recursive(true)
            .mode(DIRECTORY_MODE)
            .create(path);
    }
    let mut is_own = true;
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        is_own &= OWN_NAMES.iter().any(|own| name.starts_with(own));
    }
    if is_own {
        restrict(path, DIRECTORY_MODE);
    }
    Ok(())
}

/// Makes a file of the store, or closes to others the one there is, and what SQLite has put beside
/// it. What SQLite makes later takes the mode of the file.
pub(super) fn file(path: &Path) -> io::Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(FILE_MODE)
        .open(path)?;
    restrict(path, FILE_MODE);
    for suffix in ["-wal", "-shm", "-journal"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        if Path::new(&beside).exists() {
            restrict(Path::new(&beside), FILE_MODE);
        }
    }
    Ok(file)
}

/// Takes the rights of others away. Somebody else's file can be in use all the same: a warning.
fn restrict(path: &Path, mode: u32) {
    let is_open = fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o077 != 0);
    if is_open && let Err(error) = fs::set_permissions(path, Permissions::from_mode(mode)) {
        tracing::warn!(path = %path.display(), %error, "others may read this");
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{directory, file};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_and_what_there_is_becomes_private() {
        let place = tempfile::TempDir::new().unwrap();
        let store = place.path().join("a/store");
        directory(&store).unwrap();
        assert_eq!(mode(&store), 0o700);
        let records = store.join("records.sqlite");
        file(&records).unwrap();
        assert_eq!(mode(&records), 0o600);
        let log = store.join("records.sqlite-wal");
        fs::write(&log, "").unwrap();
        for path in [&store, &records, &log] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        }
        directory(&store).unwrap();
        file(&records).unwrap();
        let modes = [&store, &records, &log].map(|path| mode(path));
        assert_eq!(modes, [0o700, 0o600, 0o600]);
    }

    #[test]
    fn a_directory_with_other_files_is_left_alone() {
        let place = tempfile::TempDir::new().unwrap();
        fs::write(place.path().join("letter"), "").unwrap();
        fs::set_permissions(place.path(), Permissions::from_mode(0o755)).unwrap();
        directory(place.path()).unwrap();
        assert_eq!(mode(place.path()), 0o755);
    }
}
