//! Stores whose index entries were written in another layout: noticed, said, and made good.
//!
//! Spec: <https://hl7.org/fhir/R4/search.html#errors>.

use std::sync::Arc;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use vesta::access::records::reindex::ReindexStep;
use vesta::access::{Intent, Session, check};
use vesta::clock::SystemClock;
use vesta::search::key::{Entries, Key};
use vesta::search::plan::{Order, Plan, Predicate, Window};
use vesta::server::open::open;
use vesta::store::Store;
use vesta::store::batch::{Batch, DocumentPut, Expected, Rewrite};

use crate::support::server::{Backend, TestServer, on_both_stores, patient};

on_both_stores!(
    a_store_of_an_older_layout_says_so_until_it_is_indexed_anew,
    a_new_store_has_nothing_to_make_good,
);

async fn server(backend: Backend) -> TestServer {
    TestServer::start_with(backend, |config| {
        config.reindex.resources_per_second_max = 0;
        config.reindex.settle_ms = 0;
    })
    .await
}

/// How many match, and whether the answer says that it may be incomplete.
async fn search(server: &TestServer, query: &str) -> (usize, bool) {
    let answer = server.get(query).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let bundle = answer.json();
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let matches = entries
        .iter()
        .filter(|one| one["search"]["mode"] == "match");
    let outcomes = entries.iter().filter(|one| {
        let says = &one["resource"]["issue"][0];
        one["search"]["mode"] == "outcome" && says["code"] == "incomplete"
    });
    (matches.count(), outcomes.count() == 1)
}

async fn pending(server: &TestServer) -> Vec<String> {
    let status = server.get("$reindex-status").await.json();
    let all = status["parameter"].as_array().unwrap().iter();
    let pending = all.filter(|one| one["name"] == "pending");
    pending
        .map(|one| one["valueCode"].as_str().unwrap().to_owned())
        .collect()
}

/// Makes a store what an older program left: entries that lack what later ones have.
async fn age(server: &mut TestServer) {
    server.stop().await;
    let opened = open(&server.config, Arc::new(SystemClock)).await.unwrap();
    let store = &*opened.store;
    let key = Key::of_type("Patient".parse().unwrap());
    let plan = Plan {
        driver: Predicate::Key(key.clone()),
        residual: Predicate::All,
        type_key: None,
    };
    let window = Window {
        order: Order::OldestFirst,
        after: None,
        high_water: None,
        limit: 100,
        examined_max: usize::MAX,
        bytes_max: usize::MAX,
    };
    let found = store.find(&plan, &window).await.unwrap().versions;
    let rewrite = |read| Rewrite {
        read,
        entries: Entries {
            keys: vec![key.clone()],
            ..Entries::default()
        },
        body: None,
    };
    let batch = Batch {
        rewrites: found.into_iter().map(rewrite).collect(),
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
    forget_layout(store).await;
    opened.ctx.records.close().await.unwrap();
    drop(opened);
    server.restart().await;
}

async fn forget_layout(store: &dyn Store) {
    let (collection, id) = ("meta", "search-parameters");
    let known = store.get_document(collection, id, 0).await.unwrap();
    let known = known.unwrap();
    let mut body: Value = serde_json::from_slice(&known.body).unwrap();
    assert!(body.as_object_mut().unwrap().remove("layout").is_some());
    let put = DocumentPut {
        collection: collection.to_owned(),
        id: id.to_owned(),
        expected: Expected::Revision(known.revision),
        body: Some(serde_json::to_vec(&body).unwrap()),
        expires_ms: None,
    };
    store.put_documents(vec![put]).await.unwrap();
}

async fn index_anew(server: &TestServer) {
    let grant = check(&Session::operator(), Intent::Reindex).unwrap();
    let records = &server.context().records;
    while records.reindex_step(&grant, 10, 0).await.unwrap() != ReindexStep::Idle {}
}

#[expect(
    clippy::cognitive_complexity,
    reason = "one story, told in the order in which it happens"
)]
async fn a_store_of_an_older_layout_says_so_until_it_is_indexed_anew(backend: Backend) {
    let mut server = server(backend).await;
    let id = server.create(&patient("Old")).await;
    let seen = json!({
        "resourceType": "Observation", "status": "final", "code": { "text": "x" },
        "subject": { "reference": format!("Patient/{id}") },
    });
    server.create(&seen).await;
    assert_eq!(search(&server, "Patient?family=old").await, (1, false));
    age(&mut server).await;
    assert_eq!(pending(&server).await, ["Observation", "Patient"]);
    assert_eq!(search(&server, "Patient?family=old").await, (0, true));
    let chain = "Observation?status=final&subject:Patient.family=old";
    let has = "Patient?_has:Observation:subject:status=final";
    let revinclude = "Patient?_revinclude=Observation:subject";
    for (query, found) in [(chain, 0), (has, 1), (revinclude, 1), ("Group?code=x", 0)] {
        let says = !query.starts_with("Group");
        assert_eq!(search(&server, query).await, (found, says), "{query}");
    }
    assert_eq!(search(&server, "Patient").await, (1, false));
    let conditional = server.request(Method::POST, "Patient");
    let conditional = conditional.header("if-none-exist", "family=old");
    let refused = conditional.json(&patient("Old")).send().await;
    refused.assert_refused(503, "transient", "incomplete");
    server.restart().await;
    assert_eq!(pending(&server).await, ["Observation", "Patient"]);
    index_anew(&server).await;
    for query in ["Patient?family=old", chain, has, revinclude] {
        assert_eq!(search(&server, query).await, (1, false), "{query}");
    }
    server.restart().await;
    assert!(pending(&server).await.is_empty());
}

async fn a_new_store_has_nothing_to_make_good(backend: Backend) {
    let mut server = server(backend).await;
    assert!(pending(&server).await.is_empty());
    server.create(&patient("New")).await;
    server.restart().await;
    assert!(pending(&server).await.is_empty());
    assert_eq!(search(&server, "Patient?family=new").await, (1, false));
}
