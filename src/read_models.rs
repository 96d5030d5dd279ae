//! The read models that follow the log: their tails, and waiting for them.

use std::sync::Arc;
use std::time::Duration;

use eventlog::{Database, DbError, Log, Projection, ProjectionTail};

use tokio::sync::watch;

use crate::lifecycle::Lifecycle;

/// One tail for each projection that is not inline.
#[derive(Debug)]
pub struct ReadModels {
    tails: Vec<Arc<ProjectionTail>>,
}

impl ReadModels {
    /// Tails at their checkpoints; they do not run yet.
    ///
    /// # Errors
    /// The database failed.
    pub async fn new(
        database: &Database,
        log: &Log,
        projections: Vec<Arc<dyn Projection>>,
    ) -> Result<Self, DbError> {
        let mut tails = Vec::with_capacity(projections.len());
        for projection in projections {
            tails.push(Arc::new(
                ProjectionTail::new(database.clone(), log.clone(), projection).await?,
            ));
        }
        Ok(Self { tails })
    }

    /// Runs every tail.
    pub fn start(&self, lifecycle: &Lifecycle) {
        for tail in &self.tails {
            let tail = Arc::clone(tail);
            let stop = lifecycle.stop_token();
            lifecycle.spawn("read model tail", async move { tail.run(stop).await });
        }
    }

    /// Whether every model reaches `position` within `patience`.
    pub async fn wait_for(&self, position: u64, patience: Duration) -> bool {
        let all = futures::future::join_all(self.tails.iter().map(|tail| tail.wait_for(position)));
        tokio::time::timeout(patience, all).await.is_ok()
    }

    /// Whether, within `patience`, each of these models reaches `asked`, and `written` as well unless it is paused or parked.
    pub async fn wait_for_these(
        &self,
        models: &[&str],
        asked: u64,
        written: u64,
        patience: Duration,
    ) -> bool {
        let tails = self.tails.iter();
        let wanted = tails.filter(|tail| models.contains(&tail.name()));
        let all = futures::future::join_all(wanted.map(|tail| async move {
            tail.wait_for(asked).await;
            tail.wait_for_unless_held(written).await;
        }));
        tokio::time::timeout(patience, all).await.is_ok()
    }

    /// The position of one model, as it moves.
    pub fn watch(&self, name: &str) -> Option<watch::Receiver<u64>> {
        self.tails
            .iter()
            .find(|tail| tail.name() == name)
            .map(|tail| tail.watch())
    }

    /// Name and position of each model, as it moves.
    pub fn watches(&self) -> impl Iterator<Item = (&'static str, watch::Receiver<u64>)> {
        self.tails.iter().map(|tail| (tail.name(), tail.watch()))
    }
}
