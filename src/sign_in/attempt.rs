//! What an attempt needs: whether it may be made, and everything that is known of whose password is tried.

use aggregates::values::EmailClaimId;
use projections::users;

use super::SignInError;
use crate::app::App;
use crate::keyring::{
    StoredPassword, WrappedPersonKey, password_of, password_of_claim, person_key_of_claim,
};
use crate::throttle::{self, Admitted, Trial};

/// Whose password is tried.
pub(super) enum Whose {
    /// Whoever has the address; perhaps nobody.
    Claim(EmailClaimId),
    /// The holder of a session.
    Account(Box<users::UserRow>),
}

/// What is known of whose password is tried.
pub(super) struct Found {
    pub account: Option<users::UserRow>,
    pub password: Option<StoredPassword>,
    /// Opened once the password was right, so that a wrong one takes no longer where there is an account.
    pub key: Option<WrappedPersonKey>,
}

/// Lets the attempt in, and looks in the same go for what it needs.
pub(super) async fn find(
    app: &App,
    trial: Trial,
    whose: Whose,
) -> Result<(Admitted, Found), SignInError> {
    let reservation = throttle::reserve(app, &trial);
    let (admitted, account, sealed, key) = match whose {
        Whose::Claim(claim) => {
            let account = users::by_claim(claim);
            let secrets = (password_of_claim(claim), person_key_of_claim(claim));
            let questions = (throttle::counters(&trial), (account, secrets));
            let (rows, (account, (sealed, key))) = app.database.ask(questions).await?;
            let user = account.as_ref().map(|row| row.user_id);
            let admitted = throttle::admit(app, trial, reservation, &rows, user)?;
            (admitted, account, sealed, key)
        }
        Whose::Account(row) => {
            let sealed = password_of(row.user_id, row.password_id);
            let questions = (throttle::counters(&trial), sealed);
            let (rows, sealed) = app.database.ask(questions).await?;
            let admitted = throttle::admit(app, trial, reservation, &rows, Some(row.user_id))?;
            (admitted, Some(*row), sealed, None)
        }
    };
    let Some(row) = account else {
        let nothing = Found {
            account: None,
            password: None,
            key: None,
        };
        return Ok((admitted, nothing));
    };
    let (user, password) = (row.user_id, row.password_id);
    let sealed = sealed.filter(|sealed| sealed.is(user, password));
    let stored = match sealed {
        Some(sealed) => Some(app.vault.open_password(sealed)?),
        // On PostgreSQL the password may have been changed from one question to the next.
        None => app.vault.password(user, password).await?,
    };
    let found = Found {
        account: Some(row),
        password: stored,
        key: key.filter(|key| key.is_of(user)),
    };
    Ok((admitted, found))
}
