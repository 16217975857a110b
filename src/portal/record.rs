//! Patients as pages show them to whoever may see them: a name, a date of birth.
//!
//! Looked up with the rights of the person in front of the page and no others.

use serde_json::Value;

use crate::access::person::Person;
use crate::access::{Intent, Session, check};
use crate::fhir::id;
use crate::fhir::query;
use crate::fhir::resource_type::ResourceType;
use crate::http::state::AppState;
use crate::interaction::read::{self, ReadRequest, ReadResponse};
use crate::interaction::search::{self, SearchRequest, SearchScope, Strictness};
use crate::outcome::Outcome;
use crate::outcome::kind::Kind;
use crate::portal::page::Problem;
use crate::store::Address;

/// Patients on one page.
const SHOWN_MAX: usize = 20;

/// Characters of a name that is looked for.
const NAME_CHARS_MAX: usize = 100;

/// A patient as pages show them.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// The id of the resource.
    pub(super) id: String,
    /// The name.
    pub(super) name: String,
    /// The date of birth; empty where it is not known.
    pub(super) born: String,
}

/// A patient whom a person may see; `None` where they may not, or there is none.
pub(super) async fn patient(
    state: &AppState,
    person: &Person,
    id: &str,
) -> Result<Option<Shown>, Problem> {
    if !id::is_valid(id) {
        return Ok(None);
    }
    let session = session_of(state, person).await?;
    let resource_type = patient_type()?;
    let Ok(grant) = check(&session, Intent::Read(resource_type)) else {
        return Ok(None);
    };
    let request = ReadRequest {
        address: Address {
            resource_type,
            id: id.to_owned(),
        },
        if_none_match: None,
        if_modified_since: None,
    };
    match read::read(&state.ctx, &grant, request).await {
        Ok(ReadResponse::Found(stored) | ReadResponse::NotModified(stored)) => {
            Ok(Some(shown(id, &stored.json)))
        }
        Err(outcome) => refused(&outcome, None),
    }
}

/// The patients whom a person may see and who are called like this; the newest first.
pub(super) async fn patients_called(
    state: &AppState,
    person: &Person,
    name: &str,
) -> Result<Vec<Shown>, Problem> {
    let session = session_of(state, person).await?;
    let resource_type = patient_type()?;
    let Ok(grant) = check(&session, Intent::Search(Some(resource_type))) else {
        return Ok(Vec::new());
    };
    let name: String = name.chars().take(NAME_CHARS_MAX).collect();
    let mut pairs = vec![("_count".to_owned(), SHOWN_MAX.to_string())];
    // Every word has to be part of the name.
    for word in name.split_whitespace() {
        // A comma would mean one or the other.
        let word = word.trim_matches(',').replace(['\\', ',', '$', '|'], "");
        if !word.is_empty() {
            pairs.push(("name:contains".to_owned(), word));
        }
    }
    let request = SearchRequest {
        scope: SearchScope::of_type(resource_type),
        query: query::encode(&pairs),
        form: String::new(),
        strictness: Strictness::Strict,
    };
    match search::search(&state.ctx, &grant, request).await {
        Ok(found) => {
            let matches = found.matches.iter();
            Ok(matches
                .map(|stored| shown(&stored.version.address.id, &stored.json))
                .collect())
        }
        Err(outcome) => refused(&outcome, Vec::new()),
    }
}

async fn session_of(state: &AppState, person: &Person) -> Result<Session, Problem> {
    let session = state.ctx.reaches.session(person).await;
    session.map_err(|outcome| failed(&outcome))
}

fn patient_type() -> Result<ResourceType, Problem> {
    let found = "Patient".parse::<ResourceType>();
    found.map_err(|_unknown| Problem::unavailable(&"there is no type Patient"))
}

/// What may not be seen is not there; what failed is said to have failed.
fn refused<T>(outcome: &Outcome, nothing: T) -> Result<T, Problem> {
    match outcome.kind {
        Kind::NotFound | Kind::Gone | Kind::Forbidden | Kind::Unauthenticated => Ok(nothing),
        _ => Err(failed(outcome)),
    }
}

fn failed(outcome: &Outcome) -> Problem {
    let source = outcome.source.as_deref();
    Problem::unavailable(&source.unwrap_or("a patient cannot be read"))
}

fn shown(id: &str, json: &[u8]) -> Shown {
    let resource: Value = serde_json::from_slice(json).unwrap_or_default();
    let born = resource.get("birthDate").and_then(Value::as_str);
    Shown {
        id: id.to_owned(),
        name: name_of(&resource).unwrap_or_else(|| "A patient without a name".to_owned()),
        born: born.unwrap_or_default().to_owned(),
    }
}

/// The name that somebody goes by: the usual or official one first.
fn name_of(resource: &Value) -> Option<String> {
    let names = resource.get("name")?.as_array()?;
    let rank = |name: &&Value| match name.get("use").and_then(Value::as_str) {
        Some("usual") => 0,
        Some("official") => 1,
        None => 2,
        Some("old" | "maiden") => 4,
        Some(_) => 3,
    };
    let name = names.iter().min_by_key(rank)?;
    if let Some(text) = name.get("text").and_then(Value::as_str) {
        return Some(text.to_owned());
    }
    let given = name.get("given").and_then(Value::as_array);
    let given = given.into_iter().flatten().filter_map(Value::as_str);
    let family = name.get("family").and_then(Value::as_str);
    let words: Vec<_> = given.chain(family).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::name_of;

    #[test]
    fn somebody_goes_by_their_usual_name() {
        let name = |value| name_of(&value);
        assert_eq!(
            name(json!({ "name": [
                { "use": "old", "family": "Before" },
                { "use": "usual", "given": ["Moll", "F."], "family": "Flanders" },
            ] }))
            .as_deref(),
            Some("Moll F. Flanders")
        );
        assert_eq!(
            name(json!({ "name": [{ "text": "Dr. Moll" }] })).as_deref(),
            Some("Dr. Moll")
        );
        assert_eq!(name(json!({ "name": [{}] })), None);
        assert_eq!(name(json!({})), None);
    }
}
