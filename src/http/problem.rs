//! Errors as clients see them: `application/problem+json` (RFC 9457).
//!
//! The only place that gives a kind its status and its slug; `errors.rs`, or an error's one endpoint, gives an error
//! its kind. Every kind has a page at `/problems/<slug>`. What
//! went wrong inside travels beside the problem to the edge, which logs it once; it never reaches a client.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// Declares the kinds: name, slug, status, title, and the text of its page.
macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident => $slug:literal, $status:ident, $title:literal, $page:literal;)+) => {
        /// Every kind of problem that this server answers with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Kind { $($(#[$meta])* #[doc = $title] $name,)+ }

        impl Kind {
            /// All kinds, in the order of their pages.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The last part of the problem's `type`.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$name => $slug,)+ }
            }

            /// The HTTP status, but for those that the library has no name for.
            const fn named_status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// A short text for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// What it means and what to do.
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$name => $page,)+ }
            }
        }
    };
}

kinds! {
    MalformedRequest => "malformed-request", BAD_REQUEST, "Malformed request",
        "The request cannot be read: the body is not JSON, a parameter is missing or is not of its form. Mend the request; sending it again unchanged gives the same answer.";
    TokenInUrl => "token-in-url", BAD_REQUEST, "Token in a URL",
        "A token was sent in the URL, where logs and histories would keep it. Send it as 'Authorization: Bearer <token>' and consider the one that was sent exposed: revoke its session.";
    InvalidToken => "invalid-token", UNAUTHORIZED, "Invalid token",
        "The bearer token is missing, malformed, expired, or its session has ended. Sign in again, or refresh the tokens.";
    InvalidCredentials => "invalid-credentials", UNAUTHORIZED, "Invalid credentials",
        "The address and the password do not belong together. Whether an account with that address exists is not told.";
    InvalidCode => "invalid-code", UNAUTHORIZED, "Invalid code",
        "The one-time password or recovery code is wrong, too old, or was used already: each is good once. Wait for the next one that the device shows.";
    RefreshTokenReused => "refresh-token-reused", UNAUTHORIZED, "Refresh token reused",
        "A refresh token that was already exchanged came again. Somebody else may hold a copy, so the session has ended. Sign in again.";
    WrongPassword => "wrong-password", FORBIDDEN, "Wrong password",
        "The caller is signed in, but the current password that was sent is not the account's, or another change of it was first. Nothing was changed.";
    AccountDisabled => "account-disabled", FORBIDDEN, "Account disabled",
        "The account was disabled by an administrator.";
    RegistrationClosed => "registration-closed", FORBIDDEN, "Registration closed",
        "This server does not let people register by themselves. An administrator can make an account.";
    Forbidden => "forbidden", FORBIDDEN, "Forbidden",
        "The caller is known but may not do this; a role is missing, or a scope of the service key.";
    ReauthenticationRequired => "reauthentication-required", FORBIDDEN, "Reauthentication required",
        "The last proof of identity is too long ago for this call, or the call needs a proof by the second factor and this session has none. Authenticate again, then repeat it.";
    SecondFactorRequired => "second-factor-required", FORBIDDEN, "Second factor required",
        "The account must have a second factor and has none. Until it is on, the caller may do only what leads to it: enrol one with POST /v1/me/totp and confirm it.";
    NotFound => "not-found", NOT_FOUND, "Not found",
        "There is no such resource, or it belongs to somebody else, which is not told apart.";
    MethodNotAllowed => "method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed",
        "The resource exists, but not with this method. The header Allow lists the ones that it has.";
    UploadTooSlow => "upload-too-slow", REQUEST_TIMEOUT, "Upload too slow",
        "Less than 16 KiB a second of the body came, on average over a minute, so the upload was given up. Over a slow or broken line use /v1/uploads, which goes on where it stopped.";
    InvalidClient => "invalid-client", UNAUTHORIZED, "Invalid client",
        "The call needs a service key with Basic authentication, its id as the user name and the key as the password, or as a bearer token. The key is missing, wrong, expired or revoked.";
    LastAdmin => "last-admin", CONFLICT, "Last administrator",
        "The account is the last one that can administer this server, so it cannot lose the role, be disabled or go. Make another account an administrator first.";
    EmailTaken => "email-taken", CONFLICT, "Address taken",
        "An account with this address exists already.";
    TotpAlreadyEnabled => "totp-already-enabled", CONFLICT, "Second factor already on",
        "The account has a second factor. Turn it off before another one is enrolled.";
    TotpNotEnabled => "totp-not-enabled", CONFLICT, "Second factor not on",
        "The account has no second factor, so there is nothing that this call could act on.";
    TotpRequired => "totp-required", CONFLICT, "Second factor must stay on",
        "The account must have a second factor, so its only one cannot be turned off. For a lost device an administrator can reset it; then another one is to be enrolled.";
    TotpNotPending => "totp-not-pending", CONFLICT, "Nothing to confirm",
        "No second factor waits for its confirmation, or it waited for too long. Enrol again: POST /v1/me/totp.";
    JobFinished => "job-finished", CONFLICT, "Job finished",
        "The job has already succeeded or failed, so it cannot be cancelled.";
    Conflict => "conflict", CONFLICT, "Conflict",
        "Other requests changed the same thing at the same moment, several times over. Read it again and repeat the call if it still makes sense.";
    PositionBeyondHead => "position-beyond-head", CONFLICT, "Position beyond the head",
        "The log has fewer events than the caller has read: it was set back, such as by restoring an older backup. What was read behind the head is no longer the log's, and other events will have its positions. Do not go on from there; find out what was lost, and begin again from a position up to which both agree.";
    IdempotencyReplay => "idempotency-replay", CONFLICT, "Answer not stored",
        "A request with this Idempotency-Key has already succeeded, and its answer held a token, which is shown only once and never stored. Nothing was done again.";
    IdempotencyInProgress => "idempotency-in-progress", CONFLICT, "Still in progress",
        "A request with this Idempotency-Key is being worked on at this moment. Repeat it after the time in Retry-After.";
    UploadOffsetMismatch => "upload-offset-mismatch", CONFLICT, "Wrong offset",
        "The piece does not begin where the upload ends. The header Upload-Offset, here and in the answer to HEAD, states where it goes on.";
    UploadComplete => "upload-complete", CONFLICT, "Upload complete",
        "All of the upload has arrived and it is, or becomes, a file. Delete that file instead.";
    UploadLocked => "upload-locked", LOCKED, "Upload in use",
        "Another request writes to this upload. The later one has the right: this one was cut off by it, or the former did not let go in time. Ask with HEAD where the upload goes on, then go on.";
    ChecksumMismatch => "checksum-mismatch", BAD_REQUEST, "Checksum mismatch",
        "The piece does not have the checksum in Upload-Checksum, so it was thrown away. Its status is 460, as tus 1.0 has it. Send it again.";
    TusVersion => "tus-version", PRECONDITION_FAILED, "Version of tus not supported",
        "Calls under /v1/uploads need the header 'Tus-Resumable: 1.0.0'.";
    UploadExpired => "upload-expired", GONE, "Upload expired",
        "No piece of the upload came for too long, so it was given up. Make a new one.";
    ChallengeExpired => "challenge-expired", GONE, "Challenge expired",
        "This sign-in can go on no more: five minutes have passed, five codes were tried, it has succeeded, or the account was changed meanwhile. Begin again with the password.";
    TokenExpiredOrUsed => "token-expired-or-used", GONE, "Link expired or used",
        "The token of this link is unknown, too old or was used already, or the account was changed meanwhile. Ask for a new mail.";
    PayloadTooLarge => "payload-too-large", PAYLOAD_TOO_LARGE, "Payload too large",
        "The body is larger than this call takes. GET /v1/config states the limit for uploads.";
    QuotaExceeded => "quota-exceeded", PAYLOAD_TOO_LARGE, "Quota exceeded",
        "The account's files, with those that are on their way and with what jobs made of them, would be too large or too many, or too many uploads are open, or one file has as many jobs as it may have. GET /v1/me/usage states what counts and the limits. Delete files, or finish or end uploads.";
    UnsupportedMediaType => "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type",
        "The body is not of a type that this call takes. For uploads the first bytes of the file decide, not the header.";
    RangeNotSatisfiable => "range-not-satisfiable", RANGE_NOT_SATISFIABLE, "Range not satisfiable",
        "The range lies outside the content. The header Content-Range states its size.";
    ValidationFailed => "validation-failed", UNPROCESSABLE_ENTITY, "Validation failed",
        "The body is JSON, but fields are missing, unknown, of another type, or break a rule. The list 'errors' names every one.";
    IdempotencyKeyReused => "idempotency-key-reused", UNPROCESSABLE_ENTITY, "Idempotency key reused",
        "This Idempotency-Key was used for another request within the last 24 hours. Use a new key for a new request.";
    TooManyAttempts => "too-many-attempts", TOO_MANY_REQUESTS, "Too many attempts",
        "Too many requests of this kind, or too many wrong passwords or codes for this account or from this network. Until the seconds in Retry-After have passed the right one is not looked at either.";
    TooManyJobs => "too-many-jobs", TOO_MANY_REQUESTS, "Too many jobs",
        "The account has as many media jobs queued or running as it may have. Wait until some are over, or cancel some, then repeat the call.";
    ReadModelBehind => "read-model-behind", SERVICE_UNAVAILABLE, "Read model behind",
        "The read model has not yet reached the position in Gatelog-Min-Position. Repeat the call after the time in Retry-After.";
    Overloaded => "overloaded", SERVICE_UNAVAILABLE, "Overloaded",
        "More is waiting than this server takes on. Nothing was written. Repeat the call after the time in Retry-After.";
    Unavailable => "unavailable", SERVICE_UNAVAILABLE, "Unavailable",
        "A part that this call needs does not answer at the moment. Repeat the call after the time in Retry-After.";
    InternalError => "internal-error", INTERNAL_SERVER_ERROR, "Internal error",
        "A fault of the server. Tell the operator the request_id.";
}

impl Kind {
    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        let own = match self {
            // tus 1.0, "Checksum".
            Self::ChecksumMismatch => StatusCode::from_u16(460).ok(),
            _ => None,
        };
        own.unwrap_or(self.named_status())
    }
}

/// One field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The field, as the body spells it.
    pub field: String,
    /// A stable code.
    pub code: String,
    /// A text for people.
    pub message: String,
}

impl FieldError {
    /// A field error.
    pub fn new(field: &str, code: &str, message: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            code: code.to_owned(),
            message: message.into(),
        }
    }
}

/// The body of every error (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// `/problems/<slug>`; that path answers with a page that explains it.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short text for people.
    pub title: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request.
    pub detail: &'a str,
    /// The request's identifier, as in `X-Request-Id`.
    pub request_id: &'a str,
    /// The fields that are wrong; only with 422.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub errors: &'a [FieldError],
    /// The error code of OAuth 2.0 (RFC 6749, section 5.2); only from calls under `/v1/oauth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
}

/// A problem on its way to the edge, which adds the request's identifier and logs the cause.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Which.
    pub kind: Kind,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after_seconds: Option<u32>,
    headers: Vec<(http::HeaderName, HeaderValue)>,
    oauth_error: Option<&'static str>,
    cause: Option<String>,
}

impl Problem {
    /// A problem with its own detail.
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry_after_seconds = match kind.status() {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Some(1),
            _ => None,
        };
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_seconds,
            headers: Vec::new(),
            oauth_error: None,
            cause: None,
        }
    }

    /// A 422 that names every field that is wrong.
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let detail = format!("{} field(s) cannot be accepted", errors.len());
        Self {
            errors,
            ..Self::new(Kind::ValidationFailed, detail)
        }
    }

    /// A fault of ours. The cause is logged and not told.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let problem = Self::new(
            Kind::InternalError,
            "the server could not complete the request",
        );
        problem.because(cause)
    }

    /// Something that the call needs does not answer. The cause is logged and not told.
    pub fn unavailable(cause: impl std::fmt::Display) -> Self {
        Self::new(
            Kind::Unavailable,
            "a part that this call needs does not answer",
        )
        .because(cause)
    }

    /// No such resource.
    pub fn not_found() -> Self {
        Self::new(Kind::NotFound, "there is no such resource")
    }

    /// What the log shall say; clients never see it.
    #[must_use]
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Another `Retry-After` than the kind's own.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// A header of the answer.
    #[must_use]
    pub fn header(mut self, name: http::HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The error code of OAuth 2.0.
    #[must_use]
    pub fn oauth(mut self, error: &'static str) -> Self {
        self.oauth_error = Some(error);
        self
    }

    /// What the client is told is wrong with its request.
    pub fn detail(&self) -> Cow<'static, str> {
        self.detail.clone()
    }

    /// The cause, for the log.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The final answer.
    pub fn render(&self, request_id: &str) -> Response {
        let body = ProblemBody {
            kind: format!("/problems/{}", self.kind.slug()),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            request_id,
            errors: &self.errors,
            error: self.oauth_error,
        };
        let text = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (self.kind.status(), text).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind.status() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, challenge(self.kind));
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        response
    }
}

/// RFC 6750, section 3. Sign-in failures name the scheme only: no token was presented.
fn challenge(kind: Kind) -> HeaderValue {
    match kind {
        Kind::InvalidToken | Kind::RefreshTokenReused => {
            HeaderValue::from_static("Bearer realm=\"gatelog\", error=\"invalid_token\"")
        }
        _ => HeaderValue::from_static("Bearer realm=\"gatelog\""),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slug_is_its_own_and_fit_for_a_path() {
        let mut slugs: Vec<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        assert!(
            slugs
                .iter()
                .all(|slug| slug.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        );
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
    }

    #[test]
    fn the_cause_is_never_in_the_answer() {
        let problem = Problem::internal("password=hunter2");
        let response = problem.render("id");
        assert_eq!(response.status(), 500);
        let body = futures::executor::block_on(axum::body::to_bytes(response.into_body(), 10_000))
            .unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("hunter2"));
    }
}
