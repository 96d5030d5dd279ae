//! A bucket of a real server that speaks S3: moto's, installed once for this build and started by the test.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::support::{PATIENCE, free_port};

pub const KEY_ID: &str = "AKIDFORTESTS";
pub const SECRET: &str = "a-secret-that-nobody-is-to-see";

fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/storage")
        .join(name)
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// The interpreter with the libraries. Whoever comes first installs them, each checked against its hash.
fn installed() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("s3-server");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    let wanted = std::fs::read_to_string(beside("requirements.txt")).unwrap();
    let done = folder.join("installed.txt");
    let python = folder.join("venv/bin/python");
    if std::fs::read_to_string(&done).is_ok_and(|has| has == wanted) {
        return python;
    }
    let venv = folder.join("venv");
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(venv));
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    let checked = [
        "--no-deps",
        "--no-compile",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "-r",
    ];
    run(Command::new(&python)
        .args(pip)
        .args(checked)
        .arg(beside("requirements.txt")));
    std::fs::write(done, wanted).unwrap();
    python
}

/// The server. It ends with its owner, and its objects with it.
pub struct Bucket {
    process: Child,
    port: u16,
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(port: u16) -> Child {
    Command::new(installed())
        .arg(beside("s3.py"))
        .args([port.to_string().as_str(), "media", KEY_ID, SECRET])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

impl Bucket {
    pub async fn start() -> Self {
        let port = free_port();
        let mut bucket = Self {
            process: spawn(port),
            port,
        };
        bucket.listens().await;
        bucket
    }

    async fn listens(&mut self) {
        let begun = Instant::now();
        while reqwest::get(self.state_url()).await.is_err() {
            assert!(matches!(self.process.try_wait(), Ok(None)), "it ended");
            assert!(begun.elapsed() < PATIENCE, "it does not listen");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Away, with everything in it.
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Back, and empty.
    pub async fn start_again(&mut self) {
        self.process = spawn(self.port);
        self.listens().await;
    }

    fn state_url(&self) -> String {
        format!("http://127.0.0.1:{}/-/state", self.port)
    }

    async fn state(&self, what: &str) -> Vec<String> {
        let answer = reqwest::get(self.state_url()).await.unwrap();
        let state: Value = answer.json().await.unwrap();
        let names = state[what].as_array().unwrap().iter();
        names
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    /// The names of its objects; without what of the log was signed last.
    pub async fn objects(&self) -> Vec<String> {
        let all = self.state("objects").await.into_iter();
        all.filter(|name| !name.contains("signed/")).collect()
    }

    /// The sizes of the log that are recorded as signed.
    pub async fn signed(&self) -> Vec<u64> {
        let all = self.state("objects").await.into_iter();
        let names = all.filter(|name| name.contains("signed/"));
        let size = |name: String| name.rsplit('/').next()?.split('-').next()?.parse().ok();
        names.map(|name| size(name).unwrap()).collect()
    }

    /// Uploads in parts that were neither completed nor given up.
    pub async fn open(&self) -> Vec<String> {
        self.state("open").await
    }

    /// The settings of a server that uses it.
    pub fn settings(&self, prefix: &str) -> Vec<(&'static str, String)> {
        vec![
            ("STORAGE_URL", format!("s3://media/{prefix}")),
            (
                "STORAGE_ENDPOINT",
                format!("http://127.0.0.1:{}", self.port),
            ),
            ("STORAGE_REGION", "eu-central-1".to_owned()),
            ("STORAGE_ACCESS_KEY_ID", KEY_ID.to_owned()),
            ("STORAGE_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
    }
}
