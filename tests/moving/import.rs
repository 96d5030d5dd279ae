//! A log from its lines: the very same log, or nothing.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::DateTime;
use eventlog::{Database, Expected, RecordedEvent, cloud_event_line};
use gatelog::moving::lines;
use gatelog::notary::note::{KeyKind, SigningKey};
use uuid::Uuid;

use super::support::Server;
use super::support::engines::{count, rows, servers};
use super::{failed, fresh_postgres, ran, settled};

fn at(folder: &Path, url: &str) -> Server {
    Server::prepare(folder, &[("DATABASE_URL", url)])
}

async fn targets(folder: &Path, name: &str) -> [String; 2] {
    let sqlite = folder.join(format!("{name}.db")).display().to_string();
    [format!("sqlite://{sqlite}"), fresh_postgres().await]
}

async fn read_models(url: &str) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in ["users", "email_claims", "sessions", "service_keys"] {
        counts.push(count(url, &format!("SELECT COUNT(*) FROM {table}")).await);
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_log_is_the_exported_one() {
    for (mut server, url, folder) in servers(&[]).await {
        settled(&server).await;
        server.kill();
        let lines = ran(&mut server.command(&["events", "export"]));
        let file = folder.path().join("log.ndjson");
        std::fs::write(&file, &lines).unwrap();
        let database = Database::open(&url).await.unwrap();
        let (size, root) = database.head_and_root().await.unwrap();
        database.close().await;
        for to in targets(folder.path(), "there").await {
            let target = at(folder.path(), &to);
            let (size, root) = (size.to_string(), hex::encode(root));
            let file = file.to_str().unwrap();
            let import = ["log", "import", "--from", file, "--size", &size, "--root"];
            let told = ran(&mut target.command(&[&import[..], &[&root]].concat()));
            assert!(told.contains(&root), "{told}");
            assert_eq!(ran(&mut target.command(&["events", "export"])), lines);
            assert_eq!(read_models(&to).await, read_models(&url).await, "{to}");
            let why = failed(&mut target.command(&import[..4]));
            assert!(why.contains("the log is not empty"), "{why}");
        }
    }
}

/// Lines that come by standard input.
fn piped(mut command: Command, lines: &str) -> (bool, String) {
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // One who refuses early does not read to the end.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let output = child.wait_with_output().unwrap();
    let why = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), why)
}

/// Ways in which lines are not a log, and what is said of them.
fn spoiled(lines: &[&str]) -> Vec<(String, &'static str)> {
    let text = |lines: &[&str]| lines.join("\n") + "\n";
    let with = |n: usize, line: &str| {
        let mut other: Vec<&str> = lines.to_vec();
        other[n] = line;
        text(&other)
    };
    let last = lines.len() - 1;
    let mut swapped = lines.to_vec();
    swapped.swap(1, 2);
    let mut gap = lines.to_vec();
    gap.remove(1);
    let earlier = lines[last].replacen("\"time\":\"2", "\"time\":\"1", 1);
    let version = lines[last].replace("\"version\":1,", "\"version\":3,");
    assert!(earlier != lines[last] && version != lines[last]);
    vec![
        (text(&swapped), "line 2: its position is not 2"),
        (text(&gap), "line 2: its position is not 2"),
        (text(&lines[1..]), "line 1: its position is not 1"),
        (with(2, lines[1]), "line 3: its position is not 3"),
        (with(last, &earlier), "its time is before"),
        (with(last, &version), "the versions of a stream"),
        (with(3, "{}"), "line 4: not an exported line"),
        (with(3, ""), "line 4: not an exported line"),
        (with(0, &format!(" {}", lines[0])), "line 1"),
        (text(lines).replace('\n', "\r\n"), "line 1"),
        (text(lines)[..text(lines).len() / 2].to_owned(), "not an"),
        (text(&lines[..last]), "the lines are another log"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_whole_log_is_refused_and_nothing_is_left_of_it() {
    let (server, url, folder) = servers(&[]).await.remove(0);
    for n in 0..3 {
        server.register(&format!("guest{n}@example.com")).await;
    }
    let lines = ran(&mut server.command(&["events", "export"]));
    let whole: Vec<&str> = lines.lines().collect();
    // Up to the beginning of a stream, so that the last line is one.
    let is_first = |line: &&str| line.contains("\"version\":1,");
    let end = whole.iter().rposition(is_first).unwrap() + 1;
    let lines = &whole[..end];
    let size = lines.len().to_string();
    for to in targets(folder.path(), "bad").await {
        let target = at(folder.path(), &to);
        let import = ["log", "import", "--from", "-", "--size", &size];
        for (bad, told) in spoiled(lines) {
            let (is_done, why) = piped(target.command(&import), &bad);
            assert!(!is_done && why.contains(told), "{to}: {told}: {why}");
        }
        for table in ["events", "users", "email_claims"] {
            let left = count(&to, &format!("SELECT COUNT(*) FROM {table}")).await;
            assert_eq!(left, 0, "{to}: {table}");
        }
        let good = lines.join("\n") + "\n";
        let (is_done, why) = piped(target.command(&import), &good);
        assert!(is_done, "{why}");
    }
    drop(url);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_imported_by_its_folder_and_the_key_that_has_signed_it() {
    let (server, url, folder) = servers(&[]).await.remove(0);
    server.register("ada@example.com").await;
    let export = folder.path().join("export");
    let export = export.to_str().unwrap();
    ran(&mut server.command(&["log", "export", "--dir", export]));
    let vkey = ran(&mut server.command(&["log", "vkey"]));
    let vkey = vkey.trim();
    let lines = std::fs::read_to_string(folder.path().join("export/events.ndjson")).unwrap();
    for to in targets(folder.path(), "signed").await {
        let target = at(folder.path(), &to);
        let import = |vkey: &str, from: &str, more: &[&str]| {
            let arguments = ["log", "import", "--from", from, "--vkey", vkey];
            target.command(&[&arguments, more].concat())
        };
        let name = vkey.split('+').next().unwrap();
        let other = SigningKey::new(name, KeyKind::Note, &[7; 32]).unwrap();
        let why = failed(&mut import(&other.public().to_string(), export, &[]));
        assert!(why.contains("not signed by the key"), "{why}");
        let short = lines[..lines.trim_end().rfind('\n').unwrap() + 1].to_owned();
        let checkpoint = format!("{export}/checkpoint");
        let more = ["--checkpoint", &checkpoint];
        let (is_done, why) = piped(import(vkey, "-", &more), &short);
        assert!(!is_done && why.contains("another log"), "{why}");
        assert_eq!(count(&to, "SELECT COUNT(*) FROM events").await, 0);
        ran(&mut import(vkey, export, &[]));
        let imported = count(&to, "SELECT COUNT(*) FROM events").await;
        assert_eq!(imported, lines.lines().count() as i64, "{to}");
    }
    drop(url);
}

/// In which kind of stream an event is that has been written in several versions.
const KINDS: &[(&str, &str)] = &[("SessionExpired", "session")];

/// The golden file of an event and a version, in a line of an export.
fn golden_line(
    position: u64,
    stream: (&str, &str, u64),
    event_type: &str,
    version: &str,
) -> String {
    let file = format!("aggregates/golden/{event_type}@{version}.json");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let stored: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let (aggregate_type, aggregate_id, sequence) = stream;
    cloud_event_line(&RecordedEvent {
        position,
        event_id: Uuid::from_u128(u128::from(position)),
        recorded_at: DateTime::UNIX_EPOCH,
        aggregate_type: aggregate_type.to_owned(),
        aggregate_id: aggregate_id.to_owned(),
        sequence,
        event_type: event_type.to_owned(),
        event_version: version.to_owned(),
        payload: stored.to_string(),
        metadata: "{}".to_owned(),
        leaf_hash: [0; 32],
    })
}

/// The versions of each event that has more than one.
fn versions() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("aggregates/golden");
    let files = std::fs::read_dir(folder).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let split = |name: String| {
        let (event_type, version) = name.trim_end_matches(".json").split_once('@').unwrap();
        (event_type.to_owned(), version.to_owned())
    };
    let mut all: Vec<(String, String)> = names.map(split).collect();
    all.sort();
    let has_several = |one: &&(String, String)| all.iter().filter(|x| x.0 == one.0).count() > 1;
    all.iter().filter(has_several).cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_events_of_older_versions_is_imported_like_one_of_newer_ones() {
    const SESSION: &str = "01970000-0000-7000-8000-000000000002";
    let folder = tempfile::tempdir().unwrap();
    let (mut log, mut n) = (Vec::new(), 0);
    let start = ("session", SESSION, 1);
    log.push(golden_line(1, start, "SessionStarted", "1.0"));
    for (event_type, version) in versions() {
        let kind = KINDS.iter().find(|(known, _)| *known == event_type);
        let kind = kind.expect("in which kind of stream it is").1;
        n += 1;
        let (stream, sequence) = match (kind, n) {
            ("session", 1) => (SESSION.to_owned(), 2),
            _ => (Uuid::from_u128(n).to_string(), 1),
        };
        let stream = (kind, stream.as_str(), sequence);
        log.push(golden_line(
            log.len() as u64 + 1,
            stream,
            &event_type,
            &version,
        ));
    }
    assert!(n > 1 && log[1].contains("\"eventversion\":\"1.0\""));
    let file = folder.path().join("old.ndjson");
    std::fs::write(&file, log.join("\n") + "\n").unwrap();
    for url in targets(folder.path(), "old").await {
        let database = Database::open(&url).await.unwrap();
        database.migrate().await.unwrap();
        let imported = lines::import(&database, &file, Expected::default()).await;
        assert_eq!(imported.unwrap().size, log.len() as u64, "{url}");
        database.close().await;
        let ended = rows(&url, "SELECT end_reason FROM sessions").await;
        assert_eq!(ended.len(), 1);
        assert_eq!(ended[0].text(0).unwrap(), "expired", "{url}");
    }
}
