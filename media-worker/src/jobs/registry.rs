//! All jobs that this process remembers: reserving, fencing of older attempts, and forgetting.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Folder, Job, Slots};
use crate::api::{ErrorCode, FailureCode, JobKey, JobSpec};

/// Jobs that are remembered, ended ones included.
const MAX_JOBS: usize = 1024;
/// Space that must stay free beside an input, in bytes.
const DISK_RESERVE_BYTES: u64 = 64 * 1024 * 1024;

/// Whoever waits for a job takes an event of it every five seconds at least.
const GONE_AFTER: Duration = Duration::from_secs(15);

#[derive(Debug, Clone)]
pub struct RegistryLimits {
    pub jobs_dir: PathBuf,
    /// A job that nobody asks about for so long is killed.
    pub orphan_after: Duration,
    /// How long an ended job and its outputs are kept when nobody asks about them.
    pub keep_for: Duration,
    /// The first of the places' own user ids, when the worker can change to them.
    pub first_uid: Option<u32>,
}

#[derive(Debug)]
pub struct Registry {
    limits: RegistryLimits,
    slots: Arc<Slots>,
    draining: AtomicBool,
    jobs: Mutex<HashMap<Uuid, Arc<Job>>>,
}

impl Registry {
    pub fn new(limits: RegistryLimits, slots: usize) -> Self {
        let slots = Slots::new(slots);
        Self {
            limits,
            slots,
            draining: AtomicBool::new(false),
            jobs: Mutex::default(),
        }
    }

    pub fn slots(&self) -> &Slots {
        &self.slots
    }

    /// The user id of a place.
    pub fn uid(&self, slot: usize) -> Option<u32> {
        self.limits
            .first_uid
            .and_then(|first| first.checked_add(u32::try_from(slot).ok()?))
    }

    /// Refuses new jobs from now on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub fn all(&self) -> Vec<Arc<Job>> {
        self.lock().values().cloned().collect()
    }

    pub fn unfinished(&self) -> usize {
        self.all()
            .iter()
            .filter(|job| !job.state().is_final())
            .count()
    }

    /// The very attempt; another attempt of the same job is not found.
    pub fn find(&self, key: JobKey) -> Result<Arc<Job>, ErrorCode> {
        let job = self
            .lock()
            .get(&key.job)
            .cloned()
            .filter(|job| job.key == key);
        let job = job.ok_or(ErrorCode::NotFound)?;
        job.touch();
        Ok(job)
    }

    /// Reserves a slot, or finds the reservation that was made before (then the flag is false). An
    /// older attempt of the same job is stopped first.
    pub async fn reserve(&self, key: JobKey, spec: JobSpec) -> Result<(Arc<Job>, bool), ErrorCode> {
        let older = match self.known(key, &spec)? {
            Known::Same(job) => return Ok((job, false)),
            Known::Older(job) => Some(job),
            Known::Nothing => None,
        };
        if let Some(older) = older {
            older.cancel(FailureCode::LeaseExpired).await;
        }
        let mut jobs = self.lock();
        // Another call may have come first while the older attempt was being stopped.
        if let Known::Same(job) = known_in(&jobs, key, &spec)? {
            return Ok((job, false));
        }
        self.admit(&jobs, &spec)?;
        make_room(&mut jobs)?;
        let slot = self.slots.take(spec.preset).ok_or(ErrorCode::NoSlot)?;
        let folder = Folder::create(&self.limits.jobs_dir, key, self.uid(slot.index()));
        let folder = folder.map_err(|error| {
            tracing::error!(job = %key, %error, "a folder cannot be created");
            match error.kind() {
                std::io::ErrorKind::StorageFull => ErrorCode::DiskLow,
                _ => ErrorCode::Internal,
            }
        })?;
        let job = Job::new(key, spec, folder, slot);
        jobs.insert(key.job, Arc::clone(&job));
        Ok((job, true))
    }

    /// Stops what nobody asks about any more and forgets what ended long ago.
    pub async fn sweep(&self, now: Instant) {
        for job in self.all() {
            match job.finished_at() {
                None if now.duration_since(job.last_call()) >= self.limits.orphan_after => {
                    job.cancel(FailureCode::LeaseExpired).await;
                    tracing::warn!(job = %job.key, "nobody asked about a job; it was killed");
                }
                // Whoever still collects may take longer over it.
                Some(at) if now.duration_since(at.max(job.last_call())) >= self.limits.keep_for => {
                    self.forget(&job);
                }
                _ => {}
            }
        }
    }

    /// Whether somebody waits for a job or for what came of it; `since` is when the worker was told to stop. Who did not
    /// call for a while has gone.
    pub fn is_awaited(&self, since: Instant, now: Instant) -> bool {
        let quiet_since = now.checked_sub(GONE_AFTER).unwrap_or(since);
        let jobs = self.all();
        jobs.iter().any(|job| job.is_awaited(since, quiet_since))
    }

    /// Stops everything, which is the worker's doing: each job that has not ended may be tried elsewhere.
    pub async fn stop_all(&self) {
        self.drain();
        for job in self.all() {
            job.cancel(FailureCode::WorkerUnreachable).await;
        }
    }

    fn known(&self, key: JobKey, spec: &JobSpec) -> Result<Known, ErrorCode> {
        known_in(&self.lock(), key, spec)
    }

    fn admit(&self, jobs: &HashMap<Uuid, Arc<Job>>, spec: &JobSpec) -> Result<(), ErrorCode> {
        if self.is_draining() {
            return Err(ErrorCode::Draining);
        }
        let Ok(disk) = statvfs(&self.limits.jobs_dir) else {
            return Err(ErrorCode::DiskLow);
        };
        let free = disk.blocks_available().saturating_mul(disk.fragment_size());
        // Inputs that are still to come have been promised their room.
        let promised = jobs.values().filter(|job| job.state().awaits_input());
        let sizes = promised.map(|job| job.spec.input_size);
        let needed = sizes.fold(spec.input_size, u64::saturating_add);
        let needed = needed.saturating_add(DISK_RESERVE_BYTES);
        if free < needed {
            Err(ErrorCode::DiskLow)
        } else {
            Ok(())
        }
    }

    fn forget(&self, job: &Arc<Job>) {
        // The job has ended, so its files can be deleted.
        let _ = job.delete_outputs();
        let mut jobs = self.lock();
        if jobs
            .get(&job.key.job)
            .is_some_and(|known| known.key == job.key)
        {
            jobs.remove(&job.key.job);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Known {
    Nothing,
    Same(Arc<Job>),
    Older(Arc<Job>),
}

fn known_in(
    jobs: &HashMap<Uuid, Arc<Job>>,
    key: JobKey,
    spec: &JobSpec,
) -> Result<Known, ErrorCode> {
    let Some(job) = jobs.get(&key.job) else {
        return Ok(Known::Nothing);
    };
    match job.key.attempt.cmp(&key.attempt) {
        std::cmp::Ordering::Greater => Err(ErrorCode::StaleAttempt),
        std::cmp::Ordering::Less => Ok(Known::Older(Arc::clone(job))),
        std::cmp::Ordering::Equal if job.spec == *spec => {
            job.touch();
            Ok(Known::Same(Arc::clone(job)))
        }
        std::cmp::Ordering::Equal => Err(ErrorCode::SpecDiffers),
    }
}

/// Forgets the job that ended first when too many are remembered. Live ones hold a place each, so there
/// is always one to forget.
fn make_room(jobs: &mut HashMap<Uuid, Arc<Job>>) -> Result<(), ErrorCode> {
    if jobs.len() < MAX_JOBS {
        return Ok(());
    }
    let ended = jobs
        .values()
        .filter_map(|job| Some((job.finished_at()?, job.key.job)));
    let (_, oldest) = ended.min_by_key(|(at, _)| *at).ok_or(ErrorCode::NoSlot)?;
    if let Some(job) = jobs.remove(&oldest) {
        job.delete_outputs()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{JobLimits, JobResult, MediaMetadata, Params, Preset, Sha256Digest};
    use crate::jobs::{Outcome, Success};

    fn registry(jobs_dir: &std::path::Path) -> Registry {
        let limits = RegistryLimits {
            jobs_dir: jobs_dir.to_owned(),
            orphan_after: Duration::from_mins(1),
            keep_for: Duration::from_mins(15),
            first_uid: None,
        };
        Registry::new(limits, 1)
    }

    async fn reserved(registry: &Registry) -> Arc<Job> {
        let key = JobKey {
            job: Uuid::nil(),
            attempt: 1,
        };
        let spec = JobSpec {
            preset: Preset::Poster,
            preset_version: 1,
            params: Params::default(),
            input_size: 1,
            input_sha256: Sha256Digest::of(b"x"),
            deadline_ms: 1,
            limits: JobLimits::default(),
        };
        registry.reserve(key, spec).await.unwrap().0
    }

    fn succeed(job: &Arc<Job>) {
        job.begin_receiving().unwrap().unwrap().verified();
        job.begin_running().unwrap();
        job.finish(Outcome::Succeeded(Success {
            result: JobResult {
                metadata: MediaMetadata::default(),
                ffmpeg_version: String::new(),
            },
            outputs: Vec::new(),
        }));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_still_collected_is_kept() {
        let jobs = tempfile::tempdir().unwrap();
        let registry = registry(jobs.path());
        let key = {
            let job = reserved(&registry).await;
            succeed(&job);
            job.key
        };
        for _ in 0..3 {
            tokio::time::advance(Duration::from_mins(10)).await;
            registry.sweep(Instant::now()).await;
            let job = registry.find(key).unwrap();
            assert!(job.folder.path().exists());
        }
        tokio::time::advance(Duration::from_mins(15)).await;
        registry.sweep(Instant::now()).await;
        assert_eq!(registry.find(key).err(), Some(ErrorCode::NotFound));
    }
}
