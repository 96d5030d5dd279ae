//! Hashes of passwords that no event made count are removed: what a node left that died while it changed a password.
//! Which one counts is asked of the log itself, not of a read model that may be in the making.

use std::sync::Arc;

use aggregates::user::User;
use aggregates::values::{PasswordId, UserId};
use chrono::TimeDelta;

use crate::app::App;
use crate::ports::clock;

/// A change of a password takes well under a minute.
const PATIENCE: TimeDelta = TimeDelta::hours(1);
/// Hashes of one turn; the next turn takes more.
const TURN: i64 = 500;

/// One turn.
///
/// # Errors
/// The database or the log failed.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    let before = clock::now() - PATIENCE;
    let surplus = app.vault.surplus_passwords(before, TURN).await;
    for (user, password) in surplus.map_err(|error| error.to_string())? {
        if counts(&app, user, password).await? {
            continue;
        }
        let removed = app.vault.remove_password(user, password).await;
        removed.map_err(|error| error.to_string())?;
    }
    Ok(())
}

async fn counts(app: &App, user: UserId, password: PasswordId) -> Result<bool, String> {
    let loaded = app.log.load::<User>(&user.to_string()).await;
    let (account, _) = loaded.map_err(|error| error.to_string())?;
    Ok(match account {
        User::Active(account) | User::Disabled(account) => account.password_id == password,
        User::Unregistered | User::Abandoned | User::Erasing | User::Erased => false,
    })
}
