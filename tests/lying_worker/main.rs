//! A worker that lies: whatever it says it made, nothing reaches a person that is not what it should be, and however
//! much it takes on, nobody gets more than a fair share of it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod bounds;
mod liar;
mod outages;
#[path = "../support/mod.rs"]
mod support;

use liar::{Liar, PICTURE, Trick, honest};
use media_worker::api::{OutputFile, Sha256Digest};
use serde_json::{Value, json};
use support::Server;

async fn server_of(liar: Liar) -> Server {
    let url = liar.serve().await;
    Server::start_with(&[("MEDIA_WORKER_URL", &url)]).await
}

/// The stored files of a server.
fn files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    // What of the log was signed last is there as well.
    let entries = entries.filter(|entry| entry.file_name() != "signed");
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
