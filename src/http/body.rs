//! Request bodies: read up to the limit, then as JSON or XML by their content type.
//!
//! Heavy ones are worked on aside, so that they delay nobody else.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use crate::fhir::json;
use crate::fhir::patch as json_patch;
use crate::fhir::resource::{Node, Resource};
use crate::fhir::xml::{self, XmlLimits};
use crate::http::content;
use crate::http::format::{self, Format};
use crate::http::state::AppState;
use crate::interaction::patch::Patch;
use crate::outcome::kind::Kind;
use crate::outcome::{Issue, Outcome};

/// How much of a body that is too large is still read, so that the client sees the answer instead
/// of a broken connection.
const DRAINED_BYTES_MAX: usize = 64 << 20;

/// Up to here a body is worked on where the request is; other requests wait meanwhile.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// Reads a whole body; 413 when it is over the limit.
pub async fn read(state: &AppState, mut body: Body) -> Result<Bytes, Outcome> {
    let bytes_max = state.ctx.settings.limits.body_bytes_max;
    let mut bytes = BytesMut::new();
    let mut over = 0;
    let pause_max = Duration::from_secs(state.ctx.settings.limits.body_pause_seconds_max);
    while let Some(frame) = in_time(pause_max, body.frame()).await? {
        let frame = frame.map_err(|error| {
            let text = "The body ended early or could not be decompressed.";
            Outcome::new(Kind::Malformed, text).caused_by(&error)
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if over == 0 && bytes.len() + data.len() <= bytes_max {
            bytes.extend_from_slice(&data);
            continue;
        }
        over += data.len();
        if over > DRAINED_BYTES_MAX {
            break;
        }
    }
    if over > 0 {
        let text = format!("The body is over the limit of {bytes_max} bytes.");
        return Err(Outcome::new(Kind::TooLarge, text));
    }
    Ok(bytes.freeze())
}

/// What comes of a body next, in time: who stops sending does not keep a place.
async fn in_time<T>(pause_max: Duration, next: impl Future<Output = T>) -> Result<T, Outcome> {
    tokio::time::timeout(pause_max, next)
        .await
        .map_err(|_elapsed| {
            let text = format!(
                "Nothing of the body came for {} seconds.",
                pause_max.as_secs()
            );
            Outcome::new(Kind::TooSlow, text)
        })
}

/// Reads a body as a resource.
pub async fn resource(
    state: &AppState,
    headers: &HeaderMap,
    body: Body,
) -> Result<Resource, Outcome> {
    let bytes = read(state, body).await?;
    let (state, headers) = (state.clone(), headers.clone());
    let bytes_count = bytes.len();
    aside(
        bytes_count,
        async move { resource_of(&state, &headers, &bytes) },
    )
    .await?
}

/// The resource that a body holds.
pub fn resource_of(
    state: &AppState,
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<Resource, Outcome> {
    parse(state, format::of_content(headers)?, bytes)
}

/// The `Binary` that a body holds: the resource, or any content, which becomes one under `id`. What
/// is no `Binary` is content whatever its type; only a broken `Binary` must not pass for content.
pub fn binary_of(
    state: &AppState,
    headers: &HeaderMap,
    bytes: &[u8],
    id: Option<&str>,
) -> Result<Resource, Outcome> {
    format::content_mime(headers)?;
    let content_type = content::type_of_sent(headers)?;
    let format = format::of_content(headers).ok();
    let mut binary = match format.map(|format| parse(state, format, bytes)) {
        Some(Ok(resource)) if resource.resource_type().name() == "Binary" => resource,
        Some(Err(outcome)) if bytes.is_empty() || names_binary(bytes) => return Err(outcome),
        _ if bytes.is_empty() => return Err(empty("content must be sent")),
        _ => content::wrap(id, &content_type, bytes)?,
    };
    content::set_security_context(headers, &mut binary)?;
    Ok(binary)
}

/// Whether it looks like a `Binary` in JSON or XML.
fn names_binary(bytes: &[u8]) -> bool {
    let has = |name: &[u8]| bytes.windows(name.len()).any(|window| window == name);
    has(b"\"Binary\"") || has(b"<Binary")
}

/// Large bodies that are worked on at once: far fewer than there are threads for blocking work, and
/// as much memory as that takes.
static HEAVY: Semaphore = Semaphore::const_new(32);

/// Does work on so many bytes: here when they are few, else on a thread for blocking work, with all
/// that it waits for, so that a large body delays nobody else. It ends when nobody waits for it.
pub async fn aside<T: Send + 'static>(
    bytes: usize,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Outcome> {
    if bytes <= INLINE_BYTES_MAX {
        return Ok(work.await);
    }
    // Such work waits for other blocking work, which must find a thread.
    let place = HEAVY.acquire().await;
    let (waiting, left) = oneshot::channel::<()>();
    let runtime = Handle::current();
    let until_left = async {
        tokio::select! {
            done = work => Some(done),
            _ = left => None,
        }
    };
    let done = tokio::task::spawn_blocking(move || runtime.block_on(until_left)).await;
    drop((waiting, place));
    // What a panic says may quote the body.
    done.map_err(|_panicked| Outcome::internal("work on a body broke off"))?
        .ok_or_else(|| Outcome::internal("work on a body was left"))
}

/// The patch that a body holds: JSON Patch or FHIRPath Patch by its content type.
pub fn patch_of(state: &AppState, headers: &HeaderMap, bytes: &[u8]) -> Result<Patch, Outcome> {
    let mime = format::content_mime(headers)?;
    if mime == "application/json-patch+json" {
        return json_patch(state, bytes).map(Patch::Json);
    }
    let format = format::of_content(headers).map_err(|_other| no_patch())?;
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if format == Format::Json && first == Some(&b'[') {
        return json_patch(state, bytes).map(Patch::Json);
    }
    let parameters = parse(state, format, bytes)?;
    if parameters.resource_type().name() != "Parameters" {
        return Err(no_patch());
    }
    Ok(Patch::Fhirpath(parameters))
}

fn no_patch() -> Outcome {
    Outcome::new(
        Kind::UnsupportedMediaType,
        "A patch is application/json-patch+json, or a Parameters resource (FHIRPath Patch) as \
         application/fhir+json or application/fhir+xml.",
    )
}

fn json_patch(state: &AppState, bytes: &[u8]) -> Result<Node, Outcome> {
    json_patch::read(bytes, json_limits(state))
        .map_err(|error| malformed(error.to_string(), error.path))
}

fn parse(state: &AppState, format: Format, bytes: &[u8]) -> Result<Resource, Outcome> {
    if bytes.is_empty() {
        return Err(empty("a resource must be sent"));
    }
    match format {
        Format::Json => json::parse_resource(bytes, json_limits(state))
            .map_err(|error| malformed(error.to_string(), error.path)),
        Format::Xml => {
            let limits = &state.ctx.settings.limits;
            let limits = XmlLimits {
                depth_max: limits.depth_max,
                attributes_max: limits.xml_attributes_max,
            };
            xml::parse_resource(bytes, state.ctx.registry.shapes(), limits)
                .map_err(|error| malformed(error.to_string(), error.path))
        }
    }
}

fn empty(right: &str) -> Outcome {
    Outcome::new(Kind::Malformed, format!("The body is empty: {right}."))
}

fn json_limits(state: &AppState) -> json::Limits {
    json::Limits {
        depth_max: state.ctx.settings.limits.depth_max,
    }
}

fn malformed(reason: String, path: String) -> Outcome {
    let issue = Issue::error("structure", reason);
    let issue = if path.is_empty() {
        issue
    } else {
        issue.at(path)
    };
    Outcome::with_issues(Kind::Malformed, vec![issue])
}
