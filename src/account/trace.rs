//! What people and operators do with accounts, written into the journal before it is answered.
//!
//! An event names the account by its id, never by a name that somebody typed.

use crate::access::person::Person;
use crate::account::accounts::Accounts;
use crate::account::error::AccountError;
use crate::account::sign_in::Origin;
use crate::audit::event::{Act, Agent, Event};

impl Origin {
    /// A person who acts from here.
    pub fn agent(&self, person: &Person) -> Agent {
        let agent = Agent::person(&person.id, person.role.name(), person.fhir_user.as_deref());
        agent.from(self.address)
    }

    /// Somebody who acts from here, and of whom nothing is known.
    pub fn nobody(&self) -> Agent {
        Agent::default().from(self.address)
    }
}

impl Accounts {
    /// Writes down what was done, or refused; nothing is answered before.
    pub(super) async fn note(&self, origin: &Origin, event: Event) -> Result<(), AccountError> {
        let event = match &origin.request_id {
            Some(id) => event.in_request(id.clone()),
            None => event,
        };
        self.note_by_operator(event).await
    }

    /// As [`Accounts::note`], for what has no request.
    pub(super) async fn note_by_operator(&self, event: Event) -> Result<(), AccountError> {
        let recorded = self.journal.record(event).await;
        recorded.map_err(|error| AccountError::Unavailable(error.to_string()))
    }

    /// Writes down something that a person did to their own account.
    pub(super) async fn note_own(
        &self,
        (act, origin): (Act, &Origin),
        person: &Person,
    ) -> Result<(), AccountError> {
        let event = Event::success(act)
            .by(origin.agent(person))
            .about(&person.id);
        self.note(origin, event).await
    }

    /// Writes down that somebody was not let in, and gives back why.
    pub(super) async fn note_refused(
        &self,
        origin: &Origin,
        person: Option<&Person>,
        error: AccountError,
    ) -> AccountError {
        let reason = match &error {
            AccountError::Refused => "wrong password or code",
            AccountError::Locked { .. } => "too many tries",
            AccountError::Link => "a link that does not work",
            AccountError::Unusable(_) => "not allowed",
            // Nothing was decided; the log has the cause.
            AccountError::Unknown | AccountError::Busy | AccountError::Unavailable(_) => {
                return error;
            }
        };
        let event = Event::refused(Act::SignIn, reason).by(origin.nobody());
        let event = match person {
            Some(person) => event.about(&person.id),
            None => event,
        };
        match self.note(origin, event).await {
            Ok(()) => error,
            Err(unwritten) => unwritten,
        }
    }
}
