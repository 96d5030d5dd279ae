//! Wrong codes of the second factor: a few events, and one mail where the password was right.

use super::*;

const TOLD: &str = "Somebody may know your password";
const OF_FLOODS: &str = "SELECT COUNT(*) FROM events WHERE event_type LIKE 'SecondFactorFailures%'";
const WRONG: &str = "00000-00000-00000";
/// Challenges in one flood, each of them with as many wrong codes as it takes.
const CHALLENGES: usize = 6;
const TRIES: usize = 5;

async fn enrol(server: &Server, token: &str) {
    let answer = server.post("/v1/me/totp", token, &json!({})).await;
    let enrolment: Value = answer.json().await.unwrap();
    let code = support::totp::code(enrolment["secret"].as_str().unwrap());
    let body = json!({"code": code});
    let answer = server.post("/v1/me/totp/confirm", token, &body).await;
    assert_eq!(answer.status(), 200);
}

/// As if the pause after ten wrong codes were over.
async fn pause_passes(url: &str) {
    write(url, "DELETE FROM second_factor_failures").await;
}

/// As if an hour had passed since the window began.
async fn hour_passes(url: &str) {
    let sql = "UPDATE second_factor_floods SET window_began = window_began - 3600000000";
    write(url, sql).await;
}

async fn until_there_are(url: &str, events: i64) {
    let deadline = Instant::now() + PATIENCE;
    while count(url, OF_FLOODS).await < events {
        assert!(Instant::now() < deadline, "{url}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(count(url, OF_FLOODS).await, events, "{url}");
}

async fn wrong_codes_at_sign_in(server: &Server, url: &str, challenges: usize) {
    for _ in 0..challenges {
        pause_passes(url).await;
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let answer = server.post("/v1/sessions", "", &body).await;
        let body: Value = answer.json().await.unwrap();
        let body = json!({"challenge": body["challenge"], "recovery_code": WRONG});
        let path = "/v1/sessions/second-factor";
        let tries = (0..TRIES).map(|_| server.post(path, "", &body));
        for answer in futures::future::join_all(tries).await {
            assert_eq!(outcome(answer).await, refused(401, "invalid-code"), "{url}");
        }
    }
}

/// What the events of the floods say, in order: where, how many, and whether it is over.
async fn told(server: &Server, auditor: &str) -> Vec<(String, u64, bool)> {
    let page = server
        .get_json("/v1/audit/events?limit=10000", auditor)
        .await;
    let events = page["items"].as_array().unwrap().iter();
    let of_floods = events.filter(|event| {
        let event_type = event["type"].as_str().unwrap();
        event_type.contains("SecondFactorFailures")
    });
    let data = of_floods.map(|event| {
        let data = event["data"].as_object().unwrap();
        let inner = data.values().next().filter(|inner| inner.is_object());
        inner.map_or_else(|| event["data"].clone(), Clone::clone)
    });
    let facts = data.map(|data| {
        let stage = data["stage"].as_str().unwrap().to_owned();
        let is_over = data["is_over"].as_bool().unwrap_or_default();
        (stage, data["failures"].as_u64().unwrap(), is_over)
    });
    facts.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_wrong_codes_after_a_right_password_is_three_events_and_one_mail() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let auditor = server.auditor("auditor@example.com").await;
        let token = server.token(EMAIL).await;
        enrol(&server, &token).await;
        let all = "SELECT COUNT(*) FROM events WHERE event_type <> 'EmailClaimConfirmed'";
        let before = count(&url, all).await;
        wrong_codes_at_sign_in(&server, &url, CHALLENGES).await;
        until_there_are(&url, 1).await;
        smtp.wait(EMAIL, TOLD, 1).await;
        hour_passes(&url).await;
        until_there_are(&url, 2).await;
        hour_passes(&url).await;
        until_there_are(&url, 3).await;
        assert_eq!(count(&url, all).await, before + 3, "{url}");
        let seen = told(&server, &auditor).await;
        let sign_in = || "sign_in".to_owned();
        assert!(seen[0].1 >= TRIES as u64, "{seen:?}");
        let all = (CHALLENGES * TRIES) as u64;
        assert_eq!(seen[1..], [(sign_in(), all, false), (sign_in(), 0, true)]);
        assert_eq!(smtp.to(EMAIL, TOLD).len(), 1, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_in_a_session_are_an_event_and_no_mail_and_a_few_mistakes_are_neither() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let auditor = server.auditor("auditor@example.com").await;
        let token = server.token(EMAIL).await;
        enrol(&server, &token).await;
        // Too few to be told, at a sign-in.
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let answer = server.post("/v1/sessions", "", &body).await;
        let body: Value = answer.json().await.unwrap();
        let body = json!({"challenge": body["challenge"], "recovery_code": WRONG});
        for _ in 1..TRIES {
            let answer = server.post("/v1/sessions/second-factor", "", &body).await;
            assert_eq!(outcome(answer).await, refused(401, "invalid-code"), "{url}");
        }
        let path = "/v1/sessions/current/reauthenticate";
        for _ in 0..TRIES {
            let body = json!({"code": "abcdef"});
            let answer = server.post(path, &token, &body).await;
            assert_eq!(outcome(answer).await, refused(401, "invalid-code"), "{url}");
        }
        until_there_are(&url, 1).await;
        let expected = ("session".to_owned(), TRIES as u64, false);
        assert_eq!(told(&server, &auditor).await, [expected], "{url}");
        // A flood at a sign-in begins beside it, and its mail is the first.
        wrong_codes_at_sign_in(&server, &url, 1).await;
        until_there_are(&url, 2).await;
        smtp.wait(EMAIL, TOLD, 1).await;
        assert_eq!(smtp.to(EMAIL, TOLD).len(), 1, "{url}");
    }
}
