//! `POST /v1/sessions`: signs in.

use std::sync::Arc;

use aggregates::values::{AuthMethod, DeviceName};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::signed_in::{self, SignedIn};
use crate::app::App;
use crate::http::caller::ClientIp;
use crate::http::edge::RequestId;
use crate::http::extract::Json;
use crate::http::problem::{FieldError, Kind, Problem, ProblemBody};
use crate::http::recognised::{Principal, Recognised};
use crate::ports::clock;
use crate::second_factor::challenges;
use crate::sign_in::{self, Device, FirstFactor, Paid, SecondFactorDue, SignInError};
use crate::throttle::DeviceToken;

/// As much of a `User-Agent` as is kept.
const USER_AGENT_CHARS: usize = 512;

/// Who signs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateSession)]
pub struct Body {
    /// The address.
    email: String,
    /// The password.
    #[schema(value_type = String)]
    password: Zeroizing<String>,
    /// A name for the device, for the list of sessions.
    #[schema(min_length = 1, max_length = 100)]
    device_name: Option<String>,
    /// The `device_token` of this device's last sign-in to the account, so that strangers who guess are not in its way.
    /// One that is of another account or too old is as none.
    #[schema(value_type = Option<String>, min_length = 64, max_length = 64)]
    device_token: Option<Zeroizing<String>>,
}

/// That the second factor is due. There is no session yet.
#[derive(Serialize, ToSchema)]
#[schema(as = Challenge)]
pub struct ChallengeView {
    /// 64 hexadecimal characters, shown once: for `POST /v1/sessions/second-factor`.
    challenge: String,
    /// What may be sent with it.
    methods: [&'static str; 2],
    /// Seconds.
    expires_in: i64,
}

/// Signs in.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "sessions", operation_id = "create_session", request_body = Body,
    responses(
        (status = 201, body = SignedIn, headers(("Location" = String), ("Gatelog-Position" = u64))),
        (status = 202, body = ChallengeView, description = "A second factor is due: no session exists yet"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-credentials"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "account-disabled"),
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
    let device = Device {
        name: device_name(body.device_name.as_deref())?,
        user_agent: user_agent(&headers),
        ip,
    };
    let known = device_token(body.device_token.as_deref().map(String::as_str))?;
    let right = sign_in::verify_password(&app, &body.email, ip, known, body.password).await;
    let right = right.inspect_err(|error| note_disabled(&caller, error))?;
    caller.note(Principal::without_session(right.user.user_id));
    let (charge, key) = (right.charge, right.key);
    match sign_in::first_factor(&right.proof, &right.user) {
        FirstFactor::Enough(proof) => {
            let charge = Some(charge);
            let paid = Some(Paid { charge, key });
            signed_in::open(&app, &proof, paid, &device, request_id, &caller).await
        }
        FirstFactor::Due(due) => {
            charge.succeeded(&app).await?;
            ask_for_more(&app, &due, &device).await
        }
    }
}

/// Only whoever has the password is told so, and named.
fn note_disabled(caller: &Recognised, error: &SignInError) {
    if let SignInError::AccountDisabled(user) = error {
        caller.note(Principal::without_session(*user));
    }
}

async fn ask_for_more(
    app: &App,
    due: &SecondFactorDue,
    device: &Device,
) -> Result<Response, Problem> {
    let (name, now) = (device.name.as_ref(), clock::now());
    let challenge = challenges::create(&app.database, &app.vault, due, name, now).await?;
    let view = ChallengeView {
        challenge: challenge.expose().to_owned(),
        methods: [AuthMethod::Totp.as_str(), AuthMethod::RecoveryCode.as_str()],
        expires_in: challenges::LIFE.num_seconds(),
    };
    let headers = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::ACCEPTED, headers, axum::Json(view)).into_response())
}

fn device_name(text: Option<&str>) -> Result<Option<DeviceName>, Problem> {
    text.map(DeviceName::parse).transpose().map_err(|error| {
        Problem::validation(vec![FieldError::new(
            "device_name",
            error.code,
            error.message,
        )])
    })
}

fn device_token(text: Option<&str>) -> Result<Option<DeviceToken>, Problem> {
    let Some(text) = text else { return Ok(None) };
    DeviceToken::parse(text).map(Some).ok_or_else(|| {
        let message = "is not 64 hexadecimal characters";
        Problem::validation(vec![FieldError::new("device_token", "invalid", message)])
    })
}

/// Printable text only, cut to a length that any real browser stays under.
pub(super) fn user_agent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(
        text.chars()
            .filter(|c| !c.is_control())
            .take(USER_AGENT_CHARS)
            .collect(),
    )
}

impl From<SignInError> for Problem {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::InvalidCredentials => Self::new(
                Kind::InvalidCredentials,
                "the address and the password do not belong together",
            ),
            SignInError::AccountDisabled(_) => Self::new(
                Kind::AccountDisabled,
                "this account was disabled by an administrator",
            ),
            SignInError::Throttle(error) => error.into(),
            SignInError::Password(error) => error.into(),
            SignInError::Vault(error) => error.into(),
            SignInError::Database(error) => error.into(),
            SignInError::NoRandomness(error) => Self::internal(error),
            SignInError::Log(error) => error.into(),
            SignInError::Revoke(error) => error.into(),
        }
    }
}
