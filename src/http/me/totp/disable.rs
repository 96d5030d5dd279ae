//! `DELETE /v1/me/totp`: turns the second factor off, by the operator's policy.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use projections::users::{self, UserRow};
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::end_others;
use crate::app::{Acting, App};
use crate::config::TotpDisablePolicy;
use crate::http::caller::Caller;
use crate::http::extract::{NO_CONTENT, OptionalJson};
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::reads::Written;
use crate::http::sessions::second_factor::one_of;
use crate::http::users::view::is_second_factor_required;
use crate::second_factor;

/// A proof of the second factor, only by the policy `code`: exactly one of the two. And what else is to happen.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DisableTotp)]
pub struct Body {
    /// Six digits, of the device.
    #[schema(value_type = Option<String>)]
    code: Option<Zeroizing<String>>,
    /// One of the list; it is used up.
    #[schema(value_type = Option<String>)]
    recovery_code: Option<Zeroizing<String>>,
    /// Whether every other session of the account ends; false when it is left out.
    #[serde(default)]
    revoke_other_sessions: bool,
}

/// Turns the second factor off. Again: 204.
#[utoipa::path(
    delete, path = "/v1/me/totp", tag = "two-factor", operation_id = "disable_totp",
    request_body(content = Option<Body>, description = "The proof only by the policy `code`"),
    responses(
        (status = 204, description = "Off", headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token or invalid-code"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "reauthentication-required"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "totp-required"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
    security(("bearer" = [])),
)]
pub async fn disable(
    State(app): State<Arc<App>>,
    caller: Caller,
    OptionalJson(body): OptionalJson<Body>,
) -> Result<impl IntoResponse, Problem> {
    let acting = caller.acting();
    let row = users::find(&app.database, caller.user_id).await?;
    let row = row.ok_or_else(Problem::not_found)?;
    let revoke = body.revoke_other_sessions;
    if row.totp_id.is_some() {
        require_free_choice(&app, &row)?;
        allow(&app, &caller, &row, body, &acting).await?;
    }
    let position = second_factor::disable(&app.log, &app.vault, &row, &acting).await?;
    Ok(Written {
        position: end_others(&app, &caller, revoke, position).await?,
        answer: NO_CONTENT,
    })
}

/// Whoever must have a second factor cannot turn the only one off. An administrator can, for a device that is lost.
fn require_free_choice(app: &App, row: &UserRow) -> Result<(), Problem> {
    if is_second_factor_required(app, &row.roles) {
        let detail = "the account must have a second factor, so it stays on";
        return Err(Problem::new(Kind::TotpRequired, detail));
    }
    Ok(())
}

async fn allow(
    app: &Arc<App>,
    caller: &Caller,
    row: &UserRow,
    body: Body,
    acting: &Acting,
) -> Result<(), Problem> {
    match app.config.tokens.totp_disable {
        // The factor may have been turned on in another session, and this one be opened before it by the password alone.
        TotpDisablePolicy::Session if caller.used_second_factor() => Ok(()),
        TotpDisablePolicy::Session | TotpDisablePolicy::RecentAuth => caller.require_recent(),
        TotpDisablePolicy::Code => {
            let code = one_of(body.code, body.recovery_code)?;
            second_factor::prove(app, row, code, acting).await?;
            Ok(())
        }
    }
}
