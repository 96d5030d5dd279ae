//! A worker that lies: whatever it says it made, nothing reaches a person that is not what it should be, and however
//! much it takes on, nobody gets more than a fair share of it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::IntoResponse as _;
use axum::routing::{get, post, put};
use futures::StreamExt as _;
use media_worker::api::{
    Failure, FailureCode, JobSpec, JobState, JobStatus, OutputFile, OutputRole, Preset, PresetInfo,
    Sandbox, ServiceLimits, Sha256Digest,
};
use serde_json::{Value, json};
use support::Server;
use support::engines::{outcome, refused};
use uuid::Uuid;

/// What it does beside saying what is not so.
#[derive(Clone, Copy, PartialEq)]
enum Trick {
    Nothing,
    /// A job that was started never ends.
    NeverEnds,
    /// An output never ends.
    EndlessOutput,
    /// An output comes in pieces, with a pause before each.
    SlowOutput,
    /// The manifest never ends.
    EndlessManifest,
    /// The state is deeply nested and large.
    HugeStatus,
    /// When it is done, the server's blob store is away.
    StoreGoes,
    /// No input of the clip's size has room; what is smaller has.
    DiskLow,
    /// Every job crashes.
    Crashes,
    /// Every job finds the disk full.
    FullDisk,
}

/// The worker's real protocol over real HTTP, on loopback. It takes every job.
#[derive(Clone)]
struct Liar {
    /// What it says that it made, and what it sends.
    manifest: Vec<OutputFile>,
    content: Vec<u8>,
    trick: Trick,
    /// How often an output was asked for.
    sent: Arc<AtomicUsize>,
    /// The server's blob store.
    store: Arc<Mutex<PathBuf>>,
    states: Arc<Mutex<BTreeMap<(Uuid, u32), JobState>>>,
}

type Key = Path<(Uuid, u32)>;

impl Liar {
    fn new(manifest: Vec<OutputFile>, content: &[u8]) -> Self {
        Self {
            manifest,
            content: content.to_vec(),
            trick: Trick::Nothing,
            sent: Arc::default(),
            store: Arc::default(),
            states: Arc::default(),
        }
    }

    /// What it says that it made is true.
    fn with_trick(trick: Trick) -> Self {
        Self {
            trick,
            ..Self::new(vec![honest(PICTURE)], PICTURE)
        }
    }

    /// Serves as long as the test runs: the address.
    async fn serve(self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/v1/limits", get(limits))
            .route("/v1/jobs", get(|| async { axum::Json(json!([])) }))
            .route(
                "/v1/jobs/{job}/{attempt}",
                put(reserve).get(status).delete(status),
            )
            .route("/v1/jobs/{job}/{attempt}/input", put(receive))
            .route("/v1/jobs/{job}/{attempt}/start", post(start))
            .route("/v1/jobs/{job}/{attempt}/events", get(events))
            .route("/v1/jobs/{job}/{attempt}/outputs", get(outputs))
            .route("/v1/jobs/{job}/{attempt}/outputs/{name}", get(content))
            .route("/v1/jobs/{job}/{attempt}/ack", post(status))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(self);
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}")
    }

    fn set(&self, (job, attempt): (Uuid, u32), state: JobState) -> axum::Json<JobStatus> {
        self.states.lock().unwrap().insert((job, attempt), state);
        axum::Json(JobStatus {
            job,
            attempt,
            preset: Preset::Poster,
            state,
            pct: None,
            last_seq: 0,
            failure: (state == JobState::Failed).then(|| Failure {
                code: if self.trick == Trick::Crashes {
                    FailureCode::Crashed
                } else {
                    FailureCode::DiskFull
                },
                detail: String::new(),
            }),
            result: None,
            files_deleted: false,
        })
    }
}

/// Room for everything, in the best of sandboxes.
async fn limits() -> axum::Json<ServiceLimits> {
    let presets = Preset::ALL.map(|name| PresetInfo {
        name,
        version: name.version(),
        outputs: Vec::new(),
    });
    let sandbox = Sandbox {
        landlock_abi: 7,
        seccomp: true,
        netns: true,
        uid_drop: true,
        no_new_privs: true,
        rlimits: true,
    };
    axum::Json(ServiceLimits {
        slots: 100,
        light_slots: 1,
        free: 100,
        free_general: Some(99),
        free_soon: 0,
        presets: presets.to_vec(),
        max_input_bytes: 1 << 30,
        max_duration_seconds: 7200,
        max_pixels: 1 << 25,
        max_side_pixels: 8192,
        max_streams: 32,
        ffmpeg_version: "ffmpeg version none".to_owned(),
        sandbox,
    })
}

async fn reserve(
    State(liar): State<Liar>,
    Path(key): Key,
    spec: axum::Json<JobSpec>,
) -> axum::response::Response {
    if liar.trick == Trick::DiskLow && spec.input_size >= support::clip().len() as u64 {
        let error = json!({"code": "disk_low", "detail": "there is not enough space"});
        return (http::StatusCode::SERVICE_UNAVAILABLE, axum::Json(error)).into_response();
    }
    liar.set(key, JobState::AwaitingInput).into_response()
}

async fn status(State(liar): State<Liar>, Path(key): Key) -> axum::response::Response {
    if liar.trick == Trick::HugeStatus {
        return "[".repeat(3_000_000).into_response();
    }
    let state = liar.states.lock().unwrap()[&key];
    liar.set(key, state).into_response()
}

async fn receive(
    State(liar): State<Liar>,
    Path(key): Key,
    _: bytes::Bytes,
) -> axum::Json<JobStatus> {
    liar.set(key, JobState::Ready)
}

async fn start(State(liar): State<Liar>, Path(key): Key) -> axum::Json<JobStatus> {
    if liar.trick == Trick::StoreGoes && !away(&liar.store.lock().unwrap()).exists() {
        take_away(&liar.store.lock().unwrap());
    }
    let state = match liar.trick {
        Trick::NeverEnds => JobState::Running,
        Trick::FullDisk | Trick::Crashes => JobState::Failed,
        _ => JobState::Succeeded,
    };
    liar.set(key, state)
}

/// Nothing happens, for ever.
async fn events() -> Body {
    Body::from_stream(futures::stream::pending::<
        Result<bytes::Bytes, std::io::Error>,
    >())
}

async fn outputs(State(liar): State<Liar>, _: Key) -> axum::response::Response {
    if liar.trick == Trick::EndlessManifest {
        return without_end(bytes::Bytes::from_static(b"["));
    }
    axum::Json(liar.manifest).into_response()
}

async fn content(
    State(liar): State<Liar>,
    _: Path<(Uuid, u32, String)>,
) -> axum::response::Response {
    liar.sent.fetch_add(1, Ordering::Relaxed);
    if liar.trick == Trick::SlowOutput {
        let pieces = liar.content.chunks(PICTURE.len() / 5).map(<[u8]>::to_vec);
        let pieces: Vec<_> = pieces.collect();
        let slow = futures::stream::iter(pieces).then(|piece| async {
            tokio::time::sleep(PAUSE).await;
            Ok::<_, std::io::Error>(piece)
        });
        return Body::from_stream(slow).into_response();
    }
    if liar.trick == Trick::EndlessOutput {
        return without_end(liar.content.into());
    }
    liar.content.into_response()
}

/// The beginning, and then spaces for ever.
fn without_end(beginning: bytes::Bytes) -> axum::response::Response {
    let spaces = futures::stream::repeat_with(|| bytes::Bytes::from_static(&[b' '; 64 * 1024]));
    let pieces = futures::stream::iter([beginning]).chain(spaces);
    Body::from_stream(pieces.map(Ok::<_, std::io::Error>)).into_response()
}

/// Between pieces of a slow output; all of them together take longer than a lease lasts.
const PAUSE: Duration = Duration::from_secs(7);

/// The head of a WebP picture.
const PICTURE: &[u8] = b"RIFF\x20\0\0\0WEBPVP8 and so on";

/// What an honest worker says of `content`.
fn honest(content: &[u8]) -> OutputFile {
    OutputFile {
        name: "poster.webp".to_owned(),
        role: OutputRole::Poster,
        mime: "image/webp".to_owned(),
        size: content.len() as u64,
        sha256: Sha256Digest::of(content),
        width: None,
        height: None,
        duration_ms: None,
        codec: None,
    }
}

async fn server_of(liar: Liar) -> Server {
    let url = liar.serve().await;
    Server::start_with(&[("MEDIA_WORKER_URL", &url)]).await
}

/// The stored files of a server.
fn files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| {
        if entry.path().is_dir() {
            files(&entry.path())
        } else {
            1
        }
    };
    entries.map(of).sum()
}

/// The events of a job's first attempt, once it has ended in one way or the other.
async fn first_end(server: &Server, job: &str) -> Value {
    let auditor = server.auditor("eve@example.com").await;
    let path = format!("/v1/audit/events?subject={job}");
    let deadline = std::time::Instant::now() + support::PATIENCE;
    loop {
        let page = server.get_json(&path, &auditor).await;
        let ends = [
            "MediaJobAttemptFailed",
            "MediaJobFailed",
            "MediaJobSucceeded",
        ];
        let found = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|event| ends.contains(&event["type"].as_str().unwrap()));
        if let Some(event) = found {
            return event.clone();
        }
        assert!(std::time::Instant::now() < deadline, "{page}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_is_taken_only_when_everything_said_of_it_is_true() {
    let truth = honest(PICTURE);
    let other = OutputFile {
        sha256: Sha256Digest::of(b"another"),
        ..truth.clone()
    };
    let short = OutputFile {
        size: truth.size - 1,
        ..truth.clone()
    };
    let long = OutputFile {
        size: truth.size + 1,
        ..truth.clone()
    };
    let elsewhere = OutputFile {
        name: "../master.key".to_owned(),
        ..truth.clone()
    };
    let page = b"<script>alert(1)</script>";
    for (what, manifest, content) in [
        ("another digest", vec![other], PICTURE),
        ("fewer bytes than sent", vec![short], PICTURE),
        ("more bytes than sent", vec![long], PICTURE),
        ("another name", vec![elsewhere], PICTURE),
        ("one too many", vec![truth.clone(), truth.clone()], PICTURE),
        ("nothing", Vec::new(), PICTURE),
        ("no picture", vec![honest(page)], page.as_slice()),
    ] {
        let server = server_of(Liar::new(manifest, content)).await;
        let token = server.token("ada@example.com").await;
        let media = server.upload(&token, "a.mp4", support::clip()).await;
        let job = server.job(&token, &media, "poster").await;
        let end = first_end(&server, &job).await;
        assert_ne!(end["type"], "MediaJobSucceeded", "{what}");
        let seen = server.get_json(&format!("/v1/jobs/{job}"), &token).await;
        assert_eq!(seen["outputs"], json!([]), "{what}");
        let path = format!("/v1/jobs/{job}/outputs/poster.webp");
        assert_eq!(server.get(&path, &token).await.status(), 404, "{what}");
        let blobs = server.data.join("blobs");
        support::until(&format!("{what}: only the file is stored"), || {
            files(&blobs) == 1
        })
        .await;
    }
    let server = server_of(Liar::new(vec![truth], PICTURE)).await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "a.mp4", support::clip()).await;
    let job = server.job(&token, &media, "poster").await;
    let seen = server.ended(&token, &job).await;
    assert_eq!(seen["state"], "succeeded", "the truth is taken: {seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_more_than_two_jobs_running_and_another_person_gets_a_turn() {
    let server = server_of(Liar::with_trick(Trick::NeverEnds)).await;
    let (ada, bob) = (
        server.token("ada@example.com").await,
        server.token("bob@example.com").await,
    );
    let mut of_ada = Vec::new();
    for n in 0..6_u8 {
        let content = [support::clip().as_slice(), &[n]].concat();
        let media = server.upload(&ada, "a.mp4", content).await;
        of_ada.push(server.job(&ada, &media, "poster").await);
    }
    let media = server.upload(&bob, "b.mp4", support::clip()).await;
    let of_bob = server.job(&bob, &media, "poster").await;
    let running = async |token: &str| -> Vec<String> {
        let page = server.get_json("/v1/jobs", token).await;
        let items = page["items"].as_array().unwrap().iter();
        items
            .filter(|job| job["state"] == "running")
            .map(|job| job["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let wait = async |token: &str, wanted: &[&String]| {
        let deadline = std::time::Instant::now() + support::PATIENCE;
        loop {
            let seen = running(token).await;
            assert!(seen.len() <= 2, "{seen:?}");
            if wanted.iter().all(|job| seen.contains(job)) {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{seen:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    wait(&ada, &[&of_ada[0], &of_ada[1]]).await;
    wait(&bob, &[&of_bob]).await;
    // The next of the queue follows as soon as one is over, in the order of their asking.
    for n in 0..4 {
        let path = format!("/v1/jobs/{}", of_ada[n]);
        assert_eq!(server.delete(&path, &ada).await.status(), 204);
        wait(&ada, &[&of_ada[n + 1], &of_ada[n + 2]]).await;
    }
    assert_eq!(running(&bob).await, [of_bob]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_person_asks_for_is_bounded_in_jobs_places_and_bytes() {
    let url = Liar::with_trick(Trick::Nothing).serve().await;
    let bytes = support::clip().len() + PICTURE.len() + 1;
    let quota = bytes.to_string();
    let settings = [
        ("MEDIA_WORKER_URL", url.as_str()),
        ("MEDIA_JOBS_QUEUED_PER_USER", "3"),
        ("MEDIA_QUOTA_BYTES", quota.as_str()),
    ];
    for (server, url, _folder) in support::engines::servers(&settings).await {
        let token = server.token("ada@example.com").await;
        let media = server.upload(&token, "a.mp4", support::clip()).await;
        let path = format!("/v1/media/{media}/jobs");
        let ask = async |seek_ms: u64| {
            let body = json!({"preset": "poster", "options": {"seek_ms": seek_ms}});
            server.post(&path, &token, &body).await
        };
        let far = ask(7_200_001).await;
        assert_eq!(
            outcome(far).await,
            refused(422, "validation-failed"),
            "{url}"
        );
        let first: Value = ask(0).await.json().await.unwrap();
        let first = first["id"].as_str().unwrap();
        assert_eq!(server.ended(&token, first).await["state"], "succeeded");
        let usage = server.get_json("/v1/me/usage", &token).await;
        assert_eq!(usage["bytes"], bytes - 1, "{url}: {usage}");
        assert_eq!(usage["output_bytes"], PICTURE.len(), "{url}: {usage}");
        // While the store is away everything waits, and only so much may.
        let store = server.data.join("blobs");
        take_away(&store);
        let asked = futures::future::join_all((1..=20).map(ask)).await;
        let (taken, more): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|one| one.status() == 202);
        assert_eq!(taken.len(), 3, "{url}");
        for one in more {
            assert!(one.headers().contains_key("retry-after"), "{url}");
            assert_eq!(outcome(one).await, refused(429, "too-many-jobs"), "{url}");
        }
        assert_eq!(ask(0).await.status(), 202, "{url}: what is done is no more");
        // The first of them fills the quota; then nothing more is made, and nothing more is taken.
        bring_back(&store);
        let mut states = Vec::new();
        for one in taken {
            let job: Value = one.json().await.unwrap();
            let ended = server.ended(&token, job["id"].as_str().unwrap()).await;
            states.push((ended["state"].clone(), ended["error"]["code"].clone()));
        }
        assert!(
            states.contains(&(json!("succeeded"), Value::Null)),
            "{states:?}"
        );
        assert!(
            states.contains(&(json!("failed"), json!("quota_exceeded"))),
            "{states:?}"
        );
        assert_eq!(outcome(ask(30).await).await, refused(413, "quota-exceeded"));
        // What was made goes with its file, and so does what counts.
        assert_eq!(
            server
                .delete(&format!("/v1/media/{media}"), &token)
                .await
                .status(),
            204
        );
        let is_empty = async || server.get_json("/v1/me/usage", &token).await["bytes"] == 0;
        support::until_so("nothing counts", is_empty).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_short_of_disk_for_one_input_goes_on_with_smaller_ones() {
    let server = server_of(Liar::with_trick(Trick::DiskLow)).await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "a.mp4", support::clip()).await;
    let large = server.job(&token, &media, "poster").await;
    for n in 0..5_u8 {
        let mut smaller = support::clip();
        smaller.truncate(smaller.len() - 1 - usize::from(n));
        let media = server.upload(&token, "b.mp4", smaller).await;
        let job = server.job(&token, &media, "poster").await;
        assert_eq!(server.ended(&token, &job).await["state"], "succeeded");
    }
    let seen = server.get_json(&format!("/v1/jobs/{large}"), &token).await;
    assert_eq!(seen["state"], "queued", "{seen}");
    assert!(
        seen["attempt"].as_u64().unwrap() <= 1,
        "it goes round: {seen}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_crashes_what_works_on_it_is_given_to_no_worker_again() {
    let server = server_of(Liar::with_trick(Trick::Crashes)).await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "a.mp4", support::clip()).await;
    for (preset, attempts) in [("poster", 2), ("preview", 0), ("metadata", 0)] {
        let job = server.job(&token, &media, preset).await;
        let ended = server.ended(&token, &job).await;
        assert_eq!(ended["error"]["code"], "crashed", "{ended}");
        assert_eq!(ended["error"]["retryable"], false, "{ended}");
        assert_eq!(ended["attempt"], attempts, "{ended}");
    }
    let of_it = |line: &&str| line.contains("keeps crashing") && line.contains(&media);
    assert_eq!(server.log().lines().filter(of_it).count(), 1);
    let metrics = reqwest::get(format!("{}/metrics", server.ops)).await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let counted = "gatelog_media_poison_total{code=\"crashed\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    let other = server.upload(&token, "b.mp4", support::clip()).await;
    let job = server.job(&token, &other, "poster").await;
    let ended = server.ended(&token, &job).await;
    assert_eq!(ended["attempt"], 2, "another file has its tries: {ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_ends_or_is_too_large_ends_the_attempt_and_the_server_goes_on() {
    for trick in [
        Trick::EndlessOutput,
        Trick::EndlessManifest,
        Trick::HugeStatus,
    ] {
        let server = server_of(Liar::with_trick(trick)).await;
        let token = server.token("ada@example.com").await;
        let media = server.upload(&token, "a.mp4", support::clip()).await;
        let job = server.job(&token, &media, "poster").await;
        let end = first_end(&server, &job).await;
        assert_eq!(end["type"], "MediaJobAttemptFailed", "{end}");
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id()));
        let status = status.unwrap();
        let peak = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap();
        let peak: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(peak < 512 * 1024, "{peak} KiB");
        let blobs = server.data.join("blobs");
        support::until("only the file is stored", || files(&blobs) == 1).await;
    }
}

/// Where a blob store is while it is away.
fn away(store: &FilePath) -> PathBuf {
    store.with_extension("away")
}

/// A file where the folder was: every call fails, and none makes the folder anew.
fn take_away(store: &FilePath) {
    std::fs::rename(store, away(store)).unwrap();
    std::fs::write(store, b"").unwrap();
}

fn bring_back(store: &FilePath) {
    std::fs::remove_file(store).unwrap();
    std::fs::rename(away(store), store).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_blob_store_costs_no_attempt() {
    for trick in [Trick::Nothing, Trick::StoreGoes] {
        let liar = Liar::with_trick(trick);
        let place = Arc::clone(&liar.store);
        let server = server_of(liar).await;
        let store = server.data.join("blobs");
        place.lock().unwrap().clone_from(&store);
        let token = server.token("ada@example.com").await;
        let media = server.upload(&token, "a.mp4", support::clip()).await;
        if trick == Trick::Nothing {
            take_away(&store);
        }
        let job = server.job(&token, &media, "poster").await;
        // Several tries of the store, each of which would have been an attempt.
        let waits = || server.log().matches("for the blob store").count();
        support::until("the job waits for the store", || waits() > 2).await;
        let seen = server.get_json(&format!("/v1/jobs/{job}"), &token).await;
        let (state, attempt) = match trick {
            Trick::Nothing => ("queued", 0),
            _ => ("running", 1),
        };
        assert_eq!(
            (&seen["state"], &seen["attempt"]),
            (&json!(state), &json!(attempt)),
            "{seen}"
        );
        bring_back(&store);
        let seen = server.ended(&token, &job).await;
        assert_eq!(
            (&seen["state"], &seen["attempt"]),
            (&json!("succeeded"), &json!(1)),
            "{seen}"
        );
    }
}

/// Two servers that share a database, its keys, a blob store and this worker.
async fn nodes_of(liar: Liar, blobs: &std::path::Path) -> [Server; 2] {
    let cluster = eventlog::testing::TestPostgres::shared().unwrap();
    let database = cluster.fresh_database().await.unwrap();
    let (url, storage) = (liar.serve().await, format!("file://{}", blobs.display()));
    let master = "5a".repeat(32);
    let secret = "s".repeat(64);
    let settings = [
        ("DATABASE_URL", database.as_str()),
        ("STORAGE_URL", storage.as_str()),
        ("MASTER_KEY", master.as_str()),
        ("MEDIA_WORKER_URL", url.as_str()),
        ("MEDIA_WORKER_SECRET", secret.as_str()),
    ];
    [
        Server::start_with(&settings).await,
        Server::start_with(&settings).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_taken_in_by_one_node_however_long_that_takes() {
    let liar = Liar::with_trick(Trick::SlowOutput);
    let sent = Arc::clone(&liar.sent);
    let folder = tempfile::tempdir().unwrap();
    let [server, _other] = nodes_of(liar, folder.path()).await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "a.mp4", support::clip()).await;
    let began = std::time::Instant::now();
    let job = server.job(&token, &media, "poster").await;
    let seen = server.ended(&token, &job).await;
    assert_eq!(
        (&seen["state"], &seen["attempt"]),
        (&json!("succeeded"), &json!(1)),
        "{seen}"
    );
    assert!(
        began.elapsed() > Duration::from_secs(30),
        "it took no lease"
    );
    assert_eq!(sent.load(Ordering::Relaxed), 1, "no other node took it in");
    let path = format!("/v1/jobs/{job}/outputs/poster.webp");
    let output = server.get(&path, &token).await.bytes().await.unwrap();
    assert_eq!(output, PICTURE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_a_full_disk_loses_the_job_to_another() {
    let url = Liar::with_trick(Trick::FullDisk).serve().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("media-worker.sock");
    let both = format!("{url},unix:{}", socket.display());
    let mut server = Server::prepare(folder.path(), &[("MEDIA_WORKER_URL", &both)]);
    server.launch().await;
    let _worker = server.spawn_worker();
    support::until("the other worker listens", || {
        server.worker_log().contains("started")
    })
    .await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "a.mp4", support::clip()).await;
    let job = server.job(&token, &media, "poster").await;
    let seen = server.ended(&token, &job).await;
    assert_eq!(seen["state"], "succeeded", "{seen}");
    assert_eq!(seen["attempt"], 2, "the first had the most room: {seen}");
    let end = first_end(&server, &job).await;
    assert_eq!(end["data"]["code"], "disk_full", "{end}");
}
