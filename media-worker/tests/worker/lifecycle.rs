//! Ends of all kinds: of a job by its caller, of a job that nobody wants, of the worker itself. None
//! leaves a process or a file behind.

use futures::TryStreamExt as _;
use media_worker::api::{FailureCode, JobState, Preset};
use media_worker::client::ClientError;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::support::{SECRET, Worker, clip, folders, new_key, signal, spec};

#[tokio::test]
async fn a_job_can_be_cancelled_in_every_state() {
    let worker = Worker::start_misbehaving(&[]).await;
    let awaiting = new_key();
    worker
        .client
        .put_job(awaiting, &spec(Preset::Poster, &clip()))
        .await
        .unwrap();
    let ready = new_key();
    worker
        .client
        .put_job(ready, &spec(Preset::Poster, &clip()))
        .await
        .unwrap();
    worker.send(ready, &clip()).await.unwrap();
    for key in [awaiting, ready] {
        assert_eq!(
            worker.client.cancel(key).await.unwrap().state,
            JobState::Cancelled
        );
    }
    let running = worker.stall().await;
    assert_eq!(worker.children().len(), 1);
    for key in [running, running, awaiting] {
        let status = worker.client.cancel(key).await.unwrap();
        assert_eq!(
            (status.state, status.files_deleted),
            (JobState::Cancelled, true)
        );
        assert_eq!(status.failure.unwrap().code, FailureCode::Cancelled);
    }
    let metadata = spec(Preset::Metadata, &clip());
    let succeeded = worker.complete(&metadata, &clip()).await;
    let status = worker.client.cancel(succeeded.key()).await.unwrap();
    assert_eq!(
        (status.state, status.files_deleted),
        (JobState::Succeeded, true)
    );
    assert_eq!(worker.children(), Vec::<i32>::new());
    assert_eq!(worker.job_folders(), Vec::<String>::new());
    assert_eq!(
        worker.client.cancel(new_key()).await,
        Err(ClientError::NotFound)
    );
}

#[tokio::test]
async fn a_job_that_nobody_asks_about_is_killed() {
    let mut worker = Worker::start_misbehaving(&["--orphan-seconds", "3"]).await;
    let key = worker.stall().await;
    worker.wait_for_log("nobody asked about a job").await;
    assert_eq!(worker.children(), Vec::<i32>::new());
    assert_eq!(worker.job_folders(), Vec::<String>::new());
    let status = worker.client.status(key).await.unwrap();
    assert_eq!(status.state, JobState::Cancelled);
    assert_eq!(status.failure.unwrap().code, FailureCode::LeaseExpired);
}

#[tokio::test]
async fn following_the_events_keeps_a_job_alive() {
    let worker = Worker::start_misbehaving(&["--orphan-seconds", "6"]).await;
    let key = worker.stall().await;
    let beat = |event: &_| matches!(event, media_worker::api::EventBody::Heartbeat);
    // Two heartbeats are ten seconds.
    worker.wait_for(key, beat).await;
    worker.wait_for(key, beat).await;
    assert_eq!(
        worker.client.status(key).await.unwrap().state,
        JobState::Running
    );
}

#[tokio::test]
async fn a_killed_worker_takes_its_program_along_and_the_next_one_tidies_up() {
    // Orphans become children of this process, which can then wait for them.
    nix::sys::prctl::set_child_subreaper(true).unwrap();
    let worker = Worker::start_misbehaving(&[]).await;
    let key = worker.stall().await;
    let program = Pid::from_raw(worker.children()[0]);
    assert_eq!(worker.job_folders().len(), 1);
    let worker = worker.kill_and_restart().await;
    let end = tokio::task::spawn_blocking(move || waitpid(program, None))
        .await
        .unwrap();
    assert_eq!(
        end,
        Ok(WaitStatus::Signaled(program, Signal::SIGKILL, false))
    );
    assert_eq!(worker.job_folders(), Vec::<String>::new());
    assert!(
        worker
            .logged
            .contains("folders of an earlier worker were removed")
    );
    assert_eq!(worker.client.status(key).await, Err(ClientError::NotFound));
    let status = worker
        .complete(&spec(Preset::Poster, &clip()), &clip())
        .await;
    assert_eq!(status.state, JobState::Succeeded);
}

#[tokio::test]
async fn a_drained_worker_takes_no_new_job() {
    let worker = Worker::start().await;
    let key = new_key();
    worker
        .client
        .put_job(key, &spec(Preset::Poster, &clip()))
        .await
        .unwrap();
    assert_eq!(worker.client.drain().await.unwrap().unfinished, 1);
    assert!(worker.client.health().await.unwrap().draining);
    let refused = worker
        .client
        .put_job(new_key(), &spec(Preset::Poster, &clip()))
        .await;
    assert!(
        matches!(refused, Err(ClientError::Busy { .. })),
        "{refused:?}"
    );
    worker.send(key, &clip()).await.unwrap();
    worker.client.start(key).await.unwrap();
    worker.wait_for_end(key).await;
    assert_eq!(
        worker.client.status(key).await.unwrap().state,
        JobState::Succeeded
    );
}

#[tokio::test]
async fn a_terminated_worker_ends_well_and_has_kept_its_secret() {
    let worker = Worker::start_misbehaving(&["--drain-seconds", "0"]).await;
    worker.stall().await;
    let (jobs_dir, socket) = (worker.jobs_dir.clone(), worker.socket.clone());
    let metrics = worker.client.metrics().await.unwrap();
    let (status, logged, _folder) = worker.terminate().await;
    assert!(status.success(), "{status:?}\n{logged}");
    assert_eq!(folders(&jobs_dir), Vec::<String>::new());
    assert!(!socket.exists());
    for text in [&logged, &metrics] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

#[tokio::test]
async fn a_stopped_worker_lets_its_jobs_end_and_be_collected() {
    let mut worker = Worker::start().await;
    let film = spec(Preset::WebVideo, &clip());
    let key = worker.order(&film, &clip()).await;
    signal(&worker.process, Signal::SIGTERM);
    worker.wait_for_log("stopping").await;
    assert!(worker.client.health().await.unwrap().draining);
    let refused = worker.client.put_job(new_key(), &film).await;
    assert!(
        matches!(refused, Err(ClientError::Busy { .. })),
        "{refused:?}"
    );
    worker.wait_for_end(key).await;
    let outputs = worker.client.outputs(key).await.unwrap();
    assert_eq!(outputs.len(), 1);
    let pieces = worker.client.output(key, &outputs[0].name).await.unwrap();
    let film: bytes::BytesMut = pieces.try_collect().await.unwrap();
    assert_eq!(film.len() as u64, outputs[0].size);
    assert_eq!(
        worker.process.try_wait().unwrap(),
        None,
        "nobody said that the film is taken"
    );
    worker.client.ack(key).await.unwrap();
    assert!(worker.process.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_worker_that_nobody_waits_for_ends_at_once() {
    let worker = Worker::start_misbehaving(&["--drain-seconds", "3600"]).await;
    let metadata = spec(Preset::Metadata, &clip());
    let done = worker.complete(&metadata, &clip()).await;
    worker.client.ack(done.key()).await.unwrap();
    let nothing = b"no film";
    let refused = worker
        .complete(&spec(Preset::Metadata, nothing), nothing)
        .await;
    assert_eq!(refused.state, JobState::Failed);
    let cancelled = worker.stall().await;
    worker.client.cancel(cancelled).await.unwrap();
    // Less than it takes to believe that whoever waited has gone.
    let soon = std::time::Duration::from_secs(10);
    let (status, _, _folder) = tokio::time::timeout(soon, worker.terminate())
        .await
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn a_job_that_outlasts_the_stop_fails_for_the_workers_sake() {
    let mut worker = Worker::start_misbehaving(&["--drain-seconds", "2"]).await;
    let key = worker.stall().await;
    signal(&worker.process, Signal::SIGTERM);
    worker.wait_for_end(key).await;
    let status = worker.client.status(key).await.unwrap();
    assert_eq!(status.state, JobState::Failed);
    let code = status.failure.unwrap().code;
    assert_eq!(code, FailureCode::WorkerUnreachable);
    assert!(worker.process.wait().await.unwrap().success());
    assert_eq!(worker.job_folders(), Vec::<String>::new());
}

#[tokio::test]
async fn a_second_signal_kills_what_is_left() {
    for (first, second) in [
        (Signal::SIGTERM, Signal::SIGTERM),
        (Signal::SIGINT, Signal::SIGTERM),
        (Signal::SIGTERM, Signal::SIGINT),
    ] {
        let mut worker = Worker::start_misbehaving(&["--drain-seconds", "3600"]).await;
        let key = worker.stall().await;
        signal(&worker.process, first);
        worker.wait_for_log("stopping").await;
        // It is still there.
        worker.client.status(key).await.unwrap();
        signal(&worker.process, second);
        assert!(worker.process.wait().await.unwrap().success());
        assert_eq!(worker.job_folders(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn two_workers_do_not_share_a_folder() {
    let first = Worker::start().await;
    let mut second = tokio::process::Command::new(env!("CARGO_BIN_EXE_gatelog-media-worker"));
    second
        .arg("--listen")
        .arg("unix:/nonexistent/socket")
        .arg("--jobs-dir")
        .arg(&first.jobs_dir);
    let output = second
        .env("MEDIA_WORKER_SECRET", SECRET)
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("another worker uses the same folder"),
        "{said}"
    );
}

#[tokio::test]
async fn a_worker_refuses_to_listen_to_the_world_or_without_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    for (listen, secret, expected) in [
        ("tcp:0.0.0.0:0", SECRET, "loopback"),
        ("tcp:127.0.0.1:0", "short", "at least 32 bytes"),
        ("tcp:127.0.0.1:0", "", "set MEDIA_WORKER_SECRET"),
        ("nonsense", SECRET, "expected unix:"),
    ] {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_gatelog-media-worker"));
        command
            .arg("--listen")
            .arg(listen)
            .arg("--jobs-dir")
            .arg(folder.path());
        let output = command
            .env("MEDIA_WORKER_SECRET", secret)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(expected),
            "{listen}: {said}"
        );
    }
}
