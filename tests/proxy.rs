//! A real nginx asks `/v1/verify` before it lets anyone through, and says where requests come from.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::{Child, Command, Stdio};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use support::{PASSWORD, Server, free_port};

/// An nginx of the test's own.
struct Nginx {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `/` passes to Gatelog; `/app/` is protected and answers with what the application would see.
fn nginx(server: &Server) -> Nginx {
    let folder = tempfile::tempdir().unwrap();
    let (port, app) = (free_port(), free_port());
    let base = &server.base;
    let text = format!(
        "daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;
         events {{}}
         http {{
           access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
           uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
           server {{ listen 127.0.0.1:{app}; location / {{ return 200 \"$http_x_auth_user_id\"; }} }}
           server {{
             listen 127.0.0.1:{port};
             location = /_verify {{
               internal; proxy_pass {base}/v1/verify; proxy_pass_request_body off; proxy_set_header Content-Length \"\";
             }}
             location /app/ {{
               auth_request /_verify; auth_request_set $user $upstream_http_x_auth_user_id;
               proxy_set_header X-Auth-User-Id $user; proxy_set_header Authorization \"\";
               proxy_pass http://127.0.0.1:{app}/;
             }}
             location / {{
               proxy_pass {base}; proxy_set_header X-Forwarded-For \"203.0.113.9\";
             }}
           }}
         }}",
        dir = folder.path().display()
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    let program = if std::path::Path::new("/usr/sbin/nginx").exists() {
        "/usr/sbin/nginx"
    } else {
        "nginx"
    };
    let child = Command::new(program)
        .arg("-p")
        .arg(folder.path())
        .arg("-c")
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Nginx {
        child,
        port,
        _folder: folder,
    }
}

#[tokio::test]
async fn nginx_lets_only_good_tokens_through_and_is_believed_only_when_it_is_trusted() {
    for (trusted, ip) in [("127.0.0.1/32", "203.0.113.9"), ("10.0.0.0/8", "127.0.0.1")] {
        let server = Server::start_with(&[("TRUSTED_PROXIES", trusted)]).await;
        let proxy = nginx(&server);
        support::until("nginx listens", || {
            std::net::TcpStream::connect(("127.0.0.1", proxy.port)).is_ok()
        })
        .await;
        let base = format!("http://127.0.0.1:{}", proxy.port);
        let client = Client::new();
        let user = server.register("ada@example.com").await;
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        let signed_in: Value = client
            .post(format!("{base}/v1/sessions"))
            .json(&body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(signed_in["session"]["ip"], ip);
        let token = signed_in["access_token"].as_str().unwrap();
        let app = || client.get(format!("{base}/app/"));
        assert_eq!(app().send().await.unwrap().status(), 401);
        assert_eq!(
            app()
                .bearer_auth("0".repeat(64))
                .send()
                .await
                .unwrap()
                .status(),
            401
        );
        let passed = app()
            .bearer_auth(token)
            .header("x-auth-user-id", "forged")
            .send()
            .await
            .unwrap();
        assert_eq!(passed.status(), 200);
        assert_eq!(passed.text().await.unwrap(), user["id"].as_str().unwrap());
        server
            .request(Method::DELETE, "/v1/sessions/current")
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        assert_eq!(app().bearer_auth(token).send().await.unwrap().status(), 401);
    }
}
