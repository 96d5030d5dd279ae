//! Eight writers and eight consumers of the log at once: every consumer sees every event once, in its order, with the
//! bytes of the export. `CONSUMERS_EVENTS` says how many events each engine gets; `make soak` takes a million.
//! `CONSUMERS_ENGINE` (`sqlite`, `postgres`) takes one engine alone. How fast it went is printed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use eventlog::testing::TestPostgres;
use futures::StreamExt as _;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{PATIENCE, Server};
use tokio::sync::watch;

const WRITERS: usize = 8;
const PULLING: usize = 3;
const LIVE: usize = 3;
const SINKS: usize = 2;
/// Events of each engine when nothing else is asked for.
const EVENTS: usize = 1_500;
/// How long a consumer that pulls waits when there is nothing new.
const PAUSE: Duration = Duration::from_millis(20);

/// What a consumer has seen: each position once and in order, and the hash of all lines.
#[derive(Default)]
struct Seen {
    position: u64,
    lines: Sha256,
}

impl Seen {
    fn take(&mut self, line: &str) {
        assert_eq!(position(line), self.position + 1, "{line}");
        self.position += 1;
        self.lines.update(line);
        self.lines.update("\n");
    }

    fn digest(self) -> (u64, String) {
        (self.position, format!("{:x}", self.lines.finalize()))
    }
}

/// The position of a line. Behind it are texts and numbers alone, and a text cannot hold a bare quotation mark.
fn position(line: &str) -> u64 {
    let (_, rest) = line.rsplit_once(",\"position\":").unwrap();
    let (digits, _) = rest.split_once(',').unwrap();
    digits.parse().unwrap()
}

/// Refreshes a session until enough events were asked for, an event each.
async fn write(client: Client, base: String, mut signed_in: Value, left: Arc<AtomicUsize>) {
    let take = |left: usize| left.checked_sub(1);
    while left
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
        .is_ok()
    {
        let body = json!({"refresh_token": signed_in["refresh_token"]});
        let request = client.post(format!("{base}/v1/tokens/refresh")).json(&body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        signed_in = answer.json().await.unwrap();
    }
}

/// A consumer's access: its own connections, the auditor's token, and the last position once it is known.
#[derive(Clone)]
struct Access {
    base: String,
    token: String,
    end: watch::Receiver<Option<u64>>,
}

impl Access {
    fn get(&self, client: &Client, query: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/v1/audit/events{query}", self.base);
        client.request(Method::GET, url).bearer_auth(&self.token)
    }

    fn is_over(&self, position: u64) -> bool {
        self.end.borrow().is_some_and(|end| position >= end)
    }
}

/// Pulls pages of a size of its own, and waits for more when there is none.
async fn pull(access: Access, limit: usize) -> (u64, String) {
    let (client, mut seen) = (Client::new(), Seen::default());
    while !access.is_over(seen.position) {
        let query = format!("?after={}&limit={limit}", seen.position);
        let request = access.get(&client, &query);
        let request = request.header("accept", "application/x-ndjson");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let text = answer.text().await.unwrap();
        if text.is_empty() {
            tokio::time::sleep(PAUSE).await;
        }
        text.lines().for_each(|line| seen.take(line));
    }
    seen.digest()
}

/// Follows the live stream, hangs up after so many events, and goes on where it was.
async fn follow(access: Access, stay: usize) -> (u64, String) {
    let (client, mut seen) = (Client::new(), Seen::default());
    while !access.is_over(seen.position) {
        let request = access.get(&client, "/live");
        let request = request.header("last-event-id", seen.position);
        let mut chunks = request.send().await.unwrap().bytes_stream();
        let (mut received, mut left, mut end) = (Vec::new(), stay, access.end.clone());
        while left > 0 && !access.is_over(seen.position) {
            tokio::select! {
                chunk = chunks.next() => received.extend(chunk.unwrap().unwrap()),
                // The last event may be here already.
                _ = end.changed() => {}
            }
            left = take_blocks(&mut received, &mut seen, left);
        }
    }
    seen.digest()
}

/// Takes whole blocks of the stream (HTML, section 9.2.6) until enough were taken; what is left of them.
fn take_blocks(received: &mut Vec<u8>, seen: &mut Seen, mut left: usize) -> usize {
    let mut taken = 0;
    while left > 0
        && let Some(length) = received[taken..]
            .windows(2)
            .position(|pair| pair == b"\n\n")
    {
        let block = std::str::from_utf8(&received[taken..taken + length]).unwrap();
        taken += length + 2;
        let Some(line) = block.lines().find_map(|line| line.strip_prefix("data: ")) else {
            continue;
        };
        assert!(
            block.contains(&format!("id: {}", seen.position + 1)),
            "{block}"
        );
        seen.take(line);
        left -= 1;
    }
    received.drain(..taken);
    left
}

/// A receiver of a webhook.
#[derive(Clone, Default)]
struct Receiver {
    seen: Arc<Mutex<Seen>>,
    /// Lines that came again.
    repeats: Arc<AtomicUsize>,
}

impl Receiver {
    /// Makes a sink from the log's beginning on that sends to it.
    async fn start(server: &Server, admin: &str, name: String) -> Self {
        let receiver = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/", post(take))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let body = json!({"name": name, "url": url, "after": 0});
        let made = server.post("/v1/admin/webhooks", admin, &body).await;
        assert_eq!(made.status(), 201);
        receiver
    }

    fn position(&self) -> u64 {
        self.seen.lock().unwrap().position
    }

    /// Waits for as long as something comes.
    async fn up_to(self, end: u64) -> (u64, String) {
        let (mut seen, mut since) = (0, Instant::now());
        while self.position() < end {
            if self.position() > seen {
                (seen, since) = (self.position(), Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "a webhook stops at {seen}");
            tokio::time::sleep(PAUSE).await;
        }
        // Nothing failed and nobody was killed.
        assert_eq!(self.repeats.load(Ordering::SeqCst), 0, "lines came again");
        std::mem::take(&mut *self.seen.lock().unwrap()).digest()
    }
}

async fn take(State(receiver): State<Receiver>, body: String) -> StatusCode {
    let mut seen = receiver.seen.lock().unwrap();
    for line in body.lines() {
        if position(line) > seen.position {
            seen.take(line);
        } else {
            receiver.repeats.fetch_add(1, Ordering::SeqCst);
        }
    }
    StatusCode::NO_CONTENT
}

async fn export(access: &Access) -> (u64, String) {
    let request = access.get(&Client::new(), "");
    let request = request.header("accept", "application/x-ndjson");
    let mut chunks = request.send().await.unwrap().bytes_stream();
    let (mut seen, mut received) = (Seen::default(), Vec::new());
    while let Some(chunk) = chunks.next().await {
        received.extend(chunk.unwrap());
        let whole = received.iter().rposition(|byte| *byte == b'\n');
        let lines: Vec<u8> = received.drain(..whole.map_or(0, |end| end + 1)).collect();
        let lines = std::str::from_utf8(&lines).unwrap();
        lines.lines().for_each(|line| seen.take(line));
    }
    assert!(received.is_empty());
    seen.digest()
}

/// `CONSUMERS_ENGINE`, or both engines.
fn engines() -> Vec<&'static str> {
    match std::env::var("CONSUMERS_ENGINE").as_deref() {
        Ok("sqlite") => vec!["sqlite"],
        Ok("postgres") => vec!["postgres"],
        Ok(other) => panic!("CONSUMERS_ENGINE is sqlite or postgres, not {other}"),
        Err(_) => vec!["sqlite", "postgres"],
    }
}

async fn start(engine: &str) -> Server {
    let mut settings = vec![
        ("ACCESS_TOKEN_TTL", "86400"),
        ("WEBHOOKS_ALLOW_PRIVATE", "true"),
    ];
    if engine == "sqlite" {
        return Server::start_with(&settings).await;
    }
    let cluster = TestPostgres::shared().unwrap();
    let url = cluster.fresh_database().await.unwrap();
    settings.push(("DATABASE_URL", &url));
    Server::start_with(&settings).await
}

async fn eight_and_eight(engine: &str, server: &Server, events: usize) {
    let token = server.auditor("eve@example.org").await;
    let (tell_end, end) = watch::channel(None);
    let base = server.base.clone();
    let access = Access { base, token, end };
    let pulling =
        (0..PULLING).map(|n| tokio::spawn(pull(access.clone(), [7, 100, 1_000, 10_000][n])));
    let live =
        (0..LIVE).map(|n| tokio::spawn(follow(access.clone(), [13, 997, 50_000, usize::MAX][n])));
    let consumers: Vec<_> = pulling.chain(live).collect();
    let admin = server.admin("root@example.org").await;
    let mut sinks = Vec::new();
    for n in 0..SINKS {
        sinks.push(Receiver::start(server, &admin, format!("sink {n}")).await);
    }
    let left = Arc::new(AtomicUsize::new(events));
    let (mut writers, begin) = (Vec::new(), Instant::now());
    for n in 0..WRITERS {
        let email = format!("writer{n}@example.com");
        server.register(&email).await;
        let signed_in = server.sign_in(&email).await;
        let (base, left) = (server.base.clone(), Arc::clone(&left));
        writers.push(tokio::spawn(write(Client::new(), base, signed_in, left)));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let written = begin.elapsed();
    let exported = export(&access).await;
    assert!(exported.0 >= events as u64);
    tell_end.send(Some(exported.0)).unwrap();
    for consumer in consumers {
        assert_eq!(consumer.await.unwrap(), exported);
    }
    for sink in sinks {
        assert_eq!(sink.up_to(exported.0).await, exported);
    }
    let rate = |time: Duration| events as f64 / time.as_secs_f64();
    println!(
        "{engine}: {events} events, {:.0} a second written, {:.0} a second until every consumer had them",
        rate(written),
        rate(begin.elapsed())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_consumer_sees_every_event_once_in_its_order() {
    let events = std::env::var("CONSUMERS_EVENTS").ok();
    let events = events.map_or(EVENTS, |text| text.parse().unwrap());
    for engine in engines() {
        let server = start(engine).await;
        eight_and_eight(engine, &server, events).await;
    }
}
