//! Refresh tokens: each is used once, a lost answer is forgiven for a moment, and a thief ends the session.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use eventlog::Database;
use reqwest::Response;
use serde_json::{Value, json};
use support::{Server, access_token};

async fn servers(leeway: &str) -> Vec<(Server, String)> {
    support::on_both_engines(&[("REFRESH_LEEWAY", leeway)]).await
}

fn refresh_token(answer: &Value) -> String {
    answer["refresh_token"].as_str().unwrap().to_owned()
}

async fn refresh(server: &Server, token: &str) -> Response {
    let body = json!({"refresh_token": token});
    server.post("/v1/tokens/refresh", "", &body).await
}

async fn refreshed(server: &Server, token: &str) -> Value {
    let answer = refresh(server, token).await;
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

async fn refused(server: &Server, token: &str, slug: &str) {
    let answer = refresh(server, token).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(
        answer.headers()["www-authenticate"],
        "Bearer realm=\"gatelog\", error=\"invalid_token\""
    );
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["type"], format!("/problems/{slug}"), "{problem}");
}

async fn is_accepted(server: &Server, answer: &Value) -> bool {
    server
        .get("/v1/verify", &access_token(answer))
        .await
        .status()
        == 204
}

async fn count(url: &str, what: &str) -> i64 {
    let database = Database::open(url).await.unwrap();
    let sql = format!("SELECT COUNT(*) FROM {what}");
    let rows = database.query(&sql, &[]).await.unwrap();
    database.close().await;
    rows[0].int(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_gives_a_new_pair_and_the_old_access_token_dies() {
    for (server, url) in servers("10").await {
        server.register("ada@example.com").await;
        let first = server.sign_in("ada@example.com").await;
        let second = refreshed(&server, &refresh_token(&first)).await;
        assert!(is_accepted(&server, &second).await, "{url}");
        assert!(!is_accepted(&server, &first).await, "{url}");
        assert_ne!(refresh_token(&first), refresh_token(&second));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_refresh_token_ends_the_session_however_old_it_is() {
    for (server, url) in servers("0").await {
        server.register("ada@example.com").await;
        let keeper = access_token(&server.sign_in("ada@example.com").await);
        let first = server.sign_in("ada@example.com").await;
        let mut newest = first.clone();
        for _ in 0..4 {
            newest = refreshed(&server, &refresh_token(&newest)).await;
        }
        assert_eq!(count(&url, "spent_refresh_tokens").await, 4, "{url}");
        refused(&server, &refresh_token(&first), "refresh-token-reused").await;
        assert!(
            !is_accepted(&server, &newest).await,
            "{url}: the rightful owner is out as well"
        );
        refused(&server, &refresh_token(&newest), "invalid-token").await;
        let ended = server.get_json("/v1/sessions?state=ended", &keeper).await;
        assert_eq!(ended["items"][0]["end_reason"], "refresh_token_reused");
        assert_eq!(
            count(&url, "events WHERE event_type = 'RefreshTokenReused'").await,
            1
        );
        assert_eq!(
            count(&url, "spent_refresh_tokens").await,
            0,
            "{url}: nothing is kept of it"
        );
        // Once more changes nothing: the session is over.
        refused(&server, &refresh_token(&first), "invalid-token").await;
        assert_eq!(
            count(&url, "events WHERE event_type = 'RefreshTokenReused'").await,
            1
        );
    }
}

/// A thief refreshes as often as they like, so that what betrays them would be forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_thief_cannot_refresh_until_the_reuse_is_forgotten() {
    for (server, url) in servers("10").await {
        server.register("ada@example.com").await;
        let stolen = server.sign_in("ada@example.com").await;
        let mut newest = stolen.clone();
        for _ in 0..105 {
            newest = refreshed(&server, &refresh_token(&newest)).await;
        }
        assert_eq!(count(&url, "spent_refresh_tokens").await, 105, "{url}");
        refused(&server, &refresh_token(&stolen), "refresh-token-reused").await;
        assert!(!is_accepted(&server, &newest).await, "{url}");
        refused(&server, &refresh_token(&newest), "invalid-token").await;
        assert_eq!(count(&url, "spent_refresh_tokens").await, 0, "{url}");
    }
}

/// What is spent is told from the session's events: the table is made anew from them where it had another shape.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_former_table_had_forgotten_is_recognised_after_the_migration() {
    const FORMER: &str = "DROP TABLE spent_refresh_tokens; \
        CREATE TABLE spent_refresh_tokens (slot TEXT PRIMARY KEY, session_id TEXT NOT NULL, token_hash TEXT NOT NULL); \
        CREATE INDEX spent_refresh_tokens_by_hash ON spent_refresh_tokens (token_hash); \
        DELETE FROM _sqlx_migrations WHERE version = 21";
    for (server, url) in servers("0").await {
        server.register("ada@example.com").await;
        let over = server.sign_in("ada@example.com").await;
        let over = refreshed(&server, &refresh_token(&over)).await;
        server
            .delete("/v1/sessions/current", &access_token(&over))
            .await;
        let first = server.sign_in("ada@example.com").await;
        let second = refreshed(&server, &refresh_token(&first)).await;
        refreshed(&server, &refresh_token(&second)).await;
        let database = Database::open(&url).await.unwrap();
        let statements = FORMER.split("; ").map(|sql| (sql.to_owned(), Vec::new()));
        database.execute(statements.collect()).await.unwrap();
        database.migrate().await.unwrap();
        database.close().await;
        assert_eq!(count(&url, "spent_refresh_tokens").await, 2, "{url}");
        refused(&server, &refresh_token(&first), "refresh-token-reused").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_lost_the_answer_may_ask_again() {
    for (server, url) in servers("60").await {
        server.register("ada@example.com").await;
        let first = server.sign_in("ada@example.com").await;
        let lost = refreshed(&server, &refresh_token(&first)).await;
        let again = refreshed(&server, &refresh_token(&first)).await;
        assert!(is_accepted(&server, &again).await, "{url}");
        assert!(
            !is_accepted(&server, &lost).await,
            "{url}: one access token at a time"
        );
        assert!(is_accepted(&server, &refreshed(&server, &refresh_token(&again)).await).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_refreshes_with_one_token_exactly_one_succeeds_without_a_leeway() {
    for (server, url) in servers("0").await {
        server.register("ada@example.com").await;
        let signed_in = server.sign_in("ada@example.com").await;
        let token = refresh_token(&signed_in);
        let racing = (0..50).map(|_| refresh(&server, &token));
        let answers = futures::future::join_all(racing).await;
        let mut won = Vec::new();
        for answer in answers {
            match answer.status().as_u16() {
                200 => won.push(answer.json::<Value>().await.unwrap()),
                status => assert_eq!(status, 401, "{url}"),
            }
        }
        assert_eq!(won.len(), 1, "{url}");
        assert!(
            !is_accepted(&server, &won[0]).await,
            "{url}: the reuse ended the session"
        );
        assert!(!is_accepted(&server, &signed_in).await, "{url}");
        assert_eq!(
            count(&url, "events WHERE event_type = 'SessionRevoked'").await,
            1
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_nobody_renews_is_over_and_the_log_says_so() {
    for (server, url) in support::on_both_engines(&[("SESSION_IDLE_TIMEOUT", "2")]).await {
        server.register("ada@example.com").await;
        let idle = server.sign_in("ada@example.com").await;
        assert_eq!(idle["refresh_expires_in"], 2);
        let id = idle["session"]["id"].as_str().unwrap();
        let deadline = std::time::Instant::now() + support::PATIENCE;
        while is_accepted(&server, &idle).await {
            assert!(std::time::Instant::now() < deadline, "{url}: never over");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        refused(&server, &refresh_token(&idle), "invalid-token").await;
        let ended = loop {
            // Whoever looks is soon idle, too.
            let other = access_token(&server.sign_in("ada@example.com").await);
            let page = server.get_json("/v1/sessions?state=ended", &other).await;
            let mut items = page["items"].as_array().into_iter().flatten();
            if let Some(ended) = items.find(|item| item["id"] == id) {
                break ended.clone();
            }
            assert!(std::time::Instant::now() < deadline, "{url}: {page}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };
        assert_eq!(ended["end_reason"], "idle");
        let noted = format!(
            "events WHERE aggregate_id = '{id}' AND event_type = 'SessionExpired' \
             AND CAST(payload AS TEXT) LIKE '%\"reason\":\"idle\"%'"
        );
        while count(&url, &noted).await == 0 {
            assert!(std::time::Instant::now() < deadline, "{url}: not noted");
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    }
}

/// Each is an event and a spent token, and both stay: whoever may sign in does not make any number of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_gets_new_tokens_only_so_often() {
    let settings = [("REFRESHES_PER_HOUR", "3"), ("REFRESH_LEEWAY", "60")];
    for (server, url) in support::on_both_engines(&settings).await {
        server.register("ada@example.com").await;
        let other = server.sign_in("ada@example.com").await;
        let first = server.sign_in("ada@example.com").await;
        let second = refreshed(&server, &refresh_token(&first)).await;
        let body = json!({"password": support::PASSWORD});
        let path = "/v1/sessions/current/reauthenticate";
        let third = server.post(path, &access_token(&second), &body).await;
        assert_eq!(third.status(), 200, "{url}");
        let third: Value = third.json().await.unwrap();
        let fourth = refreshed(&server, &refresh_token(&third)).await;
        let issued = "events WHERE event_type = 'TokensIssued'";
        let before = count(&url, issued).await;
        let too_many = [
            refresh(&server, &refresh_token(&fourth)).await,
            refresh(&server, &refresh_token(&third)).await,
            server.post(path, &access_token(&fourth), &body).await,
        ];
        for answer in too_many {
            assert_eq!(answer.status(), 429, "{url}");
            let wait = answer.headers()["retry-after"].to_str().unwrap();
            assert!((3_500..=3_600).contains(&wait.parse().unwrap()), "{wait}");
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(problem["type"], "/problems/too-many-attempts", "{url}");
        }
        assert_eq!(count(&url, issued).await, before, "{url}");
        assert!(is_accepted(&server, &fourth).await, "{url}: it lives");
        refreshed(&server, &refresh_token(&other)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_opens_only_so_many_sessions() {
    for (server, url) in support::on_both_engines(&[("SIGN_INS_PER_HOUR", "2")]).await {
        for email in ["ada@example.com", "bob@example.com"] {
            server.register(email).await;
        }
        let sign_in = async |email: &str, password: &str| {
            let body = json!({"email": email, "password": password});
            server.post("/v1/sessions", "", &body).await
        };
        for _ in 0..2 {
            let answer = sign_in("ada@example.com", support::PASSWORD).await;
            assert_eq!(answer.status(), 201, "{url}");
        }
        // More often than wrong passwords may be tried: a right one is not counted as one of those.
        for _ in 0..12 {
            let answer = sign_in("ada@example.com", support::PASSWORD).await;
            assert_eq!(answer.status(), 429, "{url}");
            assert!(answer.headers().contains_key("retry-after"));
        }
        let started = "events WHERE event_type = 'SessionStarted'";
        assert_eq!(count(&url, started).await, 2, "{url}");
        let wrong = sign_in("ada@example.com", "Wrong-horse-77").await;
        assert_eq!(wrong.status(), 401, "{url}");
        server.sign_in("bob@example.com").await;
    }
}
