//! Floods of wrong codes of the second factor reach the log as their beginning and one sum an hour, whatever their size.
//!
//! As [`super::count_sign_in_failures`] does it for wrong passwords. The beginning of one after a right password makes a
//! mail.

use std::sync::Arc;

use aggregates::user::{User, UserCommand};
use chrono::{DateTime, Utc};
use eventlog::ExecuteError;

use super::context;
use super::count_sign_in_failures::{is_over, told};
use crate::app::App;
use crate::ports::clock;
use crate::second_factor::failures::{self, Window};

const NAME: &str = "count_second_factor_failures";
/// Windows at a time.
const PAGE: i64 = 500;

/// One turn.
///
/// # Errors
/// The database or the log failed.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    let now = clock::now();
    let mut after = (String::new(), "");
    loop {
        let page = failures::due(&app.database, (&after.0, after.1), now, PAGE).await;
        let page = page.map_err(|error| error.to_string())?;
        let Some(last) = page.last() else {
            break;
        };
        after = (last.user.to_string(), last.stage.as_str());
        for window in page {
            tell(&app, &window, now).await?;
        }
    }
    let swept = failures::sweep(&app.database, now).await;
    swept.map_err(|error| error.to_string())
}

async fn tell(app: &App, window: &Window, now: DateTime<Utc>) -> Result<(), String> {
    let command = told(window.began_at, window.failures, window.is_announced, now);
    let command = UserCommand::SecondFactorFailures(window.stage, command);
    let appended = app
        .log
        .execute::<User>(&window.user.to_string(), command, &context(NAME))
        .await;
    match appended {
        // An account that is on its way out, whose windows go with it.
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
