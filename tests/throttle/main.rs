//! How often passwords may be guessed, and what a flood of guesses leaves behind; on both engines.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod anonymous;
#[path = "../two_factor/device.rs"]
#[expect(dead_code, reason = "a part of it is needed")]
mod device;
mod devices;
mod floods;
mod limits;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod timing;

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::{Value, json};
pub use support::engines::{count, outcome, refused, restarted, rows, servers, write};
use support::{PASSWORD, PATIENCE, Server};

pub const EMAIL: &str = "ada@example.com";
pub const WRONG: &str = "Wrong-guess-9";
/// The tests say themselves where a request comes from.
pub const PROXY: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1/32");
/// Where Ada is at home.
pub const HOME: &str = "203.0.113.1";

pub async fn sign_in(server: &Server, ip: &str, email: &str, password: &str) -> Response {
    let request = server.request(Method::POST, "/v1/sessions");
    let body = json!({"email": email, "password": password});
    let request = request.header("x-forwarded-for", ip).json(&body);
    request.send().await.unwrap()
}

/// With the token of a device.
pub async fn sign_in_on(
    server: &Server,
    ip: &str,
    email: &str,
    password: &str,
    device: &str,
) -> Response {
    let request = server.request(Method::POST, "/v1/sessions");
    let body = json!({"email": email, "password": password, "device_token": device});
    let request = request.header("x-forwarded-for", ip).json(&body);
    request.send().await.unwrap()
}

pub async fn status_on(
    server: &Server,
    ip: &str,
    email: &str,
    password: &str,
    device: &str,
) -> u16 {
    let answer = sign_in_on(server, ip, email, password, device).await;
    answer.status().as_u16()
}

/// The token that a device gets at its sign-in.
pub async fn device_token(server: &Server, ip: &str, email: &str) -> String {
    let answer = sign_in(server, ip, email, PASSWORD).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let answer: Value = answer.json().await.unwrap();
    let token = answer["device_token"].as_str().unwrap();
    assert!(token.len() == 64 && token.bytes().all(|c| c.is_ascii_hexdigit()));
    token.to_owned()
}

pub async fn status(server: &Server, ip: &str, email: &str, password: &str) -> u16 {
    sign_in(server, ip, email, password).await.status().as_u16()
}

pub fn retry_after(answer: &Response) -> u64 {
    let seconds = answer.headers()["retry-after"].to_str().unwrap();
    seconds.parse().unwrap()
}

/// As if so many seconds had passed.
pub async fn pass(url: &str, seconds: i64) {
    let micros = seconds * 1_000_000;
    let sql = format!(
        "UPDATE sign_in_throttles SET charged_at = charged_at - {micros}, expires_at = expires_at - {micros}"
    );
    write(url, &sql).await;
}

/// Every delay that runs is ten minutes long, so that none ends while the test goes on.
pub async fn hold(url: &str) {
    write(
        url,
        "UPDATE sign_in_throttles SET delay = 600000000 WHERE delay > 0",
    )
    .await;
}
