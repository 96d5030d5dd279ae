//! `PATCH /v1/me`: changes the caller's name.

use std::sync::Arc;

use aggregates::values::DisplayName;
use axum::extract::State;
use axum::response::IntoResponse;
use projections::users;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::accounts::{self, ChangeNameError};
use crate::app::App;
use crate::http::caller::Caller;
use crate::http::extract::Json;
use crate::http::problem::{FieldError, Problem, ProblemBody};
use crate::http::reads::Written;
use crate::http::users::view::{UserView, view};

/// What changes; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UpdateMe)]
pub struct Body {
    /// The name, or null for none.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    name: Field<Option<String>>,
}

/// Tells null from what is left out.
#[derive(Default)]
enum Field<T> {
    #[default]
    LeftOut,
    Given(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::Given)
    }
}

/// Changes the caller's own account. There are only so many changes in an hour, and the same name is none.
#[utoipa::path(
    patch, path = "/v1/me", tag = "accounts", operation_id = "update_me", request_body = Body,
    responses(
        (status = 200, body = UserView, headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
    security(("bearer" = [])),
)]
pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<Body>,
) -> Result<impl IntoResponse, Problem> {
    let acting = caller.acting();
    let position = match body.name {
        Field::LeftOut => None,
        Field::Given(name) => {
            let name = name.as_deref().map(DisplayName::parse).transpose();
            let name = name.map_err(|error| {
                Problem::validation(vec![FieldError::new("name", error.code, error.message)])
            })?;
            accounts::change_name(&app, caller.user_id, name.as_ref(), &acting).await?
        }
    };
    let row = users::find(&app.database, caller.user_id).await?;
    let user = view(&app, &row.ok_or_else(Problem::not_found)?).await?;
    Ok(Written {
        position,
        answer: axum::Json(user),
    })
}

impl From<ChangeNameError> for Problem {
    fn from(error: ChangeNameError) -> Self {
        match error {
            ChangeNameError::Vault(error) => error.into(),
            ChangeNameError::NoSuchAccount => Self::not_found(),
            ChangeNameError::Throttle(error) => error.into(),
            ChangeNameError::Database(error) => error.into(),
            ChangeNameError::Log(error) => error.into(),
        }
    }
}
