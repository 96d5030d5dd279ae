//! What happened to an account. Stored for ever: fields may be added, with a default, and never
//! changed or taken away.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain_event::domain_event;
use crate::values::{EmailClaimId, PasswordId, Role, Sealed, SessionId, UserId, named};

/// A fact of an account's life. `at` is when it was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum UserEvent {
    /// The account was opened.
    UserRegistered {
        /// The account.
        user_id: UserId,
        /// The address, sealed.
        email: Sealed,
        /// The claim that keeps the address unique.
        email_claim_id: EmailClaimId,
        /// The name, sealed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Sealed>,
        /// Rights beyond those of every account.
        #[serde(default)]
        roles: Vec<Role>,
        /// When.
        at: DateTime<Utc>,
    },
    /// A registration never came and never can any more.
    UserRegistrationAbandoned {
        /// When.
        at: DateTime<Utc>,
    },
    /// The person is called otherwise now, or nothing.
    UserNameChanged {
        /// The new name, sealed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<Sealed>,
        /// When.
        at: DateTime<Utc>,
    },
    /// Another password took the place of the former one. From here on only its hash counts.
    PasswordChanged {
        /// The new password; its hash was in the vault before.
        password_id: PasswordId,
        /// The former one, whose hash may go.
        replaced: PasswordId,
        /// The session that the person changed it from.
        from_session: SessionId,
        /// Whether every other session that was open then ends.
        end_other_sessions: bool,
        /// When.
        at: DateTime<Utc>,
    },
    /// The account was shut out.
    UserDisabled {
        /// Why.
        reason: DisableReason,
        /// When.
        at: DateTime<Utc>,
    },
    /// The account was let in again.
    UserEnabled {
        /// When.
        at: DateTime<Utc>,
    },
}

named! {
    /// Why an account was shut out. A closed set: free text could name people.
    pub enum DisableReason {
        /// An administrator decided so and gave no other reason.
        ByAdministrator = "by_administrator",
        /// Somebody else has got hold of it.
        Compromised = "compromised",
        /// It was used against the rules.
        Abuse = "abuse",
    }
}

domain_event!(UserEvent {
    UserRegistered,
    UserRegistrationAbandoned,
    UserNameChanged,
    PasswordChanged,
    UserDisabled,
    UserEnabled,
});
