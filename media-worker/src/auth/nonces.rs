//! Remembers the nonces of accepted calls for as long as their signatures are valid. Only calls that
//! were signed properly get in, so nobody without a key can fill it.

use std::collections::{HashSet, VecDeque};

/// The most nonces that are remembered: over 800 calls a second within the window.
const CAPACITY: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct Nonces {
    seen: HashSet<String>,
    /// Oldest first, with the second after which the nonce may be forgotten.
    order: VecDeque<(i64, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Replayed,
    Full,
}

impl Nonces {
    /// Takes a nonce that stays valid until `expires_at` (unix seconds).
    pub(super) fn insert(&mut self, nonce: &str, now: i64, expires_at: i64) -> Result<(), Refused> {
        self.forget_expired(now);
        if self.seen.contains(nonce) {
            return Err(Refused::Replayed);
        }
        if self.seen.len() >= CAPACITY {
            return Err(Refused::Full);
        }
        self.seen.insert(nonce.to_owned());
        self.order.push_back((expires_at, nonce.to_owned()));
        Ok(())
    }

    fn forget_expired(&mut self, now: i64) {
        while self
            .order
            .front()
            .is_some_and(|(expires_at, _)| *expires_at < now)
        {
            if let Some((_, nonce)) = self.order.pop_front() {
                self.seen.remove(&nonce);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_accepted_once_until_it_expires() {
        let mut nonces = Nonces::default();
        assert_eq!(nonces.insert("a", 0, 120), Ok(()));
        assert_eq!(nonces.insert("a", 120, 240), Err(Refused::Replayed));
        assert_eq!(nonces.insert("a", 121, 241), Ok(()));
    }

    #[test]
    fn it_never_grows_past_its_capacity_and_recovers() {
        let mut nonces = Nonces::default();
        for n in 0..CAPACITY {
            assert_eq!(nonces.insert(&n.to_string(), 0, 120), Ok(()));
        }
        assert_eq!(nonces.insert("one more", 0, 120), Err(Refused::Full));
        assert_eq!(nonces.insert("one more", 121, 241), Ok(()));
    }
}
