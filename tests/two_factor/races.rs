//! Many requests at once with one code.

use super::*;

const AT_ONCE: usize = 50;

fn succeeded(answers: &[Response]) -> usize {
    let statuses: Vec<u16> = answers.iter().map(|a| a.status().as_u16()).collect();
    assert!(
        statuses
            .iter()
            .all(|s| matches!(s, 200 | 201 | 401 | 409 | 410 | 429)),
        "{statuses:?}"
    );
    let is_success = |status: &&u16| matches!(status, 200 | 201);
    statuses.iter().filter(is_success).count()
}

async fn challenges(server: &Server, count: usize) -> Vec<String> {
    let mut challenges = Vec::new();
    for _ in 0..count {
        challenges.push(challenge(server).await);
    }
    challenges
}

async fn sessions(url: &str) -> i64 {
    let sql = "SELECT COUNT(*) FROM events WHERE event_type = 'SessionStarted'";
    count(url, sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_uses_of_one_code_exactly_one_succeeds() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let challenges = challenges(&server, 10).await;
        let (code, before) = (person.device.code(0).await, sessions(&url).await);
        let racing = (0..AT_ONCE).map(|n| prove(&server, &challenges[n % 10], &code));
        let answers = futures::future::join_all(racing).await;
        assert_eq!(succeeded(&answers), 1, "{url}");
        assert_eq!(sessions(&url).await, before + 1, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_uses_of_one_recovery_code_exactly_one_succeeds() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let challenges = challenges(&server, 10).await;
        let (code, before) = (&person.recovery_codes[0], sessions(&url).await);
        let racing = (0..AT_ONCE).map(|n| recover(&server, &challenges[n % 10], code));
        let answers = futures::future::join_all(racing).await;
        assert_eq!(succeeded(&answers), 1, "{url}");
        assert_eq!(sessions(&url).await, before + 1, "{url}");
        let used = "SELECT COUNT(*) FROM events WHERE event_type = 'RecoveryCodeUsed'";
        assert_eq!(count(&url, used).await, 1, "{url}");
        let me = server.get_json("/v1/me", &person.token).await;
        assert_eq!(me["recovery_codes_left"], 9, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_confirmations_exactly_one_succeeds() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let pending = server.post("/v1/me/totp", &token, &json!({})).await;
        let pending: Value = pending.json().await.unwrap();
        let code = Device::new(pending["secret"].as_str().unwrap())
            .code(0)
            .await;
        let racing = (0..AT_ONCE).map(|_| confirm(&server, &token, &code));
        let answers = futures::future::join_all(racing).await;
        assert_eq!(succeeded(&answers), 1, "{url}");
        let enabled = "SELECT COUNT(*) FROM events WHERE event_type = 'TotpEnabled'";
        assert_eq!(count(&url, enabled).await, 1, "{url}");
    }
}

/// No more than ten guesses are looked at, however many come at once.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_codes_at_once_are_counted_like_wrong_codes_one_by_one() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let challenges = challenges(&server, 10).await;
        let wrong = person.device.wrong_code().await;
        let racing = (0..AT_ONCE).map(|n| prove(&server, &challenges[n % 10], &wrong));
        let answers = futures::future::join_all(racing).await;
        let looked_at = answers.iter().filter(|a| a.status() == 401).count();
        assert_eq!(looked_at, 10, "{url}");
    }
}
