//! Administration: finding accounts, roles, disabling, sessions, the second factor; that an administrator is always left;
//! and what the lines of the log say of who calls. On both engines.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod accounts;
mod command_line;
mod everybody;
mod half_done;
mod last;
mod late;
mod lines;
mod search;
mod strict;
#[path = "../support/mod.rs"]
mod support;

use reqwest::Response;
use serde_json::{Value, json};
pub use support::engines::{count, outcome, refused, rows, servers, write};
use support::{PASSWORD, Server, access_token};

pub const ADMIN: &str = "root@example.com";

pub fn path(user: &Value, rest: &str) -> String {
    format!("/v1/admin/users/{}{rest}", user["id"].as_str().unwrap())
}

pub async fn act(server: &Server, admin: &str, user: &Value, what: &str) -> Response {
    server.post(&path(user, what), admin, &json!({})).await
}

pub async fn set_roles(server: &Server, admin: &str, user: &Value, roles: &[&str]) -> Response {
    let body = json!({"roles": roles});
    server.post(&path(user, "/roles"), admin, &body).await
}

/// The account behind a token.
pub async fn me(server: &Server, token: &str) -> Value {
    server.get_json("/v1/me", token).await
}

/// How many events of a type there are.
pub async fn events(url: &str, event_type: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM events WHERE event_type = '{event_type}'");
    count(url, &sql).await
}

/// Who acted in the last event of a type.
pub async fn last_actor(url: &str, event_type: &str) -> String {
    let sql = format!(
        "SELECT CAST(metadata AS TEXT) FROM events WHERE event_type = '{event_type}' ORDER BY position DESC LIMIT 1"
    );
    let metadata = rows(url, &sql).await[0].text(0).unwrap();
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    metadata["actor"].as_str().unwrap().to_owned()
}

/// As if every session had been authenticated a quarter of an hour ago.
pub async fn time_passes(server: &mut Server, url: &str) {
    server.kill();
    write(url, "UPDATE sessions SET auth_time = auth_time - 900000000").await;
    server.launch().await;
}

pub async fn sign_in(server: &Server, email: &str) -> Response {
    let body = json!({"email": email, "password": PASSWORD});
    server.post("/v1/sessions", "", &body).await
}

pub async fn verify(server: &Server, token: &str) -> u16 {
    server.get("/v1/verify", token).await.status().as_u16()
}
