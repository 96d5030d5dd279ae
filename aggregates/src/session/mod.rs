//! A session: opened by a person who proved who they are, kept alive by refresh tokens, ended by
//! the person, a rule or time.
//!
//! It never knows a token, only hashes. Whether a token is good right now is not asked here: the
//! tokens of live sessions are a read model.

mod command;
mod error;
mod event;
mod state;

#[cfg(test)]
mod specs;

pub use command::{SessionCommand, StartSession};
pub use error::SessionError;
pub use event::{EVENT_TYPES, ExpireReason, RevokeReason, SessionEvent, TokenPair};
pub use state::{LiveSession, RefreshToken, SPENT_REFRESH_TOKENS_MAX, Session, SpentToken};

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use cqrs_es::event_sink::EventSink;

use crate::sink::write_all;
use crate::values::TokenHash;

impl Aggregate for Session {
    const TYPE: &'static str = "session";
    type Command = SessionCommand;
    type Event = SessionEvent;
    type Error = SessionError;
    type Services = ();

    async fn handle(
        &mut self,
        command: SessionCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), SessionError> {
        let events = self.decide(command)?;
        write_all(self, events, sink).await;
        Ok(())
    }

    fn apply(&mut self, event: SessionEvent) {
        self.evolve(event);
    }
}

impl Session {
    /// What follows from `command`.
    ///
    /// # Errors
    /// The rule that forbids it.
    pub fn decide(&self, command: SessionCommand) -> Result<Vec<SessionEvent>, SessionError> {
        match command {
            SessionCommand::Start(start) => self.decide_start(*start),
            SessionCommand::IssueToken {
                presented_refresh,
                is_spent,
                tokens,
                leeway,
                most_an_hour,
                at,
            } => {
                let repeated = self.presented(presented_refresh, is_spent, leeway, at)?;
                self.decide_issue(repeated, tokens, most_an_hour, at)
            }
            SessionCommand::Reauthenticate {
                auth_method,
                tokens,
                most_an_hour,
                at,
            } => {
                let live = self.require_live(at)?;
                live.require_room(most_an_hour, at)?;
                let proved = SessionEvent::SessionReauthenticated { auth_method, at };
                Ok(vec![proved, live.issued(tokens, None, at)])
            }
            SessionCommand::Revoke { reason, by, at } => match self {
                Self::NotStarted => Err(SessionError::NotStarted),
                Self::Live(_) => Ok(vec![SessionEvent::SessionRevoked { reason, by, at }]),
                Self::Ended | Self::Forgotten => Ok(Vec::new()),
            },
            SessionCommand::Forget { at } => match self {
                Self::NotStarted => Err(SessionError::NotStarted),
                Self::Live(_) => Err(SessionError::NotEnded),
                Self::Ended => Ok(vec![SessionEvent::SessionForgotten { at }]),
                Self::Forgotten => Ok(Vec::new()),
            },
            SessionCommand::Expire { at } => match self {
                Self::NotStarted => Err(SessionError::NotStarted),
                Self::Live(live) if live.is_over(at) => {
                    let reason = live.expire_reason(at);
                    Ok(vec![SessionEvent::SessionExpired { reason, at }])
                }
                Self::Live(_) => Err(SessionError::NotYetExpired),
                Self::Ended | Self::Forgotten => Ok(Vec::new()),
            },
        }
    }

    fn require_live(&self, at: DateTime<Utc>) -> Result<&LiveSession, SessionError> {
        match self {
            Self::NotStarted => Err(SessionError::NotStarted),
            Self::Live(live) if at >= live.expires_at => Err(SessionError::SessionExpired),
            Self::Live(live) => Ok(live),
            Self::Ended | Self::Forgotten => Err(SessionError::SessionEnded),
        }
    }

    fn decide_start(&self, start: StartSession) -> Result<Vec<SessionEvent>, SessionError> {
        match self {
            Self::NotStarted => {}
            Self::Live(_) | Self::Ended | Self::Forgotten => {
                return Err(SessionError::AlreadyStarted);
            }
        }
        if start.auth_methods.is_empty() {
            return Err(SessionError::NotAuthenticated);
        }
        let issued = SessionEvent::TokensIssued {
            tokens: start.tokens.ending_by(start.expires_at),
            replaced_refresh: None,
            repeated_refresh: None,
            at: start.at,
        };
        let started = SessionEvent::SessionStarted {
            session_id: start.session_id,
            user_id: start.user_id,
            device_name: start.device_name,
            user_agent: start.user_agent,
            ip: start.ip,
            auth_methods: start.auth_methods,
            auth_time: start.auth_time,
            expires_at: start.expires_at,
            at: start.at,
        };
        Ok(vec![started, issued])
    }

    fn decide_issue(
        &self,
        presented: Presented,
        tokens: TokenPair,
        most_an_hour: u32,
        at: DateTime<Utc>,
    ) -> Result<Vec<SessionEvent>, SessionError> {
        let repeated = match presented {
            Presented::Current => None,
            Presented::Repeated(token) => Some(token),
            Presented::Reused(token) => return Ok(end_because_reused(token, at)),
        };
        let live = self.require_live(at)?;
        live.require_room(most_an_hour, at)?;
        Ok(vec![live.issued(tokens, repeated, at)])
    }

    fn presented(
        &self,
        presented: TokenHash,
        is_spent: bool,
        leeway: TimeDelta,
        at: DateTime<Utc>,
    ) -> Result<Presented, SessionError> {
        let live = self.require_live(at)?;
        match live.spent_at(&presented) {
            // The leeway is for a lost answer, and no way to a proof that somebody else gave. A client that was about
            // to refresh meanwhile does no harm by it.
            Some(spent_at) if at < spent_at + leeway && live.is_older_than_proof(spent_at) => {
                Err(SessionError::InvalidRefreshToken)
            }
            Some(spent_at) if at < spent_at + leeway => Ok(Presented::Repeated(presented)),
            Some(_) => Ok(Presented::Reused(presented)),
            // So many came after it that no lost answer explains it.
            None if is_spent => Ok(Presented::Reused(presented)),
            None => {
                live.require_current(&presented, at)?;
                Ok(Presented::Current)
            }
        }
    }
}

/// What a refresh token is that came.
enum Presented {
    /// The current one.
    Current,
    /// One that was used up a moment ago.
    Repeated(TokenHash),
    /// One that was used up before that.
    Reused(TokenHash),
}

/// A refresh token is used once. If it comes again later than a lost answer explains, one of the two who have it is a thief, and
/// nobody can tell which (RFC 9700, 4.14.2): both lose the session.
fn end_because_reused(presented_refresh: TokenHash, at: DateTime<Utc>) -> Vec<SessionEvent> {
    let reason = RevokeReason::RefreshTokenReused;
    vec![
        SessionEvent::RefreshTokenReused {
            presented_refresh,
            at,
        },
        SessionEvent::SessionRevoked {
            reason,
            by: None,
            at,
        },
    ]
}
