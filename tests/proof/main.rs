//! The log's proof from outside: what is served, that two verifiers that share no code take a true log and refuse every
//! tampering, and that nothing is signed that contradicts what was signed before.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod files;
mod nodes;
mod rollback;
mod serving;
mod tampering;
mod witness;

use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Method;
use serde_json::json;
use support::engines::servers;
use support::{PASSWORD, Server};

/// A server with a log, and somebody who may read it.
struct Audited {
    server: Server,
    url: String,
    auditor: String,
    vkey: String,
    folder: tempfile::TempDir,
}

impl Audited {
    /// One on each engine.
    async fn on_both_engines(settings: &[(&str, &str)]) -> Vec<Self> {
        let mut all = Vec::new();
        for (server, url, folder) in servers(settings).await {
            all.push(Self::of(server, url, folder).await);
        }
        all
    }

    async fn of(server: Server, url: String, folder: tempfile::TempDir) -> Self {
        server.register("ada@example.com").await;
        let auditor = server.auditor("eve@example.org").await;
        let mut audited = Self {
            vkey: String::new(),
            server,
            url,
            auditor,
            folder,
        };
        audited.vkey = audited.text("/v1/audit/log/key").await.trim().to_owned();
        std::fs::write(audited.path("token"), &audited.auditor).unwrap();
        audited
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn text(&self, path: &str) -> String {
        let answer = self.server.get(path, &self.auditor).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    }

    async fn bytes(&self, path: &str) -> Vec<u8> {
        let answer = self.server.get(path, &self.auditor).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.bytes().await.unwrap().to_vec()
    }

    /// The exported lines.
    async fn lines(&self) -> Vec<String> {
        let request = self.server.request(Method::GET, "/v1/audit/events");
        let request = request.bearer_auth(&self.auditor);
        let answer = request
            .header("accept", "application/x-ndjson")
            .send()
            .await;
        let text = answer.unwrap().text().await.unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Makes the log grow by at least so many events.
    async fn grow(&self, events: usize) {
        let mut signed_in = self.server.sign_in("ada@example.com").await;
        for _ in 0..events {
            let body = json!({"refresh_token": signed_in["refresh_token"]});
            let answer = self.server.post("/v1/tokens/refresh", "", &body).await;
            assert_eq!(answer.status(), 200);
            signed_in = answer.json().await.unwrap();
        }
    }

    /// What both verifiers say of the live log, each remembering what it has verified.
    fn verify_live(&self, vkey: &str) -> Verdict {
        self.verify_at(&self.server.base, vkey)
    }

    /// And of the one at this node.
    fn verify_at(&self, base: &str, vkey: &str) -> Verdict {
        let token = self.path("token").display().to_string();
        self.verify(vkey, &["--url", base, "--token-file", &token])
    }

    /// And of an export.
    fn verify_export(&self, vkey: &str, folder: &Path) -> Verdict {
        self.verify(vkey, &["--export", &folder.display().to_string()])
    }

    fn verify(&self, vkey: &str, of: &[&str]) -> Verdict {
        let state = self.path("python.state").display().to_string();
        let kept = self.path("gatelog.state").display().to_string();
        let mut python = Command::new("python3");
        python.args([
            "-B",
            "examples/verify/verify.py",
            "--vkey",
            vkey,
            "--state",
            &state,
        ]);
        let mut gatelog = Command::new(env!("CARGO_BIN_EXE_gatelog"));
        gatelog.args(["log", "verify", "--vkey", vkey, "--keep", &kept]);
        if Path::new(&kept).exists() {
            gatelog.args(["--older", &kept]);
        }
        Verdict {
            python: run(python.args(of)),
            gatelog: run(gatelog.args(of)),
        }
    }

    /// `gatelog log …` with the server's settings.
    fn log(&self, arguments: &[&str]) -> (i32, String) {
        run(&mut self.server.command(&[&["log"], arguments].concat()))
    }

    /// An export in a folder of this name.
    fn export(&self, name: &str) -> PathBuf {
        let folder = self.path(name);
        let (code, said) = self.log(&["export", "--dir", &folder.display().to_string()]);
        assert_eq!(code, 0, "{said}");
        folder
    }
}

/// The exit codes of both verifiers and what they said.
#[derive(Debug)]
struct Verdict {
    python: (i32, String),
    gatelog: (i32, String),
}

impl Verdict {
    #[track_caller]
    fn is_good(&self) {
        assert_eq!((self.python.0, self.gatelog.0), (0, 0), "{self:?}");
    }

    /// Refused by both, with these reasons.
    #[track_caller]
    fn is_refused(&self, python: &str, gatelog: &str) {
        assert_eq!((self.python.0, self.gatelog.0), (1, 1), "{self:?}");
        assert!(self.python.1.contains(python), "{self:?}");
        assert!(self.gatelog.1.contains(gatelog), "{self:?}");
    }
}

fn run(command: &mut Command) -> (i32, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.code().unwrap(), said)
}

/// Registers somebody: a few more events.
async fn register(server: &Server, name: &str) -> u64 {
    let body = json!({"email": format!("{name}@example.com"), "password": PASSWORD});
    let answer = server.post("/v1/users", "", &body).await;
    assert_eq!(answer.status(), 201);
    let position = answer.headers()["gatelog-position"].to_str().unwrap();
    position.parse().unwrap()
}
