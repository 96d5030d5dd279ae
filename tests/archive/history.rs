//! Sessions that ended long ago are forgotten: they leave the lists and the tables, and with their events archived the
//! database is as large as what lives and the time that people are told of.

use std::collections::BTreeSet;

use aggregates::session::{RevokeReason, Session, SessionCommand, StartSession, TokenPair};
use aggregates::values::{AuthMethod, SessionId, TokenHash, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::testing::TestPostgres;
use eventlog::{CommandContext, Database, Log, LogOptions, Metadata, leaf_hash};
use serde_json::Value;
use uuid::Uuid;

use super::support::engines::{count, rows, servers, write};
use super::support::{Server, access_token, until_so};
use super::{EMAIL, archive, ran, size, verified};

const DAY: TimeDelta = TimeDelta::days(1);
/// Sessions that the log is given at once.
const TOGETHER: usize = 100;

/// Sessions of a person, each with an hour of life and `ended` ago, as a server wrote them then.
async fn ended_ago(url: &str, user: UserId, ended: TimeDelta, sessions: usize) -> Vec<String> {
    let database = Database::open(url).await.unwrap();
    let options = LogOptions::default();
    let log = Log::open(database.clone(), projections::inline(), options);
    let log = log.await.unwrap();
    let ended_at = Utc::now() - ended;
    let ids: Vec<SessionId> = (0..sessions).map(|_| Uuid::now_v7().into()).collect();
    for ids in ids.chunks(TOGETHER) {
        let lives = ids.iter().map(|id| live_and_end(&log, *id, user, ended_at));
        futures::future::join_all(lives).await;
    }
    log.shut_down().await;
    database.close().await;
    ids.iter().map(ToString::to_string).collect()
}

async fn live_and_end(log: &Log, session_id: SessionId, user_id: UserId, ended_at: DateTime<Utc>) {
    let at = ended_at - TimeDelta::hours(1);
    let token = || TokenHash::from_bytes(leaf_hash(&Uuid::new_v4().to_string()));
    let start = StartSession {
        session_id,
        user_id,
        device_name: None,
        user_agent: None,
        ip: None,
        auth_methods: vec![AuthMethod::Password],
        auth_time: at,
        expires_at: at + TimeDelta::days(30),
        tokens: TokenPair {
            access_token: token(),
            access_expires_at: at + TimeDelta::minutes(15),
            refresh_token: token(),
            refresh_expires_at: at + TimeDelta::days(30),
        },
        at,
    };
    let end = SessionCommand::Revoke {
        reason: RevokeReason::SignedOut,
        by: Some(user_id),
        at: ended_at,
    };
    for (command, creates) in [(start.into(), true), (end, false)] {
        let context = CommandContext {
            command_id: Uuid::now_v7(),
            metadata: Metadata::default(),
            creates,
        };
        let stream = session_id.to_string();
        let executed = log.execute::<Session>(&stream, command, &context).await;
        executed.unwrap();
    }
}

/// An account, as the log names it.
async fn account(server: &Server, token: &str) -> UserId {
    let me = server.get_json("/v1/me", token).await;
    me["id"].as_str().unwrap().parse().unwrap()
}

/// A new process, which looks at once for what is to be forgotten; and the end of what it finds.
async fn forgetting(server: &mut Server, url: &str, left: i64) {
    server.kill();
    server.launch().await;
    let told = format!("{url}: {left} ended sessions are left");
    let ended = "SELECT COUNT(*) FROM sessions WHERE ended_at IS NOT NULL";
    until_so(&told, async || count(url, ended).await == left).await;
}

fn ids(page: &Value, field: &str) -> BTreeSet<String> {
    let items = page["items"].as_array().unwrap().iter();
    let ids = items.filter_map(|item| item[field].as_str());
    ids.map(str::to_owned).collect()
}

/// The identifiers of sessions that a person, or whoever administers them, is told of.
async fn told_of(server: &Server, token: &str, admin: &str, user: UserId) -> BTreeSet<String> {
    let ended = server.get_json("/v1/sessions?state=ended", token).await;
    let path = format!("/v1/admin/users/{user}/sessions?state=ended");
    assert_eq!(
        ids(&server.get_json(&path, admin).await, "id"),
        ids(&ended, "id")
    );
    let activity = server.get_json("/v1/me/activity?limit=200", token).await;
    let mut export = server.get_json("/v1/me/export", token).await;
    // The log's own events are there for good.
    let events = export.as_object_mut().unwrap().remove("events");
    assert!(!events.unwrap().as_array().unwrap().is_empty());
    let export = export.to_string();
    let mut told = ids(&ended, "id");
    told.extend(ids(&activity, "session_id"));
    for id in &told {
        assert!(export.contains(id), "{export}");
    }
    let pieces = export.split('"').filter(|piece| piece.len() == 36);
    let known = pieces.filter(|piece| piece.parse::<Uuid>().is_ok());
    told.extend(known.map(str::to_owned));
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ended_long_ago_is_forgotten_and_all_others_stay() {
    for (mut server, url, _folder) in servers(&[("SESSION_HISTORY", "864000")]).await {
        let admin = server.admin("root@example.com").await;
        let token = server.token(EMAIL).await;
        let user = account(&server, &token).await;
        let last = server.sign_in(EMAIL).await;
        server
            .delete("/v1/sessions/current", &access_token(&last))
            .await;
        let recent = ended_ago(&url, user, DAY * 10 - TimeDelta::minutes(5), 2).await;
        // Less than the time that such wait for others, so that they are forgotten together.
        let waiting = ended_ago(&url, user, DAY * 10 + TimeDelta::minutes(5), 1).await;
        let told = told_of(&server, &token, &admin, user).await;
        assert!(recent.iter().chain(&waiting).all(|id| told.contains(id)));
        server.kill();
        let old = ended_ago(&url, user, DAY * 11, 3).await;
        let seen = |id: &String| format!("('{id}', 1)");
        let seen: Vec<String> = old.iter().chain(&recent).map(seen).collect();
        let seen = format!("INSERT INTO session_activity VALUES {}", seen.join(", "));
        write(&url, &seen).await;
        forgetting(&mut server, &url, 3).await;
        let told = told_of(&server, &token, &admin, user).await;
        let forgotten: Vec<&String> = old.iter().chain(&waiting).collect();
        for id in &forgotten {
            assert!(!told.contains(*id), "{url}");
            let path = format!("/v1/sessions/{id}");
            assert_eq!(server.get(&path, &token).await.status(), 404, "{url}");
            assert_eq!(server.delete(&path, &token).await.status(), 404, "{url}");
            let kept = format!("SELECT COUNT(*) FROM session_activity WHERE session_id = '{id}'");
            assert_eq!(count(&url, &kept).await, 0, "{url}");
        }
        let ended = last["session"]["id"].as_str().unwrap().to_owned();
        for id in recent.iter().chain([&ended]) {
            assert!(told.contains(id), "{url}");
            let path = format!("/v1/sessions/{id}");
            assert_eq!(server.delete(&path, &token).await.status(), 204, "{url}");
        }
        let kept = "SELECT COUNT(*) FROM session_activity WHERE last_seen_at = 1";
        assert_eq!(count(&url, kept).await, 2, "{url}");
        is_made_from_the_log(&server, &url, &forgotten).await;
        // Nobody looks for what is gone.
        server.kill();
        server.launch().await;
        assert_eq!(server.get("/v1/me", &token).await.status(), 200, "{url}");
        assert_eq!(count(&url, FORGETTINGS).await, 1, "{url}");
    }
}

const FORGETTINGS: &str = "SELECT COUNT(*) FROM events WHERE event_type = 'EndedSessionsForgotten'";

/// The log tells what was forgotten, once; and the rows that it makes are those that are there, before and after a rebuild.
async fn is_made_from_the_log(server: &Server, url: &str, forgotten: &[&String]) {
    let lines = verified(server, url).await;
    let mut events = lines
        .iter()
        .filter(|line| line.contains("EndedSessionsForgotten"));
    let event: Value = serde_json::from_str(events.next().unwrap()).unwrap();
    assert_eq!(events.next(), None, "{url}");
    assert_eq!(event["actor"], "policy:forget_ended_sessions");
    let told = event["data"]["sessions"].as_array().unwrap().iter();
    let told: BTreeSet<&str> = told.map(|id| id.as_str().unwrap()).collect();
    let forgotten = forgotten.iter().map(|id| id.as_str()).collect();
    assert_eq!(told, forgotten, "{url}");
    let all = "SELECT session_id, ended_at FROM sessions ORDER BY session_id";
    let before = format!("{:?}", rows(url, all).await);
    ran(server, &["projections", "verify", "--all"]).await;
    ran(server, &["projections", "rebuild", "sessions"]).await;
    assert_eq!(format!("{:?}", rows(url, all).await), before, "{url}");
    ran(server, &["projections", "verify", "--all"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_forget_each_session_once() {
    let cluster = TestPostgres::shared().unwrap();
    let url = cluster.fresh_database().await.unwrap();
    let key = "5a".repeat(32);
    let settings = [("DATABASE_URL", url.as_str()), ("MASTER_KEY", key.as_str())];
    let mut one = Server::start_with(&settings).await;
    let mut two = Server::start_with(&settings).await;
    let token = one.token(EMAIL).await;
    let user = account(&one, &token).await;
    for server in [&mut one, &mut two] {
        server.kill();
    }
    let old = ended_ago(&url, user, DAY * 100, 1_200).await;
    futures::future::join(one.launch(), two.launch()).await;
    let left = "SELECT COUNT(*) FROM sessions WHERE ended_at IS NOT NULL";
    until_so("all are forgotten", async || count(&url, left).await == 0).await;
    let payloads =
        "SELECT CAST(payload AS TEXT) FROM events WHERE event_type = 'EndedSessionsForgotten'";
    let mut told = Vec::new();
    for row in rows(&url, payloads).await {
        let event: Value = serde_json::from_str(&row.text(0).unwrap()).unwrap();
        let sessions = event["EndedSessionsForgotten"]["sessions"].as_array();
        let sessions = sessions.unwrap().iter();
        let before = told.len();
        told.extend(sessions.map(|id| id.as_str().unwrap().to_owned()));
        assert!(told.len() - before <= 500);
    }
    assert_eq!(told.len(), old.len());
    let (told, old): (BTreeSet<_>, BTreeSet<_>) =
        (told.into_iter().collect(), old.into_iter().collect());
    assert_eq!(told, old);
}

/// Sessions of a round, and what each may leave: the summary of its stream, with its place in an index.
const SESSIONS: usize = 700;
const SUMMARY_BYTES: i64 = 160;
const ROUNDS: usize = 4;
/// Events that may stay: those that a policy has not noted as passed, those that make no whole frame, those of sessions that
/// end only among these, and what lives.
const WINDOW: i64 = 500 + 256 + 2 * TOGETHER as i64 + 20;

/// Sizes of the database after each round of sessions that began, ended and were archived.
async fn sizes(server: &mut Server, url: &str, is_forgetting: bool) -> Vec<i64> {
    let token = server.token(EMAIL).await;
    let user = account(server, &token).await;
    let mut sizes = Vec::new();
    for round in 1..=ROUNDS {
        ended_ago(url, user, DAY * 100, SESSIONS).await;
        let left = if is_forgetting { 0 } else { round * SESSIONS };
        forgetting(server, url, i64::try_from(left).unwrap()).await;
        let passed = "SELECT (SELECT position FROM log_head) - (SELECT MIN(position) FROM tails)";
        until_so("tails pass", async || count(url, passed).await <= 500).await;
        archive(server, u64::MAX >> 1).await;
        let events = count(url, "SELECT COUNT(*) FROM events").await;
        assert!(events < WINDOW, "{url}: {events}");
        sizes.push(size::size(url).await);
    }
    assert_eq!(server.get("/v1/me", &token).await.status(), 200, "{url}");
    sizes
}

/// Whether sessions that ended leave no more than their summary. What a window holds may differ from round to round.
fn is_bounded(sizes: &[i64]) -> bool {
    let sessions = i64::try_from((sizes.len() - 1) * SESSIONS).unwrap();
    let grown = sizes[sizes.len() - 1] - sizes[0];
    grown < sessions * SUMMARY_BYTES + WINDOW * size::EVENT_BYTES / 4
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_ended_leave_a_summary_and_nothing_else() {
    for (mut server, url, _folder) in servers(&[]).await {
        let sizes = sizes(&mut server, &url, true).await;
        assert!(is_bounded(&sizes), "{url}: {sizes:?}");
        for table in [
            "sessions",
            "session_activity",
            "snapshots",
            "spent_refresh_tokens",
        ] {
            let rows = count(&url, &format!("SELECT COUNT(*) FROM {table}")).await;
            assert!(rows <= 1, "{url}: {rows} {table}");
        }
        let lines = verified(&server, &url).await;
        assert!(lines.len() > ROUNDS * SESSIONS * 3, "{url}");
        // The events by which they were forgotten leave the table like what they tell of.
        let pruned =
            "SELECT COUNT(*) FROM log_ended_streams WHERE aggregate_type = 'forgotten_sessions'";
        assert!(count(&url, pruned).await > 0, "{url}");
        ran(&server, &["projections", "verify", "--all"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_told_of_for_longer_are_more_than_a_summary() {
    let year = (366 * 86_400).to_string();
    let settings = [("SESSION_HISTORY", year.as_str())];
    let (mut server, url, _folder) = servers(&settings).await.remove(0);
    let sizes = sizes(&mut server, &url, false).await;
    assert!(!is_bounded(&sizes), "{url}: {sizes:?}");
}
