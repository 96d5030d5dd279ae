//! The clock: the one place that reads the time.

use std::time::Instant;

use chrono::{DateTime, SubsecRound as _, Utc};

/// The time now, UTC, whole microseconds (the log's resolution).
#[expect(clippy::disallowed_methods, reason = "this is the clock's one home")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// A point on the monotonic clock, for leases and time-outs.
pub fn monotonic() -> Instant {
    Instant::now()
}

/// Microseconds since the epoch, the form in which the database keeps times.
pub fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}
