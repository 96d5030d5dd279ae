//! What can go wrong. No error holds a value of a row or a password of a connection.

use cqrs_es::persist::PersistenceError;

/// The database failed.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// PostgreSQL, or a read on SQLite.
    #[error("the database failed: {0}")]
    Sqlx(#[from] sqlx::Error),
    /// The SQLite writer.
    #[error("the database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A transaction of the SQLite writer.
    #[error("the database committed nothing: {0}")]
    NotCommitted(String),
    /// A migration.
    #[error("a migration failed: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A file of the database.
    #[error("the database file: {0}")]
    Io(#[from] std::io::Error),
    /// A column is not what it should be.
    #[error("the database holds {0}")]
    Decode(&'static str),
    /// A stored event is not one of its aggregate.
    #[error("an event cannot be read: {0}")]
    Event(String),
    /// A segment of the archive is missing or damaged, or there is no store to read it from.
    #[error("the archive of the log: {0}")]
    Archive(String),
    /// The log in the database is not the one any more that this process has followed up to a position: a standby took over
    /// that did not have all of it, or a backup was restored.
    #[error(
        "the database was set back: the log in it is not the one any more that this server has followed up to position {0}"
    )]
    SetBack(u64),
    /// More waits for the SQLite writer than it takes on.
    #[error("too much waits to be written")]
    Busy,
    /// The log or the writer has shut down.
    #[error("the log is closed")]
    Closed,
    /// The URL names no engine.
    #[error("the database URL must begin with sqlite:// or postgres://")]
    UnknownEngine,
}

impl DbError {
    /// Whether the data is at fault (SQLSTATE classes 22 and 23, or a constraint of SQLite) and not the database.
    pub(crate) fn is_of_the_data(&self) -> bool {
        match self {
            Self::Sqlx(sqlx::Error::Database(error)) => error
                .code()
                .is_some_and(|code| code.starts_with("22") || code.starts_with("23")),
            Self::Sqlite(error) => {
                error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
            }
            _ => false,
        }
    }

    /// Whether others held what was wanted (SQLSTATE 40P01, 55P03, or SQLite's busy).
    pub(crate) fn is_contention(&self) -> bool {
        match self {
            Self::Sqlx(sqlx::Error::Database(error)) => {
                matches!(error.code().as_deref(), Some("40P01" | "55P03"))
            }
            Self::Sqlite(error) => {
                error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
            }
            Self::Busy => true,
            _ => false,
        }
    }

    /// What kind of failure it is. What a database says about a row may quote it; this does not.
    pub(crate) fn without_values(&self) -> String {
        match self {
            Self::Sqlx(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                format!("the database refuses it: SQLSTATE {code}")
            }
            Self::Sqlite(error) => {
                let code = error.sqlite_error().map_or(0, |error| error.extended_code);
                format!("the database refuses it: SQLite {code}")
            }
            _ => "the database refuses it".to_owned(),
        }
    }

    /// Whether the connection was lost: broken, or ended by the database (SQLSTATE 57P01 to 57P03).
    pub(crate) fn is_lost_connection(&self) -> bool {
        match self {
            Self::Sqlx(sqlx::Error::Io(_)) => true,
            Self::Sqlx(sqlx::Error::Database(error)) => {
                matches!(error.code().as_deref(), Some("57P01" | "57P02" | "57P03"))
            }
            _ => false,
        }
    }

    /// A row that is not what it should be; `what` names it without its value.
    pub fn decode(what: &'static str) -> Self {
        Self::Decode(what)
    }
}

/// What the cqrs-es persistence crates report about a read.
impl From<PersistenceError> for DbError {
    fn from(error: PersistenceError) -> Self {
        match error {
            PersistenceError::ConnectionError(inner) | PersistenceError::UnknownError(inner) => {
                match inner.downcast::<sqlx::Error>() {
                    Ok(error) => Self::Sqlx(*error),
                    Err(other) => Self::Event(other.to_string()),
                }
            }
            other => Self::Event(other.to_string()),
        }
    }
}

/// Why nothing was appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The stream has another version: somebody else was first.
    #[error("version conflict: expected {expected}, the stream is at {actual}")]
    VersionConflict {
        /// The version that the caller knew.
        expected: u64,
        /// The stream's version.
        actual: u64,
    },
    /// The command's events are in the log already.
    #[error("the command's events are in the log already")]
    DuplicateEvent,
    /// The queue is full: try again later.
    #[error("the append queue is full")]
    QueueFull,
    /// The append itself is not well-formed.
    #[error("the append is invalid: {0}")]
    Invalid(&'static str),
    /// An inline projection cannot take the event.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    /// The database failed. Unless `Database` says otherwise nothing was written.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The connection was lost at the commit and the outcome could not be found out in time.
    #[error("whether the append was committed is not known")]
    OutcomeUnknown,
}

/// A projection cannot take an event.
#[derive(Debug, Clone, thiserror::Error)]
#[error("projection: {0}")]
pub struct ProjectionError(String);

impl ProjectionError {
    /// With the reason.
    pub fn new(reason: String) -> Self {
        Self(reason)
    }
}
