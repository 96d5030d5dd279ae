//! `gatelog doctor`: what it finds in a sound installation, and in one that is broken in each way.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;
use support::engines::{count, prepared, servers, write};
use support::{Server, free_port, until_so};

/// What the doctor says: whether it is content, and each level by name; the worst where a name comes twice.
struct Said {
    exit: i32,
    text: String,
    levels: BTreeMap<String, String>,
}

fn ask(server: &Server, settings: &[(&str, &str)]) -> Said {
    let mut command = server.command(&["doctor", "--json"]);
    let output = command.envs(settings.iter().copied()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let mut levels = BTreeMap::new();
    for check in checks {
        let word = |key: &str| check[key].as_str().unwrap().to_owned();
        let (name, level) = (word("name"), word("level"));
        assert_eq!(level != "ok", check["advice"].is_string(), "{check}");
        let worst = levels.entry(name).or_insert_with(|| level.clone());
        if level == "fail" || worst == "ok" {
            *worst = level;
        }
    }
    let has_failure = levels.values().any(|level| level == "fail");
    assert_eq!(report["ok"], !has_failure, "{text}");
    let exit = output.status.code().unwrap();
    assert_eq!(exit, i32::from(has_failure), "{text}");
    Said { exit, text, levels }
}

/// Asserts that `name` alone is not what it is in a sound installation.
fn assert_only(said: &Said, sound: &Said, name: &str, level: &str) {
    assert_eq!(said.levels[name], level, "{}", said.text);
    for (other, expected) in &sound.levels {
        if other != name {
            assert_eq!(said.levels[other], *expected, "{other}: {}", said.text);
        }
    }
}

/// A sound installation: without an SMTP server people get no mails; everything else is as it should be.
async fn sound(server: &mut Server) -> Said {
    server.launch_worker().await;
    server.register("ada@example.com").await;
    let sound = ask(server, &[]);
    assert_eq!(sound.exit, 0, "{}", sound.text);
    for (name, level) in &sound.levels {
        let expected = if name == "mail" { "warn" } else { "ok" };
        assert_eq!(level, expected, "{name}: {}", sound.text);
    }
    assert_eq!(sound.levels.len(), 10, "{}", sound.text);
    assert!(sound.text.contains("Landlock ABI"), "{}", sound.text);
    sound
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_installation_is_found_sound_and_each_bad_setting_alone() {
    for (mut server, url, _folder) in servers(&[]).await {
        let sound = sound(&mut server).await;
        // The last that follows from the registration.
        let confirmed = "SELECT COUNT(*) FROM events WHERE event_type = 'EmailClaimConfirmed'";
        until_so("the claim is confirmed", async || {
            count(&url, confirmed).await == 1
        })
        .await;
        let before = count(&url, "SELECT COUNT(*) FROM events").await;
        let key = server.data.join("master.key");
        set_mode(&key, 0o644);
        assert_only(&ask(&server, &[]), &sound, "keys", "fail");
        set_mode(&key, 0o600);

        let smtp = format!("smtp://ada:secret-word@127.0.0.1:{}", free_port());
        let mail = [
            ("SMTP_URL", smtp.as_str()),
            ("MAIL_FROM", "gatelog@example.com"),
        ];
        let said = ask(&server, &mail);
        assert_only(&said, &sound, "mail", "fail");
        assert!(!said.text.contains("secret-word"), "{}", said.text);

        let other = "0b".repeat(32);
        for (setting, name) in [
            ("MASTER_KEY", "master key"),
            ("MEDIA_WORKER_SECRET", "media worker"),
        ] {
            let said = ask(&server, &[(setting, &other)]);
            assert_only(&said, &sound, name, "fail");
            assert!(!said.text.contains(&other), "{}", said.text);
        }
        server.kill_worker();
        assert_only(&ask(&server, &[]), &sound, "media worker", "warn");
        assert_eq!(count(&url, "SELECT COUNT(*) FROM events").await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tails_that_stand_and_a_schema_that_is_old_are_found() {
    const PARK: &str = "UPDATE tails SET paused_at = NULL, parked_at = 1, failed_position = 1, attempts = 9, \
        failed_event_id = '00000000-0000-0000-0000-000000000000', failed_reason = 'x' WHERE name = 'media_jobs'";
    const GO_ON: &str =
        "UPDATE tails SET parked_at = NULL, failed_position = NULL WHERE name = 'media_jobs'";
    const FORGET: &str = "DELETE FROM _sqlx_migrations \
        WHERE version = (SELECT MAX(version) FROM _sqlx_migrations)";
    for (mut server, url, _folder) in servers(&[]).await {
        let sound = sound(&mut server).await;
        // From here on nobody else moves the tails.
        server.kill();
        let pause = ["projections", "pause", "media_jobs"];
        assert!(server.command(&pause).output().unwrap().status.success());
        assert_only(&ask(&server, &[]), &sound, "tails", "warn");
        write(&url, PARK).await;
        assert_only(&ask(&server, &[]), &sound, "tails", "fail");
        write(&url, GO_ON).await;
        assert_only(&ask(&server, &[]), &sound, "tails", "ok");
        write(&url, FORGET).await;
        let said = ask(&server, &[]);
        assert_eq!(said.levels["database"], "fail", "{}", said.text);
        assert!(said.text.contains("gatelog migrate"), "{}", said.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_is_told_what_to_keep_and_what_to_run() {
    for (server, _, _folder) in prepared(&[]).await {
        let said = ask(&server, &[]);
        assert_eq!(said.levels["keys"], "warn", "{}", said.text);
        assert_ne!(said.levels["database"], "ok", "{}", said.text);
        let migrated = server.command(&["migrate"]).output().unwrap();
        assert!(migrated.status.success());
        let said = ask(&server, &[]);
        assert_eq!(
            (said.levels["keys"].as_str(), said.exit),
            ("ok", 0),
            "{}",
            said.text
        );
        let lines = server.command(&["doctor"]).output().unwrap();
        let lines = String::from_utf8(lines.stdout).unwrap();
        assert!(lines.starts_with("ok    settings"), "{lines}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_setting_and_a_database_that_is_away_are_named() {
    for (server, _, folder) in prepared(&[]).await {
        let said = ask(&server, &[("LISTEN_ADDR", "nowhere")]);
        assert_eq!(said.levels.len(), 1, "{}", said.text);
        assert!(said.text.contains("LISTEN_ADDR"), "{}", said.text);
        let away = format!(
            "postgres://ada:secret-word@127.0.0.1:{}/gatelog",
            free_port()
        );
        let said = ask(&server, &[("DATABASE_URL", &away)]);
        assert_eq!(said.levels["database"], "fail", "{}", said.text);
        assert!(!said.text.contains("secret-word"), "{}", said.text);
        // A folder can be used by nobody, root included, when it is a file.
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let store = format!("file://{}", file.display());
        let said = ask(&server, &[("STORAGE_URL", &store)]);
        assert_eq!(said.levels["blob store"], "fail", "{}", said.text);
    }
}
