//! How many sessions an account opens within an hour on this node. Each is events, which stay for ever, and whoever may
//! register has an account to open them with.
//!
//! Counted in memory: a sign-in must not ask the database once more for it. It never keeps more than a bounded number of
//! accounts, and a node that starts anew begins with none.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aggregates::values::{HourlyCount, UserId};
use chrono::{DateTime, Utc};

/// Accounts that are counted at once. Of more than these nobody is refused.
const ACCOUNTS_MAX: usize = 100_000;

/// The count.
#[derive(Debug, Default)]
pub struct SignIns {
    hours: Mutex<HashMap<UserId, HourlyCount>>,
}

impl SignIns {
    /// Counts a sign-in of `user` as one of `most`; how many seconds to wait when there is no room for it.
    ///
    /// # Errors
    /// There were too many.
    pub fn take(&self, user: UserId, most: u32, now: DateTime<Utc>) -> Result<(), u32> {
        let mut hours = self.hours.lock().unwrap_or_else(PoisonError::into_inner);
        let before = hours.get(&user).copied();
        if let Some(seconds) = HourlyCount::full_for(before, most, now) {
            return Err(seconds);
        }
        if before.is_none() && hours.len() >= ACCOUNTS_MAX {
            hours.retain(|_, hour| !hour.is_over(now));
            if hours.len() >= ACCOUNTS_MAX {
                return Ok(());
            }
        }
        hours.insert(user, HourlyCount::and_at(before, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use uuid::Uuid;

    use super::*;

    fn user(number: usize) -> UserId {
        Uuid::from_u128(number as u128).into()
    }

    #[test]
    fn each_account_has_its_own_hour() {
        let (sign_ins, now) = (SignIns::default(), DateTime::UNIX_EPOCH);
        for _ in 0..2 {
            assert_eq!(sign_ins.take(user(1), 2, now), Ok(()));
        }
        assert_eq!(sign_ins.take(user(1), 2, now), Err(3600));
        assert_eq!(sign_ins.take(user(2), 2, now), Ok(()));
        let later = now + TimeDelta::hours(1);
        assert_eq!(sign_ins.take(user(1), 2, later), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let (sign_ins, now) = (SignIns::default(), DateTime::UNIX_EPOCH);
        for number in 0..ACCOUNTS_MAX + 10 {
            assert_eq!(sign_ins.take(user(number), 1, now), Ok(()));
        }
        let count = || sign_ins.hours.lock().unwrap().len();
        assert_eq!(count(), ACCOUNTS_MAX);
        let later = now + TimeDelta::hours(1);
        assert_eq!(sign_ins.take(user(ACCOUNTS_MAX), 1, later), Ok(()));
        assert_eq!(count(), 1, "hours that are over are forgotten");
    }
}
