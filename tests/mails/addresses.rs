//! Confirming and changing an address.

use super::*;

async fn claims(url: &str) -> Vec<(String, i64)> {
    let sql = "SELECT state, COUNT(*) FROM email_claims GROUP BY state ORDER BY state";
    let rows = rows(url, sql).await;
    rows.iter()
        .map(|row| (row.text(0).unwrap(), row.int(1).unwrap()))
        .collect()
}

async fn until_claims(url: &str, wanted: &[(&str, i64)]) {
    let wanted: Vec<(String, i64)> = wanted.iter().map(|(s, n)| ((*s).to_owned(), *n)).collect();
    let deadline = Instant::now() + PATIENCE;
    while claims(url).await != wanted {
        assert!(
            Instant::now() < deadline,
            "{url}: {:?} is not {wanted:?}",
            claims(url).await
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn gone() -> (u16, String) {
    refused(410, "token-expired-or-used")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_confirmations_one_succeeds() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let token = server.token(EMAIL).await;
        let link = smtp.wait(EMAIL, CONFIRM, 1).await.token();
        let uses = (0..50).map(|_| confirm(&server, &link));
        let statuses = statuses(futures::future::join_all(uses).await).await;
        assert_eq!(statuses[0], 204, "{url}");
        assert!(
            statuses[1..].iter().all(|status| *status == 410),
            "{url}: {statuses:?}"
        );
        assert_eq!(
            server.get_json("/v1/me", &token).await["email_verified"],
            true
        );
        let events = "SELECT COUNT(*) FROM events WHERE event_type = 'EmailVerified'";
        assert_eq!(count(&url, events).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_changes_once_its_owner_confirms_and_the_old_one_is_free_again() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let token = server.token(EMAIL).await;
        let device = server.sign_in(EMAIL).await["device_token"].take();
        let device = device.as_str().unwrap();
        assert_eq!(change_email(&server, &token, NEW).await.status(), 202);
        smtp.wait(EMAIL, "A new address was asked for", 1).await;
        let link = smtp.wait(NEW, CONFIRM_CHANGE, 1).await.token();
        assert_eq!(
            server.get_json("/v1/me", &token).await["email"],
            EMAIL,
            "not yet"
        );
        assert_eq!(sign_in(&server, NEW, PASSWORD).await.status(), 401, "{url}");
        let uses = (0..50).map(|_| confirm(&server, &link));
        let statuses = statuses(futures::future::join_all(uses).await).await;
        assert_eq!(statuses[0], 204, "{url}");
        assert!(
            statuses[1..].iter().all(|status| *status == 410),
            "{url}: {statuses:?}"
        );
        let me = server.get_json("/v1/me", &token).await;
        assert_eq!(
            (&me["email"], &me["email_verified"]),
            (&json!(NEW), &json!(true))
        );
        assert_eq!(sign_in(&server, NEW, PASSWORD).await.status(), 201);
        until_claims(&url, &[("confirmed", 1)]).await;
        settled(&url).await;
        // A device goes on being the account's under its new address: strangers are not in its way.
        attack(&server, &url, NEW).await;
        let known = sign_in_on(&server, NEW, PASSWORD, device).await;
        assert_eq!(known.status(), 201, "{url}");
        assert_eq!(
            sign_in(&server, EMAIL, PASSWORD).await.status(),
            401,
            "{url}"
        );
        server.register(EMAIL).await;
        // Nor is it one of whoever has the old one next.
        attack(&server, &url, EMAIL).await;
        let foreign = sign_in_on(&server, EMAIL, PASSWORD, device).await;
        assert_eq!(foreign.status(), 429, "{url}");
        // And the first account may not have it back, while another has it.
        assert_eq!(change_email(&server, &token, EMAIL).await.status(), 202);
        smtp.wait(EMAIL, "Somebody tried to use your address", 1)
            .await;
        settled(&url).await;
        assert!(smtp.to(EMAIL, CONFIRM_CHANGE).is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_taken_back_or_replaced_and_its_link_dies() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let token = server.token(EMAIL).await;
        assert_eq!(
            server.delete("/v1/me/email", &token).await.status(),
            204,
            "nothing waits"
        );
        change_email(&server, &token, NEW).await;
        let first = smtp.wait(NEW, CONFIRM_CHANGE, 1).await.token();
        assert_eq!(server.delete("/v1/me/email", &token).await.status(), 204);
        assert_eq!(
            outcome(confirm(&server, &first).await).await,
            gone(),
            "{url}"
        );
        until_claims(&url, &[("confirmed", 1)]).await;
        // The same address again: the first link stays dead.
        change_email(&server, &token, NEW).await;
        let second = smtp.wait(NEW, CONFIRM_CHANGE, 2).await.token();
        assert_eq!(
            outcome(confirm(&server, &first).await).await,
            gone(),
            "{url}"
        );
        change_email(&server, &token, "third@example.org").await;
        let third = smtp
            .wait("third@example.org", CONFIRM_CHANGE, 1)
            .await
            .token();
        assert_eq!(
            outcome(confirm(&server, &second).await).await,
            gone(),
            "{url}"
        );
        assert_eq!(confirm(&server, &third).await.status(), 204, "{url}");
        until_claims(&url, &[("confirmed", 1)]).await;
        // Back again.
        change_email(&server, &token, EMAIL).await;
        let back = smtp.wait(EMAIL, CONFIRM_CHANGE, 1).await.token();
        assert_eq!(confirm(&server, &back).await.status(), 204, "{url}");
        until_claims(&url, &[("confirmed", 1)]).await;
        assert_eq!(server.get_json("/v1/me", &token).await["email"], EMAIL);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_want_one_address_one_gets_it() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let (ada, bob) = (server.token(EMAIL).await, server.token(OTHER).await);
        let (one, two) = tokio::join!(
            change_email(&server, &ada, NEW),
            change_email(&server, &bob, NEW)
        );
        assert_eq!(
            (one.status().as_u16(), two.status().as_u16()),
            (202, 202),
            "{url}"
        );
        let link = smtp.wait(NEW, CONFIRM_CHANGE, 1).await.token();
        settled(&url).await;
        assert_eq!(
            smtp.to(NEW, CONFIRM_CHANGE).len(),
            1,
            "{url}: who was second learns nothing"
        );
        assert_eq!(confirm(&server, &link).await.status(), 204);
        let have =
            futures::future::join_all([&ada, &bob].map(|token| server.get_json("/v1/me", token)))
                .await;
        let have = have.iter().filter(|me| me["email"] == NEW).count();
        assert_eq!(have, 1, "{url}");
        until_claims(&url, &[("confirmed", 2)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_address_is_answered_alike_and_its_owner_is_told() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let token = server.token(EMAIL).await;
        server.register(OTHER).await;
        let taken = change_email(&server, &token, OTHER).await;
        // A request that another one has replaced by the time it is looked at tells nobody.
        settled(&url).await;
        let free = change_email(&server, &token, NEW).await;
        assert_eq!(
            (taken.status(), free.status()),
            (free.status(), taken.status())
        );
        assert_eq!(
            taken.bytes().await.unwrap(),
            free.bytes().await.unwrap(),
            "{url}"
        );
        settled(&url).await;
        assert!(smtp.to(OTHER, CONFIRM_CHANGE).is_empty());
        let link = smtp.wait(EMAIL, CONFIRM, 1).await.token();
        assert_eq!(confirm(&server, &link).await.status(), 204);
        let own = change_email(&server, &token, "ADA@example.com").await;
        assert_eq!(outcome(own).await, refused(422, "validation-failed"));
        let wrong = json!({"email": NEW, "password": "Wrong-horse-1"});
        let wrong = server.post("/v1/me/email", &token, &wrong).await;
        assert_eq!(outcome(wrong).await, refused(403, "wrong-password"));
        for _ in 0..2 {
            change_email(&server, &token, NEW).await;
        }
        let many = change_email(&server, &token, NEW).await;
        assert_eq!(
            outcome(many).await,
            refused(429, "too-many-attempts"),
            "{url}"
        );
        assert_eq!(
            smtp.to(OTHER, "Somebody tried to use your address").len(),
            1,
            "{url}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_nobody_confirms_is_given_up() {
    for (smtp, mut server, url, _folder) in with_smtp(&[]).await {
        let token = server.token(EMAIL).await;
        change_email(&server, &token, NEW).await;
        let link = smtp.wait(NEW, CONFIRM_CHANGE, 1).await.token();
        settled(&url).await;
        server.kill();
        write(&url, "UPDATE users SET pending_email_at = 1").await;
        server.launch().await;
        until_claims(&url, &[("confirmed", 1)]).await;
        assert_eq!(
            outcome(confirm(&server, &link).await).await,
            gone(),
            "{url}"
        );
        server.register(NEW).await;
    }
}

/// Whoever had the password asked for another address: that ends when the owner resets the password.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_a_change_that_waits() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let token = server.token(EMAIL).await;
        change_email(&server, &token, NEW).await;
        let link = smtp.wait(NEW, CONFIRM_CHANGE, 1).await.token();
        ask_reset(&server, EMAIL).await;
        let owner = smtp.wait(EMAIL, RESET, 1).await.token();
        assert_eq!(reset(&server, &owner, NEW_PASSWORD).await.status(), 204);
        assert_eq!(
            outcome(confirm(&server, &link).await).await,
            gone(),
            "{url}"
        );
        until_claims(&url, &[("confirmed", 1)]).await;
    }
}

/// The first link is good for a day, and mails get lost.
#[tokio::test(flavor = "multi_thread")]
async fn an_unconfirmed_address_gets_another_link_a_few_times() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let token = server.token(EMAIL).await;
        smtp.wait(EMAIL, CONFIRM, 1).await;
        write(&url, "UPDATE mail_tokens SET expires_at = 1").await;
        for n in 2..=4 {
            let asked = change_email(&server, &token, EMAIL).await;
            assert_eq!(asked.status(), 202, "{url}");
            smtp.wait(EMAIL, CONFIRM, n).await;
        }
        let many = change_email(&server, &token, EMAIL).await;
        assert_eq!(outcome(many).await, refused(429, "too-many-attempts"));
        let wrong = json!({"email": EMAIL, "password": "Wrong-horse-1"});
        let wrong = server.post("/v1/me/email", &token, &wrong).await;
        assert_eq!(outcome(wrong).await, refused(403, "wrong-password"));
        settled(&url).await;
        let links: Vec<String> = smtp.to(EMAIL, CONFIRM).iter().map(Message::token).collect();
        assert_eq!(links.len(), 4, "{url}");
        assert_eq!(outcome(confirm(&server, &links[0]).await).await, gone());
        assert_eq!(confirm(&server, &links[3]).await.status(), 204, "{url}");
        assert_eq!(outcome(confirm(&server, &links[2]).await).await, gone());
        let own = change_email(&server, &token, EMAIL).await;
        assert_eq!(outcome(own).await, refused(422, "validation-failed"));
    }
}

/// The link of a reset went to the address, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_by_mail_verifies_the_address() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        server.register(EMAIL).await;
        let link = smtp.wait(EMAIL, CONFIRM, 1).await.token();
        ask_reset(&server, EMAIL).await;
        let owner = smtp.wait(EMAIL, RESET, 1).await.token();
        assert_eq!(reset(&server, &owner, NEW_PASSWORD).await.status(), 204);
        let signed_in = sign_in(&server, EMAIL, NEW_PASSWORD).await;
        let signed_in: Value = signed_in.json().await.unwrap();
        assert_eq!(signed_in["user"]["email_verified"], true, "{url}");
        assert_eq!(outcome(confirm(&server, &link).await).await, gone());
    }
}
