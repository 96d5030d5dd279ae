//! The wall clock, read here and nowhere else in this crate. It is used for signatures only;
//! everything that measures how long something takes uses a monotonic clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch; 0 when the clock is set before it.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one home of the wall clock"
)]
pub fn unix_seconds() -> i64 {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
}
