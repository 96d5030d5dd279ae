//! Hearing of what other nodes and processes write.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::database::DatabaseKind;
use crate::feed::Feed;
use crate::{Database, DbError};

/// How often the head is read when nothing says that it moved.
const POLL: Duration = Duration::from_millis(500);

/// Hears of other nodes' and processes' events: by NOTIFY where there is one, and by asking now and then.
pub(crate) async fn follow(database: Database, feed: Arc<Feed>, stop: CancellationToken) {
    let mut listener = None;
    loop {
        if listener.is_none() {
            listener = listen(&database).await;
        }
        let is_stopped = tokio::select! {
            () = stop.cancelled() => true,
            () = notified(&mut listener) => false,
            () = tokio::time::sleep(POLL) => false,
        };
        if is_stopped {
            return;
        }
        if let Err(error) = feed.catch_up().await {
            if matches!(error, DbError::SetBack(_)) {
                return;
            }
            tracing::warn!(%error, "the head of the log cannot be read");
        }
    }
}

async fn listen(database: &Database) -> Option<sqlx::postgres::PgListener> {
    let DatabaseKind::Postgres { options, .. } = &*database.kind else {
        return None;
    };
    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with((**options).clone());
    let mut listener = sqlx::postgres::PgListener::connect_with(&pool).await.ok()?;
    listener.listen("gatelog_log").await.ok()?;
    Some(listener)
}

async fn notified(listener: &mut Option<sqlx::postgres::PgListener>) {
    match listener {
        Some(open) => {
            if open.recv().await.is_err() {
                *listener = None;
            }
        }
        None => std::future::pending().await,
    }
}
