//! Sessions past the end of their last token are ended in the log, too. Their tokens stopped being good on time; this only
//! writes it down.

use std::sync::Arc;

use aggregates::session::{Session, SessionCommand};
use eventlog::ExecuteError;
use projections::sessions;

use super::context;
use crate::app::App;
use crate::ports::clock;

const NAME: &str = "expire_sessions";
/// Sessions of one turn; the next turn takes more.
const TURN: usize = 1000;

/// One turn.
///
/// # Errors
/// The database or the log failed.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    let now = clock::now();
    let overdue = sessions::overdue(&app.database, now, TURN)
        .await
        .map_err(|error| error.to_string())?;
    for session in overdue {
        let command = SessionCommand::Expire { at: now };
        match app
            .log
            .execute::<Session>(&session.to_string(), command, &context(NAME))
            .await
        {
            Ok(_) | Err(ExecuteError::Refused(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}
