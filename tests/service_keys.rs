//! Service keys: made and shown once, good for their scopes alone, and for nothing once they have ended. On both engines.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use reqwest::Method;
use serde_json::{Value, json};
use support::engines::{count, outcome, refused, rows, servers, write};
use support::{PATIENCE, Server, until};

const KEYS: &str = "/v1/admin/service-keys";
const ADMIN: &str = "root@example.com";

async fn create(server: &Server, admin: &str, scopes: &[&str]) -> Value {
    let body = json!({"name": "gateway", "scopes": scopes});
    let answer = server.post(KEYS, admin, &body).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.headers().contains_key("gatelog-position"));
    answer.json().await.unwrap()
}

fn key(created: &Value) -> String {
    created["key"].as_str().unwrap().to_owned()
}

fn one(created: &Value) -> String {
    format!("{KEYS}/{}", created["id"].as_str().unwrap())
}

async fn events(url: &str, event_type: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM events WHERE event_type = '{event_type}'");
    count(url, &sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once_listed_and_revoked() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let created = create(&server, &admin, &["introspect", "audit", "audit"]).await;
        assert_eq!(created["scopes"], json!(["audit", "introspect"]));
        let text = key(&created);
        assert_eq!(text.len(), 64);
        let second = create(&server, &admin, &["revoke"]).await;
        let page = server.get_json(&format!("{KEYS}?limit=1"), &admin).await;
        assert_eq!(page["items"][0]["id"], second["id"], "newest first");
        let next = page["next_cursor"].as_str().unwrap();
        let page = server
            .get_json(&format!("{KEYS}?cursor={next}"), &admin)
            .await;
        assert_eq!(page["next_cursor"], Value::Null);
        let mut expected = created.clone();
        expected.as_object_mut().unwrap().remove("key");
        assert_eq!(page["items"], json!([expected]));
        assert_eq!(
            expected["created_by"],
            server.get_json("/v1/me", &admin).await["id"]
        );
        for _ in 0..2 {
            assert_eq!(server.delete(&one(&created), &admin).await.status(), 204);
        }
        assert_eq!(events(&url, "ServiceKeyRevoked").await, 1);
        let page = server.get_json(KEYS, &admin).await;
        assert!(page["items"][1]["revoked_at"].is_string());
        for id in ["01970000-0000-7000-8000-000000000001", "x"] {
            let answer = server.delete(&format!("{KEYS}/{id}"), &admin).await;
            assert_eq!(outcome(answer).await, refused(404, "not-found"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_meant_is_not_made() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        for body in [
            json!({}),
            json!({"name": "a"}),
            json!({"name": "a", "scopes": []}),
            json!({"name": "a", "scopes": ["everything"]}),
            json!({"name": "a", "scopes": "audit"}),
            json!({"name": "", "scopes": ["audit"]}),
            json!({"name": "a\u{0}b", "scopes": ["audit"]}),
            json!({"name": "a".repeat(101), "scopes": ["audit"]}),
            json!({"name": "a", "scopes": ["audit"], "key": "0".repeat(64)}),
            json!({"name": "a", "scopes": ["audit"], "expires_at": "tomorrow"}),
            json!({"name": "a", "scopes": ["audit"], "expires_at": 5}),
            json!({"name": "a", "scopes": ["audit"], "expires_at": "2001-01-01T00:00:00Z"}),
        ] {
            let answer = server.post(KEYS, &admin, &body).await;
            assert_eq!(
                outcome(answer).await,
                refused(422, "validation-failed"),
                "{body}"
            );
        }
        assert_eq!(events(&url, "ServiceKeyCreated").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_wish_makes_one_key_and_shows_it_once() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let body = json!({"name": "gateway", "scopes": ["audit"]});
        let send = || {
            let request = server.request(Method::POST, KEYS).bearer_auth(&admin);
            request.header("idempotency-key", "one").json(&body).send()
        };
        assert_eq!(send().await.unwrap().status(), 201);
        let again = outcome(send().await.unwrap()).await;
        assert_eq!(again, refused(409, "idempotency-replay"));
        assert_eq!(events(&url, "ServiceKeyCreated").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_good_for_its_scopes_and_for_nothing_else() {
    for (server, _url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let audit = key(&create(&server, &admin, &["audit"]).await);
        let other = key(&create(&server, &admin, &["introspect", "revoke"]).await);
        let answer = server
            .get("/v1/audit/events?type=ServiceKeyCreated", &audit)
            .await;
        assert_eq!(answer.status(), 200);
        let page: Value = answer.json().await.unwrap();
        assert_eq!(page["items"].as_array().unwrap().len(), 2);
        let answer = server.get("/v1/audit/events", &other).await;
        assert_eq!(outcome(answer).await, refused(403, "forbidden"));
        for path in [
            "/v1/me",
            "/v1/sessions",
            "/v1/verify",
            "/v1/admin/users",
            KEYS,
            "/v1/jobs",
        ] {
            for key in [&audit, &other] {
                let answer = server.get(path, key).await;
                assert_eq!(
                    outcome(answer).await,
                    refused(401, "invalid-token"),
                    "{path}"
                );
            }
        }
        let body = json!({"name": "more", "scopes": ["audit"]});
        let answer = server.post(KEYS, &audit, &body).await;
        assert_eq!(outcome(answer).await, refused(401, "invalid-token"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_revoked_or_has_expired_is_good_for_nothing() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let revoked = create(&server, &admin, &["audit"]).await;
        let end = chrono::Utc::now() + chrono::TimeDelta::days(1);
        let body = json!({"name": "short", "scopes": ["audit"], "expires_at": end});
        let expired: Value = server.post(KEYS, &admin, &body).await.json().await.unwrap();
        for created in [&revoked, &expired] {
            let answer = server.get("/v1/audit/events", &key(created)).await;
            assert_eq!(answer.status(), 200);
        }
        assert_eq!(server.delete(&one(&revoked), &admin).await.status(), 204);
        let id = expired["id"].as_str().unwrap();
        let past = format!("UPDATE service_keys SET expires_at = 5 WHERE service_key_id = '{id}'");
        write(&url, &past).await;
        for created in [&revoked, &expired] {
            let answer = server.get("/v1/audit/events", &key(created)).await;
            assert_eq!(outcome(answer).await, refused(401, "invalid-token"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_stream_ends_with_its_key() {
    for (server, _url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let created = create(&server, &admin, &["audit"]).await;
        let mut live = server.get("/v1/audit/events/live", &key(&created)).await;
        assert_eq!(live.status(), 200);
        let mut text = String::new();
        while !text.contains("ServiceKeyCreated") {
            let chunk = tokio::time::timeout(PATIENCE, live.chunk()).await;
            let chunk = chunk.unwrap().unwrap();
            text.push_str(&String::from_utf8_lossy(&chunk.unwrap()));
        }
        assert_eq!(server.delete(&one(&created), &admin).await.status(), 204);
        let rest = tokio::time::timeout(PATIENCE, live.text()).await;
        rest.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_on_the_other_node_at_once() {
    let postgres = eventlog::testing::TestPostgres::shared().unwrap();
    let url = postgres.fresh_database().await.unwrap();
    let master = "5a".repeat(32);
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("MASTER_KEY", master.as_str()),
    ];
    let here = Server::start_with(&settings).await;
    let there = Server::start_with(&settings).await;
    let admin = here.admin(ADMIN).await;
    for _ in 0..20 {
        let created = create(&here, &admin, &["audit"]).await;
        let asked = there.get("/v1/audit/events?limit=1", &key(&created)).await;
        assert_eq!(asked.status(), 200);
        assert_eq!(here.delete(&one(&created), &admin).await.status(), 204);
        let asked = there.get("/v1/audit/events?limit=1", &key(&created)).await;
        assert_eq!(asked.status(), 401);
    }
}

/// Every text of every table, and every line of the log.
async fn written(server: &Server, url: &str) -> String {
    let mut text = server.log();
    for (table, columns) in [
        ("events", "CAST(payload AS TEXT) || CAST(metadata AS TEXT)"),
        (
            "service_keys",
            "service_key_id || name || scopes || key_hash",
        ),
        ("idempotency_records", "record_id || state"),
    ] {
        let found = rows(url, &format!("SELECT {columns} FROM {table}")).await;
        assert!(!found.is_empty(), "{table}");
        text.extend(found.iter().map(|row| row.text(0).unwrap() + "\n"));
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_in_the_database_or_in_a_log_line() {
    for (server, url, _folder) in servers(&[("LOG_FILTER", "debug")]).await {
        let admin = server.admin(ADMIN).await;
        let body = json!({"name": "gateway", "scopes": ["audit", "introspect", "revoke"]});
        let request = server.request(Method::POST, KEYS).bearer_auth(&admin);
        let request = request.header("idempotency-key", "one").json(&body);
        let created: Value = request.send().await.unwrap().json().await.unwrap();
        let key = key(&created);
        assert_eq!(server.get("/v1/audit/events", &key).await.status(), 200);
        let form = format!("token={key}");
        for path in ["/v1/oauth/introspect", "/v1/oauth/revoke"] {
            let request = server.request(Method::POST, path);
            let request = request.basic_auth(created["id"].as_str().unwrap(), Some(&key));
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let answer = request.body(form.clone()).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        }
        let is_logged = || server.log().contains("/v1/oauth/revoke");
        until("the last request is logged", is_logged).await;
        let text = written(&server, &url).await;
        assert!(text.contains("ServiceKeyCreated") && text.contains("gateway"));
        assert!(!text.contains(&key), "{url}");
        if let Some(file) = url.strip_prefix("sqlite://") {
            for file in [file.to_owned(), format!("{file}-wal")] {
                let bytes = std::fs::read(file).unwrap();
                let is_there = bytes.windows(key.len()).any(|part| part == key.as_bytes());
                assert!(!is_there, "{url}");
            }
        }
    }
}
