//! A new password by mail.

use super::*;

/// An account, and the token of a reset that was mailed to it.
async fn asked(smtp: &Smtp, server: &Server, n: usize) -> String {
    let answer = ask_reset(server, EMAIL).await;
    assert_eq!(answer.status(), 202);
    smtp.wait(EMAIL, RESET, n).await.token()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_replaced_and_every_session_ends() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let token = server.token(EMAIL).await;
        let other = access_token(&server.sign_in(EMAIL).await);
        let link = asked(&smtp, &server, 1).await;
        let weak = reset(&server, &link, "weak").await;
        assert_eq!(outcome(weak).await, refused(422, "validation-failed"));
        let own = reset(&server, &link, "Ada@example.com-1").await;
        assert_eq!(
            outcome(own).await,
            refused(422, "validation-failed"),
            "{url}"
        );
        assert_eq!(server.get("/v1/verify", &token).await.status(), 204);
        let done = reset(&server, &link, NEW_PASSWORD).await;
        assert_eq!(done.status(), 204, "{url}");
        assert!(done.headers().contains_key("gatelog-position"));
        for session in [&token, &other] {
            assert_eq!(
                server.get("/v1/verify", session).await.status(),
                401,
                "{url}"
            );
        }
        assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status(), 401);
        assert_eq!(sign_in(&server, EMAIL, NEW_PASSWORD).await.status(), 201);
        let again = reset(&server, &link, "Third-staple-9").await;
        assert_eq!(
            outcome(again).await,
            refused(410, "token-expired-or-used"),
            "{url}"
        );
        smtp.wait(EMAIL, "Your password was reset", 1).await;
        until_count(&url, "SELECT COUNT(*) FROM vault_passwords", 1).await;
    }
}

/// Whoever mistyped too often need not wait, on a new device or on one that signed in before.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_lifts_the_pause_after_wrong_passwords_at_once() {
    const WRONG: &str = "Wrong-guess-9";
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        server.register(EMAIL).await;
        let device = server.sign_in(EMAIL).await["device_token"].take();
        let device = device.as_str().unwrap();
        for _ in 0..15 {
            sign_in(&server, EMAIL, WRONG).await;
            sign_in_on(&server, EMAIL, WRONG, device).await;
            // No delay is over before the next try, but for this test.
            write(&url, "UPDATE sign_in_throttles SET charged_at = 0").await;
        }
        let day = "UPDATE sign_in_throttles SET charged_at = charged_at + 9000000000000000, delay = 86400000000 \
                   WHERE account <> ''";
        write(&url, day).await;
        let paused = "SELECT COUNT(*) FROM sign_in_throttles WHERE delay > 0 AND failures >= 15";
        assert_eq!(
            count(&url, paused).await,
            4,
            "{url}: pair, account, device, devices"
        );
        let stranger = sign_in(&server, EMAIL, PASSWORD).await;
        assert_eq!(outcome(stranger).await, refused(429, "too-many-attempts"));
        let known = sign_in_on(&server, EMAIL, PASSWORD, device).await;
        assert_eq!(outcome(known).await, refused(429, "too-many-attempts"));
        let link = asked(&smtp, &server, 1).await;
        assert_eq!(reset(&server, &link, NEW_PASSWORD).await.status(), 204);
        let stranger = sign_in(&server, EMAIL, NEW_PASSWORD).await;
        assert_eq!(stranger.status(), 201, "{url}");
        // The token is good beyond the password.
        attack(&server, &url, EMAIL).await;
        let known = sign_in_on(&server, EMAIL, NEW_PASSWORD, device).await;
        assert_eq!(known.status(), 201, "{url}");
        assert_eq!(sign_in(&server, EMAIL, NEW_PASSWORD).await.status(), 429);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_uses_of_one_link_one_succeeds() {
    for (smtp, server, url, _folder) in with_smtp(&[("PASSWORD_HASH_THREADS", "2")]).await {
        server.register(EMAIL).await;
        let link = asked(&smtp, &server, 1).await;
        let mut won = 0;
        let uses = (0..50).map(|n| {
            let (server, link) = (&server, &link);
            async move {
                loop {
                    let answer = reset(server, link, &format!("Other-staple-{n}")).await;
                    // The queue of hashes is full: the client asks again.
                    if answer.status() != 429 {
                        return answer.status().as_u16();
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        });
        for status in futures::future::join_all(uses).await {
            assert!(matches!(status, 204 | 410), "{url}: {status}");
            won += u32::from(status == 204);
        }
        assert_eq!(won, 1, "{url}");
        let events = "SELECT COUNT(*) FROM events WHERE event_type = 'PasswordReset'";
        assert_eq!(count(&url, events).await, 1, "{url}");
        until_count(&url, "SELECT COUNT(*) FROM vault_passwords", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_dies_with_the_password_the_account_and_its_hour() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let token = server.token(EMAIL).await;
        let link = asked(&smtp, &server, 1).await;
        let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
        let changed = server
            .request(Method::PUT, "/v1/me/password")
            .bearer_auth(&token);
        assert_eq!(changed.json(&change).send().await.unwrap().status(), 204);
        let gone = refused(410, "token-expired-or-used");
        let used = reset(&server, &link, "Third-staple-9").await;
        assert_eq!(outcome(used).await, gone, "{url}: changed");
        let link = asked(&smtp, &server, 2).await;
        let confirmed = confirm(&server, &link).await;
        assert_eq!(outcome(confirmed).await, gone, "{url}: of another purpose");
        write(&url, "UPDATE mail_tokens SET expires_at = 1").await;
        assert_eq!(
            outcome(reset(&server, &link, "Third-staple-9").await).await,
            gone,
            "{url}: late"
        );
        let link = asked(&smtp, &server, 3).await;
        write(&url, "UPDATE users SET disabled = 1").await;
        assert_eq!(
            outcome(reset(&server, &link, "Third-staple-9").await).await,
            gone,
            "{url}: disabled"
        );
        for token in ["", "x", &"0".repeat(64), "é"] {
            assert_eq!(
                outcome(reset(&server, token, "Third-staple-9").await).await,
                gone
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_does_not_stand_in_for_the_second_factor() {
    use aggregates::user::{SecondFactorCommand, User, UserCommand};
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let user = server.register(EMAIL).await;
        let database = eventlog::Database::open(&url).await.unwrap();
        let options = eventlog::LogOptions::default();
        let log = eventlog::Log::open(database.clone(), projections::inline(), options)
            .await
            .unwrap();
        let command = UserCommand::SecondFactor(SecondFactorCommand::Enable {
            totp_id: uuid::Uuid::now_v7().into(),
            codes_id: uuid::Uuid::now_v7().into(),
            count: 10,
            most_an_hour: 10,
            at: chrono::Utc::now(),
        });
        let context = eventlog::CommandContext {
            command_id: uuid::Uuid::now_v7(),
            metadata: eventlog::Metadata::default(),
            creates: false,
        };
        let id = user["id"].as_str().unwrap();
        log.execute::<User>(id, command, &context).await.unwrap();
        log.shut_down().await;
        database.close().await;
        let link = asked(&smtp, &server, 1).await;
        assert_eq!(reset(&server, &link, NEW_PASSWORD).await.status(), 204);
        assert_eq!(
            sign_in(&server, EMAIL, NEW_PASSWORD).await.status(),
            202,
            "{url}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_is_answered_alike_and_mailed_nothing() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        server.register(EMAIL).await;
        smtp.wait(EMAIL, CONFIRM, 1).await;
        let shown = |answer: Response| async move {
            let mut names: Vec<String> = answer
                .headers()
                .keys()
                .map(|name| name.to_string())
                .collect();
            names.sort();
            (answer.status(), names, answer.bytes().await.unwrap())
        };
        let known = shown(ask_reset(&server, EMAIL).await).await;
        let unknown = shown(ask_reset(&server, OTHER).await).await;
        assert_eq!(known, unknown, "{url}");
        smtp.wait(EMAIL, RESET, 1).await;
        for _ in 0..5 {
            ask_reset(&server, EMAIL).await;
        }
        settled(&url).await;
        assert_eq!(smtp.to(EMAIL, RESET).len(), 3, "{url}: three in an hour");
        assert_eq!(smtp.messages().len(), 4, "{url}");
        assert_eq!(
            count(
                &url,
                "SELECT COUNT(*) FROM mail_tokens WHERE purpose = 'reset'"
            )
            .await,
            3
        );
    }
}

/// The table of requests is bounded, and a full one answers alike whoever asks.
#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_are_refused_whatever_the_address() {
    for (_smtp, server, url, _folder) in with_smtp(&[]).await {
        server.register(EMAIL).await;
        let fill = if url.starts_with("sqlite") {
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) \
             INSERT INTO mail_requests SELECT 'r' || i, 'password_reset', x'00', 'k', 9000000000000000, 1 FROM n"
        } else {
            "INSERT INTO mail_requests SELECT 'r' || i, 'password_reset', '\\x00'::bytea, 'k', 9000000000000000, 1 \
             FROM generate_series(1, 10000) AS n(i)"
        };
        write(&url, fill).await;
        for email in [EMAIL, OTHER] {
            assert_eq!(
                outcome(ask_reset(&server, email).await).await,
                refused(503, "overloaded"),
                "{url}"
            );
        }
    }
}

/// 200 of each, in turns. Each known address is asked for once, so that a mail is made for each, and the next pair
/// comes when it has gone: what one leaves to be done, a while after its answer, is no other one's burden.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_address_takes_as_long_as_an_unknown_one() {
    const EACH: usize = 200;
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let known_address = |n: usize| format!("known-{n}@example.com");
        for n in 0..EACH {
            server.register(&known_address(n)).await;
        }
        settled(&url).await;
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for n in 0..EACH {
            let mut turns = [known_address(n), format!("unknown-{n}@example.com")];
            if n % 2 == 1 {
                turns.reverse();
            }
            for email in turns {
                let begun = Instant::now();
                assert_eq!(ask_reset(&server, &email).await.status(), 202);
                let took = begun.elapsed();
                if email.starts_with("known") {
                    known.push(took);
                } else {
                    unknown.push(took);
                }
            }
            settled(&url).await;
            assert_eq!(smtp.to(&known_address(n), RESET).len(), 1, "{url}: {n}");
        }
        assert_alike(&url, known, unknown);
    }
}
