//! How a challenge ends.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_good_for_five_tries_and_once() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let (tried, wrong) = (challenge(&server).await, person.device.wrong_code().await);
        for _ in 0..5 {
            let answer = prove(&server, &tried, &wrong).await;
            assert_eq!(outcome(answer).await, refused(401, "invalid-code"), "{url}");
        }
        let right = person.device.code(0).await;
        let late = prove(&server, &tried, &right).await;
        assert_eq!(
            outcome(late).await,
            refused(410, "challenge-expired"),
            "{url}"
        );
        let good = challenge(&server).await;
        let answer = prove(&server, &good, &right).await;
        assert_eq!(
            answer.status(),
            201,
            "{url}: a dead challenge uses no code up"
        );
        let again = prove(&server, &good, &person.device.code(1).await).await;
        assert_eq!(
            outcome(again).await,
            refused(410, "challenge-expired"),
            "{url}"
        );
        let unknown = prove(&server, &"0".repeat(64), &right).await;
        assert_eq!(outcome(unknown).await, refused(410, "challenge-expired"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_good_for_five_minutes() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let (early, late) = (challenge(&server).await, challenge(&server).await);
        let code = person.device.code(0).await;
        // The first one was made, as it were, 301 seconds ago.
        let older = "UPDATE sign_in_challenges SET expires_at = expires_at - 301000000 \
                     WHERE created_at = (SELECT MIN(created_at) FROM sign_in_challenges)";
        write(&url, older).await;
        let answer = prove(&server, &early, &code).await;
        assert_eq!(
            outcome(answer).await,
            refused(410, "challenge-expired"),
            "{url}"
        );
        assert_eq!(prove(&server, &late, &code).await.status(), 201, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_dies_with_the_password_that_it_was_made_for() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let challenge = challenge(&server).await;
        let body = json!({"current_password": PASSWORD, "new_password": "Battery-staple-8"});
        let changed = server
            .request(Method::PUT, "/v1/me/password")
            .bearer_auth(&person.token)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(changed.status(), 204);
        let answer = prove(&server, &challenge, &person.device.code(0).await).await;
        assert_eq!(
            outcome(answer).await,
            refused(410, "challenge-expired"),
            "{url}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_dies_with_the_second_factor_that_it_was_made_for() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let challenge = challenge(&server).await;
        assert_eq!(
            server.delete("/v1/me/totp", &person.token).await.status(),
            204
        );
        let other = enrol(&server, &person.token).await;
        let answer = prove(&server, &challenge, &other.device.code(1).await).await;
        assert_eq!(
            outcome(answer).await,
            refused(410, "challenge-expired"),
            "{url}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_kind_of_code_is_sent_with_a_challenge() {
    let server = Server::start().await;
    for body in [
        json!({"challenge": "0"}),
        json!({"challenge": "0", "code": "123456", "recovery_code": "x"}),
        json!({"code": "123456"}),
        json!({"challenge": "0", "code": 123456}),
    ] {
        let answer = server.post("/v1/sessions/second-factor", "", &body).await;
        assert_eq!(
            outcome(answer).await,
            refused(422, "validation-failed"),
            "{body}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_ten_wrong_codes_an_account_waits() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let wrong = person.device.wrong_code().await;
        for n in 0..10 {
            let answer = prove(&server, &challenge(&server).await, &wrong).await;
            assert_eq!(
                outcome(answer).await,
                refused(401, "invalid-code"),
                "{url} {n}"
            );
        }
        let right = person.device.code(0).await;
        let answer = prove(&server, &challenge(&server).await, &right).await;
        let seconds = answer.headers()["retry-after"].to_str().unwrap().to_owned();
        assert_eq!(
            outcome(answer).await,
            refused(429, "too-many-attempts"),
            "{url}"
        );
        let seconds: u32 = seconds.parse().unwrap();
        assert!((500..=601).contains(&seconds), "{url}: {seconds}");
        let body = json!({"code": right});
        let elsewhere = server
            .post("/v1/me/totp/recovery-codes", &person.token, &body)
            .await;
        assert_eq!(
            elsewhere.status(),
            429,
            "{url}: one count for every way to try"
        );
        write(
            &url,
            "UPDATE second_factor_failures SET window_began = window_began - 601000000",
        )
        .await;
        let answer = prove(&server, &challenge(&server).await, &right).await;
        assert_eq!(
            answer.status(),
            201,
            "{url}: the code was not looked at, so it is good"
        );
    }
}

/// NIST SP 800-63B-4, 3.2.2: patience does not help either.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_hundred_wrong_codes_in_a_row_an_account_rests_for_a_day() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let wrong = person.device.wrong_code().await;
        let pass = |micros: i64| {
            let sql = format!(
                "UPDATE second_factor_failures SET window_began = window_began - {micros}, \
                 last_at = last_at - {micros}"
            );
            let url = url.clone();
            async move { write(&url, &sql).await }
        };
        for n in 0..10 {
            let due = challenge(&server).await;
            let answer = prove(&server, &due, &wrong).await;
            assert_eq!(answer.status(), 401, "{url} {n}");
        }
        // As if nine more windows had gone by in the same way.
        write(
            &url,
            "UPDATE second_factor_failures SET in_a_row = in_a_row * 10",
        )
        .await;
        pass(601_000_000).await;
        let right = person.device.code(0).await;
        let answer = prove(&server, &challenge(&server).await, &right).await;
        let seconds = answer.headers()["retry-after"].to_str().unwrap().to_owned();
        assert_eq!(answer.status(), 429, "{url}");
        let hours = seconds.parse::<u32>().unwrap() / 3600;
        assert_eq!(hours, 23, "{url}");
        pass(86_400_000_000).await;
        let right = person.device.code(0).await;
        let answer = prove(&server, &challenge(&server).await, &right).await;
        assert_eq!(answer.status(), 201, "{url}: it begins anew");
        let in_a_row = count(&url, "SELECT in_a_row FROM second_factor_failures").await;
        assert_eq!(in_a_row, 0, "{url}: a right one ends the row");
    }
}
