//! Wrong input: a table of requests, each with the problem that it must get. Never a 5xx that is not named, never a
//! bare text, never a cookie.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod accounts;
mod headers;
mod idempotency;
mod mails;
mod request;
#[path = "../support/mod.rs"]
mod support;
mod things;
mod wire;

use eventlog::testing::TestPostgres;
use serde_json::{Value, json};
use support::{Server, clip};
use things::Things;

/// A server on a PostgreSQL of its own.
async fn on_postgres() -> Server {
    let postgres = TestPostgres::shared().unwrap();
    let url = postgres.fresh_database().await.unwrap();
    Server::start_with(&[("DATABASE_URL", &url)]).await
}

#[tokio::test]
async fn every_wrong_input_gets_its_problem_on_sqlite() {
    every_wrong_input_gets_its_problem(Server::start().await).await;
}

#[tokio::test]
async fn every_wrong_input_gets_its_problem_on_postgres() {
    every_wrong_input_gets_its_problem(on_postgres().await).await;
}

async fn every_wrong_input_gets_its_problem(server: Server) {
    let ada = server.token("ada@example.com").await;
    let bob = server.token("bob@example.com").await;
    let session = server.get_json("/v1/sessions/current", &ada).await;
    let media = server.upload(&ada, "clip.mp4", clip()).await;
    let job = server.job(&ada, &media, "poster").await;
    let things = Things {
        session: session["id"].as_str().unwrap().to_owned(),
        media,
        job,
    };
    let mut rows = accounts::rows();
    rows.extend(mails::rows());
    rows.extend(things::rows(&things));
    assert!(rows.len() >= 130, "{} rows", rows.len());
    for row in &rows {
        let response = row.send(&server, &ada, &bob).await;
        request::check(response, row.status, row.slug, &row.shown()).await;
    }
    let verified = server.get("/v1/verify", &ada).await;
    assert_eq!(verified.status(), 204, "the server serves on");
    assert!(!server.log().contains("a panic"), "{}", server.log());
}

#[tokio::test]
async fn every_broken_password_rule_is_listed_at_once() {
    let server = Server::start().await;
    let body = json!({"email": "a@b.example", "password": "abc"});
    let problem = server.post("/v1/users", "", &body).await;
    let problem: Value = problem.json().await.unwrap();
    let codes: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["code"].as_str().unwrap())
        .collect();
    for code in ["too_short", "no_uppercase", "no_digit", "no_symbol"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
}

#[tokio::test]
#[should_panic(expected = "application/problem+json")]
async fn an_answer_that_is_no_problem_does_not_pass() {
    let server = Server::start().await;
    let config = server.get("/v1/config", "").await;
    request::check(config, 200, "none", "a good answer").await;
}
