//! Turning the second factor off, by each policy.

use super::*;

async fn turn_off(server: &Server, token: &str, body: &Value) -> Response {
    let request = server.request(Method::DELETE, "/v1/me/totp");
    request.bearer_auth(token).json(body).send().await.unwrap()
}

/// A session that the second factor opened.
async fn signed_in(server: &Server, person: &Enrolled, steps: i64) -> String {
    let code = person.device.code(steps).await;
    let answer = prove(server, &challenge(server).await, &code).await;
    assert_eq!(answer.status(), 201);
    access_token(&answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_session_is_enough_by_default() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let token = signed_in(&server, &person, 0).await;
        assert_eq!(
            server.delete("/v1/me/totp", "0").await.status(),
            401,
            "{url}"
        );
        assert_eq!(
            server.delete("/v1/me/totp", &token).await.status(),
            204,
            "{url}"
        );
        assert_eq!(
            server.delete("/v1/me/totp", &token).await.status(),
            204,
            "{url}"
        );
        let me = server.get_json("/v1/me", &token).await;
        assert_eq!(
            (&me["totp_enabled"], &me["recovery_codes_left"]),
            (&json!(false), &json!(0)),
            "{url}"
        );
        server.sign_in(EMAIL).await;
        for table in ["vault_totp", "vault_recovery_codes"] {
            let left = count(&url, &format!("SELECT COUNT(*) FROM {table}")).await;
            assert_eq!(left, 0, "{url}: {table}");
        }
        let again = enrol(&server, &token).await;
        assert_eq!(again.recovery_codes.len(), 10, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_be_left_out_with_its_type_named_and_is_nothing_else() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let token = signed_in(&server, &person, 0).await;
        let bodies = [
            ("text/plain", "", 415),
            ("application/json", "{", 400),
            ("application/json", "[]", 422),
            ("application/json", "{\"revoke_other_sessions\": 1}", 422),
            ("application/json", "", 204),
        ];
        for (content_type, body, status) in bodies {
            let request = server.request(Method::DELETE, "/v1/me/totp");
            let request = request.header("content-type", content_type).body(body);
            let answer = request.bearer_auth(&token).send().await.unwrap();
            assert_eq!(answer.status(), status, "{url}: {content_type} {body:?}");
            let me = server.get_json("/v1/me", &token).await;
            assert_eq!(me["totp_enabled"], json!(status != 204), "{url}: {body:?}");
        }
    }
}

/// One that was opened before the second factor was turned on in another, and is a thief's by now.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_password_alone_opened_is_enough_only_while_it_is_recent() {
    for (mut server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let both = signed_in(&server, &person, 0).await;
        let asked = challenge(&server).await;
        let code = &person.recovery_codes[0];
        let recovered: Value = recover(&server, &asked, code).await.json().await.unwrap();
        let recovered = access_token(&recovered);
        server.kill();
        let older = "UPDATE sessions SET auth_time = auth_time - 660000000";
        write(&url, older).await;
        server.launch().await;
        let refusal = server.delete("/v1/me/totp", &person.token).await;
        let expected = refused(403, "reauthentication-required");
        assert_eq!(outcome(refusal).await, expected, "{url}");
        let me = server.get_json("/v1/me", &both).await;
        assert_eq!(me["totp_enabled"], true, "{url}");
        let done = server.delete("/v1/me/totp", &recovered).await;
        assert_eq!(done.status(), 204, "{url}");
        let again = enrol(&server, &access_token(&server.sign_in(EMAIL).await)).await;
        steps_pass(&url).await;
        let done = server.delete("/v1/me/totp", &both).await;
        assert_eq!(done.status(), 204, "{url}");
        // The password alone, and just now.
        let token = access_token(&server.sign_in(EMAIL).await);
        assert_eq!(again.recovery_codes.len(), 10);
        enrol(&server, &token).await;
        let done = server.delete("/v1/me/totp", &token).await;
        assert_eq!(done.status(), 204, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_recent_is_not_enough_where_the_operator_says_so() {
    for (mut server, url, _folder) in servers(&[("TOTP_DISABLE_POLICY", "recent_auth")]).await {
        let person = enrolled(&server, &url).await;
        // The session was opened, as it were, eleven minutes ago; memory is read anew at the start.
        server.kill();
        write(
            &url,
            "UPDATE sessions SET auth_time = auth_time - 660000000",
        )
        .await;
        server.launch().await;
        let refusal = server.delete("/v1/me/totp", &person.token).await;
        assert_eq!(
            outcome(refusal).await,
            refused(403, "reauthentication-required"),
            "{url}"
        );
        let recent = signed_in(&server, &person, 0).await;
        assert_eq!(
            server.delete("/v1/me/totp", &recent).await.status(),
            204,
            "{url}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_asked_for_where_the_operator_says_so() {
    for (server, url, _folder) in servers(&[("TOTP_DISABLE_POLICY", "code")]).await {
        let person = enrolled(&server, &url).await;
        let none = server.delete("/v1/me/totp", &person.token).await;
        assert_eq!(
            outcome(none).await,
            refused(422, "validation-failed"),
            "{url}"
        );
        let body = json!({"code": person.device.wrong_code().await});
        let wrong = turn_off(&server, &person.token, &body).await;
        assert_eq!(outcome(wrong).await, refused(401, "invalid-code"), "{url}");
        let body = json!({"code": person.device.code(0).await});
        let right = turn_off(&server, &person.token, &body).await;
        assert_eq!(right.status(), 204, "{url}");
        server.sign_in(EMAIL).await;
    }
}

/// Whoever turns the second factor on because of a stranger in their account shuts the stranger out as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_second_factor_ends_the_other_sessions_where_that_is_asked_for() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let strangers = access_token(&server.sign_in(EMAIL).await);
        let is_in = async |token: &str| server.get("/v1/verify", token).await.status() == 204;
        let answer = server.post("/v1/me/totp", &token, &json!({})).await;
        let pending: Value = answer.json().await.unwrap();
        let device = Device::new(pending["secret"].as_str().unwrap());
        let body = json!({"code": device.code(0).await, "revoke_other_sessions": true});
        let answer = server.post("/v1/me/totp/confirm", &token, &body).await;
        assert_eq!(answer.status(), 200, "{url}");
        assert!(!is_in(&strangers).await && is_in(&token).await, "{url}");
        let other = async || {
            steps_pass(&url).await;
            let code = device.code(0).await;
            let answer = prove(&server, &challenge(&server).await, &code).await;
            let token = access_token(&answer.json().await.unwrap());
            steps_pass(&url).await;
            token
        };
        let strangers = other().await;
        for (asked, stays) in [(json!(false), true), (json!(true), false)] {
            let code = device.code(0).await;
            let body = json!({"code": code, "revoke_other_sessions": asked});
            let path = "/v1/me/totp/recovery-codes";
            let answer = server.post(path, &token, &body).await;
            assert_eq!(answer.status(), 200, "{url}");
            assert_eq!(is_in(&strangers).await, stays, "{url}");
            steps_pass(&url).await;
        }
        let strangers = other().await;
        let odd = turn_off(&server, &token, &json!({"revoke_other_sessions": 1})).await;
        assert_eq!(odd.status(), 422, "{url}");
        let off = turn_off(&server, &token, &json!({"revoke_other_sessions": true})).await;
        assert_eq!(off.status(), 204, "{url}");
        assert!(!is_in(&strangers).await && is_in(&token).await, "{url}");
        let reason = "SELECT COUNT(*) FROM sessions WHERE end_reason = 'revoked_others'";
        assert_eq!(count(&url, reason).await, 3, "{url}");
    }
}
