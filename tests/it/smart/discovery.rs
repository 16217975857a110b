//! What clients find out by themselves.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html>, RFC 8414, RFC 7517.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::server::{Answer, Backend, TestServer, on_both_stores};
use crate::support::smart::{issuer, smart_server};

on_both_stores!(the_documents_agree, the_keys_outlast_a_restart);

async fn public(server: &TestServer, path: &str) -> Answer {
    let answer = server.get(&format!("{}{path}", issuer(server))).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    answer
}

async fn the_documents_agree(backend: Backend) {
    let server = smart_server(backend).await;
    let answer = public(&server, "/fhir/.well-known/smart-configuration").await;
    assert!(
        answer
            .header("content-type")
            .starts_with("application/json")
    );
    let configuration = answer.json();
    let metadata = public(&server, "/.well-known/oauth-authorization-server")
        .await
        .json();
    assert_eq!(metadata["issuer"], issuer(&server));
    // It names where identity tokens come from: without them it should be absent.
    assert!(configuration.get("issuer").is_none());
    let endpoints = [
        "token_endpoint",
        "introspection_endpoint",
        "revocation_endpoint",
        "jwks_uri",
    ];
    for name in endpoints {
        assert_eq!(configuration[name], metadata[name], "{name}");
        assert!(
            configuration[name]
                .as_str()
                .unwrap()
                .starts_with(issuer(&server)),
            "{name}"
        );
    }
    let lists = |name: &str, wanted: &str| {
        let list = configuration[name].as_array();
        list.is_some_and(|list| list.contains(&json!(wanted)) && list.iter().all(Value::is_string))
    };
    assert!(lists("capabilities", "client-confidential-asymmetric"));
    assert!(lists("capabilities", "permission-v1") && lists("capabilities", "permission-v2"));
    assert!(lists("grant_types_supported", "client_credentials"));
    assert!(lists(
        "token_endpoint_auth_methods_supported",
        "private_key_jwt"
    ));
    for algorithm in ["ES384", "RS384"] {
        assert!(lists(
            "token_endpoint_auth_signing_alg_values_supported",
            algorithm
        ));
    }
    assert!(!configuration.to_string().contains("plain"));
    let statement = server.get("metadata").await;
    assert_eq!(statement.status, StatusCode::OK, "the statement is public");
    let security = &statement.json()["rest"][0]["security"];
    assert_eq!(security["service"][0]["coding"][0]["code"], "SMART-on-FHIR");
}

async fn the_keys_outlast_a_restart(backend: Backend) {
    let mut server = smart_server(backend).await;
    let before = public(&server, "/oauth/jwks").await.json();
    let keys = before["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(
        (&keys[0]["kty"], &keys[0]["alg"]),
        (&json!("RSA"), &json!("RS256"))
    );
    assert_eq!(keys[0]["use"], "sig");
    for secret in ["d", "p", "q", "dp", "dq", "qi"] {
        assert!(keys[0].get(secret).is_none(), "{secret} is published");
    }
    server.restart().await;
    assert_eq!(public(&server, "/oauth/jwks").await.json(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_server_has_no_authorization_server() {
    let server = TestServer::start(Backend::Embedded).await;
    for path in ["/oauth/jwks", "/.well-known/oauth-authorization-server"] {
        let answer = server.get(&format!("{}{path}", issuer(&server))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let answer = server.get(".well-known/smart-configuration").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
