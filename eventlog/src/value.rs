//! Values and rows that both engines share, so that a query is written once.

use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _};

use crate::DbError;

/// A parameter or a column. NULL keeps its type, which PostgreSQL insists on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    /// TEXT.
    Text(Option<String>),
    /// BIGINT (PostgreSQL) or INTEGER (SQLite).
    Int(Option<i64>),
    /// BYTEA (PostgreSQL) or BLOB (SQLite).
    Bytes(Option<Vec<u8>>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(Some(number))
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(Some(number.into()))
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Some(bytes))
    }
}

/// One row of a query, by column index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row(Vec<Value>);

impl Row {
    /// A text that is not NULL.
    ///
    /// # Errors
    /// Another type, NULL, or no such column; likewise below.
    pub fn text(&self, index: usize) -> Result<String, DbError> {
        self.opt_text(index)?
            .ok_or_else(|| DbError::decode("NULL where a text belongs"))
    }

    /// A text or NULL.
    pub fn opt_text(&self, index: usize) -> Result<Option<String>, DbError> {
        match self.0.get(index) {
            Some(Value::Text(text)) => Ok(text.clone()),
            Some(Value::Int(None) | Value::Bytes(None)) => Ok(None),
            _ => Err(DbError::decode("not a text column")),
        }
    }

    /// A number that is not NULL.
    pub fn int(&self, index: usize) -> Result<i64, DbError> {
        self.opt_int(index)?
            .ok_or_else(|| DbError::decode("NULL where a number belongs"))
    }

    /// A number or NULL.
    pub fn opt_int(&self, index: usize) -> Result<Option<i64>, DbError> {
        match self.0.get(index) {
            Some(Value::Int(number)) => Ok(*number),
            Some(Value::Text(None) | Value::Bytes(None)) => Ok(None),
            _ => Err(DbError::decode("not a number column")),
        }
    }

    /// Bytes that are not NULL.
    pub fn bytes(&self, index: usize) -> Result<Vec<u8>, DbError> {
        self.opt_bytes(index)?
            .ok_or_else(|| DbError::decode("NULL where bytes belong"))
    }

    /// Bytes or NULL.
    pub fn opt_bytes(&self, index: usize) -> Result<Option<Vec<u8>>, DbError> {
        match self.0.get(index) {
            Some(Value::Bytes(bytes)) => Ok(bytes.clone()),
            Some(Value::Text(None) | Value::Int(None)) => Ok(None),
            _ => Err(DbError::decode("not a bytes column")),
        }
    }

    /// Every column.
    pub(crate) fn into_values(self) -> Vec<Value> {
        self.0
    }

    /// The first column.
    pub(crate) fn key(&self) -> Option<&Value> {
        self.0.first()
    }

    /// Adds every column, each so that no two rows look alike.
    pub(crate) fn digest(&self, digest: &mut Sha256) {
        for value in &self.0 {
            let (kind, bytes) = match value {
                Value::Text(Some(text)) => (1_u8, text.as_bytes().to_vec()),
                Value::Int(Some(number)) => (2, number.to_be_bytes().to_vec()),
                Value::Bytes(Some(bytes)) => (3, bytes.clone()),
                Value::Text(None) | Value::Int(None) | Value::Bytes(None) => (0, Vec::new()),
            };
            digest.update([kind]);
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        }
    }

    pub(crate) fn from_rusqlite(row: &rusqlite::Row<'_>) -> Result<Self, DbError> {
        use rusqlite::types::Value as Stored;
        let column = |index: usize| -> Result<Value, DbError> {
            Ok(match row.get(index)? {
                Stored::Integer(number) => Value::Int(Some(number)),
                Stored::Blob(bytes) => Value::Bytes(Some(bytes)),
                Stored::Text(text) => Value::Text(Some(text)),
                Stored::Null => Value::Text(None),
                Stored::Real(_) => return Err(DbError::decode("a number with a fraction")),
            })
        };
        (0..row.as_ref().column_count())
            .map(column)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(crate) fn from_sqlite(row: &SqliteRow) -> Result<Self, DbError> {
        let column = |index: usize| -> Result<Value, DbError> {
            let raw = row.try_get_raw(index)?;
            if raw.is_null() {
                return Ok(Value::Text(None));
            }
            Ok(match raw.type_info().name() {
                "INTEGER" => Value::Int(row.try_get(index)?),
                "BLOB" => Value::Bytes(row.try_get(index)?),
                _ => Value::Text(row.try_get(index)?),
            })
        };
        (0..row.columns().len())
            .map(column)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(crate) fn from_postgres(row: &PgRow) -> Result<Self, DbError> {
        let column =
            |(index, column): (usize, &sqlx::postgres::PgColumn)| -> Result<Value, DbError> {
                Ok(match column.type_info().name() {
                    "INT8" => Value::Int(row.try_get(index)?),
                    "INT4" => Value::Int(row.try_get::<Option<i32>, _>(index)?.map(i64::from)),
                    "BYTEA" => Value::Bytes(row.try_get(index)?),
                    _ => Value::Text(row.try_get(index)?),
                })
            };
        row.columns()
            .iter()
            .enumerate()
            .map(column)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        match self {
            Self::Text(text) => text.to_sql(),
            Self::Int(number) => number.to_sql(),
            Self::Bytes(bytes) => bytes.to_sql(),
        }
    }
}
