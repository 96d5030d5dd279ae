//! Proving once more who one is: new tokens, a new time of authentication, and nothing for whoever does not know.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use reqwest::Response;
use serde_json::{Value, json};
use support::{PASSWORD, Server, access_token, engines, on_both_engines};

const PATH: &str = "/v1/sessions/current/reauthenticate";

async fn verify(server: &Server, token: &str, query: &str) -> Response {
    server.get(&format!("/v1/verify{query}"), token).await
}

fn auth_time(answer: &Response) -> String {
    answer.headers()["x-auth-time"].to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_gives_new_tokens_and_the_old_ones_die() {
    for (server, _) in on_both_engines(&[]).await {
        server.register("ada@example.com").await;
        let signed_in = server.sign_in("ada@example.com").await;
        let old = access_token(&signed_in);
        let before = auth_time(&verify(&server, &old, "").await);
        support::until_second_after(&before).await;
        assert_eq!(verify(&server, &old, "?max_auth_age=0").await.status(), 403);
        let answer = server
            .post(PATH, &old, &json!({"password": PASSWORD}))
            .await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(answer.headers().contains_key("gatelog-position"));
        let tokens: Value = answer.json().await.unwrap();
        let new = access_token(&tokens);
        assert_eq!(verify(&server, &old, "").await.status(), 401);
        let after = verify(&server, &new, "").await;
        assert_eq!(after.status(), 204);
        assert!(auth_time(&after) > before, "{before}");
        let session = server.get_json("/v1/sessions/current", &new).await;
        assert_eq!(
            session["id"], signed_in["session"]["id"],
            "the same session"
        );
        let refresh = json!({"refresh_token": tokens["refresh_token"]});
        assert_eq!(
            server
                .post("/v1/tokens/refresh", "", &refresh)
                .await
                .status(),
            200
        );
    }
}

async fn refresh(server: &Server, tokens: &Value) -> Response {
    let body = json!({"refresh_token": tokens["refresh_token"]});
    server.post("/v1/tokens/refresh", "", &body).await
}

/// A thief has a refresh token; its owner proves who they are, and the thief is to have nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_of_before_the_proof_gets_nothing_of_it() {
    for (server, url) in on_both_engines(&[("REFRESH_LEEWAY", "60")]).await {
        server.register("ada@example.com").await;
        let oldest = server.sign_in("ada@example.com").await;
        let stolen: Value = refresh(&server, &oldest).await.json().await.unwrap();
        let body = json!({"password": PASSWORD});
        let answer = server.post(PATH, &access_token(&stolen), &body).await;
        assert_eq!(answer.status(), 200);
        let owners: Value = answer.json().await.unwrap();
        for old in [&oldest, &stolen] {
            let refused = engines::refused(401, "invalid-token");
            let answer = refresh(&server, old).await;
            assert_eq!(engines::outcome(answer).await, refused, "{url}");
        }
        // The session lives, and an answer that is lost from now on is forgiven.
        let owner = verify(&server, &access_token(&owners), "").await;
        assert_eq!(owner.status(), 204, "{url}");
        assert_eq!(refresh(&server, &owners).await.status(), 200);
        assert_eq!(refresh(&server, &owners).await.status(), 200, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_of_before_the_proof_ends_the_session_without_a_leeway() {
    for (server, url) in on_both_engines(&[("REFRESH_LEEWAY", "0")]).await {
        server.register("ada@example.com").await;
        let stolen = server.sign_in("ada@example.com").await;
        let body = json!({"password": PASSWORD});
        let answer = server.post(PATH, &access_token(&stolen), &body).await;
        let owners: Value = answer.json().await.unwrap();
        let reused = engines::refused(401, "refresh-token-reused");
        let answer = refresh(&server, &stolen).await;
        assert_eq!(engines::outcome(answer).await, reused, "{url}");
        let owner = verify(&server, &access_token(&owners), "").await;
        assert_eq!(owner.status(), 401, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_gives_nothing_and_ends_nothing() {
    for (server, _) in on_both_engines(&[]).await {
        let token = server.token("ada@example.com").await;
        let head = server.get("/v1/me", &token).await;
        assert_eq!(head.status(), 200);
        let answer = server
            .post(PATH, &token, &json!({"password": "Wrong-horse-77"}))
            .await;
        assert_eq!(answer.status(), 403);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], "/problems/wrong-password");
        assert_eq!(verify(&server, &token, "").await.status(), 204);
        for (body, status) in [
            (json!({}), 422),
            (json!({"password": 7}), 422),
            (json!({"password": PASSWORD, "extra": 1}), 422),
        ] {
            assert_eq!(
                server.post(PATH, &token, &body).await.status(),
                status,
                "{body}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_tokens_do_not_outlive_the_session() {
    let settings = [("SESSION_MAX_AGE", "60"), ("ACCESS_TOKEN_TTL", "900")];
    let server = Server::start_with(&settings).await;
    server.register("ada@example.com").await;
    let signed_in = server.sign_in("ada@example.com").await;
    assert_eq!(signed_in["expires_in"], 60);
    let token = access_token(&signed_in);
    let answer = server
        .post(PATH, &token, &json!({"password": PASSWORD}))
        .await;
    let tokens: Value = answer.json().await.unwrap();
    assert!(tokens["expires_in"].as_i64().unwrap() <= 60, "{tokens}");
    assert!(
        tokens["refresh_expires_in"].as_i64().unwrap() <= 60,
        "{tokens}"
    );
}

/// What would help the thief of a token most asks for more than the token.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_alone_is_not_enough_for_what_would_help_a_thief() {
    for (mut server, url, _folder) in engines::servers(&[]).await {
        let token = server.token("ada@example.com").await;
        server.kill();
        let older = "UPDATE sessions SET auth_time = auth_time - 660000000";
        engines::write(&url, older).await;
        server.launch().await;
        let address = json!({"email": "other@example.com", "password": PASSWORD});
        let calls = [
            ("/v1/me/email", address),
            ("/v1/me/totp", json!({})),
            ("/v1/me/totp/recovery-codes", json!({"code": "123456"})),
            ("/v1/me/deletion", json!({"password": PASSWORD})),
        ];
        for (path, body) in calls {
            let answer = server.post(path, &token, &body).await;
            let expected = engines::refused(403, "reauthentication-required");
            assert_eq!(engines::outcome(answer).await, expected, "{url}: {path}");
        }
        let export = server.get("/v1/me/export", &token).await;
        let expected = engines::refused(403, "reauthentication-required");
        assert_eq!(engines::outcome(export).await, expected, "{url}: export");
        // Without any token the challenge names no error (RFC 6750, 3.1).
        let answer = server.request(reqwest::Method::GET, "/v1/me").send().await;
        let answer = answer.unwrap();
        assert_eq!(
            answer.headers()["www-authenticate"],
            "Bearer realm=\"gatelog\""
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_in_the_activity_of_its_person() {
    for (server, url) in on_both_engines(&[]).await {
        server.register("ada@example.com").await;
        let signed_in = server.sign_in("ada@example.com").await;
        let body = json!({"password": PASSWORD});
        let answer = server.post(PATH, &access_token(&signed_in), &body).await;
        let token = access_token(&answer.json().await.unwrap());
        let mut cursor = String::new();
        let mut seen = Vec::new();
        for _ in 0..3 {
            let path = format!("/v1/me/activity?limit=1{cursor}");
            let page = server.get_json(&path, &token).await;
            let item = &page["items"][0];
            seen.push(item["type"].as_str().unwrap().to_owned());
            if seen.len() == 1 {
                assert_eq!(item["session_id"], signed_in["session"]["id"], "{url}");
                assert_eq!(item["by"], "person", "{url}");
            }
            cursor = format!(
                "&cursor={}",
                page["next_cursor"].as_str().unwrap_or_default()
            );
        }
        let expected = ["SessionReauthenticated", "SessionStarted", "UserRegistered"];
        assert_eq!(seen, expected, "{url}");
    }
}
