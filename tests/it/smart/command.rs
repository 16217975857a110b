//! `vesta client`, beside a running server.

use serde_json::json;
use vesta::config::AccessMode;

use crate::support::server::{Backend, TestServer, on_both_stores};
use crate::support::smart::{ClientKey, SmartClient, fresh, get_as, smart_server};

on_both_stores!(clients_come_are_shown_and_go);

async fn clients_come_are_shown_and_go(backend: Backend) {
    let server = smart_server(backend).await;
    let key = ClientKey::elliptic("k1");
    let client = SmartClient::register(&server, key, &["system/Patient.rs", "system/*.read"]);
    let token = client.token(&server, "system/Patient.rs").await;
    assert_eq!(get_as(&server, &token, "Patient").await.status, 200);
    let shown = String::from_utf8(server.vesta(&["client", "list"]).stdout).unwrap();
    let line = format!(
        "{} active keys \"a test\" system/Patient.rs system/*.read\n",
        client.client_id
    );
    assert_eq!(shown, line);
    assert!(
        server
            .vesta(&["client", "disable", &client.client_id])
            .status
            .success()
    );
    // At once: the token that it has, and every other that it asks for.
    let refused = get_as(&server, &token, "Patient").await;
    refused.assert_refused(401, "login", "revoked");
    assert_eq!(client.ask(&server, "system/Patient.rs").await.status, 401);
    let shown = String::from_utf8(server.vesta(&["client", "list"]).stdout).unwrap();
    assert!(shown.contains(" disabled "), "{shown}");
    let unknown = server.vesta(&["client", "disable", "nobody"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no client with this id"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_registered_is_refused_with_the_reason() {
    let server = TestServer::start_with(Backend::Embedded, |config| {
        config.access = AccessMode::Smart;
    })
    .await;
    let good = ClientKey::elliptic("k1").public;
    let without_id = {
        let mut key = good.clone();
        key.as_object_mut().unwrap().remove("kid");
        key
    };
    let private = {
        let mut key = good.clone();
        key["d"] = json!("AAAA");
        key
    };
    let secret = json!({ "kty": "oct", "kid": "k", "k": "AAAA" });
    for (keys, scope, says) in [
        (json!([good]), "patient/*.rs", "needs a redirect URI"),
        (json!([good]), "system/Patient.sr", "in this order"),
        (json!([good]), "launch", "needs a redirect URI"),
        (json!([good]), "lunch", "reads like"),
        (json!([]), "system/*.rs", "no key to sign with"),
        (json!([without_id]), "system/*.rs", "no key to sign with"),
        (json!([private]), "system/*.rs", "public keys only"),
        (json!([secret]), "system/*.rs", "public keys only"),
        (json!("none"), "system/*.rs", "no array keys"),
    ] {
        let path = server.directory().join(format!("{}.jwks", fresh()));
        std::fs::write(&path, json!({ "keys": keys }).to_string()).unwrap();
        let path = path.display().to_string();
        let arguments = [
            "client", "add", "--name", "n", "--jwks", &path, "--scope", scope,
        ];
        let output = server.vesta(&arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && error.contains(says),
            "{says}: {error}"
        );
    }
    assert!(server.vesta(&["client", "list"]).stdout.is_empty());
}
