//! A database that loses the last events under a running log, as a standby that takes over may not have them all.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use eventlog::{CommitObserver, Database, DbError, Frontier, Log, ProjectionTail, RecordedEvent};
use support::{Counts, ENGINES, append, database, open};
use tokio_util::sync::CancellationToken;

/// One who hears of everything, so that the log reads everything.
struct Hearing;

impl CommitObserver for Hearing {
    fn committed(&self, _: &[RecordedEvent]) {}
}

async fn execute(database: &Database, statements: &[&str]) {
    let statements = statements.iter().map(|sql| ((*sql).to_owned(), Vec::new()));
    database.execute(statements.collect()).await.unwrap();
}

/// Lets go what nobody may change.
async fn unguard(database: &Database, engine: &str) {
    let guards = match engine {
        "sqlite" => &[
            "DROP TRIGGER events_are_not_updated",
            "DROP TRIGGER events_are_not_deleted",
        ][..],
        _ => &[
            "DROP TRIGGER events_are_append_only ON events",
            "DROP TRIGGER events_go_only_when_archived ON events",
        ],
    };
    execute(database, guards).await;
}

/// The log as it was when it had `size` events.
async fn set_back(database: &Database, size: u64) {
    let kept = format!("SELECT leaf_hash FROM events WHERE position <= {size} ORDER BY position");
    let mut tree = Frontier::default();
    for row in database.query(&kept, &[]).await.unwrap() {
        tree.push(row.bytes(0).unwrap().try_into().unwrap());
    }
    let head = "UPDATE log_head SET position = $1, frontier = $2, root = $3".to_owned();
    let params = vec![
        size.into(),
        tree.to_bytes().into(),
        tree.root().to_vec().into(),
    ];
    let lost = format!("DELETE FROM events WHERE position > {size}");
    let statements = vec![(lost, Vec::new()), (head, params)];
    database.execute(statements).await.unwrap();
}

/// A log that somebody hears of everything of.
async fn heard(database: &Database) -> Log {
    let log = open(database).await;
    log.attach_observer(0, Arc::new(Hearing)).await.unwrap();
    log
}

/// Five streams of two events each.
async fn write_ten(log: &Log) {
    for stream in ["a", "b", "c", "d", "e"] {
        log.append(append(stream, 0, 2)).await.unwrap();
    }
}

/// What the log says within the time that it takes to look at the head.
async fn told(log: &Log, engine: &str) -> String {
    let told = tokio::time::timeout(Duration::from_secs(10), log.set_back()).await;
    assert!(told.is_ok(), "{engine}: it does not notice");
    let told = told.unwrap();
    assert!(matches!(told, DbError::SetBack(10)), "{engine}: {told}");
    assert!(log.append(append("late", 0, 1)).await.is_err(), "{engine}");
    assert!(log.catch_up().await.is_err(), "{engine}");
    told.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_last_events_are_lost_says_so_and_appends_nothing_more() {
    for engine in ENGINES {
        let (database, url, _folder) = database(engine).await;
        let log = heard(&database).await;
        write_ten(&log).await;
        let other = Database::open(&url).await.unwrap();
        unguard(&other, engine).await;
        set_back(&other, 6).await;
        let appended = log.append(append("f", 0, 1)).await;
        assert!(appended.is_err(), "{engine}: {appended:?}");
        let told = told(&log, engine).await;
        assert!(told.contains("followed up to position 10"), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_which_others_have_filled_the_place_of_what_was_lost_is_another_one() {
    for engine in ENGINES {
        let (database, url, _folder) = database(engine).await;
        let log = heard(&database).await;
        write_ten(&log).await;
        let tail = ProjectionTail::new(database.clone(), log.clone(), Arc::new(Counts::TAIL));
        let tail = Arc::new(tail.await.unwrap());
        let other = Database::open(&url).await.unwrap();
        unguard(&other, engine).await;
        let id = match engine {
            "sqlite" => "'00000000-0000-0000-0000-0000000000ff'",
            _ => "'00000000-0000-0000-0000-0000000000ff'::uuid",
        };
        let replaced = format!("UPDATE events SET event_id = {id} WHERE position = 10");
        execute(&other, &[&replaced]).await;
        let theirs = open(&other).await;
        theirs.append(append("f", 0, 1)).await.unwrap();
        told(&log, engine).await;
        // What follows takes nothing more of it either.
        let stop = CancellationToken::new();
        let waited = tokio::time::timeout(Duration::from_millis(300), tail.run(stop)).await;
        assert!(waited.is_err() && tail.position() == 0, "{engine}");
        // Whoever begins now knows nothing else.
        let anew = heard(&other).await;
        anew.append(append("g", 0, 1)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_has_heard_of_nothing_yet_notices_another_event_in_the_place_of_the_last() {
    for engine in ENGINES {
        let (database, url, _folder) = database(engine).await;
        let log = open(&database).await;
        write_ten(&log).await;
        let other = Database::open(&url).await.unwrap();
        let late = open(&other).await;
        late.attach_observer(10, Arc::new(Hearing)).await.unwrap();
        unguard(&database, engine).await;
        set_back(&database, 8).await;
        let theirs = open(&database).await;
        for stream in ["f", "g", "h"] {
            theirs.append(append(stream, 0, 2)).await.unwrap();
        }
        told(&late, engine).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_appended_to_another_log_of_the_same_length() {
    for engine in ENGINES {
        let (database, url, _folder) = database(engine).await;
        let log = open(&database).await;
        write_ten(&log).await;
        let other = Database::open(&url).await.unwrap();
        unguard(&other, engine).await;
        set_back(&other, 8).await;
        let theirs = open(&other).await;
        theirs.append(append("f", 0, 2)).await.unwrap();
        assert_eq!(theirs.head().await.unwrap(), 10);
        // Whether it is refused, or goes behind what is there now: the root is that of the leaves.
        drop(log.append(append("g", 0, 2)).await);
        let mut tree = Frontier::default();
        let leaves = "SELECT leaf_hash FROM events ORDER BY position";
        for row in other.query(leaves, &[]).await.unwrap() {
            tree.push(row.bytes(0).unwrap().try_into().unwrap());
        }
        let kept = other.head_and_root().await.unwrap();
        assert_eq!(kept, (tree.size(), tree.root()), "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_away_and_is_the_same_is_followed_on() {
    let postgres = eventlog::testing::TestPostgres::start().unwrap();
    let url = postgres.fresh_database().await.unwrap();
    let database = Database::open(&url).await.unwrap();
    database.migrate().await.unwrap();
    let options = eventlog::LogOptions::default();
    let log = Log::open(database, Vec::new(), options).await.unwrap();
    log.attach_observer(0, Arc::new(Hearing)).await.unwrap();
    log.append(append("a", 0, 2)).await.unwrap();
    postgres.kill().unwrap();
    assert!(log.catch_up().await.is_err());
    postgres.restart().unwrap();
    log.catch_up().await.unwrap();
    // The connection that appends learns of it by its use.
    drop(log.append(append("b", 0, 2)).await);
    log.append(append("c", 0, 2)).await.unwrap();
    let head = log.head().await.unwrap();
    assert_eq!(log.catch_up().await.unwrap(), head);
}
