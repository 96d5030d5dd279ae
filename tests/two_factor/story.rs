//! From enrolling to signing in.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_turns_the_second_factor_on_and_signs_in_with_it() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let off = json!({"enabled": false, "enabled_at": null, "recovery_codes_left": 0});
        assert_eq!(server.get_json("/v1/me/totp", &token).await, off, "{url}");
        let Enrolled {
            device,
            recovery_codes,
            ..
        } = enrol(&server, &token).await;
        assert_eq!(recovery_codes.len(), 10);
        let user = server.get_json("/v1/me", &token).await;
        assert_eq!(user["totp_enabled"], true);
        assert_eq!(user["recovery_codes_left"], 10);
        let shown = server.get_json("/v1/me/totp", &token).await;
        assert_eq!(shown["enabled"], true);
        assert!(shown["enabled_at"].is_string());
        let sessions = "SELECT COUNT(*) FROM events WHERE event_type = 'SessionStarted'";
        let before = count(&url, sessions).await;
        let challenge = challenge(&server).await;
        assert_eq!(challenge.len(), 64);
        assert_eq!(
            count(&url, sessions).await,
            before,
            "{url}: no session exists"
        );
        assert_eq!(
            server.get("/v1/verify", &challenge).await.status(),
            401,
            "{url}: a challenge opens nothing"
        );
        // The step of the confirmation is taken; the next one is within the drift.
        let answer = prove(&server, &challenge, &device.code(1).await).await;
        assert_eq!(answer.status(), 201, "{url}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(answer.headers().contains_key("location"));
        let body: Value = answer.json().await.unwrap();
        assert_eq!(
            body["session"]["auth_methods"],
            json!(["password", "totp"]),
            "{url}"
        );
        assert_eq!(body["session"]["device"]["name"], "difference engine");
        assert_eq!(body["user"]["totp_enabled"], true);
        let verified = server.get("/v1/verify", &access_token(&body)).await;
        assert_eq!(verified.status(), 204);
        assert_eq!(verified.headers()["x-auth-methods"], "password,totp");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_counts_for_nothing_until_a_code_of_it_is_confirmed() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        assert_eq!(
            outcome(confirm(&server, &token, "123456").await).await,
            refused(409, "totp-not-pending")
        );
        let post = || server.post("/v1/me/totp", &token, &Value::Null);
        let first: Value = post().await.json().await.unwrap();
        let second: Value = post().await.json().await.unwrap();
        assert_eq!(second["expires_in"], 600);
        let uri = second["otpauth_uri"].as_str().unwrap();
        assert!(uri.starts_with("otpauth://totp/Gatelog:ada%40example.com?"));
        assert!(uri.contains(second["secret"].as_str().unwrap()));
        assert_eq!(
            second["secret"].as_str().unwrap().len(),
            32,
            "160 bits in base 32"
        );
        assert!(second["qr_svg"].as_str().unwrap().contains("<svg"));
        server.sign_in(EMAIL).await;
        let device = |answer: &Value| Device::new(answer["secret"].as_str().unwrap());
        for (answer, steps) in [(&first, 0), (&second, -2), (&second, 2)] {
            let wrong = device(answer).code(steps).await;
            assert_eq!(
                outcome(confirm(&server, &token, &wrong).await).await,
                refused(401, "invalid-code"),
                "{url} {steps}"
            );
        }
        let wrong = device(&second).wrong_code().await;
        assert_eq!(
            outcome(confirm(&server, &token, &wrong).await).await,
            refused(401, "invalid-code"),
            "{url}"
        );
        server.sign_in(EMAIL).await;
        let right = device(&second).code(-1).await;
        assert_eq!(confirm(&server, &token, &right).await.status(), 200);
        assert_eq!(
            outcome(confirm(&server, &token, &right).await).await,
            refused(409, "totp-already-enabled")
        );
        assert_eq!(
            outcome(post().await).await,
            refused(409, "totp-already-enabled")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_waits_ten_minutes_for_its_confirmation() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let pending: Value = server
            .post("/v1/me/totp", &token, &json!({}))
            .await
            .json()
            .await
            .unwrap();
        let device = Device::new(pending["secret"].as_str().unwrap());
        write(
            &url,
            "UPDATE vault_totp SET created_at = created_at - 601000000",
        )
        .await;
        assert_eq!(
            outcome(confirm(&server, &token, &device.code(0).await).await).await,
            refused(409, "totp-not-pending"),
            "{url}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_accepted_once_and_within_one_step_of_drift() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        for far in [-2, 2] {
            let challenge = challenge(&server).await;
            let code = person.device.code(far).await;
            let answer = prove(&server, &challenge, &code).await;
            assert_eq!(
                outcome(answer).await,
                refused(401, "invalid-code"),
                "{url} {far}"
            );
        }
        for near in [-1, 0, 1] {
            let first = challenge(&server).await;
            let code = person.device.code(near).await;
            let first = prove(&server, &first, &code).await;
            assert_eq!(first.status(), 201, "{url} {near}");
            let again = prove(&server, &challenge(&server).await, &code).await;
            assert_eq!(
                outcome(again).await,
                refused(401, "invalid-code"),
                "{url} {near}: a replay"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_opens_a_session_once() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let code = person.recovery_codes[3].to_uppercase();
        let answer = recover(&server, &challenge(&server).await, &code).await;
        assert_eq!(answer.status(), 201, "{url}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(
            body["session"]["auth_methods"],
            json!(["password", "recovery_code"])
        );
        assert_eq!(body["user"]["recovery_codes_left"], 9, "{url}");
        let again = recover(&server, &challenge(&server).await, &code).await;
        assert_eq!(outcome(again).await, refused(401, "invalid-code"), "{url}");
        let made_up = recover(&server, &challenge(&server).await, "00000-00000-00000").await;
        assert_eq!(outcome(made_up).await, refused(401, "invalid-code"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_recovery_codes_need_a_code_and_kill_the_former_ones() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let make = |code: String| {
            let body = json!({"code": code});
            let (server, token) = (&server, &person.token);
            async move {
                server
                    .post("/v1/me/totp/recovery-codes", token, &body)
                    .await
            }
        };
        let wrong = make(person.device.wrong_code().await).await;
        assert_eq!(outcome(wrong).await, refused(401, "invalid-code"), "{url}");
        let answer = make(person.device.code(0).await).await;
        assert_eq!(answer.status(), 200, "{url}");
        let new: Value = answer.json().await.unwrap();
        let new = new["recovery_codes"].as_array().unwrap();
        assert_eq!(new.len(), 10);
        let former = recover(
            &server,
            &challenge(&server).await,
            &person.recovery_codes[0],
        )
        .await;
        assert_eq!(outcome(former).await, refused(401, "invalid-code"), "{url}");
        let code = new[0].as_str().unwrap();
        let fresh = recover(&server, &challenge(&server).await, code).await;
        assert_eq!(fresh.status(), 201, "{url}");
        assert_eq!(
            count(&url, "SELECT COUNT(*) FROM vault_recovery_codes").await,
            10,
            "{url}: the former hashes are gone"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_second_factor_there_are_no_recovery_codes() {
    let server = Server::start().await;
    let token = server.token(EMAIL).await;
    let body = json!({"code": "123456"});
    let answer = server
        .post("/v1/me/totp/recovery-codes", &token, &body)
        .await;
    assert_eq!(outcome(answer).await, refused(409, "totp-not-enabled"));
    let bad = server.post("/v1/me/totp/confirm", &token, &json!({})).await;
    assert_eq!(outcome(bad).await, refused(422, "validation-failed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_of_the_device_proves_once_more_who_one_is() {
    const PATH: &str = "/v1/sessions/current/reauthenticate";
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let not_on = server.post(PATH, &token, &json!({"code": "123456"})).await;
        assert_eq!(not_on.status(), 409, "{url}");
        let Enrolled { device, .. } = enrol(&server, &token).await;
        let both = json!({"code": "123456", "password": PASSWORD});
        assert_eq!(server.post(PATH, &token, &both).await.status(), 422);
        let code = device.code(1).await;
        let answer = server.post(PATH, &token, &json!({"code": code})).await;
        assert_eq!(answer.status(), 200, "{url}");
        let new = access_token(&answer.json().await.unwrap());
        let again = server.post(PATH, &new, &json!({"code": code})).await;
        assert_eq!(again.status(), 401, "{url}: a code is good once");
        assert_eq!(server.get("/v1/verify", &new).await.status(), 204);
        assert_eq!(server.get("/v1/verify", &token).await.status(), 401);
    }
}

/// Each change is events for ever, and what is turned off may be turned on again.
#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_changes_only_so_often() {
    for (server, url, _folder) in servers(&[("FACTOR_CHANGES_PER_HOUR", "2")]).await {
        let token = server.token(EMAIL).await;
        for _ in 0..2 {
            enrol(&server, &token).await;
            let off = server.delete("/v1/me/totp", &token).await;
            assert_eq!(off.status(), 204, "{url}");
        }
        let answer = server.post("/v1/me/totp", &token, &json!({})).await;
        let pending: Value = answer.json().await.unwrap();
        let device = Device::new(pending["secret"].as_str().unwrap());
        let refusal = confirm(&server, &token, &device.code(0).await).await;
        let wait = refusal.headers()["retry-after"].to_str().unwrap();
        assert!((3_400..=3_600).contains(&wait.parse().unwrap()), "{wait}");
        assert_eq!(outcome(refusal).await, refused(429, "too-many-attempts"));
        let on = "SELECT COUNT(*) FROM events WHERE event_type = 'TotpEnabled'";
        assert_eq!(count(&url, on).await, 2, "{url}");
        let codes = "SELECT COUNT(*) FROM vault_recovery_codes";
        assert_eq!(count(&url, codes).await, 0, "{url}: nothing is left behind");
    }
}
