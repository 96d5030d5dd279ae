//! What a node that died in the middle of a change leaves behind.

use aggregates::email_claim::{EmailClaim, EmailClaimCommand};
use aggregates::user::{EmailCommand, User, UserCommand};
use eventlog::{CommandContext, Database, Log, LogOptions, Metadata};

use super::*;

fn context() -> CommandContext {
    CommandContext {
        command_id: uuid::Uuid::now_v7(),
        metadata: Metadata::default(),
        creates: false,
    }
}

/// The server is killed once the request is in the log and before anything follows from it; then once it is complete.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_goes_on_whenever_the_node_died() {
    for (mut smtp, mut server, url, _folder) in with_smtp(&[]).await {
        let token = server.token(EMAIL).await;
        smtp.wait(EMAIL, CONFIRM, 1).await;
        settled(&url).await;
        smtp.stop();
        let answer = change_email(&server, &token, NEW).await;
        assert_eq!(answer.status(), 202, "{url}");
        server.kill();
        // As if nothing had followed: no claim, no mail.
        let behind = "UPDATE tails SET position = (SELECT MAX(position) - 1 FROM events \
                      WHERE event_type = 'EmailChangeRequested') \
                      WHERE name IN ('write_mails', 'settle_email_changes')";
        write(&url, behind).await;
        write(&url, "DELETE FROM outbox WHERE state = 'waiting'").await;
        smtp.listen().await;
        server.launch().await;
        let link = smtp.wait(NEW, CONFIRM_CHANGE, 1).await.token();
        settled(&url).await;
        assert_eq!(smtp.to(NEW, CONFIRM_CHANGE).len(), 1, "{url}");
        assert_eq!(confirm(&server, &link).await.status(), 204, "{url}");
        server.kill();
        write(
            &url,
            "UPDATE tails SET position = 0 WHERE name = 'settle_email_changes'",
        )
        .await;
        server.launch().await;
        until_count(
            &url,
            "SELECT COUNT(*) FROM email_claims WHERE state = 'confirmed'",
            1,
        )
        .await;
        until_count(&url, "SELECT COUNT(*) FROM email_claims", 1).await;
        assert_eq!(sign_in(&server, NEW, PASSWORD).await.status(), 201, "{url}");
    }
}

/// A node that came late claimed an address for a request that was over.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_no_request_waits_for_is_released() {
    for (_smtp, mut server, url, _folder) in with_smtp(&[]).await {
        let user = server.register(EMAIL).await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        until_count(
            &url,
            "SELECT COUNT(*) FROM email_claims WHERE state = 'confirmed'",
            1,
        )
        .await;
        settled(&url).await;
        server.kill();
        let database = Database::open(&url).await.unwrap();
        let log = Log::open(
            database.clone(),
            projections::inline(),
            LogOptions::default(),
        )
        .await
        .unwrap();
        let claim = EmailClaimCommand::Claim {
            user_id: user.parse().unwrap(),
            at: chrono::Utc::now() - chrono::TimeDelta::hours(1),
        };
        let stray = uuid::Uuid::from_u128(7).to_string();
        log.execute::<EmailClaim>(&stray, claim, &context())
            .await
            .unwrap();
        log.shut_down().await;
        database.close().await;
        server.launch().await;
        until_count(&url, "SELECT COUNT(*) FROM email_claims", 1).await;
        assert_eq!(
            sign_in(&server, EMAIL, PASSWORD).await.status(),
            201,
            "{url}"
        );
    }
}

/// A node that died after the password was reset: the next one ends the sessions.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_after_a_reset_that_was_left_undone() {
    for (_smtp, mut server, url, _folder) in with_smtp(&[]).await {
        let user = server.register(EMAIL).await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let token = access_token(&server.sign_in(EMAIL).await);
        settled(&url).await;
        server.kill();
        let database = Database::open(&url).await.unwrap();
        let log = Log::open(
            database.clone(),
            projections::inline(),
            LogOptions::default(),
        )
        .await
        .unwrap();
        let command = UserCommand::ResetPassword {
            password_id: uuid::Uuid::from_u128(7).into(),
            replaces: user.parse().unwrap(),
            at: chrono::Utc::now(),
        };
        log.execute::<User>(&user, command, &context())
            .await
            .unwrap();
        // And what a cancelled change leaves is nothing.
        let cancel = UserCommand::Email(EmailCommand::CancelChange {
            at: chrono::Utc::now(),
        });
        log.execute::<User>(&user, cancel, &context())
            .await
            .unwrap();
        log.shut_down().await;
        database.close().await;
        server.launch().await;
        let deadline = Instant::now() + PATIENCE;
        while server.get("/v1/verify", &token).await.status() != 401 {
            assert!(Instant::now() < deadline, "{url}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        until_count(&url, "SELECT COUNT(*) FROM vault_passwords", 0).await;
    }
}
