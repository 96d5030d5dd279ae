//! The well-formed request of each operation.

use serde_json::json;

use crate::access::OWNER;
use crate::support::{self, PASSWORD, Server};

/// What the calls name: a thing of each kind.
pub struct Owned {
    pub session: String,
    pub media: String,
    /// Of 100 bytes, with none of them there.
    pub upload: String,
    /// Finished.
    pub job: String,
    /// The path of a link to the file.
    pub link: String,
    /// An account that administrators act on.
    pub user: String,
    pub service_key: String,
    /// The log's first.
    pub event: String,
    pub webhook: String,
}

impl Owned {
    pub fn path(&self, pattern: &str, is_delete: bool) -> String {
        let id = match pattern {
            _ if pattern.starts_with("/v1/sessions") => &self.session,
            _ if pattern.starts_with("/v1/media") => &self.media,
            _ if pattern.starts_with("/v1/uploads") => &self.upload,
            _ if pattern.starts_with("/v1/admin/users") => &self.user,
            _ if pattern.starts_with("/v1/admin/service-keys") => &self.service_key,
            _ if pattern.starts_with("/v1/audit") => &self.event,
            _ if pattern.starts_with("/v1/admin/webhooks") => &self.webhook,
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
            .replace("{tile}", "0/000.p/1")
            .replace("{path}", "films/7")
    }
}

/// The well-formed body of an operation; `n` makes it this call's own.
pub async fn well_formed(
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
        ("post", "/v1/me/email") => request
            .json(&json!({"email": format!("changed-{n}@example.com"), "password": PASSWORD})),
        ("post", "/v1/email-confirmations") => request.json(&json!({"token": "0".repeat(64)})),
        ("post", "/v1/password-resets") => request.json(&json!({"email": OWNER})),
        ("post", "/v1/password-resets/confirm") => {
            request.json(&json!({"token": "0".repeat(64), "new_password": "Other-horse-78"}))
        }
        ("post", "/v1/me/deletion") => request.json(&json!({"password": "Wrong-horse-77"})),
        ("post", "/v1/sessions/second-factor") => {
            request.json(&json!({"challenge": "0".repeat(64), "code": "123456"}))
        }
        ("post", "/v1/me/totp/confirm" | "/v1/me/totp/recovery-codes") => {
            request.json(&json!({"code": "123456"}))
        }
        ("post", "/v1/media") => request.body(support::clip()),
        ("post", "/v1/uploads") => request
            .header("tus-resumable", "1.0.0")
            .header("upload-length", "100"),
        ("patch", "/v1/uploads/{id}") => request
            .header("tus-resumable", "1.0.0")
            .header("upload-offset", "0")
            .header("content-type", "application/offset+octet-stream")
            .body("ID3"),
        ("head" | "delete", "/v1/uploads/{id}") => request.header("tus-resumable", "1.0.0"),
        ("post", "/v1/media/{id}/links") => request.json(&json!({})),
        ("post", "/v1/media/{id}/jobs") => request.json(&json!({"preset": "metadata"})),
        ("post", "/v1/oauth/introspect" | "/v1/oauth/revoke") => request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("token={}", "0".repeat(64))),
        ("post", "/v1/admin/users/{id}/roles") => request.json(&json!({"roles": ["auditor"]})),
        ("post", "/v1/admin/service-keys") => {
            request.json(&json!({"name": format!("service {n}"), "scopes": ["audit"]}))
        }
        ("post", "/v1/admin/webhooks") => {
            request.json(&json!({"name": format!("sink {n}"), "url": "https://hooks.example.com/"}))
        }
        _ => request,
    }
}
