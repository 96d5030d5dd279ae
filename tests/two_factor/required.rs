//! A second factor that an account must have.

use super::*;
use crate::support::engines::restarted;

const EVERYONE: [(&str, &str); 1] = [("SECOND_FACTOR_REQUIRED_FOR", "everyone")];
const ADMINISTRATORS: [(&str, &str); 1] = [("SECOND_FACTOR_REQUIRED_FOR", "administrators")];
const MEDIA: &str = "/v1/media";
const VERIFY: &str = "/v1/verify";
const ADMIN: &str = "root@example.com";

async fn seen(server: &Server, path: &str, token: &str) -> (u16, String) {
    outcome(server.get(path, token).await).await
}

fn good(status: u16) -> (u16, String) {
    refused(status, "")
}

fn factor_lacking() -> (u16, String) {
    refused(403, "second-factor-required")
}

fn proof_lacking() -> (u16, String) {
    refused(403, "reauthentication-required")
}

async fn reauthenticate(server: &Server, token: &str, proof: Value) -> String {
    let path = "/v1/sessions/current/reauthenticate";
    let answer = server.post(path, token, &proof).await;
    assert_eq!(answer.status(), 200);
    access_token(&answer.json().await.unwrap())
}

async fn is_active(server: &Server, key: &str, token: &str) -> bool {
    let request = server.request(Method::POST, "/v1/oauth/introspect");
    let request = request
        .bearer_auth(key)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("token={token}"));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["active"].as_bool().unwrap()
}

async fn service_key(server: &Server) -> String {
    let admin = server.admin(ADMIN).await;
    let body = json!({"name": "gateway", "scopes": ["introspect"]});
    let answer = server.post("/v1/admin/service-keys", &admin, &body).await;
    let made: Value = answer.json().await.unwrap();
    made["key"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_without_the_factor_that_it_must_have_is_led_to_it_and_nowhere_else() {
    for (server, url, _folder) in servers(&[]).await {
        let key = service_key(&server).await;
        let token = server.token(EMAIL).await;
        assert_eq!(seen(&server, VERIFY, &token).await, good(204), "{url}");
        assert!(is_active(&server, &key, &token).await, "{url}");
        let mut server = restarted(server, &url, &EVERYONE).await;
        for path in [MEDIA, VERIFY, "/v1/verify/films/7", "/v1/audit/events"] {
            assert_eq!(
                seen(&server, path, &token).await,
                factor_lacking(),
                "{path}"
            );
        }
        assert!(!is_active(&server, &key, &token).await, "{url}");
        let me = server.get_json("/v1/me", &token).await;
        assert_eq!(me["second_factor_required"], true, "{url}");
        assert_eq!(me["totp_enabled"], false, "{url}");
        let other = access_token(&server.sign_in(EMAIL).await);
        let person = enrol(&server, &token).await;
        steps_pass(&url).await;
        // The code that turned it on is no proof of the session, which has its former tokens.
        for token in [&token, &other] {
            assert_eq!(seen(&server, MEDIA, token).await, proof_lacking(), "{url}");
            assert_eq!(seen(&server, VERIFY, token).await, proof_lacking(), "{url}");
        }
        let token = reauthenticate(&server, &token, json!({"password": PASSWORD})).await;
        assert_eq!(
            seen(&server, VERIFY, &token).await,
            proof_lacking(),
            "{url}"
        );
        let code = person.device.code(0).await;
        let token = reauthenticate(&server, &token, json!({"code": code})).await;
        let challenge = challenge(&server).await;
        let recovered = recover(&server, &challenge, &person.recovery_codes[0]).await;
        let recovered = access_token(&recovered.json().await.unwrap());
        for is_restarted in [false, true] {
            if is_restarted {
                server.kill();
                server.launch().await;
            }
            for token in [&token, &recovered] {
                assert_eq!(seen(&server, MEDIA, token).await, good(200), "{url}");
                assert_eq!(seen(&server, VERIFY, token).await, good(204), "{url}");
                assert!(is_active(&server, &key, token).await, "{url}");
            }
            assert_eq!(
                seen(&server, VERIFY, &other).await,
                proof_lacking(),
                "{url}"
            );
            assert!(!is_active(&server, &key, &other).await, "{url}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_factor_that_must_be_is_not_turned_off_by_its_person_but_by_an_administrator() {
    for (server, url, _folder) in servers(&ADMINISTRATORS).await {
        let admin = server.admin(EMAIL).await;
        let users = "/v1/admin/users";
        assert_eq!(
            seen(&server, users, &admin).await,
            factor_lacking(),
            "{url}"
        );
        let person = enrol(&server, &admin).await;
        steps_pass(&url).await;
        let code = person.device.code(0).await;
        let admin = reauthenticate(&server, &admin, json!({"code": code})).await;
        assert_eq!(seen(&server, users, &admin).await, good(200), "{url}");
        let refusal = server.delete("/v1/me/totp", &admin).await;
        assert_eq!(
            outcome(refusal).await,
            refused(409, "totp-required"),
            "{url}"
        );
        // A role makes the difference, at once and in the tokens that are there.
        let user = server.register("bob@example.com").await;
        let token = access_token(&server.sign_in("bob@example.com").await);
        let path = format!("/v1/admin/users/{}", user["id"].as_str().unwrap());
        assert_eq!(seen(&server, VERIFY, &token).await, good(204), "{url}");
        for (roles, expected) in [
            (json!(["auditor"]), factor_lacking()),
            (json!([]), good(204)),
            (json!(["admin"]), factor_lacking()),
        ] {
            let body = json!({"roles": roles});
            let changed = server.post(&format!("{path}/roles"), &admin, &body).await;
            assert_eq!(changed.status(), 200, "{url}");
            assert_eq!(
                seen(&server, VERIFY, &token).await,
                expected,
                "{url}: {roles}"
            );
        }
        let other = enrol(&server, &token).await;
        steps_pass(&url).await;
        let code = other.device.code(0).await;
        let token = reauthenticate(&server, &token, json!({"code": code})).await;
        assert_eq!(seen(&server, VERIFY, &token).await, good(204), "{url}");
        let reset = server.delete(&format!("{path}/totp"), &admin).await;
        assert_eq!(reset.status(), 204, "{url}");
        assert_eq!(
            seen(&server, VERIFY, &token).await,
            factor_lacking(),
            "{url}"
        );
        assert_eq!(
            seen(&server, users, &token).await,
            factor_lacking(),
            "{url}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_that_a_key_keeps_is_not_told_to_a_session_without_the_factor() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let media = server.upload(&token, "a.mp4", support::clip()).await;
        let job = async |server: &Server| {
            let request = server.request(Method::POST, &format!("{MEDIA}/{media}/jobs"));
            let request = request
                .bearer_auth(&token)
                .json(&json!({"preset": "metadata"}));
            request.header("idempotency-key", "k").send().await.unwrap()
        };
        assert_eq!(job(&server).await.status(), 202, "{url}");
        let again = job(&server).await;
        assert_eq!(again.status(), 202, "{url}");
        assert_eq!(again.headers()["idempotency-replayed"], "true", "{url}");
        let server = restarted(server, &url, &EVERYONE).await;
        assert_eq!(outcome(job(&server).await).await, factor_lacking(), "{url}");
    }
}
