//! A real nginx with `deploy/nginx/gatelog.conf` asks `/v1/verify` before it lets anyone through, and says where
//! requests come from.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::{Child, Command, Stdio};

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use support::{PASSWORD, Server, free_port};

/// Where the client is; nginx itself speaks from 127.0.0.1.
const CLIENT: &str = "127.0.0.7";
/// What the client claims: strangers, and the address of the trusted proxy.
const FORGED: &str = "203.0.113.66, 198.51.100.1, 127.0.0.1";
/// What the application shows that it has got.
const SEEN: &str = "$http_x_auth_user_id|$http_x_auth_session_id|$http_x_auth_roles|$http_x_auth_methods|\
                    $http_x_auth_second_factor_time$http_authorization|$http_x_forwarded_for";

/// An nginx of the test's own.
struct Nginx {
    child: Child,
    client: Client,
    port: u16,
    folder: tempfile::TempDir,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The file that we ship.
fn shipped() -> String {
    std::fs::read_to_string("deploy/nginx/gatelog.conf").unwrap()
}

/// Replaces what must be there so often.
fn replaced(text: &str, old: &str, times: usize, new: &str) -> String {
    assert_eq!(text.matches(old).count(), times, "{old}");
    text.replace(old, new)
}

/// The file with this test's addresses and without TLS.
fn adapted(text: &str, listen: u16, gatelog: u16, app: u16) -> String {
    let text = replaced(
        text,
        "listen 443 ssl;",
        2,
        &format!("listen 127.0.0.1:{listen};"),
    );
    let text = replaced(
        &text,
        "server 127.0.0.1:8080;",
        1,
        &format!("server 127.0.0.1:{gatelog};"),
    );
    let text = replaced(
        &text,
        "http://127.0.0.1:9000;",
        1,
        &format!("http://127.0.0.1:{app};"),
    );
    let is_tls = |line: &&str| line.trim_start().starts_with("ssl_certificate");
    assert_eq!(text.lines().filter(is_tls).count(), 4);
    let plain: Vec<&str> = text.lines().filter(|line| !is_tls(line)).collect();
    plain.join("\n")
}

impl Nginx {
    /// nginx with this file in front of the server. Between them stands a hop that writes down what passes, and behind
    /// it is an application that answers with what it has got.
    async fn start(server: &Server, text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, hop, app) = (free_port(), free_port(), free_port());
        let dir = folder.path().display();
        let main = format!(
            "daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;
             events {{}}
             http {{
               access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
               uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
               log_format hop '$uri $http_x_forwarded_for';
               server {{ listen 127.0.0.1:{app}; location / {{ return 200 \"{SEEN}\"; }} }}
               server {{
                 listen 127.0.0.1:{hop}; access_log {dir}/hop.log hop; location / {{ proxy_pass {base}; }}
               }}
               include {dir}/gatelog.conf;
             }}",
            base = server.base
        );
        std::fs::write(folder.path().join("nginx.conf"), main).unwrap();
        let own = adapted(text, port, hop, app);
        std::fs::write(folder.path().join("gatelog.conf"), own).unwrap();
        let child = Command::new(program())
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(folder.path().join("nginx.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self {
            child,
            client: client(port),
            port,
            folder,
        };
        support::until("nginx listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
        .await;
        nginx
    }

    fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}.example.com:{}{path}", self.port)
    }

    /// Signs in through nginx with a forged chain: the answer.
    async fn sign_in(&self) -> Value {
        self.sign_in_with(FORGED.as_bytes()).await
    }

    async fn sign_in_with(&self, forged: &[u8]) -> Value {
        let body = json!({"email": "ada@example.com", "password": PASSWORD});
        let request = self.client.post(self.url("id", "/v1/sessions")).json(&body);
        let request = request.header("x-forwarded-for", forged);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// A request to the protected application, with everything forged that can be.
    fn app(&self) -> RequestBuilder {
        let mut request = self.client.get(self.url("app", "/page"));
        request = request.header("x-forwarded-for", FORGED);
        for name in [
            "user-id",
            "session-id",
            "roles",
            "methods",
            "time",
            "second-factor-time",
        ] {
            request = request.header(format!("x-auth-{name}"), "forged");
        }
        request
    }

    async fn app_status(&self, token: &str) -> StatusCode {
        self.app().bearer_auth(token).send().await.unwrap().status()
    }

    /// What went to Gatelog under a path, a line each: the path and the chain of addresses.
    async fn passed_on(&self, path: &str) -> Vec<String> {
        let lines = || -> Vec<String> {
            let text = std::fs::read_to_string(self.folder.path().join("hop.log")).unwrap();
            let lines = text.lines().filter(|line| line.starts_with(path));
            lines.map(str::to_owned).collect()
        };
        support::until("nginx writes down what passed", || !lines().is_empty()).await;
        lines()
    }
}

/// Speaks from its own address, and finds both hosts at nginx.
fn client(port: u16) -> Client {
    let nginx = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    Client::builder()
        .no_proxy()
        .local_address(CLIENT.parse::<std::net::IpAddr>().unwrap())
        .resolve("id.example.com", nginx)
        .resolve("app.example.com", nginx)
        .build()
        .unwrap()
}

fn program() -> &'static str {
    let installed = "/usr/sbin/nginx";
    if std::path::Path::new(installed).exists() {
        installed
    } else {
        "nginx"
    }
}

async fn server(trusted: &str) -> Server {
    let server = Server::start_with(&[("TRUSTED_PROXIES", trusted)]).await;
    server.register("ada@example.com").await;
    server
}

#[tokio::test]
async fn only_a_good_token_gets_through_to_the_application_and_nothing_forged_does() {
    let server = server("127.0.0.1/32").await;
    let nginx = Nginx::start(&server, &shipped()).await;
    let signed_in = nginx.sign_in().await;
    let token = signed_in["access_token"].as_str().unwrap();
    assert_eq!(nginx.app().send().await.unwrap().status(), 401);
    assert_eq!(nginx.app_status(&"0".repeat(64)).await, 401);
    let passed = nginx.app().bearer_auth(token).send().await.unwrap();
    assert_eq!(passed.status(), 200);
    let (user, session) = (&signed_in["user"]["id"], &signed_in["session"]["id"]);
    assert_eq!(
        passed.text().await.unwrap(),
        format!(
            "{}|{}||password||{FORGED}, {CLIENT}",
            user.as_str().unwrap(),
            session.as_str().unwrap()
        )
    );
    let direct = server.delete("/v1/sessions/current", token).await;
    assert_eq!(direct.status(), 204);
    assert_eq!(nginx.app_status(token).await, 401);
}

#[tokio::test]
async fn a_forged_chain_of_addresses_is_not_believed() {
    for (trusted, ip) in [("127.0.0.1/32", CLIENT), ("10.0.0.0/8", "127.0.0.1")] {
        let server = server(trusted).await;
        let nginx = Nginx::start(&server, &shipped()).await;
        let signed_in = nginx.sign_in().await;
        assert_eq!(signed_in["session"]["ip"], ip);
        let token = signed_in["access_token"].as_str().unwrap();
        assert_eq!(nginx.app_status(token).await, 200);
        let session = server.get_json("/v1/sessions/current", token).await;
        assert_eq!(session["ip"], ip, "also after auth_request");
        for path in ["/v1/sessions", "/v1/verify"] {
            let chain = format!("{path} {FORGED}, {CLIENT}");
            assert_eq!(nginx.passed_on(path).await, [chain]);
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_do_not_hide_where_a_client_is() {
    let server = server("127.0.0.1/32").await;
    let nginx = Nginx::start(&server, &shipped()).await;
    for forged in [
        &b"\x80"[..],
        b"203.0.113.66, \xff",
        "198.51.100.1é".as_bytes(),
    ] {
        let signed_in = nginx.sign_in_with(forged).await;
        assert_eq!(signed_in["session"]["ip"], CLIENT, "{forged:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_passes_the_chain_on_as_it_is_would_be_found() {
    let server = server("127.0.0.1/32").await;
    let careless = shipped().replace("$proxy_add_x_forwarded_for", "$http_x_forwarded_for");
    let nginx = Nginx::start(&server, &careless).await;
    let signed_in = nginx.sign_in().await;
    assert_eq!(signed_in["session"]["ip"], "198.51.100.1");
    let silent = nginx.app_status(&"0".repeat(64)).await;
    assert_eq!(silent, 401);
    assert_eq!(
        nginx.passed_on("/v1/verify").await,
        [format!("/v1/verify {FORGED}")]
    );
}
