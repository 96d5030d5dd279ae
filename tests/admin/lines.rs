//! A request's line in the log: who called, from which network, and why they were refused.

use reqwest::Method;

use super::*;

const TRUSTED: (&str, &str) = ("TRUSTED_PROXIES", "127.0.0.1/32");

/// The one line of the request that an answer is for.
fn line(server: &Server, answer: &Response) -> Value {
    let id = answer.headers()["x-request-id"].to_str().unwrap();
    let log = server.log();
    let parsed = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let mut found: Vec<Value> = parsed
        .filter(|line: &Value| line["request_id"] == id && line["message"] == "request")
        .collect();
    assert_eq!(found.len(), 1, "{id}");
    found.remove(0)
}

async fn line_of(server: &Server, path: &str, token: &str) -> Value {
    line(server, &server.get(path, token).await)
}

/// The status, the problem and why what was presented is good no more.
fn refusal(line: &Value) -> (u64, &str, &str) {
    let text = |field: &str| line[field].as_str().unwrap_or_default();
    (
        line["status"].as_u64().unwrap(),
        text("problem"),
        text("ended"),
    )
}

/// Whether a line names this session and its person.
fn names(line: &Value, signed_in: &Value) -> bool {
    line["user_id"] == signed_in["user"]["id"] && line["session_id"] == signed_in["session"]["id"]
}

fn is_of_nobody(line: &Value) -> bool {
    let fields = ["user_id", "session_id", "service_key_id", "ended"];
    fields.iter().all(|field| line.get(field).is_none())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_names_who_was_let_in_and_who_was_not() {
    for (mut server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        server.register("ada@example.com").await;
        let answer = sign_in(&server, "ada@example.com").await;
        let signing_in = line(&server, &answer);
        let ada: Value = answer.json().await.unwrap();
        assert!(names(&signing_in, &ada), "{url}: {signing_in}");
        let token = access_token(&ada);
        let let_in = line_of(&server, "/v1/me", &token).await;
        assert!(names(&let_in, &ada), "{let_in}");
        assert_eq!(refusal(&let_in), (200, "", ""));
        let no_role = line_of(&server, "/v1/admin/users", &token).await;
        assert!(names(&no_role, &ada), "{no_role}");
        assert_eq!(refusal(&no_role), (403, "forbidden", ""));
        assert_eq!(no_role["detail"], "this call needs the role admin");
        let no_scope = line_of(&server, "/v1/audit/events", &token).await;
        assert!(names(&no_scope, &ada), "{no_scope}");
        for unknown in ["", "x", &"0".repeat(64)] {
            let stranger = line_of(&server, "/v1/me", unknown).await;
            assert!(is_of_nobody(&stranger), "{stranger}");
            assert_eq!(refusal(&stranger), (401, "invalid-token", ""));
        }
        let refresh = json!({"refresh_token": ada["refresh_token"]});
        let answer = server.post("/v1/tokens/refresh", "", &refresh).await;
        assert!(names(&line(&server, &answer), &ada));
        time_passes(&mut server, &url).await;
        let stale = server
            .post("/v1/admin/service-keys", &admin, &json!({}))
            .await;
        let stale = line(&server, &stale);
        assert!(stale["user_id"].is_string(), "{stale}");
        assert_eq!(refusal(&stale), (403, "reauthentication-required", ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_names_whose_token_has_ended_and_why_also_after_a_restart() {
    for (mut server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let mut ended = Vec::new();
        for (email, reason) in [
            ("ada@example.com", "signed_out"),
            ("bob@example.com", "revoked_by_admin"),
            ("cyd@example.com", "user_disabled"),
            ("dan@example.com", "token_expired"),
        ] {
            server.register(email).await;
            ended.push((server.sign_in(email).await, reason));
        }
        let token = |n: usize| access_token(&ended[n].0);
        let user = |n: usize| &ended[n].0["user"];
        let sessions = path(user(1), "/sessions");
        let answers = [
            server.delete("/v1/sessions/current", &token(0)).await,
            server.delete(&sessions, &admin).await,
            act(&server, &admin, user(2), "/disable").await,
        ];
        assert!(answers.iter().all(|answer| answer.status().is_success()));
        for (signed_in, reason) in &ended[..3] {
            let refused = line_of(&server, "/v1/me", &access_token(signed_in)).await;
            assert!(names(&refused, signed_in), "{url}: {refused}");
            assert_eq!(refusal(&refused), (401, "invalid-token", *reason));
        }
        server.kill();
        let id = user(3)["id"].as_str().unwrap();
        let past = format!("UPDATE sessions SET access_expires_at = 5 WHERE user_id = '{id}'");
        write(&url, &past).await;
        server.launch().await;
        for path in ["/v1/me", "/v1/verify", "/v1/audit/events"] {
            for (signed_in, reason) in &ended {
                let refused = line_of(&server, path, &access_token(signed_in)).await;
                assert!(names(&refused, signed_in), "{url}: {path}: {refused}");
                assert_eq!(refusal(&refused), (401, "invalid-token", *reason));
            }
        }
        let right = sign_in(&server, "cyd@example.com").await;
        let right = line(&server, &right);
        assert_eq!(right["user_id"], user(2)["id"]);
        assert_eq!(refusal(&right), (403, "account-disabled", ""));
        let body = json!({"email": "cyd@example.com", "password": "Wrong-horse-77"});
        let wrong = server.post("/v1/sessions", "", &body).await;
        assert!(is_of_nobody(&line(&server, &wrong)), "it may be anybody");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_names_the_service_key() {
    for (server, url, _folder) in servers(&[]).await {
        let admin = server.admin(ADMIN).await;
        let made = json!({"name": "gateway", "scopes": ["introspect"]});
        let made = server.post("/v1/admin/service-keys", &admin, &made).await;
        let made: Value = made.json().await.unwrap();
        let key = made["key"].as_str().unwrap();
        let introspect = || {
            let request = server.request(Method::POST, "/v1/oauth/introspect");
            let form = ("content-type", "application/x-www-form-urlencoded");
            let request = request.header(form.0, form.1).body("token=x");
            request.bearer_auth(key).send()
        };
        let let_in = line(&server, &introspect().await.unwrap());
        assert_eq!(let_in["service_key_id"], made["id"], "{url}");
        assert_eq!(refusal(&let_in), (200, "", ""));
        let no_scope = line_of(&server, "/v1/audit/events", key).await;
        assert_eq!(no_scope["service_key_id"], made["id"]);
        assert_eq!(refusal(&no_scope), (403, "forbidden", ""));
        let one = format!("/v1/admin/service-keys/{}", made["id"].as_str().unwrap());
        assert_eq!(server.delete(&one, &admin).await.status(), 204);
        let ended = [
            line(&server, &introspect().await.unwrap()),
            line_of(&server, "/v1/audit/events", key).await,
        ];
        for line in ended {
            assert_eq!(line["service_key_id"], made["id"]);
            assert_eq!(refusal(&line), (401, "invalid-token", "key_revoked"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_networks_apart_and_names_none() {
    let server = Server::start_with(&[TRUSTED]).await;
    let mut networks = Vec::new();
    for from in [
        "203.0.113.77",
        "203.0.113.78",
        "2001:db8:1:2::9",
        "2001:db8:1:2::7",
    ] {
        let request = server.request(Method::GET, "/v1/me");
        let request = request.header("x-forwarded-for", from);
        let answer = request.send().await.unwrap();
        let network = line(&server, &answer)["network"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(network.len(), 16);
        assert!(!server.log().contains(from));
        networks.push(network);
    }
    assert_ne!(networks[0], networks[1]);
    assert_ne!(networks[1], networks[2]);
    assert_eq!(networks[2], networks[3], "one network");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_verify_refuses_is_counted_by_its_reason() {
    let server = Server::start().await;
    let token = server.token("ada@example.com").await;
    let asked = [
        ("/v1/verify?role=admin", token.as_str(), 403),
        ("/v1/verify?role=auditor", &token, 403),
        ("/v1/verify?max_second_factor_age=60", &token, 403),
        ("/v1/verify?roles=admin", &token, 400),
        ("/v1/verify", "unknown", 401),
        ("/v1/verify", &token, 204),
    ];
    for (path, token, status) in asked {
        assert_eq!(server.get(path, token).await.status(), status, "{path}");
    }
    let metrics = reqwest::get(format!("{}/metrics", server.ops)).await;
    let metrics = metrics.unwrap().text().await.unwrap();
    for (reason, times) in [
        ("forbidden", 2),
        ("reauthentication-required", 1),
        ("malformed-request", 1),
        ("invalid-token", 1),
    ] {
        let expected = format!("gatelog_verify_refusals_total{{reason=\"{reason}\"}} {times}");
        assert!(metrics.contains(&expected), "{expected}: {metrics}");
    }
}
