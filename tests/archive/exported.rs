//! What a person is given of themselves: all of it, wherever an operator has moved it, and nothing of anybody else.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::support::engines::{count, outcome, refused, rows, servers, write};
use super::support::{PASSWORD, PATIENCE, Server, access_token, clip, until_so};
use super::{EMAIL, archive, busy};

const BOB: &str = "bob@example.com";
const EXPORT: &str = "/v1/me/export";

/// Signs in with a device, adds and deletes a file, and signs out: what is left of it is in the log only.
async fn come_and_go(server: &Server, email: &str, device: &str, file: &str) {
    let body = json!({"email": email, "password": PASSWORD, "device_name": device});
    let signed_in = server.post("/v1/sessions", "", &body).await;
    let token = access_token(&signed_in.json().await.unwrap());
    let media = server.upload(&token, file, clip()).await;
    server.delete(&format!("/v1/media/{media}"), &token).await;
    let ended = server.delete("/v1/sessions/current", &token).await;
    assert_eq!(ended.status(), 204);
}

async fn export(server: &Server, token: &str) -> Value {
    server.get_json(EXPORT, token).await
}

/// What the log has of a person, by an export that is whole.
async fn events(server: &Server, token: &str) -> Vec<Value> {
    let export = export(server, token).await;
    let events = export["events"].as_array().unwrap().clone();
    let ids = events.iter().map(|event| event["id"].as_str().unwrap());
    let distinct: BTreeSet<&str> = ids.collect();
    assert_eq!(distinct.len(), events.len());
    events
}

/// As it is once `SESSION_HISTORY` is over.
async fn forget(url: &str) {
    write(url, "DELETE FROM sessions WHERE ended_at IS NOT NULL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_archived_is_given_to_its_person_and_to_nobody_else() {
    for (server, url, folder) in servers(&[("DELETION_GRACE", "0")]).await {
        let ada = server.token(EMAIL).await;
        let bob = server.token(BOB).await;
        come_and_go(&server, EMAIL, "my old laptop", "my-holiday.mp4").await;
        come_and_go(&server, BOB, "bobs own phone", "bobs-own.mp4").await;
        busy(&server, &url, 1, 600).await;
        forget(&url).await;
        let before = [events(&server, &ada).await, events(&server, &bob).await];
        let in_table =
            "SELECT COUNT(*) FROM events WHERE event_type IN ('SessionStarted', 'MediaStored')";
        let of_table = count(&url, in_table).await;
        archive(&server, u64::MAX >> 1).await;
        // All of those that came and went.
        assert!(count(&url, in_table).await <= of_table - 4, "{url}");
        let after = [events(&server, &ada).await, events(&server, &bob).await];
        assert_eq!(after, before, "{url}");
        let [of_ada, of_bob] = after.map(|events| Value::from(events).to_string());
        for (own, other) in [(&of_ada, &of_bob), (&of_bob, &of_ada)] {
            assert!(!own.contains("\"v1."), "{url}: sealed");
            for event in serde_json::from_str::<Vec<Value>>(own).unwrap() {
                assert!(!other.contains(event["stream"].as_str().unwrap()), "{url}");
            }
        }
        for text in ["my old laptop", "my-holiday.mp4", EMAIL] {
            assert!(
                of_ada.contains(text) && !of_bob.contains(text),
                "{url}: {text}"
            );
        }
        for text in ["bobs own phone", "bobs-own.mp4", BOB] {
            assert!(
                of_bob.contains(text) && !of_ada.contains(text),
                "{url}: {text}"
            );
        }
        damaged_is_an_error(&server, folder.path(), &ada).await;
        assert_eq!(events(&server, &ada).await, before[0], "{url}");
        nothing_once_erased(&server, &url, &bob).await;
    }
}

/// A damaged segment breaks the document off, so that nobody takes a part for the whole.
async fn damaged_is_an_error(server: &Server, folder: &std::path::Path, token: &str) {
    let file = std::fs::read_dir(folder.join("blobs/log")).unwrap().next();
    let file = file.unwrap().unwrap().path();
    let good = std::fs::read(&file).unwrap();
    let mut damaged = good.clone();
    damaged[100] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    let answer = server.get(EXPORT, token).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.bytes().await.is_err());
    assert!(server.log().contains("an export of an account broke off"));
    std::fs::write(&file, good).unwrap();
}

/// Whoever takes the address of a person who is erased has nothing of them.
async fn nothing_once_erased(server: &Server, url: &str, token: &str) {
    let body = json!({"password": PASSWORD});
    let answer = server.post("/v1/me/deletion", token, &body).await;
    assert_eq!(answer.status(), 202);
    let erased = "SELECT COUNT(*) FROM events WHERE event_type = 'UserErased'";
    until_so("erased", async || count(url, erased).await == 1).await;
    let answer = server.get(EXPORT, token).await;
    assert_eq!(
        outcome(answer).await,
        refused(401, "invalid-token"),
        "{url}"
    );
    let token = server.token(BOB).await;
    let types: Vec<Value> = events(server, &token).await;
    let types: Vec<&Value> = types.iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["UserRegistered", "SessionStarted"], "{url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_beside_an_archiving_has_every_event_once() {
    for (server, url, _folder) in servers(&[]).await {
        let ada = server.token(EMAIL).await;
        for n in 0..6 {
            come_and_go(&server, EMAIL, &format!("device {n}"), "a.mp4").await;
            busy(&server, &url, 1, 250).await;
        }
        let before = events(&server, &ada).await;
        assert!(before.len() > 6 * 3, "{url}");
        let head = rows(&url, "SELECT position FROM log_head").await;
        let head = u64::try_from(head[0].int(0).unwrap()).unwrap();
        let archiving = async {
            for part in 1..=6 {
                archive(&server, head * part / 6).await;
            }
        };
        let exporting = async {
            for _ in 0..20 {
                assert_eq!(events(&server, &ada).await, before, "{url}");
            }
        };
        futures::future::join(archiving, exporting).await;
        assert_eq!(events(&server, &ada).await, before, "{url}");
        let sealed = "SELECT COUNT(*) FROM log_segments";
        assert!(count(&url, sealed).await > 2, "{url}");
    }
}

/// A client that asks for its export and takes nothing yet, with next to no room for what comes.
async fn stalled(server: &Server, token: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let address = server.base.strip_prefix("http://").unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let request = format!(
        "GET {EXPORT} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; "HTTP/1.1 200".len()];
    let answered = async {
        while stream.peek(&mut head).await.unwrap() < head.len() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, answered).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}

/// Rows of ended sessions, as many as do not fit into what lies between a server and a client that takes nothing.
const MANY_ROWS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000) \
    INSERT INTO sessions (session_id, user_id, access_token_hash, access_expires_at, refresh_token_hash, \
      refresh_expires_at, start_event_id, auth_methods, auth_time, created_at, expires_at, ended_at, end_reason) \
    SELECT '00000000-0000-7000-8000-' || CAST(100000000000 + i AS TEXT), user_id, access_token_hash, \
      access_expires_at, refresh_token_hash, refresh_expires_at, start_event_id, auth_methods, auth_time, created_at, \
      expires_at, ended_at, end_reason \
    FROM n, (SELECT * FROM sessions WHERE ended_at IS NOT NULL ORDER BY session_id LIMIT 1) AS one";

#[tokio::test(flavor = "multi_thread")]
async fn an_export_ends_with_its_client_and_with_its_person() {
    let settings = [("CLIENT_TIMEOUT", "3600"), ("DELETION_GRACE", "0")];
    for (server, url, _folder) in servers(&settings).await {
        let token = server.token(EMAIL).await;
        busy(&server, &url, 1, 600).await;
        archive(&server, u64::MAX >> 1).await;
        let whole = events(&server, &token).await.len();
        assert_eq!(whole, 4, "{url}");
        write(&url, MANY_ROWS).await;
        // A person has one at a time, also when it is stuck.
        let first = stalled(&server, &token).await;
        for _ in 0..3 {
            let second = server.get(EXPORT, &token).await;
            assert_eq!(outcome(second).await, refused(429, "too-many-attempts"));
        }
        let other = server.token(BOB).await;
        assert_eq!(events(&server, &other).await.len(), 2, "{url}");
        // Whoever hangs up leaves nothing behind.
        drop(first);
        let freed = async || {
            let answer = server.get(EXPORT, &token).await;
            answer.status() == 200 && answer.bytes().await.is_ok()
        };
        until_so("the place is free", freed).await;
        erased_meanwhile(&server, &url, &token).await;
    }
}

/// An export that is stuck when its person is erased is not gone on with.
async fn erased_meanwhile(server: &Server, url: &str, token: &str) {
    let user = server.get_json("/v1/me", token).await["id"].clone();
    let user = user.as_str().unwrap();
    let mut reader = stalled(server, token).await;
    let body = json!({"password": PASSWORD});
    let answer = server.post("/v1/me/deletion", token, &body).await;
    assert_eq!(answer.status(), 202);
    let keys = format!("SELECT COUNT(*) FROM vault_person_keys WHERE user_id = '{user}'");
    until_so("the key is destroyed", async || {
        count(url, &keys).await == 0
    })
    .await;
    // Sooner than the erasure comes to them.
    forget(url).await;
    let mut text = Vec::new();
    let read = tokio::time::timeout(PATIENCE, reader.read_to_end(&mut text));
    // Closed, or reset.
    let _ = read.await.unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("00000000-0000-7000-8000-"), "{url}");
    let events = text.split_once("\"events\":[");
    assert!(!events.is_some_and(|(_, told)| told.contains('{')), "{url}");
    assert!(!text.ends_with("0\r\n\r\n"), "{url}: half of it as a whole");
    assert!(server.log().contains("an export of an account broke off"));
}
