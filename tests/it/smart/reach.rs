//! One set of policies through every way out: each lets out the same resources and no other.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};
use vesta::access::policy::{Policy, Subject};
use vesta::access::{Intent, Session, check};
use vesta::config::{AccessMode, Config};
use vesta::interaction::history::{HistoryRequest, history};
use vesta::interaction::search::{SearchRequest, SearchScope, Strictness, search};
use vesta::interaction::update::{Precondition, Target, UpdateRequest, update};
use vesta::outcome::kind::Kind;
use vesta::store::{Address, HistoryScope};

use crate::support::server::{Answer, Backend, TestServer, bundle, entry, on_both_stores};
use crate::support::smart::{ClientKey, SmartClient, get_as, post_as, put_as, smart_server};

on_both_stores!(
    every_way_out_lets_out_the_same,
    a_link_serves_only_the_right_that_it_was_made_for,
    a_patients_scopes_end_at_their_record
);

const LONG_NAME: &str = "Ahlgren-Wilhelmsson-Lundquist";

/// A policy, and the resources that it is about.
struct Case {
    scopes: &'static str,
    shows: fn(&Value) -> bool,
}

const CASES: [Case; 7] = [
    Case {
        scopes: "system/*.rs",
        shows: |_resource| true,
    },
    Case {
        scopes: "system/Observation.rs?category=laboratory",
        shows: |one| is(one, "Observation") && has_category(one, "laboratory"),
    },
    Case {
        scopes: "system/Observation.rs?category=vital-signs system/Patient.rs",
        shows: |one| {
            is(one, "Patient") || (is(one, "Observation") && has_category(one, "vital-signs"))
        },
    },
    Case {
        scopes: "system/*.rs?_tag=a",
        shows: |one| one["meta"]["tag"][0]["code"] == "a",
    },
    // What keys only approximate: a long name, a value in another unit.
    Case {
        scopes: "system/Patient.rs?family:exact=Ahlgren-Wilhelmsson-Lundquist \
                 system/Observation.rs?value-quantity=gt5",
        shows: |one| {
            one["name"][0]["family"] == LONG_NAME
                || one["valueQuantity"]["value"]
                    .as_i64()
                    .is_some_and(|value| value > 5)
        },
    },
    // What keys say nothing of: the negation of what they approximate.
    Case {
        scopes: "system/Patient.rs?_filter=family%20ne%20%22Ahlgren-Wilhelmsson-Lundquist%22",
        shows: |one| is(one, "Patient") && one["name"][0]["family"] != LONG_NAME,
    },
    Case {
        scopes: "system/Condition.rs system/Encounter.rs",
        shows: |one| is(one, "Condition") || is(one, "Encounter"),
    },
];

fn is(resource: &Value, name: &str) -> bool {
    resource["resourceType"] == name
}

fn has_category(resource: &Value, code: &str) -> bool {
    resource["category"][0]["coding"][0]["code"] == code
}

fn observation(id: &str, patient: u8, category: &str, value: u8) -> Value {
    json!({
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "category": [{ "coding": [{ "code": category }] }],
        "code": { "coding": [{ "system": "http://loinc.org", "code": "1" }] },
        "subject": { "reference": format!("Patient/p{patient}") },
        "encounter": { "reference": format!("Encounter/e{patient}") },
        "performer": [{ "reference": "Practitioner/d1" }],
        "valueQuantity": { "value": value, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg" },
    })
}

fn resources() -> Vec<Value> {
    let mut all = vec![
        json!({ "resourceType": "Practitioner", "id": "d1", "name": [{ "family": "Doc" }] }),
        json!({ "resourceType": "Organization", "id": "g1", "name": "Ward" }),
        json!({
            "resourceType": "Group", "id": "gr", "type": "person", "actual": true,
            "member": [
                { "entity": { "reference": "Patient/p1" } },
                { "entity": { "reference": "Patient/p2" } },
            ],
        }),
    ];
    for number in 1..=3 {
        let family = if number == 2 {
            LONG_NAME
        } else {
            "Ahlgren-Wilhelmsson-Lund"
        };
        let tag = if number == 1 { "a" } else { "b" };
        let mut patient = json!({
            "resourceType": "Patient",
            "id": format!("p{number}"),
            "meta": { "tag": [{ "code": tag }] },
            "name": [{ "family": family }],
            "managingOrganization": { "reference": "Organization/g1" },
        });
        if number == 3 {
            patient["link"] =
                json!([{ "other": { "reference": "Patient/p1" }, "type": "seealso" }]);
        }
        all.push(patient);
        all.push(json!({
            "resourceType": "Encounter", "id": format!("e{number}"), "status": "finished",
            "class": { "code": "AMB" }, "subject": { "reference": format!("Patient/p{number}") },
        }));
        all.push(json!({
            "resourceType": "Condition", "id": format!("c{number}"),
            "meta": { "tag": [{ "code": tag }] },
            "subject": { "reference": format!("Patient/p{number}") },
        }));
        all.push(observation(&format!("l{number}"), number, "laboratory", 3));
        all.push(observation(&format!("v{number}"), number, "vital-signs", 7));
    }
    all
}

/// Stores everything: with a version that says something else than the next, and a tombstone.
async fn fill(server: &TestServer, token: &str) {
    let put = |one: &Value| {
        let url = format!(
            "{}/{}",
            one["resourceType"].as_str().unwrap(),
            one["id"].as_str().unwrap()
        );
        entry("PUT", &url, Some(one))
    };
    let entries: Vec<_> = resources().iter().map(put).collect();
    let answer = post_as(server, token, "", &bundle("transaction", &entries)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let turned = observation("l3", 3, "vital-signs", 9);
    assert_eq!(
        put_as(server, token, "Observation/l3", &turned)
            .await
            .status,
        StatusCode::OK
    );
    let call = server.request(http::Method::DELETE, "Condition/c3");
    let deleted = call
        .header("authorization", &format!("Bearer {token}"))
        .send()
        .await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
}

/// A stored version, and the content that decides who may see it.
#[derive(Debug, Clone)]
struct Known {
    name: String,
    version: String,
    content: Value,
    is_deleted: bool,
    is_current: bool,
    /// The content of the version that is current now.
    now: Value,
}

/// Whether something is written by the server itself, about the requests of this test too.
fn is_of_journal(name: &str) -> bool {
    let of_type = name.split('/').next().unwrap();
    ["AuditEvent", "Provenance"].contains(&of_type)
}

/// Everything there is, as the history of everything tells it.
async fn everything(server: &TestServer, token: &str) -> Vec<Known> {
    let history = get_as(server, token, "_history?_count=200").await.json();
    let mut known: Vec<Known> = Vec::new();
    let mut entries = history["entry"].as_array().unwrap().clone();
    entries.reverse();
    for one in entries {
        let url = one["request"]["url"].as_str().unwrap().to_owned();
        if is_of_journal(&url) {
            continue;
        }
        let is_deleted = one["request"]["method"] == "DELETE";
        let etag = one["response"]["etag"].as_str().unwrap();
        let version = etag.trim_start_matches("W/").trim_matches('"').to_owned();
        let before = known.iter_mut().rfind(|known| known.name == url);
        let content = match before {
            Some(before) => {
                before.is_current = false;
                if is_deleted {
                    before.content.clone()
                } else {
                    one["resource"].clone()
                }
            }
            None => one["resource"].clone(),
        };
        known.push(Known {
            name: url,
            version,
            now: content.clone(),
            content,
            is_deleted,
            is_current: true,
        });
    }
    assert_eq!(known.len(), resources().len() + 2);
    let now: BTreeMap<String, Value> = known
        .iter()
        .map(|one| (one.name.clone(), one.content.clone()))
        .collect();
    for one in &mut known {
        one.now = now[&one.name].clone();
    }
    known
}

/// `Type/id` of every entry of an answer.
fn names(answer: &Answer) -> BTreeSet<String> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let body = answer.json();
    let entries = body["entry"].as_array().cloned().unwrap_or_default();
    let named = |one: &Value| {
        let resource = &one["resource"];
        match resource["id"].as_str() {
            Some(id) => format!("{}/{id}", resource["resourceType"].as_str().unwrap()),
            None => one["request"]["url"].as_str().unwrap().to_owned(),
        }
    };
    let all = entries.iter().map(named);
    all.filter(|name| !is_of_journal(name)).collect()
}

/// `Type/id/version` of every entry of a history.
fn versions(answer: &Answer) -> BTreeSet<String> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let body = answer.json();
    let entries = body["entry"].as_array().cloned().unwrap_or_default();
    assert_eq!(
        body["total"],
        entries.len(),
        "a total tells of what is hidden"
    );
    let named = |one: &Value| {
        let url = one["request"]["url"].as_str().unwrap();
        let etag = one["response"]["etag"].as_str().unwrap();
        format!("{url}/{}", etag.trim_start_matches("W/").trim_matches('"'))
    };
    let all = entries.iter().map(named);
    all.filter(|name| !is_of_journal(name)).collect()
}

/// One policy, under test.
struct Trial<'a> {
    server: &'a TestServer,
    token: String,
    case: &'a Case,
    known: &'a [Known],
}

impl Trial<'_> {
    async fn get(&self, path: &str) -> Answer {
        get_as(self.server, &self.token, path).await
    }

    fn grants(&self, name: &str) -> bool {
        let all = self.case.scopes.contains("system/*");
        all || self.case.scopes.contains(&format!("system/{name}."))
    }

    /// Whether a version may be seen: what it says, and what the current version says.
    fn lets_out(&self, one: &Known) -> bool {
        (self.case.shows)(&one.content) && (self.case.shows)(&one.now)
    }

    /// Current resources that may be seen and meet a condition.
    fn shown(&self, meets: impl Fn(&Value) -> bool) -> BTreeSet<String> {
        let current = self
            .known
            .iter()
            .filter(|one| one.is_current && !one.is_deleted);
        let shown = current.filter(|one| (self.case.shows)(&one.content) && meets(&one.content));
        shown.map(|one| one.name.clone()).collect()
    }

    async fn reads(&self) {
        for one in self.known {
            let name = one.name.split('/').next().unwrap();
            let is_shown = self.lets_out(one);
            let wanted = match (self.grants(name), is_shown, one.is_deleted) {
                (false, _, _) => 403,
                (true, false, _) => 404,
                (true, true, true) => 410,
                (true, true, false) => 200,
            };
            let path = format!("{}/_history/{}", one.name, one.version);
            assert_eq!(
                self.get(&path).await.status.as_u16(),
                wanted,
                "{} {path}",
                self.case.scopes
            );
            if one.is_current {
                let status = self.get(&one.name).await.status.as_u16();
                assert_eq!(status, wanted, "{} {}", self.case.scopes, one.name);
            }
        }
    }

    async fn histories(&self) {
        let shown = |meets: &dyn Fn(&Known) -> bool| -> BTreeSet<String> {
            let all = self
                .known
                .iter()
                .filter(|one| self.lets_out(one) && meets(one));
            all.map(|one| format!("{}/{}", one.name, one.version))
                .collect()
        };
        assert_eq!(
            versions(&self.get("_history?_count=200").await),
            shown(&|_one| true)
        );
        for name in ["Patient", "Observation", "Condition"] {
            let answer = self.get(&format!("{name}/_history?_count=200")).await;
            if !self.grants(name) {
                assert_eq!(answer.status, StatusCode::FORBIDDEN);
                continue;
            }
            let prefix = format!("{name}/");
            assert_eq!(
                versions(&answer),
                shown(&|one| one.name.starts_with(&prefix)),
                "{name}"
            );
        }
        for one in self.known.iter().filter(|one| self.lets_out(one)) {
            let answer = self.get(&format!("{}/_history", one.name)).await;
            assert_eq!(
                versions(&answer),
                shown(&|other| other.name == one.name),
                "{}",
                one.name
            );
        }
    }

    async fn searches(&self) {
        assert_eq!(
            names(&self.get("?_count=200").await),
            self.shown(|_one| true)
        );
        let of_p1 = |one: &Value| {
            one["subject"]["reference"] == "Patient/p1"
                || one["id"] == "p1"
                || one["id"] == "gr"
                || one["id"] == "p3"
        };
        assert_eq!(
            names(&self.get("Patient/p1/*?_count=200").await),
            self.shown(of_p1)
        );
        for name in [
            "Patient",
            "Observation",
            "Condition",
            "Encounter",
            "Organization",
        ] {
            let wanted = self.shown(|one| is(one, name));
            for query in [
                "",
                "_sort=_id",
                "_sort=-_lastUpdated",
                "_total=accurate",
                "_id:missing=false",
            ] {
                let path = format!("{name}?_count=200&{query}");
                let answer = self.get(&path).await;
                if !self.grants(name) {
                    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
                    continue;
                }
                assert_eq!(names(&answer), wanted, "{} {path}", self.case.scopes);
                assert_eq!(
                    answer.json()["total"],
                    wanted.len(),
                    "{} {path}",
                    self.case.scopes
                );
            }
            if self.grants(name) {
                let counted = self.get(&format!("{name}?_summary=count")).await.json();
                assert_eq!(
                    counted["total"],
                    wanted.len(),
                    "{} {name}",
                    self.case.scopes
                );
                assert_eq!(self.pages(&format!("{name}?_count=1")).await, wanted);
                assert_eq!(
                    self.pages(&format!("{name}?_count=1&_sort=_id")).await,
                    wanted
                );
            }
        }
    }

    /// Everything on the pages of a search.
    async fn pages(&self, path: &str) -> BTreeSet<String> {
        let (mut found, mut next) = (BTreeSet::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let answer = self.get(&path).await;
            found.extend(names(&answer));
            let links = answer.json()["link"].clone();
            let links = links.as_array().unwrap();
            let following = links.iter().find(|link| link["relation"] == "next");
            next = following.map(|link| link["url"].as_str().unwrap().to_owned());
        }
        found
    }

    /// What belongs to others.
    async fn relations(&self) {
        // What refers to a version brings that along, though it was deleted since.
        let seen = self.known.iter().filter(|one| self.lets_out(one));
        let all: BTreeSet<String> = seen.map(|one| one.name.clone()).collect();
        for path in [
            "Observation?_include=*&_include:iterate=*&_revinclude=*",
            "Patient?_revinclude=*&_include=*",
            "Encounter?_revinclude=Observation:encounter&_revinclude:iterate=List:item",
            "Patient/p1/$everything",
            "Patient/p2/$everything",
            "Patient/$everything",
            "Encounter/e1/$everything",
            "Observation/$lastn?patient=p1&category=laboratory,vital-signs",
            "Patient?_explain=true",
        ] {
            let answer = self.get(path).await;
            if answer.status != StatusCode::OK {
                let status = answer.status.as_u16();
                assert!([403, 404].contains(&status), "{path}: {}", answer.text());
                continue;
            }
            let mut found = names(&answer);
            found.retain(|name| !name.starts_with("OperationOutcome"));
            let leaked: Vec<_> = found.difference(&all).collect();
            assert!(
                leaked.is_empty(),
                "{} {path} lets out {leaked:?}",
                self.case.scopes
            );
        }
    }

    /// Conditions on others: only through what may be seen.
    async fn chains(&self) {
        if self.grants("Patient") && self.grants("Observation") {
            // Only through what may be seen: a value of a hidden observation finds nobody.
            let through = |value: i64| {
                let seen = self
                    .known
                    .iter()
                    .filter(|one| one.is_current && !one.is_deleted);
                let seen = seen.filter(|one| (self.case.shows)(&one.content));
                let seen = seen.filter(|one| one.content["valueQuantity"]["value"] == value);
                seen.map(|one| {
                    one.content["subject"]["reference"]
                        .as_str()
                        .unwrap()
                        .to_owned()
                })
                .collect::<BTreeSet<_>>()
            };
            for value in [3, 7] {
                let path = format!("Patient?_has:Observation:patient:value-quantity={value}");
                let wanted = self.shown(|one| is(one, "Patient"));
                let wanted = wanted.intersection(&through(value)).cloned().collect();
                assert_eq!(
                    names(&self.get(&path).await),
                    wanted,
                    "{} {path}",
                    self.case.scopes
                );
            }
            for family in [LONG_NAME, "Ahlgren-Wilhelmsson-Lund"] {
                let people = self.shown(|one| one["name"][0]["family"] == family);
                let wanted = self.shown(|one| {
                    let of = one["subject"]["reference"].as_str().unwrap_or_default();
                    is(one, "Observation") && people.contains(of)
                });
                let path = format!("Observation?patient.family:exact={family}");
                assert_eq!(
                    names(&self.get(&path).await),
                    wanted,
                    "{} {path}",
                    self.case.scopes
                );
            }
        } else if self.grants("Observation") {
            let refused = self.get("Observation?patient.family=Ahlgren").await;
            assert_eq!(
                refused.status,
                StatusCode::FORBIDDEN,
                "{}",
                self.case.scopes
            );
        }
    }

    /// The same through the entries of a batch.
    async fn batches(&self) {
        let current: Vec<_> = self.known.iter().filter(|one| one.is_current).collect();
        let mut entries: Vec<_> = current
            .iter()
            .map(|one| entry("GET", &one.name, None))
            .collect();
        entries.push(entry("GET", "?_count=200", None));
        let answer = post_as(self.server, &self.token, "", &bundle("batch", &entries))
            .await
            .json();
        let answers = answer["entry"].as_array().unwrap();
        for (one, answer) in current.iter().zip(answers) {
            let is_shown = (self.case.shows)(&one.content) && !one.is_deleted;
            let status = answer["response"]["status"].as_str().unwrap();
            assert_eq!(
                status.starts_with("200"),
                is_shown,
                "{} {}",
                self.case.scopes,
                one.name
            );
            assert_eq!(answer.get("resource").is_some(), is_shown, "{}", one.name);
        }
        let found = answers.last().unwrap()["resource"]["entry"]
            .as_array()
            .cloned();
        let found = found.unwrap_or_default();
        let found = found.iter().filter(|one| {
            let of_type = one["resource"]["resourceType"].as_str().unwrap();
            !is_of_journal(of_type)
        });
        let found = found.count();
        assert_eq!(found, self.shown(|_one| true).len(), "{}", self.case.scopes);
    }
}

async fn every_way_out_lets_out_the_same(backend: Backend) {
    // The events of so many requests would push everything else off the pages.
    let quiet = |config: &mut Config| {
        config.access = AccessMode::Smart;
        config.audit.resources_seconds = 3_600;
    };
    let server = TestServer::start_with(backend, quiet).await;
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.cruds"]);
    let token = client.token(&server, "system/*.cruds").await;
    fill(&server, &token).await;
    let known = everything(&server, &token).await;
    for case in &CASES {
        let trial = Trial {
            server: &server,
            token: client.token(&server, case.scopes).await,
            case,
            known: &known,
        };
        trial.reads().await;
        trial.histories().await;
        trial.searches().await;
        trial.relations().await;
        trial.chains().await;
        trial.batches().await;
    }
}

async fn a_patients_scopes_end_at_their_record(backend: Backend) {
    let server = TestServer::start(backend).await;
    for one in resources() {
        let path = format!(
            "{}/{}",
            one["resourceType"].as_str().unwrap(),
            one["id"].as_str().unwrap()
        );
        assert_eq!(server.put(&path, &one).await.status, StatusCode::CREATED);
    }
    let ctx = server.context();
    let scopes = ["patient/*.cruds".parse().unwrap()];
    let subject = Subject {
        patient: Some("p1".to_owned()),
        user: None,
    };
    let policy = Policy::compile(
        &scopes,
        &subject,
        &ctx.records.indexer(),
        ctx.clock.now_ms(),
    );
    let session = Session::bearer(Arc::new(policy));
    let request = SearchRequest {
        scope: SearchScope::system(),
        query: "_count=200".to_owned(),
        form: String::new(),
        strictness: Strictness::Strict,
    };
    let grant = check(&session, Intent::Search(None)).unwrap();
    let found = search(ctx, &grant, request).await.unwrap();
    let mut ids: Vec<_> = found
        .matches
        .iter()
        .map(|one| one.version.address.id.as_str())
        .collect();
    ids.sort_unstable();
    // Not the group with others in it, nor the patient who refers to this one.
    assert_eq!(ids, ["c1", "d1", "e1", "g1", "l1", "p1", "v1"]);
    let grant = check(&session, Intent::ReadSystem).unwrap();
    let request = HistoryRequest::read(ctx, HistoryScope::System, "_count=200").unwrap();
    assert_eq!(history(ctx, &grant, request).await.unwrap().total, 7);
    let group = "Group".parse().unwrap();
    assert_eq!(
        check(&session, Intent::Read(group)).unwrap_err().kind,
        Kind::Forbidden
    );
    let practitioner = "Practitioner".parse().unwrap();
    assert!(check(&session, Intent::Read(practitioner)).is_ok());
    let refused = check(&session, Intent::Update(practitioner)).unwrap_err();
    assert_eq!(
        refused.kind,
        Kind::Forbidden,
        "what belongs to nobody is not a patient's to change"
    );
    // Nothing moves into another's record, or out of it.
    for (id, patient, kind) in [
        ("l1", 2, Some(Kind::Forbidden)),
        ("l2", 1, Some(Kind::Forbidden)),
        ("l2", 2, Some(Kind::Forbidden)),
        ("new", 2, Some(Kind::Forbidden)),
        ("l1", 1, None),
        ("new", 1, None),
    ] {
        let json = observation(id, patient, "laboratory", 4).to_string();
        let limits = vesta::fhir::json::Limits { depth_max: 64 };
        let resource = vesta::fhir::json::parse_resource(json.as_bytes(), limits).unwrap();
        let grant = check(&session, Intent::Update(resource.resource_type())).unwrap();
        let request = UpdateRequest {
            resource,
            target: Target::Id(id.to_owned()),
            condition: Precondition::default(),
        };
        let done = update(ctx, &grant, request).await;
        assert_eq!(
            done.err().map(|outcome| outcome.kind),
            kind,
            "{id} of {patient}"
        );
    }
    let address = Address {
        resource_type: "Observation".parse().unwrap(),
        id: "l2".to_owned(),
    };
    let grant = check(&session, Intent::Read(address.resource_type)).unwrap();
    assert!(ctx.records.get(&grant, &address).await.unwrap().is_none());
}

async fn a_link_serves_only_the_right_that_it_was_made_for(backend: Backend) {
    let server = smart_server(backend).await;
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.cruds"]);
    let broad = client.token(&server, "system/*.cruds").await;
    fill(&server, &broad).await;
    let narrow = client
        .token(&server, "system/Observation.rs?category=laboratory")
        .await;
    let same = client
        .token(&server, "system/Observation.rs?category=laboratory")
        .await;
    for query in ["_count=1", "_count=1&_sort=_id"] {
        let next = |answer: &Answer| {
            let links = answer.json()["link"].clone();
            let links = links.as_array().unwrap().iter();
            let mut next = links.filter(|link| link["relation"] == "next");
            next.next().unwrap()["url"].as_str().unwrap().to_owned()
        };
        let first = get_as(&server, &broad, &format!("Observation?{query}")).await;
        let of_broad = next(&first);
        let refused = get_as(&server, &narrow, &of_broad).await;
        assert_eq!(
            refused.status,
            StatusCode::BAD_REQUEST,
            "{}",
            refused.text()
        );
        assert_eq!(
            get_as(&server, &broad, &of_broad).await.status,
            StatusCode::OK
        );
        let first = get_as(&server, &narrow, &format!("Observation?{query}")).await;
        let of_narrow = next(&first);
        // Another token of the same right goes on where the first one was.
        assert_eq!(
            get_as(&server, &same, &of_narrow).await.status,
            StatusCode::OK
        );
        let refused = get_as(&server, &broad, &of_narrow).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    }
}
