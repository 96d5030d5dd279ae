//! The tokens and accounts in memory: concurrent maps that readers never wait for.

use std::sync::{Arc, OnceLock};

use aggregates::session::{ExpireReason, RevokeReason, SessionEvent};
use aggregates::user::UserEvent;
use aggregates::values::{AuthMethod, Role, SessionId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{CommitObserver, Database, DbError, RecordedEvent, Upcasters, unreadable};
use http::HeaderValue;
use papaya::HashMap;
use projections::{sessions, users};

use super::ended::{Ended, LatelyEnded, REMEMBERED};
use super::{Account, Good, LiveToken};

/// Rows that one query loads at the start.
const LOAD_STEP: usize = 10_000;

type Digest = [u8; 32];

/// The maps. Written only by the log's feed, in order.
#[derive(Debug, Default)]
pub struct Memory {
    tokens: HashMap<Digest, Arc<LiveToken>>,
    accounts: HashMap<UserId, Arc<Account>>,
    /// Of each live session: what an event about it needs in order to change `tokens`.
    sessions: HashMap<SessionId, Arc<SessionFacts>>,
    lately_ended: LatelyEnded,
    upcasters: Upcasters,
}

#[derive(Debug, Clone)]
struct SessionFacts {
    user_id: UserId,
    auth_methods: Vec<AuthMethod>,
    auth_time: DateTime<Utc>,
    second_factor_at: Option<DateTime<Utc>>,
    expires_at: DateTime<Utc>,
    access_token: Option<Digest>,
}

impl SessionFacts {
    /// What the session is good for after another proof: what was proved before stays proved, as old as it is.
    fn proved(&self, method: AuthMethod, at: DateTime<Utc>) -> Self {
        let mut facts = self.clone();
        facts.auth_time = at;
        if method.is_second_factor() {
            facts.second_factor_at = Some(at);
        }
        if !facts.auth_methods.contains(&method) {
            facts.auth_methods.push(method);
        }
        facts
    }
}

impl Memory {
    /// Empty, for a log of events of these versions.
    pub fn new(upcasters: Upcasters) -> Self {
        Self {
            upcasters,
            ..Self::default()
        }
    }

    /// The token, if it is good at `now` (microseconds since the epoch).
    pub fn find(&self, digest: &Digest, now: i64) -> Option<Good> {
        let tokens = self.tokens.pin();
        let token = tokens.get(digest)?;
        let accounts = self.accounts.pin();
        let account = accounts.get(&token.user_id)?;
        let good = Good {
            token: Arc::clone(token),
            account: Arc::clone(account),
        };
        is_good(&good, now).then_some(good)
    }

    /// Whose the token was, if it was good once and is not at `now` (microseconds since the epoch).
    pub(super) fn ended(&self, digest: &Digest, now: i64) -> Option<Ended> {
        let tokens = self.tokens.pin();
        let Some(token) = tokens.get(digest) else {
            return self.lately_ended.find(digest);
        };
        let accounts = self.accounts.pin();
        let is_disabled = accounts
            .get(&token.user_id)
            .is_some_and(|account| account.is_disabled);
        let reason = if is_disabled {
            RevokeReason::UserDisabled.as_str()
        } else if now >= token.expires_at_micros {
            "token_expired"
        } else {
            return None;
        };
        Some(Ended {
            user_id: token.user_id,
            session_id: token.session_id,
            reason,
        })
    }

    /// How many tokens are live.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Loads what the read models have.
    pub(super) async fn load(&self, database: &Database) -> Result<(), DbError> {
        let mut after = String::new();
        loop {
            let rows = users::all(database, &after, LOAD_STEP).await?;
            let Some(last) = rows.last() else { break };
            after = last.user_id.to_string();
            let accounts = self.accounts.pin();
            for row in rows {
                accounts.insert(row.user_id, Arc::new(account(row)));
            }
        }
        let mut after = String::new();
        loop {
            let rows = sessions::live(database, &after, LOAD_STEP).await?;
            let Some(last) = rows.last() else { break };
            after = last.session_id.to_string();
            for row in &rows {
                self.load_session(row);
            }
        }
        self.load_lately_ended(database).await
    }

    async fn load_lately_ended(&self, database: &Database) -> Result<(), DbError> {
        // The newest first: the others are forgotten before them.
        let rows = sessions::ended_last(database, REMEMBERED).await?;
        for row in rows.iter().rev() {
            let mut digest = [0; 32];
            if hex::decode_to_slice(&row.access_token_hash, &mut digest).is_ok() {
                let ended = Ended {
                    user_id: row.user_id,
                    session_id: row.session_id,
                    reason: end_reason(&row.end_reason),
                };
                self.lately_ended.insert(digest, ended);
            }
        }
        Ok(())
    }

    fn load_session(&self, row: &sessions::SessionRow) {
        let mut digest = [0; 32];
        let has_token = hex::decode_to_slice(&row.access_token_hash, &mut digest).is_ok();
        let facts = SessionFacts {
            user_id: row.user_id,
            auth_methods: row.auth_methods.clone(),
            auth_time: row.auth_time,
            second_factor_at: row.second_factor_at,
            expires_at: row.expires_at,
            access_token: has_token.then_some(digest),
        };
        if has_token {
            self.tokens.pin().insert(digest, Arc::new(live_token(row)));
        }
        self.sessions.pin().insert(row.session_id, Arc::new(facts));
    }

    fn user_event(&self, user: UserId, event: UserEvent) {
        let accounts = self.accounts.pin();
        match event {
            UserEvent::UserRegistered { roles, .. } => {
                accounts.insert(user, Arc::new(Account::new(roles)));
            }
            UserEvent::UserRolesChanged { roles, .. } => {
                accounts.update(user, |account| {
                    Arc::new(Account {
                        is_disabled: account.is_disabled,
                        has_second_factor: account.has_second_factor,
                        ..Account::new(roles.clone())
                    })
                });
            }
            UserEvent::TotpEnabled { .. } | UserEvent::TotpDisabled { .. } => {
                let has_second_factor = matches!(event, UserEvent::TotpEnabled { .. });
                accounts.update(user, |account| {
                    Arc::new(Account {
                        has_second_factor,
                        ..Account::clone(account)
                    })
                });
            }
            UserEvent::UserDisabled { .. }
            | UserEvent::UserErasureStarted { .. }
            | UserEvent::UserEnabled { .. } => {
                let is_disabled = !matches!(event, UserEvent::UserEnabled { .. });
                accounts.update(user, |account| {
                    Arc::new(Account {
                        is_disabled,
                        ..Account::clone(account)
                    })
                });
            }
            UserEvent::UserErased { .. } => {
                accounts.remove(&user);
            }
            UserEvent::UserNameChanged { .. }
            | UserEvent::PasswordChanged { .. }
            | UserEvent::PasswordReset { .. }
            | UserEvent::EmailVerified { .. }
            | UserEvent::EmailChangeRequested { .. }
            | UserEvent::EmailChangeCancelled { .. }
            | UserEvent::EmailChanged { .. }
            | UserEvent::RecoveryCodesIssued { .. }
            | UserEvent::RecoveryCodeUsed { .. }
            | UserEvent::UserDeletionRequested { .. }
            | UserEvent::UserDeletionCancelled { .. }
            | UserEvent::SignInFailuresBegan { .. }
            | UserEvent::SecondFactorFailuresBegan { .. }
            | UserEvent::SecondFactorFailuresCounted { .. }
            | UserEvent::SignInFailuresCounted { .. }
            | UserEvent::UserRegistrationAbandoned { .. } => {}
        }
    }

    fn session_event(&self, session: SessionId, event: SessionEvent) {
        match event {
            SessionEvent::SessionStarted {
                user_id,
                auth_methods,
                auth_time,
                expires_at,
                ..
            } => {
                let used_second_factor = auth_methods.iter().any(|one| one.is_second_factor());
                let facts = SessionFacts {
                    user_id,
                    auth_methods,
                    auth_time,
                    second_factor_at: used_second_factor.then_some(auth_time),
                    expires_at,
                    access_token: None,
                };
                // At the start a row may already have told more than this older event does.
                let _ = self.sessions.pin().try_insert(session, Arc::new(facts));
            }
            SessionEvent::TokensIssued { tokens, .. } => {
                self.issue(
                    session,
                    tokens.access_token.to_bytes(),
                    tokens.access_expires_at,
                );
            }
            // The new tokens come with the event that follows in the same append.
            SessionEvent::SessionReauthenticated { auth_method, at } => {
                let sessions = self.sessions.pin();
                sessions.update(session, |facts| Arc::new(facts.proved(auth_method, at)));
            }
            SessionEvent::SessionRevoked { reason, .. } => self.end(session, reason.as_str()),
            SessionEvent::SessionExpired { reason, .. } => self.end(session, reason.as_str()),
            SessionEvent::RefreshTokenReused { .. } | SessionEvent::SessionForgotten { .. } => {}
        }
    }

    /// A new access token takes the place of the old one.
    fn issue(&self, session: SessionId, digest: Digest, access_expires_at: DateTime<Utc>) {
        let sessions = self.sessions.pin();
        let Some(facts) = sessions.get(&session) else {
            return;
        };
        let tokens = self.tokens.pin();
        if let Some(old) = facts.access_token.filter(|old| *old != digest) {
            tokens.remove(&old);
        }
        let facts = SessionFacts {
            access_token: Some(digest),
            ..SessionFacts::clone(facts)
        };
        tokens.insert(
            digest,
            Arc::new(token_of(session, &facts, access_expires_at)),
        );
        sessions.insert(session, Arc::new(facts));
    }

    fn end(&self, session: SessionId, reason: &'static str) {
        let sessions = self.sessions.pin();
        let Some(facts) = sessions.remove(&session) else {
            return;
        };
        if let Some(digest) = facts.access_token {
            self.tokens.pin().remove(&digest);
            let ended = Ended {
                user_id: facts.user_id,
                session_id: session,
                reason,
            };
            self.lately_ended.insert(digest, ended);
        }
    }
}

impl CommitObserver for Memory {
    fn committed(&self, events: &[RecordedEvent]) {
        for event in events {
            match event.aggregate_type.as_str() {
                "session" => {
                    if let (Ok(id), Some(event)) = (event.aggregate_id.parse(), self.parse(event)) {
                        self.session_event(id, event);
                    }
                }
                "user" => {
                    if let (Ok(id), Some(event)) = (event.aggregate_id.parse(), self.parse(event)) {
                        self.user_event(id, event);
                    }
                }
                _ => {}
            }
        }
    }
}

impl Memory {
    /// The inline projections have read the same event in the same append, so it does parse; if another version
    /// of the server wrote it, the log line tells.
    fn parse<T: serde::de::DeserializeOwned>(&self, event: &RecordedEvent) -> Option<T> {
        let parsed = self.upcasters.parse(event);
        parsed
            .inspect_err(|error| {
                let (position, reason) = (event.position, unreadable(event, error));
                tracing::error!(position, reason, "unknown event");
            })
            .ok()
    }
}

/// The stored name of why a session ended.
fn end_reason(stored: &str) -> &'static str {
    let revoked = stored.parse::<RevokeReason>().map(RevokeReason::as_str);
    let named = revoked.or_else(|_| stored.parse::<ExpireReason>().map(ExpireReason::as_str));
    named.unwrap_or("ended")
}

/// Neither the token nor its account has ended.
pub(super) fn is_good(good: &Good, now: i64) -> bool {
    now < good.token.expires_at_micros && !good.account.is_disabled
}

impl Account {
    /// One that may sign in, without a second factor.
    fn new(roles: Vec<Role>) -> Self {
        let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
        let roles_header = header(&names.join(","));
        Self {
            roles,
            roles_header,
            is_disabled: false,
            has_second_factor: false,
        }
    }
}

/// What the account adds to a token's answer.
pub(super) fn account(row: users::UserRow) -> Account {
    Account {
        is_disabled: row.is_disabled,
        has_second_factor: row.totp_id.is_some(),
        ..Account::new(row.roles)
    }
}

/// The token of a session's row.
pub(super) fn live_token(row: &sessions::SessionRow) -> LiveToken {
    let facts = SessionFacts {
        user_id: row.user_id,
        auth_methods: row.auth_methods.clone(),
        auth_time: row.auth_time,
        second_factor_at: row.second_factor_at,
        expires_at: row.expires_at,
        access_token: None,
    };
    token_of(row.session_id, &facts, row.access_expires_at)
}

fn token_of(
    session_id: SessionId,
    facts: &SessionFacts,
    access_expires_at: DateTime<Utc>,
) -> LiveToken {
    LiveToken {
        session_id,
        user_id: facts.user_id,
        auth_methods: facts.auth_methods.clone(),
        auth_time: facts.auth_time,
        second_factor_at: facts.second_factor_at,
        expires_at_micros: access_expires_at.min(facts.expires_at).timestamp_micros(),
        verify_headers: OnceLock::new(),
    }
}

/// Identifiers, names and times are plain ASCII, so this never falls back.
fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
