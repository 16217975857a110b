//! What people and operators do with accounts is in the journal before it is answered, with the id
//! of the account and where it came from, and without names, passwords or codes.

use vesta::audit::event::{Act, Event, EventOutcome};

use crate::portal::at_a_moment;
use crate::support::people::{Browser, PASSWORD, add_user, enrol, user};
use crate::support::server::{Backend, TestServer, on_both_stores};

on_both_stores!(everything_done_with_accounts_is_written_down);

/// All events, in their order.
async fn events(server: &TestServer) -> Vec<Event> {
    let ledger = server.journal().ledger();
    let blocks = ledger.blocks(None, 10_000).await.unwrap();
    let opened = blocks.iter().map(|block| ledger.open_block(&block.body));
    let mut all: Vec<_> = opened.flat_map(|block| block.unwrap().events).collect();
    // What a page shows of records is another matter.
    all.retain(|event| event.act != Act::Other);
    // Each process writes a chain of its own.
    all.sort_by_key(|event| event.recorded_ms);
    all
}

/// What happened since a number of events: the act, how it ended, and whether it names an account.
fn since(all: &[Event], before: usize) -> Vec<(Act, EventOutcome, bool)> {
    let new = all.iter().skip(before);
    new.map(|one| (one.act, one.ending.outcome, one.subject.is_some()))
        .collect()
}

#[expect(
    clippy::cognitive_complexity,
    reason = "one story, told in the order in which it happens"
)]
async fn everything_done_with_accounts_is_written_down(backend: Backend) {
    let (server, clock) = at_a_moment(backend).await;
    add_user(&server, "ada", "patient", &[]);
    add_user(&server, "doc", "practitioner", &[]);
    let all = events(&server).await;
    let added = all.iter().filter(|one| one.act == Act::Registration);
    assert!(added.clone().all(|one| one.agent.is_system));
    assert_eq!(added.count(), 2);

    // Later than whatever another process has written by its own clock.
    clock.advance_ms(600_000);
    let before = all.len();
    let mut browser = Browser::new(&server);
    browser.try_sign_in("ada", "not the password").await;
    browser.try_sign_in("nobody-of-that-name", PASSWORD).await;
    browser.sign_in("ada").await;
    browser.open("/account").await;
    browser.send("/sign-out", &[]).await;
    let all = events(&server).await;
    let (done, refused) = (EventOutcome::Success, EventOutcome::Minor);
    let expected = [
        (Act::SignIn, refused, true),
        (Act::SignIn, refused, false),
        (Act::SignIn, done, true),
        (Act::SignOut, done, true),
    ];
    assert_eq!(since(&all, before), expected);
    let last = all.last().unwrap();
    assert_eq!(last.agent.person_id, last.subject);
    assert_eq!(last.agent.role.as_deref(), Some("patient"));
    assert!(last.agent.address.unwrap().is_loopback());
    assert!(last.request_id.is_some());

    let before = all.len();
    enrol(&mut Browser::new(&server), "doc", &*clock).await;
    let mut other = Browser::new(&server);
    other.try_sign_in("doc", PASSWORD).await;
    other.open("/second-factor").await;
    other.send("/second-factor", &[("code", "000000")]).await;
    for _ in 0..6 {
        browser.try_sign_in("ada", "not the password").await;
    }
    let all = events(&server).await;
    // Half a sign-in is none yet.
    let begun = [
        (Act::Credential, done, true),
        (Act::SignIn, done, true),
        (Act::SignIn, refused, true),
    ];
    let acts = since(&all, before);
    assert_eq!(acts[..3], begun);
    assert_eq!(acts[3..], [(Act::SignIn, refused, true); 6]);
    let said = all
        .iter()
        .filter_map(|one| one.ending.description.as_deref());
    assert_eq!(said.filter(|text| *text == "too many tries").count(), 1);
    user(&server, &["disable", "ada"]);
    let all = events(&server).await;
    let disabled = all.iter().find(|one| one.act == Act::Account).unwrap();
    assert!(disabled.agent.is_system && disabled.subject.is_some());

    let text = serde_json::to_string(&all).unwrap();
    for secret in [
        "nobody-of-that-name",
        PASSWORD,
        "not the password",
        "Lovelace",
        "000000",
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}
