//! `POST` and `DELETE /v1/me/deletion`: asks for the erasure of the account, and takes that back.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use http::StatusCode;
use projections::users;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::app::App;
use crate::erasure::{self, ErasureError};
use crate::http::caller::{RecentSingleFactorCaller, SingleFactorCaller};
use crate::http::extract::{Json, NO_CONTENT};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::Written;
use crate::http::sessions::reauthenticate::right_password;

/// The password once more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateDeletion)]
pub struct Body {
    /// The account's.
    #[schema(value_type = String)]
    password: Zeroizing<String>,
}

/// When the account is erased.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Deletion)]
pub struct DeletionView {
    /// Until then it can be taken back.
    erase_at: DateTime<Utc>,
}

/// Asks for the erasure of the caller's account. Until it is due the account goes on as before. Again: the same answer.
#[utoipa::path(
    post, path = "/v1/me/deletion", tag = "accounts", operation_id = "create_deletion", request_body = Body,
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 202, body = DeletionView, headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "wrong-password, reauthentication-required"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "last-admin"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
    security(("bearer" = [])),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    RecentSingleFactorCaller(caller): RecentSingleFactorCaller,
    Json(body): Json<Body>,
) -> Result<impl IntoResponse, Problem> {
    let row = users::find(&app.database, caller.user_id).await?;
    right_password(&app, &caller, row, &body.password).await?;
    let acting = caller.acting();
    let (erase_at, position) = erasure::request(&app, caller.user_id, &acting).await?;
    Ok(Written {
        position,
        answer: (StatusCode::ACCEPTED, axum::Json(DeletionView { erase_at })),
    })
}

/// Takes it back. Again, or when nothing was asked for: 204.
#[utoipa::path(
    delete, path = "/v1/me/deletion", tag = "accounts", operation_id = "delete_deletion",
    responses(
        (status = 204, description = "The account stays", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
    ),
    security(("bearer" = [])),
)]
pub async fn delete(
    State(app): State<Arc<App>>,
    SingleFactorCaller(caller): SingleFactorCaller,
) -> Result<impl IntoResponse, Problem> {
    let acting = caller.acting();
    let position = erasure::cancel(&app, caller.user_id, &acting).await?;
    Ok(Written {
        position,
        answer: NO_CONTENT,
    })
}

impl From<ErasureError> for Problem {
    fn from(error: ErasureError) -> Self {
        match error {
            ErasureError::User(error) => error.into(),
            ErasureError::Sessions(error) => error.into(),
            ErasureError::Administration(error) => error.into(),
            ErasureError::Database(error) => error.into(),
            ErasureError::NoSuchAccount => Self::not_found(),
            other => Self::unavailable(other),
        }
    }
}
