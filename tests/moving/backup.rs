//! Backups: made while the server runs, restored elsewhere, on either engine; and the drill that an operator runs.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::support::engines::servers;
use super::support::{PASSWORD, Server, free_port, until};
use super::{EMAIL, failed, fresh_postgres, goes_on, ran, settled};

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_on_either_engine() {
    for (mut server, url, folder) in servers(&[]).await {
        let mut installation = settled(&server).await;
        let kept = folder.path().join("backup");
        let kept = kept.to_str().unwrap();
        let signed = folder.path().join("blobs/signed");
        let is_signed = || signed.is_dir() && !walk(signed.to_str().unwrap()).is_empty();
        until("something is signed", is_signed).await;
        let backup = ["backup", "--to", kept, "--with-blobs"];
        let told = ran(&mut server.command(&backup));
        let why = failed(&mut server.command(&backup));
        assert!(why.contains("File exists"), "{why}");
        server.kill();
        let key = std::fs::read(folder.path().join("master.key")).unwrap();
        for entry in walk(kept) {
            let content = std::fs::read(&entry).unwrap();
            let has_key = content.windows(key.len()).any(|part| part == key);
            assert!(!has_key, "the master key is in {entry:?}");
            let is_record = entry.starts_with(Path::new(kept).join("blobs/signed"));
            assert!(!is_record, "what was signed is in {entry:?}");
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let to = match url.starts_with("sqlite") {
            true => fresh_postgres().await,
            false => format!("sqlite://{}", elsewhere.path().join("gatelog.db").display()),
        };
        let mut other = Server::prepare(elsewhere.path(), &[("DATABASE_URL", &to)]);
        let restore = ["restore", "--from", kept];
        let why = failed(&mut other.command(&restore));
        assert!(why.contains("put the master key"), "{why}");
        std::fs::write(elsewhere.path().join("master.key"), &key).unwrap();
        let restored = ran(&mut other.command(&restore));
        assert_eq!(restored.replace("restored", "backed up"), told);
        let why = failed(&mut other.command(&restore));
        assert!(why.contains("is not empty"), "{why}");
        other.launch().await;
        goes_on(&other, &mut installation).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_backup_is_none() {
    let (server, _, folder) = servers(&[]).await.remove(0);
    server.register(EMAIL).await;
    let kept = folder.path().join("backup");
    let name = kept.to_str().unwrap();
    ran(&mut server.command(&["backup", "--to", name]));
    let manifest = std::fs::read_to_string(kept.join("backup.json")).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let key = folder.path().join("master.key");
    std::fs::copy(key, elsewhere.path().join("master.key")).unwrap();
    let other = Server::prepare(elsewhere.path(), &[]);
    std::fs::remove_file(kept.join("backup.json")).unwrap();
    let why = failed(&mut other.command(&["restore", "--from", name]));
    assert!(why.contains("not a whole backup"), "{why}");
    let spoiled = manifest.replace("\"position\": ", "\"position\": 1");
    std::fs::write(kept.join("backup.json"), spoiled).unwrap();
    let why = failed(&mut other.command(&["restore", "--from", name]));
    assert!(why.contains("does not hold the log that it says"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drill_restores_elsewhere_and_signs_in() {
    for (server, url, folder) in servers(&[]).await {
        server.register(EMAIL).await;
        let drill = |password: &str| {
            let mut command = Command::new("deploy/restore-drill");
            command
                .env("DATA_DIR", folder.path())
                .env("DATABASE_URL", &url)
                .env("GATELOG", env!("CARGO_BIN_EXE_gatelog"))
                .env("DRILL_EMAIL", EMAIL)
                .env("DRILL_PASSWORD", password)
                .env("DRILL_PORT", free_port().to_string())
                .env("DRILL_OPS_PORT", free_port().to_string());
            command
        };
        let told = ran(&mut drill(PASSWORD));
        assert!(told.contains("the drill has passed"), "{url}: {told}");
        failed(&mut drill("Wrong-horse-7"));
    }
}

/// A program that backs up, and then does something to the log of the backup.
fn meddling(folder: &Path, sql: &str) -> PathBuf {
    const MEDDLE: &str = "import sqlite3, sys; copy = sqlite3.connect(sys.argv[1]); \
        copy.executescript(sys.argv[2]); copy.close()";
    let script = format!(
        "#!/bin/sh\n{program} \"$@\" || exit 1\nif [ \"$1\" = backup ]; then\n    \
         python3 -c \"{MEDDLE}\" \"$3/gatelog.db\" \"{sql}\"\nfi\n",
        program = env!("CARGO_BIN_EXE_gatelog")
    );
    let program = folder.join("meddling");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drill_fails_on_a_payload_a_signature_and_a_row_that_was_changed() {
    let payload = "DROP TRIGGER events_are_not_updated; \
        UPDATE events SET payload = replace(payload, 'user_id', 'user_ib') WHERE position = 1;";
    let signed = "UPDATE log_checkpoint SET note = replace(note, 'a', 'b');";
    let row = "UPDATE sessions SET end_reason = 'no reason';";
    for (server, url, folder) in servers(&[]).await {
        server.register(EMAIL).await;
        server.sign_in(EMAIL).await;
        for (sql, told) in [
            (payload, ""),
            (signed, "not signed by the key"),
            (row, "differ"),
        ] {
            let mut drill = Command::new("deploy/restore-drill");
            drill
                .env("DATA_DIR", folder.path())
                .env("DATABASE_URL", &url)
                .env("GATELOG", meddling(folder.path(), sql))
                .env("DRILL_EMAIL", EMAIL)
                .env("DRILL_PASSWORD", PASSWORD)
                .env("DRILL_PORT", free_port().to_string())
                .env("DRILL_OPS_PORT", free_port().to_string());
            let output = drill.output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(!output.status.success(), "{sql}: {said}");
            assert!(
                said.contains(told) && !said.contains("has passed"),
                "{sql}: {said}"
            );
        }
    }
}

/// A program that writes down what a server starts with, and then is that server.
fn witnessed(folder: &Path) -> PathBuf {
    const SINKS: &str = "import sqlite3, sys; \
        print(*[row[0] for row in sqlite3.connect(sys.argv[1]).execute('SELECT state FROM webhook_sinks')])";
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = serve ]; then\n    env >\"$0.env\"\n    \
         python3 -c \"{SINKS}\" \"$DATA_DIR/gatelog.db\" >\"$0.sinks\"\nfi\nexec {} \"$@\"\n",
        env!("CARGO_BIN_EXE_gatelog")
    );
    let program = folder.join("witnessed");
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn the_drill_reaches_nothing_that_the_installation_reaches() {
    let key = "07".repeat(32);
    for (server, url, folder) in servers(&[]).await {
        let admin = server.admin("root@example.com").await;
        let sink = json!({"name": "siem", "url": "https://siem.invalid/hook"});
        let made = server.post("/v1/admin/webhooks", &admin, &sink).await;
        assert_eq!(made.status(), 201);
        server.register(EMAIL).await;
        let program = witnessed(folder.path());
        let tiles = folder.path().join("tiles");
        let settings = [
            ("LOG_SIGNING_KEY", key.as_str()),
            ("LOG_ORIGIN", "id.example.com/log"),
            ("LOG_TILES_DIR", tiles.to_str().unwrap()),
            ("MEDIA_WORKER_URL", "unix:/run/worker/socket"),
            ("WEBHOOKS_ALLOW_PRIVATE", "true"),
            ("PUBLIC_URL", "https://id.example.com"),
        ];
        let mut drill = Command::new("deploy/restore-drill");
        drill
            .envs(settings)
            .env("DATA_DIR", folder.path())
            .env("DATABASE_URL", &url)
            .env("GATELOG", &program)
            .env("DRILL_EMAIL", EMAIL)
            .env("DRILL_PASSWORD", PASSWORD)
            .env("DRILL_PORT", free_port().to_string())
            .env("DRILL_OPS_PORT", free_port().to_string());
        ran(&mut drill);
        let seen = |what: &str| std::fs::read_to_string(program.with_extension(what)).unwrap();
        let environment = seen("env");
        assert!(environment.contains("DATABASE_URL=sqlite://"));
        for (name, _) in settings {
            assert!(!environment.contains(&format!("{name}=")), "{name}");
        }
        assert_eq!(seen("sinks").trim(), "paused");
        assert!(!tiles.exists());
    }
}

fn walk(folder: &str) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(walk(path.to_str().unwrap()));
        } else {
            files.push(path);
        }
    }
    files
}
