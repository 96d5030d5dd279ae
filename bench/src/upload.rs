//! `POST /v1/media` of one large file against `cp` and `sha256sum` of the same file in the same run, and what memory
//! the server takes for it.
//!
//! The server hashes what it receives, writes it and makes it durable before it answers. So the baseline is measured
//! without and with a `sync` of the copy.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::export::{make_auditor, memory, reset_peak, sign_in};
use crate::process::Server;
use crate::report::{machine, median, publish, table};

const MIB: u64 = 1024 * 1024;
const WAYS: [&str; 3] = [
    "cp, sha256sum (baseline)",
    "cp, sync, sha256sum (baseline)",
    "POST /v1/media",
];

pub async fn run(mebibytes: u64, rounds: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = format!("sqlite://{}", folder.path().join("bench.db").display());
    let store = format!("file://{}", folder.path().join("blobs").display());
    let key = "5b".repeat(32);
    let limit = (2 * mebibytes * MIB).to_string();
    let settings = [
        ("DATABASE_URL", database.as_str()),
        ("MASTER_KEY", key.as_str()),
        ("STORAGE_URL", store.as_str()),
        ("UPLOAD_MAX_BYTES", limit.as_str()),
    ];
    make_auditor(&settings)?;
    let server = Server::start_with(&settings)?;
    let token = sign_in(&server).await?;
    let file = folder.path().join("file");
    make(&file, mebibytes)?;
    let mut rates: [Vec<f64>; 3] = Default::default();
    let mut above_idle = 0;
    for _ in 0..rounds {
        for (way, rates) in rates.iter_mut().enumerate() {
            let (idle, began) = (memory(&server, "VmRSS:")?, Instant::now());
            if way == 2 {
                reset_peak(&server)?;
                let media = upload(&server, &token, &file)?;
                let seconds = began.elapsed().as_secs_f64();
                above_idle = above_idle.max(memory(&server, "VmHWM:")?.saturating_sub(idle));
                #[expect(clippy::cast_precision_loss, reason = "a rate needs no more")]
                rates.push(mebibytes as f64 / seconds);
                remove(&server, &token, &media).await?;
                continue;
            }
            copy(&file, &folder.path().join("copy"), way == 1)?;
            #[expect(clippy::cast_precision_loss, reason = "a rate needs no more")]
            rates.push(mebibytes as f64 / began.elapsed().as_secs_f64());
        }
    }
    publish("upload", &report(mebibytes, rounds, rates, above_idle))
}

fn report(mebibytes: u64, rounds: usize, mut rates: [Vec<f64>; 3], above_idle: u64) -> String {
    let rates: Vec<f64> = rates.iter_mut().map(|rates| median(rates)).collect();
    let ours = rates.last().copied().unwrap_or_default();
    let rows: Vec<Vec<String>> = WAYS
        .iter()
        .zip(&rates)
        .map(|(way, rate)| {
            vec![
                (*way).to_owned(),
                format!("{rate:.0}"),
                format!("{:.2}", ours / rate),
            ]
        })
        .collect();
    format!(
        "# An upload against a copy and a digest of the same file\n\n{}\nMedians of {rounds} alternating rounds of \
         {mebibytes} MiB.\n\n{}\nPeak memory of the server during an upload, above idle: {:.1} MiB.\n",
        machine(),
        table(&["what", "MiB/s", "upload : this"], &rows),
        f64::from(u32::try_from(above_idle).unwrap_or(u32::MAX)) / 1024.0,
    )
}

/// A PNG by its first bytes; the rest is noise.
fn make(path: &Path, mebibytes: u64) -> anyhow::Result<()> {
    let mut file = File::create(path)?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for n in 0..mebibytes {
        let mut block = Vec::with_capacity(1024 * 1024);
        while block.len() < 1024 * 1024 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend_from_slice(&state.to_le_bytes());
        }
        if n == 0 {
            block.splice(..8, *b"\x89PNG\r\n\x1a\n");
        }
        file.write_all(&block)?;
    }
    Ok(file.sync_all()?)
}

fn copy(from: &Path, to: &Path, is_synced: bool) -> anyhow::Result<()> {
    // Nothing is there before the first round.
    let _ = std::fs::remove_file(to);
    ran(Command::new("cp").arg(from).arg(to))?;
    if is_synced {
        ran(Command::new("sync").arg(to))?;
    }
    ran(Command::new("sha256sum").arg(to)).map(|_| ())
}

fn upload(server: &Server, token: &str, file: &Path) -> anyhow::Result<String> {
    let said = ran(Command::new("curl")
        .args(["--silent", "--show-error", "--fail-with-body", "-X", "POST"])
        .args(["-H", &format!("Authorization: Bearer {token}")])
        .arg("-T")
        .arg(file)
        .arg(server.url("/v1/media?name=file.png")))?;
    let media: Value = serde_json::from_slice(&said)?;
    let id = media.get("id").and_then(Value::as_str);
    Ok(id.context("no media")?.to_owned())
}

async fn remove(server: &Server, token: &str, media: &str) -> anyhow::Result<()> {
    let url = server.url(&format!("/v1/media/{media}"));
    let request = reqwest::Client::new().delete(url).bearer_auth(token);
    request.send().await?.error_for_status()?;
    Ok(())
}

fn ran(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("{command:?} failed");
    }
    Ok(output.stdout)
}
