//! `POST /v1/sessions/second-factor`: goes on with a sign-in whose password was right.

use std::sync::Arc;

use aggregates::user::SecondFactorStage;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use projections::users::{self, UserRow};
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::create::user_agent;
use super::signed_in::{self, SignedIn};
use crate::app::{Acting, App};
use crate::http::caller::ClientIp;
use crate::http::edge::RequestId;
use crate::http::extract::Json;
use crate::http::problem::{FieldError, Kind, Problem, ProblemBody};
use crate::http::recognised::{Principal, Recognised};
use crate::ports::clock;
use crate::second_factor::challenges::{self, Challenge};
use crate::second_factor::{self, Code, ProvedFactor, SecondFactorError};
use crate::sign_in::{self, Device};

/// The second factor: exactly one of `code` and `recovery_code`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecondFactor)]
pub struct Body {
    /// From `POST /v1/sessions`.
    #[schema(value_type = String)]
    challenge: Zeroizing<String>,
    /// Six digits, of the device.
    #[schema(value_type = Option<String>)]
    code: Option<Zeroizing<String>>,
    /// One of the list; it is used up.
    #[schema(value_type = Option<String>)]
    recovery_code: Option<Zeroizing<String>>,
}

/// Opens the session, once the second factor is proved.
#[utoipa::path(
    post, path = "/v1/sessions/second-factor", tag = "sessions", operation_id = "prove_second_factor",
    request_body = Body,
    responses(
        (status = 201, body = SignedIn, headers(("Location" = String), ("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-code"),
        (status = 410, body = ProblemBody, content_type = "application/problem+json", description = "challenge-expired"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Extension(caller): Extension<Recognised>,
    ClientIp(ip): ClientIp,
    headers: HeaderMap,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    let code = one_of(body.code, body.recovery_code)?;
    let (challenge, row) = good_challenge(&app, &body.challenge).await?;
    caller.note(Principal::without_session(row.user_id));
    let acting = Acting {
        actor: Some(row.user_id.to_string()),
        request_id: Some(request_id),
    };
    let proved = prove_once(&app, &challenge, &row, code, &acting).await?;
    let proof = sign_in::second_factor(&challenge, &proved).ok_or_else(expired)?;
    let device = Device {
        name: challenge.device_name,
        user_agent: user_agent(&headers),
        ip,
    };
    signed_in::open(&app, &proof, None, &device, request_id, &caller).await
}

/// Spends the challenge between looking at the code and using it up, so that several right codes for one challenge are
/// not all used up for its one session.
async fn prove_once(
    app: &App,
    challenge: &Challenge,
    row: &UserRow,
    code: Code,
    acting: &Acting,
) -> Result<ProvedFactor, Problem> {
    let right = second_factor::check(app, row, code, SecondFactorStage::SignIn).await?;
    if !challenges::spend(&app.database, challenge).await? {
        return Err(expired());
    }
    let proved = second_factor::use_up(app, right, acting).await;
    if let Err(SecondFactorError::InvalidCode) = &proved {
        // The code was used before; another one may still be sent.
        challenges::put_back(&app.database, challenge).await?;
    }
    Ok(proved?)
}

/// The challenge and its account, with a try counted. A challenge dies when what it was made for has changed.
async fn good_challenge(app: &App, text: &str) -> Result<(Challenge, UserRow), Problem> {
    let now = clock::now();
    let found = challenges::find(&app.database, &app.vault, text, now).await?;
    let challenge = found.ok_or_else(expired)?;
    let row = users::find(&app.database, challenge.user_id).await?;
    let is_as_it_was = |row: &UserRow| {
        !row.is_disabled
            && row.password_id == challenge.password_id
            && row.totp_id == Some(challenge.totp_id)
    };
    let Some(row) = row.filter(is_as_it_was) else {
        challenges::spend(&app.database, &challenge).await?;
        return Err(expired());
    };
    if !challenges::count_try(&app.database, &challenge, now).await? {
        return Err(expired());
    }
    Ok((challenge, row))
}

fn expired() -> Problem {
    Problem::new(
        Kind::ChallengeExpired,
        "this sign-in can go on no more; begin again with the password",
    )
}

/// Exactly one of the two.
///
/// # Errors
/// 422 for none or both.
pub fn one_of(
    code: Option<Zeroizing<String>>,
    recovery_code: Option<Zeroizing<String>>,
) -> Result<Code, Problem> {
    match (code, recovery_code) {
        (Some(code), None) => Ok(Code::Totp(code)),
        (None, Some(code)) => Ok(Code::Recovery(code)),
        (None, None) => Err(wrong_code_field("missing", "or recovery_code is required")),
        (Some(_), Some(_)) => Err(wrong_code_field(
            "ambiguous",
            "and recovery_code exclude each other",
        )),
    }
}

fn wrong_code_field(code: &str, message: &str) -> Problem {
    Problem::validation(vec![FieldError::new("code", code, message)])
}
