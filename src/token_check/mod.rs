//! Is this token good? The hot path: one SHA-256 and one lookup in memory, no database.
//!
//! Every live token's hash is in memory, fed by the log in order: own commits before their caller is
//! answered, other nodes' by reading the log. The memory may only be believed under a [`Lease`]; past it the
//! answer comes from the database. It never holds a token, and it decides nothing that the log has not said.

mod ended;
mod lease;
mod memory;

use std::sync::{Arc, OnceLock};

use aggregates::values::{AuthMethod, Role, SessionId, TokenHash, UserId};
use chrono::{DateTime, Utc};
use eventlog::{Database, DbError, Log};
use http::{HeaderMap, HeaderValue};
use projections::{sessions, users};

pub use ended::Ended;
pub use lease::{Lease, LeaseError, keep_lease};
pub use memory::Memory;

use crate::ports::{clock, ids};

/// A live token: whose it is, and what a gateway is told.
#[derive(Debug)]
pub struct LiveToken {
    /// The session.
    pub session_id: SessionId,
    /// The person.
    pub user_id: UserId,
    /// Every way in which they proved who they are, at the session's beginning and since.
    pub auth_methods: Vec<AuthMethod>,
    /// When they last did, in whichever way.
    pub auth_time: DateTime<Utc>,
    /// When they last did by a second factor.
    pub second_factor_at: Option<DateTime<Utc>>,
    /// The token's end: its own, or its session's if that is sooner. Microseconds since the epoch.
    pub expires_at_micros: i64,
    /// The headers of `/v1/verify`, made at its first answer.
    pub verify_headers: OnceLock<HeaderMap>,
}

/// What a token's answer says of its account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Roles.
    pub roles: Vec<Role>,
    /// `X-Auth-Roles`, comma-separated.
    pub roles_header: HeaderValue,
    /// A disabled account's tokens are not good.
    pub is_disabled: bool,
    /// Whether the account has a second factor.
    pub has_second_factor: bool,
}

/// A good token.
#[derive(Debug, Clone)]
pub struct Good {
    /// The token.
    pub token: Arc<LiveToken>,
    /// Its account.
    pub account: Arc<Account>,
}

/// Which answers may come from memory.
#[derive(Debug)]
pub enum FromMemory {
    /// The token is good.
    Good(Good),
    /// Memory does not know it, or the lease is over: ask [`TokenCheck::check`].
    Unsure,
}

/// The check.
#[derive(Debug)]
pub struct TokenCheck {
    memory: Arc<Memory>,
    lease: Arc<Lease>,
    database: Database,
    log: Log,
}

impl TokenCheck {
    /// Loads every live token and follows the log from there.
    ///
    /// # Errors
    /// The database failed.
    pub async fn start(database: Database, log: Log, lease: Arc<Lease>) -> Result<Self, DbError> {
        // The log's position is read first, so that nothing between it and the rows is missed: what comes
        // twice (as a row and as an event) changes nothing.
        let position = log.head().await?;
        let memory = Arc::new(Memory::new(log.upcasters()));
        memory.load(&database).await?;
        let observer: Arc<dyn eventlog::CommitObserver> = Arc::<Memory>::clone(&memory);
        log.attach_observer(position, observer).await?;
        Ok(Self {
            memory,
            lease,
            database,
            log,
        })
    }

    /// The answer from memory, if there is one. No lock is held and nothing waits.
    pub fn in_memory(&self, token: &str) -> FromMemory {
        if !self.lease.is_valid(clock::monotonic()) {
            return FromMemory::Unsure;
        }
        let now = clock::micros(clock::now());
        match self.memory.find(&ids::token_digest(token), now) {
            Some(good) => FromMemory::Good(good),
            None => FromMemory::Unsure,
        }
    }

    /// The answer, from memory if it may be believed, else from the log or the database.
    ///
    /// A miss under a valid lease leads to one shared read of the log's head, however many miss at once, so
    /// that random tokens cannot load the database.
    ///
    /// # Errors
    /// The database failed; then nobody is let in.
    pub async fn check(&self, token: &str) -> Result<Option<Good>, DbError> {
        if !is_well_formed(token) {
            return Ok(None);
        }
        if let FromMemory::Good(good) = self.in_memory(token) {
            return Ok(Some(good));
        }
        if self.lease.is_valid(clock::monotonic()) {
            self.log.catch_up().await?;
            let now = clock::micros(clock::now());
            return Ok(self.memory.find(&ids::token_digest(token), now));
        }
        self.in_database(token).await
    }

    async fn in_database(&self, token: &str) -> Result<Option<Good>, DbError> {
        let hash = TokenHash::from_bytes(ids::token_digest(token));
        let Some(session) = sessions::find_by_access_token(&self.database, &hash).await? else {
            return Ok(None);
        };
        let Some(user) = users::find(&self.database, session.user_id).await? else {
            return Ok(None);
        };
        let good = Good {
            token: Arc::new(memory::live_token(&session)),
            account: Arc::new(memory::account(user)),
        };
        let now = clock::micros(clock::now());
        Ok(Some(good).filter(|good| memory::is_good(good, now)))
    }

    /// Whose a token was that was good once, as far as memory knows; for the log, and for no decision.
    pub fn ended(&self, token: &str) -> Option<Ended> {
        if !is_well_formed(token) {
            return None;
        }
        let now = clock::micros(clock::now());
        self.memory.ended(&ids::token_digest(token), now)
    }

    /// What memory holds, for metrics and tests.
    pub fn live_tokens(&self) -> usize {
        self.memory.len()
    }
}

/// 64 lower-case hexadecimal characters.
pub fn is_well_formed(token: &str) -> bool {
    token.len() == 64
        && token
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
