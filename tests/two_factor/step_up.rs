//! What a session is worth after its person proved once more who they are.

use super::*;

/// A session, and when each second factor was last proved in it.
type Times = (String, Option<i64>, Option<i64>);

const REAUTHENTICATE: &str = "/v1/sessions/current/reauthenticate";

async fn reauthenticated(server: &Server, token: &str, body: Value) -> String {
    let answer = server.post(REAUTHENTICATE, token, &body).await;
    assert_eq!(answer.status(), 200);
    access_token(&answer.json().await.unwrap())
}

async fn verify(server: &Server, token: &str, query: &str) -> Response {
    server.get(&format!("/v1/verify{query}"), token).await
}

fn header(answer: &Response, name: &str) -> String {
    let value = answer.headers().get(name);
    value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

async fn introspected(server: &Server, key: &str, token: &str) -> Value {
    let request = server.request(Method::POST, "/v1/oauth/introspect");
    let request = request
        .bearer_auth(key)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("token={token}"));
    request.send().await.unwrap().json().await.unwrap()
}

async fn service(server: &Server) -> String {
    let admin = server.admin("root@example.com").await;
    let body = json!({"name": "gateway", "scopes": ["introspect"]});
    let answer = server.post("/v1/admin/service-keys", &admin, &body).await;
    let made: Value = answer.json().await.unwrap();
    made["key"].as_str().unwrap().to_owned()
}

/// As if every proof had been given eleven minutes ago; memory is read anew at the start.
async fn time_passes(server: &mut Server, url: &str) {
    server.kill();
    let older = "UPDATE sessions SET auth_time = auth_time - 660000000, totp_proved_at = totp_proved_at - 660000000";
    write(url, older).await;
    server.launch().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_a_password_opened_gains_the_factor_that_is_proved_in_it() {
    for (mut server, url, _folder) in servers(&[]).await {
        let key = service(&server).await;
        let person = enrolled(&server, &url).await;
        let before = verify(&server, &person.token, "").await;
        assert_eq!(header(&before, "x-auth-methods"), "password", "{url}");
        assert_eq!(header(&before, "x-auth-second-factor-time"), "", "{url}");
        let refusal = verify(&server, &person.token, "?max_second_factor_age=600").await;
        let expected = refused(403, "reauthentication-required");
        assert_eq!(outcome(refusal).await, expected, "{url}");
        let code = json!({"code": person.device.code(0).await});
        let token = reauthenticated(&server, &person.token, code).await;
        for is_restarted in [false, true] {
            if is_restarted {
                server.kill();
                server.launch().await;
            }
            let after = verify(&server, &token, "?max_second_factor_age=600").await;
            assert_eq!(after.status(), 204, "{url}");
            assert_eq!(header(&after, "x-auth-methods"), "password,totp", "{url}");
            let time = header(&after, "x-auth-second-factor-time");
            assert_eq!(time, header(&after, "x-auth-time"), "{url}");
            let seen = introspected(&server, &key, &token).await;
            assert_eq!(seen["amr"], json!(["pwd", "otp", "mfa"]), "{url}");
            assert_eq!(seen["gatelog_second_factor_time"], seen["auth_time"]);
            let session = server.get_json("/v1/sessions/current", &token).await;
            assert_eq!(session["auth_methods"], json!(["password", "totp"]));
            assert_eq!(session["second_factor_time"], session["auth_time"]);
        }
    }
}

/// Whoever has a token and the password, and not the device, does not make the proof of the device any younger.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_alone_does_not_freshen_the_proof_of_the_second_factor() {
    for (mut server, url, _folder) in servers(&[]).await {
        let key = service(&server).await;
        let person = enrolled(&server, &url).await;
        let code = person.device.code(0).await;
        let answer = prove(&server, &challenge(&server).await, &code).await;
        let both = access_token(&answer.json().await.unwrap());
        time_passes(&mut server, &url).await;
        let token = reauthenticated(&server, &both, json!({"password": PASSWORD})).await;
        for is_restarted in [false, true] {
            if is_restarted {
                server.kill();
                server.launch().await;
            }
            let answer = verify(&server, &token, "?max_auth_age=600").await;
            assert_eq!(answer.status(), 204, "{url}");
            assert_eq!(header(&answer, "x-auth-methods"), "password,totp", "{url}");
            let last = header(&answer, "x-auth-second-factor-time");
            assert!(last < header(&answer, "x-auth-time"), "{url}: {last}");
            let refusal = verify(&server, &token, "?max_second_factor_age=600").await;
            let expected = refused(403, "reauthentication-required");
            assert_eq!(outcome(refusal).await, expected, "{url}");
            let lax = verify(&server, &token, "?max_second_factor_age=900").await;
            assert_eq!(lax.status(), 204, "{url}");
            let seen = introspected(&server, &key, &token).await;
            let second = seen["gatelog_second_factor_time"].as_i64().unwrap();
            assert!(second + 600 < seen["auth_time"].as_i64().unwrap(), "{url}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_administrators_write_needs_a_recent_second_factor_where_they_have_one() {
    for (mut server, url, _folder) in servers(&[]).await {
        let token = server.admin(EMAIL).await;
        let user = server.register("bob@example.com").await;
        let path = format!("/v1/admin/users/{}/disable", user["id"].as_str().unwrap());
        let device = enrol(&server, &token).await.device;
        steps_pass(&url).await;
        let disable =
            async |server: &Server, token: &str| server.post(&path, token, &json!({})).await;
        let problem: Value = disable(&server, &token).await.json().await.unwrap();
        assert_eq!(problem["type"], "/problems/reauthentication-required");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("second factor"), "{url}: {detail}");
        // What administrators read needs no proof.
        let read = server.get("/v1/admin/users", &token).await;
        assert_eq!(read.status(), 200, "{url}");
        let code = json!({"code": device.code(0).await});
        let both = reauthenticated(&server, &token, code).await;
        assert_eq!(disable(&server, &both).await.status(), 200, "{url}");
        time_passes(&mut server, &url).await;
        let stale = reauthenticated(&server, &both, json!({"password": PASSWORD})).await;
        let expected = refused(403, "reauthentication-required");
        assert_eq!(
            outcome(disable(&server, &stale).await).await,
            expected,
            "{url}"
        );
        steps_pass(&url).await;
        let code = json!({"code": device.code(0).await});
        let fresh = reauthenticated(&server, &stale, code).await;
        assert_eq!(disable(&server, &fresh).await.status(), 200, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_times_of_former_proofs_are_told_from_the_log() {
    const ROWS: &str = "SELECT session_id, totp_proved_at, recovery_code_proved_at FROM sessions ORDER BY session_id";
    for (mut server, url, _folder) in servers(&[]).await {
        let person = enrolled(&server, &url).await;
        let code = json!({"code": person.device.code(0).await});
        let stepped_up = reauthenticated(&server, &person.token, code).await;
        reauthenticated(&server, &stepped_up, json!({"password": PASSWORD})).await;
        steps_pass(&url).await;
        let code = person.device.code(0).await;
        let answer = prove(&server, &challenge(&server).await, &code).await;
        assert_eq!(answer.status(), 201, "{url}");
        let code = &person.recovery_codes[0];
        let answer = recover(&server, &challenge(&server).await, code).await;
        let recovered = access_token(&answer.json().await.unwrap());
        reauthenticated(&server, &recovered, json!({"password": PASSWORD})).await;
        server.register("bob@example.com").await;
        server.sign_in("bob@example.com").await;
        let times = async || -> Vec<Times> {
            let row = |row: &eventlog::Row| {
                let time = |index| row.opt_int(index).unwrap();
                (row.text(0).unwrap(), time(1), time(2))
            };
            rows(&url, ROWS).await.iter().map(row).collect()
        };
        let before = times().await;
        let known = |which: fn(&Times) -> bool| before.iter().filter(|row| which(row)).count();
        assert_eq!(known(|row| row.1.is_some()), 2, "{url}: {before:?}");
        assert_eq!(known(|row| row.2.is_some()), 1, "{url}: {before:?}");
        server.kill();
        for column in ["totp_proved_at", "recovery_code_proved_at"] {
            write(&url, &format!("ALTER TABLE sessions DROP COLUMN {column}")).await;
        }
        write(&url, "DELETE FROM _sqlx_migrations WHERE version = 28").await;
        server.launch().await;
        assert_eq!(times().await, before, "{url}: to the microsecond");
    }
}
