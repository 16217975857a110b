//! The pages in a real browser: axe-core finds nothing, they fit 360 px, they work without scripts
//! and by keyboard, and a passkey is made and shown.
//!
//! Pictures of them are in `target/screenshots/portal_looks-*.png`. WCAG 2.2, Web Authentication Level 3.

use serde_json::{Value, json};
use tokio::net::TcpListener;
use vesta::config::{AccessMode, Config};

use crate::support::browser::browse;
use crate::support::mail::path;
use crate::support::people::{PASSWORD, add_user, user};
use crate::support::server::{Backend, TestServer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_are_fit_to_be_seen() {
    // Passkeys want a name, which a base URL with the port has to be known for before.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let base = format!("http://localhost:{}", address.port());
    let base_url = base.clone();
    let server = TestServer::start_with(Backend::Embedded, move |config: &mut Config| {
        config.access = AccessMode::Smart;
        config.listen = address;
        config.base_url = Some(base_url);
    });
    let server = server.await;
    add_user(&server, "doctor", "practitioner", &[]);
    let walker = |suffix: &str| -> Value {
        let (patient, root) = (format!("ada{suffix}@example.org"), format!("root{suffix}"));
        add_user(&server, &patient, "patient", &[]);
        add_user(&server, &root, "administrator", &[]);
        let invited = format!("marie{suffix}");
        let arguments = [
            "add",
            &invited,
            "--name",
            "Dr. Marie Curie",
            "--role",
            "practitioner",
        ];
        let printed = user(&server, &arguments);
        let mut lines = printed.lines();
        let invitation = lines
            .find_map(|line| line.strip_prefix("invitation: "))
            .unwrap();
        let printed = user(&server, &["invite", "--fhir-user", "Patient/7"]);
        let connect = printed.trim().strip_prefix("invitation: ").unwrap();
        json!({
            "administrator": root,
            "patient": patient,
            "invitation": path(invitation),
            "connect": path(connect),
        })
    };
    let input = json!({
        "password": PASSWORD,
        "doctor": "doctor",
        "invited": "marie",
        "wide": walker("-wide"),
        "phone": walker("-phone"),
    });
    let seen = browse(&base, "portal_looks.mjs", &input).await;
    assert_eq!(seen["passkeys"], 1);
    let stops = json!(["Skip to the content", "Vesta", "name", "email", "Go on"]);
    assert_eq!(seen["stops"], stops);
}
