//! Introspection (RFC 7662) and revocation (RFC 7009) for services with a key. On both engines.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use support::engines::{rows, servers, write};
use support::{Server, access_token};

const INTROSPECT: &str = "/v1/oauth/introspect";
const REVOKE: &str = "/v1/oauth/revoke";
const ADMIN: &str = "root@example.com";

struct Service {
    id: String,
    key: String,
}

async fn service(server: &Server, admin: &str, scopes: &[&str]) -> Service {
    let body = json!({"name": "gateway", "scopes": scopes});
    let answer = server.post("/v1/admin/service-keys", admin, &body).await;
    let created: Value = answer.json().await.unwrap();
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    Service {
        id: text("id"),
        key: text("key"),
    }
}

fn call(server: &Server, path: &str, form: &str) -> RequestBuilder {
    let request = server.request(Method::POST, path);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body(form.to_owned())
}

async fn introspect(server: &Server, service: &Service, token: &str) -> Value {
    let request = call(server, INTROSPECT, &format!("token={token}"));
    let answer = request.bearer_auth(&service.key).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.json().await.unwrap()
}

async fn revoke(server: &Server, service: &Service, token: &str) -> Response {
    let request = call(server, REVOKE, &format!("token={token}"));
    request.bearer_auth(&service.key).send().await.unwrap()
}

fn text<'a>(signed_in: &'a Value, name: &str) -> &'a str {
    signed_in[name].as_str().unwrap()
}

fn inactive() -> Value {
    json!({"active": false})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_is_described() {
    for (server, url, _folder) in servers(&[("PUBLIC_URL", "https://id.example.com")]).await {
        let admin = server.admin(ADMIN).await;
        let service = service(&server, &admin, &["introspect"]).await;
        server.auditor("eve@example.com").await;
        let signed_in = server.sign_in("eve@example.com").await;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let mut seen = introspect(&server, &service, text(&signed_in, "access_token")).await;
        let take = |seen: &mut Value, name| seen.as_object_mut().unwrap().remove(name).unwrap();
        let end = take(&mut seen, "exp").as_u64().unwrap();
        let expires_in = signed_in["expires_in"].as_u64().unwrap();
        assert!(end >= now + expires_in - 60 && end <= now + expires_in + 60);
        let auth_time = take(&mut seen, "auth_time").as_u64().unwrap();
        assert!(auth_time <= now + 1 && auth_time + 60 >= now);
        let issued = take(&mut seen, "iat").as_u64().unwrap();
        assert_eq!(issued + expires_in, end, "{url}");
        let expected = json!({
            "active": true,
            "token_type": "Bearer",
            "iss": "https://id.example.com",
            "sub": signed_in["user"]["id"],
            "sid": signed_in["session"]["id"],
            "amr": ["pwd"],
            "roles": ["auditor"],
        });
        assert_eq!(seen, expected, "{url}");
        let refresh = introspect(&server, &service, text(&signed_in, "refresh_token")).await;
        assert_eq!(refresh["active"], true);
        assert_eq!(
            refresh["token_type"], "refresh_token",
            "no proof for a call"
        );
        assert!(refresh["exp"].as_u64().unwrap() > end);
        assert_eq!(refresh["iat"], issued, "{url}: they are issued together");
    }
}

/// A refresh moves it; and where a former version left none it is told from the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_as_old_as_its_own_issue_also_after_the_migration() {
    const ROWS: &str = "SELECT session_id, tokens_issued_at FROM sessions ORDER BY session_id";
    for (mut server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let service = service(&server, &admin, &["introspect"]).await;
        server.register("ada@example.com").await;
        let ended = access_token(&server.sign_in("ada@example.com").await);
        server.delete("/v1/sessions/current", &ended).await;
        let first = server.sign_in("ada@example.com").await;
        let seen = introspect(&server, &service, text(&first, "access_token")).await;
        let begun = chrono::DateTime::from_timestamp(seen["iat"].as_i64().unwrap(), 0).unwrap();
        support::until_second_after(&begun.to_rfc3339()).await;
        let body = json!({"refresh_token": first["refresh_token"]});
        let answer = server.post("/v1/tokens/refresh", "", &body).await;
        let second: Value = answer.json().await.unwrap();
        let seen = introspect(&server, &service, text(&second, "access_token")).await;
        assert!(seen["iat"].as_i64().unwrap() > begun.timestamp(), "{url}");
        let issued = async || -> Vec<(String, Option<i64>)> {
            let row = |row: &eventlog::Row| (row.text(0).unwrap(), row.opt_int(1).unwrap());
            rows(&url, ROWS).await.iter().map(row).collect()
        };
        let before = issued().await;
        let known = before.iter().filter(|(_, at)| at.is_some()).count();
        assert_eq!((before.len(), known), (3, 2), "{url}: of those that live");
        server.kill();
        write(&url, "ALTER TABLE sessions DROP COLUMN tokens_issued_at").await;
        write(&url, "DELETE FROM _sqlx_migrations WHERE version = 24").await;
        server.launch().await;
        assert_eq!(issued().await, before, "{url}: to the microsecond");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_token_that_is_not_good_nothing_is_told() {
    for (mut server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let service = service(&server, &admin, &["introspect"]).await;
        let user = server.register("ada@example.com").await;
        let former = server.sign_in("ada@example.com").await;
        let body = json!({"refresh_token": former["refresh_token"]});
        let answer = server.post("/v1/tokens/refresh", "", &body).await;
        let fresh: Value = answer.json().await.unwrap();
        let ended = server.sign_in("ada@example.com").await;
        server
            .delete("/v1/sessions/current", &access_token(&ended))
            .await;
        let unknown = "0".repeat(64);
        let mut bad = vec!["x", "%00", "%FF", &unknown, &service.key, &service.id];
        for signed_in in [&former, &ended] {
            bad.extend(["access_token", "refresh_token"].map(|name| text(signed_in, name)));
        }
        let upper = text(&fresh, "access_token").to_uppercase();
        bad.push(&upper);
        for token in bad {
            assert_eq!(
                introspect(&server, &service, token).await,
                inactive(),
                "{url}"
            );
        }
        let tokens = ["access_token", "refresh_token"].map(|name| text(&fresh, name));
        for token in tokens {
            assert_eq!(introspect(&server, &service, token).await["active"], true);
        }
        server.kill();
        let past = "UPDATE sessions SET access_expires_at = 5, refresh_expires_at = 5";
        let admins = "(SELECT user_id FROM users WHERE roles <> '')";
        write(&url, &format!("{past} WHERE user_id NOT IN {admins}")).await;
        server.launch().await;
        for token in tokens {
            assert_eq!(
                introspect(&server, &service, token).await,
                inactive(),
                "expired"
            );
        }
        let signed_in = server.sign_in("ada@example.com").await;
        let disable = format!("/v1/admin/users/{}/disable", text(&user, "id"));
        assert_eq!(
            server.post(&disable, &admin, &json!({})).await.status(),
            200
        );
        let token = text(&signed_in, "access_token");
        assert_eq!(
            introspect(&server, &service, token).await,
            inactive(),
            "disabled"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_its_session_on_every_path() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let service = service(&server, &admin, &["revoke", "introspect"]).await;
        server.register("ada@example.com").await;
        for by in ["access_token", "refresh_token"] {
            let signed_in = server.sign_in("ada@example.com").await;
            let answer = revoke(&server, &service, text(&signed_in, by)).await;
            assert_eq!(answer.status(), 200);
            assert!(answer.headers().contains_key("gatelog-position"));
            assert_eq!(answer.text().await.unwrap(), "");
            let token = access_token(&signed_in);
            assert_eq!(server.get("/v1/verify", &token).await.status(), 401);
            let body = json!({"refresh_token": signed_in["refresh_token"]});
            assert_eq!(
                server.post("/v1/tokens/refresh", "", &body).await.status(),
                401
            );
            for token in [
                text(&signed_in, by),
                "x",
                "%00",
                &"0".repeat(64),
                &service.key,
            ] {
                let again = revoke(&server, &service, token).await;
                assert_eq!(again.status(), 200, "{url}");
                assert!(!again.headers().contains_key("gatelog-position"));
            }
            assert_eq!(introspect(&server, &service, &token).await, inactive());
        }
        let token = access_token(&server.sign_in("ada@example.com").await);
        let ended = server.get_json("/v1/sessions?state=ended", &token).await;
        assert_eq!(ended["items"][0]["end_reason"], "revoked_by_service");
        let log = server.auditor("eve@example.com").await;
        let log = server
            .get_json("/v1/audit/events?type=SessionRevoked", &log)
            .await;
        let actor = format!("service-key:{}", service.id);
        assert_eq!(log["items"][0]["actor"], actor.as_str());
    }
}

/// The status, the problem's slug, the code of RFC 6749, and the scheme of the challenge.
async fn refusal(answer: Response) -> (u16, String, String, String) {
    let status = answer.status().as_u16();
    let header = |name: &str| {
        let value = answer.headers().get(name);
        value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(header("content-type"), "application/problem+json");
    let scheme = header("www-authenticate");
    let scheme = scheme.split(' ').next().unwrap().to_owned();
    let body: Value = answer.json().await.unwrap();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (
        status,
        text("type").replace("/problems/", ""),
        text("error"),
        scheme,
    )
}

fn expected(status: u16, slug: &str, error: &str, scheme: &str) -> (u16, String, String, String) {
    (status, slug.to_owned(), error.to_owned(), scheme.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_a_good_key_of_the_scope_is_refused() {
    for (server, _url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let audit = service(&server, &admin, &["audit"]).await;
        let user = server.token("ada@example.com").await;
        let zeros = "0".repeat(64);
        for (path, scope) in [(INTROSPECT, "introspect"), (REVOKE, "revoke")] {
            let good = service(&server, &admin, &[scope]).await;
            let send = || call(&server, path, &format!("token={user}"));
            let answer = send().basic_auth(&good.id, Some(&good.key)).send();
            if scope == "introspect" {
                assert_eq!(answer.await.unwrap().status(), 200);
            }
            let no_client = expected(401, "invalid-client", "invalid_client", "Basic");
            for request in [
                send(),
                send().basic_auth(&good.id, Some(&zeros)),
                send().basic_auth(&audit.id, Some(&good.key)),
                send().basic_auth("gateway", Some(&good.key)),
                send().basic_auth(&good.key, None::<&str>),
                send().header("authorization", "Basic !"),
                send().header("authorization", "Digest x"),
                send().bearer_auth(&good.key).bearer_auth(&good.key),
            ] {
                assert_eq!(refusal(request.send().await.unwrap()).await, no_client);
            }
            for bearer in [&zeros, &user, &admin, &good.id] {
                let answer = send().bearer_auth(bearer).send().await.unwrap();
                let wrong = expected(401, "invalid-token", "invalid_token", "Bearer");
                assert_eq!(refusal(answer).await, wrong);
            }
            let answer = send().bearer_auth(&audit.key).send().await.unwrap();
            let wrong = expected(403, "forbidden", "insufficient_scope", "Bearer");
            assert_eq!(refusal(answer).await, wrong);
        }
        assert_eq!(server.get("/v1/verify", &user).await.status(), 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_none_is_refused() {
    let server = Server::start().await;
    let admin = server.admin(ADMIN).await;
    let service = service(&server, &admin, &["introspect", "revoke"]).await;
    let bad = expected(400, "malformed-request", "invalid_request", "");
    for path in [INTROSPECT, REVOKE] {
        for form in [
            "",
            "token=",
            "token=a&token=b",
            "token_type_hint=access_token",
            "token=a&token_type_hint=x&token_type_hint=y",
            "token=a&client_id=b&client_secret=c",
            "\u{0}",
        ] {
            let request = call(&server, path, form).bearer_auth(&service.key);
            assert_eq!(refusal(request.send().await.unwrap()).await, bad, "{form}");
        }
        let request = server.request(Method::POST, path).bearer_auth(&service.key);
        let answer = request.json(&json!({"token": "a"})).send().await.unwrap();
        let wrong = expected(415, "unsupported-media-type", "invalid_request", "");
        assert_eq!(refusal(answer).await, wrong);
        let large = format!("token={}", "a".repeat(70_000));
        let request = call(&server, path, &large).bearer_auth(&service.key);
        assert_eq!(request.send().await.unwrap().status(), 413);
        let request = call(&server, &format!("{path}?token=a"), "token=a");
        let answer = request.bearer_auth(&service.key).send().await.unwrap();
        assert_eq!(refusal(answer).await.1, "token-in-url");
        for hint in ["access_token", "refresh_token", "device_code", ""] {
            let form = format!("token=a&token_type_hint={hint}&unknown=1");
            let request = call(&server, path, &form).bearer_auth(&service.key);
            assert_eq!(request.send().await.unwrap().status(), 200, "{hint}");
        }
    }
}
