//! Access tokens that are none: forged, expired, of another server, for something else.
//!
//! Spec: RFC 9068 section 4, RFC 8725.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;
use vesta::access::documents::{Before, DocumentError, Documents, Kept};
use vesta::clock::{Clock, FixedClock};
use vesta::config::AccessMode;
use vesta::seal::blind::BlindKey;
use vesta::seal::random::SystemRandom;
use vesta::server::Server;
use vesta::store::batch::{DocumentPut, Expected};

use crate::support::server::{Backend, TestServer};
use crate::support::smart::{ClientKey, SmartClient, get_as, issuer, smart_server};
use crate::support::stores::OpenStore;

on_every_store!(
    a_document_is_written_on_conditions_and_ends,
    a_sealed_document_opens_only_where_it_was_put,
);

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn read(token: &str, place: usize) -> Value {
    let text = token.split('.').nth(place).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

async fn assert_refused(server: &TestServer, token: &str, what: &str) {
    let answer = get_as(server, token, "Patient").await;
    assert_eq!(answer.status.as_u16(), 401, "{what}: {}", answer.text());
    assert!(
        answer.header("www-authenticate").contains("invalid_token"),
        "{what}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_tokens_are_refused() {
    let server = smart_server(Backend::Embedded).await;
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/Patient.rs"]);
    let token = client.token(&server, "system/Patient.rs").await;
    assert_eq!(get_as(&server, &token, "Patient").await.status, 200);
    let (header, claims) = (read(&token, 0), read(&token, 1));
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("RS256"), &json!("at+jwt"))
    );
    for name in [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "jti",
        "client_id",
        "scope",
    ] {
        assert!(claims.get(name).is_some(), "{name} is missing");
    }
    assert!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap() <= 3_600);
    let signature = token.rsplit('.').next().unwrap();
    // More scope under the old signature.
    let mut wider = claims.clone();
    wider["scope"] = json!("system/*.cruds");
    let forged = format!("{}.{}.{signature}", part(&header), part(&wider));
    assert_refused(&server, &forged, "a wider scope").await;
    for none in ["none", "None", "NONE"] {
        let head = part(&json!({ "alg": none, "typ": "at+jwt", "kid": header["kid"] }));
        assert_refused(&server, &format!("{head}.{}.", part(&wider)), "unsigned").await;
        assert_refused(
            &server,
            &format!("{head}.{}.{signature}", part(&wider)),
            "alg none",
        )
        .await;
    }
    // The published key taken for a shared secret.
    let keys = server
        .get(&format!("{}/oauth/jwks", issuer(&server)))
        .await
        .json();
    let modulus = keys["keys"][0]["n"].as_str().unwrap().to_owned();
    for secret in [
        keys["keys"][0].to_string().into_bytes(),
        modulus.into_bytes(),
    ] {
        let mut forged = Header::new(Algorithm::HS256);
        forged.typ = Some("at+jwt".to_owned());
        forged.kid = header["kid"].as_str().map(ToOwned::to_owned);
        let key = EncodingKey::from_secret(&secret);
        let forged = jsonwebtoken::encode(&forged, &wider, &key).unwrap();
        assert_refused(&server, &forged, "a secret").await;
    }
    // A key of the attacker's under the issuer's key id.
    let attacker = ClientKey::rsa("k");
    let mut forged = Header::new(Algorithm::RS256);
    forged.typ = Some("at+jwt".to_owned());
    forged.kid = header["kid"].as_str().map(ToOwned::to_owned);
    let forged = jsonwebtoken::encode(&forged, &wider, &attacker.encoding).unwrap();
    assert_refused(&server, &forged, "another key").await;
    // The client's own assertion is no access token.
    assert_refused(&server, &client.sign(&client.claims()), "an assertion").await;
    for text in ["a", "a.b", "a.b.c", "....", &"x".repeat(20_000)] {
        assert_refused(&server, text, "no token").await;
    }
    // A token counts in the header only, and one at a time.
    let twice = server.request(Method::GET, "Patient");
    let bearer = format!("Bearer {token}");
    let twice = twice
        .header("authorization", &bearer)
        .header("authorization", &bearer);
    assert_eq!(twice.send().await.status.as_u16(), 401);
    let in_query = server.get(&format!("Patient?access_token={token}")).await;
    assert_eq!(in_query.status.as_u16(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_another_server_is_refused() {
    let one = smart_server(Backend::Embedded).await;
    let other = smart_server(Backend::Embedded).await;
    let client = SmartClient::register(&one, ClientKey::elliptic("k"), &["system/*.rs"]);
    let token = client.token(&one, "system/*.rs").await;
    assert_eq!(get_as(&one, &token, "Patient").await.status, 200);
    assert_refused(&other, &token, "another server's").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_ends_with_its_time() {
    let clock = Arc::new(FixedClock::new(vesta::clock::SystemClock.now_ms()));
    let directory = TempDir::new().unwrap();
    let server = TestServer::start_with(Backend::Embedded, |config| {
        config.access = AccessMode::Smart;
    })
    .await;
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.rs"]);
    // The same store under a clock that the test moves.
    let mut config = server.config.clone();
    config.base_url = Some(issuer(&server).to_owned());
    let client_server = server;
    let mut stopped = client_server;
    stopped.stop().await;
    let moved = Server::start_with(&config, Arc::clone(&clock) as Arc<dyn Clock>)
        .await
        .unwrap();
    let root = format!("http://{}", moved.address());
    let mut form = client.credentials();
    form.push(("grant_type".to_owned(), "client_credentials".to_owned()));
    form.push(("scope".to_owned(), "system/*.rs".to_owned()));
    let answer = stopped
        .request(Method::POST, &format!("{root}/oauth/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(vesta::fhir::query::encode(&form))
        .send()
        .await;
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    let url = format!("{root}/fhir/Patient");
    assert_eq!(get_as(&stopped, &token, &url).await.status, 200);
    clock.advance_ms(299_000);
    assert_eq!(get_as(&stopped, &token, &url).await.status, 200);
    clock.advance_ms(2_000);
    assert_eq!(get_as(&stopped, &token, &url).await.status, 401);
    moved.stop().await.unwrap();
    drop(directory);
}

/// Documents in a store under the key of this root.
fn documents(open: &OpenStore, root: u8) -> Documents {
    let clock: Arc<dyn Clock> = Arc::<FixedClock>::clone(&open.clock);
    let blind = BlindKey::from_root(&[root; 32]);
    Documents::new(
        Arc::clone(&open.store),
        blind,
        Arc::new(SystemRandom),
        clock,
    )
}

async fn a_document_is_written_on_conditions_and_ends(open: OpenStore) {
    let own = documents(&open, 1);
    let absent = Before::Nothing;
    own.put(("c", "one"), &"secret", absent, None)
        .await
        .unwrap();
    let read: Kept<String> = own.get("c", "one").await.unwrap().unwrap();
    assert_eq!((read.content.as_str(), read.revision), ("secret", 1));
    for before in [Before::Nothing, Before::Revision(7)] {
        let refused = own.put(("c", "one"), &"other", before, None).await;
        assert!(matches!(refused, Err(DocumentError::Changed)));
    }
    let ends_ms = open.clock.now_ms() + 5;
    own.put(("d", "gone"), &1, absent, Some(ends_ms))
        .await
        .unwrap();
    open.clock.advance_ms(6);
    assert!(own.get::<i64>("d", "gone").await.unwrap().is_none());
    own.delete("c", "one").await.unwrap();
    assert!(own.get::<String>("c", "one").await.unwrap().is_none());
}

async fn a_sealed_document_opens_only_where_it_was_put(open: OpenStore) {
    let own = documents(&open, 1);
    let store = &open.store;
    for (id, content) in [("one", "secret"), ("two", "two")] {
        own.put(("c", id), &content, Before::Nothing, None)
            .await
            .unwrap();
    }
    let all: Vec<Kept<String>> = own.list("c").await.unwrap();
    assert_eq!(all.len(), 2);
    // What is stored names nothing and shows nothing.
    let stored = store.find_documents("c", None, 10).await.unwrap();
    for document in &stored {
        assert!(!document.id.contains("one") && !document.id.contains("two"));
        assert!(!document.body.windows(6).any(|part| part == b"secret"));
    }
    // Put in another's place, or read with another key, it does not open.
    let swapped = DocumentPut {
        collection: "c".to_owned(),
        id: stored[0].id.clone(),
        expected: Expected::Anything,
        body: Some(stored[1].body.clone()),
        expires_ms: None,
    };
    store.put_documents(vec![swapped]).await.unwrap();
    assert!(own.list::<String>("c").await.is_err());
    let foreign = documents(&open, 2).get::<String>("c", "one").await.unwrap();
    assert!(foreign.is_none(), "another key finds nothing");
}
