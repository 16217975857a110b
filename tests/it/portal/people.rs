//! The page where administrators see to accounts: nobody else may, and what is done there holds at
//! once.

use http::StatusCode;

use crate::portal::at_a_moment;
use crate::support::mail::path;
use crate::support::people::{Browser, PASSWORD, add_user, enrol, user};
use crate::support::server::{Backend, on_both_stores};

on_both_stores!(
    only_administrators_see_to_people,
    what_is_changed_holds_at_once
);

const NEW: &str = "another otter dances quietly";

async fn only_administrators_see_to_people(backend: Backend) {
    let (server, clock) = at_a_moment(backend).await;
    add_user(&server, "ada", "patient", &[]);
    let mut patient = Browser::new(&server);
    patient.sign_in("ada").await;
    let mut others = vec![patient];
    for role in ["practitioner", "auditor"] {
        add_user(&server, role, role, &[]);
        let mut browser = Browser::new(&server);
        enrol(&mut browser, role, &*clock).await;
        others.push(browser);
    }
    for browser in &mut others {
        browser.open("/account").await;
        assert_eq!(browser.open("/people").await.status, StatusCode::FORBIDDEN);
        browser.open("/account").await;
        let fields = [
            ("name", "X"),
            ("sign_in_name", "x"),
            ("role", "administrator"),
        ];
        let refused = browser.send("/people", &fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        browser.open("/account").await;
        let fields = [
            ("sign_in_name", "ada"),
            ("act", "role"),
            ("role", "administrator"),
        ];
        let refused = browser.send("/people/change", &fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
    let listed = user(&server, &["list"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(!listed.contains("administrator"));
    let mut nobody = Browser::new(&server);
    let sent = nobody.open("/people").await;
    assert_eq!(sent.header("location"), "/sign-in?next=%2Fpeople");
}

#[expect(
    clippy::cognitive_complexity,
    clippy::too_many_lines,
    reason = "one story, told in the order in which it happens"
)]
async fn what_is_changed_holds_at_once(backend: Backend) {
    let (server, clock) = at_a_moment(backend).await;
    add_user(&server, "root", "administrator", &[]);
    add_user(&server, "ada", "patient", &[]);
    let mut root = Browser::new(&server);
    enrol(&mut root, "root", &*clock).await;
    let mut ada = Browser::new(&server);
    ada.sign_in("ada").await;
    let page = root.open("/people").await.text();
    assert!(page.contains("not confirmed"), "{page}");
    let wrong = [
        ("sign_in_name", "ada"),
        ("act", "confirm"),
        ("fhir_user", "Practitioner/1"),
    ];
    let wrong = root.send("/people/change", &wrong).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let right = [
        ("sign_in_name", "ada"),
        ("act", "confirm"),
        ("fhir_user", "Patient/1"),
    ];
    let done = root.send("/people/change", &right).await;
    assert_eq!(done.header("location"), "/people?done=confirm");
    assert!(user(&server, &["list"]).contains("ada active patient Patient/1"));
    let done = root
        .send(
            "/people/change",
            &[("sign_in_name", "ada"), ("act", "disable")],
        )
        .await;
    assert_eq!(done.header("location"), "/people?done=disable");
    assert_eq!(ada.open("/account").await.status, StatusCode::SEE_OTHER);
    let done = root
        .send(
            "/people/change",
            &[("sign_in_name", "ada"), ("act", "enable")],
        )
        .await;
    assert_eq!(done.header("location"), "/people?done=enable");
    ada.sign_in("ada").await;
    let fields = [
        ("sign_in_name", "ada"),
        ("act", "role"),
        ("role", "auditor"),
    ];
    let done = root.send("/people/change", &fields).await;
    assert_eq!(done.header("location"), "/people?done=role");
    assert_eq!(ada.open("/account").await.status, StatusCode::SEE_OTHER);
    let answer = ada.try_sign_in("ada", PASSWORD).await;
    assert_eq!(answer.header("location"), "/second-factor/new");

    root.open("/people").await;
    let own = root
        .send(
            "/people/change",
            &[("sign_in_name", "root"), ("act", "disable")],
        )
        .await;
    assert_eq!(own.status, StatusCode::BAD_REQUEST);
    let nobody = root
        .send(
            "/people/change",
            &[("sign_in_name", "x"), ("act", "disable")],
        )
        .await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);

    root.open("/people").await;
    let fields = [
        ("name", "Dr. No"),
        ("sign_in_name", "doc"),
        ("role", "practitioner"),
    ];
    let shown = root.send("/people", &fields).await.text();
    let (_, rest) = shown.split_once("<p class=\"secret link\">").unwrap();
    let link = path(rest.split_once('<').unwrap().0);
    let mut doc = Browser::new(&server);
    let answer = doc.choose_password(&link, NEW).await;
    assert_eq!(answer.header("location"), "/second-factor/new");
}
