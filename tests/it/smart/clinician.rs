//! Clinicians and apps: the patient picker, and launches from the server's own page.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html>.

use http::StatusCode;
use oauth2::url::Url;
use vesta::clock::SystemClock;

use crate::support::apps::{
    App, Back, ConsentPage, LAUNCH, SCOPES, claims, clinic, opens, send_consent,
};
use crate::support::people::{Browser, add_user, enrol};
use crate::support::server::{Answer, Backend, TestServer, on_both_stores};
use crate::support::smart::post_form;

on_both_stores!(
    a_clinician_picks_a_patient,
    a_clinician_opens_an_app_from_the_launch_page,
    an_app_reaches_as_far_as_its_clinician,
);

/// A browser in which the clinician of a clinic is signed in.
async fn clinician(server: &TestServer) -> Browser<'_> {
    add_user(
        server,
        "house",
        "practitioner",
        &["--fhir-user", "Practitioner/house"],
    );
    let mut browser = Browser::new(server);
    enrol(&mut browser, "house", &SystemClock).await;
    browser
}

async fn consent(browser: &mut Browser<'_>, path: &str) -> Back {
    let answer = browser.open(path).await;
    let page = ConsentPage {
        path: path.to_owned(),
        answer,
    };
    Back::of(&send_consent(browser, &page, &[]).await)
}

async fn tokens(server: &TestServer, app: &App, back: &Back) -> Answer {
    post_form(server, "/oauth/token", &app.exchange(back.get("code"))).await
}

#[expect(
    clippy::cognitive_complexity,
    reason = "one story, told in the order in which it happens"
)]
async fn a_clinician_picks_a_patient(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = clinician(&server).await;
    let wanted = "openid fhirUser launch/patient patient/*.rs";
    let page = app
        .ask(&server, &mut browser, &app.request(&server, wanted))
        .await;
    let picker = page.answer.header("location").to_owned();
    let empty = browser.open(&picker).await;
    assert!(empty.text().contains("Name of the patient"));
    // Only who is in the clinician's care is found, by every word of the name.
    for (name, is_found) in [
        ("fland", true),
        ("moll fland", true),
        ("fland defoe", false),
    ] {
        let name = name.replace(' ', "+");
        let found = browser.open(&format!("{picker}?name={name}")).await;
        assert_eq!(found.text().contains("Moll Flanders"), is_found, "{name}");
    }
    for other in ["defoe", "%2C", "%24%7C%5C"] {
        let found = browser.open(&format!("{picker}?name={other}")).await;
        assert_eq!(found.status, StatusCode::OK, "{}", found.text());
        assert!(!found.text().contains("Daniel Defoe"), "{other}");
    }
    let refused = browser.send(&picker, &[("patient", "defoe")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    browser.open(&picker).await;
    let chosen = browser.send(&picker, &[("patient", "moll")]).await;
    assert_eq!(chosen.header("location"), page.path);
    let back = consent(&mut browser, &page.path).await;
    let tokens = tokens(&server, &app, &back).await.json();
    assert_eq!(tokens["patient"], "moll");
    let user = format!("{}/Practitioner/house", server.base);
    assert_eq!(claims(&tokens["id_token"])["fhirUser"], user.as_str());
    let token = &tokens["access_token"];
    assert_eq!(opens(&server, token, "Practitioner/house").await, 200);
    assert_eq!(opens(&server, token, "Observation/d1").await, 404);
}

async fn a_clinician_opens_an_app_from_the_launch_page(backend: Backend) {
    let server = clinic(backend).await;
    let scopes = [&SCOPES[..], &["launch/encounter"]].concat();
    let app = App::register_with(&server, "public", &scopes, &["--launch-uri", LAUNCH]);
    let mut browser = clinician(&server).await;
    let shown = browser.open("/launch?name=moll").await;
    assert!(shown.text().contains("Moll Flanders") && shown.text().contains("Heart Diary"));
    let bad = [("patient", "defoe"), ("app", &app.client_id)];
    let refused = browser.send("/launch", &bad).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    browser.open("/launch?name=moll").await;
    let good = [
        ("patient", "moll"),
        ("app", &app.client_id),
        ("encounter", "e1"),
    ];
    let sent = browser.send("/launch", &good).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.text());
    let url = Url::parse(sent.header("location")).unwrap();
    let told: Vec<_> = url.query_pairs().into_owned().collect();
    assert_eq!(told[0], ("iss".to_owned(), server.base.clone()));
    assert_eq!(told[1].0, "launch");
    let wanted = "openid fhirUser launch offline_access user/*.rs patient/*.rs";
    let mut request = app.request(&server, wanted);
    request.insert("launch".to_owned(), told[1].1.clone());
    let begun = app.ask(&server, &mut browser, &request).await;
    let back = consent(&mut browser, &begun.path).await;
    let tokens = tokens(&server, &app, &back).await.json();
    assert_eq!(
        (&tokens["patient"], &tokens["encounter"]),
        (&"moll".into(), &"e1".into())
    );
    assert!(tokens["need_patient_banner"].is_boolean());
    assert_eq!(
        opens(&server, &tokens["access_token"], "Encounter/e1").await,
        200
    );
}

async fn an_app_reaches_as_far_as_its_clinician(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    let mut browser = clinician(&server).await;
    let tokens = app
        .connect(&server, &mut browser, "openid fhirUser user/*.rs")
        .await;
    let token = &tokens["access_token"];
    assert_eq!(opens(&server, token, "Patient/moll").await, 200);
    assert_eq!(opens(&server, token, "Patient/defoe").await, 404);
    assert!(tokens.get("patient").is_none());
}
