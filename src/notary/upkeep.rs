//! The notary's task: signs the log when it has grown, about once a second, and keeps the files up.

use std::sync::Arc;
use std::time::Duration;

use super::files::TileFiles;
use super::{NotaryError, Signed};
use crate::app::App;
use crate::lifecycle::Lifecycle;

/// How often.
const TURN: Duration = Duration::from_secs(1);
/// Tiles that are looked at in one turn after a start.
const CHECKS: usize = 64;

struct Upkeep {
    app: Arc<App>,
    files: Option<TileFiles>,
    /// What the last turn failed with: it is said once.
    failure: Option<String>,
}

/// Starts it.
pub fn start(app: &Arc<App>, lifecycle: &Lifecycle) {
    let files = app.config.log.tiles_dir.clone();
    let files = files.map(|folder| {
        let tree = app.notary.tree().clone();
        TileFiles::new(folder, app.log.clone(), tree)
    });
    let mut upkeep = Upkeep {
        app: Arc::clone(app),
        files,
        failure: None,
    };
    let stop = lifecycle.stop_token();
    lifecycle.spawn("log notary", async move {
        let mut ticks = tokio::time::interval(TURN);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            upkeep.turn().await;
        }
    });
}

impl Upkeep {
    async fn turn(&mut self) {
        let failure = self.try_turn().await.err().map(|error| error.to_string());
        if let Some(error) = failure.as_ref().filter(|_| failure != self.failure) {
            tracing::error!(
                error,
                "the log's checkpoint or its files are not up to date"
            );
        }
        metrics::gauge!("gatelog_log_notary_failing").set(f64::from(u8::from(failure.is_some())));
        self.failure = failure;
    }

    async fn try_turn(&mut self) -> Result<(), NotaryError> {
        let signed = self.app.notary.keep_up(&self.app.log).await?;
        self.write_files(&signed).await
    }

    async fn write_files(&mut self, signed: &Signed) -> Result<(), NotaryError> {
        let Some(files) = &mut self.files else {
            return Ok(());
        };
        files.publish(signed).await?;
        for _ in 0..CHECKS {
            if !files.check_next().await? {
                break;
            }
        }
        Ok(())
    }
}
