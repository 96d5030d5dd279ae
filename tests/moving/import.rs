//! A log from its lines: the very same log, or nothing.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use eventlog::Database;

use super::support::Server;
use super::support::engines::{count, servers};
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
