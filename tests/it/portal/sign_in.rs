//! Signing in and out, sessions in cookies, forms that only our pages can send.
//!
//! OWASP: Session Management, Cross-Site Request Forgery Prevention; RFC 6265bis.

use http::StatusCode;
use vesta::config::AccessMode;

use crate::portal::at_a_moment;
use crate::support::people::{Browser, PASSWORD, add_user, user};
use crate::support::server::{Answer, Backend, TestServer, on_both_stores};
use crate::support::smart::smart_server;

on_both_stores!(
    what_is_wrong_is_not_told,
    who_is_wrong_too_often_waits,
    a_form_of_another_page_is_refused,
    a_session_cannot_be_planted,
    a_disabled_account_is_out_at_once,
    a_session_ends_by_itself,
    who_signs_in_goes_where_they_were_going,
    pages_are_protected,
);

/// What a page says, without what differs from one showing to the next.
fn said(answer: &Answer) -> String {
    let text = answer.text();
    let lines = text.lines().filter(|line| !line.contains("name=\"name\""));
    lines.collect::<Vec<_>>().join("\n")
}

async fn what_is_wrong_is_not_told(backend: Backend) {
    let server = smart_server(backend).await;
    add_user(&server, "ada", "patient", &[]);
    add_user(&server, "eve", "patient", &[]);
    user(&server, &["disable", "eve"]);
    let mut browser = Browser::new(&server);
    let wrong = browser.try_sign_in("ada", "something else entirely").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.text().contains("do not belong together"));
    for (name, password) in [
        ("nobody", PASSWORD),
        ("eve", PASSWORD),
        ("ada", ""),
        ("", PASSWORD),
        ("ada\tlovelace", PASSWORD),
        ("ada", &"x".repeat(5_000)),
    ] {
        let answer = browser.try_sign_in(name, password).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name:?}");
        assert_eq!(said(&answer), said(&wrong), "{name:?}");
        assert!(!answer.text().contains(PASSWORD));
    }
    assert_eq!(browser.session(), None);
    browser.sign_in(" ADA ").await;
    assert!(
        browser
            .open("/account")
            .await
            .text()
            .contains("Ada Lovelace")
    );
}

async fn who_is_wrong_too_often_waits(backend: Backend) {
    let (server, clock) = at_a_moment(backend).await;
    add_user(&server, "ada", "patient", &[]);
    let mut browser = Browser::new(&server);
    for name in ["ada", "nobody"] {
        for _ in 0..5 {
            let answer = browser.try_sign_in(name, "wrong").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
        // The right one is not looked at either.
        let locked = browser.try_sign_in(name, PASSWORD).await;
        assert_eq!(locked.status, StatusCode::TOO_MANY_REQUESTS, "{name}");
        assert!(locked.text().contains("Please wait 30 seconds"));
    }
    clock.advance_ms(30_000);
    let answer = browser.try_sign_in("ada", "wrong").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let locked = browser.try_sign_in("ada", PASSWORD).await;
    assert!(locked.text().contains("Please wait 60 seconds"));
    clock.advance_ms(60_000);
    browser.sign_in("ada").await;
    // What was right ends the count.
    let answer = browser.try_sign_in("ada", "wrong").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    browser.sign_in("ada").await;
}

async fn a_form_of_another_page_is_refused(backend: Backend) {
    let server = smart_server(backend).await;
    add_user(&server, "ada", "patient", &[]);
    let fields = [("name", "ada"), ("password", PASSWORD)];
    let mut browser = Browser::new(&server);
    let without = browser.send_raw("/sign-in", &fields).await;
    assert_eq!(without.status, StatusCode::FORBIDDEN);
    browser.open("/sign-in").await;
    let without = browser.send_raw("/sign-in", &fields).await;
    assert_eq!(without.status, StatusCode::FORBIDDEN);
    let mut other = Browser::new(&server);
    other.open("/sign-in").await;
    browser.csrf.clone_from(&other.csrf);
    let foreign = browser.send("/sign-in", &fields).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.session(), None);

    browser.sign_in("ada").await;
    // The token of a visitor's form is none of the session's.
    let stale = browser.send("/sign-out", &[]).await;
    assert_eq!(stale.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.open("/account").await.status, StatusCode::OK);
    let out = browser.send("/sign-out", &[]).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.session(), None);
    assert_eq!(browser.open("/account").await.status, StatusCode::SEE_OTHER);
}

async fn a_session_cannot_be_planted(backend: Backend) {
    let server = smart_server(backend).await;
    add_user(&server, "ada", "patient", &[]);
    add_user(&server, "eve", "patient", &[]);
    let mut eve = Browser::new(&server);
    eve.sign_in("eve").await;
    let planted = eve.session().unwrap().to_owned();
    let mut ada = Browser::new(&server);
    ada.cookies
        .insert("vesta-session".to_owned(), planted.clone());
    ada.sign_in("ada").await;
    assert_ne!(ada.session(), Some(planted.as_str()));
    // What was planted has ended: it leads to nobody any more.
    assert_eq!(eve.open("/account").await.status, StatusCode::SEE_OTHER);
    for forged in [
        "",
        ".",
        "x.y",
        &format!("{planted}0"),
        &planted.replace('.', ""),
    ] {
        eve.cookies
            .insert("vesta-session".to_owned(), forged.to_owned());
        assert_eq!(
            eve.open("/account").await.status,
            StatusCode::SEE_OTHER,
            "{forged}"
        );
    }
    let kept = ada.session().unwrap().to_owned();
    let page = ada.open("/account").await;
    ada.send("/sign-out", &[]).await;
    assert!(page.text().contains("Sign out"));
    ada.cookies.insert("vesta-session".to_owned(), kept);
    assert_eq!(ada.open("/account").await.status, StatusCode::SEE_OTHER);
}

async fn a_disabled_account_is_out_at_once(backend: Backend) {
    let server = smart_server(backend).await;
    add_user(&server, "ada", "patient", &[]);
    let mut browser = Browser::new(&server);
    browser.sign_in("ada").await;
    user(&server, &["disable", "ada"]);
    assert_eq!(browser.open("/account").await.status, StatusCode::SEE_OTHER);
    assert!(user(&server, &["list"]).contains("ada disabled patient"));
    user(&server, &["enable", "ada"]);
    // A session that has ended does not come back.
    assert_eq!(browser.open("/account").await.status, StatusCode::SEE_OTHER);
    browser.sign_in("ada").await;
}

async fn a_session_ends_by_itself(backend: Backend) {
    let (server, clock) = at_a_moment(backend).await;
    add_user(&server, "ada", "patient", &[]);
    let mut browser = Browser::new(&server);
    browser.sign_in("ada").await;
    // Used every 29 minutes, it lasts 12 hours.
    for _ in 0..24 {
        clock.advance_ms(29 * 60_000);
        assert_eq!(browser.open("/account").await.status, StatusCode::OK);
    }
    clock.advance_ms(29 * 60_000);
    assert_eq!(browser.open("/account").await.status, StatusCode::SEE_OTHER);
    browser.sign_in("ada").await;
    clock.advance_ms(30 * 60_000);
    assert_eq!(browser.open("/account").await.status, StatusCode::SEE_OTHER);
}

async fn who_signs_in_goes_where_they_were_going(backend: Backend) {
    let server = smart_server(backend).await;
    add_user(&server, "ada", "patient", &[]);
    let mut browser = Browser::new(&server);
    let sent = browser.open("/account?a=b").await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    assert_eq!(sent.header("location"), "/sign-in?next=%2Faccount%3Fa%3Db");
    let page = browser.open(sent.header("location")).await;
    assert!(page.text().contains("name=\"next\" value=\"/account?a=b\""));
    for (next, place) in [
        ("/account?a=b", "/account?a=b"),
        ("https://evil.example/", "/account"),
        ("//evil.example", "/account"),
        ("/\\evil.example", "/account"),
    ] {
        browser.open("/sign-in").await;
        let fields = [("name", "ada"), ("password", PASSWORD), ("next", next)];
        let answer = browser.send("/sign-in", &fields).await;
        assert_eq!(answer.header("location"), place);
    }
    let evil = browser.open("/sign-in?next=//evil.example").await;
    assert!(!evil.text().contains("evil"));
}

async fn pages_are_protected(backend: Backend) {
    let server = smart_server(backend).await;
    let mut browser = Browser::new(&server);
    for path in ["/sign-in", "/signed-out", "/account", "/assets/vesta.css"] {
        let answer = browser.open(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    let tls = TestServer::start_with(backend, |config| {
        config.access = AccessMode::Smart;
        config.base_url = Some("https://vesta.example".to_owned());
    })
    .await;
    let url = format!("http://{}/sign-in", tls.address());
    let answer = tls.request(http::Method::GET, &url).send().await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-vesta-visitor="), "{cookie}");
    assert!(cookie.contains("; Secure"), "{cookie}");
    assert!(!cookie.contains("Domain"), "{cookie}");
}
