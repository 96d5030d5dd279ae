//! What a node that died in the middle of a change leaves behind, and databases from before.

use eventlog::Database;

use super::hashes::peppers;
use super::*;

/// A node that died after the event: its policy ends what was to end, and nothing that began later.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_left_undone_after_the_event_is_done_by_the_next() {
    use aggregates::user::{User, UserCommand};
    for (mut server, url, _folder) in servers(&[]).await {
        let user = server.register(EMAIL).await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let mine = server.sign_in(EMAIL).await;
        let other = server.sign_in(EMAIL).await;
        let at = other["session"]["created_at"].as_str().unwrap();
        let (at, other) = (at.parse().unwrap(), access_token(&other));
        let later = access_token(&server.sign_in(EMAIL).await);
        server.kill();
        let database = Database::open(&url).await.unwrap();
        let log = eventlog::Log::open(
            database.clone(),
            projections::inline(),
            eventlog::LogOptions::default(),
        )
        .await
        .unwrap();
        let command = UserCommand::ChangePassword {
            password_id: uuid::Uuid::from_u128(7).into(),
            replaces: user.parse().unwrap(),
            from_session: mine["session"]["id"].as_str().unwrap().parse().unwrap(),
            end_other_sessions: true,
            at,
        };
        let context = eventlog::CommandContext {
            command_id: uuid::Uuid::from_u128(9),
            metadata: eventlog::Metadata::default(),
            creates: false,
        };
        log.execute::<User>(&user, command, &context).await.unwrap();
        log.shut_down().await;
        database.close().await;
        server.launch().await;
        let deadline = Instant::now() + PATIENCE;
        while server.get("/v1/verify", &other).await.status() != 401 {
            assert!(Instant::now() < deadline, "{url}: {}", server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(
            server
                .get("/v1/verify", &access_token(&mine))
                .await
                .status(),
            204,
            "{url}"
        );
        assert_eq!(
            server.get("/v1/verify", &later).await.status(),
            204,
            "{url}: it began later"
        );
        assert_eq!(
            sign_in(&server, PASSWORD).await,
            401,
            "{url}: the old password does not count any more"
        );
        assert_eq!(
            count(&url, "SELECT COUNT(*) FROM vault_passwords").await,
            0,
            "{url}"
        );
    }
}

async fn execute(url: &str, statements: &[&str]) {
    let database = Database::open(url).await.unwrap();
    let statements = statements
        .iter()
        .map(|sql| ((*sql).to_owned(), Vec::new()))
        .collect();
    database.execute(statements).await.unwrap();
    database.close().await;
}

/// What `0005_passwords.sql` found.
async fn before_passwords_were_named(url: &str) {
    let older: &[&str] = if url.starts_with("sqlite") {
        &[
            "CREATE TABLE older (user_id TEXT PRIMARY KEY, sealed_phc BLOB NOT NULL, master_key_id TEXT NOT NULL, \
             updated_at INTEGER NOT NULL)",
            "INSERT INTO older SELECT user_id, sealed_phc, master_key_id, updated_at FROM vault_passwords",
            "DROP TABLE vault_passwords",
            "ALTER TABLE older RENAME TO vault_passwords",
        ]
    } else {
        &[
            "DROP INDEX vault_passwords_by_pepper",
            "ALTER TABLE vault_passwords DROP CONSTRAINT vault_passwords_pkey",
            "ALTER TABLE vault_passwords DROP COLUMN password_id",
            "ALTER TABLE vault_passwords DROP COLUMN pepper_id",
            "ALTER TABLE vault_passwords ADD CONSTRAINT vault_passwords_pkey PRIMARY KEY (user_id)",
        ]
    };
    execute(url, older).await;
    let same = [
        "ALTER TABLE users DROP COLUMN password_id",
        "DELETE FROM _sqlx_migrations WHERE version = 5",
    ];
    execute(url, &same).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_from_before_passwords_were_named_signs_in_and_changes_its_password() {
    for (mut server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        server.kill();
        before_passwords_were_named(&url).await;
        server.launch().await;
        assert_eq!(peppers(&url).await, [None], "{url}: as it was before");
        let token = access_token(&server.sign_in(EMAIL).await);
        assert_eq!(
            change(&server, &token, &from_to(PASSWORD, NEW))
                .await
                .status(),
            204,
            "{url}"
        );
        assert_eq!(sign_in(&server, NEW).await, 201, "{url}");
        assert_eq!(sign_in(&server, PASSWORD).await, 401, "{url}");
    }
}

/// A node that died before the event leaves a hash that no event names: it is swept, and the one that counts stays,
/// however old it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_no_event_made_count_is_swept() {
    for (mut server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        server.kill();
        let stray = |password: &str, updated_at: &str| {
            format!(
                "INSERT INTO vault_passwords (user_id, password_id, sealed_phc, master_key_id, updated_at) \
                 SELECT user_id, '{password}', sealed_phc, master_key_id, {updated_at} FROM vault_passwords \
                 WHERE password_id = user_id"
            )
        };
        let (old, fresh) = (uuid::Uuid::from_u128(7), uuid::Uuid::from_u128(8));
        let (one, two) = (
            stray(&old.to_string(), "0"),
            stray(&fresh.to_string(), "updated_at"),
        );
        let aged = "UPDATE vault_passwords SET updated_at = 0 WHERE password_id = user_id";
        execute(&url, &[&one, &two, aged]).await;
        server.launch().await;
        let deadline = Instant::now() + PATIENCE;
        while count(&url, "SELECT COUNT(*) FROM vault_passwords").await != 2 {
            assert!(Instant::now() < deadline, "{url}: {}", server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let swept = format!("SELECT COUNT(*) FROM vault_passwords WHERE password_id = '{old}'");
        assert_eq!(
            count(&url, &swept).await,
            0,
            "{url}: a fresh one may be of a change that is under way"
        );
        assert_eq!(sign_in(&server, PASSWORD).await, 201, "{url}");
    }
}
