//! Administrators erase others, and leave themselves only when another one is there.

use super::*;

async fn id(server: &Server, token: &str) -> String {
    let me = server.get_json("/v1/me", token).await;
    me["id"].as_str().unwrap().to_owned()
}

async fn erase(server: &Server, admin: &str, user: &str) -> Response {
    let path = format!("/v1/admin/users/{user}/erase");
    server.post(&path, admin, &json!({})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_erases_an_account_at_once() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin("root@example.com").await;
        let token = server.token(EMAIL).await;
        let user = id(&server, &token).await;
        let refusal = erase(&server, &token, &user).await;
        assert_eq!(outcome(refusal).await, refused(403, "forbidden"), "{url}");
        let answer = erase(&server, &admin, &user).await;
        assert_eq!(answer.status(), 202, "{url}");
        // Strictly: the answer is there, and no token is accepted.
        assert_eq!(
            server.get("/v1/verify", &token).await.status(),
            401,
            "{url}"
        );
        erased(&server, &url, 1).await;
        let again = erase(&server, &admin, &user).await;
        assert_eq!(again.status(), 202, "{url}: nothing is written");
        assert_eq!(events(&url, "UserErasureStarted").await, 1, "{url}");
        let path = format!("/v1/admin/users/{user}");
        let gone = server.get(&path, &admin).await;
        assert_eq!(outcome(gone).await, refused(404, "not-found"), "{url}");
        let actor = rows(
            &url,
            "SELECT CAST(metadata AS TEXT) FROM events WHERE event_type = 'UserErasureStarted'",
        )
        .await;
        let who = id(&server, &admin).await;
        assert!(actor[0].text(0).unwrap().contains(&who), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_is_neither_erased_nor_leaves() {
    for (server, url, _folder) in servers(&[AT_ONCE]).await {
        let admin = server.admin("root@example.com").await;
        let user = id(&server, &admin).await;
        let refusal = erase(&server, &admin, &user).await;
        assert_eq!(outcome(refusal).await, refused(409, "last-admin"), "{url}");
        let refusal = leave(&server, &admin).await;
        assert_eq!(outcome(refusal).await, refused(409, "last-admin"), "{url}");
        let other = server.admin("other@example.com").await;
        assert_eq!(leave(&server, &admin).await.status(), 202, "{url}");
        erased(&server, &url, 1).await;
        let refusal = leave(&server, &other).await;
        assert_eq!(outcome(refusal).await, refused(409, "last-admin"), "{url}");
        let me = server.get_json("/v1/me", &other).await;
        assert_eq!(me["roles"], json!(["admin"]), "{url}");
    }
}

/// Two who go at the same moment: one stays.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_administrators_who_erase_each_other_one_stays() {
    for (server, url, _folder) in servers(&[]).await {
        let mut here = server.admin("root0@example.com").await;
        for round in 1..=10 {
            let there = server.admin(&format!("root{round}@example.com")).await;
            let (here_id, there_id) = (id(&server, &here).await, id(&server, &there).await);
            let (one, two) = futures::future::join(
                erase(&server, &here, &there_id),
                erase(&server, &there, &here_id),
            )
            .await;
            let accepted = [one.status(), two.status()].map(|status| status == 202);
            assert_ne!(accepted, [true, true], "{url}: round {round}");
            assert_ne!(accepted, [false, false], "{url}: round {round}");
            if accepted[1] {
                here = there;
            }
            erased(&server, &url, round).await;
        }
    }
}
