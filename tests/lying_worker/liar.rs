//! The worker that lies.

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
use serde_json::json;
use uuid::Uuid;

use super::support;

/// What it does beside saying what is not so.
#[derive(Clone, Copy, PartialEq)]
pub enum Trick {
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
pub struct Liar {
    /// What it says that it made, and what it sends.
    manifest: Vec<OutputFile>,
    content: Vec<u8>,
    trick: Trick,
    /// How often an output was asked for.
    pub sent: Arc<AtomicUsize>,
    /// The server's blob store.
    pub store: Arc<Mutex<PathBuf>>,
    states: Arc<Mutex<BTreeMap<(Uuid, u32), JobState>>>,
}

type Key = Path<(Uuid, u32)>;

impl Liar {
    pub fn new(manifest: Vec<OutputFile>, content: &[u8]) -> Self {
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
    pub fn with_trick(trick: Trick) -> Self {
        Self {
            trick,
            ..Self::new(vec![honest(PICTURE)], PICTURE)
        }
    }

    /// Serves as long as the test runs: the address.
    pub async fn serve(self) -> String {
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
pub const PICTURE: &[u8] = b"RIFF\x20\0\0\0WEBPVP8 and so on";

/// What an honest worker says of `content`.
pub fn honest(content: &[u8]) -> OutputFile {
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

/// Where a blob store is while it is away.
pub fn away(store: &FilePath) -> PathBuf {
    store.with_extension("away")
}

/// A file where the folder was: every call fails, and none makes the folder anew.
pub fn take_away(store: &FilePath) {
    std::fs::rename(store, away(store)).unwrap();
    std::fs::write(store, b"").unwrap();
}

pub fn bring_back(store: &FilePath) {
    std::fs::remove_file(store).unwrap();
    std::fs::rename(away(store), store).unwrap();
}
