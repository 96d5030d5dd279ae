//! The web application in a real Chromium, against the real server and worker.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::process::Command;

use support::Server;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_uses_the_web_application() {
    let story = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    assert!(
        story.join("node_modules").exists(),
        "run npm ci in tests/browser first"
    );
    assert!(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("web/dist/index.html")
            .exists(),
        "run scripts/web first"
    );
    let mut server = Server::start().await;
    server.launch_worker().await;
    let mut node = Command::new("node");
    let node = node
        .arg("run.mjs")
        .current_dir(story)
        .env("BASE_URL", &server.base);
    let output = tokio::task::block_in_place(|| node.output()).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        server.log()
    );
}
