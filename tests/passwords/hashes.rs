//! Hashes of another cost or pepper.

use super::*;

pub async fn peppers(url: &str) -> Vec<Option<String>> {
    let rows = rows(
        url,
        "SELECT pepper_id FROM vault_passwords ORDER BY user_id",
    )
    .await;
    rows.iter().map(|row| row.opt_text(0).unwrap()).collect()
}

async fn sealed(url: &str) -> Vec<u8> {
    rows(url, "SELECT sealed_phc FROM vault_passwords").await[0]
        .bytes(0)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_other_cost_is_made_anew_at_the_next_sign_in_and_only_then() {
    for (server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        let first = sealed(&url).await;
        assert_eq!(sign_in(&server, PASSWORD).await, 201);
        assert_eq!(sealed(&url).await, first, "{url}: nothing to upgrade");
        let dearer = [("ARGON2_MEMORY_KIB", "12288"), ("ARGON2_PASSES", "3")];
        let server = restarted(server, &url, &dearer).await;
        assert_eq!(sign_in(&server, "Wrong-guess-9").await, 401);
        assert_eq!(
            sealed(&url).await,
            first,
            "{url}: a wrong password upgrades nothing"
        );
        assert_eq!(sign_in(&server, PASSWORD).await, 201);
        let second = sealed(&url).await;
        assert_ne!(second, first, "{url}");
        assert_eq!(sign_in(&server, PASSWORD).await, 201);
        assert_eq!(sealed(&url).await, second, "{url}: once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_pepper_is_good_while_it_is_configured_and_replaced_at_sign_in() {
    let (one, two) = ("1a".repeat(32), "2b".repeat(32));
    for (server, url, _folder) in servers(&[("PASSWORD_PEPPER", &one)]).await {
        server.register(EMAIL).await;
        server.register("bob@example.com").await;
        let before = peppers(&url).await;
        assert_eq!(before[0], before[1]);
        let server = restarted(server, &url, &[("PASSWORD_PEPPER", &two)]).await;
        assert_eq!(
            sign_in(&server, PASSWORD).await,
            401,
            "{url}: its pepper is not there"
        );
        assert!(
            server.log().contains("PASSWORD_PEPPER_FORMER"),
            "the operator is told"
        );
        let both = [
            ("PASSWORD_PEPPER", two.as_str()),
            ("PASSWORD_PEPPER_FORMER", &one),
        ];
        let server = restarted(server, &url, &both).await;
        assert_eq!(sign_in(&server, PASSWORD).await, 201, "{url}");
        let after = peppers(&url).await;
        assert_ne!(after[0], before[0], "{url}: Ada's is upgraded");
        assert_eq!(after[1], before[1], "{url}: Bob's is not");
        let server = restarted(server, &url, &[("PASSWORD_PEPPER", &two)]).await;
        assert_eq!(
            sign_in(&server, PASSWORD).await,
            201,
            "{url}: it needs the former one no more"
        );
        assert!(!server.log().contains(&one) && !server.log().contains(&two));
    }
}
