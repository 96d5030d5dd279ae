//! Sessions that ended longer ago than people are told of them are forgotten. One event names many, and the read model
//! follows, so it is as large as what lives and the time that is told of. Their streams stay in the log.

use std::sync::Arc;

use aggregates::forgotten_sessions::{
    EndedSession, ForgottenSessions, ForgottenSessionsCommand, SESSIONS_MAX, stream_id,
};
use chrono::{DateTime, TimeDelta, Utc};
use projections::sessions;

use crate::app::{Acting, App};
use crate::last_seen;
use crate::ports::clock;

const NAME: &str = "forget_ended_sessions";
/// Events of one turn; the next turn takes more. Between them others append.
const TURN: usize = 4;
/// So long do sessions wait for others, until they fill an event.
const PATIENCE: TimeDelta = TimeDelta::hours(1);

/// One turn.
///
/// # Errors
/// The database or the log failed.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    let history = TimeDelta::seconds(app.config.tokens.session_history_seconds);
    for _ in 0..TURN {
        let now = clock::now();
        let before = now - history;
        let found = sessions::ended_before(&app.database, before, SESSIONS_MAX).await;
        let ended = found.map_err(|error| error.to_string())?;
        if !is_due(&ended, before) || !forget(&app, ended, before, now).await? {
            return Ok(());
        }
    }
    Ok(())
}

fn is_due(ended: &[EndedSession], before: DateTime<Utc>) -> bool {
    let has_waited = |first: &EndedSession| first.ended_at < before - PATIENCE;
    ended.len() >= SESSIONS_MAX || ended.first().is_some_and(has_waited)
}

/// Whether they are forgotten by this; else another node has just done it.
async fn forget(
    app: &App,
    sessions: Vec<EndedSession>,
    ended_before: DateTime<Utc>,
    at: DateTime<Utc>,
) -> Result<bool, String> {
    let (Some(first), Some(last)) = (sessions.first(), sessions.last()) else {
        return Ok(false);
    };
    // What hangs on their rows goes first: whoever dies in between is followed by one who finds them again.
    let gone = last_seen::forget_ended(&app.database, last.ended_at).await;
    gone.map_err(|error| error.to_string())?;
    let (stream, count) = (stream_id(first.session_id).to_string(), sessions.len());
    let command = ForgottenSessionsCommand::Forget {
        sessions,
        ended_before,
        at,
    };
    let context = Acting::policy(NAME).creating();
    let executed = app
        .log
        .execute::<ForgottenSessions>(&stream, command, &context)
        .await;
    let outcome = executed.map_err(|error| error.to_string())?;
    let is_new = outcome.position.is_some();
    if is_new {
        tracing::info!(count, "forgot sessions that ended long ago");
    }
    Ok(is_new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_forgotten_when_they_fill_an_event_or_have_waited_for_others() {
        let before = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let ended = |ago: TimeDelta, count: usize| {
            let one = EndedSession {
                session_id: uuid::Uuid::nil().into(),
                ended_at: before - ago,
            };
            vec![one; count]
        };
        let second = TimeDelta::seconds(1);
        assert!(!is_due(&ended(PATIENCE, 0), before));
        assert!(!is_due(&ended(PATIENCE, SESSIONS_MAX - 1), before));
        assert!(is_due(&ended(PATIENCE + second, 1), before));
        assert!(is_due(&ended(second, SESSIONS_MAX), before));
    }
}
