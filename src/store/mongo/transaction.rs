//! Transactions: begin, work, commit; tried again while the server asks for it.
//!
//! A writer that meets another one's open transaction is sent away at once and starts over after a
//! pause that grows and is random, so that they do not meet again.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use mongodb::ClientSession;
use mongodb::bson::{Document, RawDocumentBuf};
use mongodb::options::ReadConcern;

use crate::store::StoreError;
use crate::store::mongo::Inner;
use crate::store::mongo::connect::durable;
use crate::store::mongo::failure::{Failure, commit_unknown, from_driver, is_commit_unknown};

/// The first pause before another try, in ms; it doubles with every try.
const PAUSE_MS: u64 = 4;

/// The longest pause before another try, in ms.
const PAUSE_MS_MAX: u64 = 500;

/// How often a transaction is tried.
const TRIES_MAX: u32 = 60;

/// How often a commit whose outcome is unknown is sent again.
const COMMITS_MAX: u32 = 3;

/// What a transaction does; may run several times.
#[async_trait]
pub(super) trait Work: Send + Sync {
    /// Does the work in the session's transaction.
    async fn run(&self, store: &Inner, session: &mut ClientSession) -> Result<(), Failure>;
}

/// Runs `work` in a transaction and commits it durably.
pub(super) async fn run(store: &Inner, work: &dyn Work) -> Result<(), StoreError> {
    let started = Instant::now();
    let mut session = store
        .client
        .start_session()
        .await
        .map_err(|error| from_driver(&error))?;
    for attempt in 0..TRIES_MAX {
        match attempt_once(store, &mut session, work).await {
            Err(failure) if may_try_again(store, &failure, started.elapsed()) => {
                tokio::time::sleep(pause(attempt)).await;
            }
            outcome => return outcome.map_err(Failure::into_store_error),
        }
    }
    Err(StoreError::Unavailable(
        "a transaction met too many others".to_owned(),
    ))
}

/// Conflicts end sooner or later; for a primary the driver has waited already.
fn may_try_again(store: &Inner, failure: &Failure, elapsed: Duration) -> bool {
    let time_max_ms = if failure.is_connection_lost() {
        store.settings.server_selection_ms_max
    } else {
        store.settings.transaction_ms_max
    };
    failure.is_transient() && elapsed < Duration::from_millis(time_max_ms)
}

/// Runs a raw command in the session's transaction.
pub(super) async fn command(
    db: &mongodb::Database,
    session: &mut ClientSession,
    command: &RawDocumentBuf,
) -> Result<Document, Failure> {
    Ok(db.run_raw_command(command.clone()).session(session).await?)
}

async fn attempt_once(
    store: &Inner,
    session: &mut ClientSession,
    work: &dyn Work,
) -> Result<(), Failure> {
    session
        .start_transaction()
        .read_concern(ReadConcern::snapshot())
        .write_concern(durable(&store.settings))
        .await?;
    if let Err(failure) = work.run(store, session).await {
        if let Err(error) = session.abort_transaction().await {
            // The server ends it by itself when the session is gone or its time is over.
            tracing::debug!(reason = %from_driver(&error), "a transaction was left to time out");
        }
        return Err(failure);
    }
    commit(session).await
}

/// Commits, and asks again while it is unknown whether the commit happened.
async fn commit(session: &mut ClientSession) -> Result<(), Failure> {
    let mut sent = 1;
    loop {
        match session.commit_transaction().await {
            Ok(()) => return Ok(()),
            Err(error) if is_commit_unknown(&error) && sent < COMMITS_MAX => sent += 1,
            Err(error) if is_commit_unknown(&error) => return Err(commit_unknown(&error).into()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A random pause, on average longer after every try.
fn pause(attempt: u32) -> Duration {
    let longest_ms = PAUSE_MS
        .saturating_mul(1 << attempt.min(10))
        .min(PAUSE_MS_MAX);
    let random = getrandom::u64().unwrap_or(longest_ms / 2);
    Duration::from_millis(1 + random % longest_ms)
}

#[cfg(test)]
mod tests {
    use super::{PAUSE_MS_MAX, pause};

    #[test]
    fn pauses_are_bounded() {
        for attempt in 0..100 {
            assert!(pause(attempt).as_millis() <= u128::from(PAUSE_MS_MAX));
        }
    }
}
