//! Copying a database whose read models are rebuilt: before, meanwhile, and never to the end.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts its own tasks"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eventlog::rebuild::{self, Mode, RebuildError};
use eventlog::{Copied, CopyError, Database, Log};
use support::{CODE, Counts, ENGINES, Slow, append, database, open};

const TABLES: &[&str] = &[
    "events",
    "log_segments",
    "log_ended_streams",
    "log_tiles",
    "tails",
    "counts_inline",
    "counts_tail",
];
const PROJECTIONS: &[&str] = &["counts_inline", "counts_tail"];

/// A copy in a new SQLite file.
async fn copy(source: &Database) -> Result<(Copied, Database, tempfile::TempDir), CopyError> {
    let (target, _, folder) = database("sqlite").await;
    let copied = source.copy_to(&target, TABLES, PROJECTIONS).await?;
    Ok((copied, target, folder.unwrap()))
}

async fn number(database: &Database, sql: &str) -> i64 {
    database.query(sql, &[]).await.unwrap()[0].int(0).unwrap()
}

/// Streams of two events.
async fn fill(log: &Log, streams: usize) {
    for n in 0..streams {
        log.append(append(&format!("s{n}"), 0, 2)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_does_not_begin_beside_a_rebuild_that_could_swap_a_table_under_it() {
    let (source, _, _folder) = database("postgres").await;
    let log = open(&source).await;
    fill(&log, 3).await;
    let slow = Arc::new(Slow::at(1));
    let rebuilding = tokio::spawn({
        let (source, log, slow) = (source.clone(), log.clone(), Arc::clone(&slow));
        async move { rebuild::rebuild(&source, &log, slow, Mode::Inline, &CODE).await }
    });
    slow.reached().await;
    let beside = copy(&source).await;
    slow.go_on();
    rebuilding.await.unwrap().unwrap();
    assert_eq!(
        beside.err().unwrap().to_string(),
        "the read model counts_inline is being rebuilt or compared: try again when that has ended"
    );
    let (_, target, _kept) = copy(&source).await.unwrap();
    assert_eq!(Counts::INLINE.rows(&target).await.len(), 3);
}

/// Rebuilds until told to stop: how often that went well.
async fn keep_rebuilding(database: Database, log: Log, stop: Arc<AtomicBool>) -> usize {
    let mut rebuilt = 0;
    while !stop.load(Ordering::SeqCst) {
        let counts = Arc::new(Counts::INLINE);
        match rebuild::rebuild(&database, &log, counts, Mode::Inline, &CODE).await {
            Err(RebuildError::Running) => {}
            done => {
                done.unwrap();
                rebuilt += 1;
            }
        }
    }
    rebuilt
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_copy_has_an_empty_or_half_a_read_model_while_others_rebuild_it() {
    for engine in ENGINES {
        let (source, url, _folder) = database(engine).await;
        let log = open(&source).await;
        fill(&log, 300).await;
        let other = Database::open(&url).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let rebuilding = tokio::spawn(keep_rebuilding(other, log.clone(), Arc::clone(&stop)));
        let mut copies = 0;
        while copies < 12 {
            let (_, target, _kept) = match copy(&source).await {
                Err(CopyError::BeingRebuilt(_)) => continue,
                done => done.unwrap(),
            };
            assert_eq!(Counts::INLINE.rows(&target).await.len(), 300, "{engine}");
            copies += 1;
        }
        stop.store(true, Ordering::SeqCst);
        assert!(rebuilding.await.unwrap() > 0, "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_rebuild_has_left_is_not_copied() {
    for engine in ENGINES {
        let (source, _, _folder) = database(engine).await;
        let log = open(&source).await;
        fill(&log, 3).await;
        for sql in [
            "CREATE TABLE counts_inline__rebuild (stream TEXT PRIMARY KEY)",
            "INSERT INTO tails (name, position) VALUES ('counts_inline__rebuild', 2)",
            "INSERT INTO tails (name, position) VALUES ('counts_tail', 1)",
        ] {
            let statement = (sql.to_owned(), Vec::new());
            source.execute(vec![statement]).await.unwrap();
        }
        let (_, target, _kept) = copy(&source).await.unwrap();
        let names = target.query("SELECT name FROM tails", &[]).await.unwrap();
        assert_eq!(names.len(), 1, "{engine}");
        assert_eq!(names[0].text(0).unwrap(), "counts_tail");
        assert_eq!(number(&source, "SELECT COUNT(*) FROM tails").await, 2);
    }
}

#[test]
fn the_names_of_tables_beside_live_ones_lead_to_these() {
    for (name, live) in [
        ("sessions", "sessions"),
        ("sessions__rebuild", "sessions"),
        ("sessions__verify", "sessions"),
        ("sessions__former", "sessions"),
        ("sessions__other", "sessions__other"),
    ] {
        assert_eq!(rebuild::live_name(name), live);
    }
}
