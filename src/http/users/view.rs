//! An account as clients see it.

use aggregates::values::Role;
use chrono::{DateTime, Utc};
use projections::users::{SealedField, UserRow};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::http::problem::Problem;
use crate::keyring::PersonKey;

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// `UUIDv7`.
    pub id: Uuid,
    /// The address, as it was given.
    pub email: String,
    /// Whether the address was confirmed by mail.
    pub email_verified: bool,
    /// The name.
    pub name: Option<String>,
    /// Whether a second factor is on.
    pub totp_enabled: bool,
    /// Whether the account must have one. Until it is on, and proved in the session, the rest of the API answers 403.
    pub second_factor_required: bool,
    /// Recovery codes that were not used yet.
    pub recovery_codes_left: u32,
    /// Roles.
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Role>,
    /// Registered when.
    pub created_at: DateTime<Utc>,
    /// When the account is to be erased, if its person asked for that.
    pub erase_at: Option<DateTime<Utc>>,
}

/// Opens the sealed fields of an account.
///
/// # Errors
/// The vault failed, or the person's key is gone (then there is no such account any more).
pub async fn view(app: &App, row: &UserRow) -> Result<UserView, Problem> {
    let key = app
        .vault
        .person_key(row.user_id)
        .await?
        .ok_or_else(Problem::not_found)?;
    opened(app, &key, row)
}

/// As [`view`], with the person's key.
///
/// # Errors
/// A field does not open.
pub fn opened(app: &App, key: &PersonKey, row: &UserRow) -> Result<UserView, Problem> {
    Ok(UserView {
        id: row.user_id.into(),
        email: open(key, "email", &row.email)?,
        email_verified: row.is_email_verified,
        name: row
            .name
            .as_ref()
            .map(|name| open(key, "name", name))
            .transpose()?,
        totp_enabled: row.totp_id.is_some(),
        second_factor_required: is_second_factor_required(app, &row.roles),
        recovery_codes_left: row.recovery_codes_left,
        roles: row.roles.clone(),
        created_at: row.created_at,
        erase_at: row.erase_at,
    })
}

/// Whether an account with these roles must have a second factor.
pub fn is_second_factor_required(app: &App, roles: &[Role]) -> bool {
    app.config.tokens.second_factor_required_for.includes(roles)
}

fn open(key: &PersonKey, field: &str, sealed: &SealedField) -> Result<String, Problem> {
    Ok(key.open(sealed.event_id, field, &sealed.text)?)
}
