//! `POST /v1/users`: registers an account.

use std::sync::Arc;

use aggregates::values::{DisplayName, EmailAddress, Password, PasswordFailure};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::view::{UserView, is_second_factor_required};
use crate::accounts::{self, NewAccount, RegisterError, Registered};
use crate::app::{Acting, App};
use crate::config::Registration;
use crate::http::caller::ClientIp;
use crate::http::edge::RequestId;
use crate::http::extract::Json;
use crate::http::password_resets::create::accept;
use crate::http::problem::{FieldError, Kind, Problem, ProblemBody};
use crate::http::reads::Written;
use crate::mail::requests::{Registration as PendingAccount, Request};
use crate::ports::passwords::{HashedPassword, broken_rules};
use crate::throttle::{self, Scope};

/// Who registers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CreateUser)]
pub struct Body {
    /// The address.
    #[schema(max_length = 254)]
    email: String,
    /// By the rules of `GET /v1/config`.
    #[schema(value_type = String)]
    password: Zeroizing<String>,
    /// The name.
    #[schema(min_length = 1, max_length = 100)]
    name: Option<String>,
}

/// Registers an account.
#[utoipa::path(
    post, path = "/v1/users", tag = "accounts", operation_id = "create_user", request_body = Body,
    params(("Idempotency-Key" = Option<String>, Header, description = "Up to 255 characters")),
    responses(
        (status = 201, body = UserView, headers(("Location" = String), ("Gatelog-Position" = u64))),
        (status = 202, description = "With `verify_first`: a mail is sent to the address, whether it has an account; \
            there is one once the link in it is used"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "registration-closed"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "email-taken"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json", description = "validation-failed"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
)]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    ClientIp(ip): ClientIp,
    Json(body): Json<Body>,
) -> Result<Response, Problem> {
    if app.config.tokens.registration == Registration::Closed {
        return Err(Problem::new(
            Kind::RegistrationClosed,
            "registration is closed on this server",
        ));
    }
    let password = Password::new(&body.password);
    let account = check(&app, &body, &password)?;
    // What follows costs something: it is counted.
    throttle::charge_anonymous(&app, Scope::Registration, ip).await?;
    let identity = accounts::identity(Some(&account.email), account.name.as_ref());
    if app.passwords.is_guessable(&password, identity).await? {
        let failure = PasswordFailure::TooCommon;
        let error = FieldError::new("password", failure.code(), failure.message());
        return Err(Problem::validation(vec![error]));
    }
    let hash = app.passwords.hash(password).await?;
    let acting = Acting {
        actor: None,
        request_id: Some(request_id),
    };
    if app.config.tokens.registration == Registration::VerifyFirst {
        let request = Request::Registration(waiting(&account, &hash));
        return Ok(accept(&app, &request).await?.into_response());
    }
    let registered = accounts::register(&app.log, &app.vault, &account, &hash, &acting).await?;
    accounts::remember_network(&app, registered.user_id, ip).await;
    let location = [(header::LOCATION, "/v1/me")];
    let answer = (
        StatusCode::CREATED,
        location,
        axum::Json(shown(&app, &account, &registered)),
    );
    let written = Written {
        position: registered.position,
        answer,
    };
    Ok(written.into_response())
}

/// The account as it waits for the confirmation of its address.
fn waiting(account: &NewAccount, hash: &HashedPassword) -> PendingAccount {
    PendingAccount {
        email: account.email.as_str().to_owned(),
        name: account.name.as_ref().map(|name| name.as_str().to_owned()),
        phc: Zeroizing::new(hash.phc().to_owned()),
        pepper_id: hash.pepper_id().to_owned(),
    }
}

/// Every field that is wrong, at once.
fn check(app: &App, body: &Body, password: &Password) -> Result<NewAccount, Problem> {
    let mut errors = Vec::new();
    let email = EmailAddress::parse(&body.email)
        .map_err(|error| errors.push(FieldError::new("email", error.code, error.message)))
        .ok();
    let name = body.name.as_deref().map(DisplayName::parse).transpose();
    let name = name
        .map_err(|error| errors.push(FieldError::new("name", error.code, error.message)))
        .unwrap_or_default();
    let identity = accounts::identity(email.as_ref(), name.as_ref());
    let failures = broken_rules(&app.config.passwords.policy, password, &identity);
    errors.extend(
        failures
            .into_iter()
            .map(|failure| FieldError::new("password", failure.code(), failure.message())),
    );
    match email {
        Some(email) if errors.is_empty() => Ok(NewAccount {
            email,
            name,
            roles: Vec::new(),
            is_email_verified: false,
        }),
        _ => Err(Problem::validation(errors)),
    }
}

fn shown(app: &App, account: &NewAccount, registered: &Registered) -> UserView {
    UserView {
        id: registered.user_id.into(),
        email: account.email.as_str().to_owned(),
        email_verified: false,
        name: account.name.as_ref().map(|name| name.as_str().to_owned()),
        totp_enabled: false,
        second_factor_required: is_second_factor_required(app, &account.roles),
        recovery_codes_left: 0,
        roles: account.roles.clone(),
        created_at: registered.at,
        erase_at: None,
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::EmailTaken => Self::new(
                Kind::EmailTaken,
                "an account with this address exists already",
            ),
            RegisterError::Overloaded => {
                Self::new(Kind::Overloaded, "too much is waiting to be written")
            }
            RegisterError::Vault(error) => error.into(),
            RegisterError::Log(cause) => Self::unavailable(cause),
            RegisterError::OutcomeUnknown => Self::unavailable(error),
        }
    }
}
