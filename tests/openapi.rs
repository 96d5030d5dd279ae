//! The committed OpenAPI document is the code's, and every operation has its row in the table of who may call it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;
use support::Server;

/// Each operation with the status that a caller without a token, a user, and an auditor get for a request that names
/// nothing which exists.
const ACCESS: &[(&str, &str, [u16; 3])] = &[
    ("post", "/v1/users", [415, 415, 415]),
    ("post", "/v1/sessions", [415, 415, 415]),
    ("get", "/v1/sessions", [401, 200, 200]),
    ("delete", "/v1/sessions", [401, 400, 400]),
    ("get", "/v1/sessions/current", [401, 200, 200]),
    ("get", "/v1/sessions/{id}", [401, 404, 404]),
    ("delete", "/v1/sessions/{id}", [401, 404, 404]),
    ("post", "/v1/tokens/refresh", [415, 415, 415]),
    ("get", "/v1/verify", [401, 204, 204]),
    ("get", "/v1/me", [401, 200, 200]),
    ("get", "/v1/config", [200, 200, 200]),
    ("get", "/v1/media", [401, 200, 200]),
    ("post", "/v1/media", [401, 415, 415]),
    ("get", "/v1/media/{id}", [401, 404, 404]),
    ("delete", "/v1/media/{id}", [401, 404, 404]),
    ("get", "/v1/media/{id}/content", [401, 404, 404]),
    ("post", "/v1/media/{id}/jobs", [401, 415, 415]),
    ("get", "/v1/jobs", [401, 200, 200]),
    ("get", "/v1/jobs/{id}", [401, 404, 404]),
    ("delete", "/v1/jobs/{id}", [401, 404, 404]),
    ("get", "/v1/jobs/{id}/outputs/{name}", [401, 404, 404]),
    ("get", "/v1/audit/events", [401, 403, 200]),
    ("delete", "/v1/sessions/current", [401, 204, 204]),
];

fn operations(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let of = |(path, item): (&String, &Value)| -> Vec<(String, String)> {
        let methods = item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "parameters");
        methods
            .map(|method| (method.clone(), path.clone()))
            .collect()
    };
    paths.iter().flat_map(of).collect()
}

fn unlisted(document: &Value) -> Vec<(String, String)> {
    let is_listed = |(method, path): &(String, String)| {
        ACCESS.iter().any(|row| row.0 == method && row.1 == path)
    };
    operations(document)
        .into_iter()
        .filter(|operation| !is_listed(operation))
        .collect()
}

#[test]
fn the_committed_document_is_the_codes() {
    let committed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .arg("openapi")
        .output()
        .unwrap();
    assert!(
        committed.as_bytes() == output.stdout,
        "run: gatelog openapi > docs/openapi.json"
    );
    let document: Value = serde_json::from_str(&committed).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for reference in committed.split("\"$ref\": \"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}

#[tokio::test]
async fn every_operation_lets_in_whom_it_should() {
    let document = gatelog::http::document();
    let mut document = serde_json::to_value(document).unwrap();
    assert_eq!(unlisted(&document), Vec::new());
    assert_eq!(operations(&document).len(), ACCESS.len());
    let server = Server::start().await;
    let (user, auditor) = (
        server.token("ada@example.com").await,
        server.auditor("eve@example.com").await,
    );
    for (method, path, expected) in ACCESS {
        let path = path
            .replace("{id}", "00000000-0000-7000-8000-000000000000")
            .replace("{name}", "x");
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let mut seen = Vec::new();
        for token in ["", &user, &auditor] {
            let request = server.request(method.clone(), &path);
            let request = if token.is_empty() {
                request
            } else {
                request.bearer_auth(token)
            };
            seen.push(request.send().await.unwrap().status().as_u16());
        }
        assert_eq!(seen, expected, "{method} {path}");
    }
    document["paths"]["/v1/secret"] = serde_json::json!({"get": {}});
    assert_eq!(
        unlisted(&document).len(),
        1,
        "an endpoint without a row is found"
    );
}

#[tokio::test]
async fn the_documentation_and_the_pages_of_problems_are_served_offline() {
    let server = Server::start().await;
    let get = |path: String| server.request(Method::GET, &path).send();
    let docs = get("/docs/".to_owned()).await.unwrap();
    assert_eq!(docs.status(), 200);
    let page = docs.text().await.unwrap();
    assert!(
        !page.contains("http://") && !page.contains("https://"),
        "{page}"
    );
    let document: Value = get("/openapi.json".to_owned())
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(document["info"]["title"], "Gatelog");
    for kind in gatelog::http::problem::Kind::ALL {
        let page = get(format!("/problems/{}", kind.slug())).await.unwrap();
        assert_eq!(page.status(), 200);
        assert!(page.text().await.unwrap().contains(kind.title()));
    }
}

#[tokio::test]
async fn only_the_exact_origins_of_the_settings_may_call_from_a_browser() {
    let origin = "https://app.example.com";
    let server = Server::start_with(&[("CORS_ORIGINS", origin)]).await;
    let mut seen = BTreeMap::new();
    for from in [
        origin,
        "https://evil.example.com",
        "https://app.example.com.evil.com",
        "null",
    ] {
        let preflight = server
            .request(Method::OPTIONS, "/v1/me")
            .header("origin", from);
        let preflight = preflight
            .header("access-control-request-method", "GET")
            .send()
            .await
            .unwrap();
        let allowed = preflight
            .headers()
            .get("access-control-allow-origin")
            .map(|value| value.to_str().unwrap().to_owned());
        seen.insert(from, allowed);
        assert!(
            !preflight
                .headers()
                .contains_key("access-control-allow-credentials")
        );
    }
    assert_eq!(seen.remove(origin).unwrap().as_deref(), Some(origin));
    assert!(seen.values().all(Option::is_none), "{seen:?}");
}
