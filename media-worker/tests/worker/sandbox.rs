//! A program in `FFmpeg`'s place that does what it must not. The worker survives and says what it was.

use media_worker::api::{FailureCode, JobSpec, Preset};

use crate::support::{Worker, assert_failed, spec, with_order};

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
async fn the_layers_are_reported_as_seen() {
    let worker = Worker::start().await;
    let health = worker.client.health().await.unwrap();
    assert!(health.sandbox.is_strict(), "{health:?}");
    if nix::unistd::geteuid().is_root() {
        assert!(
            health.sandbox.netns && health.sandbox.uid_drop,
            "{health:?}"
        );
    }
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
