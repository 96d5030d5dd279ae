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

/// More than an account may have: those that nobody used for longest end, however many begin at once.
#[tokio::test(flavor = "multi_thread")]
async fn however_many_sign_in_at_once_an_account_has_no_more_sessions_than_it_may() {
    const MOST: &str = "3";
    for (server, url) in on_both_engines(&[("SESSIONS_PER_USER", MOST)]).await {
        server.register("ada@example.com").await;
        server.register("bob@example.com").await;
        let bob = server.sign_in("bob@example.com").await;
        let mut signed_in = Vec::new();
        for _ in 0..4 {
            signed_in.push(server.sign_in("ada@example.com").await);
        }
        let status = async |answer: &Value| {
            let verified = server.get("/v1/verify", &access_token(answer)).await;
            verified.status().as_u16()
        };
        // Strictly: the token of the one that ended is refused as soon as the new one is answered.
        assert_eq!(status(&signed_in[0]).await, 401, "{url}");
        assert_eq!(status(&signed_in[1]).await, 204, "{url}");
        let ended = "/v1/sessions?state=ended";
        let ended = server.get_json(ended, &access_token(&signed_in[3])).await;
        assert_eq!(ended["items"][0]["id"], signed_in[0]["session"]["id"]);
        assert_eq!(ended["items"][0]["end_reason"], "too_many_sessions");
        let racing = (0..8).map(|_| server.sign_in("ada@example.com"));
        let racing = futures::future::join_all(racing).await;
        let mut alive = 0;
        for answer in signed_in.iter().chain(&racing) {
            alive += u32::from(status(answer).await == 204);
        }
        assert_eq!(alive, 3, "{url}");
        let database = Database::open(&url).await.unwrap();
        let live = "SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL";
        assert_eq!(count(&database, live).await, 4, "{url}");
        assert_eq!(status(&bob).await, 204, "{url}: nobody else's ends");
        database.close().await;
    }
}

/// The one that is used stays, though it is the oldest.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_used_outlives_newer_ones_that_are_not() {
    for (server, url) in on_both_engines(&[("SESSIONS_PER_USER", "2")]).await {
        server.register("ada@example.com").await;
        let used = server.sign_in("ada@example.com").await;
        let unused = server.sign_in("ada@example.com").await;
        let database = Database::open(&url).await.unwrap();
        let sql = "INSERT INTO session_activity (session_id, last_seen_at) \
                   VALUES ($1, 9000000000000000) ON CONFLICT (session_id) \
                   DO UPDATE SET last_seen_at = excluded.last_seen_at";
        let session = used["session"]["id"].as_str().unwrap();
        let seen = vec![(sql.to_owned(), vec![Cell::from(session)])];
        database.execute(seen).await.unwrap();
        database.close().await;
        server.sign_in("ada@example.com").await;
        let verify = async |answer| server.get("/v1/verify", &access_token(answer)).await;
        assert_eq!(verify(&used).await.status(), 204, "{url}");
        assert_eq!(verify(&unused).await.status(), 401, "{url}");
    }
}

/// A registration that died before its claim left a key and a hash in the vault.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_registration_left_in_the_vault_is_removed_and_the_late_one_is_fenced() {
    const OF_A_CLAIM: &str = "00000000-0000-7000-8000-000000000001";
    const NOBODYS: &str = "00000000-0000-7000-8000-000000000002";
    const ON_ITS_WAY: &str = "00000000-0000-7000-8000-000000000003";
    // Microseconds; whatever is as young as this is not looked at.
    const YOUNG: i64 = 9_000_000_000_000_000;
    for (mut server, url) in on_both_engines(&[]).await {
        server.register("ada@example.com").await;
        let key = |user: &str, made: i64| {
            format!(
                "INSERT INTO vault_person_keys (user_id, wrapped_key, master_key_id, created_at) \
                 SELECT '{user}', wrapped_key, master_key_id, {made} FROM vault_person_keys \
                 WHERE user_id IN (SELECT user_id FROM users)"
            )
        };
        let password = format!(
            "INSERT INTO vault_passwords (user_id, password_id, sealed_phc, pepper_id, master_key_id, updated_at) \
             SELECT '{NOBODYS}', '{NOBODYS}', sealed_phc, pepper_id, master_key_id, 1 FROM vault_passwords"
        );
        let claim = format!(
            "INSERT INTO email_claims (claim_id, user_id, state, since) \
             VALUES ('00000000-0000-7000-8000-000000000009', '{OF_A_CLAIM}', 'claimed', {YOUNG})"
        );
        let made = [
            key(OF_A_CLAIM, 1),
            password,
            key(NOBODYS, 1),
            key(ON_ITS_WAY, YOUNG),
            claim,
        ];
        let database = Database::open(&url).await.unwrap();
        let made = made.map(|sql| (sql, Vec::new())).to_vec();
        database.execute(made).await.unwrap();
        server.kill();
        server.launch().await;
        let of = |table: &str, user: &str| {
            format!("SELECT COUNT(*) FROM {table} WHERE user_id = '{user}'")
        };
        let is_gone = async || count(&database, &of("vault_person_keys", NOBODYS)).await == 0;
        support::until_so("the key goes", is_gone).await;
        let left = [
            (of("vault_passwords", NOBODYS), 0),
            (of("vault_person_keys", OF_A_CLAIM), 1),
            (of("vault_person_keys", ON_ITS_WAY), 1),
            ("SELECT COUNT(*) FROM vault_person_keys".to_owned(), 3),
            ("SELECT COUNT(*) FROM vault_passwords".to_owned(), 1),
        ];
        for (sql, expected) in left {
            assert_eq!(count(&database, &sql).await, expected, "{url}: {sql}");
        }
        let fence = format!(
            "SELECT COUNT(*) FROM events WHERE event_type = 'UserRegistrationAbandoned' \
             AND aggregate_id = '{NOBODYS}'"
        );
        assert_eq!(count(&database, &fence).await, 1, "{url}");
        database.close().await;
        server.sign_in("ada@example.com").await;
    }
}
