//! The main job, end to end: register, sign in twice, list, verify, revoke, replay.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::json;
use support::{Server, access_token};

#[tokio::test]
async fn a_person_signs_in_sees_and_revokes_sessions_and_an_auditor_replays_it() {
    let server = Server::start().await;
    server.register("ada@example.com").await;
    let first = access_token(&server.sign_in("ada@example.com").await);
    let second = access_token(&server.sign_in("ada@example.com").await);
    let sessions = server.get_json("/v1/sessions", &first).await;
    let items = sessions["items"].as_array().expect("items");
    assert_eq!(items.len(), 2);
    let other = items
        .iter()
        .find(|session| session["current"] == json!(false))
        .expect("the other session");
    assert_eq!(server.get("/v1/verify", &second).await.status(), 204);
    let path = format!("/v1/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(server.delete(&path, &first).await.status(), 204);
    assert_eq!(server.get("/v1/verify", &second).await.status(), 401);
    assert_eq!(server.delete(&path, &first).await.status(), 204, "again");
    let auditor = server.auditor("eve@example.com").await;
    let page = server
        .get_json("/v1/audit/events?limit=1000", &auditor)
        .await;
    let events = page["items"].as_array().unwrap();
    let positions: Vec<u64> = events
        .iter()
        .map(|event| event["position"].as_u64().unwrap())
        .collect();
    assert_eq!(
        positions,
        (1..=page["head"].as_u64().unwrap()).collect::<Vec<_>>()
    );
    assert!(events.iter().any(|event| event["type"] == "SessionRevoked"));
}
