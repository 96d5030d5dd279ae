//! From one engine to the other and back, and to the same.

use std::collections::BTreeSet;

use eventlog::Database;
use gatelog::moving::tables;

use super::support::Server;
use super::support::engines::{count, servers, write};
use super::{failed, fresh_postgres, goes_on, ran, settled};

#[tokio::test(flavor = "multi_thread")]
async fn every_table_has_a_decision() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite://{}", folder.path().join("x.db").display());
    for url in [sqlite, fresh_postgres().await] {
        let database = Database::open(&url).await.unwrap();
        database.migrate().await.unwrap();
        let there: BTreeSet<String> = database.table_names().await.unwrap().into_iter().collect();
        let decided = tables::decided().into_iter().map(str::to_owned).collect();
        assert_eq!(there, decided, "{url}: decide in src/moving/tables.rs");
        assert_eq!(decided.len(), tables::TABLES.len(), "none twice");
        // One that nobody decided about is found.
        let sql = "CREATE TABLE new_things (id TEXT)".to_owned();
        database.execute(vec![(sql, Vec::new())]).await.unwrap();
        assert_ne!(
            database.table_names().await.unwrap().len(),
            tables::TABLES.len()
        );
        database.close().await;
    }
}

async fn root(url: &str) -> (u64, [u8; 32]) {
    let database = Database::open(url).await.unwrap();
    let told = database.head_and_root().await.unwrap();
    assert_eq!(database.recompute_root().await.unwrap(), told, "{url}");
    database.close().await;
    told
}

/// The rows of every table that is copied.
async fn counts(url: &str) -> Vec<(&'static str, i64)> {
    let mut counts = Vec::new();
    for table in tables::copied() {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        counts.push((table, count(url, &sql).await));
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_moves_to_the_other_engine_and_back() {
    for (mut server, url, folder) in servers(&[]).await {
        let mut installation = settled(&server).await;
        server.kill();
        let before = (root(&url).await, counts(&url).await);
        let back = folder.path().join("back.db").display().to_string();
        let there = match url.starts_with("sqlite") {
            true => fresh_postgres().await,
            false => format!("sqlite://{}", folder.path().join("other.db").display()),
        };
        let back = match url.starts_with("sqlite") {
            true => format!("sqlite://{back}"),
            false => fresh_postgres().await,
        };
        let mut from = url;
        for to in [there, back] {
            let at = Server::prepare(folder.path(), &[("DATABASE_URL", &from)]);
            let before = (root(&from).await, counts(&from).await);
            let told = ran(&mut at.command(&["log", "copy", "--to", &to]));
            assert!(told.contains(&hex::encode(before.0.1)), "{told}");
            assert_eq!((root(&to).await, counts(&to).await), before, "{to}");
            let why = failed(&mut at.command(&["log", "copy", "--to", &to]));
            assert!(why.contains("the target is not empty"), "{why}");
            let mut server = Server::prepare(folder.path(), &[("DATABASE_URL", &to)]);
            server.launch().await;
            goes_on(&server, &mut installation).await;
            server.kill();
            from = to;
        }
        assert!(root(&from).await.0 > before.0.0, "it has gone on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_servers_write_meanwhile_is_not_torn() {
    for (server, url, folder) in servers(&[]).await {
        server.register("one@example.com").await;
        let writing = async {
            for n in 0..40 {
                server.register(&format!("guest{n}@example.com")).await;
            }
        };
        let copying = async {
            let mut targets = Vec::new();
            for n in 0..3 {
                let to = folder.path().join(format!("{n}.db")).display().to_string();
                let to = format!("sqlite://{to}");
                let mut command = server.command(&["log", "copy", "--to", &to]);
                let told = tokio::task::spawn_blocking(move || ran(&mut command));
                told.await.unwrap();
                targets.push(to);
            }
            targets
        };
        let ((), targets) = futures::future::join(writing, copying).await;
        for to in targets {
            let (position, _) = root(&to).await;
            let users = count(&to, "SELECT COUNT(*) FROM users").await;
            let registered = "SELECT COUNT(*) FROM events WHERE event_type = 'UserRegistered'";
            assert_eq!(users, count(&to, registered).await, "{url}");
            assert!(position > 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_rebuild_has_left_is_in_nobodys_way() {
    for (mut server, url, folder) in servers(&[]).await {
        server.register("one@example.com").await;
        server.kill();
        write(&url, "CREATE TABLE sessions__rebuild (id TEXT)").await;
        let begun = "INSERT INTO tails (name, position) VALUES ('sessions__rebuild', 1)";
        write(&url, begun).await;
        let to = format!("sqlite://{}", folder.path().join("to.db").display());
        ran(&mut server.command(&["log", "copy", "--to", &to]));
        let left = "SELECT COUNT(*) FROM tails WHERE name LIKE '%rebuild'";
        assert_eq!((count(&url, left).await, count(&to, left).await), (1, 0));
        write(&url, "CREATE TABLE strange__rebuild (id TEXT)").await;
        let why = failed(&mut server.command(&["log", "copy", "--to", &to]));
        assert!(why.contains("not Gatelog's: strange__rebuild"), "{why}");
    }
}
