//! Tokens, requests and registrations past their time are removed, and mails of long ago are forgotten. Mails that are
//! files, where there is no SMTP server, go after a day, as their links do.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::app::App;
use crate::mail::{budgets, outbox, tokens};
use crate::pending_registration;
use crate::ports::clock;

/// As long as the longest life of a link.
const FILES_STAY: TimeDelta = TimeDelta::hours(24);

/// One turn.
///
/// # Errors
/// The database failed.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    let now = clock::now();
    let swept = async {
        outbox::sweep(&app, now).await?;
        tokens::sweep(&app.database, now).await?;
        budgets::sweep(&app.database, now).await?;
        pending_registration::sweep(&app, now).await
    };
    swept.await.map_err(|error| error.to_string())?;
    let swept = app.transport.sweep((now - FILES_STAY).into()).await;
    swept.map_err(|error| format!("files of mails: {error}"))
}
