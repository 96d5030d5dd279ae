//! The worker's disk is full: at the order, while the input comes, while `FFmpeg` writes, at the last file. Each time
//! the caller is told that it is the disk, and the worker serves on.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use media_worker::api::{FailureCode, JobSpec, JobState, Preset};
use media_worker::client::ClientError;

use crate::support::{Worker, assert_failed, clip, new_key, spec};

/// Little more than the worker wants to see free.
const SIZE: &str = "size=72m";

/// A disk of its own for the jobs, until it is dropped. Needs root.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(at);
        assert!(mount.status().unwrap().success());
        Self(at.to_owned())
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// To the last byte.
    fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        while filler.write_all(&[1; 4096]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(status.is_ok_and(|status| status.success()));
    }
}

#[tokio::test]
async fn a_full_disk_is_told_apart_and_survived() {
    // Whatever else the machine does, no job may reach its limit of time for that.
    let worker = Worker::start().await;
    let disk = SmallDisk::mount(&worker.jobs_dir);
    let low = Err(ClientError::DiskLow);
    let input = clip();
    let large = JobSpec {
        input_size: 32 * 1024 * 1024,
        ..spec(Preset::Poster, &input)
    };
    let refused = worker.client.put_job(new_key(), &large).await;
    assert_eq!(refused.map(|_| ()), low);

    for preset in Preset::ALL {
        let key = new_key();
        let order = spec(preset, &input);
        worker.client.put_job(key, &order).await.unwrap();
        disk.fill();
        assert_eq!(worker.send(key, &input).await.map(|_| ()), low);
        disk.free();
        worker.send(key, &input).await.unwrap();
        disk.fill();
        worker.client.start(key).await.unwrap();
        worker.wait_for_end(key).await;
        let status = worker.client.status(key).await.unwrap();
        match preset {
            // The clip is no picture, which shows before anything is written.
            Preset::Image => assert_failed(&status, FailureCode::NoVideoStream),
            _ => assert_failed(&status, FailureCode::DiskFull),
        }
        disk.free();
    }
    assert_eq!(worker.job_folders(), Vec::<String>::new());
    let poster = spec(Preset::Poster, &input);
    let status = worker.complete(&poster, &input).await;
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
}
