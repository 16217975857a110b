//! Searches with what they have to find: those that the search page shows, and their neighbours.
//!
//! Resources and cases are in `tests/fixtures/search`.
//! Spec: <https://hl7.org/fhir/R4/search.html>.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::server::{Backend, TestServer, bundle, entry, on_both_stores};

on_both_stores!(every_example_finds_what_it_should);

async fn every_example_finds_what_it_should(backend: Backend) {
    let server = TestServer::start(backend).await;
    load(&server).await;
    let mut failures = Vec::new();
    for case in fixture("cases.json").as_array().unwrap() {
        if let Err(failure) = check(&server, case).await {
            failures.push(format!("{}: {failure}", case["search"]));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn fixture(name: &str) -> Value {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/search");
    serde_json::from_slice(&fs::read(directory.join(name)).unwrap()).unwrap()
}

async fn load(server: &TestServer) {
    let resources = fixture("resources.json");
    let entries: Vec<_> = resources
        .as_array()
        .unwrap()
        .iter()
        .map(|resource| {
            let name = resource["resourceType"].as_str().unwrap();
            let id = resource["id"].as_str().unwrap();
            entry("PUT", &format!("{name}/{id}"), Some(resource))
        })
        .collect();
    let answer = server.post("", &bundle("transaction", &entries)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

async fn check(server: &TestServer, case: &Value) -> Result<(), String> {
    let search = case["search"].as_str().unwrap();
    let search = search.replace("{base}", &server.base);
    let path = search.replace(' ', "%20").replace('"', "%22");
    let answer = server.get(&path.replace('|', "%7C")).await;
    if let Some(named) = case["refused"].as_str() {
        let text = answer.text();
        return expect(&answer.status.as_u16(), &400, &text)
            .and_then(|()| expect(&text.contains(named), &true, &text));
    }
    expect(&answer.status.as_u16(), &200, &answer.text())?;
    let found = answer.json();
    let mut matches = entries(&found, "match", |resource| {
        resource["id"].as_str().unwrap().to_owned()
    });
    let mut expected = texts(&case["finds"]);
    if case["in_order"] != true {
        matches.sort();
        expected.sort();
    }
    expect(&matches, &expected, "matches")?;
    if case["includes"].is_array() {
        let mut included = entries(&found, "include", |resource| {
            let name = resource["resourceType"].as_str().unwrap();
            format!("{name}/{}", resource["id"].as_str().unwrap())
        });
        included.sort();
        expect(&included, &texts(&case["includes"]), "included")?;
    }
    Ok(())
}

fn entries(bundle: &Value, mode: &str, name: fn(&Value) -> String) -> Vec<String> {
    let all = bundle["entry"].as_array().into_iter().flatten();
    all.filter(|entry| entry["search"]["mode"] == mode)
        .map(|entry| name(&entry["resource"]))
        .collect()
}

fn texts(list: &Value) -> Vec<String> {
    let all = list.as_array().unwrap().iter();
    all.map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn expect<T: PartialEq + std::fmt::Debug>(is: &T, should: &T, about: &str) -> Result<(), String> {
    if is == should {
        return Ok(());
    }
    Err(format!("{is:?} instead of {should:?} ({about})"))
}
