//! Libraries that share nothing with us, from the Python Package Index, use the running server: a device of RFC 6238 and
//! a client of RFC 7662 and RFC 7009.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::engines::servers;
use support::{PASSWORD, Server};

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

fn beside(name: &str) -> String {
    format!("{}/tests/independent/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The libraries in a folder of their own, each file checked against its hash.
fn install(folder: &Path) -> std::path::PathBuf {
    run(Command::new("python3").args(["-m", "venv"]).arg(folder));
    let python = folder.join("bin/python");
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ])
        .args([
            "--no-deps",
            "--require-hashes",
            "--only-binary",
            ":all:",
            "-r",
        ])
        .arg(beside("requirements.txt")));
    python
}

async fn service_key(server: &Server) -> Value {
    let admin = server.admin("root@example.com").await;
    let body = json!({"name": "independent", "scopes": ["introspect", "revoke"]});
    let answer = server.post("/v1/admin/service-keys", &admin, &body).await;
    answer.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_and_a_client_that_others_wrote_work_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let python = install(folder.path());
    for (server, _url, _folder) in servers(&[]).await {
        let key = service_key(&server).await;
        let said = run(Command::new(&python)
            .arg(beside("story.py"))
            .args([server.base.as_str(), "ada@example.com", PASSWORD])
            .args([key["id"].as_str().unwrap(), key["key"].as_str().unwrap()]));
        assert_eq!(said.trim(), "the story ends well");
    }
}
