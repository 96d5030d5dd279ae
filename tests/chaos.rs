//! kill -9 of the server, of the archiving and of a rebuild, and the immediate end of PostgreSQL, at any moment of an
//! append, a projection, a tile's writing, an archiving or a rebuild. After each: everything that was acknowledged stands
//! where it was acknowledged, history was only added to, it verifies against what was signed before, every read model is
//! as the log makes it, and whoever follows the log has missed nothing.
//! `CHAOS_ROUNDS` says how many kills each engine gets (`make chaos`: 200), `CHAOS_SEED` repeats a run.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eventlog::testing::TestPostgres;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use support::chance::Chance;
use support::{PASSWORD, Server, kill_amid, until};
use tokio::task::JoinHandle;

const ROUNDS: u64 = 10;
const PERSON: &str = "ada@example.com";
/// A PNG by its first bytes.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n and nothing else";
/// Read models that are rebuilt, one that follows the log and one that is written with it.
const REBUILT: [&str; 2] = ["media", "sessions"];

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// What was acknowledged: the position, and whose event stands there.
type Acknowledged = (u64, String);

/// Somebody who writes over connections of their own, which outlive the server's process.
#[derive(Clone)]
struct Writer {
    client: Client,
    base: String,
    is_over: Arc<AtomicBool>,
}

impl Writer {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base)).json(body)
    }

    /// The position and the body of what was acknowledged; nothing when the answer did not come, or was that the
    /// database is away.
    async fn send(&self, request: RequestBuilder) -> Option<(u64, Value)> {
        let answer = request.send().await.ok()?;
        let status = answer.status();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return None;
        }
        assert!(status.is_success(), "{status} {:?}", answer.text().await);
        let position = answer.headers()["gatelog-position"].to_str().unwrap();
        let position = position.parse().unwrap();
        Some((position, answer.json().await.unwrap_or_default()))
    }

    /// Signs in, uploads a file, refreshes some times and signs out, over and over. A refresh whose answer was lost is the end of that
    /// session for this client; another sign-in is not.
    async fn run(self) -> Vec<Acknowledged> {
        let mut acknowledged = Vec::new();
        while !self.is_over() {
            let _ = self.session(&mut acknowledged).await;
        }
        acknowledged
    }

    async fn session(&self, acknowledged: &mut Vec<Acknowledged>) -> Option<()> {
        let body = json!({"email": PERSON, "password": PASSWORD});
        let Some((position, mut signed_in)) = self.send(self.post("/v1/sessions", &body)).await
        else {
            // The server is away: whoever runs the test starts it again, or ends the round.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return None;
        };
        let session = signed_in["session"]["id"].as_str().unwrap().to_owned();
        acknowledged.push((position, session.clone()));
        let upload = self
            .client
            .post(format!("{}/v1/media?name=a.png", self.base));
        let token = signed_in["access_token"].as_str().unwrap();
        let upload = upload.bearer_auth(token).body(PICTURE);
        let (position, media) = self.send(upload).await?;
        acknowledged.push((position, media["id"].as_str().unwrap().to_owned()));
        for _ in 0..40 {
            if self.is_over() {
                return Some(());
            }
            let body = json!({"refresh_token": signed_in["refresh_token"]});
            let refreshed = self.send(self.post("/v1/tokens/refresh", &body)).await?;
            acknowledged.push((refreshed.0, session.clone()));
            signed_in = refreshed.1;
        }
        let end = format!("{}/v1/sessions/current", self.base);
        let token = signed_in["access_token"].as_str().unwrap();
        let (position, _) = self
            .send(self.client.delete(end).bearer_auth(token))
            .await?;
        acknowledged.push((position, session));
        Some(())
    }
}

/// Follows the log across every outage: each position once, in order.
async fn follow(base: String, token: String, end: Arc<std::sync::OnceLock<u64>>) -> Vec<String> {
    let client = Client::new();
    let mut lines: Vec<String> = Vec::new();
    while end.get().is_none_or(|end| *end > lines.len() as u64) {
        let url = format!("{base}/v1/audit/events?after={}&limit=500", lines.len());
        let request = client.get(url).header("accept", "application/x-ndjson");
        let answer = request.bearer_auth(&token).send().await;
        let text = match answer {
            Ok(answer) if answer.status() == 200 => answer.text().await,
            Ok(answer) if answer.status() == 503 => Ok(String::new()),
            Ok(answer) => panic!("{}", answer.status()),
            Err(error) => Err(error),
        };
        // An answer that broke off is asked for again, as a whole.
        let text = text.unwrap_or_default();
        if text.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for line in text.lines() {
            assert_eq!(position(line), lines.len() as u64 + 1);
            lines.push(line.to_owned());
        }
    }
    lines
}

fn position(line: &str) -> u64 {
    let event: Value = serde_json::from_str(line).unwrap();
    event["position"].as_u64().unwrap()
}

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Server,
    Archiving,
    Rebuild,
    Postgres,
}

/// How often each was alive when it was killed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Kills {
    server: u32,
    archiving: u32,
    rebuild: u32,
    postgres: u32,
}

impl Kills {
    fn count(&mut self, victim: Victim) {
        *match victim {
            Victim::Server => &mut self.server,
            Victim::Archiving => &mut self.archiving,
            Victim::Rebuild => &mut self.rebuild,
            Victim::Postgres => &mut self.postgres,
        } += 1;
    }
}

/// A server, and what is known of its log.
struct Run<'a> {
    server: Server,
    postgres: Option<&'a TestPostgres>,
    folder: tempfile::TempDir,
    vkey: String,
    chance: Chance,
    acknowledged: Vec<Acknowledged>,
    known: Vec<String>,
    kills: Kills,
    /// Rounds in which something was acknowledged.
    at_work: u64,
    /// Tiles that were half written, and made whole.
    torn: u32,
}

impl Run<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self, arguments: &[&str]) -> Command {
        self.server.command(&[&["log"], arguments].concat())
    }

    async fn round(&mut self, victim: Victim) {
        let is_over = Arc::new(AtomicBool::new(false));
        let writing: Vec<JoinHandle<_>> = (0..3)
            .map(|_| {
                let (client, base) = (Client::new(), self.server.base.clone());
                let is_over = Arc::clone(&is_over);
                tokio::spawn(
                    Writer {
                        client,
                        base,
                        is_over,
                    }
                    .run(),
                )
            })
            .collect();
        let moment = Duration::from_millis(50 + self.chance.below(700));
        match victim {
            Victim::Server => {
                tokio::time::sleep(moment).await;
                self.kill_server().await;
            }
            Victim::Archiving => {
                let archive = ["log", "archive", "--before", "1000000000"];
                self.kill_running(&archive, moment).await;
                self.kills.archiving += 1;
            }
            Victim::Rebuild => {
                let name = REBUILT[usize::try_from(self.chance.below(2)).unwrap()];
                let rebuild = ["projections", "rebuild", name];
                self.kill_running(&rebuild, moment).await;
                self.kills.rebuild += 1;
            }
            Victim::Postgres => {
                tokio::time::sleep(moment).await;
                let postgres = self.postgres.unwrap();
                // Fails where there is nothing to end.
                postgres.kill().unwrap();
                self.kills.postgres += 1;
                postgres.restart().unwrap();
            }
        }
        // What comes after it is acknowledged as well.
        tokio::time::sleep(Duration::from_millis(150)).await;
        is_over.store(true, Ordering::SeqCst);
        for writer in writing {
            self.acknowledged.extend(writer.await.unwrap());
        }
        self.at_work += u64::from(!self.acknowledged.is_empty());
        self.check();
    }

    /// With a tile that was half written, now and then.
    async fn kill_server(&mut self) {
        self.kills.server += u32::from(self.server.kill_alive());
        let tile = self.server.data.join("log/tile/0/000");
        // It is there once it is full, and then never another one.
        let right = std::fs::read(&tile).unwrap_or_default();
        let is_torn = !right.is_empty() && self.chance.below(2) == 0;
        if is_torn {
            std::fs::write(&tile, &right[..right.len() / 2]).unwrap();
        }
        self.server.launch().await;
        if is_torn {
            let read = || std::fs::read(&tile).unwrap_or_default();
            until("the torn tile is whole again", || read() == right).await;
            self.torn += 1;
        }
    }

    /// Kills a command while it runs; none of them runs for long.
    async fn kill_running(&self, arguments: &[&str], latest: Duration) {
        kill_amid(|| self.server.command(arguments), latest / 4).await;
    }

    fn check(&mut self) {
        let (folder, kept) = (self.path("export"), self.path("checkpoint"));
        let folder_text = folder.display().to_string();
        let mut compare = self.server.command(&["projections", "verify", "--all"]);
        let compare = compare.stdout(Stdio::null()).stderr(Stdio::piped());
        let compare = compare.spawn().unwrap();
        ran(self.log(&["export", "--dir", &folder_text]));
        let mut verify = self.log(&["verify", "--vkey", &self.vkey, "--export", &folder_text]);
        verify.arg("--keep").arg(&kept);
        if kept.exists() {
            verify.arg("--older").arg(&kept);
        }
        ran(verify);
        let compared = compare.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&compared.stderr);
        assert!(compared.status.success(), "{said}");
        let lines = std::fs::read_to_string(folder.join("events.ndjson")).unwrap();
        let lines: Vec<String> = lines.lines().map(str::to_owned).collect();
        assert!(lines.starts_with(&self.known), "history was rewritten");
        for (position, session) in self.acknowledged.drain(..) {
            let line = &lines[usize::try_from(position).unwrap() - 1];
            let event: Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["subject"], *session, "{line}");
        }
        self.known = lines;
    }
}

fn ran(mut command: Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

async fn survives(settings: &[(&str, &str)], postgres: Option<&TestPostgres>) {
    let (_, chance) = Chance::from_environment("CHAOS_SEED");
    let own = [
        ("ACCESS_TOKEN_TTL", "86400"),
        ("MEDIA_QUOTA_FILES", "1000000"),
    ];
    let settings = [settings, &own].concat();
    let server = Server::start_with(&settings).await;
    server.register(PERSON).await;
    let auditor = server.auditor("eve@example.org").await;
    let key = server.get("/v1/audit/log/key", &auditor).await;
    let mut run = Run {
        vkey: key.text().await.unwrap().trim().to_owned(),
        server,
        postgres,
        folder: tempfile::tempdir().unwrap(),
        chance,
        acknowledged: Vec::new(),
        known: Vec::new(),
        kills: Kills::default(),
        at_work: 0,
        torn: 0,
    };
    let end = Arc::default();
    let following = tokio::spawn(follow(run.server.base.clone(), auditor, Arc::clone(&end)));
    let mut victims = vec![Victim::Server, Victim::Archiving, Victim::Rebuild];
    victims.extend(postgres.map(|_| Victim::Postgres));
    // Each in turn, so that none is left out by chance.
    let rounds = setting("CHAOS_ROUNDS").unwrap_or(ROUNDS);
    let mut wanted = Kills::default();
    for victim in victims.into_iter().cycle().take(rounds as usize) {
        wanted.count(victim);
        run.round(victim).await;
    }
    println!("{rounds} rounds: {:?}, {} tiles torn", run.kills, run.torn);
    assert_eq!(run.kills, wanted, "each was alive when it was killed");
    assert!(
        run.at_work * 2 > rounds,
        "{} of {rounds} rounds",
        run.at_work
    );
    assert!(run.known.len() > 50, "nobody wrote");
    let has_uploads = run
        .known
        .iter()
        .any(|line| line.contains("\"MediaStored\""));
    assert!(has_uploads, "no read model had anything to follow");
    end.set(run.known.len() as u64).unwrap();
    let followed = following.await.unwrap();
    assert_eq!(followed[..run.known.len()], run.known[..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_survives_every_kill_on_sqlite() {
    survives(&[], None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_survives_every_kill_on_postgres() {
    let postgres = TestPostgres::start().unwrap();
    let url = postgres.fresh_database().await.unwrap();
    survives(&[("DATABASE_URL", &url)], Some(&postgres)).await;
}
