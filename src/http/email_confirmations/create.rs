//! `POST /v1/email-confirmations`: uses a link that confirms an address.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::app::{Acting, App};
use crate::email_change::{self, EmailChangeError};
use crate::http::caller::ClientIp;
use crate::http::edge::RequestId;
use crate::http::extract::{Json, NO_CONTENT};
use crate::http::problem::{FieldError, Kind, Problem, ProblemBody};
use crate::http::reads::Written;
use crate::mail::MailError;
use crate::pending_registration::{self, ConfirmError, Confirmed};
use crate::ports::clock;
use crate::throttle::{self, Scope};

/// The link's token, and who uses it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateEmailConfirmation)]
pub struct Body {
    /// From the link: 64 hexadecimal characters.
    #[schema(value_type = String)]
    token: Zeroizing<String>,
    /// That of the registration, where the link opens an account that waited for it (`verify_first`): it is required
    /// then, and ignored for other links.
    #[schema(value_type = Option<String>)]
    password: Option<Zeroizing<String>>,
}

/// Confirms the address of an account, completes a change of it, or opens an account that waited for that. The last also
/// asks for the password that it was registered with, since the mail proves whose the address is and not who chose that.
/// Six wrong ones within an hour end the link.
#[utoipa::path(
    post, path = "/v1/email-confirmations", tag = "accounts", operation_id = "create_email_confirmation",
    request_body = Body,
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 204, description = "Confirmed", headers(("Gatelog-Position" = u64))),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "wrong-password"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "conflict"),
        (status = 410, body = ProblemBody, content_type = "application/problem+json", description = "token-expired-or-used"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    ClientIp(ip): ClientIp,
    Json(body): Json<Body>,
) -> Result<impl IntoResponse, Problem> {
    throttle::charge_anonymous(&app, Scope::MailedToken, ip).await?;
    let acting = Acting {
        actor: None,
        request_id: Some(request_id),
    };
    let password = body.password.as_ref().map(|password| password.as_str());
    let now = clock::now();
    let registered =
        pending_registration::confirm(&app, &body.token, password, &acting, ip, now).await?;
    let position = match registered {
        Confirmed::Registered(position) => position,
        Confirmed::No => email_change::confirm(&app, &body.token, &acting).await?,
    };
    Ok(Written {
        position,
        answer: NO_CONTENT,
    })
}

/// 410: one answer for whatever is wrong with a link.
pub fn expired_or_used() -> Problem {
    Problem::new(
        Kind::TokenExpiredOrUsed,
        "this link is of no use any more; ask for a new one",
    )
}

fn of_mail(error: MailError) -> Problem {
    match error {
        MailError::Again(cause) => Problem::unavailable(cause),
        MailError::Hopeless(cause) | MailError::Event(cause) => Problem::internal(cause),
    }
}

impl From<EmailChangeError> for Problem {
    fn from(error: EmailChangeError) -> Self {
        match error {
            EmailChangeError::TooMany => Self::new(
                Kind::TooManyAttempts,
                "too many changes of the address were asked for",
            )
            .retry_after(3600),
            EmailChangeError::ExpiredOrUsed => expired_or_used(),
            EmailChangeError::NoSuchAccount => Self::not_found(),
            EmailChangeError::Vault(error) => error.into(),
            EmailChangeError::Mail(error) => of_mail(error),
            EmailChangeError::Database(error) => error.into(),
            EmailChangeError::Log(error) => error.into(),
        }
    }
}

impl From<ConfirmError> for Problem {
    fn from(error: ConfirmError) -> Self {
        match error {
            ConfirmError::Mail(error) => of_mail(error),
            ConfirmError::Vault(error) => error.into(),
            ConfirmError::InUse => Self::new(
                Kind::Conflict,
                "this link is being used by another request at this moment",
            )
            .retry_after(1),
            ConfirmError::PasswordMissing => {
                let message = "is required: the one that this address was registered with";
                Self::validation(vec![FieldError::new("password", "missing", message)])
            }
            ConfirmError::WrongPassword => Self::new(
                Kind::WrongPassword,
                "this address was registered with another password; if that was not you, register it yourself",
            ),
            ConfirmError::Password(error) => error.into(),
            ConfirmError::Register(error) => error.into(),
        }
    }
}
