//! One event for every request over FHIR, durable before its answer leaves.
//!
//! Also for what was refused, what failed and what nobody waited for. When the event cannot be
//! written, nothing leaves but a 503. What the event holds: `docs/audit.md`.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use crate::access::trail::{Actor, Summary, Touched, Trail};
use crate::audit::event::{self, Act, Agent, Event, EventOutcome};
use crate::audit::ledger::JournalError;
use crate::fhir::id;
use crate::fhir::query;
use crate::fhir::resource_type::ResourceType;
use crate::http::format::Format;
use crate::http::middleware::observe::RequestId;
use crate::http::oauth::Peer;
use crate::http::state::AppState;
use crate::outcome::{self, Outcome};

/// Seconds after which a client may try again.
const RETRY_SECONDS: &str = "2";

/// A request whose event is not written yet.
pub(super) struct Pending {
    state: AppState,
    trail: Trail,
    id: RequestId,
    act: Act,
    path: String,
    query: Option<String>,
    peer: Peer,
    /// Otherwise it is a page, which has an event of this kind only where it showed records.
    is_fhir: bool,
    is_settled: bool,
}

impl Pending {
    /// Begins to follow a request; `None` for one that no event is written for.
    pub(super) fn begin(
        state: &AppState,
        request: &mut Request,
        (interaction, pattern): (&'static str, &str),
    ) -> Option<Self> {
        let is_preflight = request.method() == http::Method::OPTIONS;
        if is_preflight || !state.journal.is_kept() {
            return None;
        }
        let is_fhir = request.uri().path().starts_with("/fhir");
        let act = if is_fhir {
            act(interaction, pattern)?
        } else {
            Act::Other
        };
        let trail = Trail::default();
        request.extensions_mut().insert(trail.clone());
        let id = request.extensions().get::<RequestId>().cloned();
        Some(Self {
            state: state.clone(),
            trail,
            id: id.unwrap_or_default(),
            act,
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(ToOwned::to_owned),
            peer: Peer::of(request),
            is_fhir,
            is_settled: false,
        })
    }

    /// Writes the event; what leaves then.
    pub(super) async fn settle(mut self, response: Response) -> Response {
        let event = self.event(Some(response.status()));
        let written = if self.counts(&event) {
            self.state.journal.record(event).await
        } else {
            Ok(())
        };
        self.is_settled = true;
        match written {
            Ok(()) => response,
            Err(error) => self.refuse(error),
        }
    }

    /// Whether the event is one.
    fn counts(&self, event: &Event) -> bool {
        self.is_fhir || !event.touched.is_empty() || !event.patients.is_empty()
    }

    fn refuse(&self, error: JournalError) -> Response {
        let cause = error.to_string();
        tracing::error!(request = %self.id, cause, "an event cannot be written");
        let outcome = Outcome::from(error);
        let body = outcome::to_json(&outcome.issues);
        let mut response = (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static(Format::Json.content_type());
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
        response
    }

    /// What happened. Without a status nobody waited for the answer.
    fn event(&self, status: Option<StatusCode>) -> Event {
        let Summary {
            actor,
            searched,
            shown,
            written,
        } = self.trail.take();
        let mut event = match status {
            Some(status) if status.is_server_error() => Event::failed(self.act, &said(status)),
            Some(status) if status.is_client_error() => Event::refused(self.act, &said(status)),
            Some(_) => Event::success(self.act),
            None => Event::failed(self.act, "the client went away"),
        };
        let outcome = event.ending.outcome;
        // What was refused did not leave, and was not written. A write that failed may have been.
        // What a write opens before it is what it writes.
        let is_write = !written.is_empty() && self.act != Act::Bundle;
        if outcome == EventOutcome::Success && !is_write {
            add(&mut event, shown, false);
        }
        if outcome != EventOutcome::Minor {
            add(&mut event, written, true);
        }
        if event.touched.is_empty() && outcome != EventOutcome::Success {
            event.touched.extend(self.target());
        }
        for text in &searched {
            for id in sought(text) {
                if !event.patients.contains(&id) {
                    event.patients.push(id);
                }
            }
        }
        event.purpose = actor.as_ref().and_then(|actor| actor.purpose.clone());
        event.agent = agent(actor.as_deref(), self.peer);
        event.query = self.query(&searched);
        event.in_request(self.id.to_string())
    }

    fn query(&self, searched: &[String]) -> Option<String> {
        if !searched.is_empty() {
            return Some(searched.join("\n"));
        }
        let path = self.path.strip_prefix("/fhir/").unwrap_or_default();
        let query = self.query.as_deref().filter(|query| !query.is_empty())?;
        Some(format!("{path}?{query}"))
    }

    /// The resource that the path names.
    fn target(&self) -> Option<event::Touched> {
        let mut segments = self.path.strip_prefix("/fhir/")?.split('/');
        let resource_type: ResourceType = segments.next()?.parse().ok()?;
        let id = segments.next().filter(|one| id::is_valid(one))?;
        Some(event::Touched {
            reference: format!("{resource_type}/{id}"),
            version_id: None,
            patients: Vec::new(),
            is_written: false,
        })
    }
}

impl Drop for Pending {
    /// A client that goes away takes its request with it; what was done until then is written down
    /// all the same.
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.is_settled {
            return;
        }
        let (state, event) = (self.state.clone(), self.event(None));
        if !self.counts(&event) {
            return;
        }
        drop(runtime.spawn(async move {
            if let Err(error) = state.journal.record(event).await {
                tracing::error!(%error, "the event of a broken request cannot be written");
            }
        }));
    }
}

/// The patients that a search names, whether it finds anything of them or not.
fn sought(text: &str) -> Vec<String> {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    let mut segments = path.split('/');
    let of_path = match (segments.next(), segments.next()) {
        (Some("Patient"), Some(id)) => Some(id.to_owned()),
        _ => None,
    };
    let is_patients = path == "Patient";
    let of_query = query::pairs(query).into_iter().flat_map(|(name, value)| {
        let name = name.strip_suffix(":Patient").unwrap_or(&name);
        let names_patients =
            matches!(name, "patient" | "subject") || (is_patients && name == "_id");
        let values = value.split(',').filter(|_| names_patients);
        let ids = values.map(|one| one.rsplit_once("Patient/").map_or(one, |(_, id)| id));
        ids.map(ToOwned::to_owned).collect::<Vec<_>>()
    });
    let all = of_path.into_iter().chain(of_query);
    all.filter(|id| id::is_valid(id)).collect()
}

/// What an interaction is to the journal; `None` for what says nothing of anybody.
fn act(interaction: &str, pattern: &str) -> Option<Act> {
    Some(match interaction {
        "read" => Act::Read,
        "vread" => Act::Vread,
        "history-instance" | "history-type" | "history-system" => Act::History,
        "search-type" | "search-system" => Act::Search,
        "create" => Act::Create,
        "update" => Act::Update,
        "patch" => Act::Patch,
        "delete" => Act::Delete,
        "bundle" => Act::Bundle,
        "capabilities" => return None,
        "operation" if pattern.ends_with("$erase") => Act::Erase,
        "operation" if pattern.ends_with("$export") => Act::Export,
        "operation" if pattern.ends_with("$reindex") => Act::Administration,
        "operation" => Act::Operation,
        _ if pattern.contains("/.well-known/") => return None,
        _ => Act::Other,
    })
}

fn said(status: StatusCode) -> String {
    format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    )
}

fn agent(actor: Option<&Actor>, Peer(address): Peer) -> Agent {
    let Some(actor) = actor else {
        return Agent::default().from(address);
    };
    Agent {
        person_id: actor.person_id.clone(),
        fhir_user: actor.fhir_user.clone(),
        role: actor.role.map(ToOwned::to_owned),
        client_id: actor.client_id.clone(),
        grant_id: actor.grant_id.clone(),
        address: Some(address),
        is_system: false,
    }
}

/// Adds resources, with each patient named once.
fn add(event: &mut Event, touched: Vec<Touched>, is_written: bool) {
    for one in touched {
        let mut patients = Vec::with_capacity(one.patients.len());
        for id in one.patients {
            let known = event.patients.iter().rposition(|known| *known == id);
            let place = known.unwrap_or_else(|| {
                event.patients.push(id);
                event.patients.len() - 1
            });
            patients.push(u32::try_from(place).unwrap_or(u32::MAX));
        }
        event.touched.push(event::Touched {
            reference: format!("{}/{}", one.address.resource_type, one.address.id),
            version_id: one.version_id,
            patients,
            is_written,
        });
    }
}
