//! One file into the store.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use indicatif::ProgressBar;

use crate::access::Grant;
use crate::cli::import::source::Source;
use crate::fhir::id;
use crate::fhir::json;
use crate::fhir::resource::{Node, Object, Resource};
use crate::ingest::Ingest;
use crate::interaction::Context;
use crate::interaction::bundle::{EntryAnswer, EntryRequest, Verb, read_bundle};
use crate::interaction::stage::Written;
use crate::interaction::transaction::{TransactionRequest, transaction};
use crate::interaction::update::{Precondition, Target};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::store::batch::Reservation;

/// Resources of NDJSON written in one commit.
const LINES_AT_ONCE_MAX: usize = 500;

/// Problems told in full; of the others only the number.
const PROBLEMS_TOLD_MAX: usize = 20;

/// Carries files into a store.
pub(super) struct Carrier {
    /// What interactions work with.
    pub(super) ctx: Context,
    /// What takes HL7 v2 messages in.
    pub(super) ingest: Arc<Ingest>,
    /// The operator's right.
    pub(super) grant: Grant,
    /// Whether a Bundle is a resource like any other.
    pub(super) stores_bundles: bool,
    /// Shows how far it is.
    pub(super) bar: ProgressBar,
}

/// A resource of an NDJSON file, to be written.
struct Line {
    /// File and line number.
    place: String,
    /// Of the line as it stands.
    hash: blake3::Hash,
    entry: EntryRequest,
}

/// What came of one file or of all.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Resources written.
    pub(super) written: u64,
    /// Resources that were there already.
    pub(super) unchanged: u64,
    /// HL7 v2 messages that are applied, now or before.
    pub(super) messages: u64,
    /// Files other than NDJSON that an earlier run imported.
    pub(super) files_known: u64,
    /// Files and lines that could not be imported.
    pub(super) failed: u64,
    /// Why, for the first of them.
    pub(super) problems: Vec<String>,
}

impl Report {
    /// Adds another report.
    pub(super) fn add(&mut self, other: Self) {
        self.written += other.written;
        self.unchanged += other.unchanged;
        self.messages += other.messages;
        self.files_known += other.files_known;
        self.failed += other.failed;
        let room = PROBLEMS_TOLD_MAX.saturating_sub(self.problems.len());
        self.problems.extend(other.problems.into_iter().take(room));
    }

    fn count(&mut self, answers: &[EntryAnswer]) {
        for answer in answers {
            match answer {
                EntryAnswer::Written(Written::Unchanged(_) | Written::Absent) => {
                    self.unchanged += 1;
                }
                EntryAnswer::Written(_) => self.written += 1,
                _ => {}
            }
        }
    }

    /// Notes that something was not imported.
    pub(super) fn fail(&mut self, place: &str, reason: &dyn std::fmt::Display) {
        self.failed += 1;
        if self.problems.len() < PROBLEMS_TOLD_MAX {
            self.problems.push(format!("{place}: {reason}"));
        }
    }
}

impl Carrier {
    /// Imports a file; what goes wrong is in the report.
    pub(super) async fn carry(&self, source: &Source) -> Report {
        let mut report = Report::default();
        let carried = if source.is_hl7v2 {
            let carried = self
                .carry_messages((&self.ingest, source), &mut report)
                .await;
            carried.map_err(|error| unreadable(&error))
        } else if source.is_ndjson {
            self.carry_lines(source, &mut report).await
        } else {
            self.carry_document(source, &mut report).await
        };
        if let Err(outcome) = carried {
            report.fail(&shown(&source.path), &outcome);
        }
        if !source.is_ndjson && !source.is_hl7v2 {
            self.bar.inc(source.bytes);
        }
        report
    }

    async fn carry_document(&self, source: &Source, report: &mut Report) -> Result<(), Outcome> {
        let bytes_max = self.ctx.settings.limits.body_bytes_max;
        let bytes = source
            .read(u64::try_from(bytes_max).unwrap_or(u64::MAX))
            .map_err(|error| unreadable(&error))?;
        let mark = self.mark_of(&bytes);
        let read = || self.entries_of(self.parse(&bytes)?);
        let entries = read()?;
        let reservation = self.mark(&mark).await?;
        if reservation.revision > 0 {
            report.files_known += 1;
            return Ok(());
        }
        let request = TransactionRequest {
            entries,
            again: &read,
            marks: vec![reservation],
        };
        let answers = transaction(&self.ctx, &self.grant, request).await?;
        report.count(&answers);
        Ok(())
    }

    /// What a document is marked by: a Bundle that was carried out can still be stored.
    fn mark_of(&self, bytes: &[u8]) -> String {
        let how = if self.stores_bundles {
            "import whole"
        } else {
            "import"
        };
        format!("{how} {}", blake3::hash(bytes).to_hex())
    }

    /// A transaction or batch as it stands; of any other Bundle the resources; else the resource.
    fn entries_of(&self, resource: Resource) -> Result<Vec<EntryRequest>, Outcome> {
        if self.stores_bundles || resource.resource_type().name() != "Bundle" {
            return Ok(vec![Self::put(0, resource)]);
        }
        if matches!(
            resource.object().get_str("type"),
            Some("transaction" | "batch")
        ) {
            let bundle = read_bundle(&self.ctx, resource)?;
            return bundle.entries.into_iter().collect();
        }
        let mut entries = Vec::new();
        for entry in resource.object().items("entry") {
            let Some(Node::Object(object)) = entry.get("resource") else {
                continue;
            };
            let resource = Resource::from_object(object.clone()).map_err(not_a_resource)?;
            entries.push(Self::put(entries.len(), resource));
        }
        Ok(entries)
    }

    /// An update under the resource's own id, or under one made of its content.
    fn put(index: usize, mut resource: Resource) -> EntryRequest {
        let id = if let Some(id) = resource.id().filter(|id| id::is_valid(id)) {
            id.to_owned()
        } else {
            let mut bytes = Vec::new();
            json::write_object(&mut bytes, resource.object());
            blake3::hash(&bytes).to_hex().chars().take(32).collect()
        };
        resource.set_id(&id);
        let condition = Precondition::default();
        let verb = Verb::Put {
            resource,
            target: Target::Id(id),
            condition,
        };
        EntryRequest {
            index,
            full_url: None,
            verb,
        }
    }

    async fn carry_lines(&self, source: &Source, report: &mut Report) -> Result<(), Outcome> {
        let mut reader = source.open().map_err(|error| unreadable(&error))?;
        let (mut number, mut waiting) = (0_usize, Vec::new());
        let mut seen = std::collections::HashSet::new();
        loop {
            let mut line = Vec::new();
            let read = reader
                .read_until(b'\n', &mut line)
                .map_err(|error| unreadable(&error))?;
            if read == 0 {
                break;
            }
            number += 1;
            self.bar.inc(u64::try_from(read).unwrap_or(0));
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let place = format!("{}:{number}", shown(&source.path));
            match self.parse(&line) {
                Ok(resource) => {
                    let entry = Self::put(waiting.len(), resource);
                    if !seen.insert(key_of(&entry)) || waiting.len() == LINES_AT_ONCE_MAX {
                        self.write(std::mem::take(&mut waiting), report).await?;
                        seen.clear();
                        seen.insert(key_of(&entry));
                    }
                    waiting.push(Line {
                        place,
                        hash: blake3::hash(&line),
                        entry,
                    });
                }
                Err(outcome) => report.fail(&place, &outcome),
            }
        }
        self.write(waiting, report).await
    }

    /// Writes lines together; when one of them is refused, one by one, so that the rest goes in.
    ///
    /// What was written is marked in the same commit, and never written again: somebody may have
    /// changed it since.
    async fn write(&self, lines: Vec<Line>, report: &mut Report) -> Result<(), Outcome> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut hasher = blake3::Hasher::new();
        for line in &lines {
            hasher.update(line.hash.as_bytes());
        }
        let group = hasher.finalize().to_hex();
        let together = self.mark(&format!("import lines {group}")).await?;
        if together.revision > 0 {
            report.unchanged += u64::try_from(lines.len()).unwrap_or(u64::MAX);
            return Ok(());
        }
        let singly = format!("import lines singly {group}");
        if self.mark(&singly).await?.revision == 0 {
            let renumbered = |(index, line): (usize, &Line)| EntryRequest {
                index,
                ..line.entry.clone()
            };
            let entries = || Ok(lines.iter().enumerate().map(renumbered).collect());
            let request = TransactionRequest {
                entries: entries()?,
                again: &entries,
                marks: vec![together],
            };
            if let Ok(answers) = transaction(&self.ctx, &self.grant, request).await {
                report.count(&answers);
                return Ok(());
            }
        }
        for line in lines {
            self.write_one(&singly, line, report).await?;
        }
        Ok(())
    }

    async fn write_one(
        &self,
        singly: &str,
        line: Line,
        report: &mut Report,
    ) -> Result<(), Outcome> {
        let mark = self.mark(&format!("import line {}", line.hash)).await?;
        if mark.revision > 0 {
            report.unchanged += 1;
            return Ok(());
        }
        let entries = || {
            Ok(vec![EntryRequest {
                index: 0,
                ..line.entry.clone()
            }])
        };
        let request = TransactionRequest {
            entries: entries()?,
            again: &entries,
            marks: vec![mark, self.mark(singly).await?],
        };
        match transaction(&self.ctx, &self.grant, request).await {
            Ok(answers) => report.count(&answers),
            Err(outcome) => report.fail(&line.place, &outcome),
        }
        Ok(())
    }

    async fn mark(&self, text: &str) -> Result<Reservation, Outcome> {
        self.ctx.records.reserve_for_good(text).await
    }

    fn parse(&self, bytes: &[u8]) -> Result<Resource, Outcome> {
        let limits = json::Limits {
            depth_max: self.ctx.settings.limits.depth_max,
        };
        json::parse_resource(bytes, limits)
            .map_err(|error| Outcome::new(Kind::Malformed, error.to_string()))
    }
}

fn key_of(entry: &EntryRequest) -> String {
    match &entry.verb {
        Verb::Put {
            resource,
            target: Target::Id(id),
            ..
        } => {
            format!("{}/{id}", resource.resource_type())
        }
        _ => String::new(),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn unreadable(error: &std::io::Error) -> Outcome {
    let hint = if error.kind() == std::io::ErrorKind::NotFound {
        "; it was removed meanwhile, or is a link to a file that is not there"
    } else {
        ""
    };
    let text = format!("the file cannot be read: {error}{hint}");
    Outcome::new(Kind::Malformed, text)
}

fn not_a_resource(_object: Object) -> Outcome {
    Outcome::new(
        Kind::Malformed,
        "an entry's resourceType is not a type of R4",
    )
}
