//! tus-js-client, as browsers use it, against a connection that breaks and a server that dies.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::*;
use crate::support::engines::rows;
use crate::support::on_both_engines;

/// A film of 7 MiB.
fn film() -> Vec<u8> {
    clip().repeat(7)
}

/// Starts the client. It prints what it saw as JSON.
fn start(server: &Server, token: &str, file: &Path, environment: &[(&str, &str)]) -> Child {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/uploads");
    assert!(
        folder.join("node_modules").exists(),
        "run npm ci in tests/uploads first"
    );
    let mut node = Command::new("node");
    node.arg("client.mjs")
        .current_dir(folder)
        .env("BASE_URL", &server.base)
        .env("TOKEN", token)
        .env("FILE", file)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    node.spawn().unwrap()
}

fn said(child: Child) -> Value {
    let output = tokio::task::block_in_place(|| child.wait_with_output()).unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}\n{err}");
    serde_json::from_str(out.trim()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_at_random_costs_only_time() {
    for (server, url) in on_both_engines(&[]).await {
        let token = server.token(EMAIL).await;
        let film = film();
        let file = server.data.join("film.mp4");
        std::fs::write(&file, &film).unwrap();
        let seed = server.process_id().to_string();
        let said = said(start(
            &server,
            &token,
            &file,
            &[("CUTS", "8"), ("SEED", &seed)],
        ));
        assert_eq!(said["cuts"], 8, "{url} seed {seed}: {said}");
        let kept = said["offsets"].as_array().unwrap().iter();
        let kept = kept.filter(|offset| offset.as_u64() > Some(0)).count();
        assert!(
            kept > 0,
            "{url} seed {seed}: it went on where it was: {said}"
        );
        let tus = Tus {
            server: &server,
            token: &token,
        };
        tus.has(said["media"].as_str().unwrap(), &film).await;
        assert_eq!(tus.files().await.len(), 1, "{url} seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_the_middle_goes_on_with_every_byte_that_it_confirmed() {
    for (mut server, url) in on_both_engines(&[]).await {
        let token = server.token(EMAIL).await;
        let film = film();
        let file = server.data.join("film.mp4");
        std::fs::write(&file, &film).unwrap();
        let client = start(&server, &token, &file, &[("CHUNK", "1000000")]);
        for mark in [2_000_000, 5_000_000] {
            let far = format!("SELECT COUNT(*) FROM uploads WHERE received >= {mark}");
            until_count(&url, &far, 1).await;
            server.kill();
            let received = "SELECT received FROM uploads";
            let durable = rows(&url, received).await[0].int(0).unwrap();
            server.launch().await;
            let now = rows(&url, received).await[0].int(0).unwrap();
            assert!(now >= durable, "{url}: {now} of {durable}");
        }
        let said = said(client);
        let tus = Tus {
            server: &server,
            token: &token,
        };
        tus.has(said["media"].as_str().unwrap(), &film).await;
        assert_eq!(tus.files().await.len(), 1, "{url}");
        let stored = "SELECT COUNT(*) FROM events WHERE event_type = 'MediaStored'";
        assert_eq!(count(&url, stored).await, 1, "{url}");
    }
}
