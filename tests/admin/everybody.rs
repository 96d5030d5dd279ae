//! The end of every session of every account: once it is answered none that was there before is good, and it is taken up
//! again where it was cut off.

use std::time::Instant;

use aggregates::session::{Session, StartSession, TokenPair};
use aggregates::values::{AuthMethod, SessionId, TokenHash, UserId};
use chrono::{TimeDelta, Utc};
use eventlog::{CommandContext, Database, Log, LogOptions, Metadata, leaf_hash};
use uuid::Uuid;

use super::*;
use crate::support::until_so;

const ALL: &str = "/v1/admin/sessions/revoke-all";
const LIVE: &str = "SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL";
const REVOKED: &str = "SELECT COUNT(*) FROM events WHERE event_type = 'SessionRevoked'";
/// More than are ended at a time.
const MANY: usize = 1200;
/// Sessions that the log is given at once.
const TOGETHER: usize = 200;

async fn revoke_all(server: &Server, admin: &str, body: &Value) -> u64 {
    let answer = server.post(ALL, admin, body).await;
    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    body["revoked"].as_u64().unwrap()
}

/// Live sessions of one person, as a server writes them.
async fn open_many(url: &str, count: usize) {
    let database = Database::open(url).await.unwrap();
    let options = LogOptions::default();
    let log = Log::open(database.clone(), projections::inline(), options);
    let log = log.await.unwrap();
    let user = UserId::from(Uuid::now_v7());
    let ids: Vec<SessionId> = (0..count).map(|_| Uuid::now_v7().into()).collect();
    for ids in ids.chunks(TOGETHER) {
        futures::future::join_all(ids.iter().map(|id| open(&log, *id, user))).await;
    }
    log.shut_down().await;
    database.close().await;
}

async fn open(log: &Log, session_id: SessionId, user_id: UserId) {
    let at = Utc::now();
    let token = || TokenHash::from_bytes(leaf_hash(&Uuid::new_v4().to_string()));
    let start = StartSession {
        session_id,
        user_id,
        device_name: None,
        user_agent: None,
        ip: None,
        auth_methods: vec![AuthMethod::Password],
        auth_time: at,
        expires_at: at + TimeDelta::days(30),
        tokens: TokenPair {
            access_token: token(),
            access_expires_at: at + TimeDelta::minutes(15),
            refresh_token: token(),
            refresh_expires_at: at + TimeDelta::days(30),
        },
        at,
    };
    let context = CommandContext {
        command_id: Uuid::now_v7(),
        metadata: Metadata::default(),
        creates: true,
    };
    let stream = session_id.to_string();
    let executed = log.execute::<Session>(&stream, start.into(), &context);
    executed.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_session_ends_and_the_callers_own_stays_only_when_that_is_asked() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let id = me(&server, &admin).await["id"].as_str().unwrap().to_owned();
        let others = [
            server.token("ada@example.com").await,
            server.token("bob@example.com").await,
            access_token(&server.sign_in("bob@example.com").await),
            access_token(&server.sign_in(ADMIN).await),
        ];
        let key = json!({"name": "gateway", "scopes": ["audit"]});
        let key = server.post("/v1/admin/service-keys", &admin, &key).await;
        let key: Value = key.json().await.unwrap();
        let keep = json!({"keep_current": true});
        for expected in [4, 0] {
            assert_eq!(revoke_all(&server, &admin, &keep).await, expected, "{url}");
            for token in &others {
                assert_eq!(verify(&server, token).await, 401);
            }
            assert_eq!(verify(&server, &admin).await, 204);
        }
        assert_eq!(events(&url, "SessionRevoked").await, 4);
        assert_eq!(last_actor(&url, "SessionRevoked").await, id);
        let payload =
            "SELECT CAST(payload AS TEXT) FROM events WHERE event_type = 'SessionRevoked'";
        for row in rows(&url, payload).await {
            let event: Value = serde_json::from_str(&row.text(0).unwrap()).unwrap();
            let revoked = &event["SessionRevoked"];
            assert_eq!(revoked["by"], id.as_str());
            assert_eq!(revoked["reason"], "revoked_by_admin");
        }
        assert_eq!(sign_in(&server, "ada@example.com").await.status(), 201);
        let answer = server.post(ALL, &admin, &json!({})).await;
        assert!(answer.headers().contains_key("gatelog-position"));
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body, json!({"revoked": 2}));
        assert_eq!(verify(&server, &admin).await, 401);
        assert_eq!(count(&url, LIVE).await, 0);
        let key = key["key"].as_str().unwrap();
        assert_eq!(server.get("/v1/audit/events", key).await.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_an_administrator_with_a_recent_proof_ends_all_sessions() {
    for (mut server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let ada = server.token("ada@example.com").await;
        for body in [json!({"keep_current": 1}), json!({"keep": true}), json!([])] {
            let answer = server.post(ALL, &admin, &body).await;
            assert_eq!(outcome(answer).await, refused(422, "validation-failed"));
        }
        let answer = server.post(ALL, &ada, &json!({})).await;
        assert_eq!(outcome(answer).await, refused(403, "forbidden"));
        time_passes(&mut server, &url).await;
        let answer = server.post(ALL, &admin, &json!({})).await;
        let expected = refused(403, "reauthentication-required");
        assert_eq!(outcome(answer).await, expected);
        assert_eq!(count(&url, REVOKED).await, 0);
        assert_eq!(verify(&server, &ada).await, 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_meanwhile_is_let_in_or_has_to_do_it_once_more() {
    for (server, url, _folder) in servers(&[("SESSIONS_PER_USER", "1000")]).await {
        let admin = server.admin(ADMIN).await;
        let emails = ["ada@example.com", "bob@example.com", "cyd@example.com"];
        for email in emails {
            server.register(email).await;
        }
        let before: Vec<String> =
            futures::future::join_all(emails.map(|email| server.sign_in(email)))
                .await
                .iter()
                .map(access_token)
                .collect();
        let signing_in = emails.map(async |email| {
            let mut seen = Vec::new();
            for _ in 0..8 {
                let begun = Instant::now();
                let token = access_token(&server.sign_in(email).await);
                seen.push((begun, Instant::now(), token));
            }
            seen
        });
        let ending = async {
            let called = Instant::now();
            let keep = json!({"keep_current": true});
            let ended = revoke_all(&server, &admin, &keep).await;
            assert!(ended >= before.len() as u64, "{ended}");
            (called, Instant::now())
        };
        let (seen, (called, answered)) =
            futures::future::join(futures::future::join_all(signing_in), ending).await;
        for token in &before {
            assert_eq!(verify(&server, token).await, 401, "{url}");
        }
        for (begun, done, token) in seen.into_iter().flatten() {
            let status = verify(&server, &token).await;
            if done < called {
                assert_eq!(status, 401, "{url}: it was there before");
            } else if begun > answered {
                assert_eq!(status, 204, "{url}: it began afterwards");
            }
        }
        let twice = "SELECT COUNT(*) FROM (SELECT aggregate_id FROM events WHERE event_type = \
                     'SessionRevoked' GROUP BY aggregate_id HAVING COUNT(*) > 1) AS twice";
        assert_eq!(count(&url, twice).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_cut_off_is_taken_up_by_the_next_one() {
    for (mut server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        server.kill();
        open_many(&url, MANY).await;
        server.launch().await;
        let keep = json!({"keep_current": true});
        let call = server.request(reqwest::Method::POST, ALL);
        let call = tokio::spawn(call.bearer_auth(&admin).json(&keep).send());
        until_so("some have ended", async || count(&url, REVOKED).await > 0).await;
        server.kill();
        let _ = call.await;
        let ended = count(&url, REVOKED).await;
        server.launch().await;
        let rest = revoke_all(&server, &admin, &keep).await;
        assert_eq!(rest + u64::try_from(ended).unwrap(), MANY as u64, "{url}");
        assert_eq!(count(&url, LIVE).await, 1);
        assert_eq!(count(&url, REVOKED).await, i64::try_from(MANY).unwrap());
        assert_eq!(verify(&server, &admin).await, 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_ends_all_sessions_but_those_of_one_account() {
    for (server, url, _folder) in servers(&[]).await {
        let root = server.admin(ADMIN).await;
        let id = me(&server, &root).await["id"].as_str().unwrap().to_owned();
        let ada = server.token("ada@example.com").await;
        let end = |more: &[&str]| {
            let arguments = [&["admin", "end-all-sessions"][..], more].concat();
            let output = server.command(&arguments).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            (output.status.success(), said.trim().to_owned())
        };
        let nobody = Uuid::now_v7().to_string();
        for wrong in [nobody.as_str(), "ada@example.com"] {
            assert!(!end(&["--except-user", wrong]).0, "{wrong}");
        }
        assert_eq!(count(&url, REVOKED).await, 0);
        let except = ["--except-user", id.as_str()];
        assert_eq!(end(&except), (true, "1".to_owned()));
        until_so("the server knows", async || {
            verify(&server, &ada).await == 401
        })
        .await;
        assert_eq!(verify(&server, &root).await, 204);
        assert_eq!(last_actor(&url, "SessionRevoked").await, "command-line");
        assert_eq!(end(&[]), (true, "1".to_owned()));
        assert_eq!(count(&url, LIVE).await, 0);
    }
}
