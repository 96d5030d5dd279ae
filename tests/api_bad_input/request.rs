//! A wrong request, and the problem that it must get.

use reqwest::{Method, Response};
use serde_json::Value;

use crate::support::Server;

/// Who sends the request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum By {
    Nobody,
    Ada,
    /// Another person than the one whose things the paths name.
    Bob,
}

enum Body {
    Empty,
    Json(Value),
    Raw(&'static str, Vec<u8>),
}

pub struct Request {
    by: By,
    method: &'static str,
    path: String,
    body: Body,
}

/// A row of the table.
pub struct Row {
    request: Request,
    pub status: u16,
    pub slug: &'static str,
}

/// A request without a body.
pub fn call(by: By, method: &'static str, path: impl Into<String>) -> Request {
    Request {
        by,
        method,
        path: path.into(),
        body: Body::Empty,
    }
}

pub fn get(by: By, path: impl Into<String>) -> Request {
    call(by, "GET", path)
}

pub fn post(by: By, path: impl Into<String>, body: Value) -> Request {
    Request {
        body: Body::Json(body),
        ..call(by, "POST", path)
    }
}

pub fn post_raw(
    by: By,
    path: impl Into<String>,
    content_type: &'static str,
    bytes: impl Into<Vec<u8>>,
) -> Request {
    Request {
        body: Body::Raw(content_type, bytes.into()),
        ..call(by, "POST", path)
    }
}

impl Request {
    pub fn gets(self, status: u16, slug: &'static str) -> Row {
        Row {
            request: self,
            status,
            slug,
        }
    }
}

/// Many requests with the same problem.
pub fn all_get(
    requests: impl IntoIterator<Item = Request>,
    status: u16,
    slug: &'static str,
) -> Vec<Row> {
    requests
        .into_iter()
        .map(|request| request.gets(status, slug))
        .collect()
}

impl Row {
    pub async fn send(&self, server: &Server, ada: &str, bob: &str) -> Response {
        let method = Method::from_bytes(self.request.method.as_bytes()).unwrap();
        let mut request = server.request(method, &self.request.path);
        request = match self.request.by {
            By::Nobody => request,
            By::Ada => request.bearer_auth(ada),
            By::Bob => request.bearer_auth(bob),
        };
        request = match &self.request.body {
            Body::Empty => request,
            Body::Json(value) => request.json(value),
            Body::Raw(content_type, bytes) => request
                .header("content-type", *content_type)
                .body(bytes.clone()),
        };
        request.send().await.unwrap()
    }

    /// For the message of a failure.
    pub fn shown(&self) -> String {
        let Request {
            by,
            method,
            path,
            body,
        } = &self.request;
        let body = match body {
            Body::Empty => String::new(),
            Body::Json(value) => value.to_string(),
            Body::Raw(_, bytes) => String::from_utf8_lossy(bytes).into_owned(),
        };
        let begin = |text: &str| text.chars().take(120).collect::<String>();
        format!("{method} {} by {by:?}: {}", begin(path), begin(&body))
    }
}

/// The answer is the problem `slug` in every respect.
pub async fn check(response: Response, status: u16, slug: &str, what: &str) {
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
    let policy = header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{what}");
    assert!(!headers.contains_key("set-cookie"), "{what}");
    for (name, is_due) in [
        ("www-authenticate", status == 401),
        ("retry-after", matches!(status, 429 | 503)),
        ("allow", status == 405),
    ] {
        assert_eq!(is_due, headers.contains_key(name), "{what}: {name}");
    }
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["type"], format!("/problems/{slug}"), "{what}: {body}");
    assert_eq!(body["status"], status, "{what}");
    assert_eq!(body["request_id"], header("x-request-id"), "{what}");
    assert!(
        body["title"].is_string() && body["detail"].is_string(),
        "{what}"
    );
    let has_errors = status == 422 && slug == "validation-failed";
    assert_eq!(has_errors, body["errors"].is_array(), "{what}: {body}");
}
