//! Pages of a list: newest first, by (created, id), so that a page never skips or repeats a row.

use eventlog::Value;

/// Where a page ends: the sort key of its last row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Microseconds since the epoch, UTC.
    pub created_at: i64,
    /// The row's identifier.
    pub id: String,
}

impl Cursor {
    /// A cursor before the newest row.
    pub fn start() -> Self {
        Self {
            created_at: i64::MAX,
            id: String::new(),
        }
    }

    pub(crate) fn values(&self) -> [Value; 2] {
        [self.created_at.into(), self.id.as_str().into()]
    }
}

/// Rows of a list and, when there are more, where they go on.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// At most as many rows as asked for.
    pub items: Vec<T>,
    /// `None` on the last page.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// From `limit + 1` rows.
    pub(crate) fn from_rows(mut rows: Vec<T>, limit: usize, cursor: impl Fn(&T) -> Cursor) -> Self {
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| has_more).map(cursor);
        Self { items: rows, next }
    }
}

/// One row more than asked for tells whether there is a next page.
pub(crate) fn probe_limit(limit: usize) -> Value {
    i64::try_from(limit)
        .unwrap_or(i64::MAX)
        .saturating_add(1)
        .into()
}
