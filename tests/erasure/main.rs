//! Leaving: the wish, the time to think again, the erasure, what is left, and what happened and is stored before; on both
//! engines.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod administrators;
mod left_behind;
#[path = "../support/smtp.rs"]
mod smtp;
mod stored;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};
use support::engines::{count, outcome, refused, rows, servers, write};
use support::{PASSWORD, PATIENCE, Server, access_token, clip};

pub const EMAIL: &str = "ada@example.com";
pub const AT_ONCE: (&str, &str) = ("DELETION_GRACE", "0");

pub async fn leave(server: &Server, token: &str) -> Response {
    let body = json!({"password": PASSWORD});
    server.post("/v1/me/deletion", token, &body).await
}

pub async fn events(url: &str, event_type: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM events WHERE event_type = '{event_type}'");
    count(url, &sql).await
}

/// Waits until as many accounts are erased.
pub async fn erased(server: &Server, url: &str, number: i64) {
    let deadline = Instant::now() + PATIENCE;
    while events(url, "UserErased").await < number {
        assert!(Instant::now() < deadline, "{url}\n{}", server.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_asks_to_be_erased_thinks_again_and_stays() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let answer = leave(&server, &token).await;
        assert_eq!(answer.status(), 202, "{url}");
        assert!(answer.headers().contains_key("gatelog-position"));
        let wish: Value = answer.json().await.unwrap();
        let me = server.get_json("/v1/me", &token).await;
        assert_eq!(me["erase_at"], wish["erase_at"], "{url}");
        let due = chrono::DateTime::parse_from_rfc3339(wish["erase_at"].as_str().unwrap()).unwrap();
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        let hours = (due.timestamp() - i64::try_from(now.as_secs()).unwrap()) / 3600;
        assert!((719..=720).contains(&hours), "{url}: thirty days");
        let again: Value = leave(&server, &token).await.json().await.unwrap();
        assert_eq!(again, wish, "{url}: the first wish stands");
        // They may come back at any time before, and say so.
        let back = access_token(&server.sign_in(EMAIL).await);
        assert_eq!(server.delete("/v1/me/deletion", &back).await.status(), 204);
        assert_eq!(server.delete("/v1/me/deletion", &back).await.status(), 204);
        assert_eq!(
            server.get_json("/v1/me", &back).await["erase_at"],
            Value::Null
        );
        let counts = (
            events(&url, "UserDeletionRequested").await,
            events(&url, "UserDeletionCancelled").await,
        );
        assert_eq!(counts, (1, 1), "{url}: what was said twice is written once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_token_is_not_enough_to_erase_somebody() {
    for (mut server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let wrong = json!({"password": "Wrong-guess-9"});
        let refusal = server.post("/v1/me/deletion", &token, &wrong).await;
        assert_eq!(
            outcome(refusal).await,
            refused(403, "wrong-password"),
            "{url}"
        );
        let refusal = server.post("/v1/me/deletion", "", &wrong).await;
        assert_eq!(
            outcome(refusal).await,
            refused(401, "invalid-token"),
            "{url}"
        );
        // The session was opened, as it were, eleven minutes ago; memory is read anew at the start.
        server.kill();
        write(
            &url,
            "UPDATE sessions SET auth_time = auth_time - 660000000",
        )
        .await;
        server.launch().await;
        let refusal = leave(&server, &token).await;
        assert_eq!(
            outcome(refusal).await,
            refused(403, "reauthentication-required"),
            "{url}"
        );
        assert_eq!(events(&url, "UserDeletionRequested").await, 0, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_is_a_stranger_and_their_address_is_free() {
    for (server, url, _folder) in servers(&[AT_ONCE]).await {
        let token = server.token(EMAIL).await;
        let other = access_token(&server.sign_in(EMAIL).await);
        assert_eq!(leave(&server, &token).await.status(), 202, "{url}");
        erased(&server, &url, 1).await;
        for token in [&token, &other] {
            let refusal = server.get("/v1/me", token).await;
            assert_eq!(
                outcome(refusal).await,
                refused(401, "invalid-token"),
                "{url}"
            );
        }
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let refusal = server.post("/v1/sessions", "", &body).await;
        assert_eq!(
            outcome(refusal).await,
            refused(401, "invalid-credentials"),
            "{url}"
        );
        let token = server.token(EMAIL).await;
        let me = server.get_json("/v1/me", &token).await;
        assert_eq!(
            (&me["email"], &me["erase_at"]),
            (&json!(EMAIL), &Value::Null)
        );
        let reasons = rows(
            &url,
            "SELECT CAST(payload AS TEXT) FROM events WHERE event_type = 'EmailClaimReleased'",
        )
        .await;
        assert_eq!(reasons.len(), 1, "{url}");
        assert!(
            reasons[0].text(0).unwrap().contains("account_erased"),
            "{url}"
        );
    }
}

/// Sign-ins that are under way while the account goes leave no session that anybody could use.
#[tokio::test(flavor = "multi_thread")]
async fn no_sign_in_slips_past_an_erasure() {
    for (server, url, _folder) in servers(&[AT_ONCE]).await {
        let token = server.token(EMAIL).await;
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let sign_ins = async {
            let mut tokens = Vec::new();
            while events(&url, "UserErased").await == 0 {
                let two = [(); 2].map(|()| server.post("/v1/sessions", "", &body));
                for answer in futures::future::join_all(two).await {
                    let status = answer.status().as_u16();
                    assert!(
                        matches!(status, 201 | 401 | 403 | 404 | 429),
                        "{url}: {status}"
                    );
                    if status == 201 {
                        let answer: Value = answer.json().await.unwrap();
                        tokens.push(access_token(&answer));
                    }
                }
            }
            tokens
        };
        let (answer, tokens) = futures::future::join(leave(&server, &token), sign_ins).await;
        assert_eq!(answer.status(), 202, "{url}");
        assert!(!tokens.is_empty(), "{url}: some came before");
        for token in tokens {
            assert_eq!(
                server.get("/v1/verify", &token).await.status(),
                401,
                "{url}"
            );
        }
    }
}

/// Nobody could take the wish back meanwhile, and it may have been a thief's.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_whose_time_came_while_the_account_was_disabled_waits_anew() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin("root@example.com").await;
        let token = server.token(EMAIL).await;
        let other = server.token("bob@example.com").await;
        let act = async |user: &Value, what: &str| {
            let path = format!("/v1/admin/users/{}/{what}", user["id"].as_str().unwrap());
            server.post(&path, &admin, &json!({})).await
        };
        let (ada, bob) = (
            server.get_json("/v1/me", &token).await,
            server.get_json("/v1/me", &other).await,
        );
        for (token, user) in [(&token, &ada), (&other, &bob)] {
            assert_eq!(leave(&server, token).await.status(), 202, "{url}");
            assert_eq!(act(user, "disable").await.status(), 200, "{url}");
        }
        // The view of administrators says that it waits, and that it is due.
        let due = "UPDATE users SET erase_at = erase_at - 40 * CAST(86400000000 AS BIGINT) WHERE erase_at IS NOT NULL";
        write(&url, due).await;
        let path = format!("/v1/admin/users/{}", ada["id"].as_str().unwrap());
        let seen = server.get_json(&path, &admin).await;
        assert_eq!(seen["state"], "disabled", "{url}");
        let now = chrono::DateTime::from(std::time::SystemTime::now());
        let time = |value: &Value| -> chrono::DateTime<chrono::Utc> {
            value.as_str().unwrap().parse().unwrap()
        };
        assert!(time(&seen["erase_at"]) < now, "{url}: {seen}");
        let enabled: Value = act(&ada, "enable").await.json().await.unwrap();
        let days = (time(&enabled["erase_at"]) - now).num_days();
        assert!((29..=30).contains(&days), "{url}: {enabled}");
        // An administrator does not have to wait.
        let gone = act(&bob, "erase").await.status().as_u16();
        assert!(matches!(gone, 202 | 204), "{url}: {gone}");
        erased(&server, &url, 1).await;
        let back = access_token(&server.sign_in(EMAIL).await);
        assert_eq!(server.delete("/v1/me/deletion", &back).await.status(), 204);
        assert_eq!(events(&url, "UserErasureStarted").await, 1, "{url}");
    }
}
