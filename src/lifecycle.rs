//! Tasks and shutdown: every task that is to run as long as the process is started here and watched. What lasts as long
//! as a connection, a request, a job or a sink is a set of its own, whose owner waits for it.
//!
//! A task that ends before it was told to takes the process down with an error: a server without its tails or
//! its lease must not go on as if nothing had happened. Shutdown is soft first (no new requests, tasks told to
//! stop, what runs may finish), then hard after the grace.

use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long what runs may go on after the signal.
pub const GRACE: Duration = Duration::from_secs(20);

/// The tasks of the process.
#[derive(Debug, Default)]
pub struct Lifecycle {
    stop: CancellationToken,
    tasks: Mutex<JoinSet<&'static str>>,
}

impl Lifecycle {
    /// Cancelled when the process shall stop.
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task that runs until the stop token is cancelled.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        if let Ok(mut tasks) = self.tasks.lock() {
            tasks.spawn(async move {
                task.await;
                name
            });
        }
    }

    /// Runs `work` every `period` until told to stop. A failure is logged and the next turn tries again.
    pub fn every<F, E>(
        &self,
        name: &'static str,
        period: Duration,
        mut work: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), E>> + Send,
        E: std::fmt::Display,
    {
        let stop = self.stop_token();
        self.spawn(name, async move {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                if let Err(error) = work().await {
                    tracing::warn!(task = name, %error, "a periodic task failed and will try again");
                }
            }
        });
    }

    /// Resolves with the name of a task that ended although nobody asked it to.
    pub async fn failed_task(&self) -> &'static str {
        loop {
            let ended = self
                .tasks
                .lock()
                .ok()
                .and_then(|mut tasks| tasks.try_join_next());
            match ended {
                Some(Ok(name)) => return name,
                Some(Err(error)) if error.is_panic() => return "a task that panicked",
                Some(Err(_)) | None => tokio::time::sleep(Duration::from_millis(500)).await,
            }
        }
    }

    /// Tells every task to stop and waits for them, at most [`GRACE`].
    pub async fn shut_down(&self) {
        self.stop.cancel();
        let Some(mut tasks) = self
            .tasks
            .lock()
            .ok()
            .map(|mut tasks| std::mem::take(&mut *tasks))
        else {
            return;
        };
        let all = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all).await.is_err() {
            tracing::warn!("some tasks did not stop in time and are ended");
        }
        tasks.abort_all();
    }
}

/// Resolves at SIGTERM or SIGINT.
pub async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => tracing::info!("SIGTERM: stopping"),
        _ = int.recv() => tracing::info!("SIGINT: stopping"),
    }
}
