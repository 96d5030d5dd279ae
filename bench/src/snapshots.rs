//! Loading a session with 10,000 refreshes against one with 10, with nothing in memory.
//!
//! Baseline: the session with 10 refreshes. The long one comes with a snapshot that was just taken, with one that is as old
//! as one can be (99 events), and without any.

use std::time::Instant;

use aggregates::session::Session;
use eventlog::{Database, Log, LogOptions, SNAPSHOT_EVERY, Snapshotted};
use uuid::Uuid;

use crate::engines::{Engine, opened};
use crate::report::{machine, median, publish, show, table};
use crate::session::{append, session_id};

/// Events of one append.
const AT_ONCE: u64 = 250;
const REFRESHES: u64 = 10_000;

/// What is loaded: its name, the session, and whether snapshots are used.
type Contender = (&'static str, u64, bool);
const CONTENDERS: [Contender; 4] = [
    ("10 refreshes", 1, true),
    ("10,000 refreshes, snapshot just taken", 2, true),
    ("10,000 refreshes, snapshot 99 events old", 3, true),
    ("10,000 refreshes, no snapshot", 2, false),
];

pub async fn run(rounds: usize, only: Option<Engine>) -> anyhow::Result<()> {
    let mut text = format!(
        "# Loading a long session\n\n{}\nMedians of {rounds} interleaved loads; nothing is in memory.\n\n",
        machine()
    );
    for engine in [Engine::Postgres, Engine::Sqlite] {
        if only.is_none_or(|only| only == engine) {
            let place = opened(engine).await?;
            text += &measure(&place.database, engine, rounds).await?;
        }
    }
    if only.is_some() {
        return show(&text);
    }
    publish("snapshots", &text)
}

async fn measure(database: &Database, engine: Engine, rounds: usize) -> anyhow::Result<String> {
    let (kept, whole) = (open(database, true).await?, open(database, false).await?);
    write(&kept, 1, 0, 11).await?;
    for session in [2, 3] {
        write(&kept, session, 0, REFRESHES + 1).await?;
        // Whoever reads the whole of a long stream leaves a snapshot.
        kept.load::<Session>(&session_id(session).to_string())
            .await?;
        until_kept(database, session).await?;
    }
    write(
        &kept,
        3,
        REFRESHES + 1,
        SNAPSHOT_EVERY - 1 - (REFRESHES + 1) % SNAPSHOT_EVERY,
    )
    .await?;
    let mut figures = vec![Vec::new(); CONTENDERS.len()];
    for _ in 0..rounds {
        for ((_, session, has_snapshots), figures) in CONTENDERS.iter().zip(&mut figures) {
            let log = if *has_snapshots { &kept } else { &whole };
            let id = session_id(*session).to_string();
            let started = Instant::now();
            log.load::<Session>(&id).await?;
            figures.push(started.elapsed().as_secs_f64() * 1e6);
        }
    }
    let medians: Vec<f64> = figures.iter_mut().map(|figures| median(figures)).collect();
    let baseline = medians.first().copied().unwrap_or(1.0);
    let rows = CONTENDERS.iter().zip(&medians).map(|((name, ..), micros)| {
        vec![
            (*name).to_owned(),
            format!("{micros:.0}"),
            format!("{:.2}", micros / baseline),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let head = ["session", "microseconds", "ratio to 10 refreshes"];
    Ok(format!("## {}\n\n{}\n", engine.name(), table(&head, &rows)))
}

async fn open(database: &Database, has_snapshots: bool) -> anyhow::Result<Log> {
    let kinds = aggregates::kept_states()
        .into_iter()
        .map(|state| Snapshotted {
            aggregate_type: state.aggregate_type,
            shape: state.shape,
            last_events: state.last_events,
        });
    let options = LogOptions {
        aggregate_cache: 0,
        snapshots: kinds.filter(|_| has_snapshots).collect(),
        ..LogOptions::default()
    };
    Ok(Log::open(database.clone(), Vec::new(), options).await?)
}

/// A session's events from number `first` on.
async fn write(log: &Log, session: u64, first: u64, count: u64) -> anyhow::Result<()> {
    let end = first + count;
    let mut next = first;
    while next < end {
        let step = AT_ONCE.min(end - next);
        let command = Uuid::from_u128(u128::from(session) << 64 | u128::from(next));
        log.append(append(session, next, step, command)?).await?;
        next += step;
    }
    Ok(())
}

async fn until_kept(database: &Database, session: u64) -> anyhow::Result<()> {
    const SQL: &str = "SELECT version FROM snapshots WHERE aggregate_id = $1";
    let id = session_id(session).to_string();
    while database.query(SQL, &[id.as_str().into()]).await?.is_empty() {
        tokio::task::yield_now().await;
    }
    Ok(())
}
