//! What happened to sessions that had ended. Stored for ever: fields may be added, with a default, and never changed or
//! taken away.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain_event::domain_event;
use crate::values::SessionId;

/// A fact of ended sessions. `at` is when it was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub enum ForgottenSessionsEvent {
    /// The read models know nothing of these sessions any more.
    EndedSessionsForgotten {
        /// Which; at most 500.
        sessions: Vec<SessionId>,
        /// All of them had ended before.
        ended_before: DateTime<Utc>,
        /// When.
        at: DateTime<Utc>,
    },
}

domain_event!(ForgottenSessionsEvent {
    EndedSessionsForgotten,
});
