//! A store that measures how long each call takes, around any other store.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusRecorder;

use crate::search::plan::{Plan, Window};
use crate::store::batch::{Batch, Document, DocumentPut};
use crate::store::{
    Address, HistoryScope, HistoryWindow, Matches, Store, StoreError, StoreGauges, Version,
};

/// The measuring store.
pub struct Metered {
    inner: Arc<dyn Store>,
    recorder: Arc<PrometheusRecorder>,
}

impl Metered {
    /// Measures `inner`.
    pub fn new(inner: Arc<dyn Store>, recorder: Arc<PrometheusRecorder>) -> Self {
        Self { inner, recorder }
    }

    async fn timed<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let result = work.await;
        let elapsed_s = started.elapsed().as_secs_f64();
        metrics::with_local_recorder(&*self.recorder, || {
            metrics::histogram!("vesta_store_seconds", "call" => call).record(elapsed_s);
            if result.is_err() {
                metrics::counter!("vesta_store_errors_total", "call" => call).increment(1);
            }
        });
        result
    }
}

#[async_trait]
impl Store for Metered {
    async fn get(&self, address: &Address) -> Result<Option<Version>, StoreError> {
        self.timed("get", self.inner.get(address)).await
    }

    async fn get_many(&self, addresses: &[Address]) -> Result<Vec<Version>, StoreError> {
        self.timed("get_many", self.inner.get_many(addresses)).await
    }

    async fn get_version(
        &self,
        address: &Address,
        version_id: i64,
    ) -> Result<Option<Version>, StoreError> {
        self.timed("get_version", self.inner.get_version(address, version_id))
            .await
    }

    async fn find(&self, plan: &Plan, window: &Window) -> Result<Matches, StoreError> {
        self.timed("find", self.inner.find(plan, window)).await
    }

    async fn count_within(
        &self,
        plan: &Plan,
        limit: u64,
        examined_max: usize,
    ) -> Result<Option<u64>, StoreError> {
        let counted = self.inner.count_within(plan, limit, examined_max);
        self.timed("count", counted).await
    }

    async fn history(
        &self,
        scope: &HistoryScope,
        window: &HistoryWindow,
    ) -> Result<Vec<Version>, StoreError> {
        self.timed("history", self.inner.history(scope, window))
            .await
    }

    async fn count_history(
        &self,
        scope: &HistoryScope,
        window: &HistoryWindow,
    ) -> Result<u64, StoreError> {
        self.timed("count_history", self.inner.count_history(scope, window))
            .await
    }

    async fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        self.timed("commit", self.inner.commit(batch)).await
    }

    async fn get_document(
        &self,
        collection: &str,
        id: &str,
        now_ms: i64,
    ) -> Result<Option<Document>, StoreError> {
        self.timed(
            "get_document",
            self.inner.get_document(collection, id, now_ms),
        )
        .await
    }

    async fn get_documents(
        &self,
        collection: &str,
        ids: &[String],
        now_ms: i64,
    ) -> Result<Vec<Document>, StoreError> {
        self.timed(
            "get_documents",
            self.inner.get_documents(collection, ids, now_ms),
        )
        .await
    }

    async fn find_documents(
        &self,
        collection: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Document>, StoreError> {
        self.timed(
            "find_documents",
            self.inner.find_documents(collection, after, limit),
        )
        .await
    }

    async fn put_documents(&self, puts: Vec<DocumentPut>) -> Result<(), StoreError> {
        self.timed("put_documents", self.inner.put_documents(puts))
            .await
    }

    async fn erase(&self, last_key: &[u8; 16], now_ms: i64) -> Result<u64, StoreError> {
        self.timed("erase", self.inner.erase(last_key, now_ms))
            .await
    }

    async fn is_sealed_from(&self, keys: &[[u8; 16]]) -> Result<bool, StoreError> {
        self.timed("is_sealed_from", self.inner.is_sealed_from(keys))
            .await
    }

    async fn ready(&self) -> Result<(), StoreError> {
        self.inner.ready().await
    }

    fn gauges(&self) -> StoreGauges {
        self.inner.gauges()
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}
