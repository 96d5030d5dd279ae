//! Facts for specs: small numbers stand for times, people and tokens.

use chrono::{DateTime, TimeDelta, Utc};
use cqrs_es::Aggregate;
use cqrs_es::test::{AggregateTestExecutor, TestFramework};
use uuid::Uuid;

use crate::values::{Sealed, Sha256Hex, TokenHash};

/// The aggregate after `events`.
pub fn given<A: Aggregate<Services = ()>>(
    events: impl IntoIterator<Item = A::Event>,
) -> AggregateTestExecutor<A> {
    TestFramework::with(()).given(events.into_iter().collect())
}

/// The aggregate of which nothing is known.
pub fn given_nothing<A: Aggregate<Services = ()>>() -> AggregateTestExecutor<A> {
    TestFramework::with(()).given_no_previous_events()
}

/// That many seconds after the tests' own epoch, 2026-01-01T00:00:00Z.
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap() + TimeDelta::seconds(seconds)
}

/// An id of any kind.
pub fn id<Id: From<Uuid>>(number: u8) -> Id {
    Uuid::from_u128(0x0197_0000_0000_7000_8000_0000_0000_0000 | u128::from(number)).into()
}

pub fn token(number: u8) -> TokenHash {
    TokenHash::from_bytes([number; 32])
}

pub fn sha256(number: u8) -> Sha256Hex {
    Sha256Hex::from_bytes([number; 32])
}

pub fn sealed(text: &str) -> Sealed {
    Sealed::new(format!("v1.{text}"))
}
