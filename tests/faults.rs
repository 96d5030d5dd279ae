//! kill -9 of server or worker in the middle of everything: nothing acknowledged is lost, no job is stuck, and none
//! takes effect twice.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eventlog::testing::TestPostgres;
use reqwest::Method;
use serde_json::{Value, json};
use support::chance::Chance;
use support::{PASSWORD, Server, clip};

/// Rounds of one kill each.
const ROUNDS: u64 = 20;

/// How often a job is tried at most when the worker is at fault.
const ATTEMPTS: u64 = 4;

/// What was acknowledged to a client: the position, and which event must stand there.
#[derive(Debug, Clone)]
struct Acknowledged {
    position: u64,
    event_type: &'static str,
    subject: String,
}

/// A client of its own, which outlives the server's process.
#[derive(Clone)]
struct Writer {
    client: reqwest::Client,
    base: String,
    token: String,
    name: String,
    is_over: Arc<AtomicBool>,
}

impl Writer {
    fn new(server: &Server, token: &str, name: String) -> Self {
        let (client, base) = (reqwest::Client::new(), server.base.clone());
        Self {
            client,
            base,
            token: token.to_owned(),
            name,
            is_over: Arc::default(),
        }
    }

    /// Writes until told to stop or until the server is gone under it; then says what was acknowledged.
    async fn run(self) -> Vec<Acknowledged> {
        let mut acknowledged = Vec::new();
        for n in 0_u64.. {
            if self.is_over.load(Ordering::SeqCst)
                || self.write(n, &mut acknowledged).await.is_none()
            {
                break;
            }
        }
        acknowledged
    }

    /// A registration, an upload and its two jobs; `None` when an answer did not come.
    async fn write(&self, n: u64, acknowledged: &mut Vec<Acknowledged>) -> Option<()> {
        let body = json!({"email": format!("{}-{n}@example.com", self.name), "password": PASSWORD});
        self.send(
            self.post("/v1/users").json(&body),
            "UserRegistered",
            acknowledged,
        )
        .await?;
        // Another tail is another file, so another job.
        let mut content = clip();
        content.extend_from_slice(format!("{}-{n}", self.name).as_bytes());
        let upload = self
            .post("/v1/media?name=a.mp4")
            .bearer_auth(&self.token)
            .body(content);
        let media = self.send(upload, "MediaStored", acknowledged).await?;
        for preset in ["metadata", "poster"] {
            let ask = self
                .post(&format!("/v1/media/{media}/jobs"))
                .bearer_auth(&self.token);
            self.send(
                ask.json(&json!({"preset": preset})),
                "MediaJobRequested",
                acknowledged,
            )
            .await?;
        }
        Some(())
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(Method::POST, format!("{}{path}", self.base))
    }

    /// Sends a request: the identifier of what it made, once the whole answer is here.
    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        event_type: &'static str,
        acknowledged: &mut Vec<Acknowledged>,
    ) -> Option<String> {
        let answer = request.send().await.ok()?;
        let status = answer.status();
        if status == 503 {
            return None;
        }
        assert!(status.is_success(), "{status}");
        let position = answer.headers()["gatelog-position"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let subject = answer.json::<Value>().await.ok()?["id"]
            .as_str()
            .unwrap()
            .to_owned();
        acknowledged.push(Acknowledged {
            position,
            event_type,
            subject: subject.clone(),
        });
        Some(subject)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_nothing_leave_nothing_stuck_and_double_nothing() {
    let (seed, mut chance) = Chance::from_environment("FAULTS_SEED");
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("MEDIA_JOBS_PER_USER", "4"),
        // No worker keeps up with the writers.
        ("MEDIA_JOBS_QUEUED_PER_USER", "100000"),
        ("ACCESS_TOKEN_TTL", "86400"),
    ];
    let mut server = Server::prepare(folder.path(), &settings);
    server.launch().await;
    server.launch_worker().await;
    let token = server.token("ada@example.com").await;
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let writers: Vec<Writer> = (0..2)
            .map(|n| Writer::new(&server, &token, format!("p{round}-{n}")))
            .collect();
        let writing: Vec<_> = writers
            .iter()
            .map(|writer| tokio::spawn(writer.clone().run()))
            .collect();
        tokio::time::sleep(Duration::from_millis(50 + chance.below(900))).await;
        // The writers are in the middle of their requests; of the server's kills they hear by a broken connection.
        assert!(
            writing.iter().any(|task| !task.is_finished()),
            "seed {seed}: nobody was writing"
        );
        if round % 2 == 0 {
            server.kill();
            server.launch().await;
        } else {
            server.kill_worker();
            server.launch_worker().await;
        }
        writers
            .iter()
            .for_each(|writer| writer.is_over.store(true, Ordering::SeqCst));
        for task in writing {
            acknowledged.extend(task.await.unwrap());
        }
    }
    let mut given_up = 0;
    let jobs = acknowledged
        .iter()
        .filter(|event| event.event_type == "MediaJobRequested");
    for job in jobs.clone() {
        let ended = server.ended(&token, &job.subject).await;
        if ended["state"] == "succeeded" {
            verify_outputs(&server, &token, &ended).await;
        } else {
            assert!(is_given_up(&ended), "seed {seed}: {ended}");
            given_up += 1;
        }
    }
    let jobs = jobs.count();
    assert!(
        given_up * 10 <= jobs,
        "seed {seed}: {given_up} of {jobs} jobs were given up"
    );
    let events = export(&server).await;
    check_acknowledged(&events, &acknowledged, seed);
    check_ends(&events, &acknowledged, seed);
    support::until("no FFmpeg is left", || {
        processes_under(folder.path()).is_empty()
    })
    .await;
}

/// Whether a job failed because the worker was killed under each of its attempts.
fn is_given_up(job: &Value) -> bool {
    job["state"] == "failed" && job["attempt"] == ATTEMPTS && job["error"]["retryable"] == true
}

/// FFmpeg's processes that work in a folder below `folder`.
fn processes_under(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let named = entries.filter_map(|entry| {
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        let is_ours = std::fs::read_link(entry.path().join("cwd"))
            .ok()?
            .starts_with(folder);
        (is_ours && name.starts_with("ff")).then(|| name.trim().to_owned())
    });
    named.collect()
}

async fn verify_outputs(server: &Server, token: &str, job: &Value) {
    use sha2::Digest as _;
    for output in job["outputs"].as_array().unwrap() {
        let path = format!(
            "/v1/jobs/{}/outputs/{}",
            job["id"].as_str().unwrap(),
            output["name"].as_str().unwrap()
        );
        let bytes = server.get(&path, token).await.bytes().await.unwrap();
        assert_eq!(
            hex::encode(sha2::Sha256::digest(&bytes)),
            output["sha256"].as_str().unwrap()
        );
    }
}

async fn export(server: &Server) -> Vec<Value> {
    let auditor = server.auditor("eve@example.com").await;
    let request = server
        .request(Method::GET, "/v1/audit/events")
        .bearer_auth(auditor);
    let text = request
        .header("accept", "application/x-ndjson")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Positions without a gap, and at each acknowledged one the very event.
fn check_acknowledged(events: &[Value], acknowledged: &[Acknowledged], seed: u64) {
    for (n, event) in events.iter().enumerate() {
        assert_eq!(event["position"], n as u64 + 1, "seed {seed}: a gap");
    }
    for wanted in acknowledged {
        let found = usize::try_from(wanted.position - 1)
            .ok()
            .and_then(|index| events.get(index));
        let found = found.unwrap_or_else(|| panic!("seed {seed}: {wanted:?} is lost"));
        let seen = (
            found["type"].as_str().unwrap(),
            found["subject"].as_str().unwrap(),
        );
        assert_eq!(
            seen,
            (wanted.event_type, wanted.subject.as_str()),
            "seed {seed}: another event stands there"
        );
    }
}

/// Every job that was acknowledged ended, and no job ended twice.
fn check_ends(events: &[Value], acknowledged: &[Acknowledged], seed: u64) {
    let ends = ["MediaJobSucceeded", "MediaJobFailed", "MediaJobCancelled"];
    let mut count: HashMap<&str, usize> = HashMap::new();
    for event in events
        .iter()
        .filter(|event| ends.contains(&event["type"].as_str().unwrap()))
    {
        *count.entry(event["subject"].as_str().unwrap()).or_default() += 1;
    }
    assert!(
        count.values().all(|times| *times == 1),
        "seed {seed}: a job ended twice: {count:?}"
    );
    let jobs: Vec<_> = acknowledged
        .iter()
        .filter(|event| event.event_type == "MediaJobRequested")
        .collect();
    assert!(
        jobs.iter()
            .all(|job| count.contains_key(job.subject.as_str())),
        "seed {seed}: a job is stuck"
    );
    assert!(
        jobs.len() > 20,
        "seed {seed}: only {} jobs were asked for",
        jobs.len()
    );
}

#[test]
fn the_check_of_acknowledged_events_finds_a_lost_a_moved_and_a_missing_one() {
    let event = |position: u64, subject: &str| json!({"position": position, "type": "MediaStored", "subject": subject});
    let wanted = [Acknowledged {
        position: 2,
        event_type: "MediaStored",
        subject: "b".to_owned(),
    }];
    check_acknowledged(&[event(1, "a"), event(2, "b")], &wanted, 0);
    for bad in [
        vec![event(1, "a")],
        vec![event(1, "b"), event(2, "a")],
        vec![event(1, "a"), event(3, "b")],
    ] {
        let caught = std::panic::catch_unwind(|| check_acknowledged(&bad, &wanted, 0));
        assert!(caught.is_err(), "{bad:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_postgres_loses_nothing_that_was_acknowledged() {
    let cluster = TestPostgres::start().unwrap();
    let url = cluster.fresh_database().await.unwrap();
    let many = ("MEDIA_JOBS_QUEUED_PER_USER", "100000");
    let server = Server::start_with(&[("DATABASE_URL", &url), many]).await;
    let token = server.token("ada@example.com").await;
    let (seed, mut chance) = Chance::from_environment("FAULTS_SEED");
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let writers: Vec<Writer> = (0..4)
            .map(|n| Writer::new(&server, &token, format!("p{round}-{n}")))
            .collect();
        let writing: Vec<_> = writers
            .iter()
            .map(|writer| tokio::spawn(writer.clone().run()))
            .collect();
        tokio::time::sleep(Duration::from_millis(300 + chance.below(600))).await;
        assert!(
            writing.iter().any(|task| !task.is_finished()),
            "seed {seed}: nobody was writing"
        );
        cluster.kill().unwrap();
        cluster.restart().unwrap();
        // Those whose answer was under way learn the truth about it; then nobody writes any more.
        writers
            .iter()
            .for_each(|writer| writer.is_over.store(true, Ordering::SeqCst));
        for task in writing {
            acknowledged.extend(task.await.unwrap());
        }
        recovered(&server, round).await;
    }
    assert!(
        acknowledged.len() > 20,
        "seed {seed}: only {} events",
        acknowledged.len()
    );
    check_acknowledged(&export(&server).await, &acknowledged, seed);
}

/// The server writes again.
async fn recovered(server: &Server, round: u64) {
    let body = json!({"email": format!("after-{round}@example.com"), "password": PASSWORD});
    let deadline = std::time::Instant::now() + support::PATIENCE;
    while !matches!(
        server.post("/v1/users", "", &body).await.status().as_u16(),
        201 | 409
    ) {
        assert!(
            std::time::Instant::now() < deadline,
            "the server does not recover: {}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn sigterm_lets_a_request_finish_and_ends_well() {
    let mut server = Server::start().await;
    let token = server.token("ada@example.com").await;
    let parts = clip()
        .chunks(100_000)
        .map(<[u8]>::to_vec)
        .collect::<Vec<_>>();
    // The first part comes before the signal, all others after it.
    let signalled = Arc::new(tokio::sync::Notify::new());
    let begin = (parts.into_iter().enumerate(), Arc::clone(&signalled));
    let slowly = futures::stream::unfold(begin, |(mut parts, signalled)| async move {
        let (n, part) = parts.next()?;
        match n {
            0 => {}
            1 => signalled.notified().await,
            _ => tokio::time::sleep(Duration::from_millis(60)).await,
        }
        Some((Ok::<_, std::io::Error>(part), (parts, signalled)))
    });
    let upload = server
        .request(Method::POST, "/v1/media?name=a.mp4")
        .bearer_auth(&token);
    let upload = upload.body(reqwest::Body::wrap_stream(slowly)).send();
    let id = server.process_id();
    let staging = server.data.join("blobs/staging");
    let stopping = async {
        let is_begun = async || {
            let before = support::files::under(&staging);
            tokio::time::sleep(Duration::from_millis(50)).await;
            // Whatever else is staged is soon kept.
            let files = support::files::under(&staging);
            files.iter().any(|file| before.contains(file))
        };
        support::until_so("the upload is under way", is_begun).await;
        let kill = std::process::Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .status();
        signalled.notify_one();
        kill.unwrap()
    };
    let (answer, signal) = tokio::join!(upload, stopping);
    assert!(signal.success());
    assert_eq!(answer.unwrap().status(), 201);
    assert!(server.wait().success(), "{}", server.log());
}
