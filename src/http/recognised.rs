//! The caller that a request's line in the log names, be they let in or refused.
//!
//! The edge puts an empty place into the request, whatever recognises the caller fills it, and the edge reads it when it
//! writes the line. It holds identifiers only, and never decides who is let in.

use std::sync::{Arc, Mutex, PoisonError};

use aggregates::values::{ServiceKeyId, SessionId, UserId};
use http::Extensions;
use projections::service_keys::ServiceKeyRow;

use super::caller::invalid_token;
use super::problem::Problem;
use crate::app::App;
use crate::token_check::{Ended, Good};

/// Who called, as far as that was recognised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Principal {
    /// The person.
    pub user_id: Option<UserId>,
    /// The session that the token belongs to, or did.
    pub session_id: Option<SessionId>,
    /// The service key.
    pub service_key_id: Option<ServiceKeyId>,
    /// Why what they presented is not good any more; nothing of what is good.
    pub ended: Option<&'static str>,
}

impl Principal {
    /// A person in a session.
    pub fn person(user_id: UserId, session_id: SessionId) -> Self {
        Self {
            user_id: Some(user_id),
            session_id: Some(session_id),
            ..Self::default()
        }
    }

    /// A person who proved who they are and has no session.
    pub fn without_session(user_id: UserId) -> Self {
        Self {
            user_id: Some(user_id),
            ..Self::default()
        }
    }

    /// A service with its key.
    pub fn service(key: &ServiceKeyRow, ended: Option<&'static str>) -> Self {
        Self {
            service_key_id: Some(key.service_key_id),
            ended,
            ..Self::default()
        }
    }
}

impl From<&Good> for Principal {
    fn from(good: &Good) -> Self {
        Self::person(good.token.user_id, good.token.session_id)
    }
}

impl From<Ended> for Principal {
    fn from(ended: Ended) -> Self {
        let person = Self::person(ended.user_id, ended.session_id);
        Self {
            ended: Some(ended.reason),
            ..person
        }
    }
}

/// The place for the caller of the request at hand, in its extensions.
#[derive(Debug, Clone, Default)]
pub struct Recognised(Arc<Mutex<Option<Principal>>>);

impl Recognised {
    /// Fills the place. What is known later is known better: a sign-in has an account first, and then a session.
    pub fn note(&self, principal: impl Into<Principal>) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *place = Some(principal.into());
    }

    /// Who it is, if that is known.
    pub fn principal(&self) -> Option<Principal> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes the caller of a request.
pub fn note(extensions: &Extensions, principal: impl Into<Principal>) {
    if let Some(place) = extensions.get::<Recognised>() {
        place.note(principal);
    }
}

/// What a token is good for; whose it is or was is noted.
///
/// # Errors
/// 401 when it is not good, or the database failed.
pub async fn good(app: &App, extensions: &Extensions, token: &str) -> Result<Good, Problem> {
    if let Some(good) = app.tokens.check(token).await? {
        note(extensions, &good);
        return Ok(good);
    }
    if let Some(ended) = app.tokens.ended(token) {
        note(extensions, ended);
    }
    Err(invalid_token())
}
