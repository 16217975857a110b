//! What people do on pages, as the journal keeps it.
//!
//! Written down before the page answers: what cannot be written down is not told to have been done.

use crate::access::person::Person;
use crate::account::sign_in::Origin;
use crate::audit::event::{Agent, Event};
use crate::http::state::AppState;
use crate::portal::page::Problem;

/// A person in front of a page.
pub(super) fn by(person: &Person, origin: &Origin) -> Agent {
    let agent = Agent::person(&person.id, person.role.name(), person.fhir_user.as_deref());
    agent.from(origin.address)
}

/// Writes down what was done.
pub(super) async fn note(state: &AppState, event: Event) -> Result<(), Problem> {
    let recorded = state.journal.record(event).await;
    recorded.map_err(|error| Problem::unavailable(&error))
}
