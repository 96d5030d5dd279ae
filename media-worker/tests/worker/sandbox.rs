//! A program in `FFmpeg`'s place that does what it must not. The worker survives and says what it was.

use media_worker::api::{FailureCode, JobSpec, Preset};

use crate::support::{SECRET, Worker, assert_failed, misbehaving_ffmpeg, spec, with_order};

#[tokio::test]
async fn every_misbehaviour_has_its_code() {
    let worker = Worker::start_misbehaving(&[]).await;
    for (order, code) in [
        ("flood_diagnostics", FailureCode::CorruptInput),
        ("flood_progress", FailureCode::LimitOutput),
        ("no_end", FailureCode::OutputCheckFailed),
        ("no_picture", FailureCode::OutputCheckFailed),
        ("good_file_bad_exit", FailureCode::CorruptInput),
        ("large_file", FailureCode::LimitOutput),
        ("much_memory", FailureCode::Crashed),
        ("forbidden_call", FailureCode::SandboxViolation),
    ] {
        let input = with_order(order);
        let status = worker.complete(&spec(Preset::Poster, &input), &input).await;
        assert_failed(&status, code);
        let detail = &status.failure.unwrap().detail;
        assert!(detail.len() <= 8 * 1024, "{order}: {} bytes", detail.len());
        assert!(
            !detail.contains(|c: char| c.is_control() && c != '\n'),
            "{order}: {detail:?}"
        );
    }
    assert_eq!(worker.children(), Vec::<i32>::new());
    assert_eq!(worker.job_folders(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_but_the_job_folder_is_within_reach() {
    let worker = Worker::start_misbehaving(&[]).await;
    let input = with_order("escape");
    let status = worker.complete(&spec(Preset::Poster, &input), &input).await;
    let detail = status.failure.unwrap().detail;
    let (allowed, denied): (Vec<_>, Vec<_>) =
        detail.lines().partition(|line| line.contains("ALLOWED"));
    assert_eq!(allowed, ["write in the job folder: ALLOWED"]);
    assert_eq!(denied.len(), 19, "every attempt was made:\n{detail}");
}

/// Without the sandbox the same attempts succeed: what is denied above is denied by it.
#[test]
fn the_attempts_succeed_outside_of_the_sandbox() {
    let folder = tempfile::tempdir().unwrap();
    let job = folder.path().join("job");
    std::fs::create_dir(&job).unwrap();
    std::fs::write(job.join("input"), with_order("escape")).unwrap();
    let mut program = std::process::Command::new(misbehaving_ffmpeg());
    let output = program
        .current_dir(&job)
        .env("MEDIA_WORKER_SECRET", SECRET)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    // These two need privileges that whoever runs the tests may not have.
    let is_privileged = |line: &&str| line.starts_with("become") || line.starts_with("enter");
    let unprivileged: Vec<_> = said.lines().filter(|line| !is_privileged(line)).collect();
    assert_eq!(unprivileged.len(), 18, "{said}");
    assert!(
        unprivileged.iter().all(|line| line.ends_with("ALLOWED")),
        "{said}"
    );
}

#[tokio::test]
async fn the_mandatory_layers_are_reported_as_seen() {
    let worker = Worker::start().await;
    let health = worker.client.health().await.unwrap();
    assert!(health.sandbox.is_strict(), "{health:?}");
    assert_eq!(
        worker.client.limits().await.unwrap().sandbox,
        health.sandbox
    );
}

#[tokio::test]
async fn the_worker_is_locked_itself() {
    let worker = Worker::start().await;
    let pid = worker.process.id().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(
        status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"),
        "{status}"
    );
}

#[tokio::test]
async fn a_job_ends_at_its_deadline() {
    let worker = Worker::start_misbehaving(&[]).await;
    let input = with_order("stall");
    let order = JobSpec {
        deadline_ms: 1_000,
        ..spec(Preset::Poster, &input)
    };
    assert_failed(
        &worker.complete(&order, &input).await,
        FailureCode::LimitTime,
    );
    assert_eq!(worker.children(), Vec::<i32>::new());
}
