//! The second factor: enrolling, signing in with it, recovery codes, turning it off; on both engines.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod challenges;
mod device;
mod left_behind;
mod races;
mod secrets;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod turning_off;

use std::time::{Duration, Instant};

use device::Device;
use eventlog::testing::TestPostgres;
use eventlog::{Database, Value as Cell};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use support::{PASSWORD, PATIENCE, Server, access_token};

pub const EMAIL: &str = "ada@example.com";

/// A server on each engine, with the URL of its database.
pub async fn servers(settings: &[(&str, &str)]) -> Vec<(Server, String, tempfile::TempDir)> {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sqlite = format!("sqlite://{}", one.path().join("gatelog.db").display());
    let postgres = TestPostgres::shared()
        .unwrap()
        .fresh_database()
        .await
        .unwrap();
    let mut servers = Vec::new();
    for (folder, url) in [(one, sqlite), (two, postgres)] {
        let mut all = vec![("DATABASE_URL", url.as_str())];
        all.extend_from_slice(settings);
        let mut server = Server::prepare(folder.path(), &all);
        server.launch().await;
        servers.push((server, url, folder));
    }
    servers
}

pub async fn rows(url: &str, sql: &str) -> Vec<eventlog::Row> {
    let params: [Cell; 0] = [];
    let database = Database::open(url).await.unwrap();
    let rows = database.query(sql, &params).await.unwrap();
    database.close().await;
    rows
}

pub async fn count(url: &str, sql: &str) -> i64 {
    rows(url, sql).await[0].int(0).unwrap()
}

pub async fn write(url: &str, sql: &str) {
    let database = Database::open(url).await.unwrap();
    database
        .execute(vec![(sql.to_owned(), Vec::new())])
        .await
        .unwrap();
    database.close().await;
}

/// As if the time steps that were taken so far lay long ago.
pub async fn steps_pass(url: &str) {
    write(url, "UPDATE vault_totp SET last_step = 0").await;
}

/// The status, and the problem's slug.
pub async fn outcome(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap_or_default();
    let slug = body["type"].as_str().unwrap_or_default();
    (status, slug.trim_start_matches("/problems/").to_owned())
}

pub fn refused(status: u16, slug: &str) -> (u16, String) {
    (status, slug.to_owned())
}

pub struct Enrolled {
    pub token: String,
    pub device: Device,
    pub recovery_codes: Vec<String>,
}

/// A person who registered, signed in, and turned the second factor on.
pub async fn enrolled(server: &Server, url: &str) -> Enrolled {
    let token = server.token(EMAIL).await;
    let enrolled = enrol(server, &token).await;
    steps_pass(url).await;
    enrolled
}

pub async fn enrol(server: &Server, token: &str) -> Enrolled {
    let answer = server.post("/v1/me/totp", token, &json!({})).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let pending: Value = answer.json().await.unwrap();
    let device = Device::new(pending["secret"].as_str().unwrap());
    let answer = confirm(server, token, &device.code(0).await).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let codes: Value = answer.json().await.unwrap();
    let codes = codes["recovery_codes"].as_array().unwrap().iter();
    Enrolled {
        token: token.to_owned(),
        device,
        recovery_codes: codes
            .map(|code| code.as_str().unwrap().to_owned())
            .collect(),
    }
}

pub async fn confirm(server: &Server, token: &str, code: &str) -> Response {
    let body = json!({"code": code});
    server.post("/v1/me/totp/confirm", token, &body).await
}

/// The password alone: a challenge.
pub async fn challenge(server: &Server) -> String {
    let body = json!({"email": EMAIL, "password": PASSWORD, "device_name": "difference engine"});
    let answer = server.post("/v1/sessions", "", &body).await;
    assert_eq!(answer.status(), 202);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let body: Value = answer.json().await.unwrap();
    body["challenge"].as_str().unwrap().to_owned()
}

pub async fn prove(server: &Server, challenge: &str, code: &str) -> Response {
    let body = json!({"challenge": challenge, "code": code});
    server.post("/v1/sessions/second-factor", "", &body).await
}

pub async fn recover(server: &Server, challenge: &str, code: &str) -> Response {
    let body = json!({"challenge": challenge, "recovery_code": code});
    server.post("/v1/sessions/second-factor", "", &body).await
}
