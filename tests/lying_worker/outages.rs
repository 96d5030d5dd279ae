//! A store that is away and an output that takes long cost no attempt.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::liar::{Liar, PICTURE, Trick, bring_back, take_away};
use super::server_of;
use super::support::{self, Server};

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_blob_store_costs_no_attempt() {
    for trick in [Trick::Nothing, Trick::StoreGoes] {
        let liar = Liar::with_trick(trick);
        let place = Arc::clone(&liar.store);
        let server = server_of(liar).await;
        let store = server.data.join("blobs");
        place.lock().unwrap().clone_from(&store);
        let token = server.token("ada@example.com").await;
        let media = server.upload(&token, "a.mp4", support::clip()).await;
        if trick == Trick::Nothing {
            take_away(&store);
        }
        let job = server.job(&token, &media, "poster").await;
        // Several tries of the store, each of which would have been an attempt.
        let waits = || server.log().matches("for the blob store").count();
        support::until("the job waits for the store", || waits() > 2).await;
        let seen = server.get_json(&format!("/v1/jobs/{job}"), &token).await;
        let (state, attempt) = match trick {
            Trick::Nothing => ("queued", 0),
            _ => ("running", 1),
        };
        assert_eq!(
            (&seen["state"], &seen["attempt"]),
            (&json!(state), &json!(attempt)),
            "{seen}"
        );
        bring_back(&store);
        let seen = server.ended(&token, &job).await;
        assert_eq!(
            (&seen["state"], &seen["attempt"]),
            (&json!("succeeded"), &json!(1)),
            "{seen}"
        );
    }
}

/// Two servers that share a database, its keys, a blob store and this worker.
async fn nodes_of(liar: Liar, blobs: &std::path::Path) -> [Server; 2] {
    let cluster = eventlog::testing::TestPostgres::shared().unwrap();
    let database = cluster.fresh_database().await.unwrap();
    let (url, storage) = (liar.serve().await, format!("file://{}", blobs.display()));
    let master = "5a".repeat(32);
    let secret = "s".repeat(64);
    let settings = [
        ("DATABASE_URL", database.as_str()),
        ("STORAGE_URL", storage.as_str()),
        ("MASTER_KEY", master.as_str()),
        ("MEDIA_WORKER_URL", url.as_str()),
        ("MEDIA_WORKER_SECRET", secret.as_str()),
    ];
    [
        Server::start_with(&settings).await,
        Server::start_with(&settings).await,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_is_taken_in_by_one_node_however_long_that_takes() {
    let liar = Liar::with_trick(Trick::SlowOutput);
    let sent = Arc::clone(&liar.sent);
    let folder = tempfile::tempdir().unwrap();
    let [server, _other] = nodes_of(liar, folder.path()).await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "a.mp4", support::clip()).await;
    let began = std::time::Instant::now();
    let job = server.job(&token, &media, "poster").await;
    let seen = server.ended(&token, &job).await;
    assert_eq!(
        (&seen["state"], &seen["attempt"]),
        (&json!("succeeded"), &json!(1)),
        "{seen}"
    );
    assert!(
        began.elapsed() > Duration::from_secs(30),
        "it took no lease"
    );
    assert_eq!(sent.load(Ordering::Relaxed), 1, "no other node took it in");
    let path = format!("/v1/jobs/{job}/outputs/poster.webp");
    let output = server.get(&path, &token).await.bytes().await.unwrap();
    assert_eq!(output, PICTURE);
}
