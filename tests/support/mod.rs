//! What the black-box tests share: the real server and the real worker, each in a folder and on ports of its own.
//!
//! A process that a test started ends with it, by its id.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod chance;
pub mod engines;
pub mod files;
mod kill;
pub mod log;
pub mod totp;

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use eventlog::testing::TestPostgres;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub use kill::kill_amid;

/// A password that keeps every rule.
pub const PASSWORD: &str = "Correct-horse-7";

/// How long something that must happen may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A server under test.
pub struct Server {
    process: Option<Process>,
    worker: Option<Process>,
    /// `http://127.0.0.1:<port>`.
    pub base: String,
    /// The operations listener.
    pub ops: String,
    /// The folder with everything that it writes.
    pub data: PathBuf,
    settings: Vec<(String, String)>,
    client: Client,
    folder: Option<tempfile::TempDir>,
    /// What the program is run by; nothing when it is run itself.
    wrapper: Vec<String>,
}

/// A child process that is killed when it is dropped.
pub struct Process(Child);

impl Process {
    /// Its id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// A server on SQLite, without a worker.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A server with further settings, in a new folder.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self::prepare(folder.path(), settings);
        server.folder = Some(folder);
        server.launch().await;
        server
    }

    /// A server in a given folder, not yet launched.
    pub fn prepare(data: &Path, settings: &[(&str, &str)]) -> Self {
        let (listen, ops) = (free_port(), free_port());
        let own = [
            ("DATA_DIR", data.display().to_string()),
            ("LISTEN_ADDR", format!("127.0.0.1:{listen}")),
            ("OPS_LISTEN_ADDR", format!("127.0.0.1:{ops}")),
            ("WEB_DIR", "web/dist".to_owned()),
            // Every test calls from the same network.
            ("ANONYMOUS_REQUESTS_PER_HOUR", "1000000".to_owned()),
            // Some write to the log by changing a name.
            ("NAME_CHANGES_PER_HOUR", "1000000".to_owned()),
            ("EXPORTS_PER_HOUR", "1000000".to_owned()),
            ("REFRESHES_PER_HOUR", "1000000".to_owned()),
            ("SIGN_INS_PER_HOUR", "1000000".to_owned()),
        ];
        let mut all: Vec<(String, String)> = own
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        all.extend(
            settings
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned())),
        );
        // A server may close an idle connection after a second.
        let client = Client::builder().pool_idle_timeout(Duration::from_millis(500));
        Self {
            process: None,
            worker: None,
            base: format!("http://127.0.0.1:{listen}"),
            ops: format!("http://127.0.0.1:{ops}"),
            data: data.to_owned(),
            settings: all,
            client: client.build().unwrap(),
            folder: None,
            wrapper: Vec::new(),
        }
    }

    /// Starts the process and waits until it is ready.
    pub async fn launch(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .unwrap();
        let mut command = self.command(&["serve"]);
        command
            .stderr(log)
            .stdout(Stdio::null())
            .stdin(Stdio::null());
        self.process = Some(Process(command.spawn().unwrap()));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ready = self.client.get(format!("{}/readyz", self.ops)).send().await;
            if ready.is_ok_and(|response| response.status().is_success()) {
                return;
            }
            let child = self.process.as_mut().map(|process| process.0.try_wait());
            assert!(
                matches!(child, Some(Ok(None))),
                "the server ended: {}",
                self.log()
            );
            assert!(
                Instant::now() < deadline,
                "the server is not ready: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The command line with the same settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_gatelog").to_owned();
        let words = [self.wrapper.clone(), vec![program]].concat();
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(arguments)
            .envs(self.settings.iter().map(|(key, value)| (key, value)));
        command
    }

    /// Starts the media worker on the server's socket, without waiting for it.
    pub fn spawn_worker(&self) -> Process {
        let secret = self.data.join("media-worker.secret").display().to_string();
        self.spawn_worker_with(&[("MEDIA_WORKER_SECRET_FILE", &secret)])
    }

    /// As [`Self::spawn_worker`], with this environment.
    pub fn spawn_worker_with(&self, environment: &[(&str, &str)]) -> Process {
        self.spawn_worker_at("media-worker.sock", environment)
    }

    /// As [`Self::spawn_worker`], on another socket of the server's folder.
    pub fn spawn_worker_named(&self, socket: &str) -> Process {
        let secret = self.data.join("media-worker.secret").display().to_string();
        self.spawn_worker_at(socket, &[("MEDIA_WORKER_SECRET_FILE", &secret)])
    }

    fn spawn_worker_at(&self, socket: &str, environment: &[(&str, &str)]) -> Process {
        let beside =
            Path::new(env!("CARGO_BIN_EXE_gatelog")).with_file_name("gatelog-media-worker");
        assert!(
            beside.exists(),
            "build the workspace's binaries first: {}",
            beside.display()
        );
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.data.join("worker.log"))
            .unwrap();
        let jobs = self.data.join(format!("{socket}-jobs"));
        let socket = std::path::absolute(self.data.join(socket)).unwrap();
        let child = Command::new(beside)
            .arg(format!("--listen=unix:{}", socket.display()))
            .arg(format!("--jobs-dir={}", jobs.display()))
            // Whatever else the machine does, no job may reach its limit of time for that.
            .arg("--priority=normal")
            .envs(environment.iter().copied())
            .stderr(log)
            .stdout(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Process(child)
    }

    /// Starts the media worker and waits until it answers.
    pub async fn launch_worker(&mut self) {
        self.worker = Some(self.spawn_worker());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ready = self
                .client
                .get(format!("{}/readyz", self.ops))
                .send()
                .await
                .unwrap();
            if ready.json::<Value>().await.unwrap()["media_worker"] == "ok" {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the worker is not ready: {}",
                self.worker_log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// From now on the program is run by another one, which executes what it is given.
    pub fn run_by(&mut self, wrapper: &[&str]) {
        self.wrapper = wrapper.iter().map(|word| (*word).to_owned()).collect();
    }

    /// kill -9 of the server.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// As [`Self::kill`]: whether it was that which ended the server.
    pub fn kill_alive(&mut self) -> bool {
        let Some(mut process) = self.process.take() else {
            return false;
        };
        process.0.kill().unwrap();
        process.0.wait().unwrap().signal() == Some(9)
    }

    /// kill -9 of the worker.
    pub fn kill_worker(&mut self) {
        if let Some(process) = self.worker.take() {
            process.kill();
        }
    }

    /// Waits for the server's own end.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        self.process.as_mut().unwrap().0.wait().unwrap()
    }

    /// The server's process id.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    fn log_path(&self) -> PathBuf {
        self.data.join("server.log")
    }

    /// Everything that the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Everything that the worker has logged.
    pub fn worker_log(&self) -> String {
        std::fs::read_to_string(self.data.join("worker.log")).unwrap_or_default()
    }

    /// A request to a path.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// GET with a token.
    pub async fn get(&self, path: &str, token: &str) -> Response {
        self.request(Method::GET, path)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
    }

    /// GET with a token, as JSON.
    pub async fn get_json(&self, path: &str, token: &str) -> Value {
        self.get(path, token).await.json().await.unwrap()
    }

    /// What `/readyz` answers.
    pub async fn readyz(&self) -> (u16, Value) {
        let answer = self.client.get(format!("{}/readyz", self.ops));
        let answer = answer.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// POST of JSON, with a token unless it is empty.
    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Response {
        let request = self.request(Method::POST, path).json(body);
        let request = if token.is_empty() {
            request
        } else {
            request.bearer_auth(token)
        };
        request.send().await.unwrap()
    }

    /// DELETE with a token.
    pub async fn delete(&self, path: &str, token: &str) -> Response {
        self.request(Method::DELETE, path)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
    }

    /// Registers an account.
    pub async fn register(&self, email: &str) -> Value {
        let response = self
            .post(
                "/v1/users",
                "",
                &json!({"email": email, "password": PASSWORD}),
            )
            .await;
        assert_eq!(response.status(), 201);
        response.json().await.unwrap()
    }

    /// Signs in: the whole answer.
    pub async fn sign_in(&self, email: &str) -> Value {
        let response = self
            .post(
                "/v1/sessions",
                "",
                &json!({"email": email, "password": PASSWORD}),
            )
            .await;
        assert_eq!(response.status(), 201);
        response.json().await.unwrap()
    }

    /// Registers and signs in: the access token.
    pub async fn token(&self, email: &str) -> String {
        self.register(email).await;
        access_token(&self.sign_in(email).await)
    }

    /// Makes an auditor and signs in: the access token.
    pub async fn auditor(&self, email: &str) -> String {
        self.with_role(email, "auditor").await
    }

    /// Makes an administrator and signs in: the access token.
    pub async fn admin(&self, email: &str) -> String {
        self.with_role(email, "admin").await
    }

    /// Makes an account with a role with the command line, beside the running server, and signs in: the access token.
    pub async fn with_role(&self, email: &str, role: &str) -> String {
        use std::io::Write as _;
        let mut command = self.command(&["admin", "create", "--email", email, "--role", role]);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
        assert!(child.wait().unwrap().success());
        access_token(&self.sign_in(email).await)
    }

    /// Uploads a file: its identifier.
    pub async fn upload(&self, token: &str, name: &str, content: Vec<u8>) -> String {
        let path = format!("/v1/media?name={name}");
        let response = self
            .request(Method::POST, &path)
            .bearer_auth(token)
            .body(content)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 201);
        response.json::<Value>().await.unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Asks for a job: its identifier.
    pub async fn job(&self, token: &str, media: &str, preset: &str) -> String {
        let response = self
            .post(
                &format!("/v1/media/{media}/jobs"),
                token,
                &json!({"preset": preset}),
            )
            .await;
        assert_eq!(response.status(), 202);
        response.json::<Value>().await.unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Waits until a job has ended: the job.
    pub async fn ended(&self, token: &str, job: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.get_json(&format!("/v1/jobs/{job}"), token).await;
            if matches!(
                seen["state"].as_str(),
                Some("succeeded" | "failed" | "cancelled")
            ) {
                return seen;
            }
            assert!(
                Instant::now() < deadline,
                "the job is stuck: {seen}\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// A server on each engine, with the URL of its database.
pub async fn on_both_engines(settings: &[(&str, &str)]) -> Vec<(Server, String)> {
    let on_sqlite = Server::start_with(settings).await;
    let sqlite = format!("sqlite://{}", on_sqlite.data.join("gatelog.db").display());
    let cluster = TestPostgres::shared().unwrap();
    let postgres = cluster.fresh_database().await.unwrap();
    let settings = [settings, &[("DATABASE_URL", postgres.as_str())]].concat();
    let on_postgres = Server::start_with(&settings).await;
    vec![(on_sqlite, sqlite), (on_postgres, postgres)]
}

/// Waits until something is so.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    until_so(what, async || is_so()).await;
}

/// Waits until something is so that is not seen at once.
pub async fn until_so(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until at least a second has passed since a time that RFC 3339 text names in whole seconds.
pub async fn until_second_after(time: &str) {
    let time = chrono::DateTime::parse_from_rfc3339(time).unwrap();
    let is_over = || {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        i64::try_from(since.as_secs()).unwrap() > time.timestamp() + 1
    };
    until("a second passes", is_over).await;
}

/// The access token of a sign-in's answer.
pub fn access_token(answer: &Value) -> String {
    answer["access_token"].as_str().unwrap().to_owned()
}

/// The real clip: H.264 1280x720, 5.28 s, AAC.
pub fn clip() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bigbuckbunny.mp4"))
        .unwrap()
}

/// A port that is this test process's alone.
pub fn free_port() -> u16 {
    eventlog::testing::free_port().unwrap()
}
