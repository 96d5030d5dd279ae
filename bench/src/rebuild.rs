//! Rebuilding the read model of the sessions from the log.
//!
//! Baseline: a plain SELECT of the same events, every column of each read. The events are those of sessions that are begun
//! and refreshed twice, written through the log's own append.

use std::time::Instant;

use eventlog::rebuild::{Mode, rebuild, verify};
use eventlog::{Database, Log, LogOptions};
use futures::TryStreamExt as _;
use sqlx::{Connection as _, Row as _};
use uuid::Uuid;

use crate::engines::{Engine, opened};
use crate::report::{machine, median, publish, show, table};
use crate::session::append;

/// Events of a session.
const EVENTS: u64 = 4;
/// Appends that wait at the same time.
const CALLERS: u64 = 512;
const COLUMNS: &str = "position, recorded_at, aggregate_type, aggregate_id, sequence, event_type, event_version, \
                       leaf_hash, CAST(event_id AS TEXT), CAST(payload AS TEXT), CAST(metadata AS TEXT)";

pub async fn run(events: u64, rounds: usize, only: Option<Engine>) -> anyhow::Result<()> {
    let mut text = format!(
        "# Rebuilding the read model of the sessions\n\n{}\nFrom {events} events; medians of {rounds} rounds.\n\n",
        machine()
    );
    for engine in [Engine::Postgres, Engine::Sqlite] {
        if only.is_none_or(|only| only == engine) {
            let place = opened(engine).await?;
            text += &measure(&place.database, &place.url, engine, events, rounds).await?;
        }
    }
    if only.is_some() {
        return show(&text);
    }
    publish("rebuild", &text)
}

async fn measure(
    database: &Database,
    url: &str,
    engine: Engine,
    events: u64,
    rounds: usize,
) -> anyhow::Result<String> {
    let log = Log::open(
        database.clone(),
        projections::inline(),
        LogOptions::default(),
    )
    .await?;
    write(&log, events / EVENTS).await?;
    let names = ["plain SELECT", "rebuild", "verify"];
    let mut figures = vec![Vec::new(); names.len()];
    for _ in 0..rounds {
        let mut seconds = Vec::new();
        let started = Instant::now();
        let read = read(url, engine).await?;
        anyhow::ensure!(read == log.head().await?, "the SELECT read {read} events");
        seconds.push(started.elapsed().as_secs_f64());
        let sessions = || std::sync::Arc::new(projections::sessions::Sessions);
        let started = Instant::now();
        rebuild(database, &log, sessions(), Mode::Inline, &[0; 32]).await?;
        seconds.push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        let verified = verify(database, &log, sessions(), Mode::Inline).await?;
        anyhow::ensure!(verified.different == 0, "{verified:?}");
        seconds.push(started.elapsed().as_secs_f64());
        for (figures, seconds) in figures.iter_mut().zip(seconds) {
            figures.push(seconds);
        }
    }
    log.shut_down().await;
    let medians: Vec<f64> = figures.iter_mut().map(|figures| median(figures)).collect();
    let baseline = medians.first().copied().unwrap_or(1.0);
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let count = events as f64;
    let rows = names.iter().zip(&medians).map(|(name, seconds)| {
        vec![
            (*name).to_owned(),
            format!("{seconds:.2}"),
            format!("{:.0}", count / seconds),
            format!("{:.2}", baseline / seconds),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let head = ["what", "seconds", "events/s", "ratio to the plain SELECT"];
    Ok(format!("## {}\n\n{}\n", engine.name(), table(&head, &rows)))
}

/// Sessions, several at once.
async fn write(log: &Log, sessions: u64) -> anyhow::Result<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let log = log.clone();
        tasks.spawn(async move {
            let mut session = caller;
            while session < sessions {
                let command = Uuid::from_u128(u128::from(session) << 64 | 1);
                log.append(append(session, 0, EVENTS, command)?).await?;
                session += CALLERS;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Reads every column of every event.
async fn read(url: &str, engine: Engine) -> anyhow::Result<u64> {
    let sql = format!("SELECT {COLUMNS} FROM events ORDER BY position");
    let mut read = 0;
    match engine {
        Engine::Postgres => {
            let mut connection = sqlx::PgConnection::connect(url).await?;
            let mut rows = sqlx::query(&sql).fetch(&mut connection);
            while let Some(row) = rows.try_next().await? {
                let texts = [2, 3, 5, 6, 8, 9, 10].map(|index| row.get::<String, _>(index));
                let hash: Vec<u8> = row.get(7);
                read += u64::from(row.get::<i64, _>(0) > 0 && !hash.is_empty() && texts.len() == 7);
            }
        }
        Engine::Sqlite => {
            let mut connection = sqlx::SqliteConnection::connect(url).await?;
            let mut rows = sqlx::query(&sql).fetch(&mut connection);
            while let Some(row) = rows.try_next().await? {
                let texts = [2, 3, 5, 6, 8, 9, 10].map(|index| row.get::<String, _>(index));
                let hash: Vec<u8> = row.get(7);
                read += u64::from(row.get::<i64, _>(0) > 0 && !hash.is_empty() && texts.len() == 7);
            }
        }
    }
    Ok(read)
}
