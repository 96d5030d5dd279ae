//! Sessions straight into the log: the events of a sign-in and of refreshes, as the server writes them.

use aggregates::session::{SessionEvent, TokenPair};
use aggregates::values::{AuthMethod, Sealed, SessionId, TokenHash, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::DomainEvent as _;
use eventlog::{Append, Metadata, NewEvent};
use uuid::Uuid;

/// What `user_agent` and `ip` look like when they are sealed.
const SEALED: usize = 120;

/// A session with the identifier `number`.
pub fn session_id(number: u64) -> SessionId {
    SessionId(Uuid::from_u128(
        0x0197_0000_0000_7000_8000_0000_0000_0000 | u128::from(number),
    ))
}

/// Appends the events of a session from its event number `first` (from 0) on. The first begins it, and each that follows
/// issues tokens.
pub fn append(number: u64, first: u64, count: u64, command_id: Uuid) -> anyhow::Result<Append> {
    let events = (first..first + count).map(|n| stored(&event(number, n)));
    Ok(Append {
        aggregate_type: "session".to_owned(),
        aggregate_id: session_id(number).to_string(),
        expected_version: first,
        command_id,
        events: events.collect::<anyhow::Result<_>>()?,
        metadata: Metadata::default(),
    })
}

fn event(number: u64, n: u64) -> SessionEvent {
    let at = at(n);
    if n == 0 {
        return SessionEvent::SessionStarted {
            session_id: session_id(number),
            user_id: UserId(Uuid::from_u128(u128::from(number % 1000 + 1))),
            device_name: None,
            user_agent: Some(Sealed::new("v".repeat(SEALED))),
            ip: Some(Sealed::new("v".repeat(SEALED / 2))),
            auth_methods: vec![AuthMethod::Password],
            auth_time: at,
            expires_at: at + TimeDelta::days(30),
            at,
        };
    }
    SessionEvent::TokensIssued {
        tokens: TokenPair {
            access_token: token(number, 2 * n),
            access_expires_at: at + TimeDelta::minutes(15),
            refresh_token: token(number, 2 * n + 1),
            refresh_expires_at: at + TimeDelta::days(1),
        },
        replaced_refresh: (n > 1).then(|| token(number, 2 * n - 1)),
        repeated_refresh: None,
        at,
    }
}

fn at(seconds: u64) -> DateTime<Utc> {
    let seconds = TimeDelta::seconds(seconds.cast_signed());
    DateTime::UNIX_EPOCH + TimeDelta::days(20_454) + seconds
}

fn token(number: u64, n: u64) -> TokenHash {
    let mut bytes = [7; 32];
    let parts = number.to_be_bytes().into_iter().chain(n.to_be_bytes());
    for (byte, part) in bytes.iter_mut().zip(parts) {
        *byte = part;
    }
    TokenHash::from_bytes(bytes)
}

fn stored(event: &SessionEvent) -> anyhow::Result<NewEvent> {
    Ok(NewEvent {
        event_type: event.event_type(),
        event_version: event.event_version(),
        payload: serde_json::to_string(event)?,
    })
}
