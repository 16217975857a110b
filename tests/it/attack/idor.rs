//! Another patient's ids on every route: whoever may see one patient gets nothing of another one,
//! and changes nothing.
//!
//! The routes are read from the sources that mount them, so that a new one has to be attacked here.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::server::{Answer, Backend, TestServer, bundle, entry, on_both_stores};
use crate::support::smart::{ClientKey, SmartClient, get_as, smart_server};

on_both_stores!(
    another_patients_ids_lead_nowhere,
    guesses_look_alike_whether_right_or_wrong,
);

/// What the attacker may do: everything with one patient.
const OWN: [&str; 2] = [
    "system/Patient.cruds?_id=own",
    "system/Observation.cruds?patient=Patient/own",
];

/// What stands in the other patient's record, and nowhere else.
const SECRET: &str = "hidden-";

/// A request of the attacker.
struct Attack(&'static str, &'static str, Body);

enum Body {
    Nothing,
    Form(&'static str),
    /// An Observation under an id, of a patient.
    Observation(&'static str, &'static str),
    Patch,
    /// A Bundle of a type, with all that can stand in one.
    Bundle(&'static str),
    Meta,
}

const fn get(path: &'static str) -> Attack {
    Attack("GET", path, Body::Nothing)
}

const fn form(path: &'static str, text: &'static str) -> Attack {
    Attack("POST", path, Body::Form(text))
}

/// Every route of the FHIR base, each with its attacks.
const ATTACKS: &[(&str, &[Attack])] = &[
    (
        "/",
        &[
            get("?_id=other"),
            get("?_type=Observation,Patient"),
            get("?_type=Observation&patient=other"),
            Attack("POST", "", Body::Bundle("batch")),
            Attack("POST", "", Body::Bundle("transaction")),
            Attack("DELETE", "?_id=other", Body::Nothing),
        ],
    ),
    ("/metadata", &[get("metadata")]),
    ("/_history", &[get("_history"), get("_history?_count=100")]),
    (
        "/_search",
        &[form("_search", "_type=Observation&patient=other")],
    ),
    (
        "/{type}",
        &[
            get("Observation?patient=other"),
            get("Observation?subject=Patient/other"),
            get("Observation?_id=seen-other"),
            get("Patient?_id=other"),
            get("Patient?_id=own&_revinclude=Observation:subject&_revinclude:iterate=*"),
            get("Observation?_include=*&_include:iterate=*"),
            get(
                "Observation?derived-from=Observation/seen-other&_include=Observation:derived-from",
            ),
            get("Patient?_has:Observation:patient:code=hidden-code"),
            get("Observation?_sort=-date&_total=accurate"),
            Attack("POST", "Observation", Body::Observation("", "other")),
            Attack(
                "PUT",
                "Observation?patient=other",
                Body::Observation("", "own"),
            ),
            Attack("PATCH", "Observation?patient=other", Body::Patch),
            Attack("DELETE", "Observation?patient=other", Body::Nothing),
        ],
    ),
    (
        "/{type}/_search",
        &[
            form("Observation/_search", "patient=other"),
            form("Patient/_search", "_id=other"),
        ],
    ),
    (
        "/{type}/_history",
        &[get("Observation/_history"), get("Patient/_history")],
    ),
    (
        "/{type}/{id}",
        &[
            get("Observation/seen-other"),
            get("Patient/other"),
            get("Observation/seen-other?_summary=text"),
            Attack(
                "PUT",
                "Observation/seen-other",
                Body::Observation("seen-other", "own"),
            ),
            Attack(
                "PUT",
                "Observation/seen-own",
                Body::Observation("seen-own", "other"),
            ),
            Attack(
                "PUT",
                "Observation/planted",
                Body::Observation("planted", "other"),
            ),
            Attack("PATCH", "Observation/seen-other", Body::Patch),
            Attack("DELETE", "Observation/seen-other", Body::Nothing),
            Attack("DELETE", "Patient/other", Body::Nothing),
        ],
    ),
    (
        "/{type}/{id}/{what}",
        &[
            get("Patient/other/Observation"),
            get("Patient/other/*"),
            get("Patient/own/Observation?_include=*"),
        ],
    ),
    (
        "/{type}/{id}/{what}/_search",
        &[form("Patient/other/Observation/_search", "")],
    ),
    (
        "/{type}/{id}/_history",
        &[
            get("Observation/seen-other/_history"),
            get("Patient/other/_history"),
        ],
    ),
    (
        "/{type}/{id}/_history/{version_id}",
        &[
            get("Observation/seen-other/_history/1"),
            get("Observation/seen-own/_history/2"),
            get("Patient/other/_history/1"),
        ],
    ),
    ("/{type}/{id}/$erase", &[form("Patient/other/$erase", "")]),
    ("/$reindex-status", &[get("$reindex-status")]),
    (
        "/{type}/$everything",
        &[get("Patient/$everything"), form("Patient/$everything", "")],
    ),
    (
        "/{type}/{id}/$everything",
        &[
            get("Patient/other/$everything"),
            form("Patient/other/$everything", ""),
            get("Patient/own/$everything"),
        ],
    ),
    (
        "/{type}/$lastn",
        &[
            get("Observation/$lastn?patient=other"),
            get("Observation/$lastn"),
        ],
    ),
    ("/$meta", &[get("$meta")]),
    (
        "/{type}/$meta",
        &[get("Observation/$meta"), get("Patient/$meta")],
    ),
    (
        "/{type}/{id}/$meta",
        &[
            get("Observation/seen-other/$meta"),
            get("Patient/other/$meta"),
        ],
    ),
    (
        "/{type}/{id}/_history/{version_id}/$meta",
        &[get("Observation/seen-other/_history/1/$meta")],
    ),
    (
        "/{type}/{id}/$meta-add",
        &[
            Attack("POST", "Observation/seen-other/$meta-add", Body::Meta),
            Attack("POST", "Patient/other/$meta-add", Body::Meta),
        ],
    ),
    (
        "/{type}/{id}/$meta-delete",
        &[Attack(
            "POST",
            "Observation/seen-other/$meta-delete",
            Body::Meta,
        )],
    ),
    (
        "/{type}/{id}/_history/{version_id}/$meta-add",
        &[Attack(
            "POST",
            "Observation/seen-other/_history/1/$meta-add",
            Body::Meta,
        )],
    ),
    (
        "/{type}/{id}/_history/{version_id}/$meta-delete",
        &[Attack(
            "POST",
            "Observation/seen-other/_history/1/$meta-delete",
            Body::Meta,
        )],
    ),
];

/// Paths that a source mounts: what stands first in `.route(...)`, where it is a text.
fn mounted(source: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(source);
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap();
    let routes = text.split(".route(").skip(1);
    routes
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn every_route_of_the_fhir_base_is_attacked() {
    let attacked: BTreeSet<String> = ATTACKS.iter().map(|(path, _)| (*path).to_owned()).collect();
    let mut mounted_by_all = BTreeSet::new();
    let api = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut waiting = vec![api.clone()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let source = path.strip_prefix(api.parent().unwrap()).unwrap();
            // Those are below the root, and take no id of a resource for whom they let in; of shares
            // and emergencies `access/api.rs` tells.
            let is_root = [
                "api/smart.rs",
                "api/metrics.rs",
                "api/hl7v2.rs",
                "api/care.rs",
            ]
            .iter()
            .any(|name| source.ends_with(name));
            if !is_root {
                mounted_by_all.extend(mounted(source.to_str().unwrap()));
            }
        }
    }
    assert!(mounted_by_all.len() > 20, "{mounted_by_all:?}");
    assert_eq!(
        mounted_by_all, attacked,
        "mounted on the left, attacked on the right"
    );
}

fn observation(id: &str, of: &str, text: &str) -> Value {
    let mut resource = json!({
        "resourceType": "Observation", "status": "final",
        "code": { "coding": [{ "code": format!("{text}code") }], "text": format!("{text}text") },
        "subject": { "reference": format!("Patient/{of}") },
        "valueString": format!("{text}value"),
        "meta": { "tag": [{ "code": format!("{text}tag") }] },
    });
    if !id.is_empty() {
        resource["id"] = json!(id);
    }
    resource
}

fn resources() -> Vec<(&'static str, Value)> {
    let patient = |id: &str, text: &str| {
        json!({
            "resourceType": "Patient", "id": id, "name": [{ "family": format!("{text}name") }],
            "meta": { "tag": [{ "code": format!("{text}tag") }] },
        })
    };
    let mut own = observation("seen-own", "own", "plain-");
    own["derivedFrom"] = json!([{ "reference": "Observation/seen-other" }]);
    vec![
        ("Patient/own", patient("own", "plain-")),
        ("Patient/other", patient("other", SECRET)),
        (
            "Observation/seen-other",
            observation("seen-other", "other", SECRET),
        ),
        ("Observation/seen-own", own),
    ]
}

impl Body {
    fn content(&self) -> (&'static str, String) {
        let fhir = "application/fhir+json";
        match self {
            Self::Nothing => (fhir, String::new()),
            Self::Form(text) => ("application/x-www-form-urlencoded", (*text).to_owned()),
            Self::Observation(id, of) => (fhir, observation(id, of, "taken-").to_string()),
            Self::Patch => (
                "application/json-patch+json",
                json!([{ "op": "replace", "path": "/status", "value": "amended" }]).to_string(),
            ),
            Self::Meta => {
                let meta = json!({ "tag": [{ "code": "planted" }] });
                let parameter = json!([{ "name": "meta", "valueMeta": meta }]);
                let body = json!({ "resourceType": "Parameters", "parameter": parameter });
                (fhir, body.to_string())
            }
            Self::Bundle(kind) => {
                let taken = observation("seen-other", "own", "taken-");
                let entries = [
                    entry("GET", "Patient/other", None),
                    entry("GET", "Observation?patient=other", None),
                    entry("GET", "Observation/seen-other/_history", None),
                    entry("GET", "Patient/other/$everything", None),
                    entry("PUT", "Observation/seen-other", Some(&taken)),
                    entry("DELETE", "Observation/seen-other", None),
                ];
                // A transaction may name a resource once.
                let entries = if *kind == "batch" {
                    &entries[..]
                } else {
                    &entries[..5]
                };
                (fhir, bundle(kind, entries).to_string())
            }
        }
    }
}

async fn send(server: &TestServer, token: &str, attack: &Attack) -> Answer {
    let Attack(method, path, body) = attack;
    let (kind, body) = body.content();
    let call = server.request(method.parse().unwrap(), path).body(body);
    let call = call.header("authorization", &format!("Bearer {token}"));
    call.header("content-type", kind).send().await
}

/// A server with two records, a token for one of them and one for all.
async fn scene(backend: Backend) -> (TestServer, String, String) {
    let server = smart_server(backend).await;
    let all = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.cruds"]);
    let all = all.token(&server, "system/*.cruds").await;
    for (path, resource) in resources() {
        let call = server.request(Method::PUT, path).json(&resource);
        let call = call.header("authorization", &format!("Bearer {all}"));
        let answer = call.send().await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
    }
    let own = SmartClient::register(&server, ClientKey::elliptic("k"), &OWN);
    let own = own.token(&server, &OWN.join(" ")).await;
    (server, own, all)
}

async fn another_patients_ids_lead_nowhere(backend: Backend) {
    let (server, own, all) = scene(backend).await;
    for path in ["Patient/own", "Observation/seen-own"] {
        assert_eq!(
            get_as(&server, &own, path).await.status,
            StatusCode::OK,
            "{path}"
        );
    }
    let mut before = Vec::new();
    for path in [
        "Patient/other",
        "Observation/seen-other",
        "Observation/seen-own",
    ] {
        before.push((path, get_as(&server, &all, path).await.text()));
    }
    for (_route, attacks) in ATTACKS {
        for attack in *attacks {
            let answer = send(&server, &own, attack).await;
            let what = format!("{} {}", attack.0, attack.1);
            // What was asked for stands in the links of what was found.
            let text = answer.text().replace("code=hidden-code", "");
            assert!(!text.contains(SECRET), "{what}: {text}");
            assert!(answer.status.as_u16() < 500, "{what}: {text}");
            let without = send(&server, "none", attack).await;
            let is_open = attack.1 == "metadata";
            assert_eq!(
                without.status == StatusCode::UNAUTHORIZED,
                !is_open,
                "{what}"
            );
        }
    }
    for (path, then) in before {
        assert_eq!(
            get_as(&server, &all, path).await.text(),
            then,
            "{path} was changed"
        );
    }
    let found = get_as(&server, &all, "Observation?patient=other")
        .await
        .json();
    assert_eq!(
        found["total"], 1,
        "nothing was put into the other record: {found}"
    );
}

/// What cannot be seen cannot be asked about either: a right guess and a wrong one look alike.
async fn guesses_look_alike_whether_right_or_wrong(backend: Backend) {
    let (server, own, _all) = scene(backend).await;
    for (right, wrong) in [
        (
            "Observation?derived-from:Observation.value-string=hidden-value",
            "Observation?derived-from:Observation.value-string=other-value",
        ),
        (
            "Observation?derived-from.code=hidden-code",
            "Observation?derived-from.code=wrong",
        ),
        ("Patient?family=hidden-name", "Patient?family=wrong-name"),
        ("Patient?_tag=hidden-tag", "Patient?_tag=wrong-tag"),
        (
            "Observation?code=hidden-code&_summary=count",
            "Observation?code=x&_summary=count",
        ),
        ("Patient/other", "Patient/nobody"),
        ("Patient/other/_history/1", "Patient/nobody/_history/1"),
        ("Observation/seen-other", "Observation/nobody"),
        ("Patient/other/$everything", "Patient/nobody/$everything"),
    ] {
        let (seen, unseen) = (
            get_as(&server, &own, right).await,
            get_as(&server, &own, wrong).await,
        );
        assert_eq!(
            seen.status,
            unseen.status,
            "{right}: {} {}",
            seen.text(),
            unseen.text()
        );
        if seen.status == StatusCode::OK {
            let (seen, unseen) = (seen.json(), unseen.json());
            assert_eq!(seen["total"], unseen["total"], "{right}");
            assert_eq!(seen["entry"], unseen["entry"], "{right}");
        }
    }
}
