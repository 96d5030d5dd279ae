//! `Idempotency-Key`: the same key and request within 24 hours gives the same answer and writes nothing again.
//!
//! A record is claimed before the work and completed after it. A claim is given back only when it is certain that nothing
//! was written; whoever dies with one leaves it, and the key is no good then, since nobody can tell what became of the work.
//! Requests are recognised by a keyed hash, never kept; answers are sealed. An answer that holds a token is not kept at all.

use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError, Row};
use serde::{Deserialize, Serialize};

use crate::keyring::{Vault, VaultError};
use crate::ports::clock::micros;

/// How long an answer is kept.
const KEEP: TimeDelta = TimeDelta::hours(24);
/// Nobody works on a request for longer than this.
const WORKED_ON: TimeDelta = TimeDelta::minutes(15);

/// An answer, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers that matter.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// What a key stands for at the moment.
#[derive(Debug)]
pub enum Claim {
    /// It is ours: do the work, then [`Idempotency::complete`] or [`Idempotency::forget`], or leave it.
    New(Record),
    /// The work was done; this was the answer.
    Done(Answer),
    /// The work was done; its answer held a token and was not kept.
    NotKept,
    /// Another request is at it.
    InProgress,
    /// Another request was at it, and what became of that is not known.
    Unknown,
    /// The key was used for another request.
    OtherRequest,
}

/// A claimed record.
#[derive(Debug, Clone)]
pub struct Record(String);

/// The table.
#[derive(Debug, Clone)]
pub struct Idempotency {
    database: Database,
    vault: Vault,
}

impl Idempotency {
    /// The table in `database`.
    pub fn new(database: Database, vault: Vault) -> Self {
        Self { database, vault }
    }

    /// Claims `key` for `request`, both of one caller on one route.
    ///
    /// # Errors
    /// The database failed.
    pub async fn claim(
        &self,
        scope: &[&[u8]],
        request: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Claim, VaultError> {
        const INSERT: &str = "INSERT INTO idempotency_records \
             (record_id, request_mac, state, status, created_at) VALUES ($1, $2, 'claimed', 0, $3) \
             ON CONFLICT (record_id) DO UPDATE SET request_mac = excluded.request_mac, state = 'claimed', \
             status = 0, sealed_response = NULL, created_at = excluded.created_at \
             WHERE idempotency_records.created_at < $4";
        let record = self.vault.keyring().request_mac(scope);
        let mac = self.vault.keyring().request_mac(&[request]);
        let row = vec![
            record.as_str().into(),
            mac.as_str().into(),
            micros(now).into(),
            micros(now - KEEP).into(),
        ];
        let changed = self
            .database
            .execute(vec![(INSERT.to_owned(), row)])
            .await?;
        if changed.first() == Some(&1) {
            return Ok(Claim::New(Record(record)));
        }
        self.existing(record, &mac, now).await
    }

    async fn existing(
        &self,
        record: String,
        mac: &str,
        now: DateTime<Utc>,
    ) -> Result<Claim, VaultError> {
        const SELECT: &str = "SELECT request_mac, state, sealed_response, created_at \
                              FROM idempotency_records WHERE record_id = $1";
        let rows = self
            .database
            .query(SELECT, &[record.as_str().into()])
            .await?;
        // The record was given up between the two statements: the client may try again at once.
        let Some(row) = rows.first() else {
            return Ok(Claim::InProgress);
        };
        if row.text(0)? != mac {
            return Ok(Claim::OtherRequest);
        }
        match row.text(1)?.as_str() {
            "claimed" if row.int(3)? < micros(now - WORKED_ON) => Ok(Claim::Unknown),
            "claimed" => Ok(Claim::InProgress),
            "done" => self.answer(&record, row).map(Claim::Done),
            _ => Ok(Claim::NotKept),
        }
    }

    fn answer(&self, record: &str, row: &Row) -> Result<Answer, VaultError> {
        let sealed = row.bytes(2)?;
        let open = self.vault.open_answer(record, &sealed)?;
        serde_json::from_slice(&open).map_err(|_| DbError::decode("a stored answer").into())
    }

    /// The work is done; `None` when the answer holds a token.
    ///
    /// # Errors
    /// The database failed. The work is done all the same.
    pub async fn complete(
        &self,
        record: &Record,
        answer: Option<&Answer>,
    ) -> Result<(), VaultError> {
        const SQL: &str = "UPDATE idempotency_records SET state = $1, status = $2, sealed_response = $3 \
                           WHERE record_id = $4";
        let (state, status, sealed) = match answer {
            Some(answer) => {
                let text = serde_json::to_vec(answer).unwrap_or_default();
                (
                    "done",
                    answer.status,
                    Some(self.vault.seal_answer(&record.0, &text)?),
                )
            }
            None => ("not_kept", 0, None),
        };
        let row = vec![
            state.into(),
            i64::from(status).into(),
            eventlog::Value::Bytes(sealed),
            record.0.as_str().into(),
        ];
        self.database.execute(vec![(SQL.to_owned(), row)]).await?;
        Ok(())
    }

    /// Nothing was done, or all of it undone: the key is free again.
    ///
    /// # Errors
    /// The database failed; the claim stays then.
    pub async fn forget(&self, record: &Record) -> Result<(), VaultError> {
        const SQL: &str = "DELETE FROM idempotency_records WHERE record_id = $1";
        self.database
            .execute(vec![(SQL.to_owned(), vec![record.0.as_str().into()])])
            .await?;
        Ok(())
    }

    /// Removes records past their time.
    ///
    /// # Errors
    /// The database failed.
    pub async fn sweep(&self, now: DateTime<Utc>) -> Result<(), DbError> {
        const SQL: &str = "DELETE FROM idempotency_records WHERE created_at < $1";
        self.database
            .execute(vec![(SQL.to_owned(), vec![micros(now - KEEP).into()])])
            .await
            .map(|_| ())
    }
}
