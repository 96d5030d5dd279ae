//! A disk that runs full: a small file system of the server's own, in a mount namespace. What was acknowledged stays,
//! what does not fit is refused, and with room again everything goes on without a restart.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use support::{Server, until, until_so};

const EMAIL: &str = "ada@example.com";
/// Room for a database with a few hundred events and its write-ahead log.
const SIZE: &str = "24m";
/// Writes after which the disk must have been full.
const WRITES_MAX: usize = 20_000;

/// A server whose folder `small` is a file system of its own.
struct OnSmallDisk {
    server: Server,
    small: PathBuf,
    _folder: tempfile::TempDir,
}

impl OnSmallDisk {
    /// `settings` are given the small folder.
    async fn start(settings: impl Fn(&Path) -> Vec<(&'static str, String)>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let small = folder.path().join("small");
        std::fs::create_dir(&small).unwrap();
        let settings = settings(&small);
        let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let mut server = Server::prepare(folder.path(), &settings);
        let place = small.display().to_string();
        let mount = format!("mount -t tmpfs -o size={SIZE} none \"$0\" && exec \"$@\"");
        let unshare = [
            "unshare",
            "--mount",
            "--map-root-user",
            "sh",
            "-c",
            &mount,
            &place,
        ];
        server.run_by(&unshare);
        server.launch().await;
        // The command line sees the same disk.
        let id = server.process_id().to_string();
        let target = format!("--target={id}");
        server.run_by(&[
            "nsenter",
            "--user",
            "--preserve-credentials",
            "--mount",
            &target,
            "--",
        ]);
        let small = PathBuf::from(format!("/proc/{id}/root{place}"));
        Self {
            server,
            small,
            _folder: folder,
        }
    }

    /// Leaves no room at all.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.small.join("ballast")).unwrap();
        for size in [64 * 1024, 4096, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.small.join("ballast")).unwrap();
    }

    async fn rename(&self, token: &str, name: &str) -> reqwest::Response {
        let request = self.server.request(Method::PATCH, "/v1/me");
        let request = request.bearer_auth(token).json(&json!({"name": name}));
        request.send().await.unwrap()
    }

    fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.server.command(arguments).output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told).into_owned();
        (output.status.success(), told)
    }

    /// The whole log is what its checkpoint was signed over.
    fn verify(&self) {
        let export = self.server.data.join("export").display().to_string();
        let (exported, told) = self.run(&["log", "export", "--dir", &export]);
        assert!(exported, "{told}");
        let key = self.run(&["log", "vkey"]).1;
        let arguments = ["log", "verify", "--vkey", key.trim(), "--export", &export];
        let (is_good, told) = self.run(&arguments);
        assert!(is_good, "{told}");
    }

    async fn until_checkpoint_failure_is(&self, wanted: bool) {
        let is_so = async || {
            let (_, ready) = self.server.readyz().await;
            ready["log_checkpoint"]["failure"].is_string() == wanted
        };
        until_so("the checkpoint's failure is told or over", is_so).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_without_room_refuses_what_it_cannot_keep_and_loses_nothing() {
    let disk = OnSmallDisk::start(|small| {
        vec![
            (
                "DATABASE_URL",
                format!("sqlite://{}/gatelog.db", small.display()),
            ),
            ("LOG_TILES_DIR", "off".to_owned()),
        ]
    })
    .await;
    let server = &disk.server;
    let token = server.token(EMAIL).await;
    let auditor = server.auditor("eve@example.org").await;
    let mut kept = "Ada".to_owned();
    assert_eq!(disk.rename(&token, &kept).await.status(), 200);
    disk.fill();
    let mut refused = None;
    for n in 0..WRITES_MAX {
        let name = format!("Ada {n}");
        let answer = disk.rename(&token, &name).await;
        match answer.status().as_u16() {
            200 => kept = name,
            status => {
                refused = Some((status, answer.json::<Value>().await.unwrap()));
                break;
            }
        }
    }
    let (status, problem) = refused.unwrap();
    assert_eq!(status, 503, "{problem}\n{}", server.log());
    // Reading and checking tokens goes on.
    assert_eq!(server.get("/v1/verify", &token).await.status(), 204);
    assert_eq!(server.get_json("/v1/me", &token).await["name"], *kept);
    assert_eq!(
        server
            .get("/v1/audit/events?limit=10", &auditor)
            .await
            .status(),
        200
    );
    disk.make_room();
    assert_eq!(
        disk.rename(&token, "Ada at last").await.status(),
        200,
        "{}",
        server.log()
    );
    assert_eq!(
        server.get_json("/v1/me", &token).await["name"],
        "Ada at last"
    );
    disk.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_without_room_are_written_when_there_is_some() {
    let disk =
        OnSmallDisk::start(|small| vec![("LOG_TILES_DIR", small.display().to_string())]).await;
    let server = &disk.server;
    let token = server.token(EMAIL).await;
    let auditor = server.auditor("eve@example.org").await;
    disk.fill();
    for n in 0..300 {
        assert_eq!(disk.rename(&token, &format!("Ada {n}")).await.status(), 200);
    }
    disk.until_checkpoint_failure_is(true).await;
    disk.make_room();
    disk.until_checkpoint_failure_is(false).await;
    let note = server.get("/v1/audit/log/checkpoint", &auditor).await;
    let note = note.bytes().await.unwrap();
    let read = |name: &str| std::fs::read(disk.small.join(name)).unwrap_or_default();
    until("the checkpoint is a file", || read("checkpoint") == note).await;
    for name in ["tile/0/000", "tile/entries/000"] {
        let path = format!("/v1/audit/log/{name}");
        let served = server.get(&path, &auditor).await.bytes().await.unwrap();
        assert!(!served.is_empty());
        assert_eq!(read(name), served, "{name}");
    }
    disk.verify();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_without_room_takes_nothing_out_of_the_database() {
    let disk =
        OnSmallDisk::start(|small| vec![("STORAGE_URL", format!("file://{}", small.display()))])
            .await;
    let server = &disk.server;
    let token = server.token(EMAIL).await;
    server.auditor("eve@example.org").await;
    // Tails keep where they are from time to time, and hold the archive back until then.
    for n in 0..600 {
        assert_eq!(disk.rename(&token, &format!("Ada {n}")).await.status(), 200);
    }
    assert_eq!(
        server.delete("/v1/sessions/current", &token).await.status(),
        204
    );
    let before = disk.run(&["events", "export"]).1;
    disk.fill();
    let (archived, told) = disk.run(&["log", "archive", "--before", "600"]);
    assert!(!archived && told.contains("No space left"), "{told}");
    assert_eq!(disk.run(&["events", "export"]).1, before);
    disk.make_room();
    let (archived, told) = disk.run(&["log", "archive", "--before", "600"]);
    assert!(archived, "{told}");
    assert_eq!(disk.run(&["events", "export"]).1, before);
    disk.verify();
}
