//! What the log promises when parts of it die: PostgreSQL in the middle of appends, and reactors anywhere.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and starts its own tasks"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use eventlog::testing::TestPostgres;
use eventlog::{
    AppendError, Database, Log, LogOptions, ReactError, Reactor, ReactorTail, RecordedEvent,
};
use sqlx::{Connection as _, Executor as _};
use support::{ENGINES, append, check_history, database, everything, open, seen};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Appends to a stream of its own until told to stop. An append whose answer was a failure is left alone: a new
/// stream takes its place, because the version of the old one is not known.
async fn write(log: Log, stop: CancellationToken, acknowledged: Arc<AtomicUsize>) -> Vec<Uuid> {
    let mut known = Vec::new();
    let (mut stream, mut version) = (Uuid::new_v4().to_string(), 0);
    while !stop.is_cancelled() {
        if let Ok(events) = log.append(append(&stream, version, 2)).await {
            version += 2;
            known.extend(events.iter().map(|event| event.event_id));
            acknowledged.fetch_add(1, Ordering::SeqCst);
        } else {
            (stream, version) = (Uuid::new_v4().to_string(), 0);
        }
        tokio::task::yield_now().await;
    }
    known
}

async fn until(count: &AtomicUsize, least: usize) {
    let waiting = async {
        while count.load(Ordering::SeqCst) < least {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), waiting)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_the_death_of_postgres() {
    let postgres = TestPostgres::start().unwrap();
    let url = postgres.fresh_database().await.unwrap();
    let database = Database::open(&url).await.unwrap();
    database.migrate().await.unwrap();
    let log = Log::open(database, Vec::new(), LogOptions::default())
        .await
        .unwrap();
    let (stop, count) = (CancellationToken::new(), Arc::new(AtomicUsize::new(0)));
    let writers: Vec<_> = (0..8)
        .map(|_| tokio::spawn(write(log.clone(), stop.clone(), Arc::clone(&count))))
        .collect();
    for _ in 0..3 {
        until(&count, count.load(Ordering::SeqCst) + 100).await;
        postgres.kill().unwrap();
        postgres.restart().unwrap();
    }
    until(&count, count.load(Ordering::SeqCst) + 100).await;
    stop.cancel();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    log.shut_down().await;
    let after = Database::open(&url).await.unwrap();
    let all = everything(&open(&after).await)
        .await
        .iter()
        .map(seen)
        .collect();
    assert_eq!(check_history(&acknowledged, &[all]), Vec::<String>::new());
}

/// Fails every fifth time, after it has done its work.
#[derive(Default)]
struct Shaky {
    seen: Mutex<Vec<u64>>,
    calls: AtomicUsize,
}

#[async_trait]
impl Reactor for Shaky {
    fn name(&self) -> &'static str {
        "shaky"
    }

    fn reacts_to(&self, aggregate_type: &str) -> bool {
        aggregate_type == "thing"
    }

    async fn react(&self, event: &RecordedEvent) -> Result<(), ReactError> {
        self.seen.lock().unwrap().push(event.position);
        if self.calls.fetch_add(1, Ordering::SeqCst) % 5 == 4 {
            return Err(ReactError::NotNow("not now".to_owned()));
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reactor_gets_every_event_at_least_once_in_order_across_failures_and_restarts() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        let mut other = append("elsewhere", 0, 1);
        other.aggregate_type = "unrelated".to_owned();
        log.append(other).await.unwrap();
        for n in 0..12 {
            log.append(append(&format!("s{n}"), 0, 1)).await.unwrap();
        }
        let reactor = Arc::new(Shaky::default());
        // Each run is a new tail, dropped after two more calls, wherever it is then.
        while position(&database).await < 13 {
            let tail =
                ReactorTail::new(database.clone(), log.clone(), Arc::<Shaky>::clone(&reactor));
            let calls = reactor.calls.load(Ordering::SeqCst) + 2;
            tokio::select! {
                () = tail.run(CancellationToken::new()) => {}
                () = until(&reactor.calls, calls) => {}
                () = reached(&database, 13) => {}
            }
        }
        let seen = reactor.seen.lock().unwrap().clone();
        let mut first_times = seen.clone();
        first_times.sort_unstable();
        first_times.dedup();
        assert_eq!(first_times, (2..=13).collect::<Vec<_>>(), "{engine}");
        let is_without_skips = seen.windows(2).all(|pair| match pair {
            [before, after] => *after <= before + 1,
            _ => false,
        });
        assert!(is_without_skips, "{engine}: {seen:?}");
    }
}

async fn reached(database: &Database, wanted: i64) {
    while position(database).await < wanted {
        tokio::task::yield_now().await;
    }
}

/// The reactor's checkpoint.
async fn position(database: &Database) -> i64 {
    const SQL: &str = "SELECT position FROM tails WHERE name = 'shaky'";
    let rows = database.query(SQL, &[]).await.unwrap();
    rows.first().map_or(0, |row| row.int(0).unwrap())
}

#[tokio::test]
async fn a_log_that_was_shut_down_finishes_what_it_took_and_refuses_the_rest() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        let taken = tokio::spawn({
            let log = log.clone();
            async move { log.append(append("a", 0, 3)).await }
        });
        taken.await.unwrap().unwrap();
        log.shut_down().await;
        assert!(matches!(
            log.append(append("b", 0, 1)).await,
            Err(AppendError::Database(_))
        ));
        assert_eq!(everything(&log).await.len(), 3, "{engine}");
    }
}

/// A projection whose table has a rule that one event breaks: the database refuses it, not the projection.
#[tokio::test]
async fn what_a_constraint_refuses_fails_alone() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let rule = "CREATE UNIQUE INDEX one_count ON counts_inline (events)".to_owned();
        database.execute(vec![(rule, Vec::new())]).await.unwrap();
        let log = open(&database).await;
        log.append(append("a", 0, 1)).await.unwrap();
        let (same, fine) =
            tokio::join!(log.append(append("b", 0, 1)), log.append(append("c", 0, 2)));
        assert!(matches!(same, Err(AppendError::Database(_))), "{engine}");
        assert_eq!(fine.unwrap().len(), 2, "{engine}");
        assert_eq!(everything(&log).await.len(), 3, "{engine}");
    }
}

#[tokio::test]
async fn what_no_database_would_take_is_refused_before_it_can_harm_others() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        let mut broken = append("a", 0, 1);
        broken.events[0].payload = "{\"Happened\":{not json}}".to_owned();
        let mut nul = append("b", 0, 1);
        nul.aggregate_type = "th\0ing".to_owned();
        let (broken, nul, fine) = tokio::join!(
            log.append(broken),
            log.append(nul),
            log.append(append("c", 0, 1))
        );
        assert!(matches!(broken, Err(AppendError::Invalid(_))), "{engine}");
        assert!(matches!(nul, Err(AppendError::Invalid(_))), "{engine}");
        fine.unwrap();
    }
}

/// Stands between the log and PostgreSQL, and can lose a connection on the log's side alone, as a network does.
struct Between {
    address: std::net::SocketAddr,
    cut: watch::Sender<u64>,
}

impl Between {
    async fn start(server: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cut = watch::Sender::new(0);
        let cuts = cut.clone();
        tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut far = TcpStream::connect(server).await.unwrap();
                let mut cut = cuts.subscribe();
                tokio::spawn(async move {
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {
                            drop(near);
                            // The database goes on as if somebody were there.
                            std::future::pending::<()>().await;
                        }
                    }
                });
            }
        });
        Self { address, cut }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_as_not_written_is_not_committed_later() {
    let (database, url, _) = database("postgres").await;
    let direct = url.rsplit_once('@').unwrap().1;
    let (server, name) = direct.split_once('/').unwrap();
    let between = Between::start(server.parse().unwrap()).await;
    let through = format!("postgres://postgres@{}/{name}", between.address);
    let log = open(&Database::open(&through).await.unwrap()).await;
    log.append(append("a", 0, 1)).await.unwrap();
    // A table that the append writes, so that it waits before it comes to the head.
    let mut holder = sqlx::PgConnection::connect(&url).await.unwrap();
    let hold = "BEGIN; LOCK TABLE counts_inline IN ACCESS EXCLUSIVE MODE";
    holder.execute(hold).await.unwrap();
    let appending = tokio::spawn({
        let log = log.clone();
        async move { log.append(append("b", 0, 1)).await }
    });
    // From when it waits until it has ended, however it does.
    let is_at_it = async || {
        let sql = "SELECT COUNT(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'WITH stream%'";
        database.query(sql, &[]).await.unwrap()[0].int(0).unwrap() == 1
    };
    let until = async |wanted: bool| {
        while is_at_it().await != wanted {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(15);
    tokio::time::timeout(patience, until(true)).await.unwrap();
    between.cut.send_modify(|cuts| *cuts += 1);
    let answered = appending.await.unwrap();
    assert!(
        matches!(answered, Err(AppendError::Database(_))),
        "{answered:?}"
    );
    holder.execute("COMMIT").await.unwrap();
    tokio::time::timeout(patience, until(false)).await.unwrap();
    let appended = log.append(append("c", 0, 1)).await.unwrap();
    assert_eq!(appended[0].position, 2);
    let streams: Vec<String> = everything(&log)
        .await
        .into_iter()
        .map(|event| event.aggregate_id)
        .collect();
    assert_eq!(streams, ["a", "c"]);
}
