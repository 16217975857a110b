//! Writes that MongoDB does and does not confirm: the caller is not told that they did not happen.

use vesta::store::batch::{DocumentPut, Expected};
use vesta::store::mongo::{MongoSettings, MongoStore};
use vesta::store::{Store, StoreError};

use crate::store::sample::{commit, create, next, replace, version};
use crate::support::mongod::Mongod;
use crate::support::stores::NOW_MS;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_without_an_answer_is_not_called_undone() {
    let mongod = Mongod::start_private().await;
    let uri = mongod.uri("unconfirmed");
    let store = MongoStore::open(&uri, MongoSettings::default());
    let store = store.await.unwrap();

    let first = version("Patient/a", 1);
    mongod.leave_unconfirmed("insert", 1).await;
    let created = commit(&store, vec![create(&first, &[])]).await;
    assert!(
        matches!(created, Err(StoreError::Unknown(_))),
        "{created:?}"
    );
    let stored = store.get(&first.address).await.unwrap();
    assert_eq!(stored.as_ref(), Some(&first));

    let second = next(&first);
    mongod.leave_unconfirmed("commitTransaction", 100).await;
    let replaced = commit(&store, vec![replace(&first, &second, &[])]).await;
    assert!(
        matches!(replaced, Err(StoreError::Unknown(_))),
        "{replaced:?}"
    );
    mongod.confirm("commitTransaction").await;
    assert_eq!(store.get(&first.address).await.unwrap(), Some(second));

    let put = DocumentPut {
        collection: "test".to_owned(),
        id: "one".to_owned(),
        expected: Expected::Absent,
        body: Some(vec![1]),
        expires_ms: None,
    };
    mongod.leave_unconfirmed("update", 1).await;
    let put = store.put_documents(vec![put]).await;
    assert!(matches!(put, Err(StoreError::Unknown(_))), "{put:?}");
    let document = store.get_document("test", "one", NOW_MS).await.unwrap();
    assert!(document.is_some());
}
