//! `POST /v1/tokens/refresh`: new tokens for the current refresh token, once.
//!
//! A client that lost the answer may ask again with the same token for a short leeway. After it a spent token ends the
//! session: one of the two who have it is a thief (RFC 9700, 4.14.2).

use std::sync::Arc;

use aggregates::session::{Session, SessionCommand, SessionError, SessionEvent};
use axum::Extension;
use axum::extract::State;
use axum::response::IntoResponse;
use chrono::TimeDelta;
use eventlog::{DbError, ExecuteError, RecordedEvent};
use http::header;
use projections::{sessions, spent_refresh_tokens};
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use aggregates::values::TokenHash;

use crate::app::{Acting, App};
use crate::http::edge::RequestId;
use crate::http::extract::Json;
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::reads::Written;
use crate::http::recognised::{Principal, Recognised};
use crate::http::sessions::signed_in::TokensView;
use crate::ports::{clock, ids};
use crate::sign_in;
use crate::token_check::is_well_formed;

/// The refresh token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RefreshTokens)]
pub struct Body {
    /// 64 hexadecimal characters.
    #[schema(value_type = String)]
    refresh_token: Zeroizing<String>,
}

/// New tokens. The old ones are no longer good. The old refresh token may come again within the leeway, for a client
/// that lost the answer, unless the person proved once more who they are since; after it, it ends the session.
#[utoipa::path(
    post, path = "/v1/tokens/refresh", tag = "sessions", operation_id = "refresh_tokens", request_body = Body,
    responses(
        (status = 200, body = TokensView, headers(("Gatelog-Position" = u64))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token, refresh-token-reused"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
)]
pub async fn refresh(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Extension(caller): Extension<Recognised>,
    Json(body): Json<Body>,
) -> Result<impl IntoResponse, Problem> {
    if !is_well_formed(&body.refresh_token) {
        return Err(invalid());
    }
    let presented = TokenHash::from_bytes(ids::token_digest(&body.refresh_token));
    let found = session_of(&app, &presented).await?;
    let (session, is_spent) = found.ok_or_else(invalid)?;
    caller.note(Principal::person(session.user_id, session.session_id));
    let at = clock::now();
    let tokens = sign_in::new_tokens(&app.config.tokens, at).map_err(Problem::internal)?;
    let acting = Acting::person(session.user_id, request_id);
    let context = acting.command();
    let command = SessionCommand::IssueToken {
        presented_refresh: presented,
        is_spent,
        tokens: tokens.pair.clone(),
        leeway: TimeDelta::seconds(app.config.tokens.refresh_leeway_seconds),
        most_an_hour: app.config.throttles.refreshes_per_hour,
        at,
    };
    let outcome = app
        .log
        .execute::<Session>(&session.session_id.to_string(), command, &context)
        .await;
    let outcome = outcome.map_err(of_refresh)?;
    app.lease
        .settle(outcome.position.unwrap_or_default())
        .await
        .map_err(Problem::unavailable)?;
    if outcome.events.iter().any(is_reuse) {
        return Err(Problem::new(
            Kind::RefreshTokenReused,
            "the refresh token was used before; the session has ended",
        ));
    }
    let headers = [(header::CACHE_CONTROL, "no-store")];
    let answer = (
        headers,
        axum::Json(TokensView::new(&tokens, at, session.expires_at)),
    );
    Ok(Written {
        position: outcome.position,
        answer,
    })
}

/// The session, not ended, whose refresh token this is or was, and whether it was used up.
async fn session_of(
    app: &App,
    presented: &TokenHash,
) -> Result<Option<(sessions::SessionRow, bool)>, DbError> {
    if let Some(session) = sessions::find_by_refresh_token(&app.database, presented).await? {
        return Ok(Some((session, false)));
    }
    let Some(session) = spent_refresh_tokens::session_of(&app.database, presented).await? else {
        return Ok(None);
    };
    let row = sessions::find(&app.database, session).await?;
    Ok(row.map(|row| (row, true)))
}

fn is_reuse(event: &RecordedEvent) -> bool {
    let reused: Result<SessionEvent, _> = serde_json::from_str(&event.payload);
    matches!(reused, Ok(SessionEvent::RefreshTokenReused { .. }))
}

fn invalid() -> Problem {
    Problem::new(
        Kind::InvalidToken,
        "the refresh token is malformed, expired or unknown",
    )
}

fn of_refresh(error: ExecuteError<SessionError>) -> Problem {
    match error {
        ExecuteError::Refused(SessionError::TooManyTokens { .. }) => error.into(),
        ExecuteError::Refused(_) => invalid(),
        other => other.into(),
    }
}
