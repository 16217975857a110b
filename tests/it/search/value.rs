//! Searching by values: modifiers, strings, tokens, dates, quantities, composites.
//!
//! Proves <https://hl7.org/fhir/R4/search.html#modifiers> and
//! <https://hl7.org/fhir/R4/search.html#ptypes> over HTTP.

use serde_json::{Value, json};

use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    modifiers_find_what_they_say,
    a_modifier_that_a_parameter_does_not_take_is_refused_by_name,
    quantities_are_found_in_any_unit,
    composites_find_values_of_one_element,
    codes_are_found_by_value_set_and_hierarchy,
    case_counts_where_the_code_system_says_so,
    stored_code_systems_say_whether_case_counts,
    a_value_set_that_cannot_be_expanded_refuses_the_search,
);

/// Checks which of the resources, by their ids, each query finds.
async fn check(server: &TestServer, cases: &[(&str, &[&str])]) {
    for (query, expected) in cases {
        let answer = server.get(query).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let bundle = answer.json();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<_> = entries
            .iter()
            .map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, *expected, "{query}");
        assert_eq!(bundle["total"], expected.len(), "{query}");
    }
}

async fn put(server: &TestServer, resource: &Value) {
    let path = format!(
        "{}/{}",
        resource["resourceType"].as_str().unwrap(),
        resource["id"].as_str().unwrap()
    );
    let answer = server.put(&path, resource).await;
    assert_eq!(answer.status, 201, "{path}: {}", answer.text());
}

async fn modifiers_find_what_they_say(backend: Backend) {
    let server = TestServer::start(backend).await;
    for patient in [
        json!({"resourceType": "Patient", "id": "a", "gender": "male",
            "name": [{"family": "Müller-Lüdenscheidt", "given": ["Jörg"]}],
            "identifier": [{"type": {"coding": [{"system": "http://t", "code": "MR"}]},
                "system": "http://s", "value": "1"}]}),
        json!({"resourceType": "Patient", "id": "b", "gender": "female",
            "name": [{"family": "Muller"}],
            "generalPractitioner": [{"identifier": {"system": "http://npi", "value": "7"}}]}),
        json!({"resourceType": "Patient", "id": "c", "birthDate": "2000-01-01",
            "name": [{"text": "Ludmilla"}]}),
    ] {
        put(&server, &patient).await;
    }
    put(
        &server,
        &json!({"resourceType": "Condition", "id": "h", "subject": {"reference": "Patient/a"},
            "code": {"text": "Severe headache"}}),
    )
    .await;
    put(
        &server,
        &json!({"resourceType": "ValueSet", "id": "v", "status": "draft",
            "url": "http://acme.org/fhir/ValueSet/1"}),
    )
    .await;
    check(
        &server,
        &[
            ("Patient?gender:missing=true", &["c"]),
            ("Patient?gender:missing=false", &["a", "b"]),
            ("Patient?birthdate:missing=true&gender=male", &["a"]),
            ("Patient?general-practitioner:missing=false", &["b"]),
            ("Patient?family:exact=Muller", &["b"]),
            ("Patient?family:exact=muller", &[]),
            ("Patient?family=muller", &["a", "b"]),
            ("Patient?name:contains=lud", &["a", "c"]),
            ("Patient?name:contains=DENSCHEID", &["a"]),
            ("Patient?name:contains=d", &["a", "c"]),
            ("Patient?gender:not=male", &["b", "c"]),
            ("Patient?gender:not=male,female", &["c"]),
            ("Patient?gender:not=male&gender:not=female", &["c"]),
            ("Patient?identifier:of-type=http://t|MR|1", &["a"]),
            ("Patient?identifier:of-type=http://t|SS|1", &[]),
            (
                "Patient?general-practitioner:identifier=http://npi|7",
                &["b"],
            ),
            ("Patient?_id:not=a", &["b", "c"]),
            ("Condition?code:text=headache", &["h"]),
            ("Condition?code:text=ache", &[]),
            ("ValueSet?url:below=http://acme.org/fhir/", &["v"]),
            ("ValueSet?url:below=http://acme.org/fhir/Val", &[]),
            (
                "ValueSet?url:above=http://acme.org/fhir/ValueSet/1/x",
                &["v"],
            ),
        ],
    )
    .await;
}

async fn a_modifier_that_a_parameter_does_not_take_is_refused_by_name(backend: Backend) {
    let server = TestServer::start(backend).await;
    for (query, says) in [
        ("Patient?birthdate:exact=2000", "it takes :missing"),
        (
            "Patient?name:above=x",
            "it takes :missing, :exact, :contains",
        ),
        (
            "Patient?name:missing=perhaps",
            "'name:missing': is true or false",
        ),
        ("Patient?identifier:of-type=MR|1", "system|code|value"),
        ("ValueSet?url:below=urn:oid:1.2", "URNs"),
        ("Patient?name:nothing=x", "a modifier that does not exist"),
    ] {
        let answer = server.get(query).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains(says), "{query}: {}", answer.text());
    }
}

async fn quantities_are_found_in_any_unit(backend: Backend) {
    let server = TestServer::start(backend).await;
    for (id, value, code) in [
        ("g", "0.0054", "g"),
        ("mg", "5.4", "mg"),
        ("ug", "5400", "ug"),
        ("more", "5.5", "mg"),
    ] {
        let text = format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final",
            "code":{{"text":"dose"}},"valueQuantity":{{"value":{value},"unit":"{code}",
            "system":"http://unitsofmeasure.org","code":"{code}"}}}}"#
        );
        put(&server, &serde_json::from_str(&text).unwrap()).await;
    }
    check(
        &server,
        &[
            (
                "Observation?value-quantity=5.4|http://unitsofmeasure.org|mg",
                &["g", "mg", "ug"],
            ),
            (
                "Observation?value-quantity=gt5400|http://unitsofmeasure.org|ug",
                &["more"],
            ),
            ("Observation?value-quantity=5.4||mg", &["mg"]),
            ("Observation?value-quantity=5.4", &["mg"]),
        ],
    )
    .await;
}

async fn composites_find_values_of_one_element(backend: Backend) {
    let server = TestServer::start(backend).await;
    let component = |code: &str, value: i32| {
        json!({"code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org",
                "code": "mm[Hg]"}})
    };
    for (id, systolic, diastolic) in [("low", 110, 70), ("high", 150, 95), ("odd", 95, 150)] {
        let components = [
            component("8480-6", systolic),
            component("8462-4", diastolic),
        ];
        put(
            &server,
            &json!({"resourceType": "Observation", "id": id, "status": "final",
                "code": {"text": "pressure"}, "component": components}),
        )
        .await;
    }
    check(
        &server,
        &[
            (
                "Observation?component-code-value-quantity=http://loinc.org|8480-6$gt140",
                &["high"],
            ),
            (
                "Observation?combo-code-value-quantity=8462-4$gt140",
                &["odd"],
            ),
            (
                "Observation?component-code-value-quantity=8480-6$lt100,8480-6$150",
                &["high", "odd"],
            ),
            (
                "Observation?combo-code-value-quantity=8480-6$15|http://unitsofmeasure.org|cm[Hg]",
                &["high"],
            ),
        ],
    )
    .await;
    server
        .get("Observation?component-code-value-quantity=8480-6")
        .await
        .assert_refused(400, "structure", "parted by '$'");
}

/// Animals, value sets of them, and what names them.
async fn put_animals(server: &TestServer) {
    put(
        server,
        &json!({"resourceType": "CodeSystem", "id": "animals", "status": "active",
            "url": "http://animals", "content": "complete", "concept": [
                {"code": "animal", "concept": [
                    {"code": "cat"}, {"code": "dog", "concept": [{"code": "poodle"}]}]},
                {"code": "plant"}]}),
    )
    .await;
    let filter = json!([{"property": "concept", "op": "is-a", "value": "dog"}]);
    put(
        server,
        &json!({"resourceType": "ValueSet", "id": "dogs", "status": "active",
            "url": "http://dogs", "compose": {"include": [
                {"system": "http://animals", "filter": filter}]}}),
    )
    .await;
    put(
        server,
        &json!({"resourceType": "ValueSet", "id": "pets", "status": "active",
            "url": "http://pets", "compose": {"include": [{"valueSet": ["http://dogs"]},
                {"system": "http://animals", "concept": [{"code": "cat"}]}]}}),
    )
    .await;
    for code in ["cat", "dog", "poodle", "plant"] {
        put(
            server,
            &json!({"resourceType": "Observation", "id": code, "status": "final",
                "code": {"coding": [{"system": "http://animals", "code": code}]}}),
        )
        .await;
    }
    put(
        server,
        &json!({"resourceType": "Observation", "id": "text", "status": "amended",
            "code": {"text": "a dog"}}),
    )
    .await;
    put(
        server,
        &json!({"resourceType": "DiagnosticReport", "id": "report", "status": "final",
            "code": {"text": "seen"},
            "result": [{"reference": "Observation/poodle"}, {"reference": "Observation/plant"}]}),
    )
    .await;
}

async fn codes_are_found_by_value_set_and_hierarchy(backend: Backend) {
    let server = TestServer::start(backend).await;
    put_animals(&server).await;
    let statuses = "http://hl7.org/fhir/ValueSet/observation-status";
    check(
        &server,
        &[
            ("Observation?code:in=http://dogs", &["dog", "poodle"]),
            ("Observation?code:in=ValueSet/dogs", &["dog", "poodle"]),
            ("Observation?code:in=http://pets", &["cat", "dog", "poodle"]),
            ("Observation?code:not-in=http://pets", &["plant", "text"]),
            (
                "Observation?code:below=http://animals|animal",
                &["cat", "dog", "poodle"],
            ),
            (
                "Observation?code:above=http://animals|poodle",
                &["dog", "poodle"],
            ),
            ("Observation?code:below=http://animals|unknown", &[]),
            (&format!("Observation?status:not-in={statuses}"), &[]),
            (
                "Observation?_filter=code%20in%20http://dogs%20or%20code%20eq%20cat",
                &["cat", "dog", "poodle"],
            ),
            (
                "DiagnosticReport?result:Observation.code:in=http://dogs",
                &["report"],
            ),
            (
                "Observation?_has:DiagnosticReport:result:result.code:below=http://animals|dog",
                &["plant", "poodle"],
            ),
            (
                &format!("Observation?status:in={statuses}&code:missing=false&status:not=final"),
                &["text"],
            ),
        ],
    )
    .await;
    // A right to write is none to read value sets for anything but what the criteria say.
    let deleted = server
        .delete("Observation?code:in=http://pets&_id=cat")
        .await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    check(&server, &[("Observation?code=cat", &[])]).await;
}

async fn case_counts_where_the_code_system_says_so(backend: Backend) {
    let server = TestServer::start(backend).await;
    let act = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    for (id, system, code) in [
        ("act", act, "AMB"),
        ("icd", "http://hl7.org/fhir-like/icd-10", "N17.9"),
        ("low", "http://hl7.org/fhir-like/icd-10", "n18"),
    ] {
        let one = json!({"resourceType": "Encounter", "id": id, "status": "planned",
            "class": {"system": system, "code": code}});
        put(&server, &one).await;
    }
    let patient = json!({"resourceType": "Patient", "id": "p",
        "identifier": [{"value": "aB"}],
        "telecom": [{"system": "email", "value": "Ada@Example.org"}]});
    put(&server, &patient).await;
    check(
        &server,
        &[
            ("Encounter?class=AMB", &["act"]),
            ("Encounter?class=amb", &["act"]),
            (&format!("Encounter?class={act}|AMB"), &["act"]),
            (&format!("Encounter?class={act}|amb"), &[]),
            ("Encounter?class=n17.9,N18", &["icd", "low"]),
            (
                "Encounter?class=http://hl7.org/fhir-like/icd-10|n17.9",
                &["icd"],
            ),
            (
                "Encounter?class=http://hl7.org/fhir-like/icd-10|N18",
                &["low"],
            ),
            ("Encounter?class:not=n17.9", &["act", "low"]),
            ("Encounter?status=PLANNED", &[]),
            ("Patient?email=ada@example.org", &["p"]),
            ("Patient?telecom=ADA@EXAMPLE.ORG", &["p"]),
            ("Patient?identifier=aB", &["p"]),
            ("Patient?identifier=AB", &[]),
        ],
    )
    .await;
}

async fn stored_code_systems_say_whether_case_counts(backend: Backend) {
    let server = TestServer::start(backend).await;
    let act = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
    for (id, system, code) in [
        ("upper", "http://own", "AMB"),
        ("lower", "http://own", "amb"),
        ("act", act, "AMB"),
    ] {
        let one = json!({"resourceType": "Encounter", "id": id, "status": "planned",
            "class": {"system": system, "code": code}});
        put(&server, &one).await;
    }
    let both: &[&str] = &["lower", "upper"];
    let of_own = "Encounter?class=http://own|amb";
    let of_act = format!("Encounter?class={act}|amb");
    check(&server, &[(of_own, both), (&of_act, &[])]).await;
    let system = |id: &str, url: &str, counts: Value| {
        let mut one = json!({"resourceType": "CodeSystem", "id": id, "url": url,
            "status": "active", "content": "not-present"});
        one["caseSensitive"] = counts;
        one
    };
    put(&server, &system("own", "http://own", json!(true))).await;
    put(&server, &system("act", act, json!(false))).await;
    let set = json!({"resourceType": "ValueSet", "id": "set", "url": "http://set",
        "status": "active", "compose": {"include": [{"system": "http://own",
            "concept": [{"code": "amb"}]}]}});
    put(&server, &set).await;
    check(
        &server,
        &[
            (of_own, &["lower"]),
            ("Encounter?class=http://own|AMB", &["upper"]),
            ("Encounter?class:not=http://own|amb", &["act", "upper"]),
            ("Encounter?class:in=http://set", &["lower"]),
            ("Encounter?class=amb", &["act", "lower", "upper"]),
            (&of_act, &["act"]),
        ],
    )
    .await;
    let deleted = server.delete("CodeSystem/own").await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    check(&server, &[(of_own, both)]).await;
}

async fn a_value_set_that_cannot_be_expanded_refuses_the_search(backend: Backend) {
    let server = TestServer::start(backend).await;
    let filter = json!([{"property": "concept", "op": "is-a", "value": "404684003"}]);
    put(
        &server,
        &json!({"resourceType": "ValueSet", "id": "external", "status": "active",
            "url": "http://external", "compose": {"include": [
                {"system": "http://snomed.info/sct", "filter": filter}]}}),
    )
    .await;
    for (query, says) in [
        ("Observation?code:in=http://nowhere", "http://nowhere"),
        (
            "Observation?code:in=http://external",
            "http://snomed.info/sct",
        ),
        (
            "Observation?code:below=http://snomed.info/sct|1",
            "http://snomed.info/sct",
        ),
    ] {
        let answer = server.get(query).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.text());
        assert!(answer.text().contains(says), "{query}: {}", answer.text());
    }
    let answer = server.get("Observation?code:below=dog").await;
    assert_eq!(answer.status, 400, "{}", answer.text());
}
