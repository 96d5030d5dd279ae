//! Two nodes on one PostgreSQL: a token is good everywhere at once, and a revoked one nowhere any more.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use eventlog::testing::TestPostgres;
use reqwest::Method;
use serde_json::Value;
use support::{Server, access_token};

/// Two servers that share a database and its keys.
async fn nodes() -> (Server, Server) {
    let url = TestPostgres::shared()
        .unwrap()
        .fresh_database()
        .await
        .unwrap();
    let key = "5a".repeat(32);
    let settings = [("DATABASE_URL", url.as_str()), ("MASTER_KEY", key.as_str())];
    (
        Server::start_with(&settings).await,
        Server::start_with(&settings).await,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn once_a_revocation_is_answered_no_node_accepts_the_token() {
    let (here, there) = nodes().await;
    here.register("ada@example.com").await;
    for round in 0..40 {
        let (opens, ends) = if round % 2 == 0 {
            (&here, &there)
        } else {
            (&there, &here)
        };
        let signed_in = opens.sign_in("ada@example.com").await;
        let token = access_token(&signed_in);
        assert_eq!(
            ends.get("/v1/verify", &token).await.status(),
            204,
            "round {round}: good at once"
        );
        let started = Instant::now();
        assert_eq!(
            ends.delete("/v1/sessions/current", &token).await.status(),
            204
        );
        assert!(started.elapsed() < Duration::from_secs(5), "round {round}");
        for node in [opens, ends] {
            assert_eq!(
                node.get("/v1/verify", &token).await.status(),
                401,
                "round {round}: accepted after its end"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_died_delays_a_revocation_only_until_its_lease_is_over() {
    let (here, mut there) = nodes().await;
    let token = here.token("ada@example.com").await;
    assert_eq!(there.get("/v1/verify", &token).await.status(), 204);
    there.kill();
    let started = Instant::now();
    assert_eq!(
        here.delete("/v1/sessions/current", &token).await.status(),
        204
    );
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(here.get("/v1/verify", &token).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_from_one_node_can_be_waited_for_on_the_other() {
    let (here, there) = nodes().await;
    let token = here.token("ada@example.com").await;
    let upload = here
        .request(Method::POST, "/v1/media?name=a.mp4")
        .bearer_auth(&token)
        .body(support::clip());
    let response = upload.send().await.unwrap();
    let position = response.headers()["gatelog-position"].clone();
    let id = response.json::<Value>().await.unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let read = there
        .request(Method::GET, &format!("/v1/media/{id}"))
        .bearer_auth(&token);
    let read = read
        .header("gatelog-min-position", position)
        .send()
        .await
        .unwrap();
    assert_eq!(read.status(), 200);
}
