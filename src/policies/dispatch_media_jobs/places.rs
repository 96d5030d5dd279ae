//! The jobs that this node drives, and how far each is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aggregates::values::{JobId, UserId};
use projections::media_jobs::JobRow;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::ports::clock;

/// How many people may ask for jobs at once, at the most.
const ASKING: usize = 64;
/// The least and the most that is waited before the blob store is tried again.
const STORE_PAUSE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];

/// The jobs that this node drives.
#[derive(Debug)]
pub struct JobQueue {
    capacity: usize,
    driven: Mutex<HashMap<JobId, Driven>>,
    pub(super) freed: Notify,
    /// While this node can decide nothing, nothing is offered to anybody.
    paused_until: Mutex<Option<Instant>>,
    /// Since when the blob store has not answered.
    store_away_since: Mutex<Option<Instant>>,
    /// Held while jobs of a person are counted and one more is asked for; shared by a few people each.
    asking: [tokio::sync::Mutex<()>; ASKING],
    /// Cancelled when this node stops; whoever follows a job is let go.
    pub(super) closed: CancellationToken,
}

#[derive(Debug)]
struct Driven {
    owner: UserId,
    /// Not leased yet, so that no table tells of it.
    is_offered: bool,
    progress: f64,
}

impl JobQueue {
    /// For at most `capacity` jobs at once.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            driven: Mutex::default(),
            freed: Notify::new(),
            paused_until: Mutex::new(None),
            store_away_since: Mutex::new(None),
            asking: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            closed: CancellationToken::new(),
        }
    }

    /// How far a job is, 0 to 1; 0 when another node drives it.
    pub fn progress(&self, job: JobId) -> f64 {
        let driven = self.lock();
        driven.get(&job).map_or(0.0, |driven| driven.progress)
    }

    /// The turn of a person to ask for a job: one after the other, so that none is asked for beyond the limit.
    pub async fn turn_to_ask(&self, owner: UserId) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let id = uuid::Uuid::from(owner).as_u128();
        let place = usize::try_from(id % ASKING as u128).ok()?;
        Some(self.asking.get(place)?.lock().await)
    }

    /// Resolves when this node stops.
    pub async fn closed(&self) {
        self.closed.cancelled().await;
    }

    pub(super) fn set_progress(&self, job: JobId, progress: f64) {
        if let Some(driven) = self.lock().get_mut(&job) {
            driven.progress = progress.clamp(0.0, 1.0);
        }
    }

    /// A place for a job, unless it has one or all are taken.
    pub(super) fn take(&self, app: &Arc<App>, row: &JobRow) -> Option<Place> {
        let mut all = self.lock();
        if all.len() >= self.capacity || all.contains_key(&row.job_id) {
            return None;
        }
        let driven = Driven {
            owner: row.owner,
            is_offered: true,
            progress: 0.0,
        };
        all.insert(row.job_id, driven);
        Some(Place {
            app: Arc::clone(app),
            job: row.job_id,
        })
    }

    /// The job is leased.
    pub(super) fn leased(&self, job: JobId) {
        if let Some(driven) = self.lock().get_mut(&job) {
            driven.is_offered = false;
        }
    }

    /// The jobs that are not leased yet, with their owners.
    pub(super) fn offered(&self) -> Vec<(JobId, UserId)> {
        let driven = self.lock();
        driven
            .iter()
            .filter(|(_, driven)| driven.is_offered)
            .map(|(job, driven)| (*job, driven.owner))
            .collect()
    }

    /// Offers nobody anything for a while.
    pub(super) fn pause(&self, pause: Duration) {
        let mut until = self
            .paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *until = Some(clock::monotonic() + pause);
    }

    /// The blob store does not answer: offers nobody anything for as long as that has been so already, within bounds.
    /// How long to wait before it is tried again.
    pub(super) fn store_is_away(&self) -> Duration {
        let now = clock::monotonic();
        let mut away_since = self
            .store_away_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let since = *away_since.get_or_insert(now);
        let [least, most] = STORE_PAUSE;
        let pause = now.duration_since(since).clamp(least, most);
        self.pause(pause);
        pause
    }

    /// The blob store answers.
    pub(super) fn store_answers(&self) {
        let mut away_since = self
            .store_away_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *away_since = None;
    }

    /// Until when it is so, if it is.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        let now = clock::monotonic();
        let until = self
            .paused_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.filter(|until| now < *until)
    }

    pub(super) fn free(&self) -> usize {
        self.capacity.saturating_sub(self.lock().len())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Driven>> {
        self.driven.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A job's place; dropping it frees it.
pub(super) struct Place {
    pub(super) app: Arc<App>,
    job: JobId,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.app.jobs.lock().remove(&self.job);
        self.app.jobs.freed.notify_one();
    }
}
