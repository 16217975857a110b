//! Registration, invitations and forgotten passwords: links that work once, and answers that tell
//! nobody who has an account.
//!
//! OWASP: Forgot Password, Authentication (account enumeration).

use std::sync::Arc;

use http::StatusCode;
use vesta::clock::{Clock, FixedClock, SystemClock};
use vesta::config::{AccessMode, Config};

use crate::support::mail::{MailServer, link, path};
use crate::support::people::{Browser, PASSWORD, add_user, user};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(
    who_registers_learns_nothing_of_others,
    a_password_has_to_be_good,
    a_link_works_once_and_for_a_while,
    a_forgotten_password_is_set_anew,
    an_invitation_leads_to_a_password,
    a_patient_connects_a_record_once,
    registration_can_be_closed,
);

const NEW: &str = "another otter dances quietly";

async fn with_mail(backend: Backend) -> (TestServer, MailServer, Arc<FixedClock>) {
    let mail = MailServer::start().await;
    let clock = Arc::new(FixedClock::new(SystemClock.now_ms()));
    let url = mail.url.clone();
    let change = |config: &mut Config| {
        config.access = AccessMode::Smart;
        config.mail.smtp = Some(url);
        config.mail.from = Some("Vesta <vesta@hospital.example>".to_owned());
    };
    let shown = Arc::clone(&clock) as Arc<dyn Clock>;
    (
        TestServer::start_at(backend, change, shown).await,
        mail,
        clock,
    )
}

async fn who_registers_learns_nothing_of_others(backend: Backend) {
    let (server, mail, _clock) = with_mail(backend).await;
    add_user(&server, "ada@example.org", "patient", &[]);
    let mut browser = Browser::new(&server);
    browser.open("/register").await;
    let wrong = browser
        .send("/register", &[("name", "Eve"), ("email", "eve")])
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(wrong.text().contains("This is not an e-mail address"));
    let nameless = browser
        .send("/register", &[("email", "eve@example.org")])
        .await;
    assert_eq!(nameless.status, StatusCode::BAD_REQUEST);

    let known = [("name", "Ada"), ("email", "Ada@example.org")];
    let known = browser.send("/register", &known).await;
    let told = mail.next().await;
    assert!(told.contains("You already have a Vesta account"), "{told}");
    assert!(!told.contains("/register/finish"));
    let new = [("name", "Eve <b>"), ("email", "eve@example.org")];
    let new = browser.send("/register", &new).await;
    let told = mail.next().await;
    assert!(told.contains("To: eve@example.org"), "{told}");
    assert_eq!((known.status, known.text()), (new.status, new.text()));

    let answer = browser.choose_password(&link(&told), NEW).await;
    assert_eq!(answer.header("location"), "/account", "{}", answer.text());
    let page = browser.open("/account").await.text();
    assert!(page.contains("Eve &#60;b&#62;"), "{page}");
    assert!(page.contains("We still have to confirm who you are"));
    assert!(user(&server, &["list"]).contains("eve@example.org active patient -"));
    user(
        &server,
        &["confirm", "eve@example.org", "--fhir-user", "Patient/9"],
    );
    let page = browser.open("/account").await.text();
    assert!(!page.contains("We still have to confirm"));
}

async fn a_password_has_to_be_good(backend: Backend) {
    let (server, mail, _clock) = with_mail(backend).await;
    let mut browser = Browser::new(&server);
    browser.open("/register").await;
    let fields = [("name", "Eve Polastri"), ("email", "eve@example.org")];
    browser.send("/register", &fields).await;
    let link = link(&mail.next().await);
    let long = "x1".repeat(65);
    for (wrong, says) in [
        ("short", "at least 12"),
        ("passwordpassword", "too easy"),
        ("111111111111111", "too easy"),
        ("eve@example.org", "too easy"),
        (long.as_str(), "at most 128"),
    ] {
        let answer = browser.choose_password(&link, wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert!(answer.text().contains(says), "{wrong}: {}", answer.text());
        assert!(!answer.text().contains(&format!("value=\"{wrong}\"")));
    }
    let token = link.split_once("t=").unwrap().1;
    let fields = [("t", token), ("password", NEW), ("again", "something else")];
    let unequal = browser.send("/register/finish", &fields).await;
    assert!(unequal.text().contains("not the same"));
    // None of this has used the link up.
    let answer = browser.choose_password(&link, NEW).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

async fn a_link_works_once_and_for_a_while(backend: Backend) {
    let (server, mail, clock) = with_mail(backend).await;
    add_user(&server, "ada@example.org", "patient", &[]);
    let mut browser = Browser::new(&server);
    for forged in ["", "?t=", "?t=0123456789abcdef"] {
        for page in ["/register/finish", "/welcome", "/new-password"] {
            let answer = browser.open(&format!("{page}{forged}")).await;
            assert_eq!(answer.status, StatusCode::GONE, "{page}{forged}");
        }
    }
    let ask = async |browser: &mut Browser<'_>| {
        browser.open("/forgot-password").await;
        browser
            .send("/forgot-password", &[("name", "ada@example.org")])
            .await;
        link(&mail.next().await)
    };
    let (first, second) = (ask(&mut browser).await, ask(&mut browser).await);
    // Programs that look through mail open links as well.
    assert_eq!(browser.open(&first).await.status, StatusCode::OK);
    assert_eq!(browser.open(&first).await.status, StatusCode::OK);
    let answer = browser.choose_password(&first, NEW).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
    assert_eq!(browser.open(&first).await.status, StatusCode::GONE);
    // The change ended the other one too.
    let other = browser
        .choose_password(&second, "a third otter dances")
        .await;
    assert_eq!(other.status, StatusCode::GONE);
    let late = ask(&mut browser).await;
    clock.advance_ms(3_600_000);
    assert_eq!(browser.open(&late).await.status, StatusCode::GONE);
    let token = late.split_once("t=").unwrap().1;
    browser.open("/sign-in").await;
    let fields = [("t", token), ("password", NEW), ("again", NEW)];
    let late = browser.send("/new-password", &fields).await;
    assert_eq!(late.status, StatusCode::GONE);
}

async fn a_forgotten_password_is_set_anew(backend: Backend) {
    let (server, mail, _clock) = with_mail(backend).await;
    add_user(&server, "ada", "patient", &["--email", "ada@example.org"]);
    add_user(&server, "eve@example.org", "patient", &[]);
    user(&server, &["disable", "eve@example.org"]);
    let mut signed_in = Browser::new(&server);
    signed_in.sign_in("ada").await;
    let mut browser = Browser::new(&server);
    let mut answers = Vec::new();
    for name in ["nobody", "eve@example.org", "", "ada"] {
        browser.open("/forgot-password").await;
        let answer = browser.send("/forgot-password", &[("name", name)]).await;
        answers.push((answer.status, answer.text()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    // Of all of them, one was written to.
    let told = mail.next().await;
    assert!(told.contains("To: ada@example.org"), "{told}");
    let answer = browser.choose_password(&link(&told), NEW).await;
    assert_eq!(answer.header("location"), "/account");
    let out = signed_in.open("/account").await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    let old = signed_in.try_sign_in("ada", PASSWORD).await;
    assert_eq!(old.status, StatusCode::UNAUTHORIZED);
    let new = signed_in.try_sign_in("ada", NEW).await;
    assert_eq!(new.header("location"), "/account");
}

async fn an_invitation_leads_to_a_password(backend: Backend) {
    let (server, mail, clock) = with_mail(backend).await;
    let printed = user(
        &server,
        &[
            "add",
            "doc",
            "--name",
            "Dr. No",
            "--role",
            "practitioner",
            "--fhir-user",
            "Practitioner/1",
        ],
    );
    let printed = printed
        .lines()
        .find_map(|line| line.strip_prefix("invitation: "));
    let invitation = path(printed.unwrap());
    assert!(user(&server, &["list"]).contains("doc invited practitioner Practitioner/1"));
    let mut browser = Browser::new(&server);
    // No password opens an account that has none.
    for password in ["", PASSWORD] {
        let answer = browser.try_sign_in("doc", password).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    let answer = browser.choose_password(&invitation, NEW).await;
    assert_eq!(
        answer.header("location"),
        "/second-factor/new",
        "{}",
        answer.text()
    );
    let mut thief = Browser::new(&server);
    assert_eq!(thief.open(&invitation).await.status, StatusCode::GONE);
    let answer = thief.try_sign_in("doc", NEW).await;
    assert_eq!(answer.header("location"), "/second-factor/new");

    user(
        &server,
        &[
            "add",
            "eve@example.org",
            "--name",
            "Eve",
            "--role",
            "auditor",
        ],
    );
    // Who runs the program on MongoDB has its settings, not those of the server.
    if backend == Backend::Embedded {
        let told = mail.next().await;
        clock.advance_ms(604_800_000);
        assert_eq!(thief.open(&link(&told)).await.status, StatusCode::GONE);
    }
    let taken = server.vesta(&["user", "add", "DOC", "--name", "X", "--role", "patient"]);
    assert!(String::from_utf8_lossy(&taken.stderr).contains("taken"));
}

async fn a_patient_connects_a_record_once(backend: Backend) {
    let (server, _mail, _clock) = with_mail(backend).await;
    add_user(&server, "ada", "patient", &[]);
    add_user(&server, "eve", "patient", &[]);
    let invite = || {
        let printed = user(&server, &["invite", "--fhir-user", "Patient/7"]);
        path(printed.trim().strip_prefix("invitation: ").unwrap())
    };
    let (first, second) = (invite(), invite());
    let token = |link: &str| link.split_once("t=").unwrap().1.to_owned();
    let mut browser = Browser::new(&server);
    let sent = browser.open(&first).await;
    assert!(
        sent.header("location")
            .starts_with("/sign-in?next=%2Fconnect")
    );
    browser.sign_in("ada").await;
    assert_eq!(browser.open(&first).await.status, StatusCode::OK);
    let done = browser.send("/connect", &[("t", &token(&first))]).await;
    assert_eq!(done.header("location"), "/account", "{}", done.text());
    assert!(user(&server, &["list"]).contains("ada active patient Patient/7"));
    let mut eve = Browser::new(&server);
    eve.sign_in("eve").await;
    eve.open("/account").await;
    let used = eve.send("/connect", &[("t", &token(&first))]).await;
    assert_eq!(used.status, StatusCode::GONE);
    // Whoever has a record has that one.
    browser.open("/account").await;
    let again = browser.send("/connect", &[("t", &token(&second))]).await;
    assert_eq!(again.status, StatusCode::BAD_REQUEST);
    assert_eq!(eve.open(&second).await.status, StatusCode::OK);
    let wrong = server.vesta(&["user", "invite", "--fhir-user", "Practitioner/7"]);
    assert!(!wrong.status.success());
}

async fn registration_can_be_closed(backend: Backend) {
    let server = TestServer::start_with(backend, |config| {
        config.access = AccessMode::Smart;
        config.account.registration = false;
    })
    .await;
    let mut browser = Browser::new(&server);
    assert!(!browser.open("/sign-in").await.text().contains("/register"));
    assert_eq!(
        browser.open("/register").await.status,
        StatusCode::NOT_FOUND
    );
    browser.open("/sign-in").await;
    let fields = [("name", "Eve"), ("email", "eve@example.org")];
    let closed = browser.send("/register", &fields).await;
    assert_eq!(closed.status, StatusCode::NOT_FOUND);
}
