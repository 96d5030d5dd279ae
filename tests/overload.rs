//! More than the server takes on: it refuses in the agreed form, goes on answering what costs little, and nobody
//! holds a connection by being slow.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::{PATIENCE, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// More than one hashing thread and its queue take.
const SIGN_INS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_sign_ins_is_refused_with_429_while_tokens_stay_good() {
    // What is refused here is refused for the queue: no account and no network has too many failures.
    let settings = [
        ("PASSWORD_HASH_THREADS", "1"),
        ("SIGN_IN_FREE_PER_NETWORK", "1000"),
    ];
    let server = Server::start_with(&settings).await;
    let token = server.token("ada@example.com").await;
    let is_over = AtomicBool::new(false);
    let flood = async {
        let asked = (0..SIGN_INS).map(async |n| {
            let email = format!("nobody{n}@example.com");
            let body = json!({"email": email, "password": "Wrong-guess-9"});
            server.post("/v1/sessions", "", &body).await
        });
        let answers = futures::future::join_all(asked).await;
        is_over.store(true, Ordering::SeqCst);
        answers
    };
    let others = async {
        let mut answered = 0;
        while !is_over.load(Ordering::SeqCst) {
            assert_eq!(server.get("/v1/verify", &token).await.status(), 204);
            assert_eq!(server.get("/v1/me", &token).await.status(), 200);
            answered += 1;
        }
        answered
    };
    let (answers, answered) = tokio::join!(flood, others);
    assert!(answered > 0);
    let mut seen: BTreeMap<u16, usize> = BTreeMap::new();
    for answer in answers {
        let status = answer.status().as_u16();
        *seen.entry(status).or_default() += 1;
        let wait = answer.headers().get("retry-after").cloned();
        let problem: Value = answer.json().await.unwrap();
        if status == 429 {
            let seconds: u64 = wait.unwrap().to_str().unwrap().parse().unwrap();
            assert!(seconds >= 1);
            assert_eq!(problem["type"], "/problems/too-many-attempts");
        } else {
            assert_eq!(problem["type"], "/problems/invalid-credentials");
        }
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [401, 429]);
    server.sign_in("ada@example.com").await;
}

async fn connect(server: &Server) -> TcpStream {
    let address = server.base.strip_prefix("http://").unwrap();
    TcpStream::connect(address).await.unwrap()
}

/// Reads until the server closes the connection: what it said.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    // A reset closes it, too.
    assert!(read.is_ok(), "the connection is still open");
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_slow_with_headers_is_cut_off() {
    let server = Server::start_with(&[("CLIENT_TIMEOUT", "2")]).await;
    for start in [
        "",
        "GET /v1/con",
        "GET /v1/config HTTP/1.1\r\nHost: x\r\nX-A: b",
    ] {
        let mut silent = connect(&server).await;
        silent.write_all(start.as_bytes()).await.unwrap();
        assert!(!until_closed(&mut silent).await.contains("200 OK"));
    }
    // A header every moment is no progress: the time is that of all headers together.
    let (mut reading, mut writing) = connect(&server).await.into_split();
    writing
        .write_all(b"GET /v1/config HTTP/1.1\r\n")
        .await
        .unwrap();
    let dripping = tokio::spawn(async move {
        while writing.write_all(b"X-A: b\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut said = Vec::new();
    let read = tokio::time::timeout(PATIENCE, reading.read_to_end(&mut said)).await;
    assert!(read.is_ok(), "the connection is still open");
    assert!(!String::from_utf8_lossy(&said).contains("200 OK"));
    dripping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_slow_with_a_body_is_answered_and_cut_off() {
    // The account is made by a server that lets its hashes take their time.
    let mut before = Server::start().await;
    let token = before.token("ada@example.com").await;
    before.kill();
    let settings = [("CLIENT_TIMEOUT", "2"), ("REQUEST_TIMEOUT", "2")];
    let mut server = Server::prepare(&before.data, &settings);
    server.launch().await;
    for (head, body, expected) in [
        (
            "POST /v1/sessions HTTP/1.1\r\nContent-Type: application/json",
            "{",
            "503",
        ),
        ("POST /v1/media?name=a.png HTTP/1.1", "", "400"),
        ("POST /v1/media?name=a.png HTTP/1.1", "\u{89}PNG", "400"),
    ] {
        let mut slow = connect(&server).await;
        let request = format!(
            "{head}\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 5000\r\n\r\n{body}"
        );
        slow.write_all(request.as_bytes()).await.unwrap();
        let said = until_closed(&mut slow).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {expected}")), "{said}");
        assert!(said.contains("application/problem+json"), "{said}");
    }
    let blobs = server.data.join("blobs");
    let files = |folder: &str| std::fs::read_dir(blobs.join(folder)).map_or(0, Iterator::count);
    assert_eq!(files("media"), 0, "an upload that broke off is no media");
    let gone = || files("staging") == 0;
    support::until("an upload that broke off leaves nothing", gone).await;
    assert_eq!(server.get("/v1/media", &token).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_idle_connections_keep_nobody_out_and_are_closed_in_time() {
    let server = Arc::new(Server::start_with(&[("CLIENT_TIMEOUT", "5")]).await);
    let token = server.token("ada@example.com").await;
    let mut idle = Vec::new();
    for _ in 0..400 {
        idle.push(connect(&server).await);
    }
    for _ in 0..20 {
        // A connection of its own each time, behind all the idle ones.
        let client = reqwest::Client::new();
        let request = client.get(format!("{}/v1/me", server.base));
        let answer = request.bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let closing = idle.iter_mut().map(until_closed);
    for said in futures::future::join_all(closing).await {
        assert!(!said.contains("200 OK"));
    }
    assert_eq!(server.get("/v1/me", &token).await.status(), 200);
}
