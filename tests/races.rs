//! Races: of many at once exactly one wins, and nothing is left behind.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use eventlog::{Database, Value as Cell};
use serde_json::{Value, json};
use support::{PASSWORD, access_token, on_both_engines};

async fn count(database: &Database, sql: &str) -> i64 {
    let params: [Cell; 0] = [];
    database
        .query(sql, &params)
        .await
        .unwrap()
        .first()
        .unwrap()
        .int(0)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_registrations_of_one_address_exactly_one_wins_and_nothing_else_stays() {
    for (server, url) in on_both_engines(&[]).await {
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        let racing = (0..20).map(|_| server.post("/v1/users", "", &body));
        let answers = futures::future::join_all(racing).await;
        let won = answers
            .iter()
            .filter(|answer| answer.status() == 201)
            .count();
        let lost = answers
            .iter()
            .filter(|answer| answer.status() == 409)
            .count();
        assert_eq!((won, lost), (1, 19), "{url}");
        let database = Database::open(&url).await.unwrap();
        for table in [
            "users",
            "email_claims",
            "vault_person_keys",
            "vault_passwords",
        ] {
            assert_eq!(
                count(&database, &format!("SELECT COUNT(*) FROM {table}")).await,
                1,
                "{url}: {table}"
            );
        }
        let registered = "SELECT COUNT(*) FROM events WHERE event_type = 'UserRegistered'";
        assert_eq!(count(&database, registered).await, 1);
        server.sign_in("ada@example.com").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_revocations_all_succeed_and_write_one_event() {
    for (server, url) in on_both_engines(&[]).await {
        server.register("ada@example.com").await;
        let (one, two) = (
            server.sign_in("ada@example.com").await,
            server.sign_in("ada@example.com").await,
        );
        let path = format!("/v1/sessions/{}", two["session"]["id"].as_str().unwrap());
        let token = access_token(&one);
        let racing = (0..20).map(|_| server.delete(&path, &token));
        let answers = futures::future::join_all(racing).await;
        assert!(answers.iter().all(|answer| answer.status() == 204), "{url}");
        let database = Database::open(&url).await.unwrap();
        let revoked = "SELECT COUNT(*) FROM events WHERE event_type = 'SessionRevoked'";
        assert_eq!(count(&database, revoked).await, 1, "{url}");
        let sessions: Value = server.get_json("/v1/sessions?state=ended", &token).await;
        assert_eq!(sessions["items"][0]["end_reason"], "revoked_by_user");
        let others = server.delete("/v1/sessions?scope=all", &token).await;
        assert_eq!(others.json::<Value>().await.unwrap(), json!({"revoked": 1}));
        assert_eq!(server.get("/v1/verify", &token).await.status(), 401);
    }
}

/// A registration that died between its claim and its account: the policy fences the account and frees the address.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_whose_account_never_came_is_released_by_the_policy() {
    use aggregates::email_claim::{EmailClaim, EmailClaimCommand};
    use aggregates::values::UserId;
    let (server, url) = on_both_engines(&[]).await.swap_remove(0);
    let database = Database::open(&url).await.unwrap();
    let log = eventlog::Log::open(
        database.clone(),
        projections::inline(),
        eventlog::LogOptions::default(),
    )
    .await
    .unwrap();
    let (user_id, claim) = (
        UserId::from(uuid::Uuid::from_u128(7)),
        uuid::Uuid::from_u128(8).to_string(),
    );
    let at = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let context = eventlog::CommandContext {
        command_id: uuid::Uuid::from_u128(9),
        metadata: eventlog::Metadata::default(),
        creates: true,
    };
    log.execute::<EmailClaim>(&claim, EmailClaimCommand::Claim { user_id, at }, &context)
        .await
        .unwrap();
    assert_eq!(
        count(&database, "SELECT COUNT(*) FROM email_claims").await,
        1
    );
    let deadline = std::time::Instant::now() + support::PATIENCE;
    while count(&database, "SELECT COUNT(*) FROM email_claims").await > 0 {
        assert!(
            std::time::Instant::now() < deadline,
            "the claim stays: {}",
            server.log()
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let abandoned = "SELECT COUNT(*) FROM events WHERE event_type = 'UserRegistrationAbandoned'";
    assert_eq!(
        count(&database, abandoned).await,
        1,
        "a late registration is fenced"
    );
}
