//! What this machine's operator may ask of a running server: about keys, clients, people, journal.
//!
//! One process has an embedded store open, so `vesta keys`, `client`, `user` and `audit` ask that
//! process, through a Unix socket in the store's directory. Records cannot be asked for here. Why a
//! socket: ADR 0040.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::access::documents::Documents;
use crate::access::keys::KeyKeeper;
use crate::account::accounts::Accounts;
use crate::account::administration;
use crate::audit::journal::Journal;
use crate::audit::verify::{KnownCheckpoint, verify};
use crate::clock::Clock;
use crate::config::Config;
use crate::server::ServerError;
use crate::server::open::{self, Master};
use crate::smart::client::{self, Command};

/// The socket in an embedded store's directory.
const SOCKET: &str = "control.sock";

/// Bytes of a question at most: a client comes with its keys.
const QUESTION_BYTES_MAX: u64 = 256 << 10;

/// How long a client may take to ask, in seconds.
const ASKING_SECONDS_MAX: u64 = 5;

/// How long to pause after a question that failed, in ms.
const PAUSE_MS: u64 = 50;

/// Bytes of an answer at most.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// The last line of an answer when all went well.
const DONE: &str = "done";

/// What the last line begins with when something did not.
const FAILED: &str = "failed: ";

/// The user who may do everything on a machine.
const ROOT: u32 = 0;

/// What can be asked.
#[derive(Clone)]
pub enum Question {
    /// Make a new master key, wrap every data key with it, drop those that nothing needs.
    Rotate,
    /// How many data keys there are, by the master key that wraps them.
    Status,
    /// To do something with clients.
    Client(Box<Command>),
    /// Whether the journal is as it was written, back to a checkpoint that was kept elsewhere.
    Audit(Option<KnownCheckpoint>),
    /// To do something with people who sign in.
    User(Box<administration::Command>),
}

/// What a question about clients begins with.
const CLIENT: &str = "client ";

/// What a question about the journal begins with.
const AUDIT: &str = "audit ";

/// What a question about people begins with.
const USER: &str = "user ";

impl Question {
    /// What the log calls it: nothing of what it holds.
    fn name(&self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Status => "status",
            Self::Client(_) => "client",
            Self::Audit(_) => "audit",
            Self::User(_) => "user",
        }
    }

    /// The line that asks it.
    fn to_line(&self) -> String {
        match self {
            Self::Client(command) => {
                // Plain texts and lists of them can always be written.
                let json = serde_json::to_string(command).unwrap_or_default();
                format!("{CLIENT}{json}\n")
            }
            Self::Audit(known) => {
                let json = serde_json::to_string(known).unwrap_or_default();
                format!("{AUDIT}{json}\n")
            }
            Self::User(command) => {
                let json = serde_json::to_string(command).unwrap_or_default();
                format!("{USER}{json}\n")
            }
            other => format!("{}\n", other.name()),
        }
    }

    fn from_line(line: &str) -> Option<Self> {
        match line {
            "rotate" => Some(Self::Rotate),
            "status" => Some(Self::Status),
            other => {
                if let Some(known) = other.strip_prefix(AUDIT) {
                    return Some(Self::Audit(serde_json::from_str(known).ok()?));
                }
                if let Some(json) = other.strip_prefix(USER) {
                    return serde_json::from_str(json).ok().map(Self::User);
                }
                let command = serde_json::from_str(other.strip_prefix(CLIENT)?).ok()?;
                Some(Self::Client(command))
            }
        }
    }
}

/// What questions are answered with.
#[derive(Clone)]
pub struct Control {
    /// Says where the master key is.
    pub config: Config,
    /// The data keys.
    pub keys: Arc<KeyKeeper>,
    /// The clients.
    pub documents: Arc<Documents>,
    /// Who did what.
    pub journal: Arc<Journal>,
    /// The people who sign in.
    pub accounts: Arc<Accounts>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Control {
    /// Does what is asked, and gives back the lines that tell the operator.
    pub async fn answer(&self, question: Question) -> Result<Vec<String>, ServerError> {
        match question {
            Question::Rotate => self.rotate().await,
            Question::Status => self.status().await,
            Question::Client(command) => client::carry_out(&self.documents, *command)
                .await
                .map_err(|error| ServerError::Setting(error.to_string())),
            Question::Audit(known) => audit(&self.journal, known).await,
            Question::User(command) => {
                let done = self.accounts.carry_out(*command).await;
                done.map_err(|error| ServerError::Setting(error.to_string()))
            }
        }
    }

    async fn status(&self) -> Result<Vec<String>, ServerError> {
        let status = self.keys.status().await.map_err(|error| store(&error))?;
        let total = format!("data keys: {} (and {} erased)", status.keys, status.erased);
        let wrapped = status.wrapped_by.iter();
        let wrapped = wrapped.map(|(by, keys)| format!("wrapped by master key {by}: {keys}"));
        Ok(std::iter::once(total).chain(wrapped).collect())
    }

    async fn rotate(&self) -> Result<Vec<String>, ServerError> {
        let setting = |error: &dyn std::fmt::Display| ServerError::Setting(error.to_string());
        let mut lines = Vec::new();
        let now_ms = self.clock.now_ms();
        let master = open::open_master_key(&self.config, now_ms)?;
        if let Master::File(file) = &master {
            let made = file
                .add_generation(now_ms)
                .map_err(|error| setting(&error))?;
            lines.push(format!("made master key {made}"));
        }
        let progress = self.keys.rotate_master(&|_progress| {}).await;
        let progress = progress.map_err(|error| store(&error))?;
        let (rewrapped, examined) = (progress.rewrapped, progress.examined);
        lines.push(format!("wrapped {rewrapped} of {examined} keys again"));
        if let Master::File(file) = &master {
            let status = self.keys.status().await.map_err(|error| store(&error))?;
            let used: Vec<_> = status.wrapped_by.keys().copied().collect();
            let dropped = file.drop_unused(&used, now_ms);
            for generation in dropped.map_err(|error| setting(&error))? {
                lines.push(format!("dropped master key {generation}"));
            }
        }
        Ok(lines)
    }
}

/// Walks the journal. What this process has written itself is stated in a checkpoint first, so that
/// an end that was cut off under it is missed.
async fn audit(
    journal: &Journal,
    known: Option<KnownCheckpoint>,
) -> Result<Vec<String>, ServerError> {
    journal.checkpoint().await.map_err(|error| store(&error))?;
    let report = verify(journal.ledger(), known).await;
    let report = report.map_err(|error| store(&error))?;
    if report.is_intact() {
        return Ok(report.lines());
    }
    let lines = report.lines().join("; ");
    Err(store(&format!(
        "the journal is not as it was written: {lines}"
    )))
}

/// Asks the server that has the store open; `None` when none listens for questions.
pub async fn ask(config: &Config, question: Question) -> Option<Result<Vec<String>, ServerError>> {
    let path = socket(config)?;
    let stream = UnixStream::connect(&path).await.ok()?;
    let failed = |reason: &dyn std::fmt::Display| {
        ServerError::Store(format!("the server on {}: {reason}", path.display()))
    };
    let answer = exchange(stream, question).await;
    Some(match answer {
        Ok(text) => lines_of(&text).map_err(|reason| failed(&reason)),
        Err(error) => Err(failed(&error)),
    })
}

async fn exchange(mut stream: UnixStream, question: Question) -> io::Result<String> {
    stream.write_all(question.to_line().as_bytes()).await?;
    let mut text = String::new();
    let mut limited = stream.take(ANSWER_BYTES_MAX);
    limited.read_to_string(&mut text).await?;
    Ok(text)
}

/// The lines of an answer, or what went wrong.
fn lines_of(answer: &str) -> Result<Vec<String>, String> {
    let mut lines: Vec<_> = answer.lines().map(ToOwned::to_owned).collect();
    let last = lines.pop().unwrap_or_default();
    if last == DONE {
        return Ok(lines);
    }
    Err(match last.strip_prefix(FAILED) {
        Some(reason) => reason.to_owned(),
        None => "it ended before it was done: ask again".to_owned(),
    })
}

/// Answers questions until the server stops. A store without a directory has no socket: any
/// process may open it.
pub(super) fn listen(control: Control, stopped: watch::Receiver<bool>) -> Option<JoinHandle<()>> {
    let path = socket(&control.config)?;
    match bind(&path) {
        Ok((listener, owner)) => Some(tokio::spawn(async move {
            serve(&listener, owner, &control, stopped).await;
            drop(listener);
            remove(&path);
        })),
        Err(error) => {
            let path = path.display();
            tracing::warn!(%error, %path, "keys can only be rotated while the server is stopped");
            None
        }
    }
}

fn socket(config: &Config) -> Option<PathBuf> {
    let directory = config.store.strip_prefix("embedded:")?;
    Some(Path::new(directory).join(SOCKET))
}

/// Binds the socket, and says whose it is. What is there is of a server that was killed: the
/// store's lock is held by now.
fn bind(path: &Path) -> io::Result<(UnixListener, u32)> {
    remove(path);
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let owner = fs::metadata(path)?.uid();
    Ok((listener, owner))
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(%error, path = %path.display(), "the socket cannot be removed");
    }
}

/// One question after the other, so that no two rotations run at once.
async fn serve(
    listener: &UnixListener,
    owner: u32,
    control: &Control,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let one = async {
            let (stream, _peer) = listener.accept().await?;
            // Between binding and closing it to others, somebody may have connected.
            let asks = stream.peer_cred()?.uid();
            if asks != owner && asks != ROOT {
                return Ok(());
            }
            converse(stream, control).await
        };
        let done: io::Result<()> = tokio::select! {
            done = one => done,
            _ = stopped.changed() => return,
        };
        if let Err(error) = done {
            tracing::debug!(%error, "a question was not answered");
            // Out of file descriptors, perhaps: let others finish first.
            tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
        }
    }
}

async fn converse(stream: UnixStream, control: &Control) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(read.take(QUESTION_BYTES_MAX));
    let asking = reader.read_line(&mut line);
    tokio::time::timeout(Duration::from_secs(ASKING_SECONDS_MAX), asking).await??;
    let question = Question::from_line(line.trim_end());
    let name = question.as_ref().map_or("unknown", Question::name);
    let answered = match question {
        Some(question) => control.answer(question).await,
        None => Err(ServerError::Setting("this cannot be asked here".to_owned())),
    };
    let text = match answered {
        Ok(mut lines) => {
            tracing::info!(question = name, "the operator was answered");
            lines.push(DONE.to_owned());
            lines.join("\n")
        }
        Err(error) => {
            tracing::warn!(%error, "the operator could not be answered");
            // The last line tells, so a reason is one line.
            format!("{FAILED}{}", error.to_string().replace('\n', " "))
        }
    };
    write.write_all(text.as_bytes()).await?;
    write.shutdown().await
}

fn store(error: &dyn std::fmt::Display) -> ServerError {
    ServerError::Store(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Question, lines_of};
    use crate::audit::verify::KnownCheckpoint;
    use crate::smart::client::Command;

    #[test]
    fn only_keys_clients_and_journal_can_be_asked_about() {
        let list = Question::Client(Box::new(Command::List));
        let audit = Question::Audit(Some(KnownCheckpoint {
            number: 7,
            hash: "ab".to_owned(),
        }));
        for question in [Question::Rotate, Question::Status, list, audit] {
            let line = question.to_line();
            let read = Question::from_line(line.trim_end()).unwrap();
            assert_eq!(read.name(), question.name());
        }
        assert!(Question::from_line("read").is_none());
        assert!(Question::from_line("client read").is_none());
        assert!(Question::from_line("audit read").is_none());
    }

    #[test]
    fn the_last_line_tells_how_it_went() {
        assert_eq!(lines_of("a\nb\ndone").unwrap(), ["a", "b"]);
        assert_eq!(lines_of("a\nfailed: no key").unwrap_err(), "no key");
        assert!(lines_of("a\nb").unwrap_err().contains("ask again"));
        assert!(lines_of("").is_err());
    }
}
