//! Two nodes on one PostgreSQL: one order of checkpoints, whoever signs; and a node with another key signs nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eventlog::testing::TestPostgres;

use crate::rollback::{refused_start, set_back};
use crate::support::Server;
use crate::support::engines::{count, rows};
use crate::{Audited, register, run};

fn size(note: &str) -> u64 {
    note.lines().nth(1).unwrap().parse().unwrap()
}

async fn checkpoint(server: &Server, token: &str) -> String {
    let answer = server.get("/v1/audit/log/checkpoint", token).await;
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

async fn two(key: [&str; 2]) -> (Audited, Server) {
    let url = TestPostgres::shared()
        .unwrap()
        .fresh_database()
        .await
        .unwrap();
    let master = "5a".repeat(32);
    let folder = tempfile::tempdir().unwrap();
    let mut servers = Vec::new();
    for (n, key) in key.into_iter().enumerate() {
        let settings = [
            ("DATABASE_URL", url.as_str()),
            ("MASTER_KEY", &master),
            ("LOG_SIGNING_KEY", key),
            ("LOG_ORIGIN", "example.com/log"),
        ];
        let mut server = Server::prepare(&folder.path().join(n.to_string()), &settings);
        std::fs::create_dir_all(&server.data).unwrap();
        server.launch().await;
        servers.push(server);
    }
    let there = servers.pop().unwrap();
    let here = servers.pop().unwrap();
    (Audited::of(here, url.clone(), folder).await, there)
}

/// Asks a node for checkpoints without a pause: each holds what was acknowledged before it was asked for, and none is
/// smaller than the one before.
async fn watch(base: String, token: String, is_over: Arc<AtomicBool>) -> Vec<String> {
    let client = reqwest::Client::new();
    let mut notes: Vec<String> = Vec::new();
    while !is_over.load(Ordering::SeqCst) {
        let request = client.get(format!("{base}/v1/audit/log/checkpoint"));
        let note = request
            .bearer_auth(&token)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        if let Some(last) = notes.last() {
            assert!(size(&note) >= size(last), "a node's checkpoints only grow");
        }
        if notes.last() != Some(&note) {
            notes.push(note);
        }
    }
    notes
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_with_one_key_sign_one_history() {
    let key = "11".repeat(32);
    let (here, there) = two([&key, &key]).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let watches = [&here.server.base, &there.base].map(|base| {
        tokio::spawn(watch(
            base.clone(),
            here.auditor.clone(),
            Arc::clone(&is_over),
        ))
    });
    for n in 0..10 {
        let node = if n % 2 == 0 { &here.server } else { &there };
        let position = register(node, &format!("u{n}")).await;
        assert!(size(&checkpoint(node, &here.auditor).await) >= position);
        let other = if n % 2 == 0 { &there } else { &here.server };
        let request = other.request(reqwest::Method::GET, "/v1/audit/log/checkpoint");
        let request = request.bearer_auth(&here.auditor);
        let answer = request
            .header("gatelog-min-position", position)
            .send()
            .await
            .unwrap();
        assert!(size(&answer.text().await.unwrap()) >= position);
    }
    is_over.store(true, Ordering::SeqCst);
    // All that they have seen is in the lines that are read afterwards.
    let mut seen = Vec::new();
    for notes in watches {
        seen.push(notes.await.unwrap());
    }
    let lines = here.lines().await;
    let mut tree = eventlog::Frontier::default();
    let mut roots = vec![tree.root()];
    for line in &lines {
        tree.push(eventlog::leaf_hash(line));
        roots.push(tree.root());
    }
    let vkey = here.vkey.parse().unwrap();
    for notes in seen {
        assert!(notes.len() > 3, "{}", notes.len());
        for note in notes {
            let signed = gatelog::notary::checkpoint::Checkpoint::open(&note, &vkey).unwrap();
            assert_eq!(signed.tree.root, roots[signed.tree.size as usize]);
        }
    }
    here.verify_live(&here.vkey).is_good();
}

/// Asks both nodes in turn, without a pause, for what the other one has shown.
async fn alternate(bases: [String; 2], token: String, is_over: Arc<AtomicBool>) -> u64 {
    let client = reqwest::Client::new();
    let (mut has, mut turns) = (0, 0);
    while !is_over.load(Ordering::SeqCst) {
        for base in &bases {
            let request = client.get(format!("{base}/v1/audit/log/checkpoint"));
            let request = request.bearer_auth(&token);
            let answer = request.header("gatelog-min-position", has).send().await;
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 200);
            let size = size(&answer.text().await.unwrap());
            assert!(size >= has, "{size} after {has} was shown");
            turns += u64::from(size > has);
            has = size;
        }
    }
    turns
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_goes_from_node_to_node_sees_the_log_grow() {
    let key = "11".repeat(32);
    let (here, there) = two([&key, &key]).await;
    let bases = [here.server.base.clone(), there.base.clone()];
    let is_over = Arc::new(AtomicBool::new(false));
    let client = alternate(bases, here.auditor.clone(), Arc::clone(&is_over));
    let client = tokio::spawn(client);
    for n in 0..6 {
        let (node, other) = match n % 2 {
            0 => (&here.server, &there),
            _ => (&there, &here.server),
        };
        register(node, &format!("u{n}")).await;
        here.verify_at(&node.base, &here.vkey).is_good();
        here.verify_at(&other.base, &here.vkey).is_good();
    }
    is_over.store(true, Ordering::SeqCst);
    assert!(client.await.unwrap() > 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_another_key_serves_what_the_logs_key_has_signed() {
    let (one, other) = ("11".repeat(32), "22".repeat(32));
    let (here, there) = two([&one, &other]).await;
    assert!(there.log().contains("does not sign"), "{}", there.log());
    for n in 0..3 {
        let position = register(&there, &format!("u{n}")).await;
        let note = checkpoint(&there, &here.auditor).await;
        assert!(size(&note) >= position);
        let vkey = here.vkey.parse().unwrap();
        gatelog::notary::checkpoint::Checkpoint::open(&note, &vkey).unwrap();
    }
    let key = there.get("/v1/audit/log/key", &here.auditor).await;
    assert_eq!(key.text().await.unwrap().trim(), here.vkey);
}

/// A node on this database and this folder of blobs, with a folder of its own and the key of the log, not launched.
fn node(folder: &std::path::Path, name: &str, url: &str, key: [&str; 2]) -> Server {
    let master = "5a".repeat(32);
    let storage = format!("file://{}", folder.join("blobs").display());
    let settings = [
        ("DATABASE_URL", url),
        ("MASTER_KEY", &master),
        ("STORAGE_URL", &storage),
        ("LOG_SIGNING_KEY", key[0]),
        ("LOG_ORIGIN", key[1]),
    ];
    let server = Server::prepare(&folder.join(name), &settings);
    std::fs::create_dir_all(&server.data).unwrap();
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_did_not_see_what_another_signed_signs_nothing_after_the_database_was_set_back()
{
    let cluster = TestPostgres::shared().unwrap();
    let url = cluster.fresh_database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (key, new_key) = ("11".repeat(32), "22".repeat(32));
    let key = [key.as_str(), "example.com/log"];
    let node = |name: &str, key| node(folder.path(), name, &url, key);
    let mut behind = node("behind", key);
    behind.launch().await;
    behind.register("ada@example.com").await;
    let auditor = behind.auditor("eve@example.org").await;
    checkpoint(&behind, &auditor).await;
    behind.kill();
    let columns = "size, root, note, key";
    let earlier = rows(&url, &format!("SELECT {columns} FROM log_checkpoint")).await;
    let mut ahead = node("ahead", key);
    ahead.launch().await;
    let position = register(&ahead, "bob").await;
    assert!(size(&checkpoint(&ahead, &auditor).await) >= position);
    ahead.kill();
    // It may have signed more until then.
    let signed = count(&url, "SELECT size FROM log_checkpoint").await;
    let signed = u64::try_from(signed).unwrap();
    set_back(&url).await;
    let restored = vec![
        earlier[0].int(0).unwrap().into(),
        earlier[0].bytes(1).unwrap().to_vec().into(),
        earlier[0].text(2).unwrap().into(),
        earlier[0].text(3).unwrap().into(),
    ];
    let restore =
        format!("INSERT INTO log_checkpoint (singleton, {columns}) VALUES (1, $1, $2, $3, $4)");
    let database = eventlog::Database::open(&url).await.unwrap();
    database.execute(vec![(restore, restored)]).await.unwrap();
    database.close().await;
    for server in [&behind, &node("fresh", key)] {
        let (code, said) = run(&mut server.command(&["log", "checkpoint"]));
        assert!(code == 1 && said.contains("was set back"), "{said}");
        let said = refused_start(server);
        assert!(said.contains("was set back"), "{said}");
    }
    let accept = ["log", "accept-rollback", "--reason", "the disk died"];
    let (code, said) = run(&mut behind.command(&accept));
    assert!(code == 1 && said.contains("set LOG_SIGNING_KEY"), "{said}");
    // How far the former log came no file of these nodes knows.
    let mut renewed = Vec::new();
    for name in ["new", "behind"] {
        let server = node(name, [&new_key, "example.com/log/2"]);
        let (code, said) = run(&mut server.command(&accept));
        assert_eq!(code, 0, "{said}");
        renewed.push(server);
    }
    let kept = format!(
        "SELECT COUNT(*) FROM log_rollbacks WHERE size = {signed} AND kept_size = {}",
        signed - 1
    );
    assert_eq!(count(&url, &kept).await, 1);
    for (server, name) in renewed.iter_mut().zip(["cyd", "dan"]) {
        server.launch().await;
        let position = register(server, name).await;
        assert!(position > signed);
        assert!(size(&checkpoint(server, &auditor).await) >= position);
    }
    // The former key signs no more, although the log is longer than it ever was.
    let (code, said) = run(&mut behind.command(&["log", "checkpoint"]));
    assert!(code == 1 && said.contains("history was changed"), "{said}");
}
