//! The process manager of media jobs: from the queue in the log to a worker and back.
//!
//! Each node looks after its own drives, one a job. What decides is always the job's stream: the attempt's number
//! is a fencing token, so of two nodes, or of a node and its own past, only one result counts. Leases (a table, not
//! events) say which node drives a job; when a lease runs out another node adopts the attempt at its worker, or gives
//! it up.

mod drive;
mod gate;
mod leases;
mod outputs;
mod places;
mod reconcile;
mod spec;
mod store;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aggregates::media_job::{MediaJob, MediaJobCommand, Preset};
use eventlog::{DbError, ExecuteError};
use projections::media_jobs::{self, Turns, Wanted};

pub use places::JobQueue;

use places::Place;

use super::context;
use crate::app::App;
use crate::lifecycle::Lifecycle;
use crate::ports::clock;
use crate::workers::{Weight, worker_preset};

const NAME: &str = "dispatch_media_jobs";
/// How often the queue is looked at when nothing happens; back-off times and leases run out by themselves.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The lanes, from the first, that have jobs which take but a moment.
const QUICK_LANES: usize = 2;
/// Jobs past their deadline that one look ends.
const OVERDUE: usize = 100;

/// The version of a preset's recipe that this server asks for.
pub fn preset_version(preset: Preset) -> u32 {
    worker_preset(preset).version()
}

/// Starts the process manager.
pub fn start(app: &Arc<App>, lifecycle: &Lifecycle) {
    let (app, stop) = (Arc::clone(app), lifecycle.stop_token());
    lifecycle.spawn(NAME, async move {
        if let Err(error) = leases::forget_own_past(&app).await {
            tracing::warn!(%error, "leases of the process before this one stay until they run out");
        }
        tokio::select! {
            () = reconcile::all(&app) => {}
            () = stop.cancelled() => {}
        }
        let Some(mut queue) = app.read_models.watch("media_jobs") else {
            return;
        };
        let mut manager = Manager {
            app: Arc::clone(&app),
            drives: tokio::task::JoinSet::new(),
            turns: Turns::default(),
            swept: None,
        };
        while !stop.is_cancelled() {
            queue.mark_unchanged();
            if let Err(error) = manager.look().await {
                tracing::warn!(%error, "the queue of media jobs cannot be read");
            }
            tokio::select! {
                _ = queue.changed() => {}
                () = app.jobs.freed.notified() => {}
                () = tokio::time::sleep(manager.next_look()) => {}
                () = stop.cancelled() => {}
            }
            while manager.drives.try_join_next().is_some() {}
        }
        app.jobs.closed.cancel();
        // Whatever is under way goes on at its worker; the next start adopts it.
        manager.drives.abort_all();
    });
}

struct Manager {
    app: Arc<App>,
    drives: tokio::task::JoinSet<()>,
    turns: Turns,
    /// When the leases of dead nodes were ended last.
    swept: Option<Instant>,
}

impl Manager {
    /// One look at the queue.
    async fn look(&mut self) -> Result<(), DbError> {
        self.adopt().await?;
        self.offer().await?;
        self.expire().await
    }

    /// When the queue is looked at again if nothing happens.
    fn next_look(&self) -> Duration {
        let times = [self.app.jobs.paused_until(), self.app.workers.next_change()];
        let now = clock::monotonic();
        let pause = times.into_iter().flatten().min();
        pause.map_or(LOOK_AGAIN, |until| {
            LOOK_AGAIN.min(until.duration_since(now) + Duration::from_millis(1))
        })
    }

    /// Jobs that no live node looks after.
    async fn adopt(&mut self) -> Result<(), DbError> {
        let app = &self.app;
        let now = clock::monotonic();
        if self
            .swept
            .is_none_or(|swept| now.duration_since(swept) >= LOOK_AGAIN)
        {
            leases::forget_dead(app).await?;
            self.swept = Some(now);
        }
        let free = app.jobs.free();
        for row in media_jobs::orphaned(&app.database, clock::now(), free).await? {
            if let Some(place) = app.jobs.take(app, &row) {
                self.drives.spawn(drive::adopt(place, row));
            }
        }
        Ok(())
    }

    /// Jobs that wait, to workers that have room.
    async fn offer(&mut self) -> Result<(), DbError> {
        let app = &self.app;
        if app.jobs.paused_until().is_some() || !app.workers.accept(Weight::Light) {
            return Ok(());
        }
        let offered = app.jobs.offered();
        let mut wanted = Wanted {
            now: clock::now(),
            per_owner: app.config.media.jobs_per_user,
            limit: app.jobs.free(),
            lanes: if app.workers.accept(Weight::Heavy) {
                media_jobs::LANES
            } else {
                1
            },
            recipes: &[],
            offered: &offered,
        };
        if !media_jobs::is_any_queued(&app.database, wanted.lanes).await? {
            return Ok(());
        }
        let mut offers = app.workers.offers().await;
        wanted.limit = wanted.limit.min(offers.room());
        if !offers.take(Weight::Heavy) {
            wanted.lanes = wanted.lanes.min(QUICK_LANES);
        }
        let recipes = offers.recipes();
        wanted.recipes = &recipes;
        for row in media_jobs::due(&app.database, wanted, &mut self.turns).await? {
            let Some(worker) = offers.pick(row.preset, row.preset_version, row.input_bytes) else {
                continue;
            };
            match app.jobs.take(app, &row) {
                Some(place) => {
                    self.drives.spawn(drive::dispatch(place, worker, row));
                }
                None => worker.not_tried(),
            }
        }
        Ok(())
    }

    /// A job that is queued or running at its deadline fails. Whoever follows its attempt notices when it renews the lease,
    /// and has the worker end it.
    async fn expire(&self) -> Result<(), DbError> {
        let (app, now) = (&self.app, clock::now());
        for job in media_jobs::overdue(&app.database, now, OVERDUE).await? {
            let command = MediaJobCommand::Expire { at: now };
            match app
                .log
                .execute::<MediaJob>(&job.to_string(), command, &context(NAME))
                .await
            {
                Ok(_) | Err(ExecuteError::Refused(_)) => {}
                Err(error) => {
                    tracing::warn!(%job, %error, "a job past its deadline cannot be ended yet");
                }
            }
        }
        Ok(())
    }
}
