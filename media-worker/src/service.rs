//! The worker as a whole: builds its parts in order, serves until it is told to stop, and leaves
//! nothing behind.

mod listener;
mod start;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use start::StartError;

use crate::api::{Failure, FailureCode, Sandbox};
use crate::auth::{Keys, Verifier};
use crate::config::Options;
use crate::http;
use crate::jobs::{Job, Outcome, Registry};
use crate::work::Workshop;
use listener::Listener;

const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How often a worker that was told to stop looks whether it may.
const DRAIN_INTERVAL: Duration = Duration::from_millis(100);
/// How long others may take to hear that jobs were killed, and open connections to end once all jobs have ended.
const GOODBYE: Duration = Duration::from_secs(5);

/// What every handler can reach.
#[derive(Debug)]
pub struct Service {
    pub jobs: Registry,
    pub shop: Workshop,
    pub verifier: Verifier,
    pub sandbox: Sandbox,
    pub metrics: PrometheusHandle,
    pub upload_window: Duration,
    /// The work on jobs; watched so that the end of the process waits for it.
    tasks: TaskTracker,
}

/// Serves until SIGTERM or SIGINT: then refuses new jobs and lets those that it has end and be collected. A second
/// signal, or the end of the time for that, kills those that run, deletes their files and returns.
///
/// # Errors
/// When the worker cannot start. Once it serves it does not fail.
pub async fn run(options: Options, keys: Keys) -> Result<(), StartError> {
    // Signal handling comes first: it needs a socket pair, which the worker soon cannot make.
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
    let started = start::start(&options, keys).await?;
    let service = Arc::clone(&started.service);
    let stop = CancellationToken::new();
    let router = http::router(Arc::clone(&service));
    let serving = started.listener.serve(router, stop.clone(), GOODBYE);
    let drain_for = Duration::from_secs(options.drain_seconds.into());
    let until_told = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = service.sweep_for_ever() => {}
        }
        tracing::info!("stopping");
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = service.leave(drain_for) => {}
        }
        service.stop().await;
        stop.cancel();
    };
    tokio::join!(serving, until_told);
    tracing::info!("stopped");
    Ok(())
}

impl Service {
    /// Does the work of a job that was just set to `running`, in the background.
    pub fn perform(self: &Arc<Self>, job: Arc<Job>) {
        let service = Arc::clone(self);
        self.tasks.spawn(async move {
            let started = Instant::now();
            let work = std::panic::AssertUnwindSafe(service.work(&job));
            let outcome = work.catch_unwind().await.unwrap_or_else(|_| {
                let code = FailureCode::WorkerInternal;
                Outcome::Failed(Failure {
                    code,
                    detail: "the work ended in a defect".to_owned(),
                })
            });
            record(&job, &outcome, started.elapsed());
            job.finish(outcome);
        });
    }

    async fn work(&self, job: &Arc<Job>) -> Outcome {
        match job.slot() {
            Some(slot) => {
                let uid = self.jobs.uid(slot.index());
                self.shop.perform(job, &slot, uid).await
            }
            // Only a job that has ended has none.
            None => Outcome::Cancelled,
        }
    }

    async fn sweep_for_ever(&self) {
        let mut ticks = interval(SWEEP_INTERVAL);
        loop {
            ticks.tick().await;
            self.jobs.sweep(Instant::now()).await;
            self.metrics.run_upkeep();
        }
    }

    /// Takes no new jobs and waits until nobody waits for those that are there, for at most `drain_for`; then kills
    /// what is left, and lets whoever ordered it hear of that.
    async fn leave(&self, drain_for: Duration) {
        let since = Instant::now();
        self.jobs.drain();
        if timeout(drain_for, self.drained(since)).await.is_err() {
            tracing::warn!(
                unfinished = self.jobs.unfinished(),
                "the time for jobs to end is over"
            );
            self.jobs.stop_all().await;
            let goodbye = if drain_for.is_zero() {
                Duration::ZERO
            } else {
                GOODBYE
            };
            // Who did not ask by then finds the worker gone, which means the same.
            let _ = timeout(goodbye, self.drained(since)).await;
        }
    }

    async fn drained(&self, since: Instant) {
        let mut ticks = interval(DRAIN_INTERVAL);
        while self.jobs.is_awaited(since, Instant::now()) {
            ticks.tick().await;
            self.jobs.sweep(Instant::now()).await;
        }
    }

    async fn stop(&self) {
        self.jobs.stop_all().await;
        self.tasks.close();
        // Every job has ended, so this only waits for the tasks to return.
        if timeout(GOODBYE, self.tasks.wait()).await.is_err() {
            tracing::error!("a job's task did not end");
        }
    }
}

fn record(job: &Job, outcome: &Outcome, elapsed: Duration) {
    let preset = job.spec.preset.as_str();
    let result = match outcome {
        Outcome::Succeeded(_) => "succeeded",
        Outcome::Failed(failure) => failure.code.as_str(),
        Outcome::Cancelled => FailureCode::Cancelled.as_str(),
    };
    metrics::counter!("media_worker_jobs_total", "preset" => preset, "result" => result)
        .increment(1);
    metrics::histogram!("media_worker_job_seconds", "preset" => preset).record(elapsed);
    tracing::info!(job = %job.key, preset, result, seconds = elapsed.as_secs_f64(), "job ended");
}
