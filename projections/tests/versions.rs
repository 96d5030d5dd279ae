//! A log that an earlier version of the code wrote: its events are read as the newest by read models, aggregates and
//! rebuilds, and exported as they were written.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::path::Path;
use std::sync::Arc;

use aggregates::session::{Session, SessionCommand};
use aggregates::user::UserEvent;
use eventlog::rebuild::{self, Mode};
use eventlog::testing::TestPostgres;
use eventlog::{
    Append, CommandContext, Database, Log, LogOptions, Metadata, NewEvent, ProjectionTail,
    Upcasters, cloud_event_line, leaf_hash,
};
use projections::sessions::Sessions;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A golden file as it stands in a log.
fn golden(name: &str, version: &str) -> NewEvent {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../aggregates/golden");
    let file = std::fs::read_to_string(folder.join(format!("{name}@{version}.json"))).unwrap();
    let value: serde_json::Value = serde_json::from_str(&file).unwrap();
    NewEvent {
        event_type: name.to_owned(),
        event_version: version.to_owned(),
        payload: value.to_string(),
    }
}

/// As 1.0 said that nobody had renewed the tokens in time.
fn idle() -> NewEvent {
    let mut event = golden("SessionExpired", "1.0");
    event.payload = event
        .payload
        .replacen("\"at\"", "\"is_idle\":true,\"at\"", 1);
    event
}

fn session(number: u128) -> String {
    Uuid::from_u128(number).to_string()
}

/// A session that began and ended so.
fn life(number: u128, end: NewEvent) -> Append {
    Append {
        aggregate_type: "session".to_owned(),
        aggregate_id: session(number),
        expected_version: 0,
        command_id: Uuid::from_u128(number),
        events: vec![
            golden("SessionStarted", "1.0"),
            golden("TokensIssued", "1.0"),
            end,
        ],
        metadata: Metadata::default(),
    }
}

async fn reasons(database: &Database) -> Vec<String> {
    const SQL: &str = "SELECT end_reason FROM sessions ORDER BY session_id";
    let rows = database.query(SQL, &[]).await.unwrap();
    rows.iter().map(|row| row.text(0).unwrap()).collect()
}

const REASONS: [&str; 3] = ["expired", "idle", "expired"];

async fn is_read_as_the_newest(url: &str) {
    let database = Database::open(url).await.unwrap();
    database.migrate().await.unwrap();
    let options = LogOptions {
        upcasters: Upcasters::new(aggregates::upcasters()),
        aggregate_cache: 0,
        ..LogOptions::default()
    };
    let log = Log::open(database.clone(), vec![Arc::new(Sessions)], options);
    let log = log.await.unwrap();
    for (number, end) in [
        (1, golden("SessionExpired", "1.0")),
        (2, idle()),
        (3, golden("SessionExpired", "2.0")),
    ] {
        log.append(life(number, end)).await.unwrap();
    }
    assert_eq!(reasons(&database).await, REASONS, "inline");
    rebuild::rebuild(&database, &log, Arc::new(Sessions), Mode::Inline, &[7; 32])
        .await
        .unwrap();
    assert_eq!(reasons(&database).await, REASONS, "rebuilt");
    let compared = rebuild::verify(&database, &log, Arc::new(Sessions), Mode::Inline).await;
    assert_eq!(compared.unwrap().different, 0);
    // As a tail.
    let empty = vec![("DELETE FROM sessions".to_owned(), Vec::new())];
    database.execute(empty).await.unwrap();
    let tail = ProjectionTail::new(database.clone(), log.clone(), Arc::new(Sessions));
    let tail = tail.await.unwrap();
    tokio::select! {
        () = tail.run(CancellationToken::new()) => unreachable!(),
        () = tail.wait_for(9) => {}
    }
    assert_eq!(reasons(&database).await, REASONS, "followed");
    // Commands on such streams.
    let context = || CommandContext {
        command_id: Uuid::new_v4(),
        metadata: Metadata::default(),
        creates: false,
    };
    for number in 1..=3 {
        let loaded = log.load::<Session>(&session(number)).await.unwrap();
        assert_eq!(loaded, (Session::Ended, 3));
        let forget = SessionCommand::Forget { at: log.now() };
        let forgotten = log
            .execute::<Session>(&session(number), forget, &context())
            .await;
        assert_eq!(forgotten.unwrap().aggregate, Session::Forgotten);
    }
    // What is exported is what was written, byte for byte.
    let stored = log.read_all(0, 100).await.unwrap();
    let sixth = &stored[5];
    assert_eq!(
        (sixth.event_version.as_str(), &sixth.payload),
        ("1.0", &idle().payload)
    );
    let line = cloud_event_line(sixth);
    assert!(
        line.contains("\"is_idle\":true") && !line.contains("reason"),
        "{line}"
    );
    assert_eq!(leaf_hash(&line), sixth.leaf_hash);
    log.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_older_versions_is_read_as_the_newest_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    is_read_as_the_newest(&format!(
        "sqlite://{}",
        folder.path().join("log.db").display()
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_older_versions_is_read_as_the_newest_on_postgres() {
    let postgres = TestPostgres::shared().unwrap();
    is_read_as_the_newest(&postgres.fresh_database().await.unwrap()).await;
}

/// Another type's events go through untouched.
#[test]
fn an_event_without_an_older_version_is_read_as_it_is() {
    let event = golden("UserEnabled", "1.0");
    let parsed: UserEvent = serde_json::from_str(&event.payload).unwrap();
    assert!(matches!(parsed, UserEvent::UserEnabled { .. }));
    let upcasters = aggregates::upcasters();
    assert!(
        !upcasters
            .iter()
            .any(|one| one.can_upcast("UserEnabled", "1.0"))
    );
    assert!(
        !upcasters
            .iter()
            .any(|one| one.can_upcast("SessionExpired", "2.0"))
    );
}
