//! A corpus that is made here: each file goes through every preset and must end in its code, and nothing of another
//! person's comes out.

mod benign;
mod bombs;
mod broken;
mod files;
mod neighbour;
mod references;

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::BytesMut;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use media_worker::api::{FailureCode, JobState, JobStatus, Preset};
use media_worker::input::sniff;

use crate::support::{Worker, clip, new_key, spec};
pub use benign::uneven_film;
use files::{Expected, File};
pub use files::{made, made_in};
use neighbour::{CANARY, Neighbour};

/// Resident, in KiB.
const MOST_OF_A_PROGRAM: u64 = 700 * 1024;
const MOST_OF_THE_WORKER: u64 = 64 * 1024;

#[tokio::test]
async fn what_somebody_may_well_have_works() {
    run(|_| benign::files()).await;
}

#[tokio::test]
async fn a_reference_is_never_followed() {
    run(references::files).await;
}

/// A name cannot lie to the worker, which is told none; the first bytes can.
#[tokio::test]
async fn a_reference_behind_another_head_is_not_followed_either() {
    run(|neighbour| {
        let heads = references::heads();
        let files = references::files(neighbour)
            .into_iter()
            .zip(heads.iter().cycle());
        let behind = files.map(|(mut file, (name, head))| {
            file.name = format!("{} as {name}", file.name);
            file.bytes.splice(..0, head.iter().copied());
            file.expected = Expected::Refused(FailureCode::CorruptInput);
            file
        });
        behind.collect()
    })
    .await;
}

#[tokio::test]
async fn a_bomb_does_not_go_off() {
    run(|_| bombs::files()).await;
}

#[tokio::test]
async fn a_broken_file_breaks_nothing() {
    run(|_| broken::files()).await;
}

/// Lets a worker do every preset of every file.
async fn run(files: impl FnOnce(&Neighbour) -> Vec<File>) {
    let mut worker = Worker::start_with(&["--slots", "8"]).await;
    let log = worker.drain_log();
    let neighbour = Neighbour::beside(&worker.jobs_dir);
    let files = files(&neighbour);
    let done = AtomicBool::new(false);
    let work = async {
        let of = |file| presets(file).iter().map(move |preset| (file, *preset));
        let orders = files.iter().flat_map(of);
        let outcomes = stream::iter(orders).map(|(file, preset)| complete(&worker, file, preset));
        let wrong = outcomes.buffer_unordered(4).filter_map(async |wrong| wrong);
        let wrong: Vec<String> = wrong.collect().await;
        done.store(true, Ordering::Relaxed);
        wrong
    };
    let (wrong, (children, own)) = tokio::join!(work, peak(&worker, &done));
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        children < MOST_OF_A_PROGRAM && own < MOST_OF_THE_WORKER,
        "{children} {own}"
    );
    neighbour.assert_alone();
    assert_eq!(worker.children(), Vec::<i32>::new());
    assert_eq!(worker.job_folders(), ["neighbour"]);
    let last = worker
        .complete(&spec(Preset::Poster, &clip()), &clip())
        .await;
    assert_eq!(last.state, JobState::Succeeded, "{last:?}");
    worker.client.ack(last.key()).await.unwrap();
    let (status, _, _folder) = worker.terminate().await;
    let logged = log.await.unwrap();
    assert!(
        status.success() && !logged.contains("panicked") && !logged.contains(CANARY),
        "{logged}"
    );
}

/// All of them; but where the probe refuses a file, which is the same for each, one that decodes is enough.
fn presets(file: &File) -> &'static [Preset] {
    match file.expected {
        Expected::Refused(_) if sniff(&file.bytes).is_some() => {
            &[Preset::Metadata, Preset::WebVideo]
        }
        _ => &Preset::ALL,
    }
}

async fn complete(worker: &Worker, file: &File, preset: Preset) -> Option<String> {
    let status = order(worker, file, preset).await;
    let seen = status.failure.as_ref().map(|failure| failure.code);
    assert!(!format!("{status:?}").contains(CANARY), "{}", file.name);
    if status.state == JobState::Succeeded {
        assert_harmless(worker, &status, file).await;
    }
    worker.client.ack(status.key()).await.unwrap();
    let expected = file.expected.of(preset);
    (seen != expected).then(|| {
        let detail = status.failure.map(|failure| failure.detail);
        format!(
            "{} {}: {seen:?}, not {expected:?}: {detail:?}",
            file.name,
            preset.as_str()
        )
    })
}

async fn order(worker: &Worker, file: &File, preset: Preset) -> JobStatus {
    let order = spec(preset, &file.bytes);
    let key = new_key();
    worker.client.put_job(key, &order).await.unwrap();
    worker.send(key, &file.bytes).await.unwrap();
    worker.client.start(key).await.unwrap();
    worker.wait_for_end(key).await;
    worker.client.status(key).await.unwrap()
}

async fn assert_harmless(worker: &Worker, status: &JobStatus, file: &File) {
    for output in worker.client.outputs(status.key()).await.unwrap() {
        let pieces = worker
            .client
            .output(status.key(), &output.name)
            .await
            .unwrap();
        let bytes: BytesMut = pieces.try_collect().await.unwrap();
        let has_canary = bytes
            .windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes());
        assert!(!has_canary, "{}: {}", file.name, output.name);
    }
}

/// The most memory that the worker and any of its programs had, in KiB.
async fn peak(worker: &Worker, done: &AtomicBool) -> (u64, u64) {
    let (mut children, mut own) = (0, 0);
    while !done.load(Ordering::Relaxed) {
        for pid in worker.children() {
            children = children.max(high_water(pid).unwrap_or_default());
        }
        own = own.max(high_water(worker.process.id().unwrap().cast_signed()).unwrap());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    (children, own)
}

fn high_water(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
