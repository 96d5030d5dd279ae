//! Tails that stand still: an event that they cannot take parks them, an operator pauses them, and nothing is skipped.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts its own tasks"
)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use eventlog::testing::TestPostgres;
use eventlog::{
    Database, Log, ProjectionTail, ReactError, Reactor, ReactorTail, RecordedEvent, TRIES,
    TailState,
};
use support::{Counts, ENGINES, append, database, event};
use tokio_util::sync::CancellationToken;

async fn state(database: &Database, name: &str) -> Option<TailState> {
    let tails = database.tails().await.unwrap();
    tails.into_iter().find(|tail| tail.name == name)
}

/// Runs until the database says so of the tail.
async fn until(database: &Database, name: &str, is_so: impl Fn(&TailState) -> bool) -> TailState {
    let waiting = async {
        loop {
            if let Some(state) = state(database, name).await.filter(|state| is_so(state)) {
                return state;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), waiting)
        .await
        .unwrap()
}

async fn write(log: &Log, stream: &str, data: &str) -> u64 {
    let mut one = append(stream, 0, 1);
    one.events[0] = event(data);
    log.append(one).await.unwrap()[0].position
}

async fn counts(database: &Database, log: &Log) -> ProjectionTail {
    let projection = Arc::new(Counts::TAIL);
    let tail = ProjectionTail::new(database.clone(), log.clone(), projection);
    tail.await.unwrap()
}

/// A log whose inline projection does not mind what the tail cannot take.
async fn open_plain(database: &Database) -> Log {
    let log = Log::open(
        database.clone(),
        Vec::new(),
        eventlog::LogOptions::default(),
    );
    log.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_projection_cannot_take_parks_its_tail_right_behind_what_it_could() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open_plain(&database).await;
        for n in 0..3 {
            write(&log, &format!("good{n}"), "{\"n\":1}").await;
        }
        write(&log, "bad", "{\"poison\":1}").await;
        write(&log, "later", "{\"n\":1}").await;
        let tail = Arc::new(counts(&database, &log).await);
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let (tail, stop) = (Arc::clone(&tail), stop.clone());
            async move { tail.run(stop).await }
        });
        let parked = until(&database, tail.name(), |state| state.parked().is_some()).await;
        assert_eq!(parked.position, 3, "{engine}");
        let failure = parked.parked().unwrap();
        assert_eq!((failure.position, failure.attempts), (4, TRIES), "{engine}");
        assert_eq!(failure.reason, "projection: poison");
        let rows = Counts::TAIL.rows(&database).await;
        assert_eq!(rows.len(), 3, "{engine}: what came before is there");
        // It tries again when it is told to, parks again, and a restart changes nothing.
        assert!(database.retry_tail(tail.name()).await.unwrap());
        assert!(!database.retry_tail("nobody").await.unwrap());
        let again = until(&database, tail.name(), |state| state.parked().is_some()).await;
        assert_eq!(again.position, 3);
        stop.cancel();
        running.await.unwrap();
        assert_eq!(counts(&database, &log).await.position(), 3);
        assert_eq!(Counts::TAIL.rows(&database).await.len(), 3, "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_refuses_parks_at_the_one_event_and_names_no_value() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let rule =
            "CREATE UNIQUE INDEX one_stream ON counts_tail (events) WHERE events = 2".to_owned();
        database.execute(vec![(rule, Vec::new())]).await.unwrap();
        let log = open_plain(&database).await;
        for stream in ["a", "b", "c"] {
            log.append(append(stream, 0, 2)).await.unwrap();
        }
        let tail = counts(&database, &log).await;
        let parked = tokio::select! {
            () = tail.run(CancellationToken::new()) => unreachable!(),
            state = until(&database, tail.name(), |state| state.parked().is_some()) => state,
        };
        assert_eq!(parked.position, 3, "{engine}");
        let reason = parked.parked().unwrap().reason.clone();
        assert!(
            reason.starts_with("the database refuses it: SQL"),
            "{reason}"
        );
        // Somebody mends it.
        let mend = "DROP INDEX one_stream".to_owned();
        database.execute(vec![(mend, Vec::new())]).await.unwrap();
        assert!(database.retry_tail(tail.name()).await.unwrap());
        tokio::select! {
            () = tail.run(CancellationToken::new()) => unreachable!(),
            state = until(&database, tail.name(), |state| state.position == 6) => {
                assert_eq!(state.failure, None, "{engine}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_tail_stands_still_on_every_node_and_over_restarts_until_it_is_resumed() {
    for engine in ENGINES {
        let (database, url, _folder) = database(engine).await;
        let log = open_plain(&database).await;
        let at = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        let other = Database::open(&url).await.unwrap();
        let tail = Arc::new(counts(&database, &log).await);
        let running = tokio::spawn({
            let tail = Arc::clone(&tail);
            async move { tail.run(CancellationToken::new()).await }
        });
        write(&log, "a", "{\"n\":1}").await;
        until(&database, tail.name(), |state| state.position == 1).await;
        assert!(other.pause_tail(tail.name(), at).await.unwrap());
        assert!(!other.pause_tail(tail.name(), at).await.unwrap());
        write(&log, "b", "{\"n\":1}").await;
        // Another tail of the same projection, as on another node or after a restart, takes nothing either.
        let second = counts(&other, &log).await;
        let patience = Duration::from_millis(300);
        let _ = tokio::time::timeout(patience, second.run(CancellationToken::new())).await;
        let paused = state(&database, tail.name()).await.unwrap();
        assert_eq!(
            (paused.position, paused.paused_at),
            (1, Some(at)),
            "{engine}"
        );
        assert_eq!(Counts::TAIL.rows(&database).await.len(), 1, "{engine}");
        assert!(other.resume_tail(tail.name()).await.unwrap());
        tail.wait_for(2).await;
        assert_eq!(Counts::TAIL.rows(&database).await.len(), 2, "{engine}");
        running.abort();
    }
}

/// Refuses what it is told to, for a while or for ever.
#[derive(Default)]
struct Picky {
    seen: Mutex<Vec<u64>>,
    refuses: AtomicBool,
    away: AtomicUsize,
}

#[async_trait]
impl Reactor for Picky {
    fn name(&self) -> &'static str {
        "picky"
    }

    fn reacts_to(&self, aggregate_type: &str) -> bool {
        aggregate_type == "thing"
    }

    async fn react(&self, event: &RecordedEvent) -> Result<(), ReactError> {
        if self.away.load(Ordering::SeqCst) > 0 {
            self.away.fetch_sub(1, Ordering::SeqCst);
            return Err(ReactError::NotNow("the database is away".to_owned()));
        }
        if event.payload.contains("poison") && self.refuses.load(Ordering::SeqCst) {
            return Err(ReactError::Event("it is poison".to_owned()));
        }
        self.seen.lock().unwrap().push(event.position);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reactor_is_parked_by_an_event_and_never_by_what_passes() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open_plain(&database).await;
        let reactor = Arc::new(Picky::default());
        reactor.refuses.store(true, Ordering::SeqCst);
        // As often as an event is tried.
        reactor.away.store(5, Ordering::SeqCst);
        write(&log, "a", "{\"n\":1}").await;
        let tail = ReactorTail::new(database.clone(), log.clone(), Arc::<Picky>::clone(&reactor));
        tokio::select! {
            () = tail.run(CancellationToken::new()) => unreachable!(),
            state = until(&database, "picky", |state| state.position == 1) => {
                assert_eq!(state.failure, None, "{engine}");
            }
        }
        write(&log, "b", "{\"poison\":1}").await;
        write(&log, "c", "{\"n\":1}").await;
        let parked = tokio::select! {
            () = tail.run(CancellationToken::new()) => unreachable!(),
            state = until(&database, "picky", |state| state.parked().is_some()) => state,
        };
        assert_eq!(
            (parked.position, parked.parked().unwrap().position),
            (1, 2),
            "{engine}"
        );
        reactor.refuses.store(false, Ordering::SeqCst);
        assert!(database.retry_tail("picky").await.unwrap());
        let went_on = tokio::select! {
            () = tail.run(CancellationToken::new()) => unreachable!(),
            state = until(&database, "picky", |state| state.position == 3) => state,
        };
        assert_eq!(went_on.failure, None);
        assert_eq!(*reactor.seen.lock().unwrap(), [1, 2, 3], "{engine}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_parks_nothing() {
    let postgres = TestPostgres::start().unwrap();
    let url = postgres.fresh_database().await.unwrap();
    let database = Database::open(&url).await.unwrap();
    database.migrate().await.unwrap();
    let create = "CREATE TABLE counts_tail (stream TEXT PRIMARY KEY, events BIGINT, last_position BIGINT, \
                  last_hash BYTEA)";
    let create = vec![(create.to_owned(), Vec::new())];
    database.execute(create).await.unwrap();
    let log = open_plain(&database).await;
    write(&log, "a", "{\"n\":1}").await;
    let tail = Arc::new(counts(&database, &log).await);
    postgres.kill().unwrap();
    let running = tokio::spawn({
        let tail = Arc::clone(&tail);
        async move { tail.run(CancellationToken::new()).await }
    });
    // It fails at least once before the database is back.
    let _ = tokio::time::timeout(Duration::from_millis(500), tail.wait_for(1)).await;
    postgres.restart().unwrap();
    tail.wait_for(1).await;
    assert_eq!(state(&database, tail.name()).await.unwrap().failure, None);
    running.abort();
}
