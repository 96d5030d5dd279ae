//! `gatelog projections` beside running servers, and what `/readyz` and the metrics say of tails.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::engines::{count, rows, servers, write};
use support::{PATIENCE, Server, access_token, kill_amid};

/// Runs the command beside the server, with its settings.
fn gatelog(server: &Server, arguments: &[&str]) -> Output {
    server.command(arguments).output().unwrap()
}

fn told(server: &Server, arguments: &[&str]) -> String {
    let output = gatelog(server, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `/readyz` says once it says so.
async fn ready(server: &Server, is_so: impl Fn(&Value) -> bool) -> (u16, Value) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, body) = server.readyz().await;
        if is_so(&body["tails"]) {
            return (status, body);
        }
        assert!(Instant::now() < deadline, "{body:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn metrics(server: &Server) -> String {
    let answer = reqwest::get(format!("{}/metrics", server.ops))
        .await
        .unwrap();
    answer.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn read_models_are_listed_compared_and_rebuilt_while_people_use_them() {
    for (server, url, _folder) in servers(&[]).await {
        server.register("ada@example.com").await;
        let token = access_token(&server.sign_in("ada@example.com").await);
        for _ in 0..3 {
            server.sign_in("ada@example.com").await;
        }
        let list = told(&server, &["projections", "list"]);
        for line in ["sessions", "inline", "media_jobs", "write_mails", "reactor"] {
            assert!(list.contains(line), "{list}");
        }
        let verified = told(&server, &["projections", "verify", "--all"]);
        assert!(verified.contains("sessions: 4 rows"), "{verified}");
        // Somebody meddles.
        write(&url, "UPDATE sessions SET end_reason = 'no reason'").await;
        let output = gatelog(&server, &["projections", "verify", "sessions"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1));
        assert!(text.contains("sessions: 4 rows differ"), "{text}");
        // Rebuilds that die anywhere change nothing.
        for milliseconds in [60, 130, 200, 270, 340] {
            let rebuild = || server.command(&["projections", "rebuild", "sessions"]);
            kill_amid(rebuild, Duration::from_millis(milliseconds)).await;
            let active = server.get_json("/v1/sessions", &token).await;
            assert_eq!(active["items"].as_array().unwrap().len(), 4, "{url}");
        }
        let rebuilt = told(&server, &["projections", "rebuild", "sessions"]);
        assert!(rebuilt.contains("4 rows"), "{rebuilt}");
        let wrong = "sessions WHERE end_reason IS NOT NULL";
        assert_eq!(
            count(&url, &format!("SELECT COUNT(*) FROM {wrong}")).await,
            0
        );
        // The server goes on with the new table: it reads it, and it writes to it.
        let active = server.get_json("/v1/sessions", &token).await;
        assert_eq!(active["items"].as_array().unwrap().len(), 4, "{url}");
        server.sign_in("ada@example.com").await;
        let active = server.get_json("/v1/sessions", &token).await;
        assert_eq!(active["items"].as_array().unwrap().len(), 5, "{url}");
        told(&server, &["projections", "verify", "--all"]);
        let unknown = gatelog(&server, &["projections", "rebuild", "nobody"]);
        let error = String::from_utf8_lossy(&unknown.stderr).into_owned();
        assert!(error.contains("no read model nobody"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_tail_is_told_of_and_leaves_the_node_in_service() {
    for (server, _, _folder) in servers(&[]).await {
        told(&server, &["projections", "pause", "media"]);
        let inline = gatelog(&server, &["projections", "pause", "sessions"]);
        let error = String::from_utf8_lossy(&inline.stderr).into_owned();
        assert!(error.contains("same transaction"), "{error}");
        server.register("ada@example.com").await;
        let (status, body) = ready(&server, |tails| tails["media"]["state"] == "paused").await;
        assert_eq!((status, &body["ready"]), (200, &true.into()), "{body:#}");
        let (_, body) = ready(&server, |tails| tails["media"]["events_behind"] != 0).await;
        assert!(body["tails"]["users"].is_null());
        let deadline = Instant::now() + PATIENCE;
        while !metrics(&server)
            .await
            .contains("gatelog_tail_paused{tail=\"media\"} 1")
        {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let list = told(&server, &["projections", "list"]);
        let line = list
            .lines()
            .find(|line| line.starts_with("media "))
            .unwrap();
        assert!(line.ends_with("paused"), "{line}");
        told(&server, &["projections", "resume", "media"]);
        let runs = |tails: &Value| {
            tails["media"]["state"] == "running" && tails["media"]["events_behind"] == 0
        };
        ready(&server, runs).await;
    }
}

/// An event of a type that this version does not know, as a later version might have written it.
const UNKNOWN: &str = r#"{"MediaTurnedIntoAFrog":{"at":"2026-01-01T00:00:00Z"}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_an_unknown_type_parks_the_tails_that_must_read_it_and_nothing_else() {
    for (server, url, _folder) in servers(&[]).await {
        server.register("ada@example.com").await;
        append_unknown(&url).await;
        let parked = |tails: &Value| {
            tails["media"]["state"] == "parked" && tails["clean_up_media"]["state"] == "parked"
        };
        let (status, body) = ready(&server, parked).await;
        assert_eq!(status, 200, "{body:#}");
        let reason = body["tails"]["media"]["reason"].as_str().unwrap();
        assert!(
            reason.contains("MediaTurnedIntoAFrog 1.0 cannot be read"),
            "{reason}"
        );
        assert_eq!(body["tails"]["erase_users"]["state"], "running");
        assert!(
            metrics(&server)
                .await
                .contains("gatelog_tail_parked{tail=\"media\"} 1")
        );
        let list = told(&server, &["projections", "parked"]);
        assert_eq!(list.lines().count(), 2, "{list}");
        assert!(list.contains("after 5 tries"), "{list}");
        // People go on.
        server.register("bob@example.com").await;
        server.sign_in("bob@example.com").await;
        told(&server, &["projections", "retry", "media"]);
        ready(&server, parked).await;
        let attempts = rows(&url, "SELECT attempts FROM tails WHERE name = 'media'").await;
        assert!(attempts[0].int(0).unwrap() <= 5);
    }
}

/// Appends it with a log that has no inline projections, as another version's server does.
async fn append_unknown(url: &str) {
    let database = eventlog::Database::open(url).await.unwrap();
    let log = eventlog::Log::open(
        database.clone(),
        Vec::new(),
        eventlog::LogOptions::default(),
    );
    let log = log.await.unwrap();
    let append = eventlog::Append {
        aggregate_type: "media".to_owned(),
        aggregate_id: uuid::Uuid::new_v4().to_string(),
        expected_version: 0,
        command_id: uuid::Uuid::new_v4(),
        events: vec![eventlog::NewEvent {
            event_type: "MediaTurnedIntoAFrog".to_owned(),
            event_version: "1.0".to_owned(),
            payload: UNKNOWN.to_owned(),
        }],
        metadata: eventlog::Metadata::default(),
    };
    log.append(append).await.unwrap();
    log.shut_down().await;
    database.close().await;
}

/// Renews the tokens of a person's session, as another process would, some hundred times at once.
async fn renew(url: &str, times: usize) {
    let database = eventlog::Database::open(url).await.unwrap();
    let options = eventlog::LogOptions::default();
    let log = eventlog::Log::open(database.clone(), projections::inline(), options);
    let log = log.await.unwrap();
    let session = rows(url, "SELECT session_id FROM sessions").await[0].text(0);
    let session = session.unwrap();
    let stream = log.read_stream("session", &session).await.unwrap();
    let issued = stream.last().unwrap();
    let (mut tokens, mut version): (Value, _) = (
        serde_json::from_str(&issued.payload).unwrap(),
        issued.sequence,
    );
    for _ in 0..times.div_ceil(250) {
        let events = (0..250).map(|_| {
            let hash = || hex::encode(eventlog::leaf_hash(&uuid::Uuid::new_v4().to_string()));
            let data = &mut tokens["TokensIssued"];
            data["replaced_refresh"] = data["tokens"]["refresh_token"].take();
            data["tokens"]["access_token"] = hash().into();
            data["tokens"]["refresh_token"] = hash().into();
            eventlog::NewEvent {
                event_type: issued.event_type.clone(),
                event_version: issued.event_version.clone(),
                payload: tokens.to_string(),
            }
        });
        let append = eventlog::Append {
            aggregate_type: "session".to_owned(),
            aggregate_id: session.clone(),
            expected_version: version,
            command_id: uuid::Uuid::now_v7(),
            events: events.collect(),
            metadata: eventlog::Metadata::default(),
        };
        version = log.append(append).await.unwrap().last().unwrap().sequence;
    }
    log.shut_down().await;
    database.close().await;
}

const SPENT: &str = "spent_refresh_tokens";

/// What a comparison says of the table, its digest among it.
fn compared(server: &Server) -> String {
    told(server, &["projections", "verify", SPENT])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_was_killed_goes_on_where_it_was_and_ends_like_one_that_ran_at_once() {
    for (server, url, _folder) in servers(&[]).await {
        server.register("ada@example.com").await;
        server.sign_in("ada@example.com").await;
        renew(&url, 12_000).await;
        let rebuild = ["projections", "rebuild", SPENT];
        let mut command = server.command(&rebuild);
        let command = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut killed = command.spawn().unwrap();
        let database = eventlog::Database::open(&url).await.unwrap();
        let position = async || {
            let sql = "SELECT position FROM tails WHERE name = 'spent_refresh_tokens__rebuild'";
            let rows = database.query(sql, &[]).await.unwrap();
            rows.first().map_or(0, |row| row.int(0).unwrap())
        };
        let deadline = Instant::now() + PATIENCE;
        while position().await == 0 {
            assert!(Instant::now() < deadline, "{url}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        // PostgreSQL may still be at what it was told last.
        while eventlog::rebuild::is_under_way(&database, SPENT)
            .await
            .unwrap()
        {
            assert!(Instant::now() < deadline, "{url}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let position = position().await;
        assert!(position > 0 && position < 12_000, "{url}: {position}");
        database.close().await;
        let again = told(&server, &rebuild);
        let from = format!("it went on from position {position},");
        assert!(again.starts_with(&from), "{url}: {again}");
        let resumed = compared(&server);
        let at_once = told(&server, &rebuild);
        assert!(!at_once.contains("went on"), "{url}: {at_once}");
        assert_eq!(compared(&server), resumed, "{url}");
        assert!(resumed.contains("12000 rows at position"), "{resumed}");
    }
}

/// The answer to a read that names a position, or names none.
async fn asked(server: &Server, path: &str, token: &str, position: Option<&str>) -> u16 {
    let request = server.request(reqwest::Method::GET, path);
    let mut request = request.bearer_auth(token);
    if let Some(position) = position {
        request = request.header("gatelog-min-position", position);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_read_model_is_waited_for_only_by_who_reads_it_and_names_a_position() {
    for (server, _url, _folder) in servers(&[]).await {
        server.register("ada@example.com").await;
        let token = access_token(&server.sign_in("ada@example.com").await);
        told(&server, &["projections", "pause", "media"]);
        let body = serde_json::json!({"email": "bob@example.com", "password": support::PASSWORD});
        let written = server.post("/v1/users", "", &body).await;
        let position = written.headers()["gatelog-position"].to_str().unwrap();
        for path in ["/v1/media", "/v1/jobs", "/v1/me/usage", "/v1/me/export"] {
            assert_eq!(asked(&server, path, &token, None).await, 200, "{path}");
        }
        let at = Some(position);
        assert_eq!(asked(&server, "/v1/jobs", &token, at).await, 200);
        for path in ["/v1/media", "/v1/me/usage"] {
            assert_eq!(asked(&server, path, &token, at).await, 503, "{path}");
        }
        told(&server, &["projections", "resume", "media"]);
        ready(&server, |tails| tails["media"]["state"] == "running").await;
        assert_eq!(asked(&server, "/v1/media", &token, at).await, 200);
    }
}
