//! Commands on what is not there: they say so and leave nothing behind.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::mongod::TestDatabase;

fn vesta(store: &Path, arguments: &[&str]) -> Output {
    vesta_on(&format!("embedded:{}", store.display()), arguments)
}

fn vesta_on(store: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vesta"))
        .args(arguments)
        .env("VESTA_STORE", store)
        .env("VESTA_LOG", "warn")
        .output()
        .unwrap()
}

/// Asserts that a command fails and says all this.
fn assert_fails(output: &Output, says: &[&str]) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{errors}");
    for text in says {
        assert!(errors.contains(text), "{text:?} is not in {errors}");
    }
}

#[test]
fn what_works_on_a_store_makes_none() {
    let directory = TempDir::new().unwrap();
    let absent = directory.path().join("misspelt");
    let empty = directory.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for arguments in [&["keys", "status"][..], &["keys", "rotate"], &["reindex"]] {
        for store in [&absent, &empty] {
            let shown = store.display().to_string();
            let output = vesta(store, arguments);
            assert_fails(&output, &["there is no store in", &shown, "--store"]);
        }
        assert!(!absent.exists(), "{arguments:?}");
        assert_eq!(fs::read_dir(&empty).unwrap().count(), 0, "{arguments:?}");
    }
    assert!(vesta(&absent, &["keys", "init"]).status.success());
    let status = vesta(&absent, &["keys", "status"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("data keys: 0"));
}

#[tokio::test]
async fn what_works_on_a_database_makes_none() {
    let directory = TempDir::new().unwrap();
    let database = TestDatabase::new().await;
    let uri = database.uri();
    let client = mongodb::Client::with_uri_str(&uri).await.unwrap();
    let records = client.default_database().unwrap();
    let keys = client.database(&format!("{}_keys", records.name()));
    let key = text(&directory.path().join("key"));
    for arguments in [&["keys", "status"][..], &["keys", "rotate"], &["reindex"]] {
        let output = vesta_on(&uri, arguments);
        assert_fails(&output, &["there is no store in this database", "--store"]);
        for one in [&records, &keys] {
            let made = one.list_collection_names().await.unwrap();
            assert!(made.is_empty(), "{arguments:?}: {made:?}");
        }
    }
    let with_key = |action: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_vesta"))
            .args(["keys", action])
            .env("VESTA_STORE", &uri)
            .env("VESTA_KEYS__FILE", &key)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    with_key("init");
    assert!(with_key("status").contains("data keys: 0"));
}

#[test]
fn a_path_that_is_not_there_is_named_and_nothing_is_imported() {
    let directory = TempDir::new().unwrap();
    let store = directory.path().join("store");
    let good = directory.path().join("good.json");
    fs::write(&good, r#"{"resourceType":"Patient","id":"a"}"#).unwrap();
    let missing = directory.path().join("missing.json");
    let link = directory.path().join("link.json");
    symlink(directory.path().join("nowhere.json"), &link).unwrap();
    let (good, missing, link) = (text(&good), text(&missing), text(&link));
    let output = vesta(&store, &["import", &good, &missing]);
    assert_fails(&output, &[&missing, "no such file or directory"]);
    let output = vesta(&store, &["import", &good, &link]);
    assert_fails(&output, &[&link, "a link to", "nowhere.json"]);
    let output = vesta(&store, &["import", &format!("{good}.txt")]);
    assert_fails(&output, &["no such file"]);
    assert!(!store.exists(), "nothing was imported");
}

#[test]
fn a_dangling_link_in_a_directory_does_not_keep_the_others_out() {
    let directory = TempDir::new().unwrap();
    let store = directory.path().join("store");
    let files = directory.path().join("files");
    fs::create_dir(&files).unwrap();
    let good = r#"{"resourceType":"Patient","id":"a"}"#;
    fs::write(files.join("good.json"), good).unwrap();
    symlink("nowhere.json", files.join("link.json")).unwrap();
    symlink("nowhere", files.join("other")).unwrap();
    let output = vesta(&store, &["import", &text(&files)]);
    assert_fails(
        &output,
        &["link.json", "a link to a file that is not there", "1 files"],
    );
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("imported 1 resources"), "{said}");
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
