//! The second step: who needs one, codes that work once, recovery codes, tries that are counted.
//!
//! RFC 6238 section 5.2, NIST SP 800-63B section 5.1.4.

use http::StatusCode;
use vesta::clock::Clock;

use crate::portal::at_a_moment;
use crate::support::people::{Browser, PASSWORD, add_user, authenticator, enrol, secret_of, user};
use crate::support::server::{Answer, Backend, on_both_stores};

on_both_stores!(
    who_needs_one_gets_nowhere_without,
    a_code_works_once,
    a_wrong_code_is_counted,
    a_recovery_code_works_once,
    who_may_choose_can_add_and_remove_one,
    an_operator_can_forget_a_lost_one,
);

fn assert_goes_to(answer: &Answer, place: &str) {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(answer.header("location"), place);
}

async fn who_needs_one_gets_nowhere_without(backend: Backend) {
    let (server, clock) = at_a_moment(backend).await;
    for role in ["practitioner", "administrator", "auditor"] {
        add_user(&server, role, role, &[]);
        let mut browser = Browser::new(&server);
        let answer = browser.try_sign_in(role, PASSWORD).await;
        assert_goes_to(&answer, "/second-factor/new");
        for path in ["/account", "/account/security", "/people"] {
            let sent = browser.open(path).await;
            let place = format!(
                "/second-factor/new?next=%2F{}",
                path.trim_start_matches('/').replace('/', "%2F")
            );
            assert_goes_to(&sent, &place);
        }
        let half = browser.session().unwrap().to_owned();
        browser.open("/second-factor/new").await;
        let wrong = browser
            .send("/second-factor/new", &[("code", "000000")])
            .await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
        let page = browser.open("/second-factor/new").await;
        let secret = secret_of(&page);
        // What was shown stays the same until it is confirmed.
        assert_eq!(secret_of(&browser.open("/second-factor/new").await), secret);
        let code = authenticator(&secret, clock.now_ms());
        let shown = browser.send("/second-factor/new", &[("code", &code)]).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.text());
        assert_eq!(shown.text().matches("<li class=\"secret\">").count(), 10);
        // The session that was half a one is another one now.
        assert_ne!(browser.session(), Some(half.as_str()));
        assert_eq!(browser.open("/account").await.status, StatusCode::OK);
        browser.cookies.insert("vesta-session".to_owned(), half);
        assert_goes_to(&browser.open("/account").await, "/sign-in?next=%2Faccount");
    }
    let listed = user(&server, &["list"]);
    assert_eq!(listed.lines().count(), 3, "{listed}");
}

async fn a_code_works_once(backend: Backend) {
    let (server, clock) = at_a_moment(backend).await;
    add_user(&server, "ada", "practitioner", &[]);
    let mut browser = Browser::new(&server);
    let secret = enrol(&mut browser, "ada", &*clock).await;
    let mut again = Browser::new(&server);
    let answer = again.try_sign_in("ada", PASSWORD).await;
    assert_goes_to(&answer, "/second-factor");
    again.open("/second-factor").await;
    // The code that confirmed the app was used with that.
    let code = authenticator(&secret, clock.now_ms());
    let replayed = again.send("/second-factor", &[("code", &code)]).await;
    assert_eq!(replayed.status, StatusCode::UNAUTHORIZED);
    assert_goes_to(
        &again.open("/account").await,
        "/second-factor?next=%2Faccount",
    );
    clock.advance_ms(30_000);
    let code = authenticator(&secret, clock.now_ms());
    let fields = [("code", code.as_str()), ("next", "/account/security")];
    assert_goes_to(
        &again.send("/second-factor", &fields).await,
        "/account/security",
    );
    let mut third = Browser::new(&server);
    third.try_sign_in("ada", PASSWORD).await;
    third.open("/second-factor").await;
    let replayed = third.send("/second-factor", &[("code", &code)]).await;
    assert_eq!(replayed.status, StatusCode::UNAUTHORIZED);
    let next = authenticator(&secret, clock.now_ms() + 30_000);
    assert_goes_to(
        &third.send("/second-factor", &[("code", &next)]).await,
        "/account",
    );
    // A half session is over after ten minutes.
    let mut slow = Browser::new(&server);
    slow.try_sign_in("ada", PASSWORD).await;
    slow.open("/second-factor").await;
    clock.advance_ms(600_000);
    let code = authenticator(&secret, clock.now_ms());
    let late = slow.send("/second-factor", &[("code", &code)]).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
}

async fn a_wrong_code_is_counted(backend: Backend) {
    let (server, clock) = at_a_moment(backend).await;
    add_user(&server, "ada", "auditor", &[]);
    let secret = enrol(&mut Browser::new(&server), "ada", &*clock).await;
    clock.advance_ms(60_000);
    // A right password in between does not begin the count anew.
    for _ in 0..5 {
        let mut browser = Browser::new(&server);
        browser.try_sign_in("ada", PASSWORD).await;
        browser.open("/second-factor").await;
        let wrong = browser.send("/second-factor", &[("code", "123")]).await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    }
    let mut browser = Browser::new(&server);
    browser.try_sign_in("ada", PASSWORD).await;
    browser.open("/second-factor").await;
    let code = authenticator(&secret, clock.now_ms());
    let locked = browser.send("/second-factor", &[("code", &code)]).await;
    assert_eq!(locked.status, StatusCode::TOO_MANY_REQUESTS);
    clock.advance_ms(30_000);
    let code = authenticator(&secret, clock.now_ms());
    assert_goes_to(
        &browser.send("/second-factor", &[("code", &code)]).await,
        "/account",
    );
}

async fn a_recovery_code_works_once(backend: Backend) {
    let (server, clock) = at_a_moment(backend).await;
    add_user(&server, "ada", "practitioner", &[]);
    let mut browser = Browser::new(&server);
    browser.try_sign_in("ada", PASSWORD).await;
    let secret = secret_of(&browser.open("/second-factor/new").await);
    let code = authenticator(&secret, clock.now_ms());
    let shown = browser
        .send("/second-factor/new", &[("code", &code)])
        .await
        .text();
    let (_, rest) = shown.split_once("<li class=\"secret\">").unwrap();
    let recovery = rest.split_once('<').unwrap().0.to_uppercase();
    for right in [true, false] {
        let mut other = Browser::new(&server);
        other.try_sign_in("ada", PASSWORD).await;
        other.open("/second-factor").await;
        let answer = other.send("/second-factor", &[("code", &recovery)]).await;
        if right {
            assert_goes_to(&answer, "/account/security?done=recovery");
            let page = other.open("/account/security?done=recovery").await.text();
            assert!(page.contains("9 left"), "{page}");
        } else {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        }
    }
    // New codes need the password, and end the others.
    let page = browser.open("/account/security").await;
    assert_eq!(page.status, StatusCode::OK);
    let wrong = browser
        .send("/account/recovery-codes", &[("password", "wrong")])
        .await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let renewed = browser
        .send("/account/recovery-codes", &[("password", PASSWORD)])
        .await;
    assert_eq!(renewed.text().matches("<li class=\"secret\">").count(), 10);
}

async fn who_may_choose_can_add_and_remove_one(backend: Backend) {
    let (server, clock) = at_a_moment(backend).await;
    add_user(&server, "ada", "patient", &[]);
    let mut browser = Browser::new(&server);
    browser.sign_in("ada").await;
    let secret = secret_of(&browser.open("/second-factor/new").await);
    let code = authenticator(&secret, clock.now_ms());
    // Whoever finds an open browser does not know the password.
    let without = browser.send("/second-factor/new", &[("code", &code)]).await;
    assert_eq!(without.status, StatusCode::UNAUTHORIZED);
    let fields = [("code", code.as_str()), ("password", PASSWORD)];
    let shown = browser.send("/second-factor/new", &fields).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text());
    let mut other = Browser::new(&server);
    assert_goes_to(&other.try_sign_in("ada", PASSWORD).await, "/second-factor");
    browser.open("/account/security").await;
    let wrong = browser
        .send("/account/second-factor/remove", &[("password", "x")])
        .await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    let gone = browser
        .send("/account/second-factor/remove", &[("password", PASSWORD)])
        .await;
    assert_goes_to(&gone, "/account/security?done=removed");
    other.sign_in("ada").await;

    add_user(&server, "eve", "practitioner", &[]);
    let mut needs = Browser::new(&server);
    enrol(&mut needs, "eve", &*clock).await;
    needs.open("/account/security").await;
    let kept = needs
        .send("/account/second-factor/remove", &[("password", PASSWORD)])
        .await;
    assert_eq!(kept.status, StatusCode::BAD_REQUEST);
    assert!(kept.text().contains("Your role needs a second step"));
}

async fn an_operator_can_forget_a_lost_one(backend: Backend) {
    let (server, clock) = at_a_moment(backend).await;
    add_user(&server, "ada", "practitioner", &[]);
    let mut browser = Browser::new(&server);
    enrol(&mut browser, "ada", &*clock).await;
    let link = user(&server, &["reset-password", "ada", "--with-factors"]);
    assert_goes_to(&browser.open("/account").await, "/sign-in?next=%2Faccount");
    let refused = browser.try_sign_in("ada", PASSWORD).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let link = crate::support::mail::path(link.trim().strip_prefix("link: ").unwrap());
    let answer = browser
        .choose_password(&link, "another otter dances quietly")
        .await;
    assert_goes_to(&answer, "/second-factor/new");
}
