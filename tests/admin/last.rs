//! The last administrator cannot be removed, however it is tried.

use super::*;

const ROUNDS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_keeps_the_role_and_is_not_disabled() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let root = me(&server, &admin).await;
        let last = refused(409, "last-admin");
        for roles in [&[][..], &["auditor"]] {
            let answer = set_roles(&server, &admin, &root, roles).await;
            assert_eq!(outcome(answer).await, last);
        }
        assert_eq!(
            outcome(act(&server, &admin, &root, "/disable").await).await,
            last
        );
        assert_eq!(events(&url, "AdministratorRemoved").await, 0);
        let second = server.admin("second@example.com").await;
        let other = me(&server, &second).await;
        assert_eq!(act(&server, &admin, &other, "/disable").await.status(), 200);
        // Whoever is disabled does not count.
        assert_eq!(
            outcome(set_roles(&server, &admin, &root, &[]).await).await,
            last
        );
        assert_eq!(act(&server, &admin, &other, "/enable").await.status(), 200);
        assert_eq!(
            set_roles(&server, &admin, &root, &["auditor"])
                .await
                .status(),
            200
        );
        assert_eq!(server.get("/v1/admin/users", &admin).await.status(), 403);
        let second = access_token(&server.sign_in("second@example.com").await);
        assert_eq!(
            outcome(act(&server, &second, &other, "/disable").await).await,
            last
        );
        assert_eq!(
            set_roles(&server, &second, &root, &["admin"])
                .await
                .status(),
            200
        );
        assert_eq!(
            act(&server, &second, &other, "/disable").await.status(),
            200
        );
    }
}

/// The roles of those who can administer.
async fn administrators(url: &str) -> i64 {
    let sql =
        "SELECT COUNT(*) FROM users WHERE disabled = 0 AND ',' || roles || ',' LIKE '%,admin,%'";
    count(url, sql).await
}

async fn two_admins(server: &Server) -> [(String, Value); 2] {
    let one = server.admin("one@example.com").await;
    let two = server.admin("two@example.com").await;
    let (ada, bob) = (me(server, &one).await, me(server, &two).await);
    [(one, ada), (two, bob)]
}

/// Gives the one who lost the race back what they lost; both keep their tokens, or get new ones.
async fn restore(server: &Server, admins: &mut [(String, Value); 2]) {
    for (token, _) in admins.iter_mut() {
        if verify(server, token).await == 401 {
            *token = String::new();
        }
    }
    let mut winner = String::new();
    for (token, _) in admins.iter() {
        if !token.is_empty() && server.get("/v1/admin/users", token).await.status() == 200 {
            winner = token.clone();
        }
    }
    for ((token, user), email) in admins
        .iter_mut()
        .zip(["one@example.com", "two@example.com"])
    {
        assert_eq!(act(server, &winner, user, "/enable").await.status(), 200);
        assert_eq!(
            set_roles(server, &winner, user, &["admin"]).await.status(),
            200
        );
        if token.is_empty() {
            *token = access_token(&server.sign_in(email).await);
        }
    }
}

/// Two administrators remove each other at the same moment, by the role or by disabling, through these servers.
async fn race(servers: [&Server; 2], url: &str) {
    let mut admins = two_admins(servers[0]).await;
    let mut refusals = 0;
    for round in 0..ROUNDS {
        let [(one, ada), (two, bob)] = &admins;
        let remove = |server, admin, user, by_role: bool| async move {
            if by_role {
                set_roles(server, admin, user, &[]).await
            } else {
                act(server, admin, user, "/disable").await
            }
        };
        let (first, second) = tokio::join!(
            remove(servers[0], one, bob, round % 2 == 0),
            remove(servers[1], two, ada, round % 3 == 0),
        );
        let (first, second) = (outcome(first).await, outcome(second).await);
        let won = [&first, &second]
            .iter()
            .filter(|seen| seen.0 == 200)
            .count();
        // Who comes too late is no administrator any more, or has no session.
        let late = [
            (409, "last-admin"),
            (403, "forbidden"),
            (401, "invalid-token"),
        ];
        let is_late = |seen: &(u16, String)| late.contains(&(seen.0, seen.1.as_str()));
        assert!(
            won == 1 && (is_late(&first) || is_late(&second)),
            "{first:?} {second:?}"
        );
        refusals += usize::from(first.0 == 409 || second.0 == 409);
        assert_eq!(administrators(url).await, 1, "round {round}");
        restore(servers[0], &mut admins).await;
        assert_eq!(administrators(url).await, 2);
    }
    assert!(refusals > 0, "no two met");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_administrators_who_remove_each_other_one_stays() {
    for (server, url, _folder) in servers(&[]).await {
        race([&server, &server], &url).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_administrators_who_remove_each_other_on_two_nodes_one_stays() {
    let (here, there, url) = crate::strict::nodes().await;
    race([&here, &there], &url).await;
}

/// Many contradicting changes at once: whatever comes of them, those who count can administer, and somebody counts.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_comes_at_once_the_count_stays_true() {
    for (server, url, _folder) in servers(&[]).await {
        let root = server.admin(ADMIN).await;
        let ada = server.register("ada@example.com").await;
        for _ in 0..10 {
            let (server, root, ada) = (&server, &root, &ada);
            let all = (0..8).map(|n| async move {
                match n % 4 {
                    0 => set_roles(server, root, ada, &["admin"]).await,
                    1 => set_roles(server, root, ada, &["auditor"]).await,
                    2 => act(server, root, ada, "/disable").await,
                    _ => act(server, root, ada, "/enable").await,
                }
            });
            for answer in futures::future::join_all(all).await {
                let status = answer.status().as_u16();
                assert!(status == 200 || status == 409, "{status}");
            }
            let user = server.get_json(&path(ada, ""), root).await;
            let roles = user["roles"].as_array().unwrap();
            let administers = user["state"] == "active" && roles.contains(&json!("admin"));
            let seated = crate::half_done::seated(&url).await;
            let id = ada["id"].as_str().unwrap().to_owned();
            assert!(!seated.contains(&id) || administers, "{user}");
            let root_id = me(server, root).await["id"].as_str().unwrap().to_owned();
            assert!(seated.contains(&root_id));
        }
    }
}
