//! Sign-ins per second against bare Argon2id on the same machine, and what a flood of sign-ins does to `/v1/verify`.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde_json::{Value, json};

use crate::process::Server;
use crate::report::{machine, median, publish, table};

/// Clients that sign in without a pause, each with an account of its own.
const CLIENTS: usize = 32;
const PASSWORD: &str = "Correct-horse-7";
/// The server's default cost: memory in KiB, passes, lanes.
const COST: (u32, u32, u32) = (19_456, 2, 1);
/// Between two questions to `/v1/verify`.
const PACE: Duration = Duration::from_millis(1);

pub async fn run(rounds: usize, seconds: u64) -> anyhow::Result<()> {
    // Else a sign-in would also end another session, once there are enough.
    let server = Server::start_with(&[
        ("SESSIONS_PER_USER", "10000"),
        ("SIGN_INS_PER_HOUR", "1000000"),
    ])?;
    let mut clients = register(&server).await?;
    let mut token = String::new();
    for client in &mut clients {
        token = sign_in(&server, client).await?;
    }
    let time = Duration::from_secs(seconds);
    let mut seen = Seen::default();
    for _ in 0..rounds {
        seen.idle.push(p99(server.address, &token, time)?);
        seen.bare.push(bare(time)?);
        seen.sign_ins.push(flood(&server, &clients, time).await?);
        let verify = {
            let (address, token) = (server.address, token.clone());
            tokio::task::spawn_blocking(move || p99(address, &token, time))
        };
        flood(&server, &clients, time).await?;
        seen.flooded.push(verify.await??);
    }
    publish("sign-in", &seen.report(rounds, seconds))
}

/// One figure a round.
#[derive(Default)]
struct Seen {
    bare: Vec<f64>,
    sign_ins: Vec<f64>,
    idle: Vec<f64>,
    flooded: Vec<f64>,
}

impl Seen {
    fn report(mut self, rounds: usize, seconds: u64) -> String {
        let (bare, sign_ins) = (median(&mut self.bare), median(&mut self.sign_ins));
        let (idle, flooded) = (median(&mut self.idle), median(&mut self.flooded));
        let row = |what: &str, value: String, ratio: f64| {
            vec![what.to_owned(), value, format!("{ratio:.2}")]
        };
        let rates = [
            row(
                "bare Argon2id, a thread for each core (baseline)",
                format!("{bare:.1}"),
                1.0,
            ),
            row(
                "POST /v1/sessions, answered 201",
                format!("{sign_ins:.1}"),
                sign_ins / bare,
            ),
        ];
        let delays = [
            row("idle (baseline)", format!("{:.3}", idle * 1e3), 1.0),
            row(
                "during the sign-ins",
                format!("{:.3}", flooded * 1e3),
                flooded / idle,
            ),
        ];
        let (memory, passes, lanes) = COST;
        format!(
            "# Sign-ins against bare Argon2id, and `/v1/verify` meanwhile\n\n{}\nMedians of {rounds} alternating \
             rounds of {seconds} s; SQLite; m = {memory} KiB, t = {passes}, p = {lanes}; {CLIENTS} clients without a \
             pause, each with its own account. The baseline hashes in memory that it keeps.\n\n{}\n`/v1/verify`, one \
             connection, a question every {} ms: the 99th percentile.\n\n{}",
            machine(),
            table(&["what", "a second", "ratio"], &rates),
            PACE.as_millis(),
            table(&["what", "ms", "ratio"], &delays),
        )
    }
}

/// Accounts with their clients.
async fn register(server: &Server) -> anyhow::Result<Vec<Client>> {
    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        let http = reqwest::Client::new();
        let body = json!({"email": format!("bench{n}@example.com"), "password": PASSWORD});
        let sent = http
            .post(server.url("/v1/users"))
            .json(&body)
            .send()
            .await?;
        if sent.status() != 201 {
            bail!("not registered: {}", sent.status());
        }
        clients.push(Client { http, body });
    }
    Ok(clients)
}

#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    body: Value,
}

/// The access token. The client sends its device token from now on, as clients do that have signed in before.
async fn sign_in(server: &Server, client: &mut Client) -> anyhow::Result<String> {
    let request = client.http.post(server.url("/v1/sessions"));
    let answer = request.json(&client.body).send().await?;
    if answer.status() != 201 {
        bail!("not signed in: {}", answer.status());
    }
    let answer: Value = answer.json().await?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let device = text("device_token").context("no device token")?;
    if let Value::Object(body) = &mut client.body {
        body.insert("device_token".to_owned(), device.into());
    }
    Ok(text("access_token").context("no token")?.to_owned())
}

/// Sign-ins per second. Each client is a thread with a connection, so that the load costs as little as it can.
async fn flood(server: &Server, clients: &[Client], time: Duration) -> anyhow::Result<f64> {
    let began = Instant::now();
    let address = server.address;
    let each = clients.iter().map(|client| {
        let body = client.body.to_string();
        tokio::task::spawn_blocking(move || sign_in_until(address, &body, began + time))
    });
    let done = futures::future::try_join_all(each).await?;
    let done: u32 = done.into_iter().sum::<anyhow::Result<_>>()?;
    Ok(f64::from(done) / began.elapsed().as_secs_f64())
}

fn sign_in_until(server: SocketAddr, body: &str, end: Instant) -> anyhow::Result<u32> {
    let mut connection = BufReader::new(TcpStream::connect(server)?);
    let request = format!(
        "POST /v1/sessions HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut done = 0;
    while Instant::now() < end {
        connection.get_mut().write_all(request.as_bytes())?;
        let (status, length) = read_head(&mut connection)?;
        let mut answer = vec![0; length];
        connection.read_exact(&mut answer)?;
        if status != "HTTP/1.1 201 Created" {
            bail!("not signed in: {status}");
        }
        done += 1;
    }
    Ok(done)
}

/// The status line, and how long the body is.
fn read_head(connection: &mut impl BufRead) -> anyhow::Result<(String, usize)> {
    let (mut status, mut length) = (None, None);
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line)? == 0 {
            bail!("the server hung up");
        }
        let line = line.trim_end();
        if line.is_empty() {
            return status.zip(length).context("an answer without a length");
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("content-length")
        {
            length = Some(value.parse()?);
        }
        status.get_or_insert_with(|| line.to_owned());
    }
}

/// Hashes per second of all cores.
fn bare(time: Duration) -> anyhow::Result<f64> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (is_over, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let began = Instant::now();
    let threads: Vec<_> = (0..cores)
        .map(|_| {
            let (is_over, done) = (Arc::clone(&is_over), Arc::clone(&done));
            std::thread::spawn(move || hash_until(&is_over, &done))
        })
        .collect();
    std::thread::sleep(time);
    is_over.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().ok().context("a thread died")??;
    }
    let done = u32::try_from(done.load(Ordering::Relaxed))?;
    Ok(f64::from(done) / began.elapsed().as_secs_f64())
}

fn hash_until(is_over: &AtomicBool, done: &AtomicU64) -> anyhow::Result<()> {
    let fault = |error| anyhow::anyhow!("argon2: {error}");
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(fault)?;
    let mut blocks = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new_with_secret(&[7; 32], Algorithm::Argon2id, Version::V0x13, params);
    let argon2 = argon2.map_err(fault)?;
    let mut hash = [0_u8; 32];
    while !is_over.load(Ordering::Relaxed) {
        let hashed = argon2.hash_password_into_with_memory(
            PASSWORD.as_bytes(),
            &[9; 16],
            &mut hash,
            &mut blocks,
        );
        hashed.map_err(fault)?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// The 99th percentile of the time that `/v1/verify` takes, in seconds.
fn p99(server: SocketAddr, token: &str, time: Duration) -> anyhow::Result<f64> {
    let mut connection = TcpStream::connect(server)?;
    connection.set_nodelay(true)?;
    let request = format!(
        "GET /v1/verify HTTP/1.1\r\nHost: {server}\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let mut times = Vec::new();
    let mut answer = [0_u8; 2048];
    let began = Instant::now();
    while began.elapsed() < time {
        let asked = Instant::now();
        connection.write_all(request.as_bytes())?;
        // It has no body and fits into one packet.
        let bytes = connection.read(&mut answer)?;
        times.push(asked.elapsed().as_secs_f64());
        let head = answer.get(..bytes).unwrap_or_default();
        if !head.starts_with(b"HTTP/1.1 204") || !head.ends_with(b"\r\n\r\n") {
            bail!("not verified: {}", String::from_utf8_lossy(head));
        }
        std::thread::sleep(PACE);
    }
    times.sort_by(f64::total_cmp);
    times
        .get(times.len() * 99 / 100)
        .copied()
        .context("no answer")
}
