//! NDJSON export over HTTP, and a replay in the process, against raw reads of the same rows in the same run, and what
//! memory an export takes.
//!
//! Baselines: the columns of a line by a plain SELECT (sqlx on PostgreSQL, rusqlite on SQLite) and, on PostgreSQL, by COPY
//! in text form; each row is only counted with its bytes. Ours goes through the server and a client that counts lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use eventlog::{Append, Database, Log, LogOptions, Metadata, NewEvent};
use futures::TryStreamExt as _;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnection, PgPoolCopyExt as _, PgPoolOptions};
use sqlx::{Connection as _, Row as _};
use uuid::Uuid;

use crate::engines::{Engine, opened};
use crate::process::Server;
use crate::report::{machine, median, publish, show, table};

const EMAIL: &str = "auditor@example.com";
const PASSWORD: &str = "Correct-horse-7";
/// Bytes that the client takes at once.
const RECEIVED: usize = 256 * 1024;
/// Events of one append while the log is filled.
const FILL: u64 = 250;
const SELECT: &str = "SELECT position, event_id, recorded_at, aggregate_type, aggregate_id, sequence, event_type, \
                      event_version, payload, metadata FROM events ORDER BY position";

const SELECTED: &str = "plain SELECT (baseline)";
const COPIED: &str = "COPY (baseline)";
const EXPORTED: &str = "export over HTTP";
const REPLAYED: &str = "replay of the log, in the process";
/// Events that a replay takes at once.
const REPLAYED_AT_ONCE: usize = 2_000;

/// What one way of reading gave.
struct Figures {
    what: &'static str,
    rates: Vec<f64>,
}

pub async fn run(events: u64, rounds: usize, only: Option<Engine>) -> anyhow::Result<()> {
    let mut text = format!(
        "# NDJSON export and replay against raw reads of the same rows\n\n{}\nMedians of {rounds} alternating rounds over {events} \
         events.\n\n",
        machine()
    );
    for engine in [Engine::Postgres, Engine::Sqlite] {
        if only.is_none_or(|only| only == engine) {
            let place = opened(engine).await?;
            place.database.close().await;
            text += &on_engine(engine, &place.url, events, rounds).await?;
        }
    }
    if only.is_some() {
        return show(&text);
    }
    publish("export", &text)
}

async fn on_engine(
    engine: Engine,
    url: &str,
    events: u64,
    rounds: usize,
) -> anyhow::Result<String> {
    let key = "5b".repeat(32);
    let settings = [("DATABASE_URL", url), ("MASTER_KEY", key.as_str())];
    make_auditor(&settings)?;
    fill(url, events).await?;
    let server = Server::start_with(&settings)?;
    let token = sign_in(&server).await?;
    settle(&server).await?;
    let is_postgres = engine == Engine::Postgres;
    let log = Log::open(
        Database::open(url).await?,
        Vec::new(),
        LogOptions::default(),
    )
    .await?;
    let mut ways = vec![SELECTED, EXPORTED, REPLAYED];
    if is_postgres {
        ways.push(COPIED);
    }
    let figures = ways.into_iter().map(|what| Figures {
        what,
        rates: Vec::new(),
    });
    let mut figures: Vec<Figures> = figures.collect();
    let mut above_idle = 0;
    for _ in 0..rounds {
        for figure in &mut figures {
            let began = Instant::now();
            let rows = match (figure.what, is_postgres) {
                (EXPORTED, _) => {
                    let idle = memory(&server, "VmRSS:")?;
                    reset_peak(&server)?;
                    let lines = export(&server, &token).await?;
                    above_idle = above_idle.max(memory(&server, "VmHWM:")?.saturating_sub(idle));
                    lines
                }
                (REPLAYED, _) => replay(&log).await?,
                (COPIED, _) => copy(url).await?,
                (_, true) => select_postgres(url).await?,
                (_, false) => select_sqlite(url)?,
            };
            if rows < events {
                bail!("{}: {rows} rows", figure.what);
            }
            #[expect(clippy::cast_precision_loss, reason = "a rate needs no more")]
            figure
                .rates
                .push(rows as f64 / began.elapsed().as_secs_f64());
        }
    }
    log.shut_down().await;
    Ok(report(engine, figures, above_idle))
}

fn report(engine: Engine, mut figures: Vec<Figures>, above_idle: u64) -> String {
    let rates: Vec<f64> = figures
        .iter_mut()
        .map(|one| median(&mut one.rates))
        .collect();
    let named = || figures.iter().zip(&rates);
    let of = |what| {
        named()
            .find(|(one, _)| one.what == what)
            .map(|(_, rate)| *rate)
    };
    let (exported, replayed) = (of(EXPORTED), of(REPLAYED));
    let rows: Vec<Vec<String>> = named()
        .map(|(one, rate)| {
            let ratio = |ours: Option<f64>| format!("{:.2}", ours.unwrap_or_default() / rate);
            vec![
                one.what.to_owned(),
                format!("{rate:.0}"),
                ratio(exported),
                ratio(replayed),
            ]
        })
        .collect();
    format!(
        "## {}\n\n{}\nPeak memory of the server during an export, above idle: {:.1} MiB.\n\n",
        engine.name(),
        table(
            &["what", "events/s", "export : this", "replay : this"],
            &rows
        ),
        f64::from(u32::try_from(above_idle).unwrap_or(u32::MAX)) / 1024.0,
    )
}

/// Fills the log with events of the size of the server's own.
async fn fill(url: &str, events: u64) -> anyhow::Result<()> {
    let database = Database::open(url).await?;
    database.migrate().await?;
    let log = Log::open(database.clone(), Vec::new(), LogOptions::default()).await?;
    let appends = (0..events.div_ceil(FILL)).map(|_| append());
    futures::stream::iter(appends.map(anyhow::Ok))
        .try_for_each_concurrent(16, |append| {
            let log = log.clone();
            async move { Ok(log.append(append).await.map(|_| ())?) }
        })
        .await?;
    log.shut_down().await;
    database.close().await;
    Ok(())
}

fn append() -> Append {
    let hash = "0f".repeat(32);
    let data = json!({"TokensIssued": {
        "access_token": hash, "access_expires_at": "2026-01-01T00:15:00Z", "refresh_token": hash,
        "refresh_expires_at": "2026-01-31T00:00:00Z", "at": "2026-01-01T00:00:00Z",
    }});
    let event = NewEvent {
        event_type: "TokensIssued".to_owned(),
        event_version: "1.0".to_owned(),
        payload: data.to_string(),
    };
    Append {
        aggregate_type: "bench".to_owned(),
        aggregate_id: new_id().to_string(),
        expected_version: 0,
        command_id: new_id(),
        events: (0..FILL).map(|_| event.clone()).collect(),
        metadata: Metadata {
            actor: Some(new_id().to_string()),
            request_id: Some(new_id().to_string()),
        },
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark makes its own identifiers"
)]
fn new_id() -> Uuid {
    Uuid::now_v7()
}

pub fn make_auditor(settings: &[(&str, &str)]) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut child = Command::new(std::env::current_exe()?.with_file_name("gatelog"))
        .args(["admin", "create", "--email", EMAIL, "--role", "auditor"])
        .env("DATA_DIR", folder.path())
        .envs(settings.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("build the server first: cargo build --release -p gatelog")?;
    let mut input = child.stdin.take().context("no standard input")?;
    input.write_all(format!("{PASSWORD}\n").as_bytes())?;
    drop(input);
    if !child.wait()?.success() {
        bail!("no auditor was made");
    }
    Ok(())
}

pub async fn sign_in(server: &Server) -> anyhow::Result<String> {
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let request = reqwest::Client::new().post(server.url("/v1/sessions"));
        let answer = request.json(&body).send().await;
        if let Ok(answer) = answer
            && answer.status() == 201
        {
            let answer: Value = answer.json().await?;
            let token = answer.get("access_token").and_then(Value::as_str);
            return Ok(token.context("no token")?.to_owned());
        }
        if Instant::now() > deadline {
            bail!("nobody can sign in");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until the server has nothing of its own to do with the log any more.
async fn settle(server: &Server) -> anyhow::Result<()> {
    let url = format!("http://{}/readyz", server.ops);
    let deadline = Instant::now() + Duration::from_mins(10);
    loop {
        let answer: Value = reqwest::get(&url).await?.json().await?;
        let tails = answer.get("tails").and_then(Value::as_object);
        let is_there = |tail: &Value| tail.get("events_behind").is_some_and(|lag| lag == 0);
        if tails.is_some_and(|tails| tails.values().all(is_there)) {
            tokio::time::sleep(Duration::from_secs(5)).await;
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the read models do not catch up");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The lines of an export. The client is a thread that only counts, so that the load costs as little as it can; to an
/// HTTP/1.0 request the server sends the body as it is, up to the connection's end.
async fn export(server: &Server, token: &str) -> anyhow::Result<u64> {
    let request = format!(
        "GET /v1/audit/events HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Accept: application/x-ndjson\r\n\r\n",
        server.address
    );
    let address = server.address;
    tokio::task::spawn_blocking(move || count_lines(address, &request)).await?
}

fn count_lines(server: SocketAddr, request: &str) -> anyhow::Result<u64> {
    let mut connection = BufReader::with_capacity(RECEIVED, TcpStream::connect(server)?);
    connection.get_mut().write_all(request.as_bytes())?;
    let (mut line, mut head) = (String::new(), String::new());
    while line != "\r\n" {
        line.clear();
        anyhow::ensure!(connection.read_line(&mut line)? > 0, "no answer");
        head.push_str(&line);
    }
    anyhow::ensure!(head.starts_with("HTTP/1.0 200"), "{head}");
    let mut lines = 0;
    loop {
        let received = connection.fill_buf()?;
        if received.is_empty() {
            return Ok(lines);
        }
        lines += memchr::memchr_iter(b'\n', received).count() as u64;
        let length = received.len();
        connection.consume(length);
    }
}

/// The events as a rebuild of a read model takes them.
async fn replay(log: &Log) -> anyhow::Result<u64> {
    let (mut count, mut after) = (0, 0);
    loop {
        let events = log.read_all(after, REPLAYED_AT_ONCE).await?;
        let Some(last) = events.last() else {
            return Ok(count);
        };
        after = last.position;
        count += events.len() as u64;
    }
}

async fn select_postgres(url: &str) -> anyhow::Result<u64> {
    let mut connection = PgConnection::connect(url).await?;
    let mut rows = sqlx::query(SELECT).fetch(&mut connection);
    let (mut count, mut bytes) = (0, 0);
    while let Some(row) = rows.try_next().await? {
        count += 1;
        bytes += row.try_get_unchecked::<&str, _>(8)?.len();
    }
    anyhow::ensure!(bytes > 0);
    Ok(count)
}

fn select_sqlite(url: &str) -> anyhow::Result<u64> {
    let path = url.trim_start_matches("sqlite://");
    let connection = rusqlite::Connection::open(path)?;
    let mut statement = connection.prepare(SELECT)?;
    let mut rows = statement.query([])?;
    let (mut count, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        count += 1;
        for column in [1, 3, 4, 6, 7, 8, 9] {
            bytes += row.get_ref(column)?.as_str()?.len();
        }
    }
    anyhow::ensure!(bytes > 0);
    Ok(count)
}

async fn copy(url: &str) -> anyhow::Result<u64> {
    let pool = PgPoolOptions::new().max_connections(1).connect(url).await?;
    let sql = format!("COPY ({SELECT}) TO STDOUT");
    let mut messages = pool.copy_out_raw(&sql).await?;
    let mut count = 0;
    while let Some(message) = messages.try_next().await? {
        count += u64::from(!message.is_empty());
    }
    Ok(count)
}

/// A figure of the server's memory in KiB.
pub fn memory(server: &Server, name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|line| line.split_whitespace().next());
    Ok(figure.context("no such figure")?.parse()?)
}

/// The peak counts from now on.
pub fn reset_peak(server: &Server) -> anyhow::Result<()> {
    Ok(std::fs::write(
        format!("/proc/{}/clear_refs", server.id()),
        "5",
    )?)
}
