//! The tile files of what is archived, and who may hold the archive back.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::support::engines::{count, servers, write};
use super::support::until;
use super::{EMAIL, archive, busy};

/// Leaves a file there that was last written to an hour ago.
fn leave(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let then = SystemTime::now() - Duration::from_secs(3600);
    file.set_modified(then).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_holds_the_files_against_the_tree_without_the_archive_and_sweeps_drafts() {
    for (mut server, url, folder) in servers(&[]).await {
        server.register(EMAIL).await;
        let auditor = server.auditor("auditor@example.com").await;
        busy(&server, &url, 4, 400).await;
        archive(&server, u64::MAX >> 1).await;
        let archived = "SELECT MAX(last_position) FROM log_segments";
        let archived = count(&url, archived).await / 256;
        assert!(archived >= 2, "{url}: {archived}");
        busy(&server, &url, 1, 600).await;
        let note = server.get("/v1/audit/log/checkpoint", &auditor).await;
        let note = note.text().await.unwrap();
        let size: i64 = note.lines().nth(1).unwrap().parse().unwrap();
        let files = server.data.join("log");
        let read = |name: &str| std::fs::read(files.join(name)).unwrap_or_default();
        until("published", || read("checkpoint") == note.as_bytes()).await;
        server.kill();
        // Nothing of the archive can be read.
        let away = folder.path().join("away");
        std::fs::rename(server.data.join("blobs/log"), &away).unwrap();
        let last = format!("tile/0/{:03}", size / 256 - 1);
        assert!(size / 256 > archived, "{url}: a full tile is not archived");
        let right = read(&last);
        std::fs::write(files.join(&last), &right[..100]).unwrap();
        let drafts = [
            files.join(".drafts/of-a-killed-process"),
            server.data.join("log-signing-key.signed.killed.draft"),
        ];
        drafts.iter().for_each(|draft| leave(draft));
        server.launch().await;
        // It is looked at behind all that are archived.
        until("the file is right again", || read(&last) == right).await;
        assert!(!server.log().contains("segment"), "{}", server.log());
        std::fs::rename(&away, server.data.join("blobs/log")).unwrap();
        server.register("bob@example.com").await;
        until("drafts go", || drafts.iter().all(|draft| !draft.exists())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_nothing_follows_any_more_does_not_hold_the_archive_back() {
    for (server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        busy(&server, &url, 2, 400).await;
        let place = |name: &str| format!("INSERT INTO tails (name, position) VALUES ('{name}', 0)");
        write(&url, &place("media__verify")).await;
        let told = archive(&server, u64::MAX >> 1).await;
        assert!(told.contains("0 segments sealed"), "{told}");
        write(&url, "DELETE FROM tails WHERE name = 'media__verify'").await;
        write(&url, &place("retired_policy")).await;
        write(&url, &place("retired_model__rebuild")).await;
        let told = archive(&server, u64::MAX >> 1).await;
        assert!(told.contains("1 segments sealed"), "{told}");
    }
}
