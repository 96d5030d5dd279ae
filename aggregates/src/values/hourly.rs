//! A budget of an hour, counted from what events say.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The window.
const HOUR: TimeDelta = TimeDelta::hours(1);

/// How often something happened within an hour of its first time. The first that comes later begins another hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourlyCount {
    /// The first time.
    pub began_at: DateTime<Utc>,
    /// How often since.
    pub count: u32,
}

impl HourlyCount {
    /// Whether the hour is over at `at`.
    #[must_use]
    pub fn is_over(&self, at: DateTime<Utc>) -> bool {
        at >= self.began_at + HOUR
    }

    /// `before`, and once more at `at`.
    #[must_use]
    pub fn and_at(before: Option<Self>, at: DateTime<Utc>) -> Self {
        match before {
            Some(hour) if !hour.is_over(at) => Self {
                count: hour.count.saturating_add(1),
                ..hour
            },
            Some(_) | None => Self {
                began_at: at,
                count: 1,
            },
        }
    }

    /// For how many seconds there is no room for another at `at`, when at most `most` fit; `None` when there is room.
    pub fn full_for(before: Option<Self>, most: u32, at: DateTime<Utc>) -> Option<u32> {
        let hour = before.filter(|hour| hour.count >= most)?;
        let left = hour.began_at + HOUR - at;
        if left <= TimeDelta::zero() {
            return None;
        }
        // A clock of another node may be ahead; nobody waits for more than the hour.
        let seconds = left.min(HOUR).num_seconds().saturating_add(1).min(3600);
        Some(u32::try_from(seconds).unwrap_or(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    #[test]
    fn an_hour_holds_so_many_and_the_next_one_begins_with_what_comes_after_it() {
        let mut hour = None;
        for second in [0, 1, 3599] {
            assert_eq!(HourlyCount::full_for(hour, 3, at(second)), None);
            hour = Some(HourlyCount::and_at(hour, at(second)));
        }
        assert_eq!(HourlyCount::full_for(hour, 3, at(3599)), Some(2));
        assert_eq!(HourlyCount::full_for(hour, 4, at(3599)), None);
        assert_eq!(HourlyCount::full_for(hour, 3, at(3600)), None);
        let next = HourlyCount::and_at(hour, at(3600));
        assert_eq!((next.began_at, next.count), (at(3600), 1));
    }

    #[test]
    fn a_clock_that_is_behind_makes_nobody_wait_longer_than_the_hour() {
        let hour = Some(HourlyCount::and_at(None, at(100)));
        assert_eq!(HourlyCount::full_for(hour, 1, at(0)), Some(3600));
        assert_eq!(HourlyCount::and_at(hour, at(0)).count, 2);
    }
}
