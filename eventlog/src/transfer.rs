//! Filling an empty database: from another one, table by table, or from exported lines. Each in one transaction: a
//! database that was not filled to its end is still empty.

mod copy;
mod import;
mod source;
mod table;
mod target;

pub use copy::Copied;
pub use import::{Expected, ImportError, Imported};

use crate::{Database, DbError};

/// Why a database was not filled. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// One of the databases failed.
    #[error(transparent)]
    Database(#[from] DbError),
    /// There is something in the target.
    #[error("the target is not empty: the table {0} has rows")]
    NotEmpty(String),
    /// The databases do not have the same tables.
    #[error("the table {0} is not the same in both databases: migrate both with the same version")]
    Differs(String),
    /// A rebuild or a comparison would be in the way.
    #[error("the read model {0} is being rebuilt or compared: try again when that has ended")]
    BeingRebuilt(String),
    /// A type of a column that is not known.
    #[error("the table {0} has a column of a type that cannot be copied")]
    UnknownType(String),
}

impl Database {
    /// The names of all tables of the schema but the migrations' own, in order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn table_names(&self) -> Result<Vec<String>, DbError> {
        table::names(self).await
    }

    /// Reads every line of the log, from wherever it is, and gives the size and the root of the tree that they make.
    ///
    /// # Errors
    /// The database or the archive failed, or a position is missing.
    pub async fn recompute_root(&self) -> Result<(u64, crate::Hash), DbError> {
        const STEP: usize = 1000;
        let mut tree = crate::Frontier::default();
        loop {
            let events = crate::repository::read_all(self, tree.size(), STEP).await?;
            if events.is_empty() {
                return Ok((tree.size(), tree.root()));
            }
            for event in events {
                if event.position != tree.size() + 1 {
                    return Err(DbError::decode("a log with a gap"));
                }
                tree.push(crate::leaf_hash(&crate::cloud_event_line(&event)));
            }
        }
    }

    /// The size and the root of the tree, as the head tells them.
    ///
    /// # Errors
    /// The database failed.
    pub async fn head_and_root(&self) -> Result<(u64, crate::Hash), DbError> {
        let rows = self
            .query("SELECT position, root FROM log_head", &[])
            .await?;
        let row = rows.first().ok_or_else(|| DbError::decode("no head"))?;
        let root = row.bytes(1)?.try_into();
        Ok((
            u64::try_from(row.int(0)?).map_err(|_| DbError::decode("a negative position"))?,
            root.map_err(|_| DbError::decode("a root that is none"))?,
        ))
    }
}
