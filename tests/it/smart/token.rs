//! Tokens for clients that act by themselves: asked for, used, introspected, revoked.
//!
//! Spec: <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>, RFC 6749, RFC 6750,
//! RFC 7009, RFC 7662, RFC 9068.

use http::StatusCode;
use serde_json::{Value, json};
use vesta::server::Server;

use crate::support::server::{Answer, Backend, on_both_stores, patient};
use crate::support::smart::{
    ClientKey, SmartClient, get_as, issuer, post_as, post_form, post_form_as, smart_server,
};

on_both_stores!(
    a_client_reads_with_its_token,
    scopes_are_granted_as_far_as_registered,
    a_revoked_token_is_refused_at_once,
    introspection_tells_whose_token_it_is,
);

/// A change of a form.
type Change<'a> = &'a dyn Fn(&mut Vec<(String, String)>);

fn assert_oauth_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    assert_eq!(answer.json()["error"], code);
    assert!(answer.header("cache-control").contains("no-store"));
    assert!(
        answer
            .header("content-type")
            .starts_with("application/json")
    );
}

async fn a_client_reads_with_its_token(backend: Backend) {
    let server = smart_server(backend).await;
    for key in [ClientKey::elliptic("e"), ClientKey::rsa("r")] {
        let client = SmartClient::register(&server, key, &["system/*.cruds"]);
        let answer = client.ask(&server, "system/*.cruds").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        assert!(answer.header("cache-control").contains("no-store"));
        assert_eq!(answer.header("pragma"), "no-cache");
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["scope"], "system/*.cruds");
        assert!(
            body["expires_in"]
                .as_i64()
                .is_some_and(|seconds| seconds == 300)
        );
        assert!(body.get("refresh_token").is_none());
        let token = body["access_token"].as_str().unwrap();
        let made = post_as(&server, token, "Patient", &patient("Moll")).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let id = made.json()["id"].as_str().unwrap().to_owned();
        let read = get_as(&server, token, &format!("Patient/{id}")).await;
        assert_eq!(read.status, StatusCode::OK);
        // Without a token nobody is told anything, not even what there is.
        for path in [
            format!("Patient/{id}"),
            "Patient/nothing".to_owned(),
            "Nothing/1".to_owned(),
        ] {
            let refused = server.get(&path).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"vesta\"");
        }
        let refused = get_as(&server, "not.a.token", "Patient").await;
        refused.assert_refused(401, "login", "none of this server's");
        assert!(
            refused
                .header("www-authenticate")
                .contains("error=\"invalid_token\"")
        );
    }
}

async fn scopes_are_granted_as_far_as_registered(backend: Backend) {
    let server = smart_server(backend).await;
    let allowed = [
        "system/Patient.rs",
        "system/Observation.cruds",
        "system/Group.rs?_tag=a",
    ];
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &allowed);
    for (asked, granted) in [
        ("system/Patient.rs", "system/Patient.rs"),
        ("system/Patient.read", "system/Patient.read"),
        ("system/Patient.cruds", "system/Patient.rs"),
        ("system/Patient.rs system/Patient.rs", "system/Patient.rs"),
        ("system/Patient.r system/Condition.r", "system/Patient.r"),
        (
            "system/*.r",
            "system/Patient.r system/Observation.r system/Group.r?_tag=a",
        ),
        ("system/Group.rs?_tag=b", "system/Group.rs?_tag=b&_tag=a"),
        (
            "system/Observation.rs?category=laboratory",
            "system/Observation.rs?category=laboratory",
        ),
    ] {
        let answer = client.ask(&server, asked).await;
        assert_eq!(
            answer.json()["scope"],
            granted,
            "{asked}: {}",
            answer.text()
        );
    }
    for refused in [
        "system/Condition.rs",
        "patient/Patient.rs",
        "user/*.rs",
        "system/Patient.sr",
        "system/Patient.rs?patient.name=x",
        "system/Patient.rs?_count=1",
        "system/Patient.rs?nothing=1",
        "openid",
        "",
    ] {
        let answer = client.ask(&server, refused).await;
        assert_oauth_error(&answer, 400, "invalid_scope");
    }
}

async fn a_revoked_token_is_refused_at_once(backend: Backend) {
    let server = smart_server(backend).await;
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.rs"]);
    let other = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.rs"]);
    // MongoDB is shared: a second process has to refuse it as soon.
    let second = match backend {
        Backend::Embedded => None,
        Backend::Mongo => {
            let mut config = server.config.clone();
            config.base_url = Some(issuer(&server).to_owned());
            Some(Server::start(&config).await.unwrap())
        }
    };
    let token = client.token(&server, "system/*.rs").await;
    let everywhere = || {
        let own = format!("{}/Patient", server.base);
        let second = second
            .as_ref()
            .map(|one| format!("http://{}/fhir/Patient", one.address()));
        std::iter::once(own).chain(second)
    };
    for url in everywhere() {
        assert_eq!(
            get_as(&server, &token, &url).await.status,
            StatusCode::OK,
            "{url}"
        );
    }
    let mut form = other.credentials();
    form.push(("token".to_owned(), token.clone()));
    // Another client's token is left alone, and the other client learns nothing.
    assert_eq!(
        post_form(&server, "/oauth/revoke", &form).await.status,
        StatusCode::OK
    );
    assert_eq!(
        get_as(&server, &token, "Patient").await.status,
        StatusCode::OK
    );
    let mut form = client.credentials();
    form.push(("token".to_owned(), token.clone()));
    assert_eq!(
        post_form(&server, "/oauth/revoke", &form).await.status,
        StatusCode::OK
    );
    for url in everywhere() {
        let refused = get_as(&server, &token, &url).await;
        refused.assert_refused(401, "login", "revoked");
    }
    let mut form = client.credentials();
    form.push(("token".to_owned(), "nothing".to_owned()));
    assert_eq!(
        post_form(&server, "/oauth/revoke", &form).await.status,
        StatusCode::OK
    );
    let form = [("token".to_owned(), token)];
    assert_oauth_error(
        &post_form(&server, "/oauth/revoke", &form).await,
        401,
        "invalid_client",
    );
    if let Some(second) = second {
        second.stop().await.unwrap();
    }
}

async fn introspection_tells_whose_token_it_is(backend: Backend) {
    let server = smart_server(backend).await;
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.rs"]);
    let other = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.rs"]);
    let key = ClientKey::elliptic("k");
    let resources = SmartClient::register_with(&server, key, &["system/*.rs"], &["--introspect"]);
    let scope = "system/Patient.rs system/Observation.r";
    let token = client.token(&server, scope).await;
    let ask = async |form: Vec<(String, String)>, token: &str, bearer: Option<&str>| {
        let mut form = form;
        form.push(("token".to_owned(), token.to_owned()));
        post_form_as(&server, "/oauth/introspect", &form, bearer).await
    };
    let inactive = json!({ "active": false });
    let answers = [
        ask(client.credentials(), &token, None).await.json(),
        ask(resources.credentials(), &token, None).await.json(),
        ask(Vec::new(), &token, Some(&token)).await.json(),
    ];
    for answer in answers {
        assert_eq!(answer["active"], Value::Bool(true), "{answer}");
        assert_eq!(answer["client_id"], client.client_id);
        assert_eq!(answer["scope"], scope);
        assert_eq!(
            (&answer["iss"], &answer["aud"]),
            (&json!(issuer(&server)), &json!(server.base))
        );
        assert!(answer["exp"].is_i64() && answer["sub"].is_string());
    }
    assert_eq!(
        ask(other.credentials(), &token, None).await.json(),
        inactive
    );
    assert_eq!(
        ask(client.credentials(), "invalid_token_value", None)
            .await
            .json(),
        inactive
    );
    assert_oauth_error(&ask(Vec::new(), &token, None).await, 401, "invalid_client");
    assert_oauth_error(
        &ask(Vec::new(), &token, Some("x.y.z")).await,
        401,
        "invalid_client",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_request_has_its_code() {
    let server = smart_server(Backend::Embedded).await;
    let client = SmartClient::register(&server, ClientKey::elliptic("k"), &["system/*.rs"]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let ask = async |change: Change<'_>| {
        let mut form = client.credentials();
        form.push(pair("grant_type", "client_credentials"));
        form.push(pair("scope", "system/Patient.rs"));
        change(&mut form);
        post_form(&server, "/oauth/token", &form).await
    };
    let set = |form: &mut Vec<(String, String)>, name: &str, value: &str| {
        form.retain(|(known, _)| known != name);
        form.push(pair(name, value));
    };
    assert_eq!(ask(&|_form| {}).await.status, StatusCode::OK);
    let answer = ask(&|form| set(form, "grant_type", "not_a_grant_type")).await;
    assert_oauth_error(&answer, 400, "unsupported_grant_type");
    let answer = ask(&|form| set(form, "grant_type", "password")).await;
    assert_oauth_error(&answer, 400, "unsupported_grant_type");
    let answer = ask(&|form| set(form, "grant_type", "authorization_code")).await;
    assert_oauth_error(&answer, 400, "invalid_request");
    let answer = ask(&|form| set(form, "grant_type", "")).await;
    assert_oauth_error(&answer, 400, "invalid_request");
    let answer = ask(&|form| form.push(pair("scope", "system/*.rs"))).await;
    assert_oauth_error(&answer, 400, "invalid_request");
    let answer = ask(&|form| set(form, "client_assertion_type", "not_an_assertion_type")).await;
    assert_oauth_error(&answer, 401, "invalid_client");
    let answer = ask(&|form| form.retain(|(name, _)| name != "client_assertion")).await;
    assert_oauth_error(&answer, 401, "invalid_client");
    let answer = ask(&|form| set(form, "client_id", "somebody")).await;
    assert_oauth_error(&answer, 401, "invalid_client");
    let url = format!("{}/oauth/token", issuer(&server));
    let answer = server
        .post(&url, &json!({ "grant_type": "client_credentials" }))
        .await;
    assert_oauth_error(&answer, 400, "invalid_request");
    assert_eq!(
        server.get(&url).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}
