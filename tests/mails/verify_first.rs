//! `REGISTRATION=verify_first`.

use super::*;

const MODE: (&str, &str) = ("REGISTRATION", "verify_first");
const LINK: &str = "Confirm your registration";
const EXISTS: &str = "You have an account already";

async fn register(server: &Server, email: &str) -> Response {
    let body = json!({"email": email, "password": PASSWORD, "name": "Ada"});
    server.post("/v1/users", "", &body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_opened_when_its_address_is_confirmed() {
    for (smtp, mut server, url, _folder) in with_smtp(&[MODE]).await {
        let config = server.get_json("/v1/config", "").await;
        assert_eq!(config["registration"], "verify_first");
        let answer = register(&server, EMAIL).await;
        assert_eq!(answer.status(), 202, "{url}");
        assert!(answer.bytes().await.unwrap().is_empty());
        let link = smtp.wait(EMAIL, LINK, 1).await.token();
        let events = "SELECT COUNT(*) FROM events";
        assert_eq!(count(&url, events).await, 0, "{url}: nothing is registered");
        assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status(), 401);
        server.kill();
        server.launch().await;
        let uses = (0..50).map(|_| open(&server, &link));
        let statuses = statuses(futures::future::join_all(uses).await).await;
        assert_eq!(statuses[0], 204, "{url}");
        // Those that came while it was used are told to come again, and then that it is of no use.
        let late = |status: &u16| matches!(status, 409 | 410);
        assert!(statuses[1..].iter().all(late), "{url}: {statuses:?}");
        assert_eq!(open(&server, &link).await.status(), 410, "{url}");
        let signed_in: Value = sign_in(&server, EMAIL, PASSWORD)
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(signed_in["user"]["email_verified"], true, "{url}");
        assert_eq!(signed_in["user"]["name"], "Ada");
        assert_eq!(
            count(&url, "SELECT COUNT(*) FROM pending_registrations").await,
            0
        );
        settled(&url).await;
        assert_eq!(smtp.messages().len(), 1, "{url}: no second confirmation");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_address_is_answered_alike_and_its_owner_is_told() {
    for (smtp, server, url, _folder) in with_smtp(&[MODE]).await {
        register(&server, EMAIL).await;
        let link = smtp.wait(EMAIL, LINK, 1).await.token();
        open(&server, &link).await;
        let shown = |answer: Response| async move {
            let mut names: Vec<String> = answer
                .headers()
                .keys()
                .map(|name| name.to_string())
                .collect();
            names.sort();
            (answer.status(), names, answer.bytes().await.unwrap())
        };
        let known = shown(register(&server, EMAIL).await).await;
        let unknown = shown(register(&server, OTHER).await).await;
        assert_eq!(known, unknown, "{url}");
        smtp.wait(EMAIL, EXISTS, 1).await;
        let first = smtp.wait(OTHER, LINK, 1).await.token();
        register(&server, OTHER).await;
        let second = smtp.wait(OTHER, LINK, 2).await.token();
        assert_eq!(open(&server, &first).await.status(), 204);
        let late = open(&server, &second).await;
        assert_eq!(
            outcome(late).await,
            refused(410, "token-expired-or-used"),
            "{url}"
        );
        for _ in 0..4 {
            register(&server, "flood@example.com").await;
        }
        settled(&url).await;
        assert_eq!(smtp.to("flood@example.com", LINK).len(), 3, "{url}");
        let weak = json!({"email": EMAIL, "password": "weak"});
        let weak = server.post("/v1/users", "", &weak).await;
        assert_eq!(outcome(weak).await, refused(422, "validation-failed"));
    }
}

/// A node that died while it registered gives the link back once its time is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_a_dead_node_had_taken_is_good_again() {
    for (smtp, server, url, _folder) in with_smtp(&[MODE]).await {
        register(&server, EMAIL).await;
        let link = smtp.wait(EMAIL, LINK, 1).await.token();
        write(
            &url,
            "UPDATE pending_registrations SET lease_until = 9000000000000000",
        )
        .await;
        let in_use = open(&server, &link).await;
        assert_eq!(in_use.headers()["retry-after"], "1", "{url}");
        assert_eq!(outcome(in_use).await, refused(409, "conflict"), "{url}");
        write(&url, "UPDATE pending_registrations SET lease_until = 1").await;
        assert_eq!(open(&server, &link).await.status(), 204, "{url}");
        register(&server, OTHER).await;
        let link = smtp.wait(OTHER, LINK, 1).await.token();
        write(&url, "UPDATE pending_registrations SET expires_at = 1").await;
        assert_eq!(open(&server, &link).await.status(), 410, "{url}: too old");
    }
}

/// The operator closes the doors while somebody has a link.
#[tokio::test(flavor = "multi_thread")]
async fn where_registration_was_closed_since_a_link_is_of_no_use() {
    for (smtp, server, url, _folder) in with_smtp(&[MODE]).await {
        register(&server, EMAIL).await;
        let link = smtp.wait(EMAIL, LINK, 1).await.token();
        let mail = smtp.url();
        let again = async |server, mode| {
            let settings = [FROM, ("SMTP_URL", &mail), ("REGISTRATION", mode)];
            restarted(server, &url, &settings).await
        };
        let server = again(server, "closed").await;
        let unknown = confirm(&server, &"0".repeat(64)).await;
        let of_no_use = refused(410, "token-expired-or-used");
        assert_eq!(outcome(unknown).await, of_no_use, "{url}");
        for password in [PASSWORD, NEW_PASSWORD] {
            let answer = open_with(&server, &link, password).await;
            assert_eq!(outcome(answer).await, of_no_use, "{url}");
        }
        let without = confirm(&server, &link).await;
        assert_eq!(outcome(without).await, of_no_use, "{url}");
        assert_eq!(count(&url, "SELECT COUNT(*) FROM events").await, 0, "{url}");
        // Whom they were closed for by mistake is let in after all.
        let server = again(server, "verify_first").await;
        assert_eq!(open(&server, &link).await.status(), 204, "{url}");
    }
}

/// 200 of each, in turns.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_address_takes_as_long_as_an_unknown_one() {
    for (smtp, server, url, _folder) in with_smtp(&[MODE]).await {
        register(&server, EMAIL).await;
        let link = smtp.wait(EMAIL, LINK, 1).await.token();
        open(&server, &link).await;
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for n in 0..210 {
            let stranger = format!("stranger-{n}@example.com");
            let mut turns = [(EMAIL, &mut known), (stranger.as_str(), &mut unknown)];
            // What one leaves to be done afterwards is not always the other one's burden.
            if n % 2 == 1 {
                turns.reverse();
            }
            for (email, times) in turns {
                let begun = Instant::now();
                assert_eq!(register(&server, email).await.status(), 202);
                if n >= 10 {
                    times.push(begun.elapsed());
                }
            }
        }
        assert_alike(&url, known, unknown);
    }
}

/// A stranger registers somebody's address with a password of theirs. The owner's click does not make it an account.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_confirms_a_password_that_is_not_theirs() {
    for (smtp, server, url, _folder) in with_smtp(&[MODE]).await {
        let theirs = json!({"email": EMAIL, "password": NEW_PASSWORD});
        server.post("/v1/users", "", &theirs).await;
        let link = smtp.wait(EMAIL, LINK, 1).await.token();
        let without = confirm(&server, &link).await;
        assert_eq!(outcome(without).await, refused(422, "validation-failed"));
        let wrong = open_with(&server, &link, PASSWORD).await;
        assert_eq!(outcome(wrong).await, refused(403, "wrong-password"));
        let users = "SELECT COUNT(*) FROM users";
        assert_eq!(count(&url, users).await, 0, "{url}");
        assert_eq!(
            sign_in(&server, EMAIL, NEW_PASSWORD).await.status(),
            401,
            "{url}"
        );
        // The owner's own registration is good, and then the other one is none any more.
        register(&server, EMAIL).await;
        let own = smtp.wait(EMAIL, LINK, 2).await.token();
        assert_eq!(open(&server, &own).await.status(), 204, "{url}");
        let late = open_with(&server, &link, NEW_PASSWORD).await;
        assert_eq!(outcome(late).await, refused(410, "token-expired-or-used"));
        let signed_in = sign_in(&server, EMAIL, PASSWORD).await;
        assert_eq!(signed_in.status(), 201, "{url}");
    }
}

/// Also when they come at once: six wrong ones end the link, and none opens an account.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_takes_few_wrong_passwords() {
    for (smtp, server, url, _folder) in with_smtp(&[MODE]).await {
        register(&server, EMAIL).await;
        let link = smtp.wait(EMAIL, LINK, 1).await.token();
        for _ in 0..5 {
            let wrong = open_with(&server, &link, NEW_PASSWORD).await;
            assert_eq!(outcome(wrong).await, refused(403, "wrong-password"));
        }
        let wrong = (0..10).map(|_| open_with(&server, &link, NEW_PASSWORD));
        let statuses = statuses(futures::future::join_all(wrong).await).await;
        let refused_for_good = |status: &u16| matches!(status, 409 | 410);
        assert!(statuses.iter().all(refused_for_good), "{url}: {statuses:?}");
        assert!(statuses.contains(&410), "{url}: {statuses:?}");
        let over = open(&server, &link).await;
        assert_eq!(outcome(over).await, refused(410, "token-expired-or-used"));
        let waiting = "SELECT COUNT(*) FROM pending_registrations";
        assert_eq!(count(&url, waiting).await, 0, "{url}");
        assert_eq!(count(&url, "SELECT COUNT(*) FROM events").await, 0, "{url}");
    }
}

/// Guesses whose clients hang up before they are answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_counts_though_its_client_hangs_up() {
    // Slow, so that the client is gone before the password was looked at.
    let slow = [MODE, ("ARGON2_PASSES", "40")];
    for (smtp, server, url, _folder) in with_smtp(&slow).await {
        register(&server, EMAIL).await;
        let link = smtp.wait(EMAIL, LINK, 1).await.token();
        let database = eventlog::Database::open(&url).await.unwrap();
        for n in 1..=6 {
            let charged = format!(
                "SELECT COUNT(*) FROM pending_registrations, mail_budgets WHERE lease_until > 1 \
                 AND budget_key LIKE 'register-wrong/%' AND used = {n}"
            );
            tokio::select! {
                answer = open_with(&server, &link, NEW_PASSWORD) => {
                    panic!("{url}: answered {} before it was charged", answer.status())
                }
                () = support::engines::until_it_counts(&database, &charged, 1) => {}
            }
            write(&url, "UPDATE pending_registrations SET lease_until = 1").await;
        }
        database.close().await;
        let right = open(&server, &link).await;
        let over = refused(410, "token-expired-or-used");
        assert_eq!(outcome(right).await, over, "{url}");
        assert_eq!(count(&url, "SELECT COUNT(*) FROM events").await, 0, "{url}");
    }
}

/// The right password costs no guess.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_charged_for_the_right_password_is_given_back() {
    for (smtp, server, url, _folder) in with_smtp(&[MODE]).await {
        register(&server, EMAIL).await;
        let link = smtp.wait(EMAIL, LINK, 1).await.token();
        open_with(&server, &link, NEW_PASSWORD).await;
        assert_eq!(open(&server, &link).await.status(), 204, "{url}");
        let used = "SELECT used FROM mail_budgets WHERE budget_key LIKE 'register-wrong/%'";
        assert_eq!(count(&url, used).await, 1, "{url}");
    }
}

/// Whoever is signed in may ask for any address. That keeps nobody from registering who proves that it is theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_waits_holds_nobodys_address() {
    for (smtp, server, url, _folder) in with_smtp(&[MODE]).await {
        let attacker = attacker(&smtp, &server).await;
        assert_eq!(change_email(&server, &attacker, EMAIL).await.status(), 202);
        let theirs = smtp.wait(EMAIL, CONFIRM_CHANGE, 1).await.token();
        settled(&url).await;
        register(&server, EMAIL).await;
        let link = smtp.wait(EMAIL, LINK, 1).await.token();
        assert_eq!(open(&server, &link).await.status(), 204, "{url}");
        assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status(), 201);
        let late = confirm(&server, &theirs).await;
        let gone = refused(410, "token-expired-or-used");
        assert_eq!(outcome(late).await, gone, "{url}");
        let me = server.get_json("/v1/me", &attacker).await;
        assert_eq!(me["email"], OTHER, "{url}");
        settled(&url).await;
        let claims = "SELECT COUNT(*) FROM email_claims";
        assert_eq!(count(&url, claims).await, 2, "{url}");
        until_count(&url, &format!("{claims} WHERE state = 'confirmed'"), 2).await;
    }
}

/// The owner clicks both links at once, and has one account with the address.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_change_and_a_registration_at_once_one_has_the_address() {
    for (smtp, server, url, _folder) in with_smtp(&[MODE]).await {
        let attacker = attacker(&smtp, &server).await;
        change_email(&server, &attacker, EMAIL).await;
        let change = smtp.wait(EMAIL, CONFIRM_CHANGE, 1).await.token();
        register(&server, EMAIL).await;
        let registration = smtp.wait(EMAIL, LINK, 1).await.token();
        let answers = tokio::join!(confirm(&server, &change), open(&server, &registration));
        let statuses = statuses(vec![answers.0, answers.1]).await;
        assert_eq!(statuses, [204, 410], "{url}");
        settled(&url).await;
        let have = "SELECT COUNT(*) FROM users u JOIN email_claims c ON u.email_claim_id = c.claim_id \
                    AND u.user_id = c.user_id";
        let users = count(&url, "SELECT COUNT(*) FROM users").await;
        assert_eq!(count(&url, have).await, users, "{url}");
        assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status(), 201);
    }
}

/// Somebody else who is signed in.
async fn attacker(smtp: &Smtp, server: &Server) -> String {
    register(server, OTHER).await;
    let link = smtp.wait(OTHER, LINK, 1).await.token();
    assert_eq!(open(server, &link).await.status(), 204);
    let answer = sign_in(server, OTHER, PASSWORD).await;
    access_token(&answer.json().await.unwrap())
}
