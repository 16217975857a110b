//! People who act on a server, each by what their role and relationships open to them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vesta::access::person::{Person, Role};
use vesta::access::{Grant, Intent, Session, check};
use vesta::interaction::Context;
use vesta::interaction::search::{SearchRequest, SearchScope, Strictness, search};
use vesta::interaction::update::{Precondition, Target, UpdateRequest, update};
use vesta::outcome::Outcome;
use vesta::store::Address;

use crate::support::server::{TestServer, bundle, entry};

/// Somebody who signed in.
pub(super) fn person(role: Role, fhir_user: &str, acts_for: &[&str]) -> Person {
    Person {
        id: format!("{role}-{fhir_user}"),
        name: "A test".to_owned(),
        role,
        fhir_user: (!fhir_user.is_empty()).then(|| fhir_user.to_owned()),
        acts_for: acts_for.iter().map(ToString::to_string).collect(),
        is_disabled: false,
        created_ms: 0,
    }
}

/// The clinician of most tests.
pub(super) fn clinician() -> Person {
    person(Role::Practitioner, "Practitioner/d1", &[])
}

/// A person at work.
pub(super) struct Actor<'s> {
    pub(super) ctx: &'s Context,
    pub(super) session: Session,
}

impl<'s> Actor<'s> {
    pub(super) async fn of(server: &'s TestServer, person: &Person) -> Self {
        let ctx = server.context();
        Self {
            ctx,
            session: ctx.reaches.session(person).await.unwrap(),
        }
    }

    pub(super) fn grant(&self, intent: Intent) -> Result<Grant, Outcome> {
        check(&self.session, intent)
    }

    /// `Type/id` of everything that a search of everything finds.
    pub(super) async fn sees(&self) -> BTreeSet<String> {
        self.finds(SearchScope::system(), "_count=500").await
    }

    pub(super) async fn finds(&self, scope: SearchScope, query: &str) -> BTreeSet<String> {
        let grant = self.grant(Intent::Search(None)).unwrap();
        let request = SearchRequest {
            scope,
            query: query.to_owned(),
            form: String::new(),
            strictness: Strictness::Strict,
        };
        let found = search(self.ctx, &grant, request).await.unwrap();
        let all = found.matches.iter().chain(&found.included);
        let named = all.map(|one| {
            let address = &one.version.address;
            format!("{}/{}", address.resource_type, address.id)
        });
        named.collect()
    }

    /// The ids that a search of a type finds.
    pub(super) async fn ids(&self, type_name: &str, query: &str) -> BTreeSet<String> {
        let scope = SearchScope::of_type(type_name.parse().unwrap());
        let found = self.finds(scope, query).await;
        let prefix = format!("{type_name}/");
        found
            .iter()
            .filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned))
            .collect()
    }

    /// Whether a resource can be read.
    pub(super) async fn reads(&self, name: &str) -> bool {
        let (type_name, id) = name.split_once('/').unwrap();
        let address = Address {
            resource_type: type_name.parse().unwrap(),
            id: id.to_owned(),
        };
        match self.grant(Intent::Read(address.resource_type)) {
            Ok(grant) => {
                let found = self.ctx.records.get(&grant, &address).await.unwrap();
                found.is_some()
            }
            Err(_refused) => false,
        }
    }

    /// Writes a resource at its address.
    pub(super) async fn puts(&self, resource: &Value) -> Result<(), Outcome> {
        let limits = vesta::fhir::json::Limits { depth_max: 64 };
        let text = resource.to_string();
        let resource = vesta::fhir::json::parse_resource(text.as_bytes(), limits).unwrap();
        let grant = self.grant(Intent::Update(resource.resource_type()))?;
        let id = resource.id().unwrap().to_owned();
        let request = UpdateRequest {
            resource,
            target: Target::Id(id),
            condition: Precondition::default(),
        };
        update(self.ctx, &grant, request).await.map(|_done| ())
    }
}

/// Names as a set.
pub(super) fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Stores resources at their addresses.
pub(super) async fn store(server: &TestServer, resources: &[Value]) {
    let put = |one: &Value| {
        let name = one["resourceType"].as_str().unwrap();
        let url = format!("{name}/{}", one["id"].as_str().unwrap());
        entry("PUT", &url, Some(one))
    };
    let entries: Vec<_> = resources.iter().map(put).collect();
    let answer = server.post("", &bundle("transaction", &entries)).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
}

/// A patient with an observation.
pub(super) fn chart(id: &str) -> Vec<Value> {
    let subject = json!({ "reference": format!("Patient/{id}") });
    vec![
        json!({ "resourceType": "Patient", "id": id, "name": [{ "family": "Moll" }] }),
        json!({
            "resourceType": "Observation", "id": format!("o-{id}"), "status": "final",
            "code": { "text": "a" }, "subject": subject,
        }),
    ]
}
