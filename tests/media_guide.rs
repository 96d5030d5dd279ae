//! `docs/guides/media.md`: its commands do what it says, its page plays in a real Chromium, and its table of codes is whole.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::Command;

use aggregates::media_job::FailureCode;
use support::{Server, free_port};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn guide() -> String {
    std::fs::read_to_string(format!("{ROOT}/docs/guides/media.md")).unwrap()
}

/// The blocks of a language, in order.
fn blocks(language: &str) -> Vec<String> {
    let guide = guide();
    let opening = format!("```{language}\n");
    let parts = guide.split(&opening).skip(1);
    parts
        .map(|part| part.split_once("```").unwrap().0.to_owned())
        .collect()
}

/// Standard output; it must succeed.
fn run(command: &mut Command, server: &Server) -> String {
    let output = tokio::task::block_in_place(|| command.output()).unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}\n{complaints}\n{}",
        server.log()
    );
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_lead_from_a_file_to_a_page_that_plays_it() {
    let port = free_port();
    let page = format!("http://127.0.0.1:{port}");
    let mut server = Server::start_with(&[("CORS_ORIGINS", &page)]).await;
    server.launch_worker().await;
    let token = server.token("ada@example.com").await;
    let script = blocks("bash").concat() + "echo \"link $link\"\n";
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &script])
        .env("base", &server.base)
        .env("token", &token)
        .current_dir(ROOT);
    let said = run(&mut bash, &server);
    assert!(said.contains("event: state"), "{said}");
    assert!(said.contains("\nv360p.m3u8\n"), "{said}");
    let (_, link) = said.trim().rsplit_once("link ").unwrap();
    let html = blocks("html")
        .concat()
        .replace("{{link}}", &format!("{}{link}", server.base));
    let mut node = Command::new("node");
    node.arg("guide.mjs")
        .current_dir(format!("{ROOT}/tests/browser"))
        .env("PAGE", html)
        .env("PORT", port.to_string())
        .env(
            "HLS",
            format!("{ROOT}/web/node_modules/hls.js/dist/hls.light.min.mjs"),
        );
    run(&mut node, &server);
}

#[test]
fn every_code_of_a_failure_is_in_the_table_with_what_it_means_for_another_try() {
    let guide = guide();
    let lines: Vec<&str> = guide.lines().collect();
    for code in FailureCode::ALL {
        let named = format!("`{}`", code.as_str());
        let word = if code.retryable() { "yes" } else { "no" };
        let rows: Vec<&&str> = lines
            .iter()
            .filter(|line| line.starts_with("| `") && line.contains(&named))
            .collect();
        assert_eq!(rows.len(), 1, "{named}");
        assert!(
            rows[0].contains(&format!("| {word} |")),
            "{named}: {}",
            rows[0]
        );
    }
}
