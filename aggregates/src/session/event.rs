//! What happened to a session. Stored for ever: fields may be added, with a default, and never
//! changed or taken away.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain_event::domain_event;
use crate::values::{AuthMethod, Sealed, SessionId, TokenHash, UserId, named};

/// A fact of a session's life. `at` is when it was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum SessionEvent {
    /// A person signed in. `TokensIssued` follows in the same append.
    SessionStarted {
        /// The session.
        session_id: SessionId,
        /// Whose it is.
        user_id: UserId,
        /// The name that the person gave the device, sealed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device_name: Option<Sealed>,
        /// The `User-Agent` header, sealed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user_agent: Option<Sealed>,
        /// The address that the request came from, sealed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ip: Option<Sealed>,
        /// The proofs that the person gave.
        auth_methods: Vec<AuthMethod>,
        /// When they were given.
        auth_time: DateTime<Utc>,
        /// The absolute end, which no refresh moves.
        expires_at: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
    /// A new pair took the place of the former one.
    TokensIssued {
        /// The pair.
        tokens: TokenPair,
        /// The refresh token that was used up for it; none at the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaced_refresh: Option<TokenHash>,
        /// The token that was presented, when it was not the current one but one spent a moment ago.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repeated_refresh: Option<TokenHash>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The person proved once more who they are. `TokensIssued` follows in the same append.
    SessionReauthenticated {
        /// The proof that they gave.
        auth_method: AuthMethod,
        /// When: the session's time of authentication from now on.
        at: DateTime<Utc>,
    },
    /// A spent refresh token came again. `SessionRevoked` follows in the same append.
    RefreshTokenReused {
        /// The token that came.
        presented_refresh: TokenHash,
        /// When.
        at: DateTime<Utc>,
    },
    /// The session was ended.
    SessionRevoked {
        /// Why.
        reason: RevokeReason,
        /// Who decided so, if it was a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<UserId>,
        /// When.
        at: DateTime<Utc>,
    },
    /// The session's time was over.
    SessionExpired {
        /// Which time it was.
        reason: ExpireReason,
        /// When that was noted.
        at: DateTime<Utc>,
    },
    /// The read models know nothing of the session any more.
    SessionForgotten {
        /// When.
        at: DateTime<Utc>,
    },
}

/// An access token and the refresh token that replaces both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenPair {
    /// Opens the API.
    pub access_token: TokenHash,
    /// From then on no more.
    pub access_expires_at: DateTime<Utc>,
    /// Gets the next pair, once.
    pub refresh_token: TokenHash,
    /// From then on no more.
    pub refresh_expires_at: DateTime<Utc>,
}

impl TokenPair {
    /// The same pair, with neither token good beyond `end`.
    #[must_use]
    pub fn ending_by(self, end: DateTime<Utc>) -> Self {
        Self {
            access_expires_at: self.access_expires_at.min(end),
            refresh_expires_at: self.refresh_expires_at.min(end),
            ..self
        }
    }
}

named! {
    /// Why a session was ended.
    pub enum RevokeReason {
        /// The person signed out of it.
        SignedOut = "signed_out",
        /// The person ended it from another session.
        RevokedByUser = "revoked_by_user",
        /// The person ended all sessions but the one they were in.
        RevokedOthers = "revoked_others",
        /// The person ended all sessions.
        RevokedAll = "revoked_all",
        /// An administrator ended it.
        RevokedByAdmin = "revoked_by_admin",
        /// A service ended it, by one of its tokens (RFC 7009).
        RevokedByService = "revoked_by_service",
        /// The password was changed.
        PasswordChanged = "password_changed",
        /// The second factor was turned on or off while the session was being opened.
        SecondFactorChanged = "second_factor_changed",
        /// The password was reset by mail.
        PasswordReset = "password_reset",
        /// The account was shut out.
        UserDisabled = "user_disabled",
        /// The account was erased.
        UserErased = "user_erased",
        /// A spent refresh token came again.
        RefreshTokenReused = "refresh_token_reused",
        /// The account had more sessions than it may, and nobody had used this one for longest.
        TooManySessions = "too_many_sessions",
    }
}

named! {
    /// Why a session's time was over.
    pub enum ExpireReason {
        /// It had come to its absolute end.
        AbsoluteEnd = "expired",
        /// Nobody renewed its tokens in time.
        Idle = "idle",
    }
}

domain_event!(SessionEvent {
    SessionStarted,
    TokensIssued,
    SessionReauthenticated,
    RefreshTokenReused,
    SessionRevoked,
    SessionExpired = "2.0",
    SessionForgotten,
});
