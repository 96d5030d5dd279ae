//! What must not be reached: another person's files, each with a mark in it, and a listener that counts calls.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::PathBuf;

use super::files::made_in;

/// In every file of the neighbour, and nowhere else.
pub const CANARY: &str = "CANARY-5d1f0c";

pub struct Neighbour {
    folder: PathBuf,
    listener: TcpListener,
}

impl Neighbour {
    /// Moves in beside the jobs, readable for everyone.
    pub fn beside(jobs: &std::path::Path) -> Self {
        let folder = jobs.join("neighbour");
        fs::create_dir(&folder).unwrap();
        let args =
            "-f lavfi -i testsrc2=s=64x48:r=10:d=1 -c:v libx264 -preset ultrafast -metadata title=";
        made_in(&folder, "secret.mp4", &format!("{args}{CANARY}"));
        fs::write(folder.join("secret.txt"), CANARY.repeat(100)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { folder, listener }
    }

    pub fn film(&self) -> String {
        self.folder.join("secret.mp4").display().to_string()
    }

    pub fn text(&self) -> String {
        self.folder.join("secret.txt").display().to_string()
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/x.ts", self.port())
    }

    /// Nobody called.
    pub fn assert_alone(&self) {
        assert_eq!(
            self.listener.accept().unwrap_err().kind(),
            ErrorKind::WouldBlock
        );
        assert_eq!(fs::read_dir(&self.folder).unwrap().count(), 2);
    }
}
