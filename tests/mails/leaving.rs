//! The mails of an erasure, and what else waits for the person.

use super::*;

const SCHEDULED: &str = "Your account will be erased";
const TAKEN_BACK: &str = "Your account stays";
const ERASED: &str = "Your account was erased";

async fn leave(server: &Server, token: &str) -> u16 {
    let body = json!({"password": PASSWORD});
    let answer = server.post("/v1/me/deletion", token, &body).await;
    answer.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_to_be_erased_and_thinks_again_is_told_of_both() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let token = server.token(EMAIL).await;
        assert_eq!(leave(&server, &token).await, 202, "{url}");
        smtp.wait(EMAIL, SCHEDULED, 1).await;
        server.delete("/v1/me/deletion", &token).await;
        smtp.wait(EMAIL, TAKEN_BACK, 1).await;
        assert!(smtp.to(EMAIL, ERASED).is_empty(), "{url}");
    }
}

/// The last mail is sent although the key of the address is gone by then, and the address that was asked for is free.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_told_so_and_everything_else_that_waited_is_let_go() {
    for (smtp, server, url, _folder) in with_smtp(&[("DELETION_GRACE", "0")]).await {
        let token = server.token(EMAIL).await;
        let body = json!({"email": NEW, "password": PASSWORD});
        let asked = server.post("/v1/me/email", &token, &body).await;
        assert_eq!(asked.status(), 202, "{url}");
        let change = smtp.wait(NEW, CONFIRM_CHANGE, 1).await;
        assert_eq!(leave(&server, &token).await, 202, "{url}");
        smtp.wait(EMAIL, ERASED, 1).await;
        let deadline = Instant::now() + PATIENCE;
        let erased = "SELECT COUNT(*) FROM events WHERE event_type = 'UserErased'";
        while count(&url, erased).await == 0 {
            assert!(Instant::now() < deadline, "{url}\n{}", server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let late = confirm(&server, &change.token()).await;
        assert_eq!(
            outcome(late).await,
            refused(410, "token-expired-or-used"),
            "{url}"
        );
        for table in ["mail_tokens", "seen_devices", "email_claims"] {
            let left = count(&url, &format!("SELECT COUNT(*) FROM {table}")).await;
            assert_eq!(left, 0, "{url}: {table}");
        }
        server.token(NEW).await;
        assert_eq!(smtp.to(EMAIL, ERASED).len(), 1, "{url}");
    }
}

/// The last mail holds the address, so it does not wait as long as others for somebody to look at it.
#[tokio::test(flavor = "multi_thread")]
async fn a_last_mail_that_cannot_be_sent_is_kept_for_a_day_and_no_longer() {
    for (smtp, mut server, url, _folder) in with_smtp(&[("DELETION_GRACE", "0")]).await {
        let token = server.token(EMAIL).await;
        smtp.wait(EMAIL, CONFIRM, 1).await;
        settled(&url).await;
        smtp.set(Mood::Refuses(550));
        server.register(OTHER).await;
        assert_eq!(leave(&server, &token).await, 202, "{url}");
        let parked = "SELECT COUNT(*) FROM outbox WHERE state = 'parked'";
        let last = "SELECT COUNT(*) FROM outbox WHERE mail_id LIKE '%/account-erased'";
        until_count(
            &url,
            "SELECT COUNT(*) FROM events WHERE event_type = 'UserErased'",
            1,
        )
        .await;
        settled(&url).await;
        assert_eq!(count(&url, last).await, 1, "{url}");
        let before = count(&url, parked).await;
        // 25 hours pass; a server sweeps when it starts.
        server.kill();
        let older = "UPDATE outbox SET created_at = created_at - CAST(90000000000 AS BIGINT)";
        write(&url, older).await;
        server.launch().await;
        until_count(&url, last, 0).await;
        assert_eq!(count(&url, parked).await, before - 1, "{url}: others stay");
    }
}
