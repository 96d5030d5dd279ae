//! Projections: pure functions from an event to changes of tables.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::{ProjectionError, RecordedEvent, Value};

/// A read model's table. The first column is the primary key.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Its columns.
    pub columns: &'static [Column],
}

/// A column.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
}

/// The types that both engines have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A 64-bit number.
    Int,
    /// Bytes.
    Bytes,
}

/// One change of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The whole row, new or in the place of the old one.
    Upsert {
        /// The table.
        table: &'static Table,
        /// A value for each column.
        row: Vec<Value>,
    },
    /// Some columns of the row, if there is one.
    Update {
        /// The table.
        table: &'static Table,
        /// The primary key.
        key: Value,
        /// Column indexes and their new values.
        set: Vec<(usize, Value)>,
    },
    /// The row goes.
    Delete {
        /// The table.
        table: &'static Table,
        /// The primary key.
        key: Value,
    },
    /// Every row that has this value in this column, which needs an index. Rows of such a table are upserted and
    /// deleted, never updated: where a row stands then follows from its last change alone.
    DeleteWhere {
        /// The table.
        table: &'static Table,
        /// The column's index.
        column: usize,
        /// The value.
        value: Value,
    },
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Table {}

/// A read model: how events change its tables.
pub trait Projection: Send + Sync + std::fmt::Debug + 'static {
    /// Its name, also that of its checkpoint.
    fn name(&self) -> &'static str;

    /// Every table that it writes.
    fn tables(&self) -> &'static [&'static Table];

    /// Columns of its tables that do not come from events. They are not compared with the log.
    fn not_from_events(&self) -> &'static [&'static str] {
        &[]
    }

    /// The changes that an event makes. Pure. Events come in their newest version.
    ///
    /// # Errors
    /// The event cannot be understood: the projection stops there rather than skip it.
    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError>;
}

/// Folds changes to at most one for each row, so that one statement for a whole batch touches no row twice. Deletions by
/// a column's value come first and spare the rows that other changes name: those say for themselves what is left.
pub fn fold(changes: Vec<Change>) -> Vec<Change> {
    let mut places: HashMap<(&'static str, Value), usize> = HashMap::new();
    let mut wide: Vec<Change> = Vec::new();
    let mut folded: Vec<Change> = Vec::with_capacity(changes.len());
    for change in changes {
        if matches!(change, Change::DeleteWhere { .. }) {
            empty(&mut folded, &change);
            if !wide.contains(&change) {
                wide.push(change);
            }
            continue;
        }
        let Some(place) = place(&change) else {
            continue;
        };
        match places.entry(place) {
            Entry::Vacant(vacant) => {
                vacant.insert(folded.len());
                folded.push(change);
            }
            Entry::Occupied(occupied) => {
                if let Some(earlier) = folded.get_mut(*occupied.get()) {
                    merge(earlier, change);
                }
            }
        }
    }
    wide.append(&mut folded);
    wide
}

/// Rows that came before a deletion by their column's value go with it.
fn empty(folded: &mut [Change], wide: &Change) {
    let Change::DeleteWhere {
        table: of,
        column,
        value,
    } = wide
    else {
        return;
    };
    for change in folded {
        if let Change::Upsert { table, row } = change
            && table == of
            && row.get(*column) == Some(value)
            && let Some(key) = row.first().cloned()
        {
            *change = Change::Delete { table, key };
        }
    }
}

/// The row that a change names.
pub(crate) fn place(change: &Change) -> Option<(&'static str, Value)> {
    match change {
        Change::Upsert { table, row } => row.first().map(|key| (table.name, key.clone())),
        Change::Update { table, key, .. } | Change::Delete { table, key } => {
            Some((table.name, key.clone()))
        }
        Change::DeleteWhere { .. } => None,
    }
}

fn merge(earlier: &mut Change, later: Change) {
    match (earlier, later) {
        (Change::Upsert { row, .. }, Change::Update { set, .. }) => {
            for (index, value) in set {
                if let Some(column) = row.get_mut(index) {
                    *column = value;
                }
            }
        }
        (Change::Update { set: before, .. }, Change::Update { set, .. }) => {
            before.retain(|(index, _)| !set.iter().any(|(later, _)| later == index));
            before.extend(set);
            before.sort_by_key(|(index, _)| *index);
        }
        // Nothing is there to update.
        (Change::Delete { .. }, Change::Update { .. }) => {}
        (earlier, later) => *earlier = later,
    }
}
