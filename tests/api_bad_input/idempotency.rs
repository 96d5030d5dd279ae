//! A request that is sent again.

use std::io::Write as _;

use eventlog::Database;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::on_postgres;
use crate::request::check;
use crate::support::engines::{count, outcome, refused, servers, until_it_counts, write};
use crate::support::{PASSWORD, Server, access_token, clip};

fn with_key(server: &Server, path: &str, key: &str) -> RequestBuilder {
    server
        .request(Method::POST, path)
        .header("idempotency-key", key)
}

async fn register(server: &Server, email: &str) -> Response {
    let body = json!({"email": email, "password": PASSWORD});
    let request = with_key(server, "/v1/users", "k1").json(&body);
    request.send().await.unwrap()
}

async fn sign_in(server: &Server) -> Response {
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let request = with_key(server, "/v1/sessions", "k2").json(&body);
    request.send().await.unwrap()
}

#[tokio::test]
async fn an_idempotency_key_gives_the_same_answer_and_writes_nothing_again() {
    for server in [Server::start().await, on_postgres().await] {
        let first = register(&server, "ada@example.com").await;
        assert_eq!(first.status(), 201);
        let position = first.headers()["gatelog-position"].clone();
        let first: Value = first.json().await.unwrap();
        let again = register(&server, "ada@example.com").await;
        assert_eq!(again.status(), 201);
        assert_eq!(again.headers()["gatelog-position"], position);
        assert_eq!(again.json::<Value>().await.unwrap(), first);
        let other = register(&server, "bob@example.com").await;
        check(other, 422, "idempotency-key-reused", "another body").await;
    }
}

#[tokio::test]
async fn a_token_is_never_given_again() {
    let server = Server::start().await;
    register(&server, "ada@example.com").await;
    let token = access_token(&sign_in(&server).await.json().await.unwrap());
    let replay = sign_in(&server).await;
    check(replay, 409, "idempotency-replay", "a token").await;
    let sessions = server.get_json("/v1/sessions", &token).await;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_upload_that_is_sent_again_is_kept_once() {
    let server = Server::start().await;
    let token = server.token("ada@example.com").await;
    let upload = async || -> Value {
        let request = with_key(&server, "/v1/media?name=a.mp4", "k3");
        let request = request.bearer_auth(&token).body(clip());
        request.send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(upload().await, upload().await);
    let kept = server.get_json("/v1/media", &token).await;
    assert_eq!(kept["items"].as_array().unwrap().len(), 1);
}

/// Sends a request by hand, so that its connection can be closed at any time.
fn send_and_stay(server: &Server, body: &str, key: &str) -> std::net::TcpStream {
    let address = server.base.trim_start_matches("http://");
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    let request = format!(
        "POST /v1/users HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Idempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).unwrap();
    connection
}

const CLAIMED: &str = "SELECT COUNT(*) FROM idempotency_records WHERE state = 'claimed'";
const RECORDS: &str = "SELECT COUNT(*) FROM idempotency_records";

/// Hashing takes so long that a client can hang up, or the server die, in the middle of it.
const SLOW: [(&str, &str); 2] = [("ARGON2_MEMORY_KIB", "65536"), ("ARGON2_PASSES", "6")];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_with_a_key_is_finished_when_its_client_hangs_up() {
    for (server, url, _folder) in servers(&SLOW).await {
        let database = Database::open(&url).await.unwrap();
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        let connection = send_and_stay(&server, &body.to_string(), "k4");
        until_it_counts(&database, CLAIMED, 1).await;
        drop(connection);
        until_it_counts(&database, CLAIMED, 0).await;
        database.close().await;
        let again = with_key(&server, "/v1/users", "k4").json(&body);
        let again = again.send().await.unwrap();
        assert_eq!(again.status(), 201, "{url}");
        assert_eq!(again.headers()["idempotency-replayed"], "true", "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_request_died_with_the_server_does_nothing_again() {
    for (mut server, url, _folder) in servers(&SLOW).await {
        let database = Database::open(&url).await.unwrap();
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        let _connection = send_and_stay(&server, &body.to_string(), "k5");
        until_it_counts(&database, CLAIMED, 1).await;
        server.kill();
        database.close().await;
        server.launch().await;
        let again = || with_key(&server, "/v1/users", "k5").json(&body);
        let answer = again().send().await.unwrap();
        assert!(answer.headers().contains_key("retry-after"), "{url}");
        let in_progress = refused(409, "idempotency-in-progress");
        assert_eq!(outcome(answer).await, in_progress, "{url}");
        // Longer ago than anybody works on a request.
        write(
            &url,
            "UPDATE idempotency_records SET created_at = created_at - 1000000000",
        )
        .await;
        let answer = again().send().await.unwrap();
        check(answer, 409, "idempotency-replay", "nobody knows").await;
        let other = with_key(&server, "/v1/users", "k6").json(&body);
        assert_eq!(other.send().await.unwrap().status(), 201, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_whose_requests_are_refused_cannot_make_the_server_write_without_end() {
    for (server, url, _folder) in servers(&[("ANONYMOUS_REQUESTS_PER_HOUR", "5")]).await {
        let flood = async |n: u32| {
            let request = with_key(&server, "/v1/sessions", &format!("flood-{n}"));
            request.json(&json!({})).send().await.unwrap()
        };
        for n in 0..5 {
            check(flood(n).await, 422, "validation-failed", "a stranger").await;
        }
        let charged = "SELECT CAST(SUM(requests) AS BIGINT) FROM anonymous_requests";
        let before = count(&url, charged).await;
        for n in 5..10 {
            let answer = flood(n).await;
            assert!(answer.headers().contains_key("retry-after"), "{url}");
            check(answer, 429, "too-many-attempts", "a stranger again").await;
        }
        assert_eq!(count(&url, charged).await, before, "{url}");
        assert_eq!(count(&url, RECORDS).await, 0, "{url}");
        // Without a key nothing is written before a request is looked at, and whoever is signed in is no stranger.
        let request = server.request(Method::POST, "/v1/sessions");
        let plain = request.json(&json!({})).send().await.unwrap();
        check(plain, 422, "validation-failed", "without a key").await;
        let token = server.token("ada@example.com").await;
        let enrol = with_key(&server, "/v1/me/totp", "mine").bearer_auth(&token);
        assert_eq!(enrol.send().await.unwrap().status(), 201, "{url}");
        let enrol = with_key(&server, "/v1/me/totp", "mine").bearer_auth(&token);
        check(
            enrol.send().await.unwrap(),
            409,
            "idempotency-replay",
            "a secret",
        )
        .await;
    }
}
