//! A real browser, Debian's Chromium, driven by scripts of `tests/clients` through
//! `playwright-core`; `tests/clients/browser.mjs` says what a script is given.
//!
//! A script gets the server's base URL and an input, and gives back JSON. Pictures that it takes
//! are in `target/screenshots`.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::clients;
use crate::support::mongod::run;

/// Where Debian puts the browser.
const CHROMIUM: &str = "/usr/bin/chromium";

/// What brings it, with letters to write with.
const PACKAGES: [&str; 2] = ["chromium", "fonts-dejavu-core"];

const MEND: &str = "apt-get install chromium fonts-dejavu-core";

/// Runs a script on a server, and gives back its result; a test fails with what went wrong.
pub(crate) async fn browse(base: &str, script: &'static str, input: &Value) -> Value {
    let ran = try_browse(base, script, input).await;
    ran.unwrap_or_else(|reason| panic!("{script}: {reason}"))
}

/// As [`browse`], for a script that may fail.
pub(crate) async fn try_browse(
    base: &str,
    script: &'static str,
    input: &Value,
) -> Result<Value, String> {
    let arguments = [base.to_owned(), input.to_string()];
    let ran = tokio::task::spawn_blocking(move || {
        let mut command = prepare(script)?;
        let output = command.args(arguments).output();
        output.map_err(|error| error.to_string())
    });
    let output = ran.await.unwrap()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let text = String::from_utf8_lossy(&output.stdout);
        format!("its result is no JSON: {error}: {text}")
    })
}

fn prepare(script: &str) -> Result<Command, String> {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    READY
        .get_or_init(|| clients::locked(|_dir| see_to_chromium()))
        .clone()?;
    let mut command = clients::node(script)?;
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    command.env("CHROMIUM", CHROMIUM);
    command.env("SCREENSHOTS", target.join("screenshots"));
    Ok(command)
}

/// Installs the browser when it is not there and this user may.
fn see_to_chromium() -> Result<(), String> {
    if !Path::new(CHROMIUM).exists() {
        eprintln!("installing {} by apt-get", PACKAGES.join(" and "));
        run(Command::new("apt-get").args(["update", "-qq"]), MEND)?;
        let mut install = Command::new("apt-get");
        install.env("DEBIAN_FRONTEND", "noninteractive");
        install.args(["install", "-y", "-qq", "--no-install-recommends"]);
        run(install.args(PACKAGES), MEND)?;
    }
    run(Command::new(CHROMIUM).arg("--version"), MEND)
}
