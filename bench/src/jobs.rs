//! Media jobs: how soon FFmpeg runs after a request, and how many jobs a minute one worker does against bare FFmpeg
//! in a shell loop with the same arguments on the same file.
//!
//! FFmpeg's start is what the process table says: a thread looks for the worker's children, again and again with pauses
//! of a fraction of a millisecond, and the first `ffprobe` or `ffmpeg` counts. The arguments of the baseline are read
//! from the worker's own FFmpeg while it runs.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::process::{Process, Server};
use crate::report::{machine, median, publish, table};

const EMAIL: &str = "bench@example.com";
const PASSWORD: &str = "Correct-horse-7";
const SECRET: &str = "a-secret-for-the-bench-of-at-least-32-bytes";
/// How often the process table is looked at.
const PACE: Duration = Duration::from_micros(200);
const PATIENCE: Duration = Duration::from_mins(2);
/// How often a job of a moment is asked about.
const QUICK: Duration = Duration::from_millis(5);
/// How often a film is asked about. Every question takes time from FFmpeg, which uses all of the machine; a client that
/// follows its job by events costs less still.
const SLOW: Duration = Duration::from_millis(50);
/// Jobs that are asked for of one file; it may have twice as many.
const JOBS_OF_A_FILE: usize = 50;
/// The clip is played so often, so that a job is long enough to be one.
const LOOPS: &str = "5";

pub async fn run(latencies: usize, rounds: usize, jobs: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let site = Site::open(folder.path()).await?;
    let text = format!(
        "# Media jobs: from the request to FFmpeg, and jobs a minute against bare FFmpeg\n\n{}\n{}\n{}",
        machine(),
        site.latency(latencies).await?,
        site.throughput(folder.path(), rounds, jobs).await?,
    );
    publish("jobs", &text)
}

/// A server with one worker, and a person who is signed in.
struct Site {
    server: Server,
    worker: Process,
    client: reqwest::Client,
    token: String,
    clip: Vec<u8>,
}

impl Site {
    async fn open(folder: &Path) -> anyhow::Result<Self> {
        let socket = format!("unix:{}", folder.join("worker.sock").display());
        let settings = [
            ("MEDIA_WORKER_URL", socket.as_str()),
            ("MEDIA_WORKER_SECRET", SECRET),
            ("MEDIA_JOBS_PER_USER", "100"),
        ];
        let worker = Command::new(std::env::current_exe()?.with_file_name("gatelog-media-worker"))
            .arg(format!("--listen={socket}"))
            .arg(format!("--jobs-dir={}", folder.join("jobs").display()))
            .env("MEDIA_WORKER_SECRET", SECRET)
            .stderr(Stdio::null())
            .spawn()
            .context("build the worker first: cargo build --release -p media-worker")?;
        let worker = Process(worker);
        let server = Server::start_with(&settings)?;
        let client = reqwest::Client::new();
        let body = json!({"email": EMAIL, "password": PASSWORD});
        for path in ["/v1/users", "/v1/sessions"] {
            let answer = client.post(server.url(path)).json(&body).send().await?;
            if path == "/v1/sessions" {
                let answer: Value = answer.json().await?;
                let token = text(&answer, "access_token")?;
                return Ok(Self {
                    server,
                    worker,
                    client,
                    token,
                    clip: std::fs::read(fixture())?,
                });
            }
        }
        bail!("nobody signed in")
    }

    async fn upload(&self, content: Vec<u8>) -> anyhow::Result<String> {
        let request = self.client.post(self.server.url("/v1/media?name=a.mp4"));
        let answer = request.bearer_auth(&self.token).body(content).send();
        text(&answer.await?.json().await?, "id")
    }

    async fn ask(&self, media: &str, preset: &str, options: Value) -> anyhow::Result<String> {
        let path = format!("/v1/media/{media}/jobs");
        let body = json!({"preset": preset, "options": options});
        let request = self.client.post(self.server.url(&path)).json(&body);
        let answer = request.bearer_auth(&self.token).send().await?;
        if answer.status() != 202 {
            bail!("no job: {}", answer.status());
        }
        text(&answer.json().await?, "id")
    }

    async fn ended(&self, job: &str, pace: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let request = self.client.get(self.server.url(&format!("/v1/jobs/{job}")));
            let seen: Value = request
                .bearer_auth(&self.token)
                .send()
                .await?
                .json()
                .await?;
            match seen.get("state").and_then(Value::as_str) {
                Some("succeeded") => return Ok(()),
                Some("failed" | "cancelled") => bail!("the job failed: {seen}"),
                _ => tokio::time::sleep(pace).await,
            }
        }
        bail!("the job is stuck")
    }

    /// Posters of a few files at different places, one after the other.
    async fn latency(&self, count: usize) -> anyhow::Result<String> {
        let mut media = self.upload(self.clip.clone()).await?;
        let warm = self.ask(&media, "poster", json!({"seek_ms": 5000})).await?;
        self.ended(&warm, QUICK).await?;
        let (mut answers, mut starts) = (Vec::new(), Vec::new());
        for n in 0..count {
            if n % JOBS_OF_A_FILE == 0 {
                // Another tail is another file.
                let content = [self.clip.as_slice(), n.to_string().as_bytes()].concat();
                media = self.upload(content).await?;
            }
            // The worker is at rest.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let worker = self.worker.0.id();
            let began = Instant::now();
            let watch = tokio::task::spawn_blocking(move || first_start(worker));
            let job = self.ask(&media, "poster", json!({"seek_ms": n})).await?;
            answers.push(began.elapsed().as_secs_f64() * 1e3);
            let started = watch.await??;
            starts.push(started.duration_since(began).as_secs_f64() * 1e3);
            self.ended(&job, QUICK).await?;
        }
        let row = |what: &str, values: &mut Vec<f64>| {
            vec![
                what.to_owned(),
                format!("{:.1}", at(values, 50)),
                format!("{:.1}", at(values, 99)),
            ]
        };
        let rows = [
            row("the answer 202", &mut answers),
            row("FFmpeg runs (its first program, `ffprobe`)", &mut starts),
        ];
        Ok(format!(
            "{count} requests for a poster of the clip (1 MB), one at a time on an idle server with SQLite; \
             milliseconds from sending the request.\n\n{}",
            table(&["until", "p50", "p99"], &rows)
        ))
    }

    /// Films for the web, all asked for at once, and the same done by FFmpeg alone.
    async fn throughput(
        &self,
        folder: &Path,
        rounds: usize,
        jobs: usize,
    ) -> anyhow::Result<String> {
        // Its sound has six channels, so it is encoded: a film that plays everywhere would only be put into another file.
        let film = looped(folder)?;
        let arguments = self.arguments(&film).await?;
        let (mut ours, mut bare) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            bare.push(shell_loop(folder, &film, &arguments, jobs)?);
            ours.push(self.films(&film, round, jobs).await?);
        }
        let (ours, bare) = (median(&mut ours), median(&mut bare));
        let row = |what: &str, rate: f64| {
            vec![
                what.to_owned(),
                format!("{rate:.1}"),
                format!("{:.3}", rate / bare),
            ]
        };
        let rows = [
            row("bare FFmpeg in a shell loop (baseline)", bare),
            row("jobs, from the first request to the last end", ours),
        ];
        Ok(format!(
            "Medians of {rounds} alternating rounds of {jobs} films for the web (`web-video`) of the clip played six \
             times (32 s, 720p, six channels of sound, so that it is encoded); one worker with its default slots. Ours include the probe before, the sandbox, \
             sending, checking and storing.\n\n{}",
            table(&["what", "a minute", "ratio"], &rows)
        ))
    }

    /// What the worker tells FFmpeg for a film of this file.
    async fn arguments(&self, film: &[u8]) -> anyhow::Result<Vec<String>> {
        let media = self.upload(film.to_vec()).await?;
        let worker = self.worker.0.id();
        let watch = tokio::task::spawn_blocking(move || arguments_of(worker));
        let job = self.ask(&media, "web-video", json!({})).await?;
        let arguments = watch.await??;
        self.ended(&job, SLOW).await?;
        Ok(arguments)
    }

    async fn films(&self, film: &[u8], round: usize, jobs: usize) -> anyhow::Result<f64> {
        let mut files = Vec::new();
        for n in 0..jobs {
            // Another tail is another file, so another job.
            let content = [film, format!("{round}-{n}").as_bytes()].concat();
            files.push(self.upload(content).await?);
        }
        let began = Instant::now();
        let mut asked = Vec::new();
        for media in &files {
            asked.push(self.ask(media, "web-video", json!({})).await?);
        }
        for job in &asked {
            self.ended(job, SLOW).await?;
        }
        Ok(a_minute(jobs, began))
    }
}

fn a_minute(jobs: usize, began: Instant) -> f64 {
    f64::from(u32::try_from(jobs).unwrap_or(u32::MAX)) * 60.0 / began.elapsed().as_secs_f64()
}

fn text(value: &Value, key: &str) -> anyhow::Result<String> {
    let text = value.get(key).and_then(Value::as_str);
    Ok(text.with_context(|| format!("no {key}"))?.to_owned())
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/bigbuckbunny.mp4")
}

/// A percentile by rank.
fn at(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or_default()
}

/// The clip, played six times.
fn looped(folder: &Path) -> anyhow::Result<Vec<u8>> {
    let path = folder.join("looped.mp4");
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-stream_loop", LOOPS, "-i"])
        .arg(fixture())
        .args(["-c", "copy"])
        .arg(&path)
        .status()?;
    if !status.success() {
        bail!("FFmpeg cannot loop the clip");
    }
    Ok(std::fs::read(path)?)
}

/// The children of a process with their names.
fn children(process: u32) -> Vec<(u32, String)> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task"));
    let lists = tasks
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let ids: Vec<u32> = lists
        .flat_map(|list| {
            let ids = list.split_whitespace().map(str::parse);
            ids.collect::<Vec<_>>()
        })
        .flatten()
        .collect();
    let named = ids.into_iter().filter_map(|id| {
        let name = std::fs::read_to_string(format!("/proc/{id}/comm")).ok()?;
        Some((id, name.trim().to_owned()))
    });
    named.collect()
}

/// When a new program of FFmpeg's runs below the worker.
fn first_start(worker: u32) -> anyhow::Result<Instant> {
    let deadline = Instant::now() + PATIENCE;
    let old: HashSet<u32> = children(worker).into_iter().map(|(id, _)| id).collect();
    while Instant::now() < deadline {
        let is_new = |(id, name): &(u32, String)| name.starts_with("ff") && !old.contains(id);
        if children(worker).iter().any(is_new) {
            return Ok(Instant::now());
        }
        std::thread::sleep(PACE);
    }
    bail!("FFmpeg was not started")
}

/// The command line of the next `ffmpeg` below the worker.
fn arguments_of(worker: u32) -> anyhow::Result<Vec<String>> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        for (id, name) in children(worker) {
            let line = std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
            let words: Vec<String> = line
                .split_terminator('\0')
                .skip(1)
                .map(str::to_owned)
                .collect();
            if name == "ffmpeg" && words.iter().any(|word| word == "web.mp4") {
                return Ok(words);
            }
        }
        std::thread::sleep(PACE);
    }
    bail!("FFmpeg was not started")
}

/// The same arguments in a folder with the same file, over and over.
fn shell_loop(
    folder: &Path,
    film: &[u8],
    arguments: &[String],
    times: usize,
) -> anyhow::Result<f64> {
    let folder = folder.join("bare");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("input"), film)?;
    let began = Instant::now();
    let status = Command::new("sh")
        .args([
            "-c",
            "n=$1; shift; while [ $n -gt 0 ]; do ffmpeg \"$@\" || exit 1; n=$((n-1)); done",
        ])
        .args(["sh", &times.to_string()])
        .args(arguments)
        .current_dir(&folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !status.success() {
        bail!("bare FFmpeg failed");
    }
    Ok(a_minute(times, began))
}
