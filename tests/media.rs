//! The real clip through the real worker.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use support::{Server, clip};

/// Width and height of a WebP with a lossy frame (RFC 9649, section 2.5).
fn webp_size(bytes: &[u8]) -> (u16, u16) {
    assert_eq!((&bytes[..4], &bytes[8..12]), (&b"RIFF"[..], &b"WEBP"[..]));
    let start = bytes
        .windows(3)
        .position(|window| window == [0x9d, 0x01, 0x2a])
        .unwrap()
        + 3;
    let number = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]) & 0x3fff;
    (number(start), number(start + 2))
}

#[tokio::test]
async fn the_clip_gets_its_metadata_and_a_poster_of_the_right_size() {
    let mut server = Server::start().await;
    server.launch_worker().await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "bigbuckbunny.mp4", clip()).await;
    let job = server.job(&token, &media, "metadata").await;
    let seen = server.ended(&token, &job).await;
    assert_eq!(seen["state"], "succeeded", "{seen}");
    let video = &seen["result"]["video"][0];
    assert_eq!(
        (&video["codec"], &video["width"], &video["height"]),
        (&json!("h264"), &json!(1280), &json!(720))
    );
    assert!(
        (video["duration_seconds"].as_f64().unwrap() - 5.28).abs() < 0.01,
        "{seen}"
    );
    assert_eq!(seen["result"]["audio"][0]["codec"], "aac");
    let job = server.job(&token, &media, "poster").await;
    assert_eq!(
        server.job(&token, &media, "poster").await,
        job,
        "the same request is the same job"
    );
    let seen = server.ended(&token, &job).await;
    assert_eq!(
        (&seen["state"], &seen["progress"]),
        (&json!("succeeded"), &json!(1.0)),
        "{seen}"
    );
    let path = format!("/v1/jobs/{job}/outputs/poster.webp");
    let response = server.get(&path, &token).await;
    assert_eq!(response.headers()["content-type"], "image/webp");
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    let poster = response.bytes().await.unwrap();
    assert_eq!(webp_size(&poster), (1280, 720));
    assert_eq!(seen["outputs"][0]["bytes"], poster.len());
    assert_eq!(
        etag,
        format!("\"{}\"", seen["outputs"][0]["sha256"].as_str().unwrap())
    );
    let part = server
        .request(Method::GET, &path)
        .bearer_auth(&token)
        .header("range", "bytes=0-11")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (part.status().as_u16(), part.bytes().await.unwrap()),
        (206, poster.slice(..12))
    );
    let same = server
        .request(Method::GET, &path)
        .bearer_auth(&token)
        .header("if-none-match", etag)
        .send()
        .await
        .unwrap();
    assert_eq!(same.status(), 304);
}

#[tokio::test]
async fn a_broken_file_fails_with_a_code_and_a_text_that_follows_from_it() {
    let mut server = Server::start().await;
    server.launch_worker().await;
    let token = server.token("ada@example.com").await;
    let mut cut = clip();
    cut.truncate(40_000);
    let mut noise = clip();
    noise
        .iter_mut()
        .skip(64)
        .for_each(|byte| *byte = byte.wrapping_mul(167).wrapping_add(13));
    for content in [cut, noise] {
        let media = server.upload(&token, "broken.mp4", content).await;
        for preset in ["metadata", "poster"] {
            let job = server.job(&token, &media, preset).await;
            let seen = server.ended(&token, &job).await;
            assert_eq!(seen["state"], "failed", "{seen}");
            assert_eq!(seen["error"]["code"], "corrupt_input", "{seen}");
            assert_eq!(seen["error"]["retryable"], false, "{seen}");
            let detail = seen["error"]["detail"].as_str().unwrap();
            for inside in [
                "/",
                "\\",
                "moov",
                "ffmpeg",
                "ffprobe",
                "0x",
                "[",
                "broken.mp4",
            ] {
                let is_told = detail.to_lowercase().contains(inside);
                assert!(!is_told, "{inside:?} is in {detail:?}");
            }
        }
    }
}

#[tokio::test]
async fn jobs_wait_for_a_worker_can_be_cancelled_and_go_with_their_file() {
    let mut server = Server::start().await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "clip.mp4", clip()).await;
    let waiting = server.job(&token, &media, "poster").await;
    let cancelled = server.job(&token, &media, "metadata").await;
    assert_eq!(
        server
            .delete(&format!("/v1/jobs/{cancelled}"), &token)
            .await
            .status(),
        204
    );
    assert_eq!(
        server
            .delete(&format!("/v1/jobs/{cancelled}"), &token)
            .await
            .status(),
        204,
        "again"
    );
    assert_eq!(server.ended(&token, &cancelled).await["state"], "cancelled");
    server.launch_worker().await;
    assert_eq!(server.ended(&token, &waiting).await["state"], "succeeded");
    let again = server.job(&token, &media, "metadata").await;
    assert_eq!(again, cancelled, "the same request is the same job");
    assert_eq!(server.ended(&token, &again).await["state"], "succeeded");
    assert_eq!(
        server
            .delete(&format!("/v1/jobs/{waiting}"), &token)
            .await
            .status(),
        409
    );
    assert_eq!(
        server
            .delete(&format!("/v1/media/{media}"), &token)
            .await
            .status(),
        204
    );
    assert_eq!(
        server
            .get(&format!("/v1/media/{media}"), &token)
            .await
            .status(),
        404
    );
    assert_eq!(
        server
            .get(&format!("/v1/media/{media}/content"), &token)
            .await
            .status(),
        404
    );
    let blobs = server.data.join("blobs");
    support::until("the file and its outputs are removed", || {
        files(&blobs) == 0
    })
    .await;
    let warnings = server
        .log()
        .matches("a media job was not dispatched")
        .count();
    assert!(warnings < 20, "{warnings} lines while there was no worker");
}

fn files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    // What of the log was signed last is there as well.
    let entries = entries.filter(|entry| entry.file_name() != "signed");
    entries
        .map(|entry| {
            if entry.path().is_dir() {
                files(&entry.path())
            } else {
                1
            }
        })
        .sum()
}

/// A worker that refuses this server is offered nothing in a loop, and the job runs once the secret is right.
#[tokio::test]
async fn a_worker_with_another_secret_gets_nothing_and_the_job_waits() {
    let mut server = Server::start().await;
    let worker =
        server.spawn_worker_with(&[("MEDIA_WORKER_SECRET", "another-secret-of-at-least-32-bytes")]);
    support::until("the worker listens", || {
        server.worker_log().contains("started")
    })
    .await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "clip.mp4", clip()).await;
    let job = server.job(&token, &media, "metadata").await;
    let refusals = || server.log().matches("Unauthenticated").count();
    support::until("the refusal is logged", || refusals() > 0).await;
    let before = refusals();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let more = refusals() - before;
    assert!(more <= 5, "{more} refusals in 5 s: the queue loops");
    let seen: Value = server.get_json(&format!("/v1/jobs/{job}"), &token).await;
    assert_eq!(
        (&seen["state"], &seen["attempt"]),
        (&json!("queued"), &json!(0)),
        "{seen}"
    );
    worker.kill();
    server.launch_worker().await;
    assert_eq!(server.ended(&token, &job).await["state"], "succeeded");
}

/// A film with one key frame, so that a picture at its end takes a while.
fn slow_film() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow.mp4");
    let made = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i"])
        .arg("testsrc2=size=1280x720:rate=30:duration=120")
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-crf", "40"])
        .args(["-g", "100000", "-pix_fmt", "yuv420p"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::read(path).unwrap()
}

/// FFmpeg's processes that work in a folder below `folder`.
fn at_work(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let is_ours = |entry: &std::fs::DirEntry| {
        let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        let works_in = std::fs::read_link(entry.path().join("cwd"));
        name.trim() == "ffmpeg" && works_in.is_ok_and(|path| path.starts_with(folder))
    };
    entries.filter(is_ours).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_running_job_ends_its_process_and_the_job_ends_once() {
    let mut server = Server::start().await;
    server.launch_worker().await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "slow.mp4", slow_film()).await;
    let body = json!({"preset": "poster", "options": {"seek_ms": 119_000}});
    let path = format!("/v1/media/{media}/jobs");
    let job: Value = server
        .post(&path, &token, &body)
        .await
        .json()
        .await
        .unwrap();
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    let folder = server.data.clone();
    support::until("FFmpeg runs", || at_work(&folder) == 1).await;
    let seen = server.get_json(&path, &token).await;
    assert_eq!(seen["state"], "running", "{seen}");
    assert_eq!(server.delete(&path, &token).await.status(), 204);
    support::until("FFmpeg ended", || at_work(&folder) == 0).await;
    let seen = server.get_json(&path, &token).await;
    assert_eq!(seen["state"], "cancelled", "{seen}");
    assert_eq!(seen["outputs"], json!([]), "{seen}");
    assert_eq!(server.delete(&path, &token).await.status(), 204, "again");
    // Another job runs to its end: nothing of the cancelled one comes after that.
    let other = server.job(&token, &media, "metadata").await;
    assert_eq!(server.ended(&token, &other).await["state"], "succeeded");
    let auditor = server.auditor("eve@example.com").await;
    let path = format!("/v1/audit/events?subject={}", job["id"].as_str().unwrap());
    let page = server.get_json(&path, &auditor).await;
    let types: Vec<&str> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    let expected = [
        "MediaJobRequested",
        "MediaJobDispatched",
        "MediaJobCancelled",
    ];
    assert_eq!(types, expected);
    // Asked for again it is another attempt, and that can be cancelled as well.
    let path = format!("/v1/media/{media}/jobs");
    assert_eq!(server.post(&path, &token, &body).await.status(), 202);
    let path = format!("/v1/jobs/{}", job["id"].as_str().unwrap());
    support::until("FFmpeg runs again", || at_work(&folder) == 1).await;
    let seen = server.get_json(&path, &token).await;
    assert_eq!(
        (&seen["state"], &seen["attempt"], &seen["finished_at"]),
        (&json!("running"), &json!(2), &Value::Null)
    );
    assert_eq!(server.delete(&path, &token).await.status(), 204);
    support::until("FFmpeg ended again", || at_work(&folder) == 0).await;
    let rest = server.data.join("blobs");
    support::until("only the film and the metadata are stored", || {
        files(&rest) == 2
    })
    .await;
}
