//! What was archived is read as before, and everything goes on.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::engines::{count, restarted, servers, write};
use super::support::{PASSWORD, Server, access_token, clip};
use super::{EMAIL, archive, busy, verified};

/// The lines of the audit interface.
async fn audited(server: &Server, token: &str, query: &str) -> Vec<String> {
    let path = format!("/v1/audit/events?{query}");
    let request = server.request(reqwest::Method::GET, &path);
    let request = request.header("accept", "application/x-ndjson");
    let answer = request.bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.unwrap();
    text.lines().map(str::to_owned).collect()
}

fn of_type(lines: &[String], name: &str) -> Vec<String> {
    let wanted = format!("\"type\":\"{name}\"");
    let lines = lines.iter().filter(|line| line.contains(&wanted));
    lines.cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archived_log_is_audited_and_gone_on_with() {
    for (server, url, folder) in servers(&[("DELETION_GRACE", "0")]).await {
        let auditor = server.auditor("auditor@example.com").await;
        let token = server.token(EMAIL).await;
        let media = server.upload(&token, "a.mp4", clip()).await;
        let ended = busy(&server, &url, 4, 400).await;
        let before = verified(&server, &url).await;
        let head = before.len() as u64;
        let told = archive(&server, head).await;
        assert!(told.contains("1 segments sealed"), "{told}");
        let sessions = "SELECT COUNT(*) FROM events WHERE aggregate_type = 'session'";
        assert!(count(&url, sessions).await < 900, "{told}");
        let lines = verified(&server, &url).await;
        assert_eq!(lines[..before.len()], before, "{url}");
        let lines = audited(&server, &auditor, "after=0").await;
        assert_eq!(lines[..before.len()], before, "{url}");
        for name in ["TokensIssued", "SessionStarted", "UserRegistered"] {
            let found = audited(&server, &auditor, &format!("type={name}")).await;
            assert_eq!(found, of_type(&before, name), "{url}");
        }
        let path = "/v1/audit/events?type=TokensIssued&limit=300";
        let page = server.get_json(path, &auditor).await;
        assert_eq!(page["items"].as_array().unwrap().len(), 300);
        // An ended session is still known as one, and its tokens stay dead.
        let id = ended["session"]["id"].as_str().unwrap();
        let answer = server.delete(&format!("/v1/sessions/{id}"), &token).await;
        assert_eq!(answer.status(), 204, "{}", server.log());
        let body = json!({"refresh_token": ended["refresh_token"]});
        let answer = server.post("/v1/tokens/refresh", "", &body).await;
        assert_eq!(answer.status(), 401);
        rebuilt_and_erased(server, &url, folder.path(), (&token, &media)).await;
    }
}

/// A read model that begins anew reads the archive; and a person whose sessions are archived can be erased.
async fn rebuilt_and_erased(server: Server, url: &str, folder: &Path, known: (&str, &str)) {
    let (token, media) = known;
    write(url, "UPDATE tails SET position = 0 WHERE name = 'media'").await;
    write(url, "DELETE FROM media").await;
    let server = restarted(server, url, &[("DELETION_GRACE", "0")]).await;
    let head = count(url, "SELECT position FROM log_head").await;
    let request = server.request(reqwest::Method::GET, "/v1/media");
    let request = request.header("gatelog-min-position", head.to_string());
    let answer = request.bearer_auth(token).send().await.unwrap();
    let listed: Value = answer.json().await.unwrap();
    assert_eq!(listed["items"][0]["id"], media, "{url}: {}", server.log());
    let body = json!({"password": PASSWORD});
    let answer = server.post("/v1/me/deletion", token, &body).await;
    assert_eq!(answer.status(), 202);
    let erased = "SELECT COUNT(*) FROM events WHERE event_type = 'UserErased'";
    let deadline = std::time::Instant::now() + super::support::PATIENCE;
    while count(url, erased).await == 0 {
        assert!(std::time::Instant::now() < deadline, "{}", server.log());
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(
        count(
            url,
            "SELECT COUNT(*) FROM sessions WHERE user_id NOT IN (SELECT user_id FROM users)"
        )
        .await,
        0
    );
    let lines = verified(&server, url).await;
    let left = segments(folder);
    assert!(!left.is_empty() && !lines.iter().any(|line| line.contains(EMAIL)));
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder.join("blobs/log")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_a_plain_file_of_lines_and_a_damaged_one_is_an_error() {
    let (mut server, url, folder) = servers(&[]).await.remove(0);
    let auditor = server.auditor("auditor@example.com").await;
    server.register(EMAIL).await;
    busy(&server, &url, 1, 1000).await;
    let before = verified(&server, &url).await;
    archive(&server, u64::MAX >> 1).await;
    let files = segments(folder.path());
    let [file] = files.as_slice() else {
        panic!("{files:?}")
    };
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("00000000000000000001-00000000000000000"));
    let content = std::fs::read(file).unwrap();
    let text = zstd::decode_all(content.as_slice()).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() >= 256 && lines.len().is_multiple_of(256));
    for (line, known) in lines.iter().zip(&before) {
        assert_eq!(line, known);
    }
    let mut damaged = content.clone();
    damaged[100] ^= 1;
    for bad in [Some(damaged), None] {
        match bad {
            Some(bad) => std::fs::write(file, bad).unwrap(),
            None => std::fs::remove_file(file).unwrap(),
        }
        server.kill();
        server.launch().await;
        let answer = server.get("/v1/audit/events?limit=10", &auditor).await;
        assert_eq!(answer.status(), 503, "{}", server.log());
        // Nobody else is concerned.
        let token = access_token(&server.sign_in(EMAIL).await);
        assert_eq!(server.get("/v1/me", &token).await.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_is_behind_holds_the_archive_back() {
    for (mut server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        busy(&server, &url, 2, 500).await;
        server.kill();
        write(&url, "UPDATE tails SET position = 300 WHERE name = 'media'").await;
        let told = archive(&server, u64::MAX >> 1).await;
        assert!(
            told.contains("position 300, where the tail media is"),
            "{told}"
        );
        let last = "SELECT MAX(last_position) FROM log_segments";
        assert_eq!(count(&url, last).await, 256, "{url}");
        let told = super::ran(&server, &["log", "archive", "--older-than", "30d"]).await;
        assert!(told.contains("0 segments sealed"), "{told}");
    }
}
