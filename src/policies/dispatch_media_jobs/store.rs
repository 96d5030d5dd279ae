//! Whether the blob store is there. While it is not, nothing is dispatched and no attempt is given up for it: an outage
//! costs time and no tries.

use crate::app::App;
use crate::ports::blobs::BlobError;

/// Whether the store answers. If not, the queue pauses, longer the longer that has been so.
pub(super) async fn answers(app: &App) -> bool {
    match app.blobs.check().await {
        Ok(()) => {
            app.jobs.store_answers();
            true
        }
        Err(error) => {
            let pause_seconds = app.jobs.store_is_away().as_secs();
            tracing::warn!(%error, pause_seconds, "media jobs wait for the blob store");
            false
        }
    }
}

/// After `error`: waits and returns true if it is the store that is away; false if it is this object alone.
pub(super) async fn was_away(app: &App, error: &BlobError) -> bool {
    if let Err(away) = app.blobs.check().await {
        tracing::warn!(%error, %away, "a media job waits for the blob store");
        tokio::time::sleep(app.jobs.store_is_away()).await;
        return true;
    }
    false
}
