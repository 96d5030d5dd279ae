//! Servers on both engines, and what their databases hold.

use eventlog::testing::TestPostgres;
use eventlog::{Database, Value as Cell};
use reqwest::Response;
use serde_json::Value;

use super::{PATIENCE, Server};

/// A server on each engine, with the URL of its database and its folder. Not yet launched.
pub async fn prepared(settings: &[(&str, &str)]) -> Vec<(Server, String, tempfile::TempDir)> {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sqlite = format!("sqlite://{}", one.path().join("gatelog.db").display());
    let cluster = TestPostgres::shared().unwrap();
    let postgres = cluster.fresh_database().await.unwrap();
    let on = |folder: &tempfile::TempDir, url: &str| {
        let all = [&[("DATABASE_URL", url)], settings].concat();
        Server::prepare(folder.path(), &all)
    };
    let servers = (on(&one, &sqlite), on(&two, &postgres));
    vec![(servers.0, sqlite, one), (servers.1, postgres, two)]
}

/// As [`prepared`], launched.
pub async fn servers(settings: &[(&str, &str)]) -> Vec<(Server, String, tempfile::TempDir)> {
    let mut servers = prepared(settings).await;
    for (server, _, _) in &mut servers {
        server.launch().await;
    }
    servers
}

/// The same database and folder with other settings.
pub async fn restarted(mut server: Server, url: &str, settings: &[(&str, &str)]) -> Server {
    server.kill();
    let all = [&[("DATABASE_URL", url)], settings].concat();
    let mut other = Server::prepare(&server.data, &all);
    other.launch().await;
    other
}

/// The rows of a query.
pub async fn rows(url: &str, sql: &str) -> Vec<eventlog::Row> {
    let params: [Cell; 0] = [];
    let database = Database::open(url).await.unwrap();
    let rows = database.query(sql, &params).await.unwrap();
    database.close().await;
    rows
}

/// The number that a query gives.
pub async fn count(url: &str, sql: &str) -> i64 {
    rows(url, sql).await[0].int(0).unwrap()
}

/// Waits until a query counts so many, and looks so often that it sees what is so for a moment only.
pub async fn until_it_counts(database: &Database, sql: &str, wanted: i64) {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let rows = database.query(sql, &[]).await.unwrap();
        let seen = rows[0].int(0).unwrap();
        if seen == wanted {
            return;
        }
        let is_early = std::time::Instant::now() < deadline;
        assert!(is_early, "in vain: {sql}: {seen}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Appends so many events of a kind that no read model and no policy looks at.
pub async fn fill(url: &str, count: usize) {
    fill_with(url, count, "").await;
}

/// As [`fill`], each with a text.
#[allow(
    clippy::disallowed_methods,
    reason = "a test draws its identifiers itself"
)]
pub async fn fill_with(url: &str, count: usize, text: &str) {
    const AT_ONCE: usize = 250;
    let database = Database::open(url).await.unwrap();
    let options = eventlog::LogOptions::default();
    let log = eventlog::Log::open(database.clone(), Vec::new(), options);
    let log = log.await.unwrap();
    for n in (0..count).step_by(AT_ONCE) {
        let event = eventlog::NewEvent {
            event_type: "NoteTaken".to_owned(),
            event_version: "1.0".to_owned(),
            payload: serde_json::json!({"NoteTaken": {"text": text}}).to_string(),
        };
        let append = eventlog::Append {
            aggregate_type: "note".to_owned(),
            aggregate_id: uuid::Uuid::new_v4().to_string(),
            expected_version: 0,
            command_id: uuid::Uuid::new_v4(),
            events: vec![event; AT_ONCE.min(count - n)],
            metadata: eventlog::Metadata::default(),
        };
        log.append(append).await.unwrap();
    }
    log.shut_down().await;
    database.close().await;
}

/// Takes every event after `size` away, as a restore of an older backup does.
pub async fn lose_after(url: &str, size: u64) {
    let guard = if url.starts_with("sqlite") {
        "DROP TRIGGER IF EXISTS events_are_not_deleted"
    } else {
        "DROP TRIGGER IF EXISTS events_go_only_when_archived ON events"
    };
    let mut tree = eventlog::Frontier::default();
    let kept = format!("SELECT leaf_hash FROM events WHERE position <= {size} ORDER BY position");
    for row in rows(url, &kept).await {
        tree.push(row.bytes(0).unwrap().try_into().unwrap());
    }
    let head = "UPDATE log_head SET position = $1, frontier = $2, root = $3";
    let params = vec![
        tree.size().into(),
        tree.to_bytes().into(),
        tree.root().to_vec().into(),
    ];
    let plain = |sql: &str| (sql.to_owned(), Vec::new());
    let statements = vec![
        plain(guard),
        plain(&format!("DELETE FROM events WHERE position > {size}")),
        (head.to_owned(), params),
    ];
    let database = Database::open(url).await.unwrap();
    database.execute(statements).await.unwrap();
    database.close().await;
}

/// Writes to the database behind the server's back.
pub async fn write(url: &str, sql: &str) {
    let database = Database::open(url).await.unwrap();
    database
        .execute(vec![(sql.to_owned(), Vec::new())])
        .await
        .unwrap();
    database.close().await;
}

/// The status, and the problem's slug.
pub async fn outcome(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap_or_default();
    let slug = body["type"].as_str().unwrap_or_default();
    (status, slug.trim_start_matches("/problems/").to_owned())
}

/// What [`outcome`] gives of a problem.
pub fn refused(status: u16, slug: &str) -> (u16, String) {
    (status, slug.to_owned())
}
