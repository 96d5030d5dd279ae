//! Going on with a rebuild that was killed. Its tables and its checkpoint commit together, so it is known exactly what is
//! in them; the fingerprint says that the same code and the same form of the tables would go on.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use super::beside::Beside;
use super::schema::{describe, exists};
use crate::{Database, DbError, Hash, Projection};

/// How long what a killed rebuild has left is kept for the next one.
pub(super) const KEPT: TimeDelta = TimeDelta::days(1);

/// By what a rebuild knows what it would have begun itself.
#[derive(Debug)]
pub(super) struct Origin {
    pub fingerprint: String,
    pub begun_at: DateTime<Utc>,
}

impl Origin {
    /// Of a rebuild by `code`, of which two of the same digest make the same rows.
    pub(super) async fn new(
        database: &Database,
        projection: &dyn Projection,
        code: &Hash,
        begun_at: DateTime<Utc>,
    ) -> Result<Self, DbError> {
        let mut digest = Sha256::new_with_prefix(code);
        for table in projection.tables() {
            for line in describe(database, table).await? {
                digest.update((line.len() as u64).to_be_bytes());
                digest.update(line);
            }
        }
        let digest = digest.finalize();
        let digits = digest.iter().map(|byte| format!("{byte:02x}"));
        Ok(Self {
            fingerprint: digits.collect(),
            begun_at,
        })
    }

    /// The position up to which `tables` are filled, if a rebuild like this one has begun them, after `since`, and met no
    /// event that it could not take.
    pub(super) async fn left(
        &self,
        database: &Database,
        tables: &Beside,
        since: DateTime<Utc>,
    ) -> Result<Option<u64>, DbError> {
        const SQL: &str = "SELECT position FROM tails WHERE name = $1 AND fingerprint = $2 AND begun_at >= $3 \
                           AND failed_position IS NULL";
        let params = [
            tables.name().into(),
            self.fingerprint.as_str().into(),
            since.timestamp_micros().into(),
        ];
        let rows = database.query(SQL, &params).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        for (_, copy) in tables.pairs() {
            if !exists(database, copy.name).await? {
                return Ok(None);
            }
        }
        let position = u64::try_from(row.int(0)?);
        position
            .map(Some)
            .map_err(|_| DbError::decode("a negative position"))
    }

    /// It is kept for another while from now on.
    pub(super) async fn renew(&self, database: &Database, tables: &Beside) -> Result<(), DbError> {
        const SQL: &str = "UPDATE tails SET begun_at = $1 WHERE name = $2";
        let params = vec![
            self.begun_at.timestamp_micros().into(),
            tables.name().into(),
        ];
        let statement = (SQL.to_owned(), params);
        database.execute(vec![statement]).await.map(drop)
    }
}
