//! A projection that writes to tables beside its own, with a checkpoint of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::checkpoint::BESIDE;
use crate::{Change, Projection, ProjectionError, RecordedEvent, Table};

/// What the tables are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// They take the place of the live ones.
    Rebuild,
    /// They are compared with the live ones and dropped.
    Verify,
}

impl Purpose {
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuild",
            Self::Verify => "verify",
        }
    }
}

/// The projection's names beside its own.
#[derive(Debug, Clone, Copy)]
struct Names {
    name: &'static str,
    tables: &'static [&'static Table],
}

#[derive(Debug)]
pub(super) struct Beside {
    projection: Arc<dyn Projection>,
    names: Names,
    pub(super) purpose: Purpose,
}

impl Beside {
    pub(super) fn new(projection: Arc<dyn Projection>, purpose: Purpose) -> Self {
        let names = names(projection.as_ref(), purpose);
        Self {
            projection,
            names,
            purpose,
        }
    }

    /// Each table of the projection, and the one beside it.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&'static Table, &'static Table)> {
        let live = self.projection.tables().iter().copied();
        live.zip(self.names.tables.iter().copied())
    }

    fn move_over(&self, change: &mut Change) {
        let (Change::Upsert { table, .. }
        | Change::Update { table, .. }
        | Change::Delete { table, .. }
        | Change::DeleteWhere { table, .. }) = change;
        if let Some((_, beside)) = self.pairs().find(|(live, _)| live == table) {
            *table = beside;
        }
    }
}

impl Projection for Beside {
    fn name(&self) -> &'static str {
        self.names.name
    }

    fn tables(&self) -> &'static [&'static Table] {
        self.names.tables
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        let first = changes.len();
        self.projection.project(event, changes)?;
        for change in changes.iter_mut().skip(first) {
            self.move_over(change);
        }
        Ok(())
    }
}

/// A name that no projection has.
pub(super) fn beside(name: &str, suffix: &str) -> String {
    format!("{name}{BESIDE}{suffix}")
}

/// Changes name their tables for as long as the process lives. So the names are made once for each projection and
/// purpose, and kept.
fn names(projection: &dyn Projection, purpose: Purpose) -> Names {
    static KEPT: Mutex<BTreeMap<(&'static str, Purpose), Names>> = Mutex::new(BTreeMap::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (projection.name(), purpose);
    *kept.entry(key).or_insert_with(|| {
        let keep = |name: &str| -> &'static str { beside(name, purpose.suffix()).leak() };
        let table = |table: &&'static Table| -> &'static Table {
            Box::leak(Box::new(Table {
                name: keep(table.name),
                columns: table.columns,
            }))
        };
        let tables: Vec<&'static Table> = projection.tables().iter().map(table).collect();
        Names {
            name: keep(projection.name()),
            tables: tables.leak(),
        }
    })
}
