//! The Bundle that answers a batch or transaction, entry by entry in the order of the request.

use bytes::Bytes;

use crate::access::records::Stored;
use crate::fhir::bundle::{BundleWriter, Entry, EntryResponse};
use crate::fhir::instant::Instant;
use crate::interaction::Context;
use crate::interaction::stage::Written;
use crate::outcome::{self, Outcome};

/// What one entry came to.
#[derive(Debug, Clone)]
pub enum EntryAnswer {
    /// A write.
    Written(Written),
    /// A version that was read.
    Read(Stored),
    /// A resource that was made: the Bundle of a search or a history, what an operation answers.
    Made(Bytes),
    /// The client has it already.
    NotModified(Stored),
    /// It failed; in a batch only.
    Failed(Outcome),
}

/// Writes the answering Bundle; `with_resources` shows what was written as well.
pub fn write(
    ctx: &Context,
    is_transaction: bool,
    answers: &[EntryAnswer],
    with_resources: bool,
) -> Vec<u8> {
    let bundle_type = if is_transaction {
        "transaction-response"
    } else {
        "batch-response"
    };
    let now = Instant::from_millis(ctx.clock.now_ms()).to_string();
    let mut bundle = BundleWriter::new(bundle_type, &now, None, &[]);
    for answer in answers {
        write_entry(&mut bundle, &ctx.settings.base_url, answer, with_resources);
    }
    bundle.finish()
}

fn write_entry(
    bundle: &mut BundleWriter,
    base_url: &str,
    answer: &EntryAnswer,
    with_resources: bool,
) {
    match answer {
        EntryAnswer::Written(written) => {
            let status = match written {
                Written::Created(_) => "201 Created",
                Written::Updated(_) | Written::Unchanged(_) => "200 OK",
                Written::Deleted(_) | Written::Absent => "204 No Content",
            };
            match written.stored() {
                Some(stored) => {
                    write_stored(bundle, base_url, (stored, status), with_resources);
                }
                None => write_status(bundle, status),
            }
        }
        EntryAnswer::Read(stored) => write_stored(bundle, base_url, (stored, "200 OK"), true),
        EntryAnswer::NotModified(stored) => {
            write_stored(bundle, base_url, (stored, "304 Not Modified"), false);
        }
        EntryAnswer::Made(json) => bundle.entry(&Entry {
            resource: Some(json),
            response: Some(EntryResponse {
                status: "200 OK",
                ..EntryResponse::default()
            }),
            ..Entry::default()
        }),
        EntryAnswer::Failed(outcome) => write_failure(bundle, outcome),
    }
}

fn write_status(bundle: &mut BundleWriter, status: &str) {
    let response = Some(EntryResponse {
        status,
        ..EntryResponse::default()
    });
    bundle.entry(&Entry {
        response,
        ..Entry::default()
    });
}

fn write_stored(
    bundle: &mut BundleWriter,
    base_url: &str,
    (stored, status): (&Stored, &str),
    with_resource: bool,
) {
    let version = &stored.version;
    let full_url = format!(
        "{base_url}/{}/{}",
        version.address.resource_type, version.address.id
    );
    let location = format!("{full_url}/_history/{}", version.version_id);
    let etag = format!("W/\"{}\"", version.version_id);
    bundle.entry(&Entry {
        full_url: Some(&full_url),
        resource: (with_resource && !stored.json.is_empty()).then_some(&stored.json),
        response: Some(EntryResponse {
            status,
            location: Some(&location),
            etag: Some(&etag),
            last_modified: Some(&stored.last_updated().to_string()),
            outcome: None,
        }),
        ..Entry::default()
    });
}

fn write_failure(bundle: &mut BundleWriter, failure: &Outcome) {
    let code = failure.kind.status();
    let phrase = http::StatusCode::from_u16(code)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or_default();
    let json = outcome::to_json(&failure.issues);
    bundle.entry(&Entry {
        response: Some(EntryResponse {
            status: &format!("{code} {phrase}"),
            outcome: Some(&json),
            ..EntryResponse::default()
        }),
        ..Entry::default()
    });
}
