//! Whose the tokens were that ended last, so that a refusal can name them. It decides nothing: a token that is not here is
//! refused all the same, without a name.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use aggregates::values::{SessionId, UserId};
use papaya::HashMap;

/// As many are remembered; beyond them the oldest is forgotten. About 3 MB.
pub(super) const REMEMBERED: usize = 16_384;

/// A token that was good once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Whose it was.
    pub user_id: UserId,
    /// The session that it belonged to.
    pub session_id: SessionId,
    /// Why it is not good any more.
    pub reason: &'static str,
}

/// The tokens of the sessions that ended last.
#[derive(Debug)]
pub(super) struct LatelyEnded {
    tokens: HashMap<[u8; 32], Ended>,
    order: Mutex<VecDeque<[u8; 32]>>,
    most: usize,
}

impl Default for LatelyEnded {
    fn default() -> Self {
        Self::of_at_most(REMEMBERED)
    }
}

impl LatelyEnded {
    fn of_at_most(most: usize) -> Self {
        Self {
            tokens: HashMap::default(),
            order: Mutex::default(),
            most,
        }
    }

    /// Remembers a token, and forgets the oldest when there are too many.
    pub(super) fn insert(&self, digest: [u8; 32], ended: Ended) {
        let tokens = self.tokens.pin();
        if tokens.insert(digest, ended).is_some() {
            return;
        }
        let mut order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.push_back(digest);
        if order.len() > self.most
            && let Some(oldest) = order.pop_front()
        {
            tokens.remove(&oldest);
        }
    }

    /// Whose a token was.
    pub(super) fn find(&self, digest: &[u8; 32]) -> Option<Ended> {
        self.tokens.pin().get(digest).copied()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_no_more_are_kept_than_may_be() {
        let ended = |n: u8| Ended {
            user_id: UserId(Uuid::from_u128(u128::from(n))),
            session_id: SessionId(Uuid::from_u128(u128::from(n))),
            reason: "signed_out",
        };
        let lately = LatelyEnded::of_at_most(2);
        for n in [1, 2, 2, 3] {
            lately.insert([n; 32], ended(n));
        }
        let kept = [1, 2, 3].map(|n| lately.find(&[n; 32]));
        assert_eq!(kept, [None, Some(ended(2)), Some(ended(3))]);
        assert_eq!(lately.order.lock().unwrap().len(), 2);
    }
}
