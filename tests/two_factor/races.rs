//! Many requests at once with one code.

use sha2::Digest as _;

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

/// As if the account had had so many challenges: more than it has at once, so that no limit but the code's own is in the
/// way of a race. None has a name for a device.
async fn challenges(server: &Server, url: &str, count: usize) -> Vec<String> {
    let mut challenges = vec![challenge(server).await];
    for n in 1..count {
        let text = format!("{n:064x}");
        let hash = hex::encode(sha2::Sha256::digest(&text));
        let copy = format!(
            "INSERT INTO sign_in_challenges SELECT '{hash}', user_id, password_id, totp_id, NULL, 0, created_at, \
             expires_at FROM sign_in_challenges WHERE sealed_device_name IS NOT NULL"
        );
        write(url, &copy).await;
        challenges.push(text);
    }
    challenges
}

/// Raises the limit of wrong codes.
async fn allow_wrong_codes(url: &str) {
    let sql = "UPDATE second_factor_failures SET failures = -1000, in_a_row = -1000";
    write(url, sql).await;
}

/// How many codes were looked at.
async fn looked_at(url: &str) -> i64 {
    1000 + count(url, "SELECT failures FROM second_factor_failures").await
}

async fn sessions(url: &str) -> i64 {
    let sql = "SELECT COUNT(*) FROM events WHERE event_type = 'SessionStarted'";
    count(url, sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_uses_of_one_code_exactly_one_succeeds() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let challenges = challenges(&server, &url, AT_ONCE).await;
        allow_wrong_codes(&url).await;
        let (code, before) = (person.device.code(0).await, sessions(&url).await);
        let racing = (0..AT_ONCE).map(|n| prove(&server, &challenges[n], &code));
        let answers = futures::future::join_all(racing).await;
        assert_eq!(succeeded(&answers), 1, "{url}");
        assert_eq!(looked_at(&url).await, AT_ONCE as i64, "{url}");
        assert_eq!(sessions(&url).await, before + 1, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_uses_of_one_recovery_code_exactly_one_succeeds() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let challenges = challenges(&server, &url, AT_ONCE).await;
        allow_wrong_codes(&url).await;
        let (code, before) = (&person.recovery_codes[0], sessions(&url).await);
        let racing = (0..AT_ONCE).map(|n| recover(&server, &challenges[n], code));
        let answers = futures::future::join_all(racing).await;
        assert_eq!(succeeded(&answers), 1, "{url}");
        assert_eq!(looked_at(&url).await, AT_ONCE as i64, "{url}");
        assert_eq!(sessions(&url).await, before + 1, "{url}");
        let used = "SELECT COUNT(*) FROM events WHERE event_type = 'RecoveryCodeUsed'";
        assert_eq!(count(&url, used).await, 1, "{url}");
        let me = server.get_json("/v1/me", &person.token).await;
        assert_eq!(me["recovery_codes_left"], 9, "{url}");
    }
}

/// One challenge opens one session, and takes one code for it, whatever is sent with it at once.
#[tokio::test(flavor = "multi_thread")]
async fn of_five_recovery_codes_for_one_challenge_one_is_used_up() {
    for (server, url, _folder) in servers(&[]).await {
        let mut person = enrolled(&server, &url).await;
        let used = "SELECT COUNT(*) FROM events WHERE event_type = 'RecoveryCodeUsed'";
        for n in 1..=5 {
            let (challenge, before) = (challenge(&server).await, sessions(&url).await);
            let codes = person.recovery_codes.iter().take(5);
            let racing = codes.map(|code| recover(&server, &challenge, code));
            let answers = futures::future::join_all(racing).await;
            assert_eq!(succeeded(&answers), 1, "{url}");
            assert_eq!(sessions(&url).await, before + 1, "{url}");
            assert_eq!(count(&url, used).await, n, "{url}");
            let winner = answers.iter().position(|answer| answer.status() == 201);
            person.recovery_codes.remove(winner.unwrap());
        }
    }
}

/// A code that was used before does not take the challenge with it.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_code_that_was_used_before_another_one_may_be_sent() {
    for (server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let codes = &person.recovery_codes;
        let first = challenge(&server).await;
        assert_eq!(recover(&server, &first, &codes[0]).await.status(), 201);
        let second = challenge(&server).await;
        for _ in 0..4 {
            let again = recover(&server, &second, &codes[0]).await;
            assert_eq!(outcome(again).await, refused(401, "invalid-code"), "{url}");
        }
        assert_eq!(recover(&server, &second, &codes[1]).await.status(), 201);
        let spent = recover(&server, &second, &codes[2]).await;
        assert_eq!(outcome(spent).await, refused(410, "challenge-expired"));
        let me = server.get_json("/v1/me", &person.token).await;
        assert_eq!(me["recovery_codes_left"], 8, "{url}");
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
        let challenges = challenges(&server, &url, 10).await;
        let wrong = person.device.wrong_code().await;
        let racing = (0..AT_ONCE).map(|n| prove(&server, &challenges[n % 10], &wrong));
        let answers = futures::future::join_all(racing).await;
        let looked_at = answers.iter().filter(|a| a.status() == 401).count();
        assert_eq!(looked_at, 10, "{url}");
    }
}
