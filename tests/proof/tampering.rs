//! A true log is taken, live and exported; a log that was tampered with in any of these ways is refused, by both
//! verifiers.

use std::path::Path;

use eventlog::Database;

use crate::{Audited, register, support::Server};

/// A valid key of somebody else, by the same name.
fn foreign(vkey: &str) -> String {
    use gatelog::notary::note::{KeyKind, SigningKey};
    let name = vkey.split('+').next().unwrap();
    let key = SigningKey::new(name, KeyKind::Note, &[3; 32]).unwrap();
    key.public().to_string()
}

fn edit(folder: &Path, edit: impl FnOnce(&mut Vec<String>)) {
    let path = folder.join("events.ndjson");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    edit(&mut lines);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_true_export_is_taken_and_a_tampered_one_is_refused() {
    for audited in Audited::on_both_engines(&[]).await {
        let earlier = audited.export("earlier");
        audited.verify_export(&audited.vkey, &earlier).is_good();
        register(&audited.server, "bob").await;
        for (name, tamper) in [
            (
                "changed",
                (|lines| lines[2] = lines[2].replacen("gatelog", "gatelOg", 1))
                    as fn(&mut Vec<String>),
            ),
            ("dropped", |lines| drop(lines.remove(2))),
            ("last dropped", |lines| drop(lines.pop())),
            ("swapped", |lines| lines.swap(2, 3)),
            ("repeated", |lines| lines.insert(2, lines[2].clone())),
        ] {
            let folder = audited.export(name);
            edit(&folder, tamper);
            let verdict = audited.verify_export(&audited.vkey, &folder);
            verdict.is_refused("refused", "line");
        }
        let now = audited.export("now");
        let verdict = audited.verify_export(&foreign(&audited.vkey), &now);
        verdict.is_refused("not signed by the key", "not signed by the key");
        audited.verify_export(&audited.vkey, &now).is_good();
        let verdict = audited.verify_export(&audited.vkey, &earlier);
        verdict.is_refused("rollback", "set back");
        let note = std::fs::read_to_string(now.join("checkpoint")).unwrap();
        let grown = note.replacen("\n1", "\n2", 1);
        std::fs::write(now.join("checkpoint"), grown).unwrap();
        let verdict = audited.verify_export(&audited.vkey, &now);
        verdict.is_refused("not signed by the key", "not signed by the key");
    }
}

/// What keeps events as they are: with SQLite, and with PostgreSQL.
const GUARDS: [&[&str]; 2] = [
    &[
        "DROP TRIGGER events_are_not_updated",
        "DROP TRIGGER events_are_not_deleted",
    ],
    &["DROP TRIGGER events_are_append_only ON events"],
];

/// Writes behind the log's back.
async fn tamper(url: &str, statements: &[&str]) {
    let database = Database::open(url).await.unwrap();
    let all = statements.iter().map(|sql| ((*sql).to_owned(), Vec::new()));
    database.execute(all.collect()).await.unwrap();
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_log_is_taken_and_refused_once_an_event_was_changed_dropped_or_swapped() {
    const SWAP: [&str; 3] = [
        "UPDATE events SET position = -4 WHERE position = 4",
        "UPDATE events SET position = 4 WHERE position = 5",
        "UPDATE events SET position = 5 WHERE position = -4",
    ];
    for audited in Audited::on_both_engines(&[("LOG_TILES_DIR", "off")]).await {
        audited.verify_live(&audited.vkey).is_good();
        register(&audited.server, "bob").await;
        audited.verify_live(&audited.vkey).is_good();
        let verdict = audited.verify_live(&foreign(&audited.vkey));
        verdict.is_refused("not signed by the key", "not signed by the key");
        let is_postgres = audited.url.starts_with("postgres");
        tamper(&audited.url, GUARDS[usize::from(is_postgres)]).await;
        for (there, back) in [
            (
                &["UPDATE events SET event_version = '1.1' WHERE position = 3"][..],
                &["UPDATE events SET event_version = '1.0' WHERE position = 3"][..],
            ),
            (
                &["UPDATE events SET position = -3 WHERE position = 3"],
                &["UPDATE events SET position = 3 WHERE position = -3"],
            ),
            (&SWAP, &SWAP),
        ] {
            tamper(&audited.url, there).await;
            let verdict = audited.verify_live(&audited.vkey);
            verdict.is_refused("refused", "line");
            tamper(&audited.url, back).await;
            audited.verify_live(&audited.vkey).is_good();
        }
    }
}

/// An operator who wants to hide something: takes the database back, and with it what the server remembers.
async fn set_back(audited: &mut Audited, to: &Path) {
    audited.server.kill();
    for entry in std::fs::read_dir(to).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), audited.server.data.join(entry.file_name())).unwrap();
    }
    std::fs::remove_file(audited.server.data.join("log-signing-key.signed")).unwrap();
    std::fs::remove_dir_all(audited.server.data.join("blobs/signed")).unwrap();
    audited.server.launch().await;
}

/// The database of a server that is down.
fn copy_database(server: &Server, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in ["gatelog.db", "gatelog.db-wal"] {
        let from = server.data.join(name);
        if from.exists() {
            std::fs::copy(from, to.join(name)).unwrap();
        }
    }
    // What the other version wrote there must not be read with this one.
    std::fs::write(to.join("gatelog.db-shm"), []).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_set_back_and_one_that_was_forked_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::prepare(folder.path(), &[]);
    server.launch().await;
    let mut audited = Audited::of(server, String::new(), folder).await;
    audited.server.kill();
    let early = audited.path("early");
    copy_database(&audited.server, &early);
    audited.server.launch().await;
    register(&audited.server, "bob").await;
    audited.verify_live(&audited.vkey).is_good();
    set_back(&mut audited, &early).await;
    let verdict = audited.verify_live(&audited.vkey);
    verdict.is_refused("rollback", "set back");
    for name in ["mallory", "malory", "malice"] {
        register(&audited.server, name).await;
    }
    let verdict = audited.verify_live(&audited.vkey);
    verdict.is_refused("fork", "forked");
}
