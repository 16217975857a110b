//! The stores of a run: directories or databases that nobody else uses, gone when it is over.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::config::Config;

/// Where the stores of a run are.
pub(super) struct Place {
    directory: PathBuf,
    kind: Kind,
    /// Whether words are indexed.
    has_words: bool,
}

enum Kind {
    Embedded,
    /// The connection string up to its database and behind it, and what their names begin with.
    Mongo {
        head: String,
        tail: String,
        prefix: String,
    },
}

/// The stores of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// That of the server under test.
    Server,
    /// That which `vesta import` fills, and from which the ceiling reads.
    Imported,
    /// That which the ceiling writes to.
    Bare,
    /// That of a server with tokens: what was imported.
    Smart,
}

impl Place {
    /// Makes the directory of the run.
    pub(super) fn new(store: Option<&str>) -> Result<Self, Failure> {
        let name = format!("vesta-bench-{}", std::process::id());
        let (parent, kind) = match store {
            None => (std::env::temp_dir(), Kind::Embedded),
            Some(store) => match store.strip_prefix("embedded:") {
                Some(path) => (PathBuf::from(path), Kind::Embedded),
                None => (std::env::temp_dir(), Kind::of_uri(store)?),
            },
        };
        let directory = parent.join(name);
        fs::create_dir_all(&directory)?;
        Ok(Self {
            directory,
            kind,
            has_words: false,
        })
    }

    /// The same with words indexed, for searches by them.
    pub(super) fn with_words(mut self) -> Self {
        self.has_words = true;
        self
    }

    /// Whether words are indexed.
    pub(super) fn has_words(&self) -> bool {
        self.has_words
    }

    /// Gives a server what was imported: a copy of the files, of which it says the bytes. A
    /// database is shared, since reading it takes no process of its own.
    pub(super) fn copy_imported(&self, to: Role) -> Result<Option<u64>, Failure> {
        let Kind::Embedded = self.kind else {
            return Ok(None);
        };
        let role = to;
        let [from, to] = [Role::Imported, role].map(|role| self.directory.join(role.name()));
        fs::create_dir_all(&to)?;
        let mut bytes = 0;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                bytes += fs::copy(entry.path(), to.join(entry.file_name()))?;
            }
        }
        fs::copy(self.key_file(Role::Imported), self.key_file(role))?;
        Ok(Some(bytes))
    }

    /// The store of a server that has what was imported; see [`Place::copy_imported`].
    pub(super) fn copied_role(&self, role: Role) -> Role {
        match self.kind {
            Kind::Embedded => role,
            Kind::Mongo { .. } => Role::Imported,
        }
    }

    /// The kind of store, for the report.
    pub(super) fn kind(&self) -> &'static str {
        match self.kind {
            Kind::Embedded => "embedded",
            Kind::Mongo { .. } => "mongodb",
        }
    }

    /// A directory of the run for other files.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The setting `store` for a role.
    pub(super) fn store(&self, role: Role) -> String {
        match &self.kind {
            Kind::Embedded => {
                let path = self.directory.join(role.name());
                format!("embedded:{}", path.display())
            }
            Kind::Mongo { head, tail, .. } => {
                let database = self.database(role).unwrap_or_default();
                format!("{head}/{database}{tail}")
            }
        }
    }

    /// The file of the master key for a role.
    pub(super) fn key_file(&self, role: Role) -> PathBuf {
        self.directory.join(format!("{}.key", role.name()))
    }

    /// The configuration for opening a store in this process.
    pub(super) fn config(&self, role: Role) -> Config {
        let mut config = Config {
            store: self.store(role),
            ..Config::default()
        };
        config.keys.file = Some(self.key_file(role));
        config
    }

    /// Deletes the databases; the directory goes by itself.
    pub(super) async fn clear(&self) -> Result<(), Failure> {
        if let Kind::Mongo { .. } = &self.kind {
            let client = mongodb::Client::with_uri_str(self.store(Role::Server)).await?;
            for role in [Role::Server, Role::Imported, Role::Bare] {
                let name = self.database(role).unwrap_or_default();
                client.database(&format!("{name}_keys")).drop().await?;
                client.database(&name).drop().await?;
            }
        }
        Ok(())
    }

    fn database(&self, role: Role) -> Option<String> {
        match &self.kind {
            Kind::Embedded => None,
            Kind::Mongo { prefix, .. } => Some(format!("{prefix}_{}", role.name())),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            tracing::warn!(%error, directory = %self.directory.display(), "not deleted");
        }
    }
}

impl Kind {
    /// Parts a connection string at its database, which may be missing.
    fn of_uri(uri: &str) -> Result<Self, Failure> {
        let (scheme, rest) = uri
            .split_once("://")
            .ok_or("store must be embedded:DIRECTORY or a mongodb:// URI")?;
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, database) = path.split_once('/').unwrap_or((path, ""));
        let database = if database.is_empty() {
            "vesta"
        } else {
            database
        };
        let tail = if options.is_empty() {
            String::new()
        } else {
            format!("?{options}")
        };
        Ok(Self::Mongo {
            head: format!("{scheme}://{hosts}"),
            tail,
            prefix: format!("{database}_bench{}", std::process::id()),
        })
    }
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Imported => "imported",
            Self::Bare => "bare",
            Self::Smart => "smart",
        }
    }
}
