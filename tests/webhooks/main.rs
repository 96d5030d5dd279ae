//! Webhooks against real receivers on loopback: every event once in its order, signed so that an independent verifier
//! agrees, tried again, parked and retried, and never into places where they must not go. On both engines.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod again;
mod lag;
mod set_back;
#[path = "../support/mod.rs"]
mod support;
mod tls;

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::any;
use reqwest::Method;
use serde_json::{Value, json};
use support::engines::{outcome, refused, rows, servers, write};
use support::{PATIENCE, Server};

const WEBHOOKS: &str = "/v1/admin/webhooks";
const ADMIN: &str = "root@example.com";
const SETTINGS: [(&str, &str); 3] = [
    ("WEBHOOKS_ALLOW_PRIVATE", "true"),
    ("WEBHOOK_RETRY_DELAY", "1"),
    ("WEBHOOK_ATTEMPTS", "2"),
];

/// One request that came.
#[derive(Debug, Clone)]
struct Received {
    id: String,
    timestamp: String,
    signature: String,
    body: String,
}

/// A receiver that answers with a status that can be changed.
#[derive(Clone)]
struct Receiver {
    url: String,
    status: Arc<Mutex<StatusCode>>,
    /// Whether requests are taken and not answered.
    holds: Arc<AtomicBool>,
    received: Arc<Mutex<Vec<Received>>>,
}

async fn take(
    State(receiver): State<Receiver>,
    headers: HeaderMap,
    body: String,
) -> impl IntoResponse {
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(text("content-type"), "application/x-ndjson");
    receiver.received.lock().unwrap().push(Received {
        id: text("webhook-id"),
        timestamp: text("webhook-timestamp"),
        signature: text("webhook-signature"),
        body,
    });
    if receiver.holds.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    (
        *receiver.status.lock().unwrap(),
        [("location", "/elsewhere")],
    )
}

impl Receiver {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            url: format!(
                "http://{}/hook?key=in-the-address",
                listener.local_addr().unwrap()
            ),
            status: Arc::new(Mutex::new(StatusCode::NO_CONTENT)),
            holds: Arc::default(),
            received: Arc::default(),
        };
        let router = Router::new()
            .route("/hook", any(take))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    fn answer(&self, status: u16) {
        *self.status.lock().unwrap() = StatusCode::from_u16(status).unwrap();
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        let received = self.received();
        let lines = received.iter().flat_map(|one| one.body.lines());
        lines.map(str::to_owned).collect()
    }
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let came = tokio::time::timeout(PATIENCE, waited).await;
    assert!(came.is_ok(), "{what}");
}

async fn create(server: &Server, admin: &str, body: &Value) -> Value {
    let answer = server.post(WEBHOOKS, admin, body).await;
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.json().await.unwrap()
}

fn one(created: &Value) -> String {
    format!("{WEBHOOKS}/{}", created["id"].as_str().unwrap())
}

async fn act(server: &Server, admin: &str, sink: &Value, what: &str) {
    let path = format!("{}/{what}", one(sink));
    assert_eq!(
        server.post(&path, admin, &json!({})).await.status(),
        204,
        "{what}"
    );
}

/// The exported lines.
async fn exported(server: &Server, auditor: &str, query: &str) -> Vec<String> {
    let request = server.request(Method::GET, &format!("/v1/audit/events{query}"));
    let request = request
        .bearer_auth(auditor)
        .header("accept", "application/x-ndjson");
    let text = request.send().await.unwrap().text().await.unwrap();
    text.lines().map(str::to_owned).collect()
}

async fn shown(server: &Server, admin: &str, sink: &Value) -> Value {
    server.get_json(&one(sink), admin).await
}

/// Standard Webhooks, as a receiver in Python would check it, without a line of ours.
fn verified(secret: &str, received: &Received) -> Vec<bool> {
    const SCRIPT: &str = "import base64,hashlib,hmac,json,sys\n\
        q=json.load(sys.stdin)\n\
        key=base64.b64decode(q['secret'].removeprefix('whsec_'))\n\
        assert 24<=len(key)<=64\n\
        want=hmac.new(key,f\"{q['id']}.{q['timestamp']}.{q['body']}\".encode(),hashlib.sha256).digest()\n\
        print(json.dumps([s=='v1,'+base64.b64encode(want).decode() for s in q['signature'].split(' ')]))";
    let question = json!({
        "secret": secret, "id": received.id, "timestamp": received.timestamp,
        "signature": received.signature, "body": received.body,
    });
    let mut python = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(python.stdin.take().unwrap(), &question).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_gets_every_line_in_order_signed_and_only_the_log_knows_no_secret() {
    for (server, url, _folder) in servers(&SETTINGS).await {
        let receiver = Receiver::start().await;
        let admin = server.admin(ADMIN).await;
        let auditor = server.auditor("eve@example.com").await;
        let body = json!({"name": "siem", "url": receiver.url, "after": 0});
        let sink = create(&server, &admin, &body).await;
        let secret = sink["secret"].as_str().unwrap();
        for n in 0..8 {
            server.register(&format!("user{n}@example.com")).await;
        }
        let expected = exported(&server, &auditor, "").await;
        until("all lines", async || {
            receiver.lines().len() >= expected.len()
        })
        .await;
        assert_eq!(receiver.lines()[..expected.len()], expected);
        let received = receiver.received();
        assert_eq!(verified(secret, &received[0]), [true]);
        let mut changed = received[0].clone();
        changed.body = changed.body.replacen("gatelog", "gatelob", 1);
        assert_eq!(verified(secret, &changed), [false]);
        let sent_at: i64 = received[0].timestamp.parse().unwrap();
        let age = chrono::Utc::now().timestamp() - sent_at;
        assert!((0..300).contains(&age), "{age}");
        until("position", async || {
            shown(&server, &admin, &sink).await["events_behind"] == 0
        })
        .await;
        // A second look shows neither the secret nor what stands in the address behind its origin.
        let page = server.get_json(WEBHOOKS, &admin).await;
        assert_eq!(page["items"][0]["name"], "siem");
        let tables = "SELECT payload FROM events UNION ALL SELECT origin FROM webhook_sinks";
        let tables = tables.replace("payload", "CAST(payload AS TEXT)");
        let mut texts = vec![page.to_string(), server.log()];
        texts.extend(
            rows(&url, &tables)
                .await
                .iter()
                .map(|row| row.text(0).unwrap()),
        );
        for text in texts {
            assert!(
                !text.contains("in-the-address") && !text.contains(&secret[6..]),
                "{text}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_is_parked_and_holds_nobody_up_and_goes_on_where_it_stopped() {
    for (server, _url, _folder) in servers(&SETTINGS).await {
        let (good, bad) = (Receiver::start().await, Receiver::start().await);
        // A redirect is not followed, and is no success.
        bad.answer(302);
        let admin = server.admin(ADMIN).await;
        let auditor = server.auditor("eve@example.com").await;
        let sink = create(
            &server,
            &admin,
            &json!({"name": "bad", "url": bad.url, "after": 0}),
        )
        .await;
        create(
            &server,
            &admin,
            &json!({"name": "good", "url": good.url, "after": 0}),
        )
        .await;
        server.register("ada@example.com").await;
        until("parked", async || {
            shown(&server, &admin, &sink).await["state"] == "parked"
        })
        .await;
        let expected = exported(&server, &auditor, "").await;
        until("the good one", async || {
            good.lines().len() >= expected.len()
        })
        .await;
        assert_eq!(good.lines()[..expected.len()], expected);
        let tries = bad.received();
        assert_eq!(tries.len(), 2, "as often as the setting says");
        assert_eq!(
            (&tries[0].id, &tries[0].body),
            (&tries[1].id, &tries[1].body)
        );
        let view = shown(&server, &admin, &sink).await;
        assert_eq!(
            (&view["position"], &view["attempts"]),
            (&json!(0), &json!(2))
        );
        assert!(
            view["last_error"].as_str().unwrap().contains("302"),
            "{view}"
        );
        let (_, ready) = server.readyz().await;
        assert_eq!(ready["webhooks"]["parked"], json!([sink["id"]]));
        let metrics = reqwest::get(format!("{}/metrics", server.ops))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert!(metrics.contains("gatelog_webhook_lag_events"), "{metrics}");
        assert!(server.log().contains("is parked"));
        bad.answer(200);
        act(&server, &admin, &sink, "retry").await;
        let expected = exported(&server, &auditor, "").await;
        let refused_lines = tries[0].body.lines().count() * 2;
        let all = refused_lines + expected.len();
        until("the rest", async || bad.lines().len() >= all).await;
        assert_eq!(bad.received()[2].id, tries[0].id, "the same message again");
        assert_eq!(bad.lines()[refused_lines..all], expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_filtered_paused_resumed_given_another_secret_and_removed() {
    for (server, url, _folder) in servers(&SETTINGS).await {
        let receiver = Receiver::start().await;
        let admin = server.admin(ADMIN).await;
        let types = json!(["UserRegistered", "UserNameChanged"]);
        let body = json!({"name": "crm", "url": receiver.url, "event_types": types});
        let sink = create(&server, &admin, &body).await;
        server.register("ada@example.com").await;
        until("one", async || receiver.lines().len() == 1).await;
        assert!(receiver.lines()[0].contains("\"UserRegistered\""));
        act(&server, &admin, &sink, "pause").await;
        act(&server, &admin, &sink, "pause").await;
        let rotated = server
            .post(&format!("{}/secret", one(&sink)), &admin, &json!({}))
            .await;
        assert_eq!(rotated.status(), 200);
        let rotated: Value = rotated.json().await.unwrap();
        assert_ne!(rotated["secret"], sink["secret"]);
        server.register("bob@example.com").await;
        assert_eq!(shown(&server, &admin, &sink).await["state"], "paused");
        assert_eq!(receiver.lines().len(), 1, "nothing while it is paused");
        act(&server, &admin, &sink, "resume").await;
        until("two", async || receiver.lines().len() == 2).await;
        let last = receiver.received().pop().unwrap();
        assert_eq!(
            verified(rotated["secret"].as_str().unwrap(), &last),
            [true, false]
        );
        assert_eq!(
            verified(sink["secret"].as_str().unwrap(), &last),
            [false, true]
        );
        for status in [204, 204] {
            assert_eq!(server.delete(&one(&sink), &admin).await.status(), status);
        }
        assert_eq!(
            outcome(server.get(&one(&sink), &admin).await).await,
            refused(404, "not-found")
        );
        let left = "SELECT secret_id FROM vault_webhook_secrets UNION ALL SELECT webhook_sink_id FROM webhook_deliveries";
        assert!(rows(&url, left).await.is_empty());
        let pause = server
            .post(&format!("{}/pause", one(&sink)), &admin, &json!({}))
            .await;
        assert_eq!(outcome(pause).await, refused(404, "not-found"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_into_places_where_it_must_not_go() {
    let server = Server::start_with(&SETTINGS[1..]).await;
    let receiver = Receiver::start().await;
    let admin = server.admin(ADMIN).await;
    for url in [
        receiver.url.as_str(),
        "https://127.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://user:password@example.com/",
        "ftp://example.com/",
        "",
    ] {
        let answer = server
            .post(WEBHOOKS, &admin, &json!({"name": "x", "url": url}))
            .await;
        assert_eq!(
            outcome(answer).await,
            refused(422, "validation-failed"),
            "{url}"
        );
    }
    // A name is judged by what it resolves to, when something is sent.
    let port = receiver
        .url
        .split(':')
        .nth(2)
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let url = format!("https://localhost:{port}/hook");
    let sink = create(
        &server,
        &admin,
        &json!({"name": "x", "url": url, "after": 0}),
    )
    .await;
    until("parked", async || {
        shown(&server, &admin, &sink).await["state"] == "parked"
    })
    .await;
    let view = shown(&server, &admin, &sink).await;
    assert!(
        view["last_error"].as_str().unwrap().contains("private"),
        "{view}"
    );
    assert!(receiver.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_node_dies_another_goes_on_and_the_receiver_misses_nothing() {
    let postgres = eventlog::testing::TestPostgres::shared().unwrap();
    let url = postgres.fresh_database().await.unwrap();
    let key = "5b".repeat(32);
    let settings = [
        &SETTINGS[..],
        &[("DATABASE_URL", url.as_str()), ("MASTER_KEY", key.as_str())],
    ]
    .concat();
    let mut first = Server::start_with(&settings).await;
    let receiver = Receiver::start().await;
    let admin = first.admin(ADMIN).await;
    let auditor = first.auditor("eve@example.com").await;
    create(
        &first,
        &admin,
        &json!({"name": "siem", "url": receiver.url, "after": 0}),
    )
    .await;
    until("the first node sends", async || {
        !receiver.lines().is_empty()
    })
    .await;
    let second = Server::start_with(&settings).await;
    for n in 0..10 {
        first.register(&format!("user{n}@example.com")).await;
    }
    first.kill();
    // The lease of the dead node runs out.
    write(&url, "UPDATE webhook_deliveries SET lease_until = 0").await;
    second.register("last@example.com").await;
    let expected = exported(&second, &auditor, "").await;
    let seen = async || {
        let mut lines = receiver.lines();
        // What was sent and not noted came twice, with the same identifier.
        let mut seen = std::collections::BTreeSet::new();
        lines.retain(|line| seen.insert(line.clone()));
        lines
    };
    until("all", async || seen().await.len() >= expected.len()).await;
    assert_eq!(seen().await[..expected.len()], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sink_is_refused_field_by_field() {
    let server = Server::start().await;
    let admin = server.admin(ADMIN).await;
    let url = "https://hooks.example.com/";
    for (body, status, slug) in [
        (json!({}), 422, "validation-failed"),
        (json!({"name": "", "url": url}), 422, "validation-failed"),
        (json!({"name": "x", "url": 7}), 422, "validation-failed"),
        (
            json!({"name": "x", "url": url, "event_types": ["Nothing"]}),
            422,
            "validation-failed",
        ),
        (
            json!({"name": "x", "url": url, "format": "xml"}),
            422,
            "validation-failed",
        ),
        (
            json!({"name": "x", "url": url, "after": -1}),
            422,
            "validation-failed",
        ),
        (
            json!({"name": "x", "url": url, "after": u64::MAX}),
            422,
            "validation-failed",
        ),
        (
            json!({"name": "x", "url": url, "secret": "mine"}),
            422,
            "validation-failed",
        ),
    ] {
        let answer = server.post(WEBHOOKS, &admin, &body).await;
        assert_eq!(outcome(answer).await, refused(status, slug), "{body}");
    }
}
