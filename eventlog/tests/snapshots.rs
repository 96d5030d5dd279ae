//! Snapshots: whatever is kept, lost or broken, loading gives what folding the whole stream gives.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and names its own commands"
)]

mod support;

use std::time::Duration;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use eventlog::{CommandContext, Database, Log, LogOptions, Metadata, SNAPSHOT_EVERY, Snapshotted};
use serde::{Deserialize, Serialize};
use support::{ENGINES, database};
use uuid::Uuid;

/// A state that knows the order of its events.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Chain {
    sum: u64,
    is_over: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    Added { number: u64 },
    Ended {},
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("never")]
struct Never;

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        match self {
            Self::Added { .. } => "Added".to_owned(),
            Self::Ended {} => "Ended".to_owned(),
        }
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

impl Aggregate for Chain {
    const TYPE: &'static str = "chain";
    type Command = Vec<Event>;
    type Event = Event;
    type Error = Never;
    type Services = ();

    async fn handle(
        &mut self,
        command: Vec<Event>,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), Never> {
        for event in command {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Added { number } => {
                self.sum = self.sum.wrapping_mul(0x0100_0193).wrapping_add(number);
            }
            Event::Ended {} => self.is_over = true,
        }
    }
}

/// A log with nothing in memory, whose snapshots are of this shape.
async fn open(database: &Database, shape: Option<&'static str>) -> Log {
    let snapshots = shape.map(|shape| Snapshotted {
        aggregate_type: "chain",
        shape,
        last_events: &["Ended"],
    });
    let options = LogOptions {
        aggregate_cache: 0,
        snapshots: snapshots.into_iter().collect(),
        ..LogOptions::default()
    };
    Log::open(database.clone(), Vec::new(), options)
        .await
        .unwrap()
}

async fn execute(log: &Log, id: &str, events: Vec<Event>) {
    let context = CommandContext {
        command_id: Uuid::new_v4(),
        metadata: Metadata::default(),
        creates: false,
    };
    log.execute::<Chain>(id, events, &context).await.unwrap();
}

fn added(numbers: std::ops::Range<u64>) -> Vec<Event> {
    numbers.map(|number| Event::Added { number }).collect()
}

/// The versions that are kept of a stream, once they are these.
async fn kept(database: &Database, id: &str, wanted: &[i64]) {
    const SQL: &str = "SELECT version FROM snapshots WHERE aggregate_id = $1 ORDER BY version";
    let waiting = async {
        loop {
            let rows = database.query(SQL, &[id.into()]).await.unwrap();
            let found: Vec<i64> = rows.iter().map(|row| row.int(0).unwrap()).collect();
            if found == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waiting)
        .await
        .unwrap();
}

async fn alter(database: &Database, sql: &str) {
    database
        .execute(vec![(sql.to_owned(), Vec::new())])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_loads_the_same_with_any_snapshot_and_with_none() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let plain = open(&database, None).await;
        let log = open(&database, Some("one")).await;
        let mut next = 0;
        // Lengths by chance, past several snapshots.
        for length in [1, 98, 1, 1, 37, 120, 64, 3, 99, 7, 140] {
            execute(&log, "c", added(next..next + length)).await;
            next += length;
            let whole = plain.load::<Chain>("c").await.unwrap();
            assert_eq!(whole.1, next, "{engine}");
            assert_eq!(
                log.load::<Chain>("c").await.unwrap(),
                whole,
                "{engine} at {next}"
            );
        }
        assert!(next > 5 * SNAPSHOT_EVERY);
        let whole = plain.load::<Chain>("c").await.unwrap();
        kept(&database, "c", &[next as i64]).await;
        // What is not what was written is passed over.
        for broken in [
            "UPDATE snapshots SET state = '{\"sum\":1,\"is_over\":false}'",
            "UPDATE snapshots SET state = 'no json'",
            "UPDATE snapshots SET version = version - 1",
        ] {
            alter(&database, broken).await;
            assert_eq!(
                log.load::<Chain>("c").await.unwrap(),
                whole,
                "{engine}: {broken}"
            );
            alter(&database, "DELETE FROM snapshots").await;
            assert_eq!(
                log.load::<Chain>("c").await.unwrap(),
                whole,
                "{engine}: none"
            );
            // Whoever had to read the whole of it keeps it for the next.
            kept(&database, "c", &[next as i64]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_shape_has_snapshots_of_its_own() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let (one, two) = (
            open(&database, Some("one")).await,
            open(&database, Some("two")).await,
        );
        execute(&one, "c", added(0..150)).await;
        kept(&database, "c", &[150]).await;
        // It does not look at what it would misread.
        let state = "UPDATE snapshots SET state = '{\"total\":7}'";
        alter(&database, state).await;
        let whole = two.load::<Chain>("c").await.unwrap();
        assert_eq!((whole.1, whole.0.is_over), (150, false), "{engine}");
        execute(&two, "c", added(150..210)).await;
        kept(&database, "c", &[150, 210]).await;
        two.sweep_snapshots().await.unwrap();
        kept(&database, "c", &[210]).await;
        assert_eq!(one.load::<Chain>("c").await.unwrap().1, 210, "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_of_a_stream_that_has_ended() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database, Some("one")).await;
        execute(&log, "c", added(0..120)).await;
        kept(&database, "c", &[120]).await;
        execute(&log, "c", vec![Event::Ended {}]).await;
        kept(&database, "c", &[]).await;
        // Loading it reads all of it, and keeps nothing: what would be written comes before the other stream's.
        assert!(log.load::<Chain>("c").await.unwrap().0.is_over, "{engine}");
        execute(&log, "other", added(0..100)).await;
        kept(&database, "other", &[100]).await;
        kept(&database, "c", &[]).await;
        // A node that died may have left one.
        let left = "INSERT INTO snapshots SELECT aggregate_type, 'c', schema_hash, version, state, digest FROM snapshots";
        alter(&database, left).await;
        log.sweep_snapshots().await.unwrap();
        kept(&database, "c", &[]).await;
        kept(&database, "other", &[100]).await;
        log.forget_snapshots::<Chain>("other").await.unwrap();
        kept(&database, "other", &[]).await;
    }
}

/// A stream whose beginning is gone is not taken for one that begins where it still has events.
#[tokio::test]
async fn a_stream_that_lacks_events_is_not_loaded_without_its_snapshot() {
    let (database, _, _folder) = database("sqlite").await;
    let log = open(&database, Some("one")).await;
    execute(&log, "c", added(0..120)).await;
    execute(&log, "c", added(120..130)).await;
    kept(&database, "c", &[120]).await;
    alter(&database, "DROP TRIGGER events_are_not_deleted").await;
    alter(&database, "DELETE FROM events WHERE sequence <= 120").await;
    assert_eq!(log.load::<Chain>("c").await.unwrap().1, 130);
    alter(&database, "DELETE FROM snapshots").await;
    assert!(log.load::<Chain>("c").await.is_err());
}
