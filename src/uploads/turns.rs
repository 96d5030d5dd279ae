//! One request at a time for each upload, on this node: whoever comes asks the one before to stop, and waits until it has
//! kept what it had received.
//!
//! A client whose connection broke comes back at once, while the server may believe in the old connection for long: so the
//! later one has the right. Between nodes the row of the upload fences instead.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Lock, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long the one before may take to stop.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who is at which upload.
#[derive(Debug, Default)]
pub struct Turns(Mutex<HashMap<Uuid, Arc<Place>>>);

#[derive(Debug, Default)]
struct Place {
    lock: Arc<Lock<()>>,
    /// Asks whoever came last to stop.
    last: Mutex<CancellationToken>,
}

/// The right to work on an upload; given back when it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    stop: CancellationToken,
    _guard: OwnedMutexGuard<()>,
    _seat: Seat<'a>,
}

impl Turn<'_> {
    /// Cancelled when somebody else wants the upload.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }
}

impl Turns {
    /// The next turn at an upload; `None` when the one before does not stop in time, or somebody came after this one.
    pub async fn take(&self, upload_id: Uuid) -> Option<Turn<'_>> {
        let seat = self.seat(upload_id);
        let stop = CancellationToken::new();
        let former = {
            let mut last = seat
                .place
                .last
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *last, stop.clone())
        };
        former.cancel();
        let lock = Arc::clone(&seat.place.lock).lock_owned();
        let guard = tokio::time::timeout(PATIENCE, lock).await.ok()?;
        (!stop.is_cancelled()).then_some(Turn {
            stop,
            _guard: guard,
            _seat: seat,
        })
    }

    /// A turn at an upload that nobody is at.
    pub fn take_free(&self, upload_id: Uuid) -> Option<Turn<'_>> {
        let seat = self.seat(upload_id);
        let guard = Arc::clone(&seat.place.lock).try_lock_owned().ok()?;
        Some(Turn {
            stop: CancellationToken::new(),
            _guard: guard,
            _seat: seat,
        })
    }

    fn seat(&self, upload_id: Uuid) -> Seat<'_> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Seat {
            turns: self,
            upload_id,
            place: Arc::clone(places.entry(upload_id).or_default()),
        }
    }
}

/// A place is kept for as long as somebody is at it or waits for it.
#[derive(Debug)]
struct Seat<'a> {
    turns: &'a Turns,
    upload_id: Uuid,
    place: Arc<Place>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut places = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's and this one.
        if Arc::strong_count(&self.place) <= 2 {
            places.remove(&self.upload_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_later_one_stops_the_former_and_only_the_last_one_goes_on() {
        let turns = Turns::default();
        let id = Uuid::from_u128(1);
        let first = turns.take(id).await.unwrap();
        assert!(turns.take_free(id).is_none());
        let (second, third, ()) = tokio::join!(turns.take(id), turns.take(id), async {
            first.stop().cancelled().await;
            drop(first);
        });
        assert!(second.is_none(), "the third came while it waited");
        drop(third.unwrap());
        assert!(turns.0.lock().unwrap().is_empty(), "no place is left");
        assert!(turns.take_free(id).is_some());
    }
}
