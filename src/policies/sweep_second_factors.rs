//! Secrets that were never confirmed and recovery codes that no event made count are removed, with challenges and
//! counts of wrong codes whose time is over. The read model says which ones to look at; which ones count is asked of the
//! log itself.

use std::sync::Arc;

use aggregates::user::{SecondFactor, User};
use aggregates::values::{RecoveryCodesId, TotpId, UserId};
use chrono::TimeDelta;
use uuid::Uuid;

use crate::app::App;
use crate::ports::clock;
use crate::second_factor::{attempts, challenges};

/// A secret waits ten minutes, and a confirmation takes well under one.
const PATIENCE: TimeDelta = TimeDelta::hours(1);
/// Entries at a time.
const PAGE: i64 = 500;

/// One turn.
///
/// # Errors
/// The database or the log failed.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    let now = clock::now();
    let swept = challenges::sweep(&app.database, now).await;
    swept.map_err(|error| error.to_string())?;
    let swept = attempts::sweep(&app.database, now).await;
    swept.map_err(|error| error.to_string())?;
    sweep_secrets(&app).await?;
    sweep_codes(&app).await
}

async fn sweep_secrets(app: &App) -> Result<(), String> {
    let before = clock::now() - PATIENCE;
    let mut after = (UserId(Uuid::nil()), TotpId(Uuid::nil()));
    loop {
        let page = app.vault.surplus_totps(before, after, PAGE).await;
        let page = page.map_err(|error| error.to_string())?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = *last;
        for (user, totp) in page {
            let counts = factor(app, user).await?.map(|factor| factor.totp_id) == Some(totp);
            if !counts {
                let removed = app.vault.remove_totp(user, totp).await;
                removed.map_err(|error| error.to_string())?;
            }
        }
    }
}

async fn sweep_codes(app: &App) -> Result<(), String> {
    let before = clock::now() - PATIENCE;
    let mut after = (UserId(Uuid::nil()), RecoveryCodesId(Uuid::nil()));
    loop {
        let page = app.vault.surplus_recovery_codes(before, after, PAGE).await;
        let page = page.map_err(|error| error.to_string())?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = *last;
        for (user, set) in page {
            let codes = factor(app, user).await?.and_then(|factor| factor.codes);
            if codes.map(|codes| codes.codes_id) != Some(set) {
                let removed = app.vault.remove_recovery_codes(user, set).await;
                removed.map_err(|error| error.to_string())?;
            }
        }
    }
}

async fn factor(app: &App, user: UserId) -> Result<Option<SecondFactor>, String> {
    let loaded = app.log.load::<User>(&user.to_string()).await;
    let (account, _) = loaded.map_err(|error| error.to_string())?;
    Ok(match account {
        User::Active(account) | User::Disabled(account) => account.second_factor,
        User::Unregistered | User::Abandoned | User::Erasing | User::Erased => None,
    })
}
