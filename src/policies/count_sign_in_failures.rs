//! Floods of wrong passwords reach the log as their beginning and one sum an hour, whatever their size.
//!
//! The table has the numbers. The event is appended first, then the table moves on; what dies in between is told again,
//! and the account ignores it. Addresses without an account have no stream, and nothing is told of them.

use std::sync::Arc;

use aggregates::user::{SignInFailuresCommand, User, UserCommand};
use chrono::{DateTime, Utc};
use eventlog::ExecuteError;
use projections::email_claims;

use super::context;
use crate::app::App;
use crate::ports::clock;
use crate::throttle;
use crate::throttle::failures::{self, Window};

const NAME: &str = "count_sign_in_failures";
/// Windows at a time.
const PAGE: i64 = 500;

/// One turn.
///
/// # Errors
/// The database or the log failed.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    let now = clock::now();
    let mut after = String::new();
    loop {
        let page = failures::due(&app.database, &after, now, PAGE).await;
        let page = page.map_err(|error| error.to_string())?;
        let Some(last) = page.last() else {
            break;
        };
        after = last.claim.to_string();
        for window in page {
            tell(&app, &window, now).await?;
        }
    }
    let swept = failures::sweep(&app.database, now).await;
    swept.map_err(|error| error.to_string())?;
    let swept = throttle::sweep(&app).await;
    swept.map_err(|error| error.to_string())
}

async fn tell(app: &App, window: &Window, now: DateTime<Utc>) -> Result<(), String> {
    let account = email_claims::account(&app.database, window.claim).await;
    let Some(account) = account.map_err(|error| error.to_string())? else {
        let removed = failures::remove(&app.database, window.claim).await;
        return removed.map_err(|error| error.to_string());
    };
    let command = told(window.began_at, window.failures, window.is_announced, now);
    let command = UserCommand::SignInFailures(command);
    let appended = app
        .log
        .execute::<User>(&account.user_id.to_string(), command, &context(NAME))
        .await;
    match appended {
        // A claim whose account is in the making, or never came.
        Ok(_) | Err(ExecuteError::Refused(_)) => {}
        Err(error) => return Err(error.to_string()),
    }
    let noted = if window.is_announced {
        failures::counted(&app.database, window, is_over(window.failures), now).await
    } else {
        failures::announced(&app.database, window).await
    };
    noted.map_err(|error| error.to_string())
}

/// A flood is over when a whole window has passed without a failure.
pub(super) fn is_over(failures: i64) -> bool {
    failures == 0
}

/// What is told of a window: the beginning of a flood that the log does not know, or the sum of one that it does.
pub(super) fn told(
    began_at: DateTime<Utc>,
    failures: i64,
    is_announced: bool,
    now: DateTime<Utc>,
) -> SignInFailuresCommand {
    let (is_over, at) = (is_over(failures), now);
    let failures = u64::try_from(failures).unwrap_or_default();
    if is_announced {
        SignInFailuresCommand::Count {
            began_at,
            failures,
            is_over,
            at,
        }
    } else {
        SignInFailuresCommand::Begin {
            began_at,
            failures,
            at,
        }
    }
}
