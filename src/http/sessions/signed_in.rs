//! The answer to a sign-in that succeeded, with or without a second factor.

use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::{SessionView, view};
use crate::app::{Acting, App};
use crate::http::problem::{Kind, Problem};
use crate::http::reads::Written;
use crate::http::recognised::{Principal, Recognised};
use crate::http::users::view::{UserView, opened as user_view};
use crate::ports::clock;
use crate::sign_in::{self, Authenticated, Device, NewTokens, Paid};
use crate::throttle::DeviceToken;

/// Tokens, shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = Tokens)]
pub struct TokensView {
    /// 64 hexadecimal characters.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    /// 64 hexadecimal characters.
    refresh_token: String,
    /// Seconds.
    refresh_expires_in: i64,
}

impl TokensView {
    /// Tokens that were made at `at` for a session that ends at `session_end`, beyond which none is good.
    pub fn new(tokens: &NewTokens, at: DateTime<Utc>, session_end: DateTime<Utc>) -> Self {
        let pair = tokens.pair.clone().ending_by(session_end);
        Self {
            access_token: tokens.access.expose().to_owned(),
            token_type: "Bearer",
            expires_in: (pair.access_expires_at - at).num_seconds(),
            refresh_token: tokens.refresh.expose().to_owned(),
            refresh_expires_in: (pair.refresh_expires_at - at).num_seconds(),
        }
    }
}

/// A new session.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedIn)]
pub struct SignedIn {
    #[serde(flatten)]
    tokens: TokensView,
    session: SessionView,
    user: UserView,
    /// 64 hexadecimal characters, opaque: for this device's next sign-in to the account. It opens nothing. Good for 90
    /// days, longer than the session.
    device_token: String,
}

/// Opens the session and shows its tokens, once.
///
/// # Errors
/// A part that failed.
pub async fn open(
    app: &App,
    proof: &Authenticated,
    paid: Option<Paid>,
    device: &Device,
    request_id: Uuid,
    caller: &Recognised,
) -> Result<Response, Problem> {
    let user_id = proof.user_id();
    let most = app.config.throttles.sign_ins_per_hour;
    if let Err(seconds) = app.sign_ins.take(user_id, most, clock::now()) {
        return refuse(app, paid, seconds).await;
    }
    let acting = Acting {
        actor: Some(user_id.to_string()),
        request_id: Some(request_id),
    };
    let opened = sign_in::open_session(app, proof, paid, device, &acting).await?;
    let row = &opened.session;
    caller.note(Principal::person(user_id, row.session_id));
    app.last_seen.note(row.session_id);
    let known = DeviceToken::issue(app.vault.keyring(), user_id, clock::now());
    let known = known.map_err(Problem::internal)?;
    let signed_in = SignedIn {
        tokens: TokensView::new(&opened.tokens, row.created_at, row.expires_at),
        session: view(app, &opened.key, row, row.session_id)?,
        user: user_view(app, &opened.key, &opened.user)?,
        device_token: known.expose().as_str().to_owned(),
    };
    let headers = [
        (header::LOCATION, format!("/v1/sessions/{}", row.session_id)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    let answer = (StatusCode::CREATED, headers, axum::Json(signed_in));
    let written = Written {
        position: opened.position,
        answer,
    };
    Ok(written.into_response())
}

/// The password was right, so it is not counted as a wrong one.
async fn refuse(app: &App, paid: Option<Paid>, seconds: u32) -> Result<Response, Problem> {
    if let Some(charge) = paid.and_then(|paid| paid.charge) {
        charge.succeeded(app).await?;
    }
    let detail = "the account opened as many sessions as it may within an hour";
    Err(Problem::new(Kind::TooManyAttempts, detail).retry_after(seconds))
}
