//! What administrators do to accounts: each act an event with its actor, and none when it is repeated.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_given_and_taken_at_once_and_stay_after_a_restart() {
    for (mut server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let ada = server.register("ada@example.com").await;
        let token = access_token(&server.sign_in("ada@example.com").await);
        assert_eq!(server.get("/v1/audit/events", &token).await.status(), 403);
        for _ in 0..2 {
            let answer = set_roles(&server, &admin, &ada, &["auditor", "admin", "auditor"]).await;
            assert_eq!(answer.status(), 200);
            let user: Value = answer.json().await.unwrap();
            assert_eq!(user["roles"], json!(["admin", "auditor"]));
            assert_eq!(user["state"], "active");
        }
        assert_eq!(events(&url, "UserRolesChanged").await, 1);
        assert_eq!(events(&url, "AdministratorAdded").await, 2);
        let actor = me(&server, &admin).await["id"].as_str().unwrap().to_owned();
        assert_eq!(last_actor(&url, "UserRolesChanged").await, actor);
        assert_eq!(server.get("/v1/audit/events", &token).await.status(), 200);
        for asked in ["role=admin", "role=auditor&max_auth_age=600"] {
            let answer = server.get(&format!("/v1/verify?{asked}"), &token).await;
            assert_eq!(answer.status(), 204, "{asked}");
            assert_eq!(answer.headers()["x-auth-roles"], "admin,auditor");
        }
        server.kill();
        server.launch().await;
        let answer = server.get("/v1/verify?role=admin", &token).await;
        assert_eq!(answer.headers()["x-auth-roles"], "admin,auditor");
        assert_eq!(set_roles(&server, &admin, &ada, &[]).await.status(), 200);
        let answer = server.get("/v1/verify?role=admin", &token).await;
        assert_eq!(outcome(answer).await, refused(403, "forbidden"));
        assert_eq!(server.get("/v1/admin/users", &token).await.status(), 403);
        let answer = server.get("/v1/verify", &token).await;
        assert_eq!(answer.headers()["x-auth-roles"], "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_is_shut_out_until_it_is_enabled_and_its_sessions_stay_ended() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let ada = server.register("ada@example.com").await;
        let signed_in = server.sign_in("ada@example.com").await;
        let token = access_token(&signed_in);
        let refresh = json!({"refresh_token": signed_in["refresh_token"]});
        for _ in 0..2 {
            let body = json!({"reason": "compromised"});
            let answer = server.post(&path(&ada, "/disable"), &admin, &body).await;
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.json::<Value>().await.unwrap()["state"], "disabled");
            assert_eq!(verify(&server, &token).await, 401);
        }
        assert_eq!(events(&url, "UserDisabled").await, 1);
        assert_eq!(events(&url, "SessionRevoked").await, 1);
        let actor = me(&server, &admin).await["id"].as_str().unwrap().to_owned();
        assert_eq!(last_actor(&url, "UserDisabled").await, actor);
        // By whichever is first, the node that was asked or the policy.
        let by = "SELECT CAST(payload AS TEXT) FROM events WHERE event_type = 'SessionRevoked'";
        let revoked = rows(&url, by).await[0].text(0).unwrap();
        let revoked: Value = serde_json::from_str(&revoked).unwrap();
        assert_eq!(revoked["SessionRevoked"]["by"], actor.as_str());
        let refreshed = server.post("/v1/tokens/refresh", "", &refresh).await;
        assert_eq!(refreshed.status(), 401);
        let answer = sign_in(&server, "ada@example.com").await;
        assert_eq!(outcome(answer).await, refused(403, "account-disabled"));
        for _ in 0..2 {
            let answer = act(&server, &admin, &ada, "/enable").await;
            assert_eq!(answer.json::<Value>().await.unwrap()["state"], "active");
        }
        assert_eq!(events(&url, "UserEnabled").await, 1);
        assert_eq!(last_actor(&url, "UserEnabled").await, actor);
        assert_eq!(verify(&server, &token).await, 401);
        assert_eq!(sign_in(&server, "ada@example.com").await.status(), 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let ada = server.register("ada@example.com").await;
        let tokens = [
            access_token(&server.sign_in("ada@example.com").await),
            access_token(&server.sign_in("ada@example.com").await),
        ];
        let sessions = path(&ada, "/sessions");
        let page = server
            .get_json(&format!("{sessions}?limit=1"), &admin)
            .await;
        assert_eq!(page["items"].as_array().unwrap().len(), 1);
        assert_eq!(page["items"][0]["current"], false);
        assert!(page["next_cursor"].is_string());
        for expected in [2, 0] {
            let answer = server.delete(&sessions, &admin).await;
            assert_eq!(answer.status(), 200);
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body, json!({"revoked": expected}));
        }
        for token in &tokens {
            assert_eq!(verify(&server, token).await, 401);
        }
        let ended = server
            .get_json(&format!("{sessions}?state=ended"), &admin)
            .await;
        assert_eq!(ended["items"][0]["end_reason"], "revoked_by_admin");
        let actor = me(&server, &admin).await["id"].as_str().unwrap().to_owned();
        assert_eq!(last_actor(&url, "SessionRevoked").await, actor);
        assert_eq!(verify(&server, &admin).await, 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_reset_and_ends_sessions_only_when_asked() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let ada = server.register("ada@example.com").await;
        let token = access_token(&server.sign_in("ada@example.com").await);
        enrol(&server, &token).await;
        assert_eq!(sign_in(&server, "ada@example.com").await.status(), 202);
        let totp = path(&ada, "/totp");
        for _ in 0..2 {
            assert_eq!(server.delete(&totp, &admin).await.status(), 204);
        }
        assert_eq!(events(&url, "TotpDisabled").await, 1);
        let actor = me(&server, &admin).await["id"].as_str().unwrap().to_owned();
        assert_eq!(last_actor(&url, "TotpDisabled").await, actor);
        for table in ["vault_totp", "vault_recovery_codes"] {
            let left = count(&url, &format!("SELECT COUNT(*) FROM {table}")).await;
            assert_eq!(left, 0, "{table}");
        }
        assert_eq!(verify(&server, &token).await, 204);
        assert_eq!(sign_in(&server, "ada@example.com").await.status(), 201);
        let asked = format!("{totp}?revoke_sessions=true");
        assert_eq!(server.delete(&asked, &admin).await.status(), 204);
        assert_eq!(verify(&server, &token).await, 401);
    }
}

pub async fn enrol(server: &Server, token: &str) {
    let answer = server.post("/v1/me/totp", token, &json!({})).await;
    let pending: Value = answer.json().await.unwrap();
    let code = crate::support::totp::code(pending["secret"].as_str().unwrap());
    let body = json!({"code": code});
    let answer = server.post("/v1/me/totp/confirm", token, &body).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_and_changes_nothing() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let ada = server.register("ada@example.com").await;
        let nobody = json!({"id": "01970000-0000-7000-8000-000000000001"});
        let none = json!({"id": "none"});
        for user in [&nobody, &none] {
            for what in ["/disable", "/enable"] {
                let answer = act(&server, &admin, user, what).await;
                assert_eq!(outcome(answer).await, refused(404, "not-found"), "{what}");
            }
            let answer = set_roles(&server, &admin, user, &["admin"]).await;
            assert_eq!(outcome(answer).await, refused(404, "not-found"));
            for what in ["", "/sessions"] {
                let answer = server.get(&path(user, what), &admin).await;
                assert_eq!(outcome(answer).await, refused(404, "not-found"), "{what}");
            }
            for what in ["/sessions", "/totp"] {
                let answer = server.delete(&path(user, what), &admin).await;
                assert_eq!(outcome(answer).await, refused(404, "not-found"), "{what}");
            }
        }
        for (what, body) in [
            ("/roles", json!({"roles": ["king"]})),
            ("/roles", json!({"roles": "admin"})),
            ("/roles", json!({})),
            ("/roles", json!({"roles": [], "x": 1})),
            ("/disable", json!({"reason": "I do not like them"})),
            ("/disable", json!({"reason": 7})),
            ("/disable", json!({"because": "abuse"})),
        ] {
            let answer = server.post(&path(&ada, what), &admin, &body).await;
            assert_eq!(
                outcome(answer).await,
                refused(422, "validation-failed"),
                "{body}"
            );
        }
        for asked in ["/totp?revoke_sessions=yes", "/totp?x=1"] {
            let answer = server.delete(&path(&ada, asked), &admin).await;
            assert_eq!(
                outcome(answer).await,
                refused(400, "malformed-request"),
                "{asked}"
            );
        }
        for event_type in ["UserDisabled", "UserRolesChanged", "UserEnabled"] {
            assert_eq!(events(&url, event_type).await, 0, "{event_type}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_writes_only_after_a_recent_proof_of_identity() {
    for (mut server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let ada = server.register("ada@example.com").await;
        time_passes(&mut server, &url).await;
        let key = json!({"name": "gateway", "scopes": ["audit"]});
        let roles = json!({"roles": ["admin"]});
        for (what, body) in [
            ("/disable", &json!({})),
            ("/enable", &json!({})),
            ("/erase", &json!({})),
            ("/roles", &roles),
        ] {
            let answer = server.post(&path(&ada, what), &admin, body).await;
            let expected = refused(403, "reauthentication-required");
            assert_eq!(outcome(answer).await, expected, "{what}");
        }
        let service_key = "/v1/admin/service-keys/01970000-0000-7000-8000-000000000001";
        for asked in [
            path(&ada, "/sessions"),
            path(&ada, "/totp"),
            service_key.to_owned(),
        ] {
            let answer = server.delete(&asked, &admin).await;
            let expected = refused(403, "reauthentication-required");
            assert_eq!(outcome(answer).await, expected, "{asked}");
        }
        let answer = server.post("/v1/admin/service-keys", &admin, &key).await;
        assert_eq!(
            outcome(answer).await,
            refused(403, "reauthentication-required")
        );
        let answer = server
            .get("/v1/verify?max_auth_age=600&role=admin", &admin)
            .await;
        assert_eq!(
            outcome(answer).await,
            refused(403, "reauthentication-required")
        );
        assert_eq!(server.get("/v1/admin/users", &admin).await.status(), 200);
        let body = json!({"password": PASSWORD});
        let again = server
            .post("/v1/sessions/current/reauthenticate", &admin, &body)
            .await;
        let admin = access_token(&again.json().await.unwrap());
        assert_eq!(act(&server, &admin, &ada, "/disable").await.status(), 200);
    }
}
