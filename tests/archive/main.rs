//! Archiving beside a running server: the log reads as before, the database stays small, and a kill at any moment loses
//! nothing.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod exported;
mod files;
mod going_on;
mod history;
mod killed;
mod size;
#[path = "../support/mod.rs"]
mod support;

use eventlog::{Append, Database, Frontier, Log, LogOptions, Metadata, NewEvent, leaf_hash};
use serde_json::Value;
use support::{Server, access_token, until_so};
use uuid::Uuid;

pub const EMAIL: &str = "ada@example.com";

/// How far the stored position of the last tail is behind. What is of no concern to a tail is stored every 500 events.
const BEHIND: &str = "SELECT (SELECT position FROM log_head) - (SELECT MIN(position) FROM tails)";

/// Opens sessions of a person, renews each so often, and ends them: the last one's first answer. By then no tail is
/// behind.
pub async fn busy(server: &Server, url: &str, sessions: usize, renewals: usize) -> Value {
    let main = server.sign_in(EMAIL).await;
    let mut last = Value::Null;
    for _ in 0..sessions {
        last = server.sign_in(EMAIL).await;
        let id = last["session"]["id"].as_str().unwrap();
        renew(url, id, renewals).await;
        let path = format!("/v1/sessions/{id}");
        let answer = server.delete(&path, &access_token(&main)).await;
        assert_eq!(answer.status(), 204, "{}", server.log());
    }
    let answer = server
        .delete("/v1/sessions/current", &access_token(&main))
        .await;
    assert_eq!(answer.status(), 204);
    let passed = async || support::engines::count(url, BEHIND).await <= 500;
    until_so("tails pass", passed).await;
    last
}

/// Writes the events of so many renewals as another process would, a few hundred at a time.
async fn renew(url: &str, session: &str, renewals: usize) {
    let database = Database::open(url).await.unwrap();
    let options = LogOptions::default();
    let log = Log::open(database.clone(), projections::inline(), options);
    let log = log.await.unwrap();
    let stream = log.read_stream("session", session).await.unwrap();
    let issued = stream.last().unwrap();
    let mut tokens: Value = serde_json::from_str(&issued.payload).unwrap();
    let mut version = issued.sequence;
    let numbers: Vec<usize> = (0..renewals).collect();
    for numbers in numbers.chunks(200) {
        let events = numbers.iter().map(|_| {
            let pair = &mut tokens["TokensIssued"]["tokens"];
            for which in ["access_token", "refresh_token"] {
                pair[which] = hex::encode(leaf_hash(&Uuid::new_v4().to_string())).into();
            }
            NewEvent {
                event_type: issued.event_type.clone(),
                event_version: issued.event_version.clone(),
                payload: tokens.to_string(),
            }
        });
        let append = Append {
            aggregate_type: "session".to_owned(),
            aggregate_id: session.to_owned(),
            expected_version: version,
            command_id: Uuid::now_v7(),
            events: events.collect(),
            metadata: Metadata::default(),
        };
        let events = log.append(append).await.unwrap();
        version = events.last().unwrap().sequence;
    }
    log.shut_down().await;
    database.close().await;
}

/// Runs the command line beside the server: what it printed.
pub async fn ran(server: &Server, arguments: &[&str]) -> String {
    let mut command = server.command(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

/// Archives up to a position, as far as the tails allow.
pub async fn archive(server: &Server, before: u64) -> String {
    ran(server, &["log", "archive", "--before", &before.to_string()]).await
}

/// The whole log by the command line, whose lines are held against the root of the head.
pub async fn verified(server: &Server, url: &str) -> Vec<String> {
    let database = Database::open(url).await.unwrap();
    let (size, root) = database.head_and_root().await.unwrap();
    database.close().await;
    let text = ran(server, &["events", "export"]).await;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut tree = Frontier::default();
    for (line, position) in lines.iter().zip(1..=size) {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["position"], position, "{url}");
        tree.push(leaf_hash(line));
    }
    assert_eq!((tree.size(), tree.root()), (size, root), "{url}");
    lines
}
