//! Where administrators see to accounts: invite, confirm, disable, reset.
//!
//! The same acts as those of `vesta user`; nobody may shut out or demote themselves.

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;

use crate::access::person::Role;
use crate::account::accounts::Accounts;
use crate::account::administration::{Listed, NewPerson};
use crate::account::error::AccountError;
use crate::audit::event::Agent;
use crate::http::state::AppState;
use crate::portal::form::{Fields, SignedInForm};
use crate::portal::page::{Frame, Page, Problem, go_to, with_status};
use crate::portal::session::{self, SignedIn};

/// People on one page; the others are found by searching.
const SHOWN_MAX: usize = 100;

/// The routes of the page and its forms.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/people", get(show).post(invite))
        .route("/people/change", post(change))
}

/// What is looked for, and what has just been done.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    #[serde(default)]
    find: String,
    #[serde(default)]
    done: String,
}

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage {
    frame: Frame,
    csrf: String,
    find: String,
    problem: Option<String>,
    notice: Option<&'static str>,
    people: Vec<ShownPerson>,
    is_cut: bool,
    roles: [Role; 5],
}

struct ShownPerson {
    id: String,
    name: String,
    sign_in_name: String,
    role: Role,
    /// The resource that describes them; empty where there is none.
    described: String,
    is_disabled: bool,
    is_invited: bool,
    is_unconfirmed: bool,
    has_factor: bool,
    /// Whether it is who looks: they have no buttons for themselves.
    is_self: bool,
}

impl ShownPerson {
    fn of(one: Listed, own_id: &str) -> Self {
        let person = one.person;
        Self {
            is_self: person.id == own_id,
            is_unconfirmed: person.role == Role::Patient && person.fhir_user.is_none(),
            id: person.id,
            name: person.name,
            sign_in_name: one.sign_in_name,
            role: person.role,
            described: person.fhir_user.unwrap_or_default(),
            is_disabled: person.is_disabled,
            is_invited: !one.has_joined,
            has_factor: one.has_factor,
        }
    }
}

/// A link that was made, shown once.
#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage {
    frame: Frame,
    text: &'static str,
    link: String,
}

impl SignedIn {
    /// Lets administrators go on, and nobody else.
    fn require_administrator(self) -> Result<Self, Problem> {
        if self.person.role == Role::Administrator {
            return Ok(self);
        }
        Err(Problem::forbidden())
    }
}

async fn show(
    State(state): State<AppState>,
    Query(asked): Query<Asked>,
    signed_in: SignedIn,
) -> Result<Response, Problem> {
    let signed_in = signed_in.require_administrator()?;
    let accounts = session::accounts(&state)?;
    let notice = match asked.done.as_str() {
        "confirm" => Some("It is confirmed who this is."),
        "disable" => Some("The account is shut out, with every session and every app it had."),
        "enable" => Some("The account may be used again."),
        "role" => Some("The role is changed."),
        _ => None,
    };
    let page = page(&accounts, &signed_in, asked.find, None).await?;
    Ok(Page(PeoplePage { notice, ..page }).into_response())
}

async fn page(
    accounts: &Accounts,
    signed_in: &SignedIn,
    find: String,
    problem: Option<String>,
) -> Result<PeoplePage, Problem> {
    let mut people = accounts.everybody().await?;
    let wanted = find.trim().to_lowercase();
    people.retain(|one| {
        let (name, sign_in_name) = (&one.person.name, &one.sign_in_name);
        [name, sign_in_name]
            .into_iter()
            .any(|text| text.to_lowercase().contains(&wanted))
    });
    let is_cut = people.len() > SHOWN_MAX;
    people.truncate(SHOWN_MAX);
    let own_id = &signed_in.person.id;
    let people = people.into_iter().map(|one| ShownPerson::of(one, own_id));
    Ok(PeoplePage {
        frame: Frame::of_person("People", &signed_in.person, &signed_in.csrf),
        csrf: signed_in.csrf.clone(),
        find,
        problem,
        notice: None,
        people: people.collect(),
        is_cut,
        roles: Role::ALL,
    })
}

fn given(fields: &Fields, name: &str) -> Option<String> {
    let text = fields.get(name).trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Ids of patients, however they are parted.
fn ids(fields: &Fields) -> Vec<String> {
    let text = fields.get("acts_for");
    let parts = text.split([',', ' ', ';']).filter(|part| !part.is_empty());
    parts.map(ToOwned::to_owned).collect()
}

fn role(fields: &Fields) -> Result<Role, AccountError> {
    let role = fields.get("role").parse();
    role.map_err(|_unknown| AccountError::Unusable("Choose a role.".to_owned()))
}

async fn invite(State(state): State<AppState>, form: SignedInForm) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let SignedInForm {
        signed_in,
        fields,
        origin,
    } = form;
    let signed_in = signed_in.require_administrator()?;
    let agent = origin.agent(&signed_in.person);
    let added = async {
        let new = NewPerson {
            sign_in_name: fields.get("sign_in_name").trim().to_owned(),
            name: fields.get("name").to_owned(),
            role: role(&fields)?,
            email: None,
            fhir_user: given(&fields, "fhir_user"),
            acts_for: ids(&fields),
            password: None,
        };
        accounts.add(new, &agent).await
    };
    match added.await {
        Ok((_, link)) => Ok(Page(LinkPage {
            frame: Frame::of_person("The invitation", &signed_in.person, &signed_in.csrf),
            text: "With this link the account is ready to be used, once. It was mailed if the \
                   sign-in name is an e-mail address and mail is set up; else hand it over \
                   yourself.",
            link: link.unwrap_or_default(),
        })
        .into_response()),
        Err(error) => again(&accounts, &signed_in, error).await,
    }
}

/// Shows the page again with what was not right.
async fn again(
    accounts: &Accounts,
    signed_in: &SignedIn,
    error: AccountError,
) -> Result<Response, Problem> {
    let text = match error {
        AccountError::Unusable(text) => text,
        other => return Err(other.into()),
    };
    let page = page(accounts, signed_in, String::new(), Some(text)).await?;
    Ok(with_status(StatusCode::BAD_REQUEST, page))
}

async fn change(State(state): State<AppState>, form: SignedInForm) -> Result<Response, Problem> {
    let accounts = session::accounts(&state)?;
    let SignedInForm {
        signed_in,
        fields,
        origin,
    } = form;
    let signed_in = signed_in.require_administrator()?;
    let agent = &origin.agent(&signed_in.person);
    let changed = change_one(&accounts, (&signed_in, agent), &fields).await;
    match changed {
        Ok(None) => Ok(go_to(&format!("/people?done={}", act(&fields)))),
        Ok(Some(link)) => Ok(Page(LinkPage {
            frame: Frame::of_person("A new password", &signed_in.person, &signed_in.csrf),
            text: "The old password no longer works. With this link a new one is chosen, once. \
                   Hand it over only to the person themselves.",
            link,
        })
        .into_response()),
        Err(error) => again(&accounts, &signed_in, error).await,
    }
}

/// The acts that the address of the page may name afterwards.
fn act(fields: &Fields) -> &'static str {
    let known = ["confirm", "disable", "enable", "role", "reset"];
    let act = fields.get("act");
    known
        .into_iter()
        .find(|known| *known == act)
        .unwrap_or_default()
}

/// Does what the pressed button says; a link, when one was made.
async fn change_one(
    accounts: &Accounts,
    (signed_in, agent): (&SignedIn, &Agent),
    fields: &Fields,
) -> Result<Option<String>, AccountError> {
    let name = fields.get("sign_in_name");
    let found = accounts.find(name).await?;
    let (person, _) = found.ok_or(AccountError::Unknown)?;
    if person.id == signed_in.person.id {
        return Err(AccountError::Unusable(
            "Your own account is changed by another administrator, or on its own page.".to_owned(),
        ));
    }
    match act(fields) {
        "confirm" => {
            let described = fields.get("fhir_user").trim();
            accounts.confirm(name, described, agent).await?;
        }
        "disable" => {
            accounts.set_disabled(name, true, agent).await?;
        }
        "enable" => {
            accounts.set_disabled(name, false, agent).await?;
        }
        "role" => {
            let now = (given(fields, "fhir_user"), ids(fields));
            let role = role(fields)?;
            accounts.set_role((name, role), now, agent).await?;
        }
        "reset" => {
            let with_factors = fields.get("with_factors") == "yes";
            return accounts.reset(name, with_factors, agent).await.map(Some);
        }
        _ => return Err(AccountError::Unusable("Choose what to do.".to_owned())),
    }
    Ok(None)
}
