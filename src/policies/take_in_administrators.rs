//! Administrators who are not counted yet are taken in, and removals that were left half-done are carried out.

use std::sync::Arc;

use crate::administration;
use crate::app::App;

/// One turn.
///
/// # Errors
/// The database or the log failed.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    administration::take_in(&app.log, &app.database)
        .await
        .map_err(|error| error.to_string())
}
