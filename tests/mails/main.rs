//! Mails and what hangs on them, with a real SMTP server, on both engines.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::pedantic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod addresses;
mod delivery;
mod hidden;
mod leaving;
mod leftovers;
mod resets;
#[path = "../support/smtp.rs"]
mod smtp;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod verify_first;
mod wrong_codes;

use std::time::{Duration, Instant};

use eventlog::Database;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use smtp::{Message, Mood, Smtp};
use support::engines::{count, outcome, refused, restarted, rows, servers, until_it_counts, write};
use support::{PASSWORD, PATIENCE, Server, access_token};

const EMAIL: &str = "ada@example.com";
const OTHER: &str = "bob@example.com";
const NEW: &str = "ada.new@example.org";
const NEW_PASSWORD: &str = "Other-staple-8";
const FROM: (&str, &str) = ("MAIL_FROM", "Gatelog <no-reply@id.example.com>");

const CONFIRM: &str = "Confirm your address";
const CONFIRM_CHANGE: &str = "Confirm your new address";
const RESET: &str = "Set a new password";

/// An SMTP server, and Gatelog with it, on each engine.
async fn with_smtp(settings: &[(&str, &str)]) -> Vec<(Smtp, Server, String, tempfile::TempDir)> {
    let mut all = Vec::new();
    for engine in 0..2 {
        let smtp = Smtp::start().await;
        let url = smtp.url();
        let settings = [&[FROM, ("SMTP_URL", url.as_str())], settings].concat();
        let mut prepared = support::engines::prepared(&settings).await;
        let (mut server, database, folder) = prepared.remove(engine);
        server.launch().await;
        all.push((smtp, server, database, folder));
    }
    all
}

async fn confirm(server: &Server, token: &str) -> Response {
    let body = json!({"token": token});
    server.post("/v1/email-confirmations", "", &body).await
}

/// The link of a registration, with a password.
async fn open_with(server: &Server, token: &str, password: &str) -> Response {
    let body = json!({"token": token, "password": password});
    server.post("/v1/email-confirmations", "", &body).await
}

/// With the right one.
async fn open(server: &Server, token: &str) -> Response {
    open_with(server, token, PASSWORD).await
}

async fn ask_reset(server: &Server, email: &str) -> Response {
    let body = json!({"email": email});
    server.post("/v1/password-resets", "", &body).await
}

async fn reset(server: &Server, token: &str, password: &str) -> Response {
    let body = json!({"token": token, "new_password": password});
    server.post("/v1/password-resets/confirm", "", &body).await
}

async fn change_email(server: &Server, token: &str, email: &str) -> Response {
    let body = json!({"email": email, "password": PASSWORD});
    server.post("/v1/me/email", token, &body).await
}

async fn sign_in(server: &Server, email: &str, password: &str) -> Response {
    let body = json!({"email": email, "password": password});
    server.post("/v1/sessions", "", &body).await
}

/// With the token of a device.
async fn sign_in_on(server: &Server, email: &str, password: &str, device: &str) -> Response {
    let body = json!({"email": email, "password": password, "device_token": device});
    server.post("/v1/sessions", "", &body).await
}

/// Somebody guesses until the account is shut to strangers for ten minutes.
async fn attack(server: &Server, url: &str, email: &str) {
    for _ in 0..10 {
        sign_in(server, email, "Wrong-guess-9").await;
    }
    let hold = "UPDATE sign_in_throttles SET delay = 600000000 WHERE delay > 0";
    write(url, hold).await;
    assert_eq!(
        sign_in(server, email, PASSWORD).await.status(),
        429,
        "{url}"
    );
}

/// Waits until a query counts so many.
async fn until_count(url: &str, sql: &str, wanted: i64) {
    let database = Database::open(url).await.unwrap();
    until_it_counts(&database, sql, wanted).await;
    database.close().await;
}

/// Waits until nothing waits to be written, answered or sent.
async fn settled(url: &str) {
    let database = Database::open(url).await.unwrap();
    // Where a tail begins it stores first. One that passed events of no interest to it need not have stored so.
    let begun = "SELECT COUNT(*) FROM tails WHERE name IN ('write_mails', 'settle_email_changes')";
    until_it_counts(&database, begun, 2).await;
    let behind = "SELECT COUNT(*) FROM tails WHERE (name = 'write_mails' AND position < \
                  (SELECT COALESCE(MAX(position), 0) FROM events WHERE aggregate_type IN ('user', 'session'))) \
                  OR (name = 'settle_email_changes' AND position < \
                  (SELECT COALESCE(MAX(position), 0) FROM events WHERE aggregate_type = 'user'))";
    until_it_counts(&database, behind, 0).await;
    for table in ["mail_requests", "outbox WHERE state = 'waiting'"] {
        let waiting = format!("SELECT COUNT(*) FROM {table}");
        until_it_counts(&database, &waiting, 0).await;
    }
    database.close().await;
}

/// How many of so many answers have each status.
async fn statuses(answers: Vec<Response>) -> Vec<u16> {
    let mut statuses: Vec<u16> = answers
        .iter()
        .map(|answer| answer.status().as_u16())
        .collect();
    statuses.sort_unstable();
    statuses
}

/// As long as a quarter took at most is alike: whatever else runs on the machine makes others take longer.
fn assert_alike(url: &str, known: Vec<Duration>, unknown: Vec<Duration>) {
    let [known, unknown] = [known, unknown].map(|mut times| {
        times.sort_unstable();
        times[times.len() / 4].as_secs_f64()
    });
    let ratio = known / unknown;
    println!("{url}: known {known:.6} s, unknown {unknown:.6} s, ratio {ratio:.4}");
    assert!(
        (0.9..=1.1).contains(&ratio),
        "{url}: known {known} s, unknown {unknown} s"
    );
}
