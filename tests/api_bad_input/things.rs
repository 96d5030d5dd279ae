//! What belongs to people: paths, identifiers, parameters, jobs and uploads.

use serde_json::{Value, json};

use crate::request::By::{Ada, Bob, Nobody};
use crate::request::{Request, Row, all_get, call, get, post, post_raw};
use crate::support::clip;

/// Ada's own.
pub struct Things {
    pub session: String,
    pub media: String,
    pub job: String,
}

pub fn rows(ada: &Things) -> Vec<Row> {
    [
        tokens_that_are_missing_or_misplaced(),
        methods_and_paths_that_are_none(ada),
        identifiers_that_are_none(ada),
        what_is_another_persons(ada),
        parameters(),
        roles(),
        oauth(),
        jobs(ada),
        links(ada),
        uploads_that_are_not_what_they_say(),
        names_that_go_elsewhere(),
        uploads_without_a_version(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is wrong with those that name it is in tests/uploads.
fn uploads_without_a_version() -> Vec<Row> {
    let piece = "application/offset+octet-stream";
    let calls = [
        post_raw(Nobody, "/v1/uploads", piece, "ID3"),
        post_raw(Ada, "/v1/uploads", piece, "ID3"),
        call(Ada, "PATCH", "/v1/uploads/x"),
        call(Ada, "DELETE", "/v1/uploads/x"),
    ];
    all_get(calls, 412, "tus-version")
}

fn tokens_that_are_missing_or_misplaced() -> Vec<Row> {
    let protected = [
        "/v1/me",
        "/v1/me/totp",
        "/v1/me/usage",
        "/v1/sessions",
        "/v1/sessions/current",
        "/v1/media",
        "/v1/jobs",
        "/v1/audit/events",
        "/v1/audit/events/live",
        "/v1/audit/events/x/proof",
        "/v1/audit/log/checkpoint",
        "/v1/audit/log/key",
        "/v1/audit/log/tile/0/000",
        "/v1/admin/users",
        "/v1/admin/users/x",
        "/v1/admin/users/x/sessions",
        "/v1/admin/service-keys",
        "/v1/admin/webhooks",
        "/v1/admin/webhooks/x",
        "/v1/verify",
    ];
    let in_url = [
        "/v1/me?access_token=0123",
        "/v1/verify?access_token=0123",
        "/v1/sessions?token=0123",
    ];
    let mut rows = all_get(
        protected.map(|path| get(Nobody, path)),
        401,
        "invalid-token",
    );
    rows.extend(all_get(
        in_url.map(|path| get(Ada, path)),
        400,
        "token-in-url",
    ));
    rows
}

fn methods_and_paths_that_are_none(ada: &Things) -> Vec<Row> {
    let methods = [
        call(Ada, "PUT", "/v1/me"),
        get(Nobody, "/v1/users"),
        call(Ada, "PATCH", format!("/v1/media/{}", ada.media)),
        call(Ada, "TRACE", "/v1/sessions"),
        call(Ada, "PUT", "/v1/audit/log/tile/0/000"),
    ];
    let paths = [
        "/v1/nothing",
        "/v1/",
        "/problems/nothing",
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2f..%2fetc%2fpasswd",
    ];
    let mut rows = all_get(methods, 405, "method-not-allowed");
    rows.extend(all_get(paths.map(|path| get(Ada, path)), 404, "not-found"));
    rows
}

fn identifiers_that_are_none(ada: &Things) -> Vec<Row> {
    let mut requests = Vec::new();
    for id in [
        "x",
        "1",
        "00000000-0000-0000-0000-000000000000",
        "%00",
        "..",
        "a%2f..%2fb",
    ] {
        requests.push(get(Ada, format!("/v1/sessions/{id}")));
        requests.push(get(Ada, format!("/v1/media/{id}/content")));
        requests.push(call(Ada, "DELETE", format!("/v1/jobs/{id}")));
        requests.push(get(Ada, format!("/v1/jobs/{id}/events")));
        requests.push(post(Ada, format!("/v1/media/{id}/links"), json!({})));
        requests.push(get(Nobody, format!("/v1/links/{id}/content")));
    }
    for name in [
        "..%2f..%2fmaster.key",
        "%2e%2e",
        "poster.webp%00",
        "nothing",
    ] {
        let path = format!("/v1/jobs/{}/outputs/{name}", ada.job);
        requests.push(get(Ada, path));
    }
    all_get(requests, 404, "not-found")
}

fn what_is_another_persons(ada: &Things) -> Vec<Row> {
    let session = format!("/v1/sessions/{}", ada.session);
    let media = format!("/v1/media/{}", ada.media);
    let job = format!("/v1/jobs/{}", ada.job);
    let requests = [
        get(Bob, &session),
        call(Bob, "DELETE", &session),
        get(Bob, &media),
        get(Bob, format!("{media}/content")),
        call(Bob, "DELETE", &media),
        post(Bob, format!("{media}/jobs"), json!({"preset": "poster"})),
        get(Bob, &job),
        call(Bob, "DELETE", &job),
        get(Bob, format!("{job}/outputs/poster.webp")),
        get(Bob, format!("{job}/events")),
        post(Bob, format!("{media}/links"), json!({})),
    ];
    all_get(requests, 404, "not-found")
}

fn parameters() -> Vec<Row> {
    let sessions = [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "cursor=x",
        "cursor=%00",
        "state=all",
        "unknown=1",
    ]
    .map(|query| get(Ada, format!("/v1/sessions?{query}")));
    let media = ["limit=0", "limit=999", "cursor=!!", "page=2"]
        .map(|query| get(Ada, format!("/v1/media?{query}")));
    let others = [
        call(Ada, "DELETE", "/v1/sessions"),
        call(Ada, "DELETE", "/v1/sessions?scope=everyone"),
        get(Ada, "/v1/verify?max_auth_age=soon"),
        post_raw(Ada, "/v1/media?nam=x", "video/mp4", clip()),
    ];
    let requests = sessions.into_iter().chain(media).chain(others);
    all_get(requests, 400, "malformed-request")
}

fn roles() -> Vec<Row> {
    let requests = [
        get(Ada, "/v1/verify?role=auditor"),
        get(Ada, "/v1/audit/events"),
        get(Ada, "/v1/audit/log/checkpoint?cosigned=perhaps"),
        get(Ada, "/v1/audit/log/tile/%00/..%2f..%2fmaster.key"),
        get(Ada, "/v1/audit/events/%00/proof"),
        get(Ada, "/v1/admin/users?limit=nonsense"),
        get(Ada, "/v1/admin/users/%00"),
        call(Ada, "DELETE", "/v1/admin/users/x/sessions"),
        call(Ada, "DELETE", "/v1/admin/service-keys/x"),
        post(Ada, "/v1/admin/users/x/roles", json!({"roles": 7})),
        post(Ada, "/v1/admin/users/x/disable", json!([])),
        post(Ada, "/v1/admin/service-keys", json!({})),
        post(Ada, "/v1/admin/webhooks", json!({"url": 7})),
        post(Ada, "/v1/admin/webhooks/x/retry", json!([])),
        call(Ada, "DELETE", "/v1/admin/webhooks/%00"),
    ];
    all_get(requests, 403, "forbidden")
}

/// Whoever is no service is refused before the form is read.
fn oauth() -> Vec<Row> {
    let form = "application/x-www-form-urlencoded";
    let mut rows = Vec::new();
    for path in ["/v1/oauth/introspect", "/v1/oauth/revoke"] {
        rows.push(call(Nobody, "POST", path).gets(401, "invalid-client"));
        rows.push(post_raw(Nobody, path, form, "token=a").gets(401, "invalid-client"));
        rows.push(post_raw(Ada, path, form, "token=a").gets(401, "invalid-token"));
        rows.push(get(Ada, path).gets(405, "method-not-allowed"));
        let in_url = format!("{path}?token=a");
        rows.push(post_raw(Ada, in_url, form, "token=a").gets(400, "token-in-url"));
    }
    rows
}

fn links(ada: &Things) -> Vec<Row> {
    let ask = |body: Value| post(Ada, format!("/v1/media/{}/links", ada.media), body);
    let bodies = [
        json!({"expires_in": 9}),
        json!({"expires_in": 43_201}),
        json!({"expires_in": -1}),
        json!({"expires_in": "soon"}),
        json!({"output": "poster.webp"}),
        json!({"output": {"job": "x", "name": "poster.webp"}}),
        json!({"output": {"job": ada.job}}),
        json!({"url": "x"}),
    ];
    let mut rows = all_get(bodies.map(ask), 422, "validation-failed");
    let output = json!({"output": {"job": ada.job, "name": "../master.key"}});
    rows.push(ask(output).gets(404, "not-found"));
    rows
}

fn jobs(ada: &Things) -> Vec<Row> {
    let ask = |body: Value| post(Ada, format!("/v1/media/{}/jobs", ada.media), body);
    let bodies = [
        json!({"preset": "format-disk"}),
        json!({"preset": "poster; rm -rf /"}),
        json!({"preset": "poster\u{0}"}),
        json!({"preset": 1}),
        json!({"preset": "poster", "options": {"seek_ms": -1}}),
        json!({"preset": "poster", "options": {"vf": "x"}}),
        json!({}),
    ];
    all_get(bodies.map(ask), 422, "validation-failed")
}

fn upload(name: &str, content: impl Into<Vec<u8>>) -> Request {
    post_raw(Ada, format!("/v1/media?name={name}"), "video/mp4", content)
}

fn uploads_that_are_not_what_they_say() -> Vec<Row> {
    let contents = [
        "",
        "#EXTM3U\nfile:///etc/passwd",
        "ffconcat version 1.0\nfile x",
        "<svg xmlns=\"x\"/>",
        "<?xml version=\"1.0\"?>",
        "PK\u{3}\u{4}",
        "%PDF-1.7",
        "plain text",
    ];
    let requests = contents.map(|content| upload("a.mp4", content));
    all_get(requests, 415, "unsupported-media-type")
}

fn names_that_go_elsewhere() -> Vec<Row> {
    let long = "x".repeat(300);
    let names = [
        "..%2f..%2fevil",
        "a%2fb",
        "a%5cb",
        "..",
        ".",
        "",
        "a%00b",
        "a%0ab",
        &long,
    ];
    let requests = names.map(|name| upload(name, clip()));
    all_get(requests, 422, "validation-failed")
}
