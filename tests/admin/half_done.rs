//! What a node leaves half-done is mended, and administrators from before are taken in.

use std::time::Instant;

use aggregates::administrators::{Administrators, AdministratorsCommand, STREAM_ID};
use aggregates::user::{DisableReason, User, UserCommand};
use aggregates::values::{Role, UserId};
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{CommandContext, Database, Log, LogOptions, Metadata};

use super::*;
use crate::support::{PATIENCE, until_so};

async fn log(url: &str) -> Log {
    let database = Database::open(url).await.unwrap();
    let inline = projections::inline();
    Log::open(database, inline, LogOptions::default())
        .await
        .unwrap()
}

/// Those who count, by the log.
pub async fn seated(url: &str) -> Vec<String> {
    let (administrators, _) = log(url)
        .await
        .load::<Administrators>(STREAM_ID)
        .await
        .unwrap();
    administrators
        .seated
        .iter()
        .map(UserId::to_string)
        .collect()
}

fn context() -> CommandContext {
    CommandContext {
        command_id: uuid::Uuid::now_v7(),
        metadata: Metadata::default(),
        creates: false,
    }
}

fn ago(seconds: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::seconds(seconds)
}

/// An account that got the role as an earlier version of the server gave it.
async fn promoted_before(server: &Server, url: &str, email: &str) -> Value {
    let user = server.register(email).await;
    let command = UserCommand::ChangeRoles {
        roles: vec![Role::Admin],
        rights_revision: 0,
        at: ago(0),
    };
    let id = user["id"].as_str().unwrap();
    log(url)
        .await
        .execute::<User>(id, command, &context())
        .await
        .unwrap();
    user
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_from_before_count_from_the_start() {
    for (mut server, url, _folder) in servers(&[]).await {
        let ada = promoted_before(&server, &url, "ada@example.com").await;
        let bob = promoted_before(&server, &url, "bob@example.com").await;
        server.kill();
        server.launch().await;
        assert_eq!(seated(&url).await.len(), 2);
        let admin = access_token(&server.sign_in("ada@example.com").await);
        assert_eq!(set_roles(&server, &admin, &bob, &[]).await.status(), 200);
        let answer = set_roles(&server, &admin, &ada, &[]).await;
        assert_eq!(outcome(answer).await, refused(409, "last-admin"));
        server.kill();
        server.launch().await;
        assert_eq!(events(&url, "AdministratorAdded").await, 2, "once each");
    }
}

/// As a node leaves it that dies between the administrators and the account.
async fn removal(url: &str, user: &Value, disable_reason: Option<DisableReason>, age: i64) {
    let command = AdministratorsCommand::Remove {
        user_id: user["id"].as_str().unwrap().parse().unwrap(),
        rights_revision: 0,
        disable_reason,
        at: ago(age),
    };
    let log = log(url).await;
    log.execute::<Administrators>(STREAM_ID, command, &context())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_was_left_half_done_is_carried_out() {
    for (mut server, url, _folder) in servers(&[]).await {
        let root = server.admin(ADMIN).await;
        let token = server.admin("ada@example.com").await;
        let ada = me(&server, &token).await;
        let bob_token = server.admin("bob@example.com").await;
        let bob = me(&server, &bob_token).await;
        removal(&url, &ada, None, 60).await;
        removal(&url, &bob, Some(DisableReason::Compromised), 60).await;
        server.kill();
        server.launch().await;
        let seen = server.get_json(&path(&ada, ""), &root).await;
        assert_eq!(
            (&seen["roles"], &seen["state"]),
            (&json!([]), &json!("active"))
        );
        let seen = server.get_json(&path(&bob, ""), &root).await;
        assert_eq!(
            (&seen["roles"], &seen["state"]),
            (&json!(["admin"]), &json!("disabled"))
        );
        let deadline = Instant::now() + PATIENCE;
        while events(&url, "SessionRevoked").await == 0 {
            assert!(Instant::now() < deadline, "the policy ends the sessions");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(
            last_actor(&url, "UserDisabled").await,
            "policy:take_in_administrators"
        );
        assert_eq!(verify(&server, &bob_token).await, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_that_may_still_be_under_way_is_left_alone_and_any_new_wish_goes_on_from_it() {
    for (mut server, url, _folder) in servers(&[]).await {
        let root = server.admin(ADMIN).await;
        let token = server.admin("ada@example.com").await;
        let ada = me(&server, &token).await;
        removal(&url, &ada, None, -60).await;
        server.kill();
        server.launch().await;
        assert_eq!(me(&server, &token).await["roles"], json!(["admin"]));
        assert_eq!(seated(&url).await.len(), 1);
        let last = set_roles(&server, &token, &me(&server, &root).await, &[]).await;
        assert_eq!(outcome(last).await, refused(409, "last-admin"));
        assert_eq!(
            set_roles(&server, &root, &ada, &["admin"]).await.status(),
            200
        );
        assert_eq!(me(&server, &token).await["roles"], json!(["admin"]));
        assert_eq!(seated(&url).await.len(), 2);
    }
}

/// A policy that comes late ends no session that was opened after the account was let in again.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_let_in_again_stays_in_however_late_the_policy_is() {
    const POLICY: &str = "end_sessions_of_disabled_users";
    for (mut server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let ada = server.register("ada@example.com").await;
        for what in ["/disable", "/enable"] {
            assert_eq!(act(&server, &admin, &ada, what).await.status(), 200);
        }
        let token = access_token(&server.sign_in("ada@example.com").await);
        server.kill();
        let late = format!("UPDATE tails SET position = 0 WHERE name = '{POLICY}'");
        write(&url, &late).await;
        server.launch().await;
        let passed = format!(
            "SELECT COUNT(*) FROM tails WHERE name = '{POLICY}' AND position >= \
             (SELECT MAX(position) FROM events WHERE event_type = 'UserDisabled')"
        );
        let has_passed = async || count(&url, &passed).await == 1;
        until_so("the policy has passed", has_passed).await;
        assert_eq!(verify(&server, &token).await, 204, "{url}");
    }
}
