//! The data packs: public examples that are too large for the repository.
//!
//! They are looked for in the folder that `VESTA_TEST_DATA` names, else in `../shared/data` beside
//! the repository. A test that goes without one says so.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// Packs are compressed with a long window (`zstd --long=27`).
const WINDOW_LOG_MAX: u32 = 27;

/// Hands the files of the pack `name` that end in `.extension` to `each` as path and content, in
/// the order of the pack. `false`, and a line on stderr, when the pack is not there.
pub(crate) fn for_each_file(
    name: &str,
    extension: &str,
    mut each: impl FnMut(&str, &[u8]),
) -> bool {
    let path = folder().join(format!("{name}.tar.zst"));
    let Ok(file) = File::open(&path) else {
        // Not eprintln!, which the harness keeps to itself while a test passes.
        writeln!(
            std::io::stderr(),
            "WITHOUT DATA: {} is not there, so this test proves nothing. VESTA_TEST_DATA may name \
             the folder that holds it.",
            path.display()
        )
        .unwrap();
        return false;
    };
    let mut decoder = zstd::Decoder::new(file).unwrap();
    decoder.window_log_max(WINDOW_LOG_MAX).unwrap();
    let mut archive = tar::Archive::new(decoder);
    let mut content = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        if path.extension().is_none_or(|found| found != extension) {
            continue;
        }
        content.clear();
        entry.read_to_end(&mut content).unwrap();
        each(&path.to_string_lossy(), &content);
    }
    true
}

fn folder() -> PathBuf {
    std::env::var_os("VESTA_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    )
}
