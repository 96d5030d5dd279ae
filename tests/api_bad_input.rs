//! Wrong input: a table of requests, each with the problem that it must get. Never a 5xx that is not named, never a
//! bare text, never a cookie.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use support::{PASSWORD, Server, access_token, clip};

/// Who sends the request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    Nobody,
    Ada,
    /// Another person than the one whose things the paths name.
    Bob,
}
use By::{Ada, Bob, Nobody};

/// The body of a request.
enum Body {
    None,
    Json(Value),
    Raw(&'static str, Vec<u8>),
}
use Body::{Json, None as Empty, Raw};

type Row = (By, &'static str, String, Body, u16, &'static str);

const JSON: &str = "application/json";

fn rows(session: &str, media: &str, job: &str) -> Vec<Row> {
    let deep = "[".repeat(20_000);
    let long = "x".repeat(300);
    let many = "x".repeat(70_000);
    let register = |body: Value| (Nobody, "POST", "/v1/users".to_owned(), Json(body));
    let raw = |path: &str, text: &str| {
        (
            Nobody,
            "POST",
            path.to_owned(),
            Raw(JSON, text.as_bytes().to_vec()),
        )
    };
    let get = |by: By, path: &str| (by, "GET", path.to_owned(), Empty);
    let mut rows: Vec<Row> = Vec::new();
    let mut row = |(by, method, path, body): (By, &'static str, String, Body),
                   status: u16,
                   slug: &'static str| {
        rows.push((by, method, path, body, status, slug));
    };
    // Bodies that are no JSON, or not the JSON that fits.
    for text in [
        "",
        "{",
        "nonsense",
        "{\"email\":\"a@b.example\"",
        "{\"email\":\"a@b.example\",\"password\":\"x\"} trailing",
        "\u{0}",
        "{\"email\":\"\u{1}\"}",
        "{'email':1}",
    ] {
        row(raw("/v1/users", text), 400, "malformed-request");
    }
    row(raw("/v1/users", &deep), 400, "malformed-request");
    row(
        raw("/v1/users", "{\"email\":\"\\ud800\",\"password\":\"x\"}"),
        422,
        "validation-failed",
    );
    row(
        (
            Nobody,
            "POST",
            "/v1/users".into(),
            Raw(JSON, vec![0xff, 0xfe, 0x00]),
        ),
        400,
        "malformed-request",
    );
    row(
        (
            Nobody,
            "POST",
            "/v1/users".into(),
            Raw(JSON, many.clone().into_bytes()),
        ),
        413,
        "payload-too-large",
    );
    row(
        (
            Nobody,
            "POST",
            "/v1/sessions".into(),
            Raw(JSON, format!("{{\"email\":\"{many}\"}}").into_bytes()),
        ),
        413,
        "payload-too-large",
    );
    for value in [json!([]), json!(1), json!("x"), json!(null), json!({})] {
        row(register(value), 422, "validation-failed");
    }
    row(
        register(json!({"email": 1, "password": PASSWORD})),
        422,
        "validation-failed",
    );
    row(
        register(json!({"email": "a@b.example", "password": [PASSWORD]})),
        422,
        "validation-failed",
    );
    row(
        register(json!({"email": "a@b.example", "password": PASSWORD, "role": "admin"})),
        422,
        "validation-failed",
    );
    row(
        register(json!({"email": "a@b.example", "password": PASSWORD, "name": 7})),
        422,
        "validation-failed",
    );
    row(
        raw(
            "/v1/users",
            "{\"email\":\"a@b.example\",\"email\":\"c@d.example\",\"password\":\"x\"}",
        ),
        422,
        "validation-failed",
    );
    for email in [
        "",
        "ada",
        "@",
        "a@",
        "@b",
        "a b@c.example",
        "a@b@c",
        " a@b.example",
        "a@b.example\n",
        "a\u{0}@b.example",
        &format!("{long}@b.example"),
    ] {
        row(
            register(json!({"email": email, "password": PASSWORD})),
            422,
            "validation-failed",
        );
    }
    for name in ["", " ", "a\u{0}b", "a\nb", &long] {
        row(
            register(json!({"email": "a@b.example", "password": PASSWORD, "name": name})),
            422,
            "validation-failed",
        );
    }
    for password in [
        "",
        "short1!",
        "alllower1!",
        "ALLUPPER1!",
        "NoDigits!!",
        "NoSymbol11",
        "Password1!",
        "Ab1!".repeat(80).as_str(),
    ] {
        row(
            register(json!({"email": "a@b.example", "password": password})),
            422,
            "validation-failed",
        );
    }
    row(
        register(json!({"email": "adalovelace@b.example", "password": "Adalovelace-1"})),
        422,
        "validation-failed",
    );
    row(
        register(json!({"email": "ada@example.com", "password": PASSWORD})),
        409,
        "email-taken",
    );
    row(
        register(json!({"email": "ADA@example.COM", "password": PASSWORD})),
        409,
        "email-taken",
    );
    // Media types.
    row(
        (
            Nobody,
            "POST",
            "/v1/users".into(),
            Raw("text/plain", b"{}".to_vec()),
        ),
        415,
        "unsupported-media-type",
    );
    row(
        (
            Nobody,
            "POST",
            "/v1/users".into(),
            Raw("application/xml", b"<a/>".to_vec()),
        ),
        415,
        "unsupported-media-type",
    );
    row(
        (Nobody, "POST", "/v1/sessions".into(), Empty),
        415,
        "unsupported-media-type",
    );
    // Signing in.
    let sign_in = |body: Value| (Nobody, "POST", "/v1/sessions".to_owned(), Json(body));
    row(
        sign_in(json!({"email": "ada@example.com", "password": "wrong"})),
        401,
        "invalid-credentials",
    );
    row(
        sign_in(json!({"email": "nobody@example.com", "password": PASSWORD})),
        401,
        "invalid-credentials",
    );
    row(
        sign_in(json!({"email": "no address", "password": PASSWORD})),
        401,
        "invalid-credentials",
    );
    row(
        sign_in(json!({"email": "ada@example.com"})),
        422,
        "validation-failed",
    );
    row(
        sign_in(json!({"email": "ada@example.com", "password": PASSWORD, "device_name": ""})),
        422,
        "validation-failed",
    );
    row(
        sign_in(json!({"email": "ada@example.com", "password": PASSWORD, "otp": "1"})),
        422,
        "validation-failed",
    );
    let refresh = |token: &str| {
        (
            Nobody,
            "POST",
            "/v1/tokens/refresh".to_owned(),
            Json(json!({"refresh_token": token})),
        )
    };
    for token in ["", "x", &"0".repeat(64), &"G".repeat(64)] {
        row(refresh(token), 401, "invalid-token");
    }
    // No token, or not where it belongs.
    for path in [
        "/v1/me",
        "/v1/sessions",
        "/v1/sessions/current",
        "/v1/media",
        "/v1/jobs",
        "/v1/audit/events",
        "/v1/verify",
    ] {
        row(get(Nobody, path), 401, "invalid-token");
    }
    row(get(Ada, "/v1/me?access_token=0123"), 400, "token-in-url");
    row(
        get(Ada, "/v1/verify?access_token=0123"),
        400,
        "token-in-url",
    );
    row(get(Ada, "/v1/sessions?token=0123"), 400, "token-in-url");
    // Methods and paths that are none.
    row(
        (Ada, "PUT", "/v1/me".into(), Empty),
        405,
        "method-not-allowed",
    );
    row(
        (Nobody, "GET", "/v1/users".into(), Empty),
        405,
        "method-not-allowed",
    );
    row(
        (Ada, "PATCH", format!("/v1/media/{media}"), Empty),
        405,
        "method-not-allowed",
    );
    row(
        (Ada, "TRACE", "/v1/sessions".into(), Empty),
        405,
        "method-not-allowed",
    );
    row(get(Ada, "/v1/nothing"), 404, "not-found");
    row(get(Ada, "/v1/"), 404, "not-found");
    row(get(Ada, "/problems/nothing"), 404, "not-found");
    row(get(Ada, "/../../etc/passwd"), 404, "not-found");
    row(get(Ada, "/%2e%2e/%2e%2e/etc/passwd"), 404, "not-found");
    row(
        get(Ada, "/assets/..%2f..%2f..%2fetc%2fpasswd"),
        404,
        "not-found",
    );
    // Identifiers that are none, are unknown, or are another person's.
    for id in [
        "x",
        "1",
        "00000000-0000-0000-0000-000000000000",
        "%00",
        "..",
        "a%2f..%2fb",
    ] {
        row(get(Ada, &format!("/v1/sessions/{id}")), 404, "not-found");
        row(
            get(Ada, &format!("/v1/media/{id}/content")),
            404,
            "not-found",
        );
        row(
            (Ada, "DELETE", format!("/v1/jobs/{id}"), Empty),
            404,
            "not-found",
        );
    }
    row(
        get(Bob, &format!("/v1/sessions/{session}")),
        404,
        "not-found",
    );
    row(
        (Bob, "DELETE", format!("/v1/sessions/{session}"), Empty),
        404,
        "not-found",
    );
    row(get(Bob, &format!("/v1/media/{media}")), 404, "not-found");
    row(
        get(Bob, &format!("/v1/media/{media}/content")),
        404,
        "not-found",
    );
    row(
        (Bob, "DELETE", format!("/v1/media/{media}"), Empty),
        404,
        "not-found",
    );
    row(
        (
            Bob,
            "POST",
            format!("/v1/media/{media}/jobs"),
            Json(json!({"preset": "poster"})),
        ),
        404,
        "not-found",
    );
    row(get(Bob, &format!("/v1/jobs/{job}")), 404, "not-found");
    row(
        (Bob, "DELETE", format!("/v1/jobs/{job}"), Empty),
        404,
        "not-found",
    );
    row(
        get(Bob, &format!("/v1/jobs/{job}/outputs/poster.webp")),
        404,
        "not-found",
    );
    for name in [
        "..%2f..%2fmaster.key",
        "%2e%2e",
        "poster.webp%00",
        "nothing",
    ] {
        row(
            get(Ada, &format!("/v1/jobs/{job}/outputs/{name}")),
            404,
            "not-found",
        );
    }
    // Parameters.
    for query in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "cursor=x",
        "cursor=%00",
        "state=all",
        "unknown=1",
    ] {
        row(
            get(Ada, &format!("/v1/sessions?{query}")),
            400,
            "malformed-request",
        );
    }
    for query in ["limit=0", "limit=999", "cursor=!!", "page=2"] {
        row(
            get(Ada, &format!("/v1/media?{query}")),
            400,
            "malformed-request",
        );
    }
    row(
        (Ada, "DELETE", "/v1/sessions".into(), Empty),
        400,
        "malformed-request",
    );
    row(
        (Ada, "DELETE", "/v1/sessions?scope=everyone".into(), Empty),
        400,
        "malformed-request",
    );
    row(
        get(Ada, "/v1/verify?max_auth_age=soon"),
        400,
        "malformed-request",
    );
    row(get(Ada, "/v1/verify?role=auditor"), 403, "forbidden");
    row(get(Ada, "/v1/audit/events"), 403, "forbidden");
    // Jobs.
    let ask = |body: Value| (Ada, "POST", format!("/v1/media/{media}/jobs"), Json(body));
    row(
        ask(json!({"preset": "format-disk"})),
        422,
        "validation-failed",
    );
    row(
        ask(json!({"preset": "poster; rm -rf /"})),
        422,
        "validation-failed",
    );
    row(ask(json!({"preset": 1})), 422, "validation-failed");
    row(
        ask(json!({"preset": "poster", "options": {"seek_ms": -1}})),
        422,
        "validation-failed",
    );
    row(
        ask(json!({"preset": "poster", "options": {"vf": "x"}})),
        422,
        "validation-failed",
    );
    row(ask(json!({})), 422, "validation-failed");
    // Uploads that are not what they say, and names that go elsewhere.
    let upload = |name: &str, content_type: &'static str, content: &[u8]| {
        (
            Ada,
            "POST",
            format!("/v1/media?name={name}"),
            Raw(content_type, content.to_vec()),
        )
    };
    for content in [
        "",
        "#EXTM3U\nfile:///etc/passwd",
        "ffconcat version 1.0\nfile x",
        "<svg xmlns=\"x\"/>",
        "<?xml version=\"1.0\"?>",
        "PK\u{3}\u{4}",
        "%PDF-1.7",
        "plain text",
    ] {
        row(
            upload("a.mp4", "video/mp4", content.as_bytes()),
            415,
            "unsupported-media-type",
        );
    }
    for name in [
        "..%2f..%2fevil",
        "a%2fb",
        "a%5cb",
        "..",
        ".",
        "",
        "a%00b",
        "a%0ab",
        &long,
    ] {
        row(upload(name, "video/mp4", &clip()), 422, "validation-failed");
    }
    row(
        (
            Ada,
            "POST",
            "/v1/media?nam=x".into(),
            Raw("video/mp4", clip()),
        ),
        400,
        "malformed-request",
    );
    rows
}

async fn send(server: &Server, tokens: [&str; 2], row: &Row) -> Response {
    let (by, method, path, body, ..) = row;
    let mut request = server.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
    request = match by {
        Nobody => request,
        Ada => request.bearer_auth(tokens[0]),
        Bob => request.bearer_auth(tokens[1]),
    };
    request = match body {
        Empty => request,
        Json(value) => request.json(value),
        Raw(content_type, bytes) => request
            .header("content-type", *content_type)
            .body(bytes.clone()),
    };
    request.send().await.unwrap()
}

/// The answer is the problem `slug` in every respect.
async fn check(response: Response, status: u16, slug: &str, what: &str) {
    assert_eq!(response.status(), status, "{what}");
    let headers = response.headers().clone();
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(header("content-type"), "application/problem+json", "{what}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
    assert!(
        header("content-security-policy").contains("frame-ancestors 'none'"),
        "{what}"
    );
    assert!(!headers.contains_key("set-cookie"), "{what}");
    assert_eq!(
        status == 401,
        headers.contains_key("www-authenticate"),
        "{what}"
    );
    assert_eq!(
        matches!(status, 429 | 503),
        headers.contains_key("retry-after"),
        "{what}"
    );
    assert_eq!(status == 405, headers.contains_key("allow"), "{what}");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["type"], format!("/problems/{slug}"), "{what}: {body}");
    assert_eq!(body["status"], status, "{what}");
    assert_eq!(body["request_id"], header("x-request-id"), "{what}");
    assert!(
        body["title"].is_string() && body["detail"].is_string(),
        "{what}"
    );
    assert_eq!(
        status == 422 && slug == "validation-failed",
        body["errors"].is_array(),
        "{what}: {body}"
    );
}

#[tokio::test]
async fn every_wrong_input_gets_its_problem() {
    let server = Server::start().await;
    let (ada, bob) = (
        server.token("ada@example.com").await,
        server.token("bob@example.com").await,
    );
    let session = server.get_json("/v1/sessions/current", &ada).await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let media = server.upload(&ada, "clip.mp4", clip()).await;
    let job = server.job(&ada, &media, "poster").await;
    let rows = rows(&session, &media, &job);
    assert!(rows.len() >= 60, "{} rows", rows.len());
    for row in &rows {
        let shown: String = row.2.chars().take(80).collect();
        let body = match &row.3 {
            Empty => String::new(),
            Json(value) => value.to_string(),
            Raw(_, bytes) => String::from_utf8_lossy(bytes).into_owned(),
        };
        let body: String = body.chars().take(120).collect();
        let what = format!("{} {shown} by {:?}: {body}", row.1, row.0);
        check(send(&server, [&ada, &bob], row).await, row.4, row.5, &what).await;
    }
    assert_eq!(
        server.get("/v1/verify", &ada).await.status(),
        204,
        "the server serves on"
    );
    assert!(!server.log().contains("a panic"), "{}", server.log());
}

#[tokio::test]
async fn every_broken_password_rule_is_listed_at_once() {
    let server = Server::start().await;
    let body = json!({"email": "a@b.example", "password": "abc"});
    let problem: Value = server
        .post("/v1/users", "", &body)
        .await
        .json()
        .await
        .unwrap();
    let codes: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["code"].as_str().unwrap())
        .collect();
    for code in ["too_short", "no_uppercase", "no_digit", "no_symbol"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
}

#[tokio::test]
async fn bad_headers_get_their_problem_too() {
    let server = Server::start().await;
    let ada = server.token("ada@example.com").await;
    let get = |name: &'static str, value: &str| {
        server
            .request(Method::GET, "/v1/sessions")
            .header(name, value)
    };
    let upper = ada.to_uppercase();
    let short = &ada[..63];
    for token in [
        "",
        "x",
        &upper,
        short,
        &format!("{ada}0"),
        &"0".repeat(64),
        "ü",
    ] {
        let response = get("authorization", &format!("Bearer {token}"))
            .send()
            .await
            .unwrap();
        check(response, 401, "invalid-token", token).await;
    }
    let basic = get("authorization", &format!("Basic {ada}"))
        .send()
        .await
        .unwrap();
    check(basic, 401, "invalid-token", "Basic").await;
    let twice = get("authorization", &format!("Bearer {ada}"))
        .header("authorization", format!("Bearer {ada}"));
    check(
        twice.send().await.unwrap(),
        401,
        "invalid-token",
        "two tokens",
    )
    .await;
    let min = |value: &str| get("gatelog-min-position", value).bearer_auth(&ada);
    check(
        min("soon").send().await.unwrap(),
        400,
        "malformed-request",
        "bad position",
    )
    .await;
    check(
        min("999999").send().await.unwrap(),
        503,
        "read-model-behind",
        "future position",
    )
    .await;
    let key = |key: String| {
        let body = json!({"email": "c@example.com", "password": PASSWORD});
        server
            .request(Method::POST, "/v1/users")
            .header("idempotency-key", key)
            .json(&body)
    };
    check(
        key(String::new()).send().await.unwrap(),
        400,
        "malformed-request",
        "empty key",
    )
    .await;
    check(
        key("k".repeat(256)).send().await.unwrap(),
        400,
        "malformed-request",
        "long key",
    )
    .await;
    let media = server.upload(&ada, "clip.mp4", clip()).await;
    let range = server
        .request(Method::GET, &format!("/v1/media/{media}/content"))
        .bearer_auth(&ada);
    let range = range
        .header("range", "bytes=99999999-")
        .send()
        .await
        .unwrap();
    assert_eq!(range.headers()["content-range"], "bytes */1055736");
    check(range, 416, "range-not-satisfiable", "range").await;
}

#[tokio::test]
async fn an_upload_over_the_limit_is_refused_whether_it_says_so_or_not() {
    let server = Server::start_with(&[("UPLOAD_MAX_BYTES", "100000")]).await;
    let ada = server.token("ada@example.com").await;
    let post = || {
        server
            .request(Method::POST, "/v1/media?name=a.mp4")
            .bearer_auth(&ada)
    };
    check(
        post().body(clip()).send().await.unwrap(),
        413,
        "payload-too-large",
        "declared",
    )
    .await;
    let parts = clip()
        .chunks(10_000)
        .map(|part| Ok::<_, std::io::Error>(part.to_vec()))
        .collect::<Vec<_>>();
    let body = reqwest::Body::wrap_stream(futures::stream::iter(parts));
    check(
        post().body(body).send().await.unwrap(),
        413,
        "payload-too-large",
        "streamed",
    )
    .await;
    let left = std::fs::read_dir(server.data.join("blobs")).unwrap();
    let files = left
        .flatten()
        .filter(|entry| entry.path().is_file())
        .count();
    assert_eq!(files, 0, "nothing is left behind");
}

#[tokio::test]
async fn what_is_no_http_at_all_does_not_hurt() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = Server::start().await;
    let address = server.base.strip_prefix("http://").unwrap().to_owned();
    let header = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n",
        "y".repeat(600_000)
    );
    let cut = "POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    for text in [
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        &header,
        cut,
    ] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        // The server may close before everything is sent.
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(
            !answer.starts_with(b"HTTP/1.1 5"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(
        server
            .request(Method::GET, "/v1/config")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn an_idempotency_key_gives_the_same_answer_and_writes_nothing_again() {
    let server = Server::start().await;
    let register = |email: &str| {
        let body = json!({"email": email, "password": PASSWORD});
        server
            .request(Method::POST, "/v1/users")
            .header("idempotency-key", "k1")
            .json(&body)
    };
    let first = register("ada@example.com").send().await.unwrap();
    assert_eq!(first.status(), 201);
    let position = first.headers()["gatelog-position"].clone();
    let first: Value = first.json().await.unwrap();
    let again = register("ada@example.com").send().await.unwrap();
    assert_eq!(
        (
            again.status().as_u16(),
            &again.headers()["gatelog-position"]
        ),
        (201, &position)
    );
    assert_eq!(again.json::<Value>().await.unwrap(), first);
    check(
        register("bob@example.com").send().await.unwrap(),
        422,
        "idempotency-key-reused",
        "another body",
    )
    .await;
    let sign_in = || {
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        server
            .request(Method::POST, "/v1/sessions")
            .header("idempotency-key", "k2")
            .json(&body)
    };
    let session: Value = sign_in().send().await.unwrap().json().await.unwrap();
    check(
        sign_in().send().await.unwrap(),
        409,
        "idempotency-replay",
        "a token is never stored",
    )
    .await;
    let sessions = server
        .get_json("/v1/sessions", &access_token(&session))
        .await;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
    let token = access_token(&session);
    let upload = || {
        server
            .request(Method::POST, "/v1/media?name=a.mp4")
            .bearer_auth(&token)
            .header("idempotency-key", "k3")
            .body(clip())
    };
    let one: Value = upload().send().await.unwrap().json().await.unwrap();
    let two: Value = upload().send().await.unwrap().json().await.unwrap();
    assert_eq!(one, two);
    assert_eq!(
        server.get_json("/v1/media", &token).await["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}
