//! What is left behind by people and nodes that never came to an end is swept.

use super::*;

/// Secrets that were never confirmed, and codes that no event names, as a node leaves them that dies in between.
#[tokio::test(flavor = "multi_thread")]
async fn what_counts_for_nothing_goes_after_an_hour_and_what_counts_stays() {
    for (mut server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let other = server.token("bob@example.com").await;
        let pending = server.post("/v1/me/totp", &other, &json!({})).await;
        assert_eq!(pending.status(), 201);
        challenge(&server).await;
        prove(&server, &challenge(&server).await, "000000").await;
        let orphan = "INSERT INTO vault_recovery_codes \
                      SELECT user_id, 'gone', number, code_mac, created_at FROM vault_recovery_codes";
        write(
            &url,
            &orphan.replace("gone", "01970000-0000-7000-8000-000000000001"),
        )
        .await;
        server.kill();
        let long_ago = [
            "UPDATE vault_totp SET created_at = created_at - 3700000000",
            "UPDATE vault_recovery_codes SET created_at = created_at - 3700000000",
            "UPDATE sign_in_challenges SET expires_at = expires_at - 3700000000",
            "UPDATE second_factor_failures SET window_began = 0, last_at = 0",
        ];
        for sql in long_ago {
            write(&url, sql).await;
        }
        server.launch().await;
        let expected = [1, 10, 0, 0];
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut left = Vec::new();
            for table in [
                "vault_totp",
                "vault_recovery_codes",
                "sign_in_challenges",
                "second_factor_failures",
            ] {
                left.push(count(&url, &format!("SELECT COUNT(*) FROM {table}")).await);
            }
            if left == expected {
                break;
            }
            assert!(Instant::now() < deadline, "{url}: {left:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let code = person.device.code(0).await;
        let answer = prove(&server, &challenge(&server).await, &code).await;
        assert_eq!(answer.status(), 201, "{url}");
    }
}

/// The sweep comes by only every ten minutes, and leaves what is young.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_wait_no_more_keep_nobody_from_trying_again() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let begin = async || server.post("/v1/me/totp", &token, &json!({})).await;
        for _ in 0..20 {
            assert_eq!(begin().await.status(), 201, "{url}");
        }
        let refusal = begin().await;
        assert_eq!(refusal.headers()["retry-after"], "600", "{url}");
        let expected = refused(429, "too-many-attempts");
        assert_eq!(outcome(refusal).await, expected, "{url}");
        let older = "UPDATE vault_totp SET created_at = created_at - 300000000";
        write(&url, older).await;
        assert_eq!(begin().await.status(), 429, "{url}");
        write(&url, older).await;
        enrol(&server, &token).await;
    }
}
