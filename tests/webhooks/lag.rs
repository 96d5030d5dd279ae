//! How far a sink is behind is shown by every node, and in every state.

use eventlog::testing::TestPostgres;
use serde_json::{Value, json};

use crate::support::Server;
use crate::support::engines::write;
use crate::{ADMIN, Receiver, create, one, until};

/// What a node shows of a sink.
async fn lag(server: &Server, sink: &Value) -> Option<u64> {
    let metrics = reqwest::get(format!("{}/metrics", server.ops)).await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let id = sink["id"].as_str().unwrap();
    let name = format!("gatelog_webhook_lag_events{{sink=\"{id}\"}} ");
    let value = metrics.lines().find_map(|line| line.strip_prefix(&name))?;
    Some(value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_shows_how_far_a_sink_is_behind_also_while_it_waits_for_its_next_try() {
    let cluster = TestPostgres::shared().unwrap();
    let url = cluster.fresh_database().await.unwrap();
    let key = "5b".repeat(32);
    let settings = [
        ("WEBHOOKS_ALLOW_PRIVATE", "true"),
        ("WEBHOOK_RETRY_DELAY", "3000"),
        ("DATABASE_URL", url.as_str()),
        ("MASTER_KEY", key.as_str()),
    ];
    let nodes = [
        Server::start_with(&settings).await,
        Server::start_with(&settings).await,
    ];
    let receiver = Receiver::start().await;
    receiver.answer(500);
    let admin = nodes[0].admin(ADMIN).await;
    let body = json!({"name": "siem", "url": receiver.url, "after": 0});
    let sink = create(&nodes[0], &admin, &body).await;
    let nothing = json!({"name": "none", "url": receiver.url, "event_types": ["UserErased"]});
    let nothing = create(&nodes[1], &admin, &nothing).await;
    until("it was tried", async || !receiver.received().is_empty()).await;
    for round in 0..3 {
        let head = nodes[0].readyz().await.1["log_position"].as_u64().unwrap();
        nodes[0].register(&format!("user{round}@example.com")).await;
        for node in &nodes {
            let grows = async || lag(node, &sink).await.is_some_and(|lag| lag > head);
            until("the lag grows while it waits", grows).await;
        }
    }
    receiver.answer(200);
    write(&url, "UPDATE webhook_deliveries SET due_at = 0").await;
    for node in &nodes {
        for sink in [&sink, &nothing] {
            until("none is behind", async || lag(node, sink).await == Some(0)).await;
        }
    }
    // What is paused falls behind, and what is gone does not.
    for what in ["pause", "pause"] {
        crate::act(&nodes[0], &admin, &sink, what).await;
    }
    nodes[1].register("last@example.com").await;
    for node in &nodes {
        let is_behind = async || lag(node, &sink).await.is_some_and(|lag| lag > 0);
        until("it falls behind", is_behind).await;
    }
    assert_eq!(nodes[1].delete(&one(&sink), &admin).await.status(), 204);
    for node in &nodes {
        until("it is gone", async || lag(node, &sink).await == Some(0)).await;
    }
}
