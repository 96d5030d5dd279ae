//! An account as administrators see it.

use aggregates::values::UserId;
use projections::users::{self, UserRow};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::problem::Problem;
use crate::http::users::view::{UserView, view as user_view};

/// An account, with what only administrators see.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminUser)]
pub struct AdminUserView {
    #[serde(flatten)]
    user: UserView,
    /// `active` or `disabled`.
    state: &'static str,
}

/// Opens the sealed fields of an account.
///
/// # Errors
/// The vault failed, or the person's key is gone (then there is no such account any more).
pub async fn view(app: &App, row: &UserRow) -> Result<AdminUserView, Problem> {
    Ok(AdminUserView {
        user: user_view(app, row).await?,
        state: if row.is_disabled {
            "disabled"
        } else {
            "active"
        },
    })
}

/// The account's row.
///
/// # Errors
/// 404 when there is no such account.
pub async fn find(app: &App, user: UserId) -> Result<UserRow, Problem> {
    let row = users::find(&app.database, user).await?;
    row.ok_or_else(Problem::not_found)
}

/// The account as it is now.
///
/// # Errors
/// As [`view`].
pub async fn now(app: &App, user: UserId) -> Result<axum::Json<AdminUserView>, Problem> {
    let row = find(app, user).await?;
    Ok(axum::Json(view(app, &row).await?))
}
