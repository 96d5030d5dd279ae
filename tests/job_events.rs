//! Following a job: its states and its progress as they come, to its end and not beyond its token.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use reqwest::Response;
use serde_json::Value;
use support::{PATIENCE, Server, clip};

/// Every event of a stream, which must end: name and data.
async fn all(stream: Response) -> Vec<(String, Value)> {
    let text = tokio::time::timeout(PATIENCE, stream.text()).await;
    parse(&text.unwrap().unwrap())
}

fn parse(text: &str) -> Vec<(String, Value)> {
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim().to_owned())
    };
    let event = |block: &str| {
        let data = serde_json::from_str(&field(block, "data:")?).unwrap();
        Some((field(block, "event:")?, data))
    };
    text.split("\n\n").filter_map(event).collect()
}

/// Thirty seconds, so that there is progress to see.
fn long_film() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.mp4");
    let made = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i"])
        .arg("testsrc2=size=1280x720:rate=30:duration=30")
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-crf", "40"])
        .args(["-pix_fmt", "yuv420p"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    std::fs::read(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_followed_from_the_queue_to_its_end() {
    let mut server = Server::start().await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "long.mp4", long_film()).await;
    let job = server.job(&token, &media, "web-video").await;
    let path = format!("/v1/jobs/{job}/events");
    let stream = server.get(&path, &token).await;
    let content_type = stream.headers()["content-type"].to_str().unwrap();
    assert!(
        content_type.starts_with("text/event-stream"),
        "{content_type}"
    );
    server.launch_worker().await;
    let seen = all(stream).await;
    let states: Vec<&str> = seen
        .iter()
        .filter(|(name, _)| name == "state")
        .map(|(_, data)| data["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["queued", "running", "succeeded"]);
    let progress: Vec<f64> = seen
        .iter()
        .filter(|(name, _)| name == "progress")
        .map(|(_, data)| data["progress"].as_f64().unwrap())
        .collect();
    assert!(!progress.is_empty(), "{seen:?}");
    assert!(progress.is_sorted(), "{progress:?}");
    assert!(
        progress.iter().all(|share| (0.0..1.0).contains(share)),
        "{progress:?}"
    );
    assert_eq!(seen.last().unwrap().1["outputs"][0]["name"], "web.mp4");
    // Somebody who comes later gets the end at once, and nobody else gets anything.
    let late = all(server.get(&path, &token).await).await;
    assert_eq!(late.len(), 1, "{late:?}");
    assert_eq!(late[0].1["state"], "succeeded");
    let other = server.token("bob@example.com").await;
    assert_eq!(server.get(&path, &other).await.status(), 404);
    let auditor = server.auditor("eve@example.com").await;
    let log = server.get("/v1/audit/events?limit=1000", &auditor).await;
    let log = log.text().await.unwrap();
    assert!(!log.contains("rogress"), "progress is no event");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_session_and_with_the_server() {
    let mut server = Server::start().await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "clip.mp4", clip()).await;
    // There is no worker, so the job waits.
    let job = server.job(&token, &media, "metadata").await;
    let path = format!("/v1/jobs/{job}/events");
    let revoked = server.get(&path, &token).await;
    let second = support::access_token(&server.sign_in("ada@example.com").await);
    let kept = server.get(&path, &second).await;
    let answer = server.delete("/v1/sessions/current", &token).await;
    assert_eq!(answer.status(), 204);
    let seen = all(revoked).await;
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].1["state"], "queued");
    let stop = terminate(server.process_id());
    assert!(stop.success());
    let began = std::time::Instant::now();
    assert_eq!(all(kept).await.len(), 1);
    assert!(server.wait().success());
    assert!(began.elapsed().as_secs() < 18, "it waited for the stream");
}

fn terminate(process: u32) -> std::process::ExitStatus {
    let command = std::process::Command::new("kill")
        .arg("-TERM")
        .arg(process.to_string())
        .status();
    command.unwrap()
}
