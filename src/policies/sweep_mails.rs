//! Tokens, requests and registrations past their time are removed, and mails of long ago are forgotten.

use std::sync::Arc;

use crate::app::App;
use crate::mail::{budgets, outbox, tokens};
use crate::pending_registration;
use crate::ports::clock;

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
    swept.await.map_err(|error| error.to_string())
}
