//! The other processes of a run: a server, a ceiling, an import; and what they use of the machine.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cli::Failure;
use crate::cli::bench::place::{Place, Role};
use crate::config::smart::ACCESS_TOKEN_SECONDS_MAX;

/// Ticks of a second in `/proc/PID/stat`: the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// How often a child that was asked to end is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// How long a child may take to end.
const END_MAX: Duration = Duration::from_mins(1);

/// What a child listens with.
const READY: &str = "vesta is listening on http://";

/// A running child; killed when dropped.
pub(super) struct Process {
    child: Child,
    address: SocketAddr,
}

/// Bytes of memory that a process holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    /// Resident now.
    pub(super) resident_bytes: u64,
    /// Resident at most so far.
    pub(super) peak_bytes: u64,
}

impl Process {
    /// Starts a server on a free port and waits until it says that it listens.
    pub(super) fn server(place: &Place, role: Role) -> Result<Self, Failure> {
        let mut command = command(place, role)?;
        command.args(["serve", "--access", "open", "--listen", "127.0.0.1:0"]);
        Self::start(&mut command)
    }

    /// Starts a server that wants tokens, which live for as long as they may.
    pub(super) fn smart_server(place: &Place) -> Result<Self, Failure> {
        let mut command = command(place, place.copied_role(Role::Smart))?;
        let lifetime = ACCESS_TOKEN_SECONDS_MAX.to_string();
        command.env("VESTA_SMART__ACCESS_TOKEN_SECONDS", lifetime);
        command.args(["serve", "--access", "smart", "--listen", "127.0.0.1:0"]);
        Self::start(&mut command)
    }

    /// Starts the ceiling on the imported store.
    pub(super) fn ceiling(place: &Place) -> Result<Self, Failure> {
        let mut command = command(place, Role::Imported)?;
        command.args([
            "bench",
            "--ceiling",
            "--store",
            &place.store(Role::Imported),
        ]);
        Self::start(&mut command)
    }

    fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("a child without output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line
            .strip_prefix(READY)
            .and_then(|rest| rest.split('/').next())
            .ok_or("a process of the run did not start; its reason is above")?;
        let address = address.trim().parse()?;
        Ok(Self { child, address })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it holds of the memory.
    pub(super) fn memory(&self) -> Memory {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).unwrap_or_default();
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib = line.and_then(|rest| rest.split_whitespace().next());
            kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) << 10
        };
        Memory {
            resident_bytes: bytes("VmRSS:"),
            peak_bytes: bytes("VmHWM:"),
        }
    }

    /// Seconds of processor that it has used.
    pub(super) fn cpu_s(&self) -> f64 {
        cpu_s(self.child.id())
    }

    /// Asks it to stop, and waits until it has.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > END_MAX {
                return Err("a process of the run does not stop".into());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already where all went well.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// Seconds of processor that a process has used.
pub(super) fn cpu_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    // The state is field 3 of the line, user and system time are 14 and 15.
    let ticks = behind_name.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.filter_map(|text| text.parse::<u32>().ok()).sum();
    f64::from(ticks) / TICKS_PER_SECOND
}

/// Runs `vesta import` to its end, and says how many seconds it took.
pub(super) fn import(place: &Place, files: &Path) -> Result<f64, Failure> {
    let started = Instant::now();
    let status = command(place, Role::Imported)?
        .arg("import")
        .arg(files)
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err("vesta import failed; its reason is above".into());
    }
    Ok(started.elapsed().as_secs_f64())
}

/// Registers a client with these public keys on the store of the smart server, and gives its id.
pub(super) fn add_client(place: &Place, jwks: &Path, scope: &str) -> Result<String, Failure> {
    let output = command(place, place.copied_role(Role::Smart))?
        .args([
            "client", "add", "--name", "bench", "--scope", scope, "--jwks",
        ])
        .arg(jwks)
        .stderr(Stdio::inherit())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let id = text
        .lines()
        .find_map(|line| line.strip_prefix("client_id: "));
    Ok(id
        .ok_or("the client of the run was not registered")?
        .to_owned())
}

/// This program with the settings of a role, and no others.
fn command(place: &Place, role: Role) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .env("VESTA_STORE", place.store(role))
        .env("VESTA_KEYS__FILE", place.key_file(role))
        .env("VESTA_SEARCH__WORDS", place.has_words().to_string())
        .env("VESTA_LOG", "warn")
        .stdin(Stdio::null());
    Ok(command)
}
