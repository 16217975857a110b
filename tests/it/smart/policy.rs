//! The policy table: every route against every kind of scope.
//!
//! The routes are read from the sources: one that is not in the table fails the test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};

use crate::support::server::{Backend, TestServer, bundle, on_both_stores, patient};
use crate::support::smart::{ClientKey, SmartClient, post_as, put_as, smart_server};

on_both_stores!(every_route_keeps_to_the_scopes);

/// The scopes of the table, each with the letter that stands for it.
const SCOPES: [(char, &str); 6] = [
    ('A', "system/*.cruds"),
    ('B', "system/Patient.rs"),
    ('C', "system/Patient.cud"),
    ('D', "system/Observation.rs"),
    ('E', "system/Patient.r"),
    ('F', "system/Patient.s"),
];

/// Who may call a route: letters of scopes; `*` for everybody, without a token as well.
const TABLE: [(&str, &str); 43] = [
    ("GET /", "ABDF"),
    ("POST /", "ABCDEF"),
    ("DELETE /", "ABCDEF"),
    ("GET /metadata", "*"),
    ("GET /_history", "ABDE"),
    ("POST /_search", "ABDF"),
    ("GET /{type}", "ABF"),
    ("POST /{type}", "AC"),
    // Criteria are a search as well.
    ("PUT /{type}", "A"),
    ("PATCH /{type}", "A"),
    ("DELETE /{type}", "A"),
    ("POST /{type}/_search", "ABF"),
    ("GET /{type}/_history", "ABE"),
    ("GET /{type}/{id}", "ABE"),
    ("PUT /{type}/{id}", "AC"),
    // The answer to a patch shows what it came to.
    ("PATCH /{type}/{id}", "A"),
    ("DELETE /{type}/{id}", "AC"),
    ("GET /{type}/{id}/{what}", "AD"),
    ("POST /{type}/{id}/{what}/_search", "AD"),
    ("GET /{type}/{id}/_history", "ABE"),
    ("GET /{type}/{id}/_history/{version_id}", "ABE"),
    ("POST /{type}/{id}/$erase", "A"),
    ("GET /$reindex-status", "A"),
    ("GET /{type}/$everything", "ABDF"),
    ("POST /{type}/$everything", "ABDF"),
    ("GET /{type}/{id}/$everything", "ABF"),
    ("POST /{type}/{id}/$everything", "ABF"),
    ("GET /{type}/$lastn", "AD"),
    ("POST /{type}/$lastn", "AD"),
    ("GET /$meta", "ABDF"),
    ("POST /$meta", "ABDF"),
    ("GET /{type}/$meta", "ABF"),
    ("POST /{type}/$meta", "ABF"),
    ("GET /{type}/{id}/$meta", "ABE"),
    ("POST /{type}/{id}/$meta", "ABE"),
    ("GET /{type}/{id}/_history/{version_id}/$meta", "ABE"),
    ("POST /{type}/{id}/_history/{version_id}/$meta", "ABE"),
    ("POST /{type}/{id}/$meta-add", "A"),
    ("POST /{type}/{id}/$meta-delete", "A"),
    ("POST /{type}/{id}/_history/{version_id}/$meta-add", "A"),
    ("POST /{type}/{id}/_history/{version_id}/$meta-delete", "A"),
    ("GET /.well-known/smart-configuration", "*"),
    ("HEAD /{type}/{id}", "ABE"),
];

/// The methods and patterns of the routes below the FHIR base, as the sources have them.
fn routes() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api");
    let mut found = BTreeSet::new();
    for name in ["fhir.rs", "operation.rs"] {
        let text = fs::read_to_string(root.join(name)).unwrap();
        let body = text.split_once("Router::new()").unwrap().1;
        let (body, rest) = body.split_once("\n}\n").unwrap();
        let mut base = rest
            .split_once("pub fn system()")
            .map_or("", |(_, rest)| rest);
        base = base.split("\n}\n").next().unwrap();
        for route in body.split(".route(").skip(1) {
            let pattern = route.split('"').nth(1).unwrap();
            let handlers = if pattern == "/" { base } else { route };
            for method in ["get", "post", "put", "patch", "delete"] {
                let is_taken = [
                    format!(" {method}("),
                    format!(".{method}("),
                    format!("({method}("),
                ]
                .iter()
                .any(|call| format!(" {}", handlers.trim()).contains(call));
                if is_taken {
                    found.insert(format!("{} {pattern}", method.to_uppercase()));
                }
            }
        }
    }
    found
}

#[test]
fn every_route_is_in_the_table() {
    let routes = routes();
    assert!(routes.len() > 35, "{routes:?}");
    let mut listed: BTreeSet<String> = TABLE.iter().map(|(route, _)| (*route).to_owned()).collect();
    assert_eq!(listed.len(), TABLE.len());
    // Outside of the FHIR router, and what axum adds to every GET.
    listed.remove("GET /.well-known/smart-configuration");
    listed.remove("HEAD /{type}/{id}");
    assert_eq!(routes, listed);
}

/// A request that a route would carry out, were it allowed.
fn request(route: &str, id: &str) -> (Method, String, Option<Value>) {
    let (method, pattern) = route.split_once(' ').unwrap();
    let of_type = if pattern.contains("$lastn") {
        "Observation"
    } else {
        "Patient"
    };
    let path = pattern
        .replace("{type}", of_type)
        .replace("{id}", id)
        .replace("{what}", "Observation")
        .replace("{version_id}", "1");
    let mut path = path.trim_start_matches('/').to_owned();
    if pattern.contains("$lastn") {
        path += "?patient=x&category=y";
    }
    let parameters = json!({
        "resourceType": "Parameters",
        "parameter": [{ "name": "meta", "valueMeta": { "tag": [{ "code": "t" }] } }],
    });
    let body = match (method, pattern) {
        ("POST", "/") => Some(bundle("batch", &[])),
        ("POST", "/{type}") => Some(patient("Moll")),
        ("PUT", "/{type}") => {
            path += "?family=Unheard-of";
            Some(patient("Unheard-of"))
        }
        ("PUT", _) => {
            let mut updated = patient("Mollard");
            updated["id"] = json!(id);
            Some(updated)
        }
        ("PATCH" | "DELETE", "/{type}") => {
            path += "?family=Nobody";
            None
        }
        ("POST", pattern) if pattern.contains("$meta-") => Some(parameters),
        _ => None,
    };
    (method.parse().unwrap(), path, body)
}

async fn call(server: &TestServer, token: Option<&str>, route: &str, id: &str) -> u16 {
    let (method, path, body) = request(route, id);
    let is_patch = method == Method::PATCH;
    let mut call = server.request(method, &path);
    if let Some(token) = token {
        call = call.header("authorization", &format!("Bearer {token}"));
    }
    if is_patch {
        let operations = json!([{ "op": "replace", "path": "/name/0/family", "value": "Mollard" }]);
        call = call
            .header("content-type", "application/json-patch+json")
            .body(operations.to_string());
    }
    if let Some(body) = body {
        call = call.json(&body);
    }
    call.send().await.status.as_u16()
}

async fn every_route_keeps_to_the_scopes(backend: Backend) {
    let server = smart_server(backend).await;
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.cruds"]);
    let all = client.token(&server, "system/*.cruds").await;
    let mut problems = Vec::new();
    for (letter, scope) in SCOPES {
        let token = client.token(&server, scope).await;
        for (route, allowed) in TABLE {
            // Each route finds a patient that no other has changed.
            let made = post_as(&server, &all, "Patient", &patient("Moll")).await;
            let id = made.json()["id"].as_str().unwrap().to_owned();
            let status = call(&server, Some(&token), route, &id).await;
            let is_allowed = status != 401 && status != 403;
            if is_allowed != (allowed == "*" || allowed.contains(letter)) || status >= 500 {
                problems.push(format!("{route} with {scope}: {status}"));
            }
        }
    }
    for (route, allowed) in TABLE {
        let status = call(&server, None, route, "x").await;
        if (status == 401) != (allowed != "*") {
            problems.push(format!("{route} without a token: {status}"));
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
    let kept = put_as(
        &server,
        &all,
        "Patient/x",
        &json!({ "resourceType": "Patient", "id": "x" }),
    )
    .await;
    assert_eq!(kept.status.as_u16(), 201);
}
