//! Uploads in one request, on this node: how many of one person are under way, and whether they come fast enough.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aggregates::values::UserId;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt as _};
use tokio::time::timeout;

use crate::ports::clock;
use crate::quota::QuotaError;

/// How many uploads of each person are under way.
#[derive(Debug, Default)]
pub struct PlainUploads(Mutex<HashMap<UserId, u64>>);

/// An upload that is under way, until this is dropped.
#[derive(Debug)]
pub struct Underway<'a> {
    all: &'a PlainUploads,
    owner: UserId,
}

impl PlainUploads {
    /// One more of `owner`, unless there are `limit`.
    ///
    /// # Errors
    /// Too many are under way.
    pub fn begin(&self, owner: UserId, limit: u64) -> Result<Underway<'_>, QuotaError> {
        let mut all = self.lock();
        let count = all.entry(owner).or_default();
        if *count >= limit {
            return Err(QuotaError::Uploads { limit });
        }
        *count += 1;
        Ok(Underway { all: self, owner })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock();
        if let Some(count) = all.get_mut(&self.owner) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                all.remove(&self.owner);
            }
        }
    }
}

/// The least that must come within a time, which counts only while the sender is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    bytes: u64,
    window: Duration,
}

/// 16 KiB a second on average over a minute: slower than any line that would end an upload of usual size in a day.
pub const PACE: Pace = Pace {
    bytes: 60 * 16 * 1024,
    window: Duration::from_mins(1),
};

/// A body, and whether it ended because it came too slowly.
pub struct Paced {
    /// The body; it ends with an error when it comes too slowly.
    pub body: BoxStream<'static, Result<Bytes, ()>>,
    /// Whether it did.
    pub is_too_slow: Arc<AtomicBool>,
}

struct Measured<S> {
    body: S,
    pace: Pace,
    came: u64,
    waited: Duration,
    is_too_slow: Arc<AtomicBool>,
}

impl Pace {
    /// Holds a body to this pace.
    pub fn of<S, E>(self, body: S) -> Paced
    where
        S: Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        E: Send + 'static,
    {
        let is_too_slow = Arc::new(AtomicBool::new(false));
        let measured = Measured {
            body,
            pace: self,
            came: 0,
            waited: Duration::ZERO,
            is_too_slow: Arc::clone(&is_too_slow),
        };
        let body = stream::unfold(Some(measured), async |measured| {
            let mut measured = measured?;
            match measured.next().await? {
                Ok(piece) => Some((Ok(piece), Some(measured))),
                Err(()) => Some((Err(()), None)),
            }
        });
        Paced {
            body: body.boxed(),
            is_too_slow,
        }
    }
}

impl<S, E> Measured<S>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
{
    async fn next(&mut self) -> Option<Result<Bytes, ()>> {
        let since = clock::monotonic();
        let left = self.pace.window.saturating_sub(self.waited);
        let Ok(piece) = timeout(left, self.body.next()).await else {
            self.is_too_slow.store(true, Ordering::Relaxed);
            return Some(Err(()));
        };
        let piece = piece?.map_err(drop);
        self.waited += since.elapsed();
        self.came += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if self.came >= self.pace.bytes {
            (self.came, self.waited) = (0, Duration::ZERO);
        }
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Pace = Pace {
        bytes: 1000,
        window: Duration::from_millis(300),
    };

    /// Pieces of this size with a pause before each: how many come, and whether that was too slow.
    async fn came(bytes: usize, pause_ms: u64, pieces: usize) -> (usize, bool) {
        let body = stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            Ok::<_, ()>(Bytes::from(vec![0; bytes]))
        });
        let paced = QUICK.of(body.boxed());
        let came: Vec<_> = paced.body.collect().await;
        let whole = came.iter().filter(|piece| piece.is_ok()).count();
        (whole, paced.is_too_slow.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_body_may_take_long_but_not_trickle() {
        assert_eq!(came(1000, 50, 20).await, (20, false), "a second, at pace");
        let (whole, is_too_slow) = came(1, 50, 20).await;
        assert!(is_too_slow && whole < 10, "{whole}");
        let (whole, is_too_slow) = came(900, 10_000, 1).await;
        assert!(is_too_slow && whole == 0, "nothing comes at all");
    }

    #[tokio::test]
    async fn what_the_receiver_takes_is_not_the_senders_time() {
        let body = stream::iter((0..5).map(|_| Ok::<_, ()>(Bytes::from_static(&[0]))));
        let mut paced = QUICK.of(body);
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(paced.body.next().await.is_some_and(|piece| piece.is_ok()));
        }
        assert!(!paced.is_too_slow.load(Ordering::Relaxed));
    }

    #[test]
    fn each_person_has_so_many_under_way_and_no_more() {
        let (ada, bob) = (
            UserId::from(uuid::Uuid::from_u128(1)),
            UserId::from(uuid::Uuid::from_u128(2)),
        );
        let all = PlainUploads::default();
        let first = all.begin(ada, 2).unwrap();
        let _second = all.begin(ada, 2).unwrap();
        assert!(all.begin(ada, 2).is_err());
        let _other = all.begin(bob, 2).unwrap();
        drop(first);
        assert!(all.begin(ada, 2).is_ok());
    }
}
