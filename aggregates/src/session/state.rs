//! The life of a session.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ExpireReason, SessionError, SessionEvent, TokenPair};
use crate::values::{HourlyCount, TokenHash, UserId};

/// How many spent refresh tokens a session remembers itself, the newest ones; the bound keeps its state small. They are
/// those that may come again for a moment, and those that were spent after the read model of all was asked.
pub const SPENT_REFRESH_TOKENS_MAX: usize = 50;

/// The stage of a session's life.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub enum Session {
    /// Nothing happened yet.
    #[default]
    NotStarted,
    /// Open, perhaps past its absolute end.
    Live(LiveSession),
    /// Over for good.
    Ended,
    /// Over, and in no read model any more.
    Forgotten,
}

/// What an open session's decisions need.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LiveSession {
    /// Whose it is.
    pub user_id: UserId,
    /// The absolute end.
    pub expires_at: DateTime<Utc>,
    /// The one token that gets the next pair.
    pub refresh: Option<RefreshToken>,
    /// When the last of its tokens ends: a session that nobody renews is over then.
    pub tokens_end: Option<DateTime<Utc>>,
    /// Those used up, oldest first, at most [`SPENT_REFRESH_TOKENS_MAX`].
    pub spent: VecDeque<SpentToken>,
    /// When the person last proved once more who they are; never before a token was used up that was so already.
    #[serde(default)]
    pub reauthenticated_at: Option<DateTime<Utc>>,
    /// How often it got tokens lately; those of its beginning do not count.
    #[serde(default)]
    pub renewals: Option<HourlyCount>,
}

/// A refresh token that was used up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpentToken {
    /// Its hash.
    pub hash: TokenHash,
    /// When another took its place.
    pub at: DateTime<Utc>,
}

/// The current refresh token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefreshToken {
    /// Its hash.
    pub hash: TokenHash,
    /// From then on it is no good.
    pub expires_at: DateTime<Utc>,
}

impl LiveSession {
    /// Whether its time is over: the absolute end, or that of its last token.
    pub fn is_over(&self, at: DateTime<Utc>) -> bool {
        at >= self.expires_at || self.tokens_end.is_some_and(|end| at >= end)
    }

    /// Which end of its time has come.
    pub(super) fn expire_reason(&self, at: DateTime<Utc>) -> ExpireReason {
        if at < self.expires_at {
            ExpireReason::Idle
        } else {
            ExpireReason::AbsoluteEnd
        }
    }

    /// When the token was used up, as far as that is remembered.
    pub fn spent_at(&self, token: &TokenHash) -> Option<DateTime<Utc>> {
        let spent = self.spent.iter().find(|spent| spent.hash == *token)?;
        Some(spent.at)
    }

    /// Whether the token that was used up at `spent_at` is older than the last proof of who the person is. Whoever has
    /// it need not be the one who gave the proof.
    pub(super) fn is_older_than_proof(&self, spent_at: DateTime<Utc>) -> bool {
        self.reauthenticated_at
            .is_some_and(|proved_at| spent_at <= proved_at)
    }

    pub(super) fn require_current(
        &self,
        token: &TokenHash,
        at: DateTime<Utc>,
    ) -> Result<(), SessionError> {
        match &self.refresh {
            Some(refresh) if refresh.hash == *token && at < refresh.expires_at => Ok(()),
            Some(refresh) if refresh.hash == *token => Err(SessionError::RefreshTokenExpired),
            Some(_) | None => Err(SessionError::InvalidRefreshToken),
        }
    }

    pub(super) fn require_room(&self, most: u32, at: DateTime<Utc>) -> Result<(), SessionError> {
        match HourlyCount::full_for(self.renewals, most, at) {
            None => Ok(()),
            Some(retry_after_seconds) => Err(SessionError::TooManyTokens {
                retry_after_seconds,
            }),
        }
    }

    /// The next pair, in the place of the current one.
    pub(super) fn issued(
        &self,
        tokens: TokenPair,
        repeated_refresh: Option<TokenHash>,
        at: DateTime<Utc>,
    ) -> SessionEvent {
        let replaced = self.refresh.as_ref();
        SessionEvent::TokensIssued {
            tokens: tokens.ending_by(self.expires_at),
            replaced_refresh: replaced.map(|refresh| refresh.hash.clone()),
            repeated_refresh,
            at,
        }
    }

    /// Clocks of two nodes may differ: what was used up before is older, whatever its time says.
    fn reauthenticate(&mut self, at: DateTime<Utc>) {
        let last_spent = self.spent.iter().map(|spent| spent.at).max();
        self.reauthenticated_at = Some(last_spent.map_or(at, |spent| spent.max(at)));
    }

    fn issue(&mut self, tokens: TokenPair, at: DateTime<Utc>) {
        self.tokens_end = Some(tokens.access_expires_at.max(tokens.refresh_expires_at));
        let refresh = RefreshToken {
            hash: tokens.refresh_token,
            expires_at: tokens.refresh_expires_at,
        };
        if let Some(spent) = self.refresh.replace(refresh) {
            self.renewals = Some(HourlyCount::and_at(self.renewals, at));
            if self.spent.len() == SPENT_REFRESH_TOKENS_MAX {
                self.spent.pop_front();
            }
            self.spent.push_back(SpentToken {
                hash: spent.hash,
                at,
            });
        }
    }
}

impl Session {
    pub(super) fn evolve(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::SessionStarted {
                user_id,
                expires_at,
                ..
            } => {
                let spent = VecDeque::new();
                *self = Self::Live(LiveSession {
                    user_id,
                    expires_at,
                    refresh: None,
                    tokens_end: None,
                    spent,
                    reauthenticated_at: None,
                    renewals: None,
                });
            }
            SessionEvent::TokensIssued { tokens, at, .. } => {
                if let Self::Live(live) = self {
                    live.issue(tokens, at);
                }
            }
            SessionEvent::SessionReauthenticated { at, .. } => {
                if let Self::Live(live) = self {
                    live.reauthenticate(at);
                }
            }
            SessionEvent::RefreshTokenReused { .. } => {}
            SessionEvent::SessionRevoked { .. } | SessionEvent::SessionExpired { .. } => {
                *self = Self::Ended;
            }
            SessionEvent::SessionForgotten { .. } => *self = Self::Forgotten,
        }
    }
}
