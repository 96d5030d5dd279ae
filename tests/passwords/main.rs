//! Passwords: the rules for a new one, changing it, and what its hash is made with; on both engines.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod changing;
mod hashes;
mod late;
mod left_behind;
mod rules;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::{Value, json};
pub use support::engines::{count, prepared, restarted, rows, servers};
use support::{PASSWORD, PATIENCE, Server, access_token};

pub const EMAIL: &str = "ada@example.com";
pub const NEW: &str = "Battery-staple-8";

pub async fn sign_in(server: &Server, password: &str) -> u16 {
    let body = json!({"email": EMAIL, "password": password});
    server
        .post("/v1/sessions", "", &body)
        .await
        .status()
        .as_u16()
}

pub async fn change(server: &Server, token: &str, body: &Value) -> Response {
    let request = server.request(Method::PUT, "/v1/me/password");
    request.bearer_auth(token).json(body).send().await.unwrap()
}

pub fn from_to(current: &str, new: &str) -> Value {
    json!({"current_password": current, "new_password": new})
}

pub async fn codes(answer: Response) -> Vec<(String, String)> {
    assert_eq!(answer.status(), 422);
    let body: Value = answer.json().await.unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let errors = body["errors"].as_array().unwrap().iter();
    errors
        .map(|error| (text(&error["field"]), text(&error["code"])))
        .collect()
}

pub async fn codes_of(server: &Server, email: &str, name: &str, password: &str) -> Vec<String> {
    let body = json!({"email": email, "name": name, "password": password});
    let answer = server.post("/v1/users", "", &body).await;
    let codes = codes(answer).await;
    assert!(codes.iter().all(|(field, _)| field == "password"));
    codes.into_iter().map(|(_, code)| code).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_passwords_at_once_are_turned_away_with_a_time_to_retry() {
    let settings = [
        ("PASSWORD_HASH_THREADS", "1"),
        ("ARGON2_MEMORY_KIB", "65536"),
        // What is refused here is refused for the queue, not for the account.
        ("SIGN_IN_FREE_PER_DEVICE", "1000"),
        ("SIGN_IN_FREE_PER_ACCOUNT", "1000"),
        ("SIGN_IN_FREE_PER_NETWORK", "1000"),
    ];
    let server = Server::start_with(&settings).await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let answers =
        futures::future::join_all((0..100).map(|_| server.post("/v1/sessions", "", &body))).await;
    let busy: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status() == 429)
        .collect();
    assert!(!busy.is_empty());
    assert!(
        busy.iter()
            .all(|answer| answer.headers().contains_key("retry-after"))
    );
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer.status().as_u16(), 401 | 429))
    );
    assert_eq!(
        server.post("/v1/sessions", "", &body).await.status(),
        401,
        "the queue empties again"
    );
}

/// A change is an event for ever, so nobody makes any number of them; and the same name is none.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_changes_only_so_often_and_the_same_one_is_no_change() {
    for (server, url, _folder) in servers(&[("NAME_CHANGES_PER_HOUR", "3")]).await {
        let token = server.token(EMAIL).await;
        let other = server.token("bob@example.com").await;
        let rename = |token: String, name: Value| {
            let request = server.request(Method::PATCH, "/v1/me").bearer_auth(token);
            let request = request.json(&json!({"name": name}));
            async move { request.send().await.unwrap() }
        };
        let changes = "SELECT COUNT(*) FROM events WHERE event_type = 'UserNameChanged'";
        for (name, events) in [
            ("Ada", 1),
            ("Ada", 1),
            ("Ada", 1),
            ("Ada L.", 2),
            ("Ada", 3),
        ] {
            let answer = rename(token.clone(), json!(name)).await;
            assert_eq!(answer.status(), 200, "{url}");
            let user: Value = answer.json().await.unwrap();
            assert_eq!(user["name"], name, "{url}");
            assert_eq!(count(&url, changes).await, events, "{url}");
        }
        for name in [json!("Countess"), Value::Null] {
            let refused = rename(token.clone(), name).await;
            assert_eq!(refused.status(), 429, "{url}");
            let wait = refused.headers()["retry-after"].to_str().unwrap();
            assert!((3_500..=3_600).contains(&wait.parse().unwrap()), "{wait}");
            let problem: Value = refused.json().await.unwrap();
            assert_eq!(problem["type"], "/problems/too-many-attempts", "{url}");
        }
        assert_eq!(count(&url, changes).await, 3, "{url}");
        let same = rename(token.clone(), json!("Ada")).await;
        assert_eq!(same.status(), 200, "{url}: no change, and so none too many");
        let bob = rename(other, json!("Bob")).await;
        assert_eq!(bob.status(), 200, "{url}: nobody else is meant");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_changes_their_name_and_takes_it_away() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let patch = |body: Value| {
            let request = server
                .request(Method::PATCH, "/v1/me")
                .bearer_auth(&token)
                .json(&body);
            async move { request.send().await.unwrap() }
        };
        let named = patch(json!({"name": "Countess Lovelace"})).await;
        assert_eq!(named.status(), 200, "{url}");
        let position: i64 = named.headers()["gatelog-position"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(
            position,
            count(
                &url,
                "SELECT position FROM events WHERE event_type = 'UserNameChanged'"
            )
            .await
        );
        let user: Value = named.json().await.unwrap();
        assert_eq!(
            (&user["name"], &user["email"]),
            (&json!("Countess Lovelace"), &json!(EMAIL))
        );
        assert_eq!(server.get_json("/v1/me", &token).await, user);
        let same: Value = patch(json!({})).await.json().await.unwrap();
        assert_eq!(same, user, "what is left out stays");
        let none: Value = patch(json!({"name": null})).await.json().await.unwrap();
        assert_eq!(none["name"], Value::Null);
        let bad = codes(patch(json!({"name": " Ada"})).await).await;
        assert_eq!(bad, [("name".to_owned(), "surrounding_space".to_owned())]);
        let payloads = rows(
            &url,
            "SELECT CAST(payload AS TEXT) FROM events WHERE event_type = 'UserNameChanged'",
        )
        .await;
        assert_eq!(payloads.len(), 2);
        assert!(
            payloads
                .iter()
                .all(|row| !row.text(0).unwrap().contains("Lovelace"))
        );
    }
}
