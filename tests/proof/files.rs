//! The files that a web server can serve.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use std::time::{Duration, Instant};

use crate::Audited;
use crate::support::{PATIENCE, until};

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}

/// Waits until the folder has the checkpoint that is served.
async fn published(audited: &Audited) -> String {
    let path = audited.server.data.join("log/checkpoint");
    let deadline = Instant::now() + PATIENCE;
    loop {
        // The log may have gone on since the last look.
        let note = audited.text("/v1/audit/log/checkpoint").await;
        if read(&path) == note.as_bytes() {
            return note;
        }
        assert!(Instant::now() < deadline, "the checkpoint is no file");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_are_what_is_served_and_a_torn_or_wrong_one_is_written_again() {
    for mut audited in Audited::on_both_engines(&[]).await {
        audited.grow(260).await;
        let note = published(&audited).await;
        let size: u64 = note.lines().nth(1).unwrap().parse().unwrap();
        let folder = audited.server.data.join("log");
        let rest = size - 256;
        let names = [
            "tile/0/000".to_owned(),
            format!("tile/0/001.p/{rest}"),
            "tile/1/000.p/1".to_owned(),
            "tile/entries/000".to_owned(),
            format!("tile/entries/001.p/{rest}"),
        ];
        let mut served = Vec::new();
        for name in &names {
            served.push(audited.bytes(&format!("/v1/audit/log/{name}")).await);
            assert_eq!(read(&folder.join(name)), *served.last().unwrap(), "{name}");
        }
        assert!(
            !folder.join("tile/0/000.p").exists(),
            "a full tile replaces its parts"
        );
        let mode = std::fs::metadata(folder.join("tile/0/000"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o640);
        audited.server.kill();
        std::fs::write(folder.join(&names[0]), &served[0][..4000]).unwrap();
        std::fs::write(folder.join(&names[1]), &served[1][32..]).unwrap();
        std::fs::remove_file(folder.join(&names[2])).unwrap();
        let mut wrong = served[3].clone();
        wrong[100] ^= 1;
        std::fs::write(folder.join(&names[3]), wrong).unwrap();
        std::fs::write(folder.join(&names[4]), []).unwrap();
        audited.server.launch().await;
        for (name, right) in names.iter().zip(&served) {
            let is_right = || read(&folder.join(name)) == *right;
            until("the file is right again", is_right).await;
        }
        assert_eq!(
            published(&audited).await,
            note,
            "nothing was written meanwhile"
        );
        std::fs::write(folder.join("checkpoint"), "torn").unwrap();
        audited.server.kill();
        audited.server.launch().await;
        published(&audited).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_files_are_written_where_they_are_turned_off() {
    for audited in Audited::on_both_engines(&[("LOG_TILES_DIR", "off")]).await {
        audited.grow(2).await;
        audited.verify_live(&audited.vkey).is_good();
        assert!(!audited.server.data.join("log").exists());
    }
}
