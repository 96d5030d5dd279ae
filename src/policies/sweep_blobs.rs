//! What nothing refers to leaves the blob store: what a node that died left between storing and its event, outputs of
//! attempts that do not count, pieces of resumable uploads that are gone, uploads in parts that were never completed.
//!
//! Only known folders are looked at, and only what is older than `STORAGE_SWEEP_AFTER`. One node sweeps at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aggregates::values::JobId;
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt as _;
use projections::media_jobs::JobRow;
use projections::{media, media_jobs};
use uuid::Uuid;

use crate::app::App;
use crate::blob_locks::BlobLock;
use crate::lifecycle::Lifecycle;
use crate::media_content;
use crate::ports::blobs::{Listed, MEDIA, OUTPUTS, STAGING, UPLOADS};
use crate::ports::clock;
use crate::uploads;

/// The lock's name; no object has it.
const LOCK: &str = "sweep";
/// Objects that are asked about at once.
const PAGE: usize = 200;
/// Between pages, so that others get at the store and the database.
const REST: Duration = Duration::from_millis(20);
/// Objects that one turn removes from a folder; the next turn takes more.
const TURN: usize = 2_000;
/// How long the read models may take to reach what was written.
const PATIENCE: Duration = Duration::from_secs(10);
/// Whatever is uploaded in parts, and by whom.
const IN_PARTS: [&str; 5] = [STAGING, MEDIA, OUTPUTS, "log", UPLOADS];

/// Sweeps from time to time: four times within what an object must be old.
pub fn start(app: &Arc<App>, lifecycle: &Lifecycle) {
    let after = app.config.media.sweep_after_seconds.unsigned_abs();
    let every = Duration::from_secs((after / 4).clamp(1, 6 * 60 * 60));
    super::chore(app, lifecycle, "sweep the blob store", every.as_secs(), run);
}

/// One turn.
///
/// # Errors
/// The database or the store failed, or the read models are behind.
pub async fn run(app: Arc<App>) -> Result<(), String> {
    let Some(lock) = BlobLock::take(&app.database, LOCK).await.map_err(text)? else {
        return Ok(());
    };
    let age = TimeDelta::seconds(app.config.media.sweep_after_seconds);
    let mut turn = Turn {
        app: &app,
        lock,
        before: clock::now() - age,
        removed: 0,
    };
    let done = turn.sweep().await;
    let removed = turn.removed;
    turn.lock.release().await.map_err(text)?;
    if removed > 0 {
        tracing::info!(removed, "objects that nothing refers to are removed");
    }
    done
}

struct Turn<'a> {
    app: &'a App,
    lock: BlobLock,
    before: DateTime<Utc>,
    removed: usize,
}

impl Turn<'_> {
    async fn sweep(&mut self) -> Result<(), String> {
        for folder in IN_PARTS {
            let blobs = &self.app.blobs;
            let aborted = blobs.abort_open(folder, self.before, TURN).await;
            self.removed += aborted.map_err(text)?;
        }
        for folder in [STAGING, MEDIA, OUTPUTS, UPLOADS] {
            self.folder(folder).await?;
        }
        Ok(())
    }

    async fn folder(&mut self, folder: &str) -> Result<(), String> {
        let enough = self.removed + TURN;
        let mut objects = self.app.blobs.list(folder);
        let mut page = Vec::with_capacity(PAGE);
        loop {
            let next = objects.try_next().await.map_err(text)?;
            let is_last = next.is_none();
            page.extend(next.filter(|listed| listed.modified < self.before));
            if page.len() < PAGE && !is_last {
                continue;
            }
            if !self.lock.renew().await.map_err(text)? {
                return Err("another node sweeps".to_owned());
            }
            self.page(folder, &std::mem::take(&mut page)).await?;
            if is_last || self.removed >= enough {
                return Ok(());
            }
            tokio::time::sleep(REST).await;
        }
    }

    async fn page(&mut self, folder: &str, page: &[Listed]) -> Result<(), String> {
        if page.is_empty() {
            return Ok(());
        }
        match folder {
            STAGING => {
                for listed in page {
                    self.remove(&listed.object).await?;
                }
            }
            MEDIA => self.media(page).await?,
            UPLOADS => self.uploads(page).await?,
            _ => self.outputs(page).await?,
        }
        Ok(())
    }

    async fn remove(&mut self, object: &str) -> Result<(), String> {
        self.app.blobs.delete(object).await.map_err(text)?;
        self.removed += 1;
        Ok(())
    }

    /// What the read model does not know is asked about again, with the object's lock and everything that was written.
    async fn media(&mut self, page: &[Listed]) -> Result<(), String> {
        let names: Vec<String> = page.iter().map(|listed| listed.object.clone()).collect();
        let known = media::referred_to(&self.app.database, &names).await;
        let known = known.map_err(text)?;
        for name in names.iter().filter(|name| !known.contains(*name)) {
            let is_removed = media_content::remove_unused(self.app, name).await;
            self.removed += usize::from(is_removed.map_err(text)?);
        }
        Ok(())
    }

    /// An upload has its row before its first piece, and until its last one is removed.
    async fn uploads(&mut self, page: &[Listed]) -> Result<(), String> {
        let mut uploads: BTreeMap<Uuid, Vec<&str>> = BTreeMap::new();
        for listed in page {
            if let Some(upload) = of_upload(&listed.object) {
                uploads.entry(upload).or_default().push(&listed.object);
            }
        }
        for (upload, objects) in uploads {
            let known = uploads::is_known(&self.app.database, upload).await;
            if !known.map_err(text)? {
                for object in objects {
                    self.remove(object).await?;
                }
            }
        }
        Ok(())
    }

    async fn outputs(&mut self, page: &[Listed]) -> Result<(), String> {
        let head = self.app.log.head().await.map_err(text)?;
        if !self.app.read_models.wait_for(head, PATIENCE).await {
            return Err("the read models are behind".to_owned());
        }
        let mut jobs: BTreeMap<JobId, Vec<(&str, u32)>> = BTreeMap::new();
        for listed in page {
            if let Some((job, attempt)) = of_output(&listed.object) {
                let objects = jobs.entry(job).or_default();
                objects.push((&listed.object, attempt));
            }
        }
        for (job, objects) in jobs {
            let job = self.job(job).await?;
            for (object, attempt) in objects {
                if !job.as_ref().is_some_and(|job| keeps(job, object, attempt)) {
                    self.remove(object).await?;
                }
            }
        }
        Ok(())
    }

    /// The job, if its file is still there.
    async fn job(&self, job: JobId) -> Result<Option<JobRow>, String> {
        let row = media_jobs::find_any(&self.app.database, job).await;
        let Some(row) = row.map_err(text)? else {
            return Ok(None);
        };
        let media = media::find_any(&self.app.database, row.media_id).await;
        Ok(media.map_err(text)?.map(|_| row))
    }
}

/// Whether the job has the object as an output, or may yet: then it is not over, and no later attempt was begun.
fn keeps(job: &JobRow, object: &str, attempt: u32) -> bool {
    if job.finished_at.is_none() {
        return attempt >= job.attempt;
    }
    job.outputs.iter().any(|output| output.object == object)
}

/// The job and the attempt that an output's name tells. What has another form is not ours.
fn of_output(object: &str) -> Option<(JobId, u32)> {
    let mut parts = object.strip_prefix(OUTPUTS)?.strip_prefix('/')?.split('/');
    let job = parts.next()?.parse().ok()?;
    let attempt = parts.next()?.parse().ok()?;
    parts.next().map(|_| (job, attempt))
}

/// The upload that a piece's name tells. What has another form is not ours.
fn of_upload(object: &str) -> Option<Uuid> {
    let mut parts = object.strip_prefix(UPLOADS)?.strip_prefix('/')?.split('/');
    let upload = parts.next()?.parse().ok()?;
    parts.next().map(|_| upload)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_outputs_are_taken_for_outputs() {
        let job = "019a0000-0000-7000-8000-000000000001";
        let name = format!("outputs/{job}/3/web.mp4");
        assert_eq!(of_output(&name), Some((job.parse().unwrap(), 3)));
        for other in ["outputs/x/3/y", "outputs/3", "media/a/b", "outputsx/a/1/b"] {
            assert_eq!(of_output(other), None, "{other}");
        }
        assert_eq!(of_output(&format!("outputs/{job}/3")), None);
    }

    #[test]
    fn only_names_of_pieces_are_taken_for_pieces() {
        let upload = "019a0000-0000-7000-8000-000000000001";
        let name = format!("uploads/{upload}/x");
        assert_eq!(of_upload(&name), Some(upload.parse().unwrap()));
        for other in ["uploads/x/y", "uploadsx/a/b", "media/a/b"] {
            assert_eq!(of_upload(other), None, "{other}");
        }
        assert_eq!(of_upload(&format!("uploads/{upload}")), None);
    }
}
