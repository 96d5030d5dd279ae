//! What the tests of the log share: both engines, a stream of small events, and the history checker.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eventlog::testing::TestPostgres;
use eventlog::{
    Append, Change, Column, Database, Kind, Log, LogOptions, Metadata, NewEvent, Projection,
    ProjectionError, RecordedEvent, Table, Value,
};
use tokio::sync::watch;
use uuid::Uuid;

/// Both engines.
pub const ENGINES: [&str; 2] = ["sqlite", "postgres"];

/// An empty, migrated database of an engine; the folder keeps SQLite's file.
pub async fn database(engine: &str) -> (Database, String, Option<tempfile::TempDir>) {
    let (url, folder) = match engine {
        "sqlite" => {
            let folder = tempfile::tempdir().unwrap();
            (
                format!("sqlite://{}", folder.path().join("log.db").display()),
                Some(folder),
            )
        }
        _ => (
            TestPostgres::shared()
                .unwrap()
                .fresh_database()
                .await
                .unwrap(),
            None,
        ),
    };
    let database = Database::open(&url).await.unwrap();
    database.migrate().await.unwrap();
    let tables = [Counts::CREATE, Counts::CREATE_TAIL].map(|sql| (sql.to_owned(), Vec::new()));
    database.execute(tables.to_vec()).await.unwrap();
    (database, url, folder)
}

/// A log with the inline projection [`Counts`].
pub async fn open(database: &Database) -> Log {
    Log::open(
        database.clone(),
        vec![Arc::new(Counts::INLINE)],
        LogOptions::default(),
    )
    .await
    .unwrap()
}

/// An append of `count` events.
pub fn append(stream: &str, expected_version: u64, count: usize) -> Append {
    Append {
        aggregate_type: "thing".to_owned(),
        aggregate_id: stream.to_owned(),
        expected_version,
        command_id: Uuid::now_v7(),
        events: (0..count)
            .map(|n| event(&format!("{{\"n\":{n}}}")))
            .collect(),
        metadata: Metadata {
            actor: Some("tester".to_owned()),
            request_id: None,
        },
    }
}

/// An event with this data.
pub fn event(data: &str) -> NewEvent {
    NewEvent {
        event_type: "Happened".to_owned(),
        event_version: "1.0".to_owned(),
        payload: format!("{{\"Happened\":{data}}}"),
    }
}

/// Everything in the log.
pub async fn everything(log: &Log) -> Vec<RecordedEvent> {
    let mut all: Vec<RecordedEvent> = Vec::new();
    loop {
        let next = log
            .read_all(all.last().map_or(0, |event| event.position), 700)
            .await
            .unwrap();
        if next.is_empty() {
            return all;
        }
        all.extend(next);
    }
}

/// A projection that counts a stream's events and keeps the last position: every kind of change happens.
#[derive(Debug)]
pub struct Counts {
    name: &'static str,
    tables: &'static [&'static Table],
}

const COLUMNS: &[Column] = &[
    Column {
        name: "stream",
        kind: Kind::Text,
    },
    Column {
        name: "events",
        kind: Kind::Int,
    },
    Column {
        name: "last_position",
        kind: Kind::Int,
    },
    Column {
        name: "last_hash",
        kind: Kind::Bytes,
    },
];
static INLINE_TABLES: &[&Table] = &[&INLINE_TABLE];
static INLINE_TABLE: Table = Table {
    name: "counts_inline",
    columns: COLUMNS,
};
static TAIL_TABLES: &[&Table] = &[&TAIL_TABLE];
static TAIL_TABLE: Table = Table {
    name: "counts_tail",
    columns: COLUMNS,
};

impl Counts {
    /// In the append's own transaction.
    pub const INLINE: Self = Self {
        name: "counts_inline",
        tables: INLINE_TABLES,
    };
    /// Behind a checkpoint.
    pub const TAIL: Self = Self {
        name: "counts_tail",
        tables: TAIL_TABLES,
    };
    const CREATE: &str = "CREATE TABLE counts_inline (stream TEXT PRIMARY KEY, events BIGINT, last_position BIGINT, last_hash BYTEA)";
    const CREATE_TAIL: &str = "CREATE TABLE counts_tail (stream TEXT PRIMARY KEY, events BIGINT, last_position BIGINT, last_hash BYTEA)";

    /// The table's content.
    pub async fn rows(&self, database: &Database) -> Vec<(String, i64, i64)> {
        let sql = format!(
            "SELECT stream, events, last_position FROM {} ORDER BY stream",
            self.name
        );
        let rows = database.query(&sql, &[]).await.unwrap();
        rows.iter()
            .map(|row| {
                (
                    row.text(0).unwrap(),
                    row.int(1).unwrap(),
                    row.int(2).unwrap(),
                )
            })
            .collect()
    }
}

impl Projection for Counts {
    fn name(&self) -> &'static str {
        self.name
    }

    fn tables(&self) -> &'static [&'static Table] {
        self.tables
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        let table = self.tables[0];
        let key: Value = event.aggregate_id.as_str().into();
        if event.payload.contains("poison") {
            return Err(ProjectionError::new("poison".to_owned()));
        }
        changes.push(if event.payload.contains("forget") {
            Change::Delete { table, key }
        } else if event.sequence == 1 || event.payload.contains("anew") {
            let hash = Value::Bytes(Some(event.leaf_hash.to_vec()));
            Change::Upsert {
                table,
                row: vec![key, event.sequence.into(), event.position.into(), hash],
            }
        } else {
            Change::Update {
                table,
                key,
                set: vec![(1, event.sequence.into()), (2, event.position.into())],
            }
        });
        Ok(())
    }
}

/// What the code is known by that rebuilds.
pub const CODE: [u8; 32] = [7; 32];

/// [`Counts::INLINE`], which stands still at an event until it may go on.
#[derive(Debug)]
pub struct Slow {
    at: u64,
    has_reached: watch::Sender<bool>,
    may_go_on: AtomicBool,
    is_over: AtomicBool,
}

impl Slow {
    /// At this position.
    pub fn at(position: u64) -> Self {
        Self {
            at: position,
            has_reached: watch::Sender::new(false),
            may_go_on: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }
    }

    /// Returns when it stands still.
    pub async fn reached(&self) {
        let mut reached = self.has_reached.subscribe();
        reached.wait_for(|reached| *reached).await.unwrap();
    }

    /// Ends whoever uses it, there and then: one that is aborted ends only where it has to wait.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.may_go_on.store(true, Ordering::SeqCst);
    }
}

impl Projection for Slow {
    fn name(&self) -> &'static str {
        Counts::INLINE.name()
    }

    fn tables(&self) -> &'static [&'static Table] {
        Counts::INLINE.tables()
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        if event.position == self.at {
            self.has_reached.send_replace(true);
            while !self.may_go_on.load(Ordering::SeqCst) {
                assert!(!self.is_over.load(Ordering::SeqCst), "ended");
                std::thread::yield_now();
            }
        }
        Counts::INLINE.project(event, changes)
    }
}

/// What a reader saw, in the order in which it saw it: (position, stream, version, event).
pub type Seen = Vec<(u64, String, u64, Uuid)>;

/// What an event is to the checker.
pub fn seen(event: &RecordedEvent) -> (u64, String, u64, Uuid) {
    (
        event.position,
        event.aggregate_id.clone(),
        event.sequence,
        event.event_id,
    )
}

/// The history checker: what is wrong with a history, in words; nothing when it is right.
///
/// Every acknowledged event is seen exactly once by every reader, in one order, without a gap, and each stream has
/// the versions 1 to n.
pub fn check_history(acknowledged: &[Uuid], readers: &[Seen]) -> Vec<String> {
    let mut faults = Vec::new();
    for (n, seen) in readers.iter().enumerate() {
        let mut count: HashMap<Uuid, usize> = HashMap::new();
        for (_, _, _, event) in seen {
            *count.entry(*event).or_default() += 1;
        }
        faults.extend(
            count
                .iter()
                .filter(|(_, times)| **times > 1)
                .map(|(id, times)| format!("reader {n} saw {id} {times} times")),
        );
        faults.extend(
            acknowledged
                .iter()
                .filter(|id| !count.contains_key(id))
                .map(|id| format!("reader {n} never saw {id}")),
        );
        for (index, (position, ..)) in seen.iter().enumerate() {
            if *position != index as u64 + 1 {
                faults.push(format!(
                    "reader {n} is at position {position} after {index} events"
                ));
                break;
            }
        }
        let mut versions: HashMap<&str, u64> = HashMap::new();
        for (_, stream, version, _) in seen {
            let last = versions.entry(stream).or_default();
            if *version != *last + 1 {
                faults.push(format!(
                    "reader {n} saw version {version} of {stream} after {last}"
                ));
            }
            *last = *version;
        }
        if readers.first().is_some_and(|first| first != seen) {
            faults.push(format!("reader {n} saw another order than reader 0"));
        }
    }
    faults
}
