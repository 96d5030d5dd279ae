//! A rebuild on PostgreSQL whose tables somebody reads for long: nobody else waits for that reader.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts its own tasks"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use eventlog::rebuild::{self, Mode};
use eventlog::{Database, Log, LogOptions, Projection};
use sqlx::{Connection as _, Executor as _};
use support::{CODE, Counts, append, database, open};

/// How often the rebuild was refused a table that the reader has.
const REFUSALS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_go_on_while_a_long_reader_keeps_a_rebuild_from_its_table() {
    let (database, url, _folder) = database("postgres").await;
    let log = open(&database).await;
    for n in 0..20 {
        log.append(append(&format!("before{n}"), 0, 2))
            .await
            .unwrap();
    }
    let mut reader = sqlx::postgres::PgConnection::connect(&url).await.unwrap();
    let mut reading = reader.begin().await.unwrap();
    reading
        .execute("SELECT * FROM counts_inline")
        .await
        .unwrap();
    let other = Database::open(&url).await.unwrap();
    let theirs = Log::open(other.clone(), Vec::new(), LogOptions::default());
    let theirs = theirs.await.unwrap();
    let rebuilt = tokio::spawn(async move {
        let counts: Arc<dyn Projection> = Arc::new(Counts::INLINE);
        rebuild::rebuild(&other, &theirs, counts, Mode::Inline, &CODE).await
    });
    let mut streams = 0;
    let mut refused = 0;
    let mut is_waiting = false;
    // Each time that it waits for the table it holds the head; then it must let go of both.
    while refused < REFUSALS {
        let waits = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
                     AND wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE counts_inline %'";
        let waits = database.query(waits, &[]).await.unwrap();
        let waits = waits.first().unwrap().int(0).unwrap() > 0;
        if waits {
            log.append(append(&format!("during{streams}"), 0, 2))
                .await
                .unwrap();
            streams += 1;
        }
        refused += usize::from(is_waiting && !waits);
        is_waiting = waits;
        assert!(!rebuilt.is_finished(), "the reader has its table");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(streams >= REFUSALS, "{streams}");
    reading.rollback().await.unwrap();
    rebuilt.await.unwrap().unwrap();
    let rows = Counts::INLINE.rows(&database).await;
    assert_eq!(rows.len(), 20 + streams);
    assert!(rows.iter().all(|(_, events, _)| *events == 2));
    log.shut_down().await;
}
