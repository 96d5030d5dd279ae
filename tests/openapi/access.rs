//! Who may call what: every operation with every kind of caller.

use reqwest::Method;
use serde_json::{Value, json};

use crate::calls::{Owned, well_formed};
use crate::support::{self, PASSWORD, Server, access_token};
use crate::{operations, unlisted};

/// How many kinds of caller there are.
const CALLERS: usize = 10;
/// The place of whoever must have a second factor and has none: asked last, since everybody must then.
const FACTOR_DUE: usize = 9;

/// Each operation with the status that each kind of caller gets for a request that is well-formed and names what exists:
/// anonymous, the owner of what it names, another user, somebody whose second factor is due (with the challenge as the
/// token), an auditor, an administrator, a service key with every scope, a disabled account's token, an expired token,
/// somebody whose account must have a second factor and has none.
#[rustfmt::skip]
pub const TABLE: &[(&str, &str, [u16; CALLERS])] = &[
    ("post", "/v1/users", [201, 201, 201, 201, 201, 201, 201, 201, 201, 201]),
    ("post", "/v1/sessions", [201, 201, 201, 201, 201, 201, 201, 201, 201, 201]),
    // No such challenge.
    ("post", "/v1/sessions/second-factor", [410, 410, 410, 410, 410, 410, 410, 410, 410, 410]),
    ("get", "/v1/sessions", [401, 200, 200, 401, 200, 200, 401, 401, 401, 200]),
    ("delete", "/v1/sessions", [401, 200, 200, 401, 200, 200, 401, 401, 401, 200]),
    ("get", "/v1/sessions/current", [401, 200, 200, 401, 200, 200, 401, 401, 401, 200]),
    ("get", "/v1/sessions/{id}", [401, 200, 404, 401, 404, 404, 401, 401, 401, 200]),
    ("delete", "/v1/sessions/{id}", [401, 204, 404, 401, 404, 404, 401, 401, 401, 204]),
    ("post", "/v1/sessions/current/reauthenticate", [401, 200, 200, 401, 200, 200, 401, 401, 401, 200]),
    ("post", "/v1/tokens/refresh", [200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("get", "/v1/verify", [401, 204, 204, 401, 204, 204, 401, 401, 401, 403]),
    ("get", "/v1/verify/{path}", [401, 204, 204, 401, 204, 204, 401, 401, 401, 403]),
    ("get", "/v1/me", [401, 200, 200, 401, 200, 200, 401, 401, 401, 200]),
    ("patch", "/v1/me", [401, 200, 200, 401, 200, 200, 401, 401, 401, 403]),
    // The current password is wrong, so that everybody can sign in afterwards.
    ("put", "/v1/me/password", [401, 403, 403, 401, 403, 403, 401, 401, 401, 403]),
    ("post", "/v1/me/email", [401, 202, 202, 401, 202, 202, 401, 401, 401, 202]),
    ("delete", "/v1/me/email", [401, 204, 204, 401, 204, 204, 401, 401, 401, 204]),
    // No such token.
    ("post", "/v1/email-confirmations", [410, 410, 410, 410, 410, 410, 410, 410, 410, 410]),
    ("post", "/v1/password-resets/confirm", [410, 410, 410, 410, 410, 410, 410, 410, 410, 410]),
    ("post", "/v1/password-resets", [202, 202, 202, 202, 202, 202, 202, 202, 202, 202]),
    ("get", "/v1/me/activity", [401, 200, 200, 401, 200, 200, 401, 401, 401, 403]),
    ("get", "/v1/me/export", [401, 200, 200, 401, 200, 200, 401, 401, 401, 403]),
    // The password is wrong, so that nobody is erased.
    ("post", "/v1/me/deletion", [401, 403, 403, 401, 403, 403, 401, 401, 401, 403]),
    ("delete", "/v1/me/deletion", [401, 204, 204, 401, 204, 204, 401, 401, 401, 204]),
    ("get", "/v1/me/totp", [401, 200, 200, 401, 200, 200, 401, 401, 401, 200]),
    // There is nothing to confirm yet, nothing to make codes for, and nothing to turn off.
    ("post", "/v1/me/totp/confirm", [401, 409, 409, 401, 409, 409, 401, 401, 401, 409]),
    ("post", "/v1/me/totp", [401, 201, 201, 401, 201, 201, 401, 401, 401, 201]),
    ("post", "/v1/me/totp/recovery-codes", [401, 409, 409, 401, 409, 409, 401, 401, 401, 403]),
    ("delete", "/v1/me/totp", [401, 204, 204, 401, 204, 204, 401, 401, 401, 403]),
    ("get", "/v1/config", [200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("get", "/v1/media", [401, 200, 200, 401, 200, 200, 401, 401, 401, 403]),
    ("post", "/v1/media", [401, 201, 201, 401, 201, 201, 401, 401, 401, 403]),
    ("get", "/v1/me/usage", [401, 200, 200, 401, 200, 200, 401, 401, 401, 403]),
    ("options", "/v1/uploads", [200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("post", "/v1/uploads", [401, 201, 201, 401, 201, 201, 401, 401, 401, 403]),
    ("head", "/v1/uploads/{id}", [401, 200, 404, 401, 404, 404, 401, 401, 401, 403]),
    ("patch", "/v1/uploads/{id}", [401, 204, 404, 401, 404, 404, 401, 401, 401, 403]),
    ("delete", "/v1/uploads/{id}", [401, 204, 404, 401, 404, 404, 401, 401, 401, 403]),
    ("get", "/v1/media/{id}", [401, 200, 404, 401, 404, 404, 401, 401, 401, 403]),
    ("delete", "/v1/media/{id}", [401, 204, 404, 401, 404, 404, 401, 401, 401, 403]),
    ("get", "/v1/media/{id}/content", [401, 200, 404, 401, 404, 404, 401, 401, 401, 403]),
    ("post", "/v1/media/{id}/jobs", [401, 202, 404, 401, 404, 404, 401, 401, 401, 403]),
    ("post", "/v1/media/{id}/links", [401, 201, 404, 401, 404, 404, 401, 401, 401, 403]),
    // The link is the proof, whoever asks.
    ("get", "/v1/links/{link}/{name}", [200, 200, 200, 200, 200, 200, 200, 200, 200, 200]),
    ("get", "/v1/jobs", [401, 200, 200, 401, 200, 200, 401, 401, 401, 403]),
    ("get", "/v1/jobs/{id}", [401, 200, 404, 401, 404, 404, 401, 401, 401, 403]),
    // The job has finished, which only its owner is told.
    ("delete", "/v1/jobs/{id}", [401, 409, 404, 401, 404, 404, 401, 401, 401, 403]),
    // The job has finished, so the stream ends.
    ("get", "/v1/jobs/{id}/events", [401, 200, 404, 401, 404, 404, 401, 401, 401, 403]),
    ("get", "/v1/jobs/{id}/outputs/{name}", [401, 200, 404, 401, 404, 404, 401, 401, 401, 403]),
    ("get", "/v1/audit/events", [401, 403, 403, 401, 200, 403, 200, 401, 401, 403]),
    ("get", "/v1/audit/events/live", [401, 403, 403, 401, 200, 403, 200, 401, 401, 403]),
    ("get", "/v1/audit/events/{id}/proof", [401, 403, 403, 401, 200, 403, 200, 401, 401, 403]),
    ("get", "/v1/audit/log/checkpoint", [401, 403, 403, 401, 200, 403, 200, 401, 401, 403]),
    ("get", "/v1/audit/log/key", [401, 403, 403, 401, 200, 403, 200, 401, 401, 403]),
    ("get", "/v1/audit/log/rollbacks", [401, 403, 403, 401, 200, 403, 200, 401, 401, 403]),
    ("get", "/v1/audit/log/tile/{tile}", [401, 403, 403, 401, 200, 403, 200, 401, 401, 403]),
    ("post", "/v1/oauth/introspect", [401, 401, 401, 401, 401, 401, 200, 401, 401, 401]),
    // The token is unknown, which is no error.
    ("post", "/v1/oauth/revoke", [401, 401, 401, 401, 401, 401, 200, 401, 401, 401]),
    ("get", "/v1/admin/users", [401, 403, 403, 401, 403, 200, 401, 401, 401, 403]),
    ("get", "/v1/admin/users/{id}", [401, 403, 403, 401, 403, 200, 401, 401, 401, 403]),
    ("post", "/v1/admin/users/{id}/enable", [401, 403, 403, 401, 403, 200, 401, 401, 401, 403]),
    ("post", "/v1/admin/users/{id}/roles", [401, 403, 403, 401, 403, 200, 401, 401, 401, 403]),
    ("get", "/v1/admin/users/{id}/sessions", [401, 403, 403, 401, 403, 200, 401, 401, 401, 403]),
    ("delete", "/v1/admin/users/{id}/sessions", [401, 403, 403, 401, 403, 200, 401, 401, 401, 403]),
    ("delete", "/v1/admin/users/{id}/totp", [401, 403, 403, 401, 403, 204, 401, 401, 401, 403]),
    ("post", "/v1/admin/users/{id}/disable", [401, 403, 403, 401, 403, 200, 401, 401, 401, 403]),
    ("post", "/v1/admin/users/{id}/erase", [401, 403, 403, 401, 403, 202, 401, 401, 401, 403]),
    // The administrator's call has ended the session of the owner, who comes after it.
    ("post", "/v1/admin/sessions/revoke-all", [401, 401, 403, 401, 403, 200, 401, 401, 401, 403]),
    ("get", "/v1/admin/service-keys", [401, 403, 403, 401, 403, 200, 401, 401, 401, 403]),
    ("post", "/v1/admin/service-keys", [401, 403, 403, 401, 403, 201, 401, 401, 401, 403]),
    ("delete", "/v1/admin/service-keys/{id}", [401, 403, 403, 401, 403, 204, 401, 401, 401, 403]),
    ("get", "/v1/admin/webhooks", [401, 403, 403, 401, 403, 200, 401, 401, 401, 403]),
    ("post", "/v1/admin/webhooks", [401, 403, 403, 401, 403, 201, 401, 401, 401, 403]),
    ("get", "/v1/admin/webhooks/{id}", [401, 403, 403, 401, 403, 200, 401, 401, 401, 403]),
    ("post", "/v1/admin/webhooks/{id}/pause", [401, 403, 403, 401, 403, 204, 401, 401, 401, 403]),
    ("post", "/v1/admin/webhooks/{id}/resume", [401, 403, 403, 401, 403, 204, 401, 401, 401, 403]),
    ("post", "/v1/admin/webhooks/{id}/retry", [401, 403, 403, 401, 403, 204, 401, 401, 401, 403]),
    ("post", "/v1/admin/webhooks/{id}/secret", [401, 403, 403, 401, 403, 200, 401, 401, 401, 403]),
    ("delete", "/v1/admin/webhooks/{id}", [401, 403, 403, 401, 403, 204, 401, 401, 401, 403]),
    ("delete", "/v1/sessions/current", [401, 204, 204, 401, 204, 204, 401, 401, 401, 204]),
];

pub const OWNER: &str = "ada@example.com";
const OTHER: &str = "bob@example.com";
const PENDING: &str = "cyd@example.com";
const DISABLED: &str = "dan@example.com";
const AUDITOR: &str = "eve@example.com";
const EXPIRED: &str = "fay@example.com";
const VICTIM: &str = "gil@example.com";
const ADMIN: &str = "root@example.com";
const DUE: &str = "hal@example.com";

/// Those whose tokens stay as they are, whatever is called.
struct Standing {
    challenge: String,
    service_key: String,
    disabled: String,
    expired: String,
}

/// The callers of a row where nobody must have a second factor, with a token each, the owner last, since a call may end
/// what it names.
async fn callers(server: &Server, standing: &Standing) -> [(usize, String); FACTOR_DUE] {
    let mut fresh = Vec::new();
    for email in [OTHER, AUDITOR, ADMIN, OWNER] {
        fresh.push(access_token(&server.sign_in(email).await));
    }
    let fresh = |n: usize| fresh[n].clone();
    [
        (0, String::new()),
        (2, fresh(0)),
        (3, standing.challenge.clone()),
        (4, fresh(1)),
        (6, standing.service_key.clone()),
        (7, standing.disabled.clone()),
        (8, standing.expired.clone()),
        (5, fresh(2)),
        (1, fresh(3)),
    ]
}

async fn statuses(
    server: &Server,
    standing: &Standing,
    row: (&str, &str),
    owned: &Owned,
    n: usize,
) -> [u16; FACTOR_DUE] {
    let mut seen = [0; FACTOR_DUE];
    for (place, token) in callers(server, standing).await {
        let answer = ask(server, row, owned, &token, CALLERS * n + place).await;
        seen[place] = answer.status().as_u16();
    }
    seen
}

async fn ask(
    server: &Server,
    row: (&str, &str),
    owned: &Owned,
    token: &str,
    n: usize,
) -> reqwest::Response {
    let method = Method::from_bytes(row.0.to_uppercase().as_bytes()).unwrap();
    let request = server.request(method, &owned.path(row.1, row.0 == "delete"));
    let request = well_formed(server, request, row, n).await;
    let request = if token.is_empty() {
        request
    } else {
        request.bearer_auth(token)
    };
    request.send().await.unwrap()
}

/// Registers somebody whose second factor is due: the challenge of a sign-in.
async fn pending(server: &Server) -> String {
    let token = server.token(PENDING).await;
    let answer = server.post("/v1/me/totp", &token, &json!({})).await;
    let enrolment: Value = answer.json().await.unwrap();
    let code = support::totp::code(enrolment["secret"].as_str().unwrap());
    let confirm = json!({"code": code});
    let answer = server.post("/v1/me/totp/confirm", &token, &confirm).await;
    assert_eq!(answer.status(), 200);
    let body = json!({"email": PENDING, "password": PASSWORD});
    let answer = server.post("/v1/sessions", "", &body).await;
    assert_eq!(answer.status(), 202);
    let body: Value = answer.json().await.unwrap();
    body["challenge"].as_str().unwrap().to_owned()
}

async fn webhook(server: &Server, admin: &str) -> Value {
    let body = json!({"name": "sink", "url": "https://hooks.example.com/"});
    let answer = server.post("/v1/admin/webhooks", admin, &body).await;
    let made: Value = answer.json().await.unwrap();
    // Nothing is to be sent from here.
    let pause = format!("/v1/admin/webhooks/{}/pause", made["id"].as_str().unwrap());
    assert_eq!(server.post(&pause, admin, &json!({})).await.status(), 204);
    made
}

async fn service_key(server: &Server, admin: &str) -> Value {
    let body = json!({"name": "all", "scopes": ["audit", "introspect", "revoke"]});
    let answer = server.post("/v1/admin/service-keys", admin, &body).await;
    answer.json().await.unwrap()
}

/// Everybody who calls, but for those who sign in for each row.
async fn standing(server: &mut Server, url: &str, admin: &str) -> Standing {
    let challenge = pending(server).await;
    let dan = server.register(DISABLED).await;
    let disabled = access_token(&server.sign_in(DISABLED).await);
    let disable = format!("/v1/admin/users/{}/disable", dan["id"].as_str().unwrap());
    let answer = server.post(&disable, admin, &json!({})).await;
    assert_eq!(answer.status(), 200);
    let fay = server.register(EXPIRED).await;
    let expired = access_token(&server.sign_in(EXPIRED).await);
    let service_key = service_key(server, admin).await;
    server.kill();
    let id = fay["id"].as_str().unwrap();
    let past = format!("UPDATE sessions SET access_expires_at = 5 WHERE user_id = '{id}'");
    support::engines::write(url, &past).await;
    server.launch().await;
    Standing {
        challenge,
        service_key: service_key["key"].as_str().unwrap().to_owned(),
        disabled,
        expired,
    }
}

async fn upload(server: &Server, token: &str) -> String {
    let made = server
        .request(Method::POST, "/v1/uploads")
        .bearer_auth(token);
    let made = made
        .header("tus-resumable", "1.0.0")
        .header("upload-length", "100");
    let location = made.send().await.unwrap().headers()["location"].clone();
    let path = location.to_str().unwrap();
    path.strip_prefix("/v1/uploads/").unwrap().to_owned()
}

/// What the rows name, made anew, since the row before may have ended it.
async fn owned(server: &Server, url: &str, admin: &str, job: &str, victim: &str) -> Owned {
    let signed_in = server.sign_in(OWNER).await;
    let token = access_token(&signed_in);
    let media = server.upload(&token, "a.mp4", support::clip()).await;
    let upload = upload(server, &token).await;
    let links = format!("/v1/media/{media}/links");
    let link = server.post(&links, &token, &json!({})).await;
    let link: Value = link.json().await.unwrap();
    let service_key = service_key(server, admin).await;
    let event = "SELECT CAST(event_id AS TEXT) FROM events WHERE position = 1";
    let event = support::engines::rows(url, event).await[0].text(0).unwrap();
    let webhook = webhook(server, admin).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Owned {
        session: text(&signed_in["session"]["id"]),
        media,
        upload,
        job: job.to_owned(),
        link: text(&link["url"]),
        user: victim.to_owned(),
        service_key: text(&service_key["id"]),
        event,
        webhook: text(&webhook["id"]),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_lets_in_whom_it_should() {
    let document = gatelog::http::document();
    let mut document = serde_json::to_value(document).unwrap();
    assert_eq!(unlisted(&document), Vec::new());
    assert_eq!(operations(&document).len(), TABLE.len());
    document["paths"]["/v1/secret"] = json!({"get": {}});
    assert_eq!(
        unlisted(&document).len(),
        1,
        "an endpoint without a row is found"
    );
    let settings = [("UPLOADS_PER_USER", "1000")];
    for (mut server, url, _folder) in support::engines::servers(&settings).await {
        let owned = every_row_is_kept(&mut server, &url).await;
        let settings = [("SECOND_FACTOR_REQUIRED_FOR", "everyone")];
        let server = support::engines::restarted(server, &url, &settings).await;
        every_row_is_kept_before_the_second_factor(&server, &url, owned).await;
    }
}

/// What is refused is refused for the factor, whatever the request names.
async fn every_row_is_kept_before_the_second_factor(server: &Server, url: &str, mut owned: Owned) {
    const ASKING_FOR_THE_PASSWORD: [&str; 2] = ["/v1/me/password", "/v1/me/deletion"];
    server.register(DUE).await;
    for (n, (method, path, expected)) in TABLE.iter().enumerate() {
        let signed_in = server.sign_in(DUE).await;
        owned.session = signed_in["session"]["id"].as_str().unwrap().to_owned();
        let (row, token) = ((*method, *path), access_token(&signed_in));
        let answer = ask(server, row, &owned, &token, CALLERS * n + FACTOR_DUE).await;
        let (status, slug) = support::engines::outcome(answer).await;
        assert_eq!(status, expected[FACTOR_DUE], "{url}: {method} {path}");
        let has_body = *method != "head";
        if status == 403 && has_body && !ASKING_FOR_THE_PASSWORD.contains(path) {
            assert_eq!(slug, "second-factor-required", "{url}: {method} {path}");
        }
    }
}

/// What the last row named.
async fn every_row_is_kept(server: &mut Server, url: &str) -> Owned {
    let admin = server.admin(ADMIN).await;
    let standing = standing(server, url, &admin).await;
    server.launch_worker().await;
    server.register(OTHER).await;
    server.auditor(AUDITOR).await;
    let victim = server.register(VICTIM).await;
    let victim = victim["id"].as_str().unwrap();
    let owner = server.token(OWNER).await;
    let media = server.upload(&owner, "a.mp4", support::clip()).await;
    let job = server.job(&owner, &media, "metadata").await;
    assert_eq!(server.ended(&owner, &job).await["state"], "succeeded");
    let mut named = None;
    for (n, (method, path, expected)) in TABLE.iter().enumerate() {
        let admin = access_token(&server.sign_in(ADMIN).await);
        let owned = owned(server, url, &admin, &job, victim).await;
        let seen = statuses(server, &standing, (method, path), &owned, n).await;
        assert_eq!(seen, expected[..FACTOR_DUE], "{url}: {method} {path}");
        // There may be only so many at once.
        let webhook = format!("/v1/admin/webhooks/{}", owned.webhook);
        server.delete(&webhook, &admin).await;
        named = Some(owned);
    }
    named.unwrap()
}
