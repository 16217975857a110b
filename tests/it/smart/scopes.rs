//! What people leave in of what apps ask for, and what of the record that opens.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>.

use http::StatusCode;
use serde_json::Value;

use crate::support::apps::{App, Back, SCOPES, clinic, opens, patient_browser, send_consent};
use crate::support::people::{Browser, add_user};
use crate::support::server::{Backend, TestServer, on_both_stores};
use crate::support::smart::{get_as, post_form};

on_both_stores!(
    single_scopes_can_be_refused,
    a_refused_type_is_forbidden_and_not_empty,
    observations_can_be_narrowed_to_categories,
    the_whole_record_can_be_narrowed_to_kinds,
    the_first_version_is_understood,
    granular_scopes_are_kept,
    an_app_is_given_no_more_than_it_is_registered_with,
    who_acts_for_several_picks_one,
);

async fn granted(server: &TestServer, app: &App, back: &Back) -> Value {
    let answer = post_form(server, "/oauth/token", &app.exchange(back.get("code"))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

async fn found(server: &TestServer, tokens: &Value, path: &str) -> Vec<String> {
    let answer = get_as(server, tokens["access_token"].as_str().unwrap(), path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    let entries = answer.json()["entry"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let ids = entries.iter();
    let mut ids: Vec<_> = ids
        .map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

async fn single_scopes_can_be_refused(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let asked = "openid launch/patient offline_access patient/Patient.rs patient/Observation.rs \
                 patient/Immunization.rs";
    let page = app
        .ask(&server, &mut browser, &app.request(&server, asked))
        .await;
    let text = page.answer.text();
    for words in [
        "Vaccinations",
        "Test results and measurements",
        "Can see it.",
        "Tell the app who you are",
        "also when you are not there",
    ] {
        assert!(text.contains(words), "{words}");
    }
    let changes = [("scope-1", ""), ("stay", ""), ("identity", "")];
    let back = Back::of(&send_consent(&mut browser, &page, &changes).await);
    let tokens = granted(&server, &app, &back).await;
    assert_eq!(
        tokens["scope"],
        "launch/patient patient/Patient.rs patient/Immunization.rs"
    );
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
    assert_eq!(
        opens(&server, &tokens["access_token"], "Patient/moll").await,
        200
    );
    // What is not on the page cannot be had by sending it.
    let more = [("scope-7", "on"), ("only-0", "Observation")];
    let back = app.agree(&server, &mut browser, asked, &more).await;
    let scope = granted(&server, &app, &back).await["scope"].clone();
    assert!(
        !scope.as_str().unwrap().contains("patient/Patient"),
        "{scope}"
    );
}

async fn a_refused_type_is_forbidden_and_not_empty(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let asked = "launch/patient patient/Patient.rs patient/Observation.rs patient/Condition.rs";
    let changes = [("scope-1", "")];
    let back = app.agree(&server, &mut browser, asked, &changes).await;
    let tokens = granted(&server, &app, &back).await;
    let token = &tokens["access_token"];
    assert_eq!(opens(&server, token, "Condition?patient=moll").await, 200);
    assert_eq!(opens(&server, token, "Observation?patient=moll").await, 403);
    assert_eq!(opens(&server, token, "Observation/m1").await, 403);
}

async fn observations_can_be_narrowed_to_categories(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let laboratory = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory";
    for (asked, granted_scope) in [
        (
            "launch/patient patient/Patient.rs patient/Observation.rs",
            format!(
                "launch/patient patient/Patient.rs patient/Observation.rs?category={laboratory}"
            ),
        ),
        (
            "launch/patient patient/Patient.read patient/Observation.read",
            format!(
                "launch/patient patient/Patient.read patient/Observation.rs?category={laboratory}"
            ),
        ),
    ] {
        let changes = [("only-1", laboratory)];
        let back = app.agree(&server, &mut browser, asked, &changes).await;
        let tokens = granted(&server, &app, &back).await;
        assert_eq!(tokens["scope"], granted_scope.as_str());
        assert_eq!(found(&server, &tokens, "Observation").await, ["m1"]);
        let token = &tokens["access_token"];
        assert_eq!(opens(&server, token, "Observation/m1").await, 200);
        assert_eq!(opens(&server, token, "Observation/m2").await, 404);
    }
}

async fn the_whole_record_can_be_narrowed_to_kinds(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let asked = "launch/patient patient/*.rs";
    let only = [("only-0", "Patient"), ("only-0", "Immunization")];
    let back = app.agree(&server, &mut browser, asked, &only).await;
    let tokens = granted(&server, &app, &back).await;
    assert_eq!(
        tokens["scope"],
        "launch/patient patient/Patient.rs patient/Immunization.rs"
    );
    assert_eq!(found(&server, &tokens, "Immunization").await, ["i1"]);
    assert_eq!(
        opens(&server, &tokens["access_token"], "Observation").await,
        403
    );
}

async fn the_first_version_is_understood(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let asked = "launch/patient openid fhirUser patient/Patient.read patient/Observation.*";
    let tokens = app.connect(&server, &mut browser, asked).await;
    let scope = tokens["scope"].as_str().unwrap();
    assert!(scope.contains("patient/Patient.read"), "{scope}");
    assert_eq!(found(&server, &tokens, "Observation").await, ["m1", "m2"]);
}

async fn granular_scopes_are_kept(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = patient_browser(&server).await;
    let granular = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs";
    let asked = format!("launch/patient patient/Patient.rs {granular}");
    let page = app
        .ask(&server, &mut browser, &app.request(&server, &asked))
        .await;
    let words = "Test results and measurements, only: Blood pressure, weight";
    assert!(page.answer.text().contains(words));
    let back = Back::of(&send_consent(&mut browser, &page, &[]).await);
    let tokens = granted(&server, &app, &back).await;
    assert_eq!(tokens["scope"], asked.as_str());
    assert_eq!(found(&server, &tokens, "Observation").await, ["m2"]);
    // What cannot be kept is left out and never widened.
    let chained = "launch/patient patient/Patient.rs patient/Observation.rs?subject.name=x";
    let tokens = app.connect(&server, &mut browser, chained).await;
    assert_eq!(tokens["scope"], "launch/patient patient/Patient.rs");
}

async fn an_app_is_given_no_more_than_it_is_registered_with(backend: Backend) {
    let server = clinic(backend).await;
    let allowed = [
        "launch/patient",
        "patient/Patient.rs",
        "patient/Observation.r",
    ];
    let app = App::register(&server, "public", &allowed);
    let mut browser = patient_browser(&server).await;
    let asked = "openid launch/patient offline_access patient/*.cruds user/*.rs";
    let tokens = app.connect(&server, &mut browser, asked).await;
    assert_eq!(
        tokens["scope"],
        "launch/patient patient/Patient.rs patient/Observation.r"
    );
    assert_eq!(
        opens(&server, &tokens["access_token"], "Observation?_count=1").await,
        403
    );
}

async fn who_acts_for_several_picks_one(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let both = ["--acts-for", "moll", "--acts-for", "defoe"];
    add_user(&server, "carer", "proxy", &both);
    let mut browser = Browser::new(&server);
    browser.sign_in("carer").await;
    let asked = "launch/patient patient/*.rs";
    let page = app
        .ask(&server, &mut browser, &app.request(&server, asked))
        .await;
    assert_eq!(page.answer.status, StatusCode::SEE_OTHER);
    let picker = format!("{}/patient", page.path);
    assert_eq!(page.answer.header("location"), picker);
    let shown = browser.open(&picker).await;
    assert!(shown.text().contains("Moll Flanders") && shown.text().contains("Daniel Defoe"));
    // Nothing can be agreed to before somebody is picked, and nobody else can be.
    let early = browser.send(&page.path, &[("answer", "allow")]).await;
    assert!(early.header("location").starts_with("/oauth/consent/"));
    let nobody = browser.send(&picker, &[("patient", "house")]).await;
    assert_eq!(nobody.status, StatusCode::FORBIDDEN);
    browser.open(&picker).await;
    let chosen = browser.send(&picker, &[("patient", "defoe")]).await;
    assert_eq!(chosen.header("location"), page.path);
    let consent = browser.open(&page.path).await;
    assert!(
        consent
            .text()
            .contains("the health record of <strong>Daniel Defoe")
    );
    let page = crate::support::apps::ConsentPage {
        path: page.path,
        answer: consent,
    };
    let back = Back::of(&send_consent(&mut browser, &page, &[]).await);
    let tokens = granted(&server, &app, &back).await;
    assert_eq!(tokens["patient"], "defoe");
    assert_eq!(found(&server, &tokens, "Observation").await, ["d1"]);
    assert_eq!(
        opens(&server, &tokens["access_token"], "Patient/moll").await,
        404
    );
}
