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
use serde_json::{Value, json};
use support::{PASSWORD, Server};

/// Each operation with the status that a caller without a token, the owner of what it names, another user, and an
/// auditor get for a request that is well-formed and names what exists.
const ACCESS: &[(&str, &str, [u16; 4])] = &[
    ("post", "/v1/users", [201, 201, 201, 201]),
    ("post", "/v1/sessions", [201, 201, 201, 201]),
    // No such challenge.
    ("post", "/v1/sessions/second-factor", [410, 410, 410, 410]),
    ("get", "/v1/sessions", [401, 200, 200, 200]),
    ("delete", "/v1/sessions", [401, 200, 200, 200]),
    ("get", "/v1/sessions/current", [401, 200, 200, 200]),
    ("get", "/v1/sessions/{id}", [401, 200, 404, 404]),
    ("delete", "/v1/sessions/{id}", [401, 204, 404, 404]),
    (
        "post",
        "/v1/sessions/current/reauthenticate",
        [401, 200, 200, 200],
    ),
    ("post", "/v1/tokens/refresh", [200, 200, 200, 200]),
    ("get", "/v1/verify", [401, 204, 204, 204]),
    ("get", "/v1/me", [401, 200, 200, 200]),
    ("patch", "/v1/me", [401, 200, 200, 200]),
    // The current password is wrong, so that everybody can sign in afterwards.
    ("put", "/v1/me/password", [401, 403, 403, 403]),
    ("get", "/v1/me/activity", [401, 200, 200, 200]),
    ("get", "/v1/me/export", [401, 200, 200, 200]),
    // The password is wrong, so that nobody is erased.
    ("post", "/v1/me/deletion", [401, 403, 403, 403]),
    ("delete", "/v1/me/deletion", [401, 204, 204, 204]),
    ("get", "/v1/me/totp", [401, 200, 200, 200]),
    // There is nothing to confirm yet, nothing to make codes for, and nothing to turn off.
    ("post", "/v1/me/totp/confirm", [401, 409, 409, 409]),
    ("post", "/v1/me/totp", [401, 201, 201, 201]),
    ("post", "/v1/me/totp/recovery-codes", [401, 409, 409, 409]),
    ("delete", "/v1/me/totp", [401, 204, 204, 204]),
    ("get", "/v1/config", [200, 200, 200, 200]),
    ("get", "/v1/media", [401, 200, 200, 200]),
    ("post", "/v1/media", [401, 201, 201, 201]),
    ("get", "/v1/media/{id}", [401, 200, 404, 404]),
    ("delete", "/v1/media/{id}", [401, 204, 404, 404]),
    ("get", "/v1/media/{id}/content", [401, 200, 404, 404]),
    ("post", "/v1/media/{id}/jobs", [401, 202, 404, 404]),
    ("post", "/v1/media/{id}/links", [401, 201, 404, 404]),
    // The link is the proof, whoever asks.
    ("get", "/v1/links/{link}/{name}", [200, 200, 200, 200]),
    ("get", "/v1/jobs", [401, 200, 200, 200]),
    ("get", "/v1/jobs/{id}", [401, 200, 404, 404]),
    // The job has finished, which only its owner is told.
    ("delete", "/v1/jobs/{id}", [401, 409, 404, 404]),
    // The job has finished, so the stream ends.
    ("get", "/v1/jobs/{id}/events", [401, 200, 404, 404]),
    ("get", "/v1/jobs/{id}/outputs/{name}", [401, 200, 404, 404]),
    ("get", "/v1/audit/events", [401, 403, 403, 200]),
    ("get", "/v1/audit/events/live", [401, 403, 403, 200]),
    ("delete", "/v1/sessions/current", [401, 204, 204, 204]),
];

const OWNER: &str = "ada@example.com";
const OTHER: &str = "bob@example.com";
const AUDITOR: &str = "eve@example.com";

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

/// What the owner has: a path of each kind, the job finished.
struct Owned {
    session: String,
    media: String,
    job: String,
    /// The path of a link to the file.
    link: String,
}

impl Owned {
    fn path(&self, pattern: &str, is_delete: bool) -> String {
        let id = match pattern {
            _ if pattern.starts_with("/v1/sessions") => &self.session,
            _ if pattern.starts_with("/v1/media") => &self.media,
            _ => &self.job,
        };
        if pattern.starts_with("/v1/links") {
            return self.link.clone();
        }
        // A selection is the well-formed request where it must be given.
        if pattern == "/v1/sessions" && is_delete {
            return "/v1/sessions?scope=others".to_owned();
        }
        pattern
            .replace("{id}", id)
            .replace("{name}", "metadata.json")
    }
}

/// The well-formed body of an operation; `n` makes it this call's own.
async fn well_formed(
    server: &Server,
    request: reqwest::RequestBuilder,
    operation: (&str, &str),
    n: usize,
) -> reqwest::RequestBuilder {
    match operation {
        ("post", "/v1/users") => {
            request.json(&json!({"email": format!("new-{n}@example.com"), "password": PASSWORD}))
        }
        ("post", "/v1/sessions") => request.json(&json!({"email": OWNER, "password": PASSWORD})),
        ("post", "/v1/sessions/current/reauthenticate") => {
            request.json(&json!({"password": PASSWORD}))
        }
        ("post", "/v1/tokens/refresh") => {
            let signed_in = server.sign_in(OWNER).await;
            request.json(&json!({"refresh_token": signed_in["refresh_token"]}))
        }
        ("patch", "/v1/me") => request.json(&json!({"name": "Ada"})),
        ("put", "/v1/me/password") => request
            .json(&json!({"current_password": "Wrong-horse-77", "new_password": "Other-horse-78"})),
        ("post", "/v1/sessions/second-factor") => {
            request.json(&json!({"challenge": "0".repeat(64), "code": "123456"}))
        }
        ("post", "/v1/me/totp/confirm" | "/v1/me/totp/recovery-codes") => {
            request.json(&json!({"code": "123456"}))
        }
        ("post", "/v1/media") => request.body(support::clip()),
        ("post", "/v1/media/{id}/links") => request.json(&json!({})),
        ("post", "/v1/media/{id}/jobs") => request.json(&json!({"preset": "metadata"})),
        _ => request,
    }
}

/// The statuses of a row, each caller with a session of its own; the owner comes last, since a call may end what it
/// names.
async fn statuses(server: &Server, row: (&str, &str), owned: &Owned, n: usize) -> [u16; 4] {
    let method = Method::from_bytes(row.0.to_uppercase().as_bytes()).unwrap();
    let mut seen = [0; 4];
    for (place, email) in [(0, ""), (2, OTHER), (3, AUDITOR), (1, OWNER)] {
        let request = server.request(method.clone(), &owned.path(row.1, row.0 == "delete"));
        let request = well_formed(server, request, row, 10 * n + place).await;
        let request = if email.is_empty() {
            request
        } else {
            request.bearer_auth(support::access_token(&server.sign_in(email).await))
        };
        seen[place] = request.send().await.unwrap().status().as_u16();
    }
    seen
}

#[tokio::test]
async fn every_operation_lets_in_whom_it_should() {
    let document = gatelog::http::document();
    let mut document = serde_json::to_value(document).unwrap();
    assert_eq!(unlisted(&document), Vec::new());
    assert_eq!(operations(&document).len(), ACCESS.len());
    document["paths"]["/v1/secret"] = json!({"get": {}});
    assert_eq!(
        unlisted(&document).len(),
        1,
        "an endpoint without a row is found"
    );
    let mut server = Server::start().await;
    server.launch_worker().await;
    server.register(OTHER).await;
    server.auditor(AUDITOR).await;
    let owner = server.token(OWNER).await;
    let media = server.upload(&owner, "a.mp4", support::clip()).await;
    let job = server.job(&owner, &media, "metadata").await;
    assert_eq!(server.ended(&owner, &job).await["state"], "succeeded");
    for (n, (method, path, expected)) in ACCESS.iter().enumerate() {
        let signed_in = server.sign_in(OWNER).await;
        let token = support::access_token(&signed_in);
        let media = server.upload(&token, "a.mp4", support::clip()).await;
        let links = format!("/v1/media/{media}/links");
        let link: Value = server
            .post(&links, &token, &json!({}))
            .await
            .json()
            .await
            .unwrap();
        let owned = Owned {
            session: signed_in["session"]["id"].as_str().unwrap().to_owned(),
            media,
            job: job.clone(),
            link: link["url"].as_str().unwrap().to_owned(),
        };
        let seen = statuses(&server, (method, path), &owned, n).await;
        assert_eq!(seen, *expected, "{method} {path}");
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
