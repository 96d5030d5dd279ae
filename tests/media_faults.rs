//! Server, workers, FFmpeg and PostgreSQL are killed while jobs of every preset run: each ends once, with what it says.
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
use std::path::{Path, PathBuf};
use std::time::Duration;

use eventlog::testing::TestPostgres;
use serde_json::{Value, json};
use support::chance::Chance;
use support::{Process, Server};

/// Files, each of which gets a job of every preset for films; with the picture's that makes fifty jobs.
const FILMS: u8 = 7;
const OF_FILMS: [&str; 7] = [
    "metadata",
    "poster",
    "preview",
    "waveform",
    "audio",
    "web-video",
    "hls",
];
/// Rounds in which a cancellation races with the end, and how many race at a time.
const RACES: u64 = 40;
const AT_A_TIME: u64 = 4;
/// How many jobs may end in a failure though nothing is wrong with their file: those that were killed again and again.
const GIVEN_UP: usize = 3;

/// What FFmpeg makes of a source, in a container.
fn made(source: &[&str], format: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made");
    let status = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error"])
        .args(source)
        .args(["-f", format])
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    std::fs::read(path).unwrap()
}

/// A second of moving picture with sound.
fn film() -> Vec<u8> {
    let picture = "testsrc2=size=160x120:rate=10:duration=1";
    let source = [
        "-f",
        "lavfi",
        "-i",
        picture,
        "-f",
        "lavfi",
        "-i",
        "sine=duration=1",
    ];
    let codecs = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    made(&[&source[..], &codecs].concat(), "mp4")
}

fn picture() -> Vec<u8> {
    let source = "color=red:size=64x64";
    let one = ["-f", "lavfi", "-i", source, "-frames:v", "1", "-c:v", "png"];
    made(&one, "image2pipe")
}

/// FFmpeg's processes that work in a folder below `folder`.
fn at_work(folder: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let ours = entries.filter_map(|entry| {
        let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        let is_ours = std::fs::read_link(entry.path().join("cwd"))
            .ok()?
            .starts_with(folder);
        let id = entry.file_name().to_str()?.parse().ok()?;
        (is_ours && name.starts_with("ff")).then_some(id)
    });
    ours.collect()
}

/// Everything that can be killed.
struct Site {
    cluster: TestPostgres,
    server: Server,
    workers: HashMap<&'static str, Process>,
    folder: PathBuf,
}

#[derive(Debug, Clone, Copy)]
enum Victim {
    Server,
    Worker(&'static str),
    Ffmpeg,
    Postgres,
}

impl Site {
    async fn open(folder: &Path) -> Self {
        let cluster = TestPostgres::start().unwrap();
        let database = cluster.fresh_database().await.unwrap();
        let urls = format!("unix:{0}/a.sock,unix:{0}/b.sock", folder.display());
        let settings = [
            ("DATABASE_URL", database.as_str()),
            ("MEDIA_WORKER_URL", urls.as_str()),
            ("MEDIA_JOBS_PER_USER", "8"),
            ("ACCESS_TOKEN_TTL", "86400"),
        ];
        let mut server = Server::prepare(folder, &settings);
        server.launch().await;
        let workers = ["a.sock", "b.sock"].map(|name| (name, server.spawn_worker_named(name)));
        Self {
            cluster,
            server,
            workers: workers.into(),
            folder: folder.to_owned(),
        }
    }

    /// Kills, and starts again what does not start by itself.
    async fn kill(&mut self, victim: Victim) {
        match victim {
            Victim::Server => {
                self.server.kill();
                self.server.launch().await;
            }
            Victim::Worker(name) => {
                self.workers.remove(name).unwrap().kill();
                self.workers
                    .insert(name, self.server.spawn_worker_named(name));
            }
            Victim::Ffmpeg => {
                for id in at_work(&self.folder).into_iter().take(1) {
                    let id = id.to_string();
                    // It may have ended by itself just now.
                    let _ = std::process::Command::new("kill")
                        .args(["-KILL", &id])
                        .stderr(std::process::Stdio::null())
                        .status();
                }
            }
            Victim::Postgres => {
                self.cluster.kill().unwrap();
                self.cluster.restart().unwrap();
            }
        }
    }
}

/// Each once and some twice, in an order of the seed's.
fn victims(chance: &mut Chance) -> Vec<Victim> {
    let mut all = vec![
        Victim::Server,
        Victim::Worker("a.sock"),
        Victim::Worker("b.sock"),
        Victim::Ffmpeg,
        Victim::Postgres,
        Victim::Server,
        Victim::Ffmpeg,
        Victim::Ffmpeg,
    ];
    for n in (1..all.len()).rev() {
        let other = usize::try_from(chance.below(n as u64 + 1)).unwrap();
        all.swap(n, other);
    }
    all
}

async fn ask_for_all(server: &Server, token: &str) -> Vec<String> {
    let (mut jobs, mut films) = (Vec::new(), Vec::new());
    let film = film();
    for n in 0..FILMS {
        let content = [film.as_slice(), &[n]].concat();
        films.push(server.upload(token, "film.mp4", content).await);
    }
    // In the order in which their turn comes.
    for preset in OF_FILMS {
        for media in &films {
            jobs.push(server.job(token, media, preset).await);
        }
    }
    let media = server.upload(token, "picture.png", picture()).await;
    jobs.push(server.job(token, &media, "image").await);
    jobs
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_jobs_of_every_preset_end_once_whatever_is_killed() {
    let (seed, mut chance) = Chance::from_environment("FAULTS_SEED");
    let folder = tempfile::tempdir().unwrap();
    let mut site = Site::open(folder.path()).await;
    let token = site.server.token("ada@example.com").await;
    let auditor = site.server.auditor("eve@example.com").await;
    let jobs = ask_for_all(&site.server, &token).await;
    let victims = victims(&mut chance);
    for victim in &victims {
        tokio::time::sleep(Duration::from_millis(200 + chance.below(600))).await;
        site.kill(*victim).await;
    }
    let server = &site.server;
    let mut given_up = Vec::new();
    for job in &jobs {
        let ended = server.ended(&token, job).await;
        if ended["state"] == "succeeded" {
            verify_outputs(server, &token, &ended).await;
        } else {
            assert!(is_given_up(&ended), "seed {seed}, {victims:?}: {ended}");
            given_up.push(ended);
        }
    }
    assert!(
        given_up.len() <= GIVEN_UP,
        "seed {seed}, {victims:?}: {given_up:?}"
    );
    for job in &jobs {
        check_stream(&events(server, &auditor, job).await, seed);
    }
    support::until("no FFmpeg is left", || at_work(folder.path()).is_empty()).await;
}

/// Whether a job failed because what worked on it was killed each time.
fn is_given_up(job: &Value) -> bool {
    let is_killed = ["crashed", "limit_memory"]
        .iter()
        .any(|code| job["error"]["code"] == *code);
    job["state"] == "failed" && (is_killed || job["error"]["retryable"] == true)
}

async fn verify_outputs(server: &Server, token: &str, job: &Value) {
    use sha2::Digest as _;
    let outputs = job["outputs"].as_array().unwrap();
    assert!(!outputs.is_empty(), "{job}");
    for output in outputs {
        let (id, name) = (
            job["id"].as_str().unwrap(),
            output["name"].as_str().unwrap(),
        );
        let path = format!("/v1/jobs/{id}/outputs/{name}");
        let bytes = server.get(&path, token).await.bytes().await.unwrap();
        let digest = hex::encode(sha2::Sha256::digest(&bytes));
        assert_eq!(output["sha256"], digest, "{job}");
        assert_eq!(output["bytes"], bytes.len(), "{job}");
    }
}

async fn events(server: &Server, auditor: &str, job: &str) -> Vec<Value> {
    let path = format!("/v1/audit/events?subject={job}&limit=100");
    let page = server.get_json(&path, auditor).await;
    let mut events = page["items"].as_array().unwrap().clone();
    events.sort_by_key(|event| event["position"].as_u64());
    events
}

/// One end, the last event, by the attempt that was dispatched last; attempts numbered without a gap.
fn check_stream(events: &[Value], seed: u64) {
    let kind = |event: &Value| event["type"].as_str().unwrap().to_owned();
    let ends = ["MediaJobSucceeded", "MediaJobFailed", "MediaJobCancelled"];
    let is_end = |event: &&Value| ends.contains(&kind(event).as_str());
    assert_eq!(
        events.iter().filter(is_end).count(),
        1,
        "seed {seed}: {events:?}"
    );
    let last = events.last().unwrap();
    assert!(is_end(&last), "seed {seed}: {events:?}");
    let attempts: Vec<u64> = events
        .iter()
        .filter(|event| kind(event) == "MediaJobDispatched")
        .map(|event| event["data"]["attempt"].as_u64().unwrap())
        .collect();
    let numbered: Vec<u64> = (1..=attempts.len() as u64).collect();
    assert_eq!(attempts, numbered, "seed {seed}: {events:?}");
    if kind(last) == "MediaJobSucceeded" {
        assert_eq!(last["data"]["attempt"], attempts.len(), "seed {seed}");
    }
}

#[test]
fn the_check_of_a_stream_finds_a_second_end_a_gap_and_a_late_attempt() {
    let event = |kind: &str, attempt: u64| json!({"type": kind, "data": {"attempt": attempt}});
    let (one, two) = (
        event("MediaJobDispatched", 1),
        event("MediaJobDispatched", 2),
    );
    let done = |attempt| event("MediaJobSucceeded", attempt);
    check_stream(&[one.clone(), two.clone(), done(2)], 0);
    for bad in [
        vec![one.clone(), done(1), done(1)],
        vec![two.clone(), done(2)],
        vec![one.clone(), two.clone(), done(1)],
        vec![one.clone(), done(1), two],
        vec![one],
    ] {
        let caught = std::panic::catch_unwind(|| check_stream(&bad, 0));
        assert!(caught.is_err(), "{bad:?}");
    }
}

/// One race: whether the cancellation won.
async fn race(server: &Server, token: &str, media: &str, round: u64, delay: u64) -> (String, bool) {
    let body = json!({"preset": "poster", "options": {"seek_ms": round}});
    let path = format!("/v1/media/{media}/jobs");
    let asked = server.post(&path, token, &body).await;
    assert_eq!(asked.status(), 202);
    let asked: Value = asked.json().await.unwrap();
    let job = asked["id"].as_str().unwrap().to_owned();
    tokio::time::sleep(Duration::from_millis(delay)).await;
    let path = format!("/v1/jobs/{job}");
    let answer = server.delete(&path, token).await.status().as_u16();
    assert!(answer == 204 || answer == 409, "{answer}");
    let ended = server.ended(token, &job).await;
    let has_won = answer == 204;
    let state = if has_won { "cancelled" } else { "succeeded" };
    assert_eq!(ended["state"], state, "{answer}: {ended}");
    assert_eq!(ended["outputs"] == json!([]), has_won, "{ended}");
    (job, has_won)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_and_the_end_of_its_job_have_one_winner() {
    let (seed, mut chance) = Chance::from_environment("FAULTS_SEED");
    let mut server = Server::start_with(&[("MEDIA_JOBS_PER_USER", "8")]).await;
    server.launch_worker().await;
    let token = server.token("ada@example.com").await;
    let auditor = server.auditor("eve@example.com").await;
    let media = server.upload(&token, "film.mp4", film()).await;
    // How long a job takes on this machine at this time says when its end is near.
    let began = std::time::Instant::now();
    let job = server.job(&token, &media, "poster").await;
    assert_eq!(server.ended(&token, &job).await["state"], "succeeded");
    let longest = u64::try_from(began.elapsed().as_millis()).unwrap() * 3;
    let mut cancelled = 0;
    for first in (0..RACES).step_by(usize::try_from(AT_A_TIME).unwrap()) {
        // From before it runs to after it is done.
        let races = (first..first + AT_A_TIME).map(|round| {
            let delay = chance.below(longest);
            race(&server, &token, &media, round, delay)
        });
        for (job, has_won) in futures::future::join_all(races).await {
            check_stream(&events(&server, &auditor, &job).await, seed);
            cancelled += u64::from(has_won);
        }
    }
    assert!(cancelled > 0, "seed {seed}: nothing was cancelled");
    let folder = server.data.clone();
    support::until("no FFmpeg is left", || at_work(&folder).is_empty()).await;
}
