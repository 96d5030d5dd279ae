//! Nothing secret and nothing personal is found in the bytes of the database, of the log lines or of the export.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::process::Command;

use eventlog::Database;
use eventlog::testing::TestPostgres;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use support::{PASSWORD, Server, access_token, clip};

const EMAIL: &str = "ada.lovelace@example.com";
const NAME: &str = "Countess Lovelace";
const FILE: &str = "my-holiday.mp4";
const DEVICE: &str = "difference engine";
const AGENT: &str = "Analytical/1.0 (personal agent)";
/// The files that hold secrets, and nothing else does.
const KEYS: [&str; 2] = ["master.key", "media-worker.secret"];
/// Where the person is, as the trusted proxy in front of the server says: no address that the server has itself.
const IP: &str = "203.0.113.77";
const TRUSTED: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1/32");

/// A request of the person: from where they are, with what they use.
fn post(server: &Server, path: &str, body: &Value) -> RequestBuilder {
    server
        .request(Method::POST, path)
        .header("x-forwarded-for", IP)
        .header("user-agent", AGENT)
        .json(body)
}

async fn answer(request: RequestBuilder) -> Value {
    request.send().await.unwrap().json().await.unwrap()
}

/// A story in which every kind of secret and personal text occurs: what must not be found afterwards.
async fn story(server: &Server) -> Vec<String> {
    let body = json!({"email": EMAIL, "password": PASSWORD, "name": NAME});
    let register = post(server, "/v1/users", &body).header("idempotency-key", "a-key");
    assert_eq!(answer(register).await["email"], EMAIL);
    let body = json!({"email": EMAIL, "password": PASSWORD, "device_name": DEVICE});
    let signed_in = answer(post(server, "/v1/sessions", &body)).await;
    assert_eq!(signed_in["session"]["ip"], IP);
    let known = &signed_in["device_token"];
    let device = known.as_str().unwrap().to_owned();
    for body in [
        json!({"email": EMAIL, "password": PASSWORD, "device_token": known}),
        json!({"email": EMAIL, "password": "Wrong-guess-9", "device_token": known}),
        json!({"email": EMAIL, "password": PASSWORD, "device_token": format!("{device}00")}),
        json!({"email": EMAIL, "password": 5, "device_token": known}),
    ] {
        answer(post(server, "/v1/sessions", &body)).await;
    }
    let refresh = json!({"refresh_token": signed_in["refresh_token"]});
    let fresh = answer(post(server, "/v1/tokens/refresh", &refresh)).await;
    let token = access_token(&fresh);
    for body in [
        json!({"email": EMAIL, "password": "Wrong-guess-9"}),
        json!({"email": EMAIL, "password": 5, "x": PASSWORD}),
    ] {
        answer(post(server, "/v1/sessions", &body)).await;
    }
    server.upload(&token, FILE, clip()).await;
    server.get("/v1/me?access_token=abc", &token).await;
    server.get_json("/v1/sessions", &token).await;
    let mut found = vec![
        PASSWORD,
        "Wrong-guess-9",
        "$argon2",
        "argon2id",
        EMAIL,
        "lovelace",
        NAME,
        "Countess",
        FILE,
        DEVICE,
        AGENT,
        IP,
    ];
    for answer in [&signed_in, &fresh] {
        let tokens = ["access_token", "refresh_token"].map(|name| answer[name].as_str().unwrap());
        found.extend(tokens);
    }
    let mut found: Vec<String> = found.into_iter().map(str::to_owned).collect();
    found.push(device);
    for file in KEYS {
        let key = std::fs::read_to_string(server.data.join(file)).unwrap();
        found.push(key.trim().to_owned());
    }
    found
}

fn assert_absent(secrets: &[String], haystack: &[u8], place: &str) {
    let lower = haystack.to_ascii_lowercase();
    for secret in secrets {
        let needle = secret.to_ascii_lowercase().into_bytes();
        let is_found = lower
            .windows(needle.len())
            .any(|window| window == needle.as_slice());
        assert!(!is_found, "{secret:?} is in {place}");
    }
}

#[test]
#[should_panic(expected = "is in a sample")]
fn a_secret_is_found_wherever_it_stands() {
    assert_absent(&["Secret".to_owned()], b"\0\xffseCret\0", "a sample");
}

/// Every file below a folder but the keys, and the mails that became files since there is no SMTP server: its place and
/// its bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.ends_with("outbox") {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file()
            && !KEYS.iter().any(|key| path.ends_with(key))
            && let Some(bytes) = support::files::read(&path)
        {
            found.push((path.display().to_string(), bytes));
        }
    }
    found
}

fn assert_absent_in_files(secrets: &[String], folder: &Path) {
    let files = files(folder);
    assert!(files.len() > 3, "{} files", files.len());
    for (place, bytes) in files {
        assert_absent(secrets, place.as_bytes(), "a file's name");
        assert_absent(secrets, &bytes, &place);
    }
}

/// The export over HTTP.
async fn exported(server: &Server) -> Vec<u8> {
    let auditor = server.auditor("eve@example.org").await;
    let export = server
        .request(Method::GET, "/v1/audit/events")
        .bearer_auth(&auditor)
        .header("accept", "application/x-ndjson");
    let export = export.send().await.unwrap().bytes().await.unwrap();
    assert!(export.len() > 1000);
    export.to_vec()
}

#[tokio::test]
async fn no_secret_is_in_the_bytes_of_any_file_in_a_log_line_or_in_the_export() {
    let mut server = Server::start_with(&[("LOG_FILTER", "debug"), TRUSTED]).await;
    let secrets = story(&server).await;
    assert_absent(&secrets, &exported(&server).await, "the export");
    let write_ahead = server.data.join("gatelog.db-wal");
    let waiting = || std::fs::metadata(&write_ahead).map_or(0, |file| file.len());
    assert!(waiting() > 0, "something waits for the checkpoint");
    assert_absent_in_files(&secrets, &server.data);
    let id = server.process_id().to_string();
    let asked = Command::new("kill").args(["-TERM", &id]).status().unwrap();
    assert!(asked.success() && server.wait().success());
    assert_eq!(waiting(), 0, "the checkpoint has moved everything");
    assert_absent_in_files(&secrets, &server.data);
    let printed = server.command(&["events", "export"]).output().unwrap();
    assert!(printed.stdout.len() > 1000);
    assert_absent(&secrets, &printed.stdout, "the command line's export");
    let log = server.log();
    assert!(log.contains("/v1/sessions"), "requests are logged");
    assert_absent(&secrets, log.as_bytes(), "the log lines");
}

#[tokio::test]
async fn no_secret_is_in_any_row_of_postgres() {
    let url = TestPostgres::shared()
        .unwrap()
        .fresh_database()
        .await
        .unwrap();
    let server = Server::start_with(&[("DATABASE_URL", &url), TRUSTED]).await;
    let secrets = story(&server).await;
    let database = Database::open(&url).await.unwrap();
    let tables =
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    let tables = database.query(tables, &[]).await.unwrap();
    assert!(tables.len() > 10);
    for table in tables {
        let table = table.text(0).unwrap();
        let rows = database
            .query(&format!("SELECT t::text FROM {table} t"), &[])
            .await
            .unwrap();
        let text: String = rows.iter().map(|row| row.text(0).unwrap() + "\n").collect();
        assert_absent(&secrets, text.as_bytes(), &table);
        // Bytes are shown in hexadecimal.
        let in_hex: Vec<String> = secrets.iter().map(hex::encode).collect();
        assert_absent(&in_hex, text.as_bytes(), &table);
    }
    assert_absent(&secrets, server.log().as_bytes(), "the log lines");
}
