//! `/v1/verify` against a bare axum handler, each its own process, both driven by wrk in turn.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use axum::Router;
use axum::routing::get;
use http::StatusCode;

use crate::process::{Process, free_address};
use crate::report::{machine, median, publish, table};

const THREADS: &str = "-t2";
const CONNECTIONS: &str = "-c64";

pub async fn serve_bare(listen: SocketAddr) -> anyhow::Result<()> {
    let router = Router::new().route("/v1/verify", get(|| async { StatusCode::NO_CONTENT }));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    Ok(axum::serve(listener, router).await?)
}

pub fn run(rounds: usize, seconds: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let own = std::env::current_exe()?;
    let (bare, ours, ops) = (free_address()?, free_address()?, free_address()?);
    let _bare = Process(
        Command::new(&own)
            .args(["bare", "--listen", &bare.to_string()])
            .spawn()?,
    );
    let server = Command::new(own.with_file_name("gatelog"))
        .arg("serve")
        .env("DATA_DIR", folder.path())
        .env("LISTEN_ADDR", ours.to_string())
        .env("OPS_LISTEN_ADDR", ops.to_string())
        .stderr(Stdio::null())
        .spawn()
        .context("build the server first: cargo build --release -p gatelog")?;
    let _ours = Process(server);
    let token = token(ours)?;
    let (mut baseline, mut measured) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        baseline.push(wrk(bare, None, seconds)?);
        measured.push(wrk(ours, Some(&token), seconds)?);
    }
    let (baseline, measured) = (median(&mut baseline), median(&mut measured));
    let rows = [
        vec![
            "bare axum handler that answers 204 (baseline)".to_owned(),
            format!("{baseline:.0}"),
            "1.00".to_owned(),
        ],
        vec![
            "/v1/verify with a good token".to_owned(),
            format!("{measured:.0}"),
            format!("{:.2}", measured / baseline),
        ],
    ];
    let text = format!(
        "# `/v1/verify` against a bare axum handler\n\n{}\nMedians of {rounds} alternating rounds of {seconds} s, wrk \
         {THREADS} {CONNECTIONS}.\n\n{}",
        machine(),
        table(&["what", "requests/s", "ratio"], &rows)
    );
    publish("verify", &text)
}

/// Registers and signs in with curl.
fn token(server: SocketAddr) -> anyhow::Result<String> {
    let body = r#"{"email":"bench@example.com","password":"Correct-horse-7"}"#;
    let deadline = Instant::now() + Duration::from_secs(30);
    while curl(server, "/v1/users", body).is_err() {
        if Instant::now() > deadline {
            bail!("the server does not answer");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let answer = curl(server, "/v1/sessions", body)?;
    let answer: serde_json::Value = serde_json::from_str(&answer)?;
    answer
        .get("access_token")
        .and_then(|token| token.as_str())
        .map(str::to_owned)
        .context("no token")
}

fn curl(server: SocketAddr, path: &str, body: &str) -> anyhow::Result<String> {
    let output = Command::new("curl")
        .args(["-sSf", "-H", "Content-Type: application/json", "-d", body])
        .arg(format!("http://{server}{path}"))
        .stderr(Stdio::null())
        .output()?;
    if !output.status.success() {
        bail!("curl failed");
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Requests per second.
fn wrk(server: SocketAddr, token: Option<&str>, seconds: u64) -> anyhow::Result<f64> {
    let mut command = Command::new("wrk");
    command
        .args([THREADS, CONNECTIONS])
        .arg(format!("-d{seconds}s"));
    if let Some(token) = token {
        command.args(["-H", &format!("Authorization: Bearer {token}")]);
    }
    let output = command
        .arg(format!("http://{server}/v1/verify"))
        .output()
        .context("install wrk")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if text.contains("Non-2xx") {
        bail!("some answers were failures: {text}");
    }
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    Ok(line.context("wrk's answer")?.trim().parse()?)
}
