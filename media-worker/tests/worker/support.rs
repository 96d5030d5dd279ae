//! Starts a worker in a folder of its own and talks to it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use media_worker::api::{
    EventBody, JobKey, JobLimits, JobSpec, JobState, JobStatus, Params, Preset, Sha256Digest,
};
use media_worker::auth::Keys;
use media_worker::client::{ClientError, WorkerClient};
use media_worker::endpoint::Endpoint;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinHandle;
use uuid::Uuid;

pub const SECRET: &str = "a-secret-that-must-never-be-logged-0123456789";

/// Longer than anything takes; a test that reaches it has failed.
const PATIENCE: Duration = Duration::from_mins(3);

/// How often a worker runs `FFmpeg` before any job: for its version, its encoders and its muxers.
pub const ASKED_AT_START: u32 = 3;

pub struct Worker {
    pub client: WorkerClient,
    pub socket: PathBuf,
    pub jobs_dir: PathBuf,
    pub process: Child,
    log: Option<Lines<BufReader<ChildStderr>>>,
    /// Everything that the worker logged so far.
    pub logged: String,
    folder: TempDir,
}

impl Worker {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With further arguments.
    pub async fn start_with(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The slots' own users must reach the stand-in for FFmpeg.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        Self::start_in(folder, args).await
    }

    /// With a program that misbehaves in place of `FFmpeg`. ffprobe is the real one.
    pub async fn start_misbehaving(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let program = folder.path().join("ffmpeg");
        fs::copy(misbehaving_ffmpeg(), &program).unwrap();
        let mut all = vec!["--ffmpeg", program.to_str().unwrap()];
        all.extend(args);
        Self::start_in(folder, &all).await
    }

    pub async fn start_with_secret_file(file: &Path) -> Self {
        let environment = [("MEDIA_WORKER_SECRET_FILE", file.to_str().unwrap())];
        Self::start_as(tempfile::tempdir().unwrap(), &[], environment).await
    }

    async fn start_in(folder: TempDir, args: &[&str]) -> Self {
        Self::start_as(folder, args, [("MEDIA_WORKER_SECRET", SECRET)]).await
    }

    async fn start_as(folder: TempDir, args: &[&str], environment: [(&str, &str); 1]) -> Self {
        let socket = folder.path().join("worker.sock");
        let jobs_dir = folder.path().join("jobs");
        let endpoint = Endpoint::Unix(socket.clone());
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog-media-worker"));
        command
            .arg("--listen")
            .arg(endpoint.to_string())
            .arg("--jobs-dir")
            .arg(&jobs_dir);
        // Whatever else the machine does, no job may reach its limit of time for that.
        command.args(["--priority", "normal"]).args(args);
        command.env_clear().envs(environment);
        command.stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().unwrap();
        let log = BufReader::new(process.stderr.take().unwrap()).lines();
        let client = client(&endpoint, SECRET);
        let mut worker = Self {
            client,
            socket,
            jobs_dir,
            process,
            log: Some(log),
            logged: String::new(),
            folder,
        };
        worker.wait_for_log("\"started\"").await;
        worker
    }

    /// Reads the log up to a line that contains `text`.
    pub async fn wait_for_log(&mut self, text: &str) {
        let found = tokio::time::timeout(PATIENCE, self.read_log(text)).await;
        assert!(
            found.is_ok_and(|found| found),
            "no {text:?} in the log:\n{}",
            self.logged
        );
    }

    async fn read_log(&mut self, text: &str) -> bool {
        let Some(log) = &mut self.log else {
            return false;
        };
        while let Some(line) = log.next_line().await.unwrap() {
            self.logged.push_str(&line);
            self.logged.push('\n');
            if line.contains(text) {
                return true;
            }
        }
        false
    }

    /// Reads the log in the background to its end, for a worker that says more than a pipe holds.
    pub fn drain_log(&mut self) -> JoinHandle<String> {
        let mut log = self.log.take().unwrap();
        tokio::spawn(async move {
            let mut lines = Vec::new();
            while let Some(line) = log.next_line().await.unwrap() {
                lines.push(line);
            }
            lines.join("\n")
        })
    }

    /// Sends SIGTERM, and reads the rest of the log. The folder stays, to be looked at.
    pub async fn terminate(mut self) -> (ExitStatus, String, TempDir) {
        signal(&self.process, nix::sys::signal::Signal::SIGTERM);
        self.read_log("\0 never logged").await;
        (self.process.wait().await.unwrap(), self.logged, self.folder)
    }

    /// Ends the worker without a chance to tidy up, and starts another in the same folder.
    pub async fn kill_and_restart(mut self) -> Self {
        self.process.kill().await.unwrap();
        Self::start_in(self.folder, &[]).await
    }

    /// Reserves a slot, sends the input and starts.
    pub async fn order(&self, spec: &JobSpec, input: &[u8]) -> JobKey {
        let key = new_key();
        self.client.put_job(key, spec).await.unwrap();
        self.send(key, input).await.unwrap();
        self.client.start(key).await.unwrap();
        key
    }

    pub async fn send(&self, key: JobKey, input: &[u8]) -> Result<JobStatus, ClientError> {
        let sha256 = Sha256Digest::of(input);
        self.client
            .put_input(key, input.len() as u64, sha256, pieces(input))
            .await
    }

    /// Orders, and follows the events to the end.
    pub async fn complete(&self, spec: &JobSpec, input: &[u8]) -> JobStatus {
        let key = self.order(spec, input).await;
        self.wait_for_end(key).await;
        self.client.status(key).await.unwrap()
    }

    /// Follows the events until the result.
    pub async fn wait_for_end(&self, key: JobKey) {
        self.wait_for(key, |event| matches!(event, EventBody::Result { .. }))
            .await;
    }

    /// Follows the events up to one that fits.
    pub async fn wait_for(&self, key: JobKey, fits: impl Fn(&EventBody) -> bool) {
        let follow = async {
            let mut events = Box::pin(self.client.events(key, 0).await.unwrap());
            while let Some(event) = events.next().await {
                if fits(&event.unwrap().body) {
                    return;
                }
            }
            panic!("the events ended before the one that was awaited");
        };
        tokio::time::timeout(PATIENCE, follow)
            .await
            .expect("the event came in time");
    }

    /// Brings a stand-in that stalls to the point where it certainly runs.
    pub async fn stall(&self) -> JobKey {
        let input = with_order("stall");
        let key = self.order(&spec(Preset::Poster, &input), &input).await;
        self.wait_for(key, |event| matches!(event, EventBody::Progress { .. }))
            .await;
        key
    }

    /// Processes that the worker started and that have not ended.
    pub fn children(&self) -> Vec<i32> {
        let worker = i32::try_from(self.process.id().unwrap()).unwrap();
        let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name, in brackets, can contain anything.
            let parent = stat
                .rsplit_once(") ")?
                .1
                .split(' ')
                .nth(1)?
                .parse::<i32>()
                .ok()?;
            (parent == worker).then_some(pid)
        });
        processes.collect()
    }

    pub fn job_folders(&self) -> Vec<String> {
        folders(&self.jobs_dir)
    }

    /// How often a program was started, by the worker's own count.
    pub async fn programs_started(&self, program: &str) -> u32 {
        let name = format!("media_worker_programs_started_total{{program=\"{program}\"}} ");
        let metrics = self.client.metrics().await.unwrap();
        let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
        line.map_or(0, |value| value.parse().unwrap())
    }
}

pub fn client(endpoint: &Endpoint, secret: &str) -> WorkerClient {
    WorkerClient::new(endpoint, Keys::parse(secret).unwrap()).unwrap()
}

pub fn new_key() -> JobKey {
    JobKey {
        job: Uuid::now_v7(),
        attempt: 1,
    }
}

pub fn spec(preset: Preset, input: &[u8]) -> JobSpec {
    JobSpec {
        preset,
        preset_version: preset.version(),
        params: Params::default(),
        input_size: input.len() as u64,
        input_sha256: Sha256Digest::of(input),
        deadline_ms: 60_000,
        limits: JobLimits::default(),
    }
}

pub fn pieces(
    input: &[u8],
) -> impl futures::Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    let pieces: Vec<_> = input
        .chunks(10_000)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    stream::iter(pieces)
}

/// A real clip: H.264, 1280 x 720, 5.28 s, with AAC.
pub fn clip() -> Vec<u8> {
    fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/bigbuckbunny.mp4"
    ))
    .unwrap()
}

/// The clip, with an order for the stand-in behind its end, where no demuxer looks.
pub fn with_order(order: &str) -> Vec<u8> {
    let mut input = clip();
    input.extend_from_slice(b"\n");
    input.extend_from_slice(order.as_bytes());
    input
}

pub fn signal(process: &Child, signal: nix::sys::signal::Signal) {
    let pid = i32::try_from(process.id().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}

pub fn folders(jobs_dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(jobs_dir).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    folders
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

pub fn assert_failed(status: &JobStatus, code: media_worker::api::FailureCode) {
    assert_eq!(status.state, JobState::Failed, "{status:?}");
    assert_eq!(status.failure.as_ref().unwrap().code, code, "{status:?}");
}

pub fn misbehaving_ffmpeg() -> PathBuf {
    beside_worker("misbehaving_ffmpeg")
}

/// A program that only the tests have.
pub fn beside_worker(name: &str) -> PathBuf {
    let worker = Path::new(env!("CARGO_BIN_EXE_gatelog-media-worker"));
    let program = worker.with_file_name("examples").join(name);
    assert!(
        program.exists(),
        "build it first: cargo build -p media-worker --examples"
    );
    program
}
