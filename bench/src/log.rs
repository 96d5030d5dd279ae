//! Commands per second through the log.
//!
//! Baselines: stock postgres-es and sqlite-es on the same server, appending alone, and as the whole framework with its
//! projection in a second transaction. Ours: appending with order and projection, and the whole command path, with the
//! aggregates in memory and with nothing in memory; and appending without the Merkle tree, which shows what that costs. A
//! stream gets five commands, so that most of them load one.
//!
//! Stock sqlite-es sets `synchronous=NORMAL`, which in WAL mode does not wait for the disk at a commit; our writer does.
//! Stock stays the baseline as it comes, and stands there once more with `synchronous=FULL`, as durable as ours.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cqrs_es::persist::{
    GenericQuery, PersistedEventRepository, PersistedEventStore, SerializedEvent,
};
use cqrs_es::{CqrsFramework, EventStore};
use eventlog::testing::TestPostgres;
use eventlog::{Append, CommandContext, Database, Log, LogOptions, Metadata, NewEvent};
use futures::future::BoxFuture;
use postgres_es::{PostgresEventRepository, PostgresViewRepository};
use sqlite_es::{SqliteEventRepository, SqliteViewRepository};
use sqlx::Executor as _;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use uuid::Uuid;

use crate::counter::{Counter, Increment, Total, Totals};
use crate::report::{machine, median, publish, show, table};

const CALLERS: [usize; 4] = [1, 16, 64, 256];
const COMMANDS_A_STREAM: u64 = 5;

/// One command: the caller's stream, and the command's number in it, from 0.
type Work = Arc<dyn Fn(String, u64) -> BoxFuture<'static, anyhow::Result<()>> + Send + Sync>;

/// The things that are compared on one engine, the two baselines first.
struct Contest {
    engine: &'static str,
    contenders: Vec<Contender>,
}

struct Contender {
    name: &'static str,
    /// Which contender's rate this one's is divided by.
    baseline: usize,
    work: Work,
}

/// Where the baselines stand in a contest.
const APPEND: usize = 0;
const FRAMEWORK: usize = 1;

/// What the log is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    Postgres,
    Sqlite,
}

pub async fn run(rounds: usize, milliseconds: u64, only: Option<Engine>) -> anyhow::Result<()> {
    let mut text = format!(
        "# Commands per second through the log\n\n{}\nMedians of {rounds} interleaved rounds of {milliseconds} ms. Every \
         commit waits for fsync, but for stock sqlite-es as it comes, which sets `synchronous=NORMAL`.\n\n",
        machine()
    );
    let time = Duration::from_millis(milliseconds);
    if only != Some(Engine::Sqlite) {
        let postgres = TestPostgres::start().map_err(|error| anyhow::anyhow!("{error}"))?;
        let fresh = async || {
            let url = postgres.fresh_database().await;
            url.map_err(|error| anyhow::anyhow!("{error}"))
        };
        let contest = postgres_contest(&fresh().await?, &fresh().await?).await?;
        text += &measure(&contest, rounds, time).await?;
    }
    if only != Some(Engine::Postgres) {
        let folder = tempfile::tempdir()?;
        text += &measure(&sqlite_contest(folder.path()).await?, rounds, time).await?;
    }
    if only.is_some() {
        return show(&text);
    }
    publish("log", &text)
}

async fn measure(contest: &Contest, rounds: usize, time: Duration) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for callers in CALLERS {
        let mut figures = vec![Vec::new(); contest.contenders.len()];
        for _ in 0..rounds {
            for (contender, figures) in contest.contenders.iter().zip(&mut figures) {
                figures.push(rate(&contender.work, callers, time).await?);
            }
        }
        let medians: Vec<f64> = figures.iter_mut().map(|figures| median(figures)).collect();
        for (contender, rate) in contest.contenders.iter().zip(&medians) {
            let baseline = medians.get(contender.baseline).copied().unwrap_or(1.0);
            rows.push(vec![
                callers.to_string(),
                contender.name.to_owned(),
                format!("{rate:.0}"),
                format!("{:.2}", rate / baseline),
            ]);
        }
    }
    let head = ["callers", "what", "commands/s", "ratio to its baseline"];
    Ok(format!(
        "## {}\n\n{}\n",
        contest.engine,
        table(&head, &rows)
    ))
}

/// Commands per second of `callers` that each wait for their answer.
async fn rate(work: &Work, callers: usize, time: Duration) -> anyhow::Result<f64> {
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let work = Arc::clone(work);
        tasks.spawn(async move {
            let mut done = 0_u32;
            while started.elapsed() < time {
                let stream = new_id().to_string();
                for n in 0..COMMANDS_A_STREAM {
                    work(stream.clone(), n).await?;
                    done += 1;
                }
            }
            anyhow::Ok(done)
        });
    }
    let mut done = 0_u32;
    while let Some(result) = tasks.join_next().await {
        done += result??;
    }
    Ok(f64::from(done) / started.elapsed().as_secs_f64())
}

async fn postgres_contest(url: &str, without: &str) -> anyhow::Result<Contest> {
    let pool = postgres_es::default_postgress_pool(url).await;
    for sql in stock_tables("json") {
        pool.execute(sql.as_str()).await?;
    }
    let repository = || {
        PostgresEventRepository::new(pool.clone()).with_tables("stock_events", "stock_snapshots")
    };
    let view = Arc::new(PostgresViewRepository::<Total, Counter>::new(
        "stock_view",
        pool.clone(),
    ));
    let query = GenericQuery::new(view);
    let store = PersistedEventStore::new_event_store(repository());
    let framework = Arc::new(CqrsFramework::new(store, vec![Box::new(query)], ()));
    let mut contenders = vec![
        append_alone("stock postgres-es, append alone (baseline)", repository()),
        whole_framework(framework),
    ];
    let writer = contenders.len();
    contenders.extend(ours(url).await?);
    contenders.push(without_tree(without, writer).await?);
    Ok(Contest {
        engine: "PostgreSQL",
        contenders,
    })
}

async fn sqlite_contest(folder: &std::path::Path) -> anyhow::Result<Contest> {
    let stock = format!("sqlite://{}?mode=rwc", folder.join("stock.db").display());
    let pool = sqlite_es::default_sqlite_pool(&stock).await;
    for sql in stock_tables("text") {
        pool.execute(sql.as_str()).await?;
    }
    let view = Arc::new(SqliteViewRepository::<Total, Counter>::new(
        "stock_view",
        pool.clone(),
    ));
    let query = GenericQuery::new(view);
    let store = PersistedEventStore::new_event_store(sqlite_repository(pool.clone()));
    let framework = Arc::new(CqrsFramework::new(store, vec![Box::new(query)], ()));
    let durable = durable_pool(&folder.join("durable.db")).await?;
    let mut contenders = vec![
        append_alone(
            "stock sqlite-es, append alone (baseline)",
            sqlite_repository(pool),
        ),
        whole_framework(framework),
        append_alone(
            "stock sqlite-es with synchronous=FULL, append alone",
            sqlite_repository(durable),
        ),
    ];
    let writer = contenders.len();
    let url = |name| format!("sqlite://{}", folder.join(name).display());
    contenders.extend(ours(&url("ours.db")).await?);
    contenders.push(without_tree(&url("without.db"), writer).await?);
    Ok(Contest {
        engine: "SQLite",
        contenders,
    })
}

fn sqlite_repository(pool: SqlitePool) -> SqliteEventRepository {
    SqliteEventRepository::new(pool).with_tables("stock_events", "stock_snapshots")
}

/// The stock pool in all but the wait for the disk.
async fn durable_pool(file: &std::path::Path) -> anyhow::Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true);
    let pool = SqlitePoolOptions::new()
        .max_connections(10)
        .connect_with(options)
        .await?;
    for sql in stock_tables("text") {
        pool.execute(sql.as_str()).await?;
    }
    Ok(pool)
}

fn append_alone<R>(name: &'static str, repository: R) -> Contender
where
    R: PersistedEventRepository + Send + Sync + 'static,
{
    let repository = Arc::new(repository);
    let work: Work = Arc::new(move |stream, n| {
        let repository = Arc::clone(&repository);
        Box::pin(async move {
            let events = [serialized(stream, n)];
            Ok(repository.persist::<Counter>(&events, None).await?)
        })
    });
    Contender {
        name,
        baseline: APPEND,
        work,
    }
}

fn whole_framework<S>(framework: Arc<CqrsFramework<Counter, S>>) -> Contender
where
    S: EventStore<Counter> + 'static,
    S::AC: Send,
{
    let work: Work = Arc::new(move |stream, _| {
        let framework = Arc::clone(&framework);
        Box::pin(async move { Ok(framework.execute(&stream, command()).await?) })
    });
    Contender {
        name: "stock framework, projection in a second transaction (baseline)",
        baseline: FRAMEWORK,
        work,
    }
}

async fn migrated(url: &str) -> anyhow::Result<Database> {
    let database = Database::open(url).await?;
    database.migrate().await?;
    let create =
        "CREATE TABLE bench_totals (id TEXT PRIMARY KEY, total BIGINT NOT NULL)".to_owned();
    database.execute(vec![(create, Vec::new())]).await?;
    Ok(database)
}

/// What the tree costs: the writer's rate without it, over the rate with it.
async fn without_tree(url: &str, writer: usize) -> anyhow::Result<Contender> {
    let options = LogOptions {
        without_tree: true,
        ..LogOptions::default()
    };
    Ok(Contender {
        name: "our writer alone, without the Merkle tree (over the one with it)",
        baseline: writer,
        work: writer_alone(open(&migrated(url).await?, options).await?).work,
    })
}

/// Our three, on one database.
async fn ours(url: &str) -> anyhow::Result<[Contender; 3]> {
    let database = migrated(url).await?;
    let warm = open(&database, LogOptions::default()).await?;
    let cold = open(
        &database,
        LogOptions {
            aggregate_cache: 0,
            ..LogOptions::default()
        },
    )
    .await?;
    Ok([
        writer_alone(warm.clone()),
        execute("our whole command path", warm),
        execute("our whole command path, nothing in memory", cold),
    ])
}

async fn open(database: &Database, options: LogOptions) -> anyhow::Result<Log> {
    Ok(Log::open(database.clone(), vec![Arc::new(Totals)], options).await?)
}

fn writer_alone(log: Log) -> Contender {
    let work: Work = Arc::new(move |stream, n| {
        let log = log.clone();
        Box::pin(async move { Ok(log.append(append(stream, n)).await.map(|_| ())?) })
    });
    Contender {
        name: "our writer alone, with order and projection",
        baseline: APPEND,
        work,
    }
}

/// The first command of a stream creates it, as the server's own do.
fn execute(name: &'static str, log: Log) -> Contender {
    let work: Work = Arc::new(move |stream, n| {
        let log = log.clone();
        Box::pin(async move {
            let context = CommandContext {
                command_id: new_id(),
                metadata: Metadata::default(),
                creates: n == 0,
            };
            log.execute::<Counter>(&stream, command(), &context).await?;
            Ok(())
        })
    });
    Contender {
        name,
        baseline: FRAMEWORK,
        work,
    }
}

fn stock_tables(json: &str) -> [String; 2] {
    [
        format!(
            "CREATE TABLE stock_events (aggregate_type text NOT NULL, aggregate_id text NOT NULL, \
             sequence bigint NOT NULL, event_type text NOT NULL, event_version text NOT NULL, \
             payload {json} NOT NULL, metadata {json} NOT NULL, \
             PRIMARY KEY (aggregate_type, aggregate_id, sequence))"
        ),
        format!(
            "CREATE TABLE stock_view (view_id text NOT NULL, version bigint NOT NULL, payload {json} NOT NULL, \
             PRIMARY KEY (view_id))"
        ),
    ]
}

fn note() -> String {
    "n".repeat(160)
}

fn command() -> Increment {
    Increment { note: note() }
}

fn serialized(stream: String, n: u64) -> SerializedEvent {
    let payload = serde_json::json!({"Incremented": {"by": 1, "note": note()}});
    let sequence = usize::try_from(n + 1).unwrap_or(usize::MAX);
    let (kind, version) = ("Incremented".to_owned(), "1.0".to_owned());
    SerializedEvent::new(
        stream,
        sequence,
        "counter".to_owned(),
        kind,
        version,
        payload,
        serde_json::json!({}),
    )
}

fn append(stream: String, n: u64) -> Append {
    Append {
        aggregate_type: "counter".to_owned(),
        aggregate_id: stream,
        expected_version: n,
        command_id: new_id(),
        events: vec![NewEvent {
            event_type: "Incremented".to_owned(),
            event_version: "1.0".to_owned(),
            payload: format!("{{\"Incremented\":{{\"by\":1,\"note\":\"{}\"}}}}", note()),
        }],
        metadata: Metadata::default(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark makes its own identifiers"
)]
fn new_id() -> Uuid {
    Uuid::now_v7()
}
