//! What is done about uploads without a request: those whose node died are finished, those that nobody goes on with are
//! removed, and so are claims of files that never came.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{State, Upload, UploadError, clear, finish, remove, table, terminate};
use crate::app::{Acting, App};
use crate::ports::clock;
use crate::quota;

/// Uploads of one turn; the next turn takes more.
const ROUND: i64 = 100;
/// For how long after its time a complete upload is tried again that cannot be made media.
const TRIED: TimeDelta = TimeDelta::days(7);

/// One turn.
///
/// # Errors
/// The database failed.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    let due = table::due(&app.database, clock::now(), ROUND).await;
    for upload in due.map_err(|error| error.to_string())? {
        if let Err(error) = see_to(&app, &upload).await {
            tracing::warn!(upload = %upload.upload_id, %error, "an upload is left to the next turn");
        }
    }
    Ok(())
}

/// Claims that nodes left which died.
///
/// # Errors
/// The database or the log failed.
pub async fn claims(app: Arc<App>) -> Result<(), String> {
    quota::sweep(&app).await
}

async fn see_to(app: &App, upload: &Upload) -> Result<(), UploadError> {
    // Whoever is at it on this node sees to it.
    let Some(_turn) = app.uploads.take_free(upload.upload_id) else {
        return Ok(());
    };
    match upload.state {
        State::Removed | State::Stored => clear(app, upload.upload_id).await,
        State::Open if upload.is_complete() => {
            if clock::now() - upload.expires_at > TRIED {
                tracing::error!(upload = %upload.upload_id, "an upload could not be made media and is given up");
                return remove(app, upload).await;
            }
            let acting = Acting {
                actor: Some(upload.owner.to_string()),
                request_id: None,
            };
            finish::finish(app, upload, &acting).await.map(|_| ())
        }
        State::Open => match terminate(app, upload).await {
            // It was gone on with at the last moment.
            Err(UploadError::Complete) => Ok(()),
            other => other,
        },
    }
}
