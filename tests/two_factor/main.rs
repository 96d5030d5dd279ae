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
mod required;
mod secrets;
mod step_up;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod turning_off;

use std::time::{Duration, Instant};

use device::Device;
use reqwest::{Method, Response};
use serde_json::{Value, json};
pub use support::engines::{count, outcome, refused, rows, servers, write};
use support::{PASSWORD, PATIENCE, Server, access_token};

pub const EMAIL: &str = "ada@example.com";

/// As if the time steps that were taken so far lay long ago.
pub async fn steps_pass(url: &str) {
    write(url, "UPDATE vault_totp SET last_step = 0").await;
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
