//! The main job, end to end: register, sign in twice, list, verify, revoke, replay.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use eventlog::testing::TestPostgres;
use serde_json::json;
use support::{Server, access_token};

#[tokio::test]
async fn a_person_signs_in_sees_and_revokes_sessions_and_an_auditor_replays_it_on_sqlite() {
    main_job(Server::start().await).await;
}

#[tokio::test]
async fn a_person_signs_in_sees_and_revokes_sessions_and_an_auditor_replays_it_on_postgres() {
    let postgres = TestPostgres::shared().unwrap();
    let url = postgres.fresh_database().await.unwrap();
    main_job(Server::start_with(&[("DATABASE_URL", &url)]).await).await;
}

async fn main_job(server: Server) {
    server.register("ada@example.com").await;
    let first = access_token(&server.sign_in("ada@example.com").await);
    let second = access_token(&server.sign_in("ada@example.com").await);
    let sessions = server.get_json("/v1/sessions", &first).await;
    let items = sessions["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let other = items
        .iter()
        .find(|session| session["current"] == json!(false))
        .unwrap();
    assert_eq!(server.get("/v1/verify", &second).await.status(), 204);
    let path = format!("/v1/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(server.delete(&path, &first).await.status(), 204);
    assert_eq!(server.get("/v1/verify", &second).await.status(), 401);
    assert_eq!(server.get("/v1/verify", &first).await.status(), 204);
    assert_eq!(server.delete(&path, &first).await.status(), 204, "again");
    assert_eq!(replayed(&server).await, 1, "it is revoked once");
}

/// Replays the log, which must have no gap: how often a session was revoked.
async fn replayed(server: &Server) -> usize {
    let auditor = server.auditor("eve@example.com").await;
    let path = "/v1/audit/events?limit=1000";
    let page = server.get_json(path, &auditor).await;
    let events = page["items"].as_array().unwrap();
    let positions: Vec<u64> = events
        .iter()
        .map(|event| event["position"].as_u64().unwrap())
        .collect();
    let head = page["head"].as_u64().unwrap();
    assert_eq!(positions, (1..=head).collect::<Vec<_>>());
    let revoked = events
        .iter()
        .filter(|event| event["type"] == "SessionRevoked");
    revoked.count()
}
