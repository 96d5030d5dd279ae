//! Rebuilding and comparing read models while others write, read and die.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts its own tasks"
)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use eventlog::rebuild::{self, Mode, RebuildError};
use eventlog::{Database, Log, LogOptions, Projection, ProjectionTail};
use support::{CODE, Counts, ENGINES, Slow, append, database, event, open};
use tokio_util::sync::CancellationToken;

fn inline() -> Arc<dyn Projection> {
    Arc::new(Counts::INLINE)
}

fn tail() -> Arc<dyn Projection> {
    Arc::new(Counts::TAIL)
}

async fn execute(database: &Database, sql: &str) {
    let statement = (sql.to_owned(), Vec::new());
    database.execute(vec![statement]).await.unwrap();
}

/// Writes streams of two events until told to stop: how many.
async fn write(log: Log, name: &'static str, stop: Arc<AtomicBool>) -> usize {
    let mut streams = 0;
    while !stop.load(Ordering::SeqCst) {
        let stream = format!("{name}{streams}");
        log.append(append(&stream, 0, 2)).await.unwrap();
        streams += 1;
    }
    streams
}

/// Reads the table until told to stop; it never has fewer rows than before.
async fn read(database: Database, stop: Arc<AtomicBool>) -> usize {
    let (mut reads, mut most) = (0, 0);
    while !stop.load(Ordering::SeqCst) {
        let rows = database
            .query(
                "SELECT COUNT(*) FROM counts_inline WHERE events > $1",
                &[0.into()],
            )
            .await
            .unwrap();
        let now = rows[0].int(0).unwrap();
        assert!(now >= most, "{now} rows after {most}");
        (reads, most) = (reads + 1, now);
    }
    reads
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_inline_projection_is_rebuilt_while_two_nodes_write_and_read() {
    for engine in ENGINES {
        let (database, url, _folder) = database(engine).await;
        execute(
            &database,
            "CREATE INDEX counts_by_events ON counts_inline (events)",
        )
        .await;
        let mine = open(&database).await;
        let other = Database::open(&url).await.unwrap();
        let theirs = open(&other).await;
        let rebuilder = Database::open(&url).await.unwrap();
        let log = Log::open(rebuilder.clone(), Vec::new(), LogOptions::default());
        let log = log.await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let writers = [
            tokio::spawn(write(mine.clone(), "a", Arc::clone(&stop))),
            tokio::spawn(write(theirs, "b", Arc::clone(&stop))),
        ];
        let readers = [&database, &other]
            .map(|database| tokio::spawn(read(database.clone(), Arc::clone(&stop))));
        let mut head = mine.watch_head();
        head.wait_for(|head| *head > 0).await.unwrap();
        for _ in 0..3 {
            let rebuilt = rebuild::rebuild(&rebuilder, &log, inline(), Mode::Inline, &CODE).await;
            assert!(rebuilt.unwrap().position > 0, "{engine}");
            // The prepared statements of everybody go on with the new table.
            let before = mine.head().await.unwrap();
            head.wait_for(|head| *head > before + 20).await.unwrap();
        }
        let verified = rebuild::verify(&rebuilder, &log, inline(), Mode::Inline)
            .await
            .unwrap();
        assert_eq!(
            (verified.different, verified.live),
            (0, verified.log),
            "{engine}"
        );
        assert!(verified.rows > 0);
        stop.store(true, Ordering::SeqCst);
        let mut streams = 0;
        for writer in writers {
            streams += writer.await.unwrap();
        }
        for reader in readers {
            assert!(reader.await.unwrap() > 0);
        }
        let rows = Counts::INLINE.rows(&database).await;
        assert_eq!(rows.len(), streams, "{engine}: no row is lost");
        assert!(rows.iter().all(|(_, events, _)| *events == 2), "{engine}");
        assert_eq!(
            left_over(&database, engine).await,
            Vec::<String>::new(),
            "{engine}"
        );
    }
}

/// Tables and checkpoints that are not live.
async fn left_over(database: &Database, engine: &str) -> Vec<String> {
    let tables = match engine {
        "sqlite" => "SELECT name FROM sqlite_master WHERE type = 'table'",
        _ => "SELECT tablename::text FROM pg_tables",
    };
    let names = format!("{tables} UNION ALL SELECT name FROM tails");
    let rows = database.query(&names, &[]).await.unwrap();
    let names = rows.iter().map(|row| row.text(0).unwrap());
    names.filter(|name| name.contains("__")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_row_is_found_told_of_and_mended_by_a_rebuild() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        for stream in ["a", "b", "c", "d"] {
            log.append(append(stream, 0, 2)).await.unwrap();
        }
        let right = Counts::INLINE.rows(&database).await;
        execute(
            &database,
            "UPDATE counts_inline SET events = 7 WHERE stream = 'b'",
        )
        .await;
        execute(&database, "DELETE FROM counts_inline WHERE stream = 'c'").await;
        execute(
            &database,
            "INSERT INTO counts_inline (stream, events) VALUES ('x', 1)",
        )
        .await;
        let found = rebuild::verify(&database, &log, inline(), Mode::Inline)
            .await
            .unwrap();
        assert_eq!(
            (found.different, found.rows, found.position),
            (3, 4, 8),
            "{engine}"
        );
        assert_eq!(
            found.keys,
            ["counts_inline b", "counts_inline c", "counts_inline x"]
        );
        assert_ne!(found.live, found.log);
        let rebuilt = rebuild::rebuild(&database, &log, inline(), Mode::Inline, &CODE)
            .await
            .unwrap();
        assert_eq!((rebuilt.position, rebuilt.rows), (8, 4), "{engine}");
        assert_eq!(Counts::INLINE.rows(&database).await, right, "{engine}");
        let found = rebuild::verify(&database, &log, inline(), Mode::Inline)
            .await
            .unwrap();
        assert_eq!(found.different, 0, "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuilt_tail_goes_on_and_a_paused_one_stays_where_it_is() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        let running = Arc::new(follow(&database, &log).await);
        log.append(append("a", 0, 3)).await.unwrap();
        let following = tokio::spawn({
            let running = Arc::clone(&running);
            async move { running.run(CancellationToken::new()).await }
        });
        running.wait_for(3).await;
        let at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        database.pause_tail("counts_tail", at).await.unwrap();
        log.append(append("b", 0, 2)).await.unwrap();
        let rebuilt = rebuild::rebuild(&database, &log, tail(), Mode::Tail, &CODE)
            .await
            .unwrap();
        assert_eq!((rebuilt.position, rebuilt.rows), (3, 1), "{engine}");
        database.resume_tail("counts_tail").await.unwrap();
        running.wait_for(5).await;
        let rebuilt = rebuild::rebuild(&database, &log, tail(), Mode::Tail, &CODE)
            .await
            .unwrap();
        assert_eq!((rebuilt.position, rebuilt.rows), (5, 2), "{engine}");
        log.append(append("c", 0, 2)).await.unwrap();
        running.wait_for(7).await;
        assert_eq!(
            Counts::TAIL.rows(&database).await,
            Counts::INLINE.rows(&database).await,
            "{engine}"
        );
        following.abort();
    }
}

async fn follow(database: &Database, log: &Log) -> ProjectionTail {
    let tail = ProjectionTail::new(database.clone(), log.clone(), tail());
    tail.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_cannot_take_an_event_leaves_everything_as_it_was() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let plain = Log::open(database.clone(), Vec::new(), LogOptions::default());
        let log = plain.await.unwrap();
        log.append(append("a", 0, 1)).await.unwrap();
        let mut poison = append("b", 0, 1);
        poison.events[0] = event("{\"poison\":1}");
        log.append(poison).await.unwrap();
        execute(
            &database,
            "INSERT INTO counts_tail (stream, events) VALUES ('x', 1)",
        )
        .await;
        let refused = rebuild::rebuild(&database, &log, tail(), Mode::Tail, &CODE).await;
        assert!(
            matches!(refused, Err(RebuildError::Event { position: 2, .. })),
            "{engine}: {refused:?}"
        );
        assert_eq!(
            left_over(&database, engine).await,
            Vec::<String>::new(),
            "{engine}"
        );
        let rows = database
            .query("SELECT stream FROM counts_tail", &[])
            .await
            .unwrap();
        assert_eq!(rows[0].text(0).unwrap(), "x", "{engine}");
    }
}

/// A rebuild that leaves something behind.
async fn kill_one(database: &Database, log: &Log, engine: &str) {
    for milliseconds in [10, 20, 30, 50, 80, 130, 250, 500, 1_000, 2_000] {
        let killed = rebuild::rebuild(database, log, inline(), Mode::Inline, &CODE);
        let _ = tokio::time::timeout(Duration::from_millis(milliseconds), killed).await;
        // The lock of a connection that was dropped ends when PostgreSQL notices.
        while rebuild::is_under_way(database, "counts_inline")
            .await
            .unwrap()
        {
            tokio::task::yield_now().await;
        }
        if !left_over(database, engine).await.is_empty() {
            return;
        }
    }
    panic!("{engine}: nothing was left");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_one_rebuild_runs_and_one_that_was_killed_leaves_nothing_for_long() {
    for engine in ENGINES {
        let (database, url, _folder) = database(engine).await;
        let log = open(&database).await;
        for n in 0..40 {
            log.append(append(&format!("s{n}"), 0, 200)).await.unwrap();
        }
        let other = Database::open(&url).await.unwrap();
        let (one, two) = tokio::join!(
            rebuild::rebuild(&database, &log, inline(), Mode::Inline, &CODE),
            rebuild::rebuild(&other, &log, inline(), Mode::Inline, &CODE),
        );
        let done = [&one, &two].into_iter().filter(|one| one.is_ok()).count();
        let refused = |one| matches!(one, &Err(RebuildError::Running));
        assert!(
            done == 2 || (done == 1 && (refused(&one) || refused(&two))),
            "{engine}: {one:?} {two:?}"
        );
        kill_one(&database, &log, engine).await;
        // What it left is in the way of no comparison.
        let found = rebuild::verify(&database, &log, inline(), Mode::Inline)
            .await
            .unwrap();
        assert_eq!((found.different, found.rows), (0, 40), "{engine}");
        let later = log.now() + TimeDelta::hours(25);
        rebuild::tidy(&database, inline(), &CODE, later)
            .await
            .unwrap();
        assert_eq!(
            left_over(&database, engine).await,
            Vec::<String>::new(),
            "{engine}"
        );
        let found = rebuild::verify(&database, &log, inline(), Mode::Inline)
            .await
            .unwrap();
        assert_eq!((found.different, found.rows), (0, 40), "{engine}");
    }
}

/// SQLite keeps the names that indexes were made under. A migration that names one finds it by its own.
#[tokio::test]
async fn indexes_have_their_own_names_again_before_a_migration_runs() {
    let (database, _, _folder) = database("sqlite").await;
    execute(
        &database,
        "CREATE INDEX counts_by_events ON counts_inline (events)",
    )
    .await;
    let log = open(&database).await;
    log.append(append("a", 0, 2)).await.unwrap();
    let names = async || {
        let sql = "SELECT name FROM sqlite_master WHERE tbl_name = 'counts_inline' AND sql LIKE 'CREATE INDEX%'";
        let rows = database.query(sql, &[]).await.unwrap();
        rows.iter()
            .map(|row| row.text(0).unwrap())
            .collect::<Vec<_>>()
    };
    for expected in [
        "counts_by_events__rebuilt",
        "counts_by_events",
        "counts_by_events__rebuilt",
    ] {
        let rebuilt = rebuild::rebuild(&database, &log, inline(), Mode::Inline, &CODE).await;
        assert_eq!(rebuilt.unwrap().rows, 1);
        assert_eq!(names().await, [expected]);
    }
    database.migrate().await.unwrap();
    assert_eq!(
        names().await,
        ["counts_by_events__rebuilt"],
        "nothing to migrate"
    );
    // The last one is taken for one that has not run; whether it can run twice does not matter here.
    let forget =
        "DELETE FROM _sqlx_migrations WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)";
    execute(&database, forget).await;
    drop(database.migrate().await);
    assert_eq!(names().await, ["counts_by_events"]);
    assert_eq!(Counts::INLINE.rows(&database).await.len(), 1);
}

/// A rebuild is ended in its second transaction: up to which position its tables are filled.
async fn ended(database: &Database, log: &Log) -> u64 {
    let slow = Arc::new(Slow::at(2_100));
    let rebuilding = tokio::spawn({
        let (database, log, slow) = (database.clone(), log.clone(), Arc::clone(&slow));
        async move { rebuild::rebuild(&database, &log, slow, Mode::Inline, &CODE).await }
    });
    slow.reached().await;
    slow.end();
    assert!(rebuilding.await.unwrap_err().is_panic());
    while rebuild::is_under_way(database, "counts_inline")
        .await
        .unwrap()
    {
        tokio::task::yield_now().await;
    }
    // What was being written has been written by now.
    execute(database, "DELETE FROM snapshots").await;
    let sql = "SELECT position FROM tails WHERE name = 'counts_inline__rebuild'";
    let rows = database.query(sql, &[]).await.unwrap();
    u64::try_from(rows[0].int(0).unwrap()).unwrap()
}

async fn went_on_from(database: &Database, log: &Log, code: &[u8; 32]) -> Option<u64> {
    let rebuilt = rebuild::rebuild(database, log, inline(), Mode::Inline, code);
    let rebuilt = rebuilt.await.unwrap();
    let found = rebuild::verify(database, log, inline(), Mode::Inline).await;
    assert_eq!(found.unwrap().different, 0);
    rebuilt.went_on_from
}

/// A log of two transactions of a rebuild.
async fn filled(engine: &str) -> (Database, Log, Option<tempfile::TempDir>) {
    let (database, _, folder) = database(engine).await;
    let log = open(&database).await;
    for n in 0..11 {
        log.append(append(&format!("s{n}"), 0, 200)).await.unwrap();
    }
    (database, log, folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rebuild_that_was_ended_is_gone_on_with() {
    for engine in ENGINES {
        let (database, log, _folder) = filled(engine).await;
        let index = "CREATE INDEX counts_by_events ON counts_inline (events)";
        execute(&database, index).await;
        let position = ended(&database, &log).await;
        assert!(position >= 2_000, "{engine}: {position}");
        let soon = log.now() + TimeDelta::hours(1);
        let tidied = rebuild::tidy(&database, inline(), &CODE, soon).await;
        tidied.unwrap();
        let verified = rebuild::verify(&database, &log, inline(), Mode::Inline).await;
        assert_eq!(verified.unwrap().different, 0, "{engine}: beside it");
        // A part of what comes after the last event may be there already.
        let made = "CREATE INDEX counts_by_events__rebuilt ON counts_inline__rebuild (events)";
        execute(&database, made).await;
        log.append(append("later", 0, 3)).await.unwrap();
        let from = went_on_from(&database, &log, &CODE).await;
        assert_eq!(from, Some(position), "{engine}");
        assert_eq!(Counts::INLINE.rows(&database).await.len(), 12, "{engine}");
        let left = left_over(&database, engine).await;
        assert_eq!(left, Vec::<String>::new(), "{engine}");
        let from = went_on_from(&database, &log, &CODE).await;
        assert_eq!(from, None, "{engine}: the next one");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rebuild_begins_anew_where_another_one_was_of_other_code_or_another_table() {
    for engine in ENGINES {
        let (database, log, _folder) = filled(engine).await;
        ended(&database, &log).await;
        let from = went_on_from(&database, &log, &[8; 32]).await;
        assert_eq!(from, None, "{engine}: other code");
        for sql in [
            "CREATE INDEX counts_by_events ON counts_inline (events)",
            "DROP TABLE counts_inline__rebuild",
            "UPDATE tails SET position = 2300 WHERE name = 'counts_inline__rebuild'",
            "UPDATE tails SET failed_position = 2101 WHERE name = 'counts_inline__rebuild'",
        ] {
            ended(&database, &log).await;
            execute(&database, sql).await;
            let from = went_on_from(&database, &log, &CODE).await;
            assert_eq!(from, None, "{engine}: {sql}");
        }
        for (code, hours) in [([8; 32], 1), (CODE, 25)] {
            ended(&database, &log).await;
            let later = log.now() + TimeDelta::hours(hours);
            let tidied = rebuild::tidy(&database, inline(), &code, later).await;
            tidied.unwrap();
            let left = left_over(&database, engine).await;
            assert_eq!(left, Vec::<String>::new(), "{engine}: {hours}");
        }
    }
}
