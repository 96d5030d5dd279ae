//! What the log promises, on both engines.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and names its own commands"
)]

mod support;

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use eventlog::rebuild::{self, Mode};
use eventlog::{
    AppendError, CommitObserver, Database, Log, LogOptions, ProjectionTail, RecordedEvent,
    cloud_event_line, leaf_hash,
};
use sqlx::{Connection as _, Executor as _, Row as _};
use support::{
    Counts, ENGINES, Seen, append, check_history, database, event, everything, open, seen,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Writers append with exact versions to streams of their own and to a shared one, until each has written.
async fn write(log: Log, writer: usize, appends: usize) -> Vec<Uuid> {
    let mut acknowledged = Vec::new();
    let own = format!("own-{writer}");
    let (mut version, mut shared_version) = (0, 0);
    for n in 0..appends {
        let events = log.append(append(&own, version, 1 + n % 3)).await.unwrap();
        version = events.last().unwrap().sequence;
        acknowledged.extend(events.iter().map(|event| event.event_id));
        loop {
            match log.append(append("shared", shared_version, 1)).await {
                Ok(events) => {
                    shared_version = events[0].sequence;
                    acknowledged.push(events[0].event_id);
                    break;
                }
                Err(AppendError::VersionConflict { actual, .. }) => shared_version = actual,
                Err(error) => panic!("{error}"),
            }
        }
    }
    acknowledged
}

/// A reader follows its cursor until it has seen `stop` events.
async fn read(log: Log, stop: tokio::sync::watch::Receiver<Option<u64>>) -> Seen {
    let mut all: Seen = Vec::new();
    loop {
        let is_last = *stop.borrow();
        let after = all.last().map_or(0, |(position, ..)| *position);
        let next = log.read_all(after, 37).await.unwrap();
        all.extend(next.iter().map(seen));
        if next.is_empty() {
            if is_last.is_some() {
                return all;
            }
            tokio::task::yield_now().await;
        }
    }
}

async fn history(logs: &[Log], writers: usize, appends: usize) -> (Vec<Uuid>, Vec<Seen>) {
    let (stop, stopped) = tokio::sync::watch::channel(None);
    let readers: Vec<_> = logs
        .iter()
        .map(|log| tokio::spawn(read(log.clone(), stopped.clone())))
        .collect();
    let writing =
        (0..writers).map(|n| tokio::spawn(write(logs[n % logs.len()].clone(), n, appends)));
    let acknowledged: Vec<Uuid> = futures::future::join_all(writing)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();
    stop.send(Some(0)).unwrap();
    let seen = futures::future::join_all(readers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    (acknowledged, seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reader_sees_every_acknowledged_event_once_in_one_order() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        let (acknowledged, readers) = history(&[log.clone(), log.clone(), log], 8, 25).await;
        assert_eq!(
            check_history(&acknowledged, &readers),
            Vec::<String>::new(),
            "{engine}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_on_one_postgres_write_one_history() {
    let (one, url, _folder) = database("postgres").await;
    let two = Database::open(&url).await.unwrap();
    let logs = [open(&one).await, open(&two).await];
    let (acknowledged, readers) = history(&logs, 8, 25).await;
    assert_eq!(check_history(&acknowledged, &readers), Vec::<String>::new());
    assert_eq!(Counts::INLINE.rows(&one).await.len(), 9);
}

/// A log with a plain `BIGSERIAL` as its cursor loses events: a number is given at the insert, and seen at the commit.
#[tokio::test]
async fn the_checker_catches_a_log_with_a_plain_serial_as_cursor() {
    let (_, url, _folder) = database("postgres").await;
    let mut slow = sqlx::PgConnection::connect(&url).await.unwrap();
    let mut quick = sqlx::PgConnection::connect(&url).await.unwrap();
    quick
        .execute("CREATE TABLE mutant (position BIGSERIAL PRIMARY KEY, event_id UUID NOT NULL)")
        .await
        .unwrap();
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    let insert = "INSERT INTO mutant (event_id) VALUES ($1)";
    slow.execute("BEGIN").await.unwrap();
    sqlx::query(insert)
        .bind(first)
        .execute(&mut slow)
        .await
        .unwrap();
    sqlx::query(insert)
        .bind(second)
        .execute(&mut quick)
        .await
        .unwrap();
    let mut reader: Seen = Vec::new();
    let mut cursor = 0_i64;
    for _ in 0..2 {
        let rows = sqlx::query(
            "SELECT position, event_id FROM mutant WHERE position > $1 ORDER BY position",
        )
        .bind(cursor)
        .fetch_all(&mut quick)
        .await
        .unwrap();
        for row in rows {
            cursor = row.get(0);
            reader.push((cursor.unsigned_abs(), format!("s{cursor}"), 1, row.get(1)));
        }
        slow.execute("COMMIT").await.unwrap();
    }
    let faults = check_history(&[first, second], &[reader]);
    assert!(
        faults
            .iter()
            .any(|fault| fault.contains(&format!("never saw {first}"))),
        "{faults:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_fails_only_its_own_append() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        log.append(append("a", 0, 2)).await.unwrap();
        let good = (0..20).map(|n| log.append(append(&format!("good-{n}"), 0, 1)));
        let bad = (0..20).map(|n| log.append(append("a", n % 2, 1)));
        let ahead = (0..5).map(|_| log.append(append("b", 7, 1)));
        let (good, bad, ahead) = tokio::join!(
            futures::future::join_all(good),
            futures::future::join_all(bad),
            futures::future::join_all(ahead)
        );
        assert!(good.iter().all(Result::is_ok), "{engine}");
        assert!(
            bad.iter()
                .all(|r| matches!(r, Err(AppendError::VersionConflict { actual: 2, .. }))),
            "{engine}"
        );
        assert!(
            ahead
                .iter()
                .all(|r| matches!(r, Err(AppendError::VersionConflict { actual: 0, .. }))),
            "{engine}"
        );
        let positions: Vec<u64> = everything(&log)
            .await
            .iter()
            .map(|event| event.position)
            .collect();
        assert_eq!(positions, (1..=22).collect::<Vec<_>>(), "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_race_for_one_version_exactly_one_wins() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        for round in 0..10 {
            let racing = (0..16).map(|_| log.append(append("raced", round, 1)));
            let won = futures::future::join_all(racing)
                .await
                .into_iter()
                .flatten()
                .count();
            assert_eq!(won, 1, "{engine}");
        }
    }
}

#[tokio::test]
async fn odd_appends_get_a_clear_answer_and_change_nothing() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        assert!(matches!(
            log.append(append("a", 0, 0)).await,
            Err(AppendError::Invalid(_))
        ));
        let mut unfit = append("a", 0, 1);
        unfit.events[0].payload = "{\"Other\":{}}".to_owned();
        assert!(matches!(
            log.append(unfit).await,
            Err(AppendError::Invalid(_))
        ));
        let first = append("a", 0, 2);
        log.append(first.clone()).await.unwrap();
        let again = eventlog::Append {
            expected_version: 2,
            ..first
        };
        assert!(matches!(
            log.append(again.clone()).await,
            Err(AppendError::DuplicateEvent)
        ));
        let elsewhere = eventlog::Append {
            aggregate_id: "b".to_owned(),
            expected_version: 0,
            ..again
        };
        assert!(matches!(
            log.append(elsewhere).await,
            Err(AppendError::DuplicateEvent)
        ));
        let mut poison = append("p", 0, 1);
        poison.events[0] = event("{\"poison\":1}");
        let (poisoned, fine) = tokio::join!(log.append(poison), log.append(append("q", 0, 1)));
        assert!(
            matches!(poisoned, Err(AppendError::Projection(_))),
            "{engine}"
        );
        fine.unwrap();
        assert_eq!(log.head().await.unwrap(), 3, "{engine}");
    }
}

/// However long a stream is, what is wanted of it is read alone.
#[tokio::test]
async fn one_event_of_a_stream_is_found_by_its_number_and_by_its_type() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        let mut other = append("a", 3, 1);
        other.events[0].event_type = "Rare".to_owned();
        other.events[0].payload = "{\"Rare\":{}}".to_owned();
        log.append(append("a", 0, 3)).await.unwrap();
        log.append(append("b", 0, 1)).await.unwrap();
        log.append(other).await.unwrap();
        log.append(append("a", 4, 2)).await.unwrap();
        let stored = log.read_stream("thing", "a").await.unwrap();
        assert_eq!(stored.len(), 6, "{engine}");
        for event in &stored {
            let one = log.read_one("thing", "a", event.sequence).await.unwrap();
            assert_eq!(one.as_ref(), Some(event), "{engine}");
        }
        assert_eq!(log.read_one("thing", "a", 7).await.unwrap(), None);
        let last = async |types: &[&str], sequence| {
            let found = log.read_last("thing", "a", types, sequence).await.unwrap();
            found.map(|event| event.sequence)
        };
        let common = stored[0].event_type.as_str();
        assert_eq!(last(&["Rare"], 6).await, Some(4), "{engine}");
        assert_eq!(last(&["Rare"], 3).await, None, "{engine}");
        assert_eq!(last(&[common], 4).await, Some(3), "{engine}");
        assert_eq!(last(&["Rare", common], 4).await, Some(4), "{engine}");
    }
}

#[tokio::test]
async fn a_payload_keeps_its_exact_text() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        let large = format!(
            "{{\"z\":1,\"a\":\"\\u0000 {}\",\"n\":1.50}}",
            "x".repeat(59 * 1024)
        );
        let mut wanted = append("a", 0, 1);
        wanted.events[0] = event(&large);
        log.append(wanted).await.unwrap();
        let stored = everything(&log).await;
        assert_eq!(stored[0].data_text(), large, "{engine}");
        assert_eq!(log.read_stream("thing", "a").await.unwrap(), stored);
        assert_eq!(
            stored[0].leaf_hash,
            leaf_hash(&cloud_event_line(&stored[0])),
            "{engine}"
        );
    }
}

#[tokio::test]
async fn a_clock_that_goes_back_does_not_take_the_log_with_it() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let times: Arc<Mutex<Vec<i64>>> = Arc::new(Mutex::new(vec![10, 2_000_000, 5, 1_000_000]));
        let clock = move || -> DateTime<Utc> {
            DateTime::from_timestamp_micros(times.lock().unwrap().pop().unwrap()).unwrap()
        };
        let options = LogOptions {
            clock: Arc::new(clock),
            ..LogOptions::default()
        };
        let log = Log::open(database.clone(), Vec::new(), options)
            .await
            .unwrap();
        for version in 0..4 {
            log.append(append("a", version, 1)).await.unwrap();
        }
        let recorded: Vec<i64> = everything(&log)
            .await
            .iter()
            .map(|event| event.recorded_at.timestamp_micros())
            .collect();
        assert_eq!(
            recorded,
            [1_000_000, 1_000_000, 2_000_000, 2_000_000],
            "{engine}"
        );
    }
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_loses_nothing_that_it_took() {
    let (database, _, _folder) = database("sqlite").await;
    let options = LogOptions {
        queue_capacity: 2,
        ..LogOptions::default()
    };
    let log = Log::open(database.clone(), Vec::new(), options)
        .await
        .unwrap();
    let all = (0..50).map(|n| log.append(append(&format!("s{n}"), 0, 1)));
    let answers = futures::future::join_all(all).await;
    let taken = answers.iter().filter(|answer| answer.is_ok()).count() as u64;
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Err(AppendError::QueueFull)))
        .count() as u64;
    assert!(
        refused > 0 && taken > 0 && taken + refused == 50,
        "{taken} taken, {refused} refused"
    );
    assert_eq!(log.head().await.unwrap(), taken);
}

#[tokio::test]
async fn the_table_of_events_takes_no_update_and_no_delete() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        log.append(append("a", 0, 1)).await.unwrap();
        for sql in ["UPDATE events SET event_type = 'X'", "DELETE FROM events"] {
            assert!(
                database
                    .execute(vec![(sql.to_owned(), Vec::new())])
                    .await
                    .is_err(),
                "{engine}: {sql}"
            );
        }
        assert_eq!(everything(&log).await.len(), 1);
    }
}

#[tokio::test]
async fn the_stored_root_is_that_of_all_exported_lines() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        for n in 0..13 {
            log.append(append(&format!("s{n}"), 0, 1 + n % 3))
                .await
                .unwrap();
        }
        let mut tree = eventlog::Frontier::default();
        for event in everything(&log).await {
            tree.push(leaf_hash(&cloud_event_line(&event)));
        }
        let rows = database
            .query("SELECT root, frontier FROM log_head", &[])
            .await
            .unwrap();
        assert_eq!(rows[0].bytes(0).unwrap(), tree.root(), "{engine}");
        assert_eq!(rows[0].bytes(1).unwrap(), tree.to_bytes(), "{engine}");
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<u64>>);

impl CommitObserver for Heard {
    fn committed(&self, events: &[RecordedEvent]) {
        self.0
            .lock()
            .unwrap()
            .extend(events.iter().map(|event| event.position));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn observers_hear_own_and_other_nodes_events_once_in_order_before_the_answer() {
    let (one, url, _folder) = database("postgres").await;
    let two = Database::open(&url).await.unwrap();
    let (here, there) = (open(&one).await, open(&two).await);
    here.append(append("before", 0, 3)).await.unwrap();
    let heard = Arc::new(Heard::default());
    here.attach_observer(1, Arc::<Heard>::clone(&heard))
        .await
        .unwrap();
    for n in 0..30 {
        there.append(append(&format!("t{n}"), 0, 2)).await.unwrap();
        let own = here.append(append(&format!("h{n}"), 0, 1)).await.unwrap();
        let last = *heard.0.lock().unwrap().last().unwrap();
        assert!(
            last >= own[0].position,
            "answered before its observer heard"
        );
    }
    there.append(append("last", 0, 1)).await.unwrap();
    let end = here.catch_up().await.unwrap();
    assert_eq!(*heard.0.lock().unwrap(), (2..=end).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn inline_is_the_same_as_a_tail_as_rebuilt_as_resumed_after_drops() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        let mut versions = std::collections::HashMap::new();
        for n in 0_u64..150 {
            let tail = ProjectionTail::new(database.clone(), log.clone(), Arc::new(Counts::TAIL))
                .await
                .unwrap();
            let stream = format!("s{}", n * 7 % 11);
            let version = versions.entry(stream.clone()).or_insert(0);
            let mut next = append(&stream, *version, 1);
            next.events[0] = event(
                [
                    "{\"n\":1}",
                    "{\"anew\":1}",
                    "{\"n\":2}",
                    "{\"forget\":1}",
                    "{\"n\":3}",
                ][(n % 5) as usize],
            );
            *version = log.append(next).await.unwrap()[0].sequence;
            // The tail runs for a moment and is dropped wherever it happens to be.
            let stop = CancellationToken::new();
            let running = tail.run(stop.clone());
            let _ = tokio::time::timeout(Duration::from_micros(n * 40), running).await;
        }
        let tail = ProjectionTail::new(database.clone(), log.clone(), Arc::new(Counts::TAIL))
            .await
            .unwrap();
        let stop = CancellationToken::new();
        let head = log.head().await.unwrap();
        tokio::select! {
            () = tail.run(stop.clone()) => panic!("the tail ended"),
            () = tail.wait_for(head) => {}
        }
        let inline = Counts::INLINE.rows(&database).await;
        assert!(!inline.is_empty());
        assert_eq!(Counts::TAIL.rows(&database).await, inline, "{engine}: tail");
        let projection = Arc::new(Counts::TAIL);
        let rebuilt = rebuild::rebuild(&database, &log, projection, Mode::Tail, &[0; 32]).await;
        assert_eq!(rebuilt.unwrap().position, head, "{engine}");
        assert_eq!(
            Counts::TAIL.rows(&database).await,
            inline,
            "{engine}: rebuilt"
        );
    }
}
