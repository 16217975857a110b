//! The browser that page tests use: what it sees, and that it fails where a page fails.

use serde_json::json;

use crate::support::browser::{browse, try_browse};
use crate::support::server::{Backend, TestServer};

const SCRIPT: &str = "browser_tried.mjs";

/// A page of the server that a browser shows: FHIR it would save as a file.
fn page_of(server: &TestServer) -> String {
    server.base.replace("/fhir", "/livez")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_seen_as_people_see_it() {
    let server = TestServer::start(Backend::Embedded).await;
    let page = "<main><h1>Good day</h1><p>All is well.</p></main>";
    let input = json!({ "name": "good", "page": page });
    let seen = browse(&page_of(&server), SCRIPT, &input).await;
    assert_eq!(
        seen,
        json!({ "status": 200, "heading": "Good day", "cookies": [] })
    );
    let shots = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("../screenshots");
    for name in ["good", "good-phone"] {
        assert!(shots.join(format!("browser_tried-{name}.png")).is_file());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_page_fails_the_test() {
    let server = TestServer::start(Backend::Embedded).await;
    for (name, inside, says) in [
        ("silent", "<img src='data:,'>", "image-alt"),
        (
            "faint",
            "<p style='color:#ccc'>hardly there</p>",
            "color-contrast",
        ),
        (
            "wide",
            "<p style='width:400px'>too wide</p>",
            "in a window of 360 px",
        ),
        (
            "broken",
            "<p>x</p><script>nothing.here()</script>",
            // Pages of this server run no scripts that stand in them.
            "Executing inline script violates",
        ),
    ] {
        let page = format!("<main><h1>Bad day</h1>{inside}</main>");
        let input = json!({ "name": name, "page": page });
        let failed = try_browse(&page_of(&server), SCRIPT, &input)
            .await
            .unwrap_err();
        assert!(failed.contains(says), "{name}: {failed}");
    }
}
