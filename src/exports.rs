//! The exports of accounts that are under way on this node: each may read the whole log, and holds a MiB or two of it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aggregates::values::UserId;

use crate::throttle::ThrottleError;

/// Of all people together.
const MOST: usize = 32;
/// Seconds after which somebody else's is likely to be over.
const RETRY_AFTER: u32 = 10;

/// Whose exports are under way.
#[derive(Debug, Clone, Default)]
pub struct Exports(Arc<Mutex<HashSet<UserId>>>);

/// An export that is under way, until this is dropped.
#[derive(Debug)]
pub struct ExportPlace {
    all: Exports,
    user: UserId,
}

impl Exports {
    /// One of a person, who has no other.
    ///
    /// # Errors
    /// They have one, or there are too many of others.
    pub fn begin(&self, user: UserId) -> Result<ExportPlace, ThrottleError> {
        let mut all = self.lock();
        if all.len() >= MOST || !all.insert(user) {
            return Err(ThrottleError::TooManyAttempts(RETRY_AFTER));
        }
        Ok(ExportPlace {
            all: self.clone(),
            user,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<UserId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ExportPlace {
    fn drop(&mut self) {
        self.all.lock().remove(&self.user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_one_at_a_time_and_a_node_has_so_many() {
        let exports = Exports::default();
        let user = |n: usize| UserId::from(uuid::Uuid::from_u128(n as u128));
        let mut places: Vec<_> = (0..MOST)
            .map(|n| {
                let place = exports.begin(user(n)).unwrap();
                assert!(exports.begin(user(n)).is_err());
                place
            })
            .collect();
        assert!(exports.begin(user(MOST)).is_err());
        places.pop();
        let _other = exports.begin(user(MOST)).unwrap();
        assert!(exports.begin(user(MOST - 1)).is_err());
        drop(places);
        assert!(exports.begin(user(0)).is_ok());
    }
}
