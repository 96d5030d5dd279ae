//! The committed OpenAPI document is the code's, and every operation has its row in the table of who may call it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod access;
mod calls;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;
use support::{Server, access_token};

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
        access::TABLE
            .iter()
            .any(|row| row.0 == method && row.1 == path)
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

/// A gateway lets a request pass on any 2xx, and asks with the method, and perhaps the path, of the request.
#[tokio::test]
async fn whatever_the_method_and_the_path_no_gateway_is_told_that_a_bad_token_is_good() {
    let server = Server::start_with(&[("CORS_ORIGINS", "https://app.example.com")]).await;
    server.register("ada@example.com").await;
    let token = access_token(&server.sign_in("ada@example.com").await);
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND",
    ];
    let paths = [
        "/v1/verify",
        "/v1/verify/",
        "/v1/verify/films/7?max_auth_age=x&role=admin&token=abc",
    ];
    for method in methods.map(|method| Method::from_bytes(method.as_bytes()).unwrap()) {
        for path in paths {
            let ask = || {
                let asked = server.request(method.clone(), path);
                asked
                    .header("origin", "https://app.example.com")
                    .header("access-control-request-method", "GET")
            };
            assert_eq!(ask().send().await.unwrap().status(), 401, "{method} {path}");
            let bad = ask().bearer_auth("0".repeat(64)).send().await.unwrap();
            assert_eq!(bad.status(), 401, "{method} {path}");
            let good = ask().bearer_auth(&token).send().await.unwrap();
            assert_eq!(good.status(), 204, "{method} {path}");
            assert!(
                good.headers().contains_key("x-auth-user-id"),
                "{method} {path}"
            );
        }
        let narrowed = server.request(method.clone(), "/v1/verify?role=admin");
        let narrowed = narrowed.bearer_auth(&token).send().await.unwrap();
        assert_eq!(narrowed.status(), 403, "{method}");
    }
    // Beside it is nothing.
    let beside = server.request(Method::GET, "/v1/verifyx");
    assert_eq!(
        beside.bearer_auth(&token).send().await.unwrap().status(),
        404
    );
}
