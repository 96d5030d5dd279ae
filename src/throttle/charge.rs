//! What becomes of an attempt.

use aggregates::values::EmailClaimId;
use eventlog::{Database, DbError};
use tokio_util::task::TaskTracker;

use super::gates::Gate;
use super::in_flight::Reservation;
use super::{Admitted, Stands, Trial, failures, table};
use crate::app::App;
use crate::ports::clock;

/// An attempt that is counted: the password may be looked at, once.
#[derive(Debug)]
#[must_use = "what became of the attempt must be told"]
pub struct Charge {
    trial: Trial,
    gates: Vec<Gate>,
    stands: Stands,
    /// Where it is counted in memory.
    undecided: Option<Undecided>,
}

/// An attempt that is counted in memory. When nobody tells what became of it, because who asked has gone, it has failed.
#[derive(Debug)]
struct Undecided(Option<(Failure, TaskTracker)>);

/// What has to be written if the attempt fails.
#[derive(Debug)]
struct Failure {
    database: Database,
    gates: Vec<Gate>,
    claim: Option<EmailClaimId>,
    max_delay_seconds: i64,
    reservation: Reservation,
}

impl Failure {
    async fn write(self) -> Result<(), DbError> {
        let now = clock::now();
        let mut statements = table::charging(&self.gates, self.max_delay_seconds, now);
        statements.extend(self.claim.map(|claim| failures::counting(claim, now)));
        let written = self.database.execute(statements).await;
        drop(self.reservation);
        written.map(|_| ())
    }
}

impl Undecided {
    async fn failed(mut self) -> Result<(), DbError> {
        let Some((failure, finishing)) = self.0.take() else {
            return Ok(());
        };
        // It is written whether somebody waits for it or not.
        let written = finishing.spawn(failure.write()).await;
        written.map_err(|_| DbError::Closed)?
    }

    fn forget(mut self) {
        self.0 = None;
    }
}

impl Drop for Undecided {
    fn drop(&mut self) {
        if let Some((failure, finishing)) = self.0.take() {
            finishing.spawn(async move {
                if let Err(error) = failure.write().await {
                    tracing::warn!(%error, "an attempt that was broken off was not counted");
                }
            });
        }
    }
}

impl Charge {
    /// Of an attempt that is charged in the table.
    pub(super) fn in_table(admitted: Admitted) -> Self {
        Self {
            trial: admitted.trial,
            gates: admitted.gates,
            stands: admitted.stands,
            undecided: None,
        }
    }

    /// Of an attempt that is counted by its reservation.
    pub(super) fn in_memory(app: &App, admitted: Admitted, reservation: Reservation) -> Self {
        let failure = Failure {
            database: app.database.clone(),
            gates: admitted.gates.clone(),
            claim: admitted.trial.claim(),
            max_delay_seconds: app.config.throttles.max_delay_seconds,
            reservation,
        };
        Self {
            undecided: Some(Undecided(Some((failure, app.finishing.clone())))),
            ..Self::in_table(admitted)
        }
    }

    /// The password was right: what the account had against it is forgotten.
    ///
    /// # Errors
    /// The database failed.
    pub async fn succeeded(mut self, app: &App) -> Result<(), DbError> {
        let Some(undecided) = self.undecided.take() else {
            let has_failures = self.stands.at_account;
            return table::forgive(&app.database, &self.trial, &self.gates, has_failures).await;
        };
        undecided.forget();
        if !self.stands.at_gates && !self.stands.at_account {
            return Ok(());
        }
        // Of a network nothing is taken back: it was not charged.
        self.gates.retain(|gate| !gate.account.is_empty());
        table::forgive(
            &app.database,
            &self.trial,
            &self.gates,
            self.stands.at_account,
        )
        .await
    }

    /// The password was wrong. Takes as long whether there is such an account or not.
    ///
    /// # Errors
    /// The database failed.
    pub async fn failed(self, app: &App) -> Result<(), DbError> {
        if let Some(undecided) = self.undecided {
            return undecided.failed().await;
        }
        let Some(claim) = self.trial.claim() else {
            return Ok(());
        };
        let count = failures::counting(claim, clock::now());
        app.database.execute(vec![count]).await.map(|_| ())
    }

    /// The password was not looked at.
    ///
    /// # Errors
    /// The database failed.
    pub async fn give_back(self, app: &App) -> Result<(), DbError> {
        if let Some(undecided) = self.undecided {
            undecided.forget();
            return Ok(());
        }
        table::give_back(&app.database, &self.gates).await
    }
}
