//! Moving: a log from its exported lines, a whole installation from one engine to the other and back, backups and their
//! restoration.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod backup;
mod copy;
mod import;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use eventlog::testing::TestPostgres;
use serde_json::{Value, json};
use support::{PASSWORD, Server, access_token};

pub const EMAIL: &str = "ada@example.com";

/// What a person can do with an installation, whichever database it is on.
pub struct Installation {
    token: String,
    refresh_token: String,
    media: String,
    service_key: String,
    second_factor: String,
    codes: Vec<String>,
}

/// An installation with a bit of everything.
pub async fn settled(server: &Server) -> Installation {
    let admin = server.admin("root@example.com").await;
    let token = server.token(EMAIL).await;
    let media = server.upload(&token, "a.mp4", support::clip()).await;
    let key = json!({"name": "gateway", "scopes": ["audit"]});
    let answer = server.post("/v1/admin/service-keys", &admin, &key).await;
    let key: Value = answer.json().await.unwrap();
    let second_factor = "grace@example.com".to_owned();
    let other = server.token(&second_factor).await;
    let answer = server.post("/v1/me/totp", &other, &json!({})).await;
    let pending: Value = answer.json().await.unwrap();
    let code = support::totp::code(pending["secret"].as_str().unwrap());
    let body = json!({"code": code});
    let answer = server.post("/v1/me/totp/confirm", &other, &body).await;
    let confirmed: Value = answer.json().await.unwrap();
    let codes = confirmed["recovery_codes"].as_array().unwrap().iter();
    let signed_in = server.sign_in(EMAIL).await;
    Installation {
        token,
        refresh_token: signed_in["refresh_token"].as_str().unwrap().to_owned(),
        media,
        service_key: key["key"].as_str().unwrap().to_owned(),
        second_factor,
        codes: codes.map(|c| c.as_str().unwrap().to_owned()).collect(),
    }
}

/// Everything goes on: old tokens, old passwords, files, keys, recovery codes.
pub async fn goes_on(server: &Server, installation: &mut Installation) {
    let me = server.get_json("/v1/me", &installation.token).await;
    assert_eq!(me["email"], EMAIL, "{}", server.log());
    let media = server.get_json("/v1/media", &installation.token).await;
    assert_eq!(media["items"][0]["id"], installation.media.as_str());
    let path = format!("/v1/media/{}/content", installation.media);
    let content = server.get(&path, &installation.token).await;
    assert_eq!(content.bytes().await.unwrap(), support::clip());
    let body = json!({"refresh_token": installation.refresh_token});
    let answer = server.post("/v1/tokens/refresh", "", &body).await;
    assert_eq!(answer.status(), 200, "{}", server.log());
    let refreshed: Value = answer.json().await.unwrap();
    refreshed["refresh_token"]
        .as_str()
        .unwrap()
        .clone_into(&mut installation.refresh_token);
    let signed_in = server.sign_in(EMAIL).await;
    let token = access_token(&signed_in);
    assert_eq!(server.get("/v1/verify", &token).await.status(), 204);
    let audit = server
        .get("/v1/audit/events?limit=1", &installation.service_key)
        .await;
    assert_eq!(audit.status(), 200);
    let body = json!({"email": installation.second_factor, "password": PASSWORD});
    let answer = server.post("/v1/sessions", "", &body).await;
    let due: Value = answer.json().await.unwrap();
    let body = json!({"challenge": due["challenge"], "recovery_code": installation.codes.pop()});
    let answer = server.post("/v1/sessions/second-factor", "", &body).await;
    assert_eq!(answer.status(), 201, "{}", server.log());
}

/// Runs a command that must succeed: what it printed.
pub fn ran(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail: why.
pub fn failed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

pub async fn fresh_postgres() -> String {
    let cluster = TestPostgres::shared().unwrap();
    cluster.fresh_database().await.unwrap()
}
