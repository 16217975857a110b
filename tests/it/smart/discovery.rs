//! What clients find out by themselves.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html>, RFC 8414, RFC 7517.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::apps::{App, SCOPES, clinic, patient_browser, post_form_with};
use crate::support::server::{Answer, Backend, TestServer, on_both_stores};
use crate::support::smart::{issuer, smart_server};

on_both_stores!(
    the_documents_agree,
    what_apps_need_is_listed,
    the_statement_agrees,
    the_keys_outlast_a_restart,
    pages_of_registered_apps_may_call,
);

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
    // It names where identity tokens come from.
    assert_eq!(configuration["issuer"], metadata["issuer"]);
    let endpoints = [
        "authorization_endpoint",
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
}

async fn what_apps_need_is_listed(backend: Backend) {
    let server = smart_server(backend).await;
    let path = "/fhir/.well-known/smart-configuration";
    let configuration = public(&server, path).await.json();
    let lists = |name: &str, wanted: &str| {
        let list = configuration[name].as_array();
        list.is_some_and(|list| list.contains(&json!(wanted)) && list.iter().all(Value::is_string))
    };
    // What certification of standalone and EHR launches asks for.
    for capability in [
        "launch-standalone",
        "launch-ehr",
        "authorize-post",
        "client-public",
        "client-confidential-symmetric",
        "client-confidential-asymmetric",
        "sso-openid-connect",
        "context-banner",
        "context-style",
        "context-ehr-patient",
        "context-ehr-encounter",
        "context-standalone-patient",
        "permission-offline",
        "permission-patient",
        "permission-user",
        "permission-v1",
        "permission-v2",
    ] {
        assert!(lists("capabilities", capability), "{capability}");
    }
    for grant in ["authorization_code", "refresh_token", "client_credentials"] {
        assert!(lists("grant_types_supported", grant), "{grant}");
    }
    assert!(lists("code_challenge_methods_supported", "S256"));
    assert!(!lists("code_challenge_methods_supported", "plain"));
    assert!(lists("response_types_supported", "code"));
    assert!(lists("scopes_supported", "patient/*.cruds"));
    for method in [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "none",
    ] {
        assert!(
            lists("token_endpoint_auth_methods_supported", method),
            "{method}"
        );
    }
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
}

async fn the_statement_agrees(backend: Backend) {
    let server = smart_server(backend).await;
    let path = "/fhir/.well-known/smart-configuration";
    let configuration = public(&server, path).await.json();
    let statement = server.get("metadata").await;
    assert_eq!(statement.status, StatusCode::OK, "the statement is public");
    let security = &statement.json()["rest"][0]["security"];
    assert_eq!(security["service"][0]["coding"][0]["code"], "SMART-on-FHIR");
    // The older place for the same addresses agrees with the newer one.
    let uris = &security["extension"][0];
    assert_eq!(
        uris["url"],
        "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
    );
    let told: Vec<_> = uris["extension"].as_array().unwrap().iter().collect();
    for (name, endpoint) in [
        ("authorize", "authorization_endpoint"),
        ("token", "token_endpoint"),
        ("introspect", "introspection_endpoint"),
        ("manage", "management_endpoint"),
        ("revoke", "revocation_endpoint"),
    ] {
        let uri = told.iter().find(|one| one["url"] == name);
        assert_eq!(uri.unwrap()["valueUri"], configuration[endpoint], "{name}");
    }
    assert_eq!(told.len(), 5, "registration is off");
}

async fn pages_of_registered_apps_may_call(backend: Backend) {
    let server = clinic(backend).await;
    let app = App::register(&server, "public", &SCOPES);
    App::register_with(
        &server,
        "secret",
        &SCOPES,
        &["--redirect-uri", "https://server.example.org/cb"],
    );
    let asked = async |path: &str, origin: &str| {
        let url = format!("{}{path}", issuer(&server));
        let call = server.request(Method::GET, &url);
        let answer = call.header("origin", origin).send().await;
        let allowed = answer.headers.get("access-control-allow-origin");
        allowed.map(|value| value.to_str().unwrap().to_owned())
    };
    let own = "https://app.example.org";
    // What says how the server works may be read by anybody's page.
    for path in [
        "/fhir/metadata",
        "/fhir/.well-known/smart-configuration",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/oauth/jwks",
        "/oauth/style.json",
    ] {
        let stranger = asked(path, "https://stranger.example.org").await;
        assert_eq!(
            stranger.as_deref(),
            Some("https://stranger.example.org"),
            "{path}"
        );
    }
    for path in ["/oauth/token", "/fhir/Patient/moll"] {
        assert_eq!(asked(path, own).await.as_deref(), Some(own), "{path}");
        for other in [
            "https://stranger.example.org",
            "https://server.example.org",
            "null",
        ] {
            assert_eq!(asked(path, other).await, None, "{path} {other}");
        }
    }
    // Pages of others never read those of people.
    assert_eq!(asked("/apps", own).await, None);
    let mut browser = patient_browser(&server).await;
    let back = app
        .agree(&server, &mut browser, "launch/patient patient/*.rs", &[])
        .await;
    let form = app.exchange(back.get("code"));
    let answer = post_form_with(&server, "/oauth/token", &form, ("origin", own)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-origin"), own);
    let disabled = server.vesta(&["client", "disable", &app.client_id]);
    assert!(disabled.status.success());
    assert_eq!(asked("/oauth/token", own).await, None);
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
