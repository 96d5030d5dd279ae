//! Changing a password, also by several at once.

use super::*;

/// More at once than one network may otherwise have under way for one account.
const MANY_AT_ONCE: (&str, &str) = ("SIGN_IN_FREE_PER_DEVICE", "1000");

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_counts_at_once_and_ends_every_other_session() {
    for (server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        let mine = access_token(&server.sign_in(EMAIL).await);
        let other = access_token(&server.sign_in(EMAIL).await);
        let answer = change(&server, &mine, &from_to(PASSWORD, NEW)).await;
        assert_eq!(answer.status(), 204, "{url}");
        let position: u64 = answer.headers()["gatelog-position"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        // The policy may be quicker at ending the other session, so the last event of this call is one of two.
        let changed = "SELECT position FROM events WHERE event_type = 'PasswordChanged'";
        assert!(position as i64 >= count(&url, changed).await, "{url}");
        assert_eq!(
            server.get("/v1/verify", &other).await.status(),
            401,
            "{url}"
        );
        assert_eq!(server.get("/v1/verify", &mine).await.status(), 204, "{url}");
        assert_eq!(sign_in(&server, PASSWORD).await, 401);
        assert_eq!(sign_in(&server, NEW).await, 201);
        let ended = server.get_json("/v1/sessions?state=ended", &mine).await;
        assert_eq!(ended["items"][0]["end_reason"], "password_changed");
        assert_eq!(
            count(&url, "SELECT COUNT(*) FROM vault_passwords").await,
            1,
            "the former hash is gone"
        );
        let payloads = rows(
            &url,
            "SELECT CAST(payload AS TEXT) FROM events WHERE event_type = 'PasswordChanged'",
        )
        .await;
        assert_eq!(payloads.len(), 1, "{url}");
        let payload = payloads[0].text(0).unwrap();
        assert!(
            !payload.contains("argon2") && !payload.contains(NEW),
            "{payload}"
        );
        assert!(!server.log().contains(NEW) && !server.log().contains(PASSWORD));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_sessions_stay_when_the_person_says_so() {
    let server = Server::start().await;
    server.register(EMAIL).await;
    let mine = access_token(&server.sign_in(EMAIL).await);
    let other = access_token(&server.sign_in(EMAIL).await);
    let mut body = from_to(PASSWORD, NEW);
    body["revoke_other_sessions"] = json!(false);
    assert_eq!(change(&server, &mine, &body).await.status(), 204);
    assert_eq!(server.get("/v1/verify", &other).await.status(), 204);
    assert_eq!(sign_in(&server, NEW).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_changes_without_the_current_password_or_by_a_bad_new_one() {
    for (server, url, _folder) in servers(&[]).await {
        let body = json!({"email": EMAIL, "password": PASSWORD, "name": "Ada Lovelace"});
        server.post("/v1/users", "", &body).await;
        let token = access_token(&server.sign_in(EMAIL).await);
        let before = count(
            &url,
            "SELECT COUNT(*) FROM events WHERE aggregate_type = 'user'",
        )
        .await;
        let wrong = change(&server, &token, &from_to("Wrong-guess-9", NEW)).await;
        assert_eq!(wrong.status(), 403);
        let problem: Value = wrong.json().await.unwrap();
        assert_eq!(problem["type"], "/problems/wrong-password");
        let bad = change(&server, &token, &from_to(PASSWORD, "Ada Lovelace")).await;
        let expected = ["no_digit", "contains_identity"];
        let told: Vec<String> = codes(bad)
            .await
            .into_iter()
            .map(|(field, code)| {
                assert_eq!(field, "new_password");
                code
            })
            .filter(|code| code != "too_common" && code != "no_symbol")
            .collect();
        assert_eq!(told, expected, "{url}");
        assert_eq!(
            change(&server, "0", &from_to(PASSWORD, NEW)).await.status(),
            401
        );
        let unknown = change(&server, &token, &json!({"new_password": NEW})).await;
        assert_eq!(
            codes(unknown).await,
            [("current_password".to_owned(), "missing".to_owned())]
        );
        assert_eq!(
            count(
                &url,
                "SELECT COUNT(*) FROM events WHERE aggregate_type = 'user'"
            )
            .await,
            before,
            "{url}"
        );
        assert_eq!(count(&url, "SELECT COUNT(*) FROM vault_passwords").await, 1);
        assert_eq!(sign_in(&server, PASSWORD).await, 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_that_prove_the_same_password_exactly_one_is_taken() {
    for (server, url, _folder) in servers(&[MANY_AT_ONCE]).await {
        server.register(EMAIL).await;
        let token = access_token(&server.sign_in(EMAIL).await);
        let news: Vec<String> = (0..20).map(|n| format!("Battery-staple-{n}x")).collect();
        let racing = news.iter().map(|new| {
            let body = from_to(PASSWORD, new);
            let (server, token) = (&server, &token);
            async move { change(server, token, &body).await.status().as_u16() }
        });
        let statuses = futures::future::join_all(racing).await;
        let won: Vec<usize> = (0..20).filter(|n| statuses[*n] == 204).collect();
        assert_eq!(won.len(), 1, "{url}: {statuses:?}");
        assert!(
            statuses.iter().all(|status| matches!(status, 204 | 403)),
            "{url}: {statuses:?}"
        );
        let changed = "SELECT COUNT(*) FROM events WHERE event_type = 'PasswordChanged'";
        assert_eq!(count(&url, changed).await, 1, "{url}");
        assert_eq!(
            count(&url, "SELECT COUNT(*) FROM vault_passwords").await,
            1,
            "{url}: the losers' hashes are gone"
        );
        for (n, new) in news.iter().enumerate() {
            let expected = if won == [n] { 201 } else { 401 };
            assert_eq!(sign_in(&server, new).await, expected, "{url}: {n}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_that_race_with_a_change_leave_no_session_that_the_old_password_opened() {
    for (server, url, _folder) in servers(&[("PASSWORD_HASH_THREADS", "4"), MANY_AT_ONCE]).await {
        server.register(EMAIL).await;
        let mine = server.sign_in(EMAIL).await;
        let token = access_token(&mine);
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let sign_ins =
            futures::future::join_all((0..16).map(|_| server.post("/v1/sessions", "", &body)));
        let changing = from_to(PASSWORD, NEW);
        let (answers, changed) = tokio::join!(sign_ins, change(&server, &token, &changing));
        assert_eq!(changed.status(), 204, "{url}");
        for answer in answers {
            assert!(
                matches!(answer.status().as_u16(), 201 | 401),
                "{url}: {}",
                answer.status()
            );
            if answer.status() == 201 {
                let opened: Value = answer.json().await.unwrap();
                assert_eq!(
                    server
                        .get("/v1/verify", &access_token(&opened))
                        .await
                        .status(),
                    401,
                    "{url}"
                );
            }
        }
        let live = server.get_json("/v1/sessions", &token).await;
        assert_eq!(live["items"].as_array().unwrap().len(), 1, "{url}: {live}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_change_with_the_same_key_answers_the_same_and_changes_nothing_again() {
    for (server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        let token = access_token(&server.sign_in(EMAIL).await);
        let send = |body: Value| {
            let request = server.request(Method::PUT, "/v1/me/password");
            request
                .bearer_auth(&token)
                .header("idempotency-key", "k")
                .json(&body)
                .send()
        };
        let first = send(from_to(PASSWORD, NEW)).await.unwrap();
        let again = send(from_to(PASSWORD, NEW)).await.unwrap();
        assert_eq!(
            (first.status().as_u16(), again.status().as_u16()),
            (204, 204),
            "{url}"
        );
        assert_eq!(
            first.headers()["gatelog-position"],
            again.headers()["gatelog-position"]
        );
        assert_eq!(again.headers()["idempotency-replayed"], "true");
        let other = send(from_to(NEW, "Another-staple-9")).await.unwrap();
        assert_eq!(other.status(), 422);
        assert_eq!(sign_in(&server, NEW).await, 201, "{url}");
    }
}
