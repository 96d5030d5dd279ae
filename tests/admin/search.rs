//! Finding accounts.

use super::*;

async fn found(server: &Server, admin: &str, query: &str) -> Vec<String> {
    let answer = server.get(&format!("/v1/admin/users{query}"), admin).await;
    assert_eq!(answer.status(), 200, "{query}");
    let page: Value = answer.json().await.unwrap();
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|user| user["email"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_found_by_address_identifier_role_and_state() {
    for (server, _url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let ada = server.register("ada@example.com").await;
        server.register("bob@example.com").await;
        server.auditor("eve@example.com").await;
        let all = [
            "eve@example.com",
            "bob@example.com",
            "ada@example.com",
            ADMIN,
        ];
        assert_eq!(found(&server, &admin, "").await, all);
        assert_eq!(found(&server, &admin, "?query=").await, all);
        assert_eq!(
            found(&server, &admin, "?query=Bob%40EXAMPLE.com").await,
            [all[1]]
        );
        assert_eq!(
            found(&server, &admin, "?query=nobody%40example.com").await,
            [""; 0]
        );
        let id = ada["id"].as_str().unwrap();
        assert_eq!(
            found(&server, &admin, &format!("?query={id}")).await,
            [all[2]]
        );
        let many = found(&server, &admin, &format!("?query={}", &id[..8])).await;
        assert!(many.contains(&all[2].to_owned()), "{many:?}");
        assert_eq!(found(&server, &admin, "?query=ffffffff").await, [""; 0]);
        assert_eq!(found(&server, &admin, "?role=auditor").await, [all[0]]);
        assert_eq!(found(&server, &admin, "?role=admin").await, [ADMIN]);
        assert_eq!(found(&server, &admin, "?state=disabled").await, [""; 0]);
        assert_eq!(act(&server, &admin, &ada, "/disable").await.status(), 200);
        assert_eq!(found(&server, &admin, "?state=disabled").await, [all[2]]);
        assert_eq!(
            found(&server, &admin, "?state=active").await,
            [all[0], all[1], all[3]]
        );
        let both = "?state=disabled&query=bob%40example.com";
        assert_eq!(found(&server, &admin, both).await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_every_account_once() {
    for (server, _url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        for n in 0..6 {
            server.register(&format!("user-{n}@example.com")).await;
        }
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/admin/users?limit=3{cursor}");
            let page = server.get_json(&path, &admin).await;
            let items = page["items"].as_array().unwrap();
            seen.extend(
                items
                    .iter()
                    .map(|user| user["id"].as_str().unwrap().to_owned()),
            );
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen.len(), 7);
        assert!(
            seen.is_sorted_by(|one, two| one > two),
            "newest first, each once"
        );
    }
}

#[tokio::test]
async fn a_search_that_cannot_be_meant_is_refused() {
    let server = Server::start().await;
    let admin = server.admin(ADMIN).await;
    for query in [
        "query=ada",
        "query=0197abc",
        "query=%25",
        "query=%00",
        "query=a%40",
        "role=king",
        "state=erased",
        "limit=0",
        "limit=201",
        "cursor=x",
        "other=1",
    ] {
        let answer = server
            .get(&format!("/v1/admin/users?{query}"), &admin)
            .await;
        assert_eq!(
            outcome(answer).await,
            refused(400, "malformed-request"),
            "{query}"
        );
    }
}
