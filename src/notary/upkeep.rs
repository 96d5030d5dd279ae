//! The notary's task: signs the log when it has grown, about once a second, and keeps the files up.

use std::sync::Arc;
use std::time::Duration;

use super::files::TileFiles;
use super::witness::{Witness, WitnessError};
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
    witness: Option<Witness>,
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
        witness: app.config.log.witness.clone().map(Witness::new),
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
        let told = self.app.notary.failure.send_replace(failure.clone());
        // The same failure is said once.
        if let Some(error) = failure.as_ref().filter(|_| failure != told) {
            tracing::error!(
                error,
                "the log's checkpoint or its files are not up to date"
            );
        }
        metrics::gauge!("gatelog_log_notary_failing").set(f64::from(u8::from(failure.is_some())));
    }

    /// Files are written whatever the witness says.
    async fn try_turn(&mut self) -> Result<(), WitnessError> {
        let notary = &self.app.notary;
        let signed = match notary.keep_up(&self.app.log).await {
            Err(NotaryError::Refused(seen)) => {
                self.ask_again().await?;
                return Err(NotaryError::Refused(seen).into());
            }
            other => other?,
        };
        let cosigned = self.cosign(&signed).await;
        let published = self.app.notary.cosigned();
        let published = published.filter(|_| cosigned.is_ok()).unwrap_or(signed);
        self.write_files(&published).await?;
        cosigned
    }

    /// A witness that signs again what was signed last lets the log go on.
    async fn ask_again(&mut self) -> Result<(), WitnessError> {
        match self.app.notary.latest() {
            Some(signed) => self.cosign(&signed).await,
            None => Ok(()),
        }
    }

    async fn cosign(&mut self, signed: &Signed) -> Result<(), WitnessError> {
        let notary = &self.app.notary;
        let is_new = |last: &Arc<Signed>| last.checkpoint != signed.checkpoint;
        if signed.checkpoint.tree.size == 0 || !notary.cosigned().as_ref().is_none_or(is_new) {
            return Ok(());
        }
        if let Some(witness) = &mut self.witness {
            let cosigned = match witness.cosign(notary.tree(), signed).await {
                Err(error) => {
                    self.refused(&error).await?;
                    return Err(error);
                }
                Ok(cosigned) => cosigned,
            };
            notary.accepted(signed.checkpoint.tree.size).await?;
            notary.keep_cosigned(cosigned);
        }
        Ok(())
    }

    /// Whether what the witness has seen can be this log at all. On several nodes it may only have been shown more.
    async fn refused(&self, error: &WitnessError) -> Result<(), NotaryError> {
        let notary = &self.app.notary;
        let seen = match error {
            WitnessError::Forked(seen) => *seen,
            WitnessError::Ahead(seen) if notary.tree().head().await?.size < *seen => *seen,
            _ => return Ok(()),
        };
        notary.refuse(seen).await
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
