//! `vesta audit verify`, beside a running server and without one, over what each store's own tools
//! have changed.

use mongodb::bson::{Bson, Document, doc};

use crate::support::server::{Backend, TestServer, on_both_stores};
use crate::support::smart::smart_server;

on_both_stores!(the_command_names_what_was_done_under_the_store);

async fn the_command_names_what_was_done_under_the_store(backend: Backend) {
    let mut server = smart_server(backend).await;
    let intact = server.vesta(&["audit", "verify"]);
    assert!(intact.status.success(), "{intact:?}");
    let text = String::from_utf8(intact.stdout).unwrap();
    let known = text
        .lines()
        .find_map(|line| line.strip_prefix("last checkpoint: "))
        .unwrap();
    let since = server.vesta(&["audit", "verify", "--since", known]);
    assert!(since.status.success(), "{since:?}");
    tamper(&server).await;
    assert_names(&server, "changed: block ");
    server.stop().await;
    assert_names(&server, "changed: block ");
    let unreadable = server.vesta(&["audit", "verify", "--since", "x"]);
    assert!(!unreadable.status.success());
}

fn assert_names(server: &TestServer, what: &str) {
    let found = server.vesta(&["audit", "verify"]);
    let error = String::from_utf8_lossy(&found.stderr);
    assert!(!found.status.success() && error.contains(what), "{error}");
}

/// Changes one byte of one block.
async fn tamper(server: &TestServer) {
    if server.database().is_some() {
        let client = mongodb::Client::with_uri_str(&server.config.store).await;
        let db = client.unwrap().default_database().unwrap();
        let documents = db.collection::<Document>("doc");
        let filter = doc! { "_id": { "$regex": "^journal/" } };
        let mut block = documents.find_one(filter).await.unwrap().unwrap();
        let Bson::Binary(body) = block.get_mut("b").unwrap() else {
            panic!("a block is binary")
        };
        *body.bytes.last_mut().unwrap() ^= 1;
        let id = doc! { "_id": block.get_str("_id").unwrap() };
        documents.replace_one(id, block).await.unwrap();
        return;
    }
    let file = server.directory().join("data/records.sqlite");
    let db = rusqlite::Connection::open(file).unwrap();
    let update = "UPDATE doc SET body = CAST(substr(body, 1, length(body) - 1) || x'00' AS BLOB) \
        WHERE collection = 'journal' AND id = \
        (SELECT min(id) FROM doc WHERE collection = 'journal')";
    assert_eq!(db.execute(update, []).unwrap(), 1);
}
