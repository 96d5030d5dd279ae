//! Nothing secret and nothing personal is found in the bytes of the database, of the log lines or of the export.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use eventlog::Database;
use eventlog::testing::TestPostgres;
use reqwest::Method;
use serde_json::{Value, json};
use support::{PASSWORD, Server, access_token, clip};

const EMAIL: &str = "ada.lovelace@example.com";
const NAME: &str = "Countess Lovelace";
const FILE: &str = "my-holiday.mp4";
const DEVICE: &str = "difference engine";
const AGENT: &str = "Analytical/1.0 (personal agent)";

/// A story in which every kind of secret and personal text occurs: what must not be found afterwards.
async fn story(server: &Server) -> Vec<String> {
    let body = json!({"email": EMAIL, "password": PASSWORD, "name": NAME});
    server
        .request(Method::POST, "/v1/users")
        .header("idempotency-key", "a-key")
        .json(&body)
        .send()
        .await
        .unwrap();
    let body = json!({"email": EMAIL, "password": PASSWORD, "device_name": DEVICE});
    let sign_in = server
        .request(Method::POST, "/v1/sessions")
        .header("user-agent", AGENT)
        .json(&body);
    let signed_in: Value = sign_in.send().await.unwrap().json().await.unwrap();
    let refresh = json!({"refresh_token": signed_in["refresh_token"]});
    let fresh: Value = server
        .post("/v1/tokens/refresh", "", &refresh)
        .await
        .json()
        .await
        .unwrap();
    let token = access_token(&fresh);
    for body in [
        json!({"email": EMAIL, "password": "Wrong-guess-9"}),
        json!({"email": EMAIL, "password": 5, "x": PASSWORD}),
    ] {
        server.post("/v1/sessions", "", &body).await;
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
        "127.0.0.1",
    ];
    let tokens = [
        &signed_in["access_token"],
        &signed_in["refresh_token"],
        &fresh["access_token"],
        &fresh["refresh_token"],
    ];
    found.extend(tokens.map(|token| token.as_str().unwrap()));
    let mut found: Vec<String> = found.into_iter().map(str::to_owned).collect();
    for file in ["master.key", "media-worker.secret"] {
        found.push(
            std::fs::read_to_string(server.data.join(file))
                .unwrap()
                .trim()
                .to_owned(),
        );
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

/// The log lines do name the address that the server listens on.
fn without_address(secrets: &[String]) -> Vec<String> {
    secrets
        .iter()
        .filter(|secret| *secret != "127.0.0.1")
        .cloned()
        .collect()
}

#[tokio::test]
async fn no_secret_is_in_the_bytes_of_the_sqlite_files_the_log_lines_or_the_export() {
    let mut server = Server::start_with(&[("LOG_FILTER", "debug")]).await;
    let secrets = story(&server).await;
    let auditor = server.auditor("eve@example.org").await;
    let export = server
        .request(Method::GET, "/v1/audit/events")
        .bearer_auth(&auditor);
    let export = export
        .header("accept", "application/x-ndjson")
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(export.len() > 1000);
    assert_absent(&secrets, &export, "the export");
    for file in ["gatelog.db", "gatelog.db-wal", "gatelog.db-shm"] {
        assert_absent(
            &secrets,
            &std::fs::read(server.data.join(file)).unwrap(),
            file,
        );
    }
    server.kill();
    let printed = server.command(&["events", "export"]).output().unwrap();
    assert_absent(&secrets, &printed.stdout, "the command line's export");
    assert_absent(
        &secrets,
        &std::fs::read(server.data.join("gatelog.db")).unwrap(),
        "the database after its checkpoint",
    );
    assert_absent(
        &without_address(&secrets),
        server.log().as_bytes(),
        "the log lines",
    );
}

#[tokio::test]
async fn no_secret_is_in_any_row_of_postgres() {
    let url = TestPostgres::shared()
        .unwrap()
        .fresh_database()
        .await
        .unwrap();
    let server = Server::start_with(&[("DATABASE_URL", &url)]).await;
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
    assert_absent(
        &without_address(&secrets),
        server.log().as_bytes(),
        "the log lines",
    );
}
