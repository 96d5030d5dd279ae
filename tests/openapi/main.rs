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
use support::Server;

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
