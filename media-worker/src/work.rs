//! What is done with an input, from its first bytes to the manifest: sniff, measure, probe, judge,
//! decode, check. Each step can end the job; no later step runs then.

mod films;
mod hls;
mod pictures;

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::{EventBody, Failure, FailureCode, JobResult, OutputFile, Preset};
use crate::input::{self, Container, Dimensions, HEAD_BYTES, InputPolicy, Probe};
use crate::jobs::{Folder, Job, Outcome, Slot, Success};
use crate::outputs::{self, MAX_PICTURE_BYTES};
use crate::presets::{self, Invocation, POSTER_NAME};
use crate::runner::{Finished, NO_SPACE, Place, Progress, Runner};

/// How far into a still picture its dimensions are looked for, in bytes: behind a large colour profile
/// or thumbnail.
const PICTURE_HEAD_BYTES: usize = 1024 * 1024;

/// How many lines of a run's diagnostics become events.
const MAX_LOG_LINES: usize = 32;

/// So long before a program's end the next job may come: long enough to be found and sent.
const ENDS_SOON: Duration = Duration::from_secs(3);

/// Does the work of jobs.
#[derive(Debug)]
pub struct Workshop {
    pub runner: Runner,
    pub policy: InputPolicy,
    /// The first line of `ffmpeg -version`.
    pub ffmpeg_version: String,
    /// Whether this `FFmpeg` makes AVIF.
    pub has_avif: bool,
}

/// One job in progress.
struct Work<'a> {
    shop: &'a Workshop,
    job: &'a Arc<Job>,
    slot: &'a Slot,
    uid: Option<u32>,
    policy: InputPolicy,
    /// Since when the job has had its slot.
    began: Instant,
    deadline: Instant,
}

impl Workshop {
    /// Works on a job that is `running` until it has ended. `uid` is the user of its place.
    pub async fn perform(&self, job: &Arc<Job>, slot: &Slot, uid: Option<u32>) -> Outcome {
        let mut work = Work {
            shop: self,
            job,
            slot,
            uid,
            policy: self.policy.narrowed(&job.spec.limits),
            began: Instant::now(),
            deadline: Instant::now() + Duration::from_millis(job.spec.deadline_ms),
        };
        match work.perform().await {
            Ok(success) => Outcome::Succeeded(success),
            Err(failure) if failure.code == FailureCode::Cancelled => Outcome::Cancelled,
            Err(failure) => Outcome::Failed(work.explained(failure)),
        }
    }
}

impl Work<'_> {
    /// `FFmpeg` can end well on a full disk, and what it leaves then looks like a fault of the input.
    fn explained(&self, failure: Failure) -> Failure {
        let is_fault_of_input = matches!(
            failure.code,
            FailureCode::OutputCheckFailed | FailureCode::CorruptInput
        );
        if is_fault_of_input && self.job.folder.is_disk_full() {
            let code = FailureCode::DiskFull;
            return Failure { code, ..failure };
        }
        failure
    }

    async fn perform(&mut self) -> Result<Success, Failure> {
        let container = self.recognise()?;
        let probe = self.probe(container).await?;
        self.policy.admit(&probe).map_err(without_detail)?;
        self.begin().await?;
        let outputs = self.outputs(container, &probe).await?;
        let ffmpeg_version = self.shop.ffmpeg_version.clone();
        let result = JobResult {
            metadata: probe.metadata,
            ffmpeg_version,
        };
        Ok(Success { result, outputs })
    }

    /// Waits for the slot. The job's time counts from here: what another job takes is not its fault.
    async fn begin(&mut self) -> Result<(), Failure> {
        tokio::select! {
            biased;
            () = self.job.cancel.cancelled() => return Err(without_detail(FailureCode::Cancelled)),
            () = self.slot.begin() => {}
        }
        self.began = Instant::now();
        self.deadline = self.began + Duration::from_millis(self.job.spec.deadline_ms);
        Ok(())
    }

    /// The job's last program has ended: the slot is the next one's, and whoever follows this one may send it.
    fn leave_slot(&self) {
        self.slot.leave();
        self.job.set_progress(Some(100.0), made());
    }

    async fn outputs(
        &self,
        container: Container,
        probe: &Probe,
    ) -> Result<Vec<OutputFile>, Failure> {
        let output = match self.job.spec.preset {
            Preset::Metadata => outputs::write_metadata(&self.job.folder, &probe.metadata)?,
            Preset::Poster => self.poster(container, probe).await?,
            Preset::WebVideo => self.web_video(container, probe).await?,
            Preset::Preview => self.preview(container, probe).await?,
            Preset::Audio => self.audio(container, probe).await?,
            Preset::Image => return self.image(container, probe).await,
            Preset::Hls => return self.hls(container, probe).await,
            Preset::Waveform => return self.waveform(container, probe).await,
        };
        Ok(vec![output])
    }

    /// Before any program runs: the container, for a still picture its dimensions, and whether anybody without a key
    /// can read it.
    fn recognise(&self) -> Result<Container, Failure> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        let input = self
            .job
            .folder
            .open_input()
            .map_err(|_| internal("the input is gone"))?;
        let mut beginning = (&input).take(PICTURE_HEAD_BYTES as u64);
        let unreadable = |_| internal("the input cannot be read");
        beginning
            .by_ref()
            .take(HEAD_BYTES as u64)
            .read_to_end(&mut head)
            .map_err(unreadable)?;
        let container = input::sniff(&head);
        let container =
            container.ok_or_else(|| without_detail(FailureCode::UnsupportedContainer))?;
        if container.is_picture() {
            beginning.read_to_end(&mut head).map_err(unreadable)?;
            let picture = input::of_image(container, &head);
            let picture = picture.ok_or_else(|| without_detail(FailureCode::CorruptInput))?;
            self.policy
                .admit_dimensions(picture)
                .map_err(without_detail)?;
        }
        if input::is_encrypted(container, &input) {
            return Err(without_detail(FailureCode::Encrypted));
        }
        Ok(container)
    }

    async fn probe(&self, container: Container) -> Result<Probe, Failure> {
        let finished = match self.run(&presets::probe(container), |_| ()).await {
            // One stream that nothing here decodes; those that are wanted may be others.
            Err(failure) if failure.code == FailureCode::UnsupportedCodec => {
                self.run(&presets::probe_headers(container), |_| ()).await?
            }
            ended => ended?,
        };
        let probe = input::parse_probe(&finished.stdout).filter(|probe| probe.streams > 0);
        probe.ok_or(Failure {
            code: FailureCode::CorruptInput,
            detail: finished.diagnostics,
        })
    }

    async fn poster(&self, container: Container, probe: &Probe) -> Result<OutputFile, Failure> {
        let Some(source) = probe.pictures.first() else {
            return Err(without_detail(FailureCode::NoVideoStream));
        };
        let seek_ms = self.seek_ms(probe);
        let mut finished = self.poster_at(container, seek_ms).await?;
        if seek_ms > 0 && !has_frame(&finished) {
            // The duration can lie, and the only key frame can be the first one.
            finished = self.poster_at(container, 0).await?;
        }
        need_frame(finished)?;
        self.check_poster(*source).await
    }

    async fn poster_at(&self, container: Container, seek_ms: u64) -> Result<Finished, Failure> {
        // One picture has no length to compare with.
        self.make(&presets::poster(container, seek_ms), POSTER_NAME, None)
            .await
    }

    /// Where a picture is taken: where the caller wants, or where we do.
    fn seek_ms(&self, probe: &Probe) -> u64 {
        let own_choice = self.job.spec.params.seek_ms.map(u64::from);
        own_choice.unwrap_or_else(|| presets::default_seek_ms(probe.metadata.duration_seconds))
    }

    /// Runs a program that makes the file `name`, of `seconds` seconds if that is known, to its proper end.
    async fn make(
        &self,
        invocation: &Invocation,
        name: &str,
        seconds: Option<f64>,
    ) -> Result<Finished, Failure> {
        let removed = self.job.folder.remove_output(name);
        removed.map_err(|_| internal("an earlier output cannot be removed"))?;
        let finished = self
            .run(invocation, |progress| self.report(progress, seconds))
            .await?;
        if finished.progress.ended {
            Ok(finished)
        } else {
            let detail = "FFmpeg ended without the end of its progress".to_owned();
            Err(Failure {
                code: FailureCode::OutputCheckFailed,
                detail,
            })
        }
    }

    fn max_bytes(&self, own: u64) -> u64 {
        let ordered = self.job.spec.limits.max_output_bytes;
        ordered.map_or(own, |ordered| ordered.min(own))
    }

    async fn check_poster(&self, source: Option<Dimensions>) -> Result<OutputFile, Failure> {
        self.leave_slot();
        let max_bytes = self.max_bytes(MAX_PICTURE_BYTES);
        check(self.job, move |folder| {
            outputs::check_poster(folder, source, max_bytes)
        })
        .await
    }

    /// Runs a program; an error unless it ended well.
    async fn run(
        &self,
        invocation: &Invocation,
        report: impl FnMut(Progress),
    ) -> Result<Finished, Failure> {
        let place = Place {
            dir: self.job.folder.path(),
            uid: self.uid,
            deadline: self.deadline,
        };
        let running = self
            .shop
            .runner
            .run(invocation, place, &self.job.cancel, report);
        let finished = running.await.map_err(|error| {
            tracing::error!(job = %self.job.key, %error, "a program cannot be run");
            internal("a program cannot be run")
        })?;
        for line in finished.diagnostics.lines().take(MAX_LOG_LINES) {
            self.job.events.push(EventBody::Log {
                line: line.to_owned(),
            });
        }
        let code = finished.ending.failure(
            &finished.diagnostics,
            invocation.limits.cpu_seconds,
            finished.elapsed,
        );
        let is_disk_full = finished.diagnostics.contains(NO_SPACE);
        match code.or(is_disk_full.then_some(FailureCode::DiskFull)) {
            Some(code) => Err(Failure {
                code,
                detail: finished.diagnostics,
            }),
            None => Ok(finished),
        }
    }

    fn report(&self, progress: Progress, seconds: Option<f64>) {
        let Progress {
            out_time_us,
            fps,
            speed,
            ..
        } = progress;
        let pct = out_time_us.zip(seconds).and_then(share);
        if pct.is_some_and(|pct| is_near_its_end(self.began.elapsed(), pct)) {
            self.slot.ends_soon();
        }
        let body = EventBody::Progress {
            pct,
            out_time_us,
            fps,
            speed,
        };
        self.job.set_progress(pct, body);
    }
}

/// Reads what is in a job's folder on a thread that may wait: some outputs are gigabytes, and calls are answered
/// meanwhile. No program is started there, which would end with that thread.
async fn check<T: Send + 'static>(
    job: &Arc<Job>,
    work: impl FnOnce(&Folder) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let job = Arc::clone(job);
    let checked = tokio::task::spawn_blocking(move || work(&job.folder)).await;
    checked.unwrap_or_else(|_| Err(internal("a check ended in a defect")))
}

/// How much of so many seconds is done, in percent; never all of it before the end.
fn share((done_us, seconds): (u64, f64)) -> Option<f64> {
    let pct = Duration::from_micros(done_us).as_secs_f64() / seconds * 100.0;
    pct.is_finite().then(|| pct.clamp(0.0, 99.0))
}

/// Whether what has taken so long for `pct` percent is done soon.
fn is_near_its_end(taken: Duration, pct: f64) -> bool {
    let left = taken.as_secs_f64() * (100.0 - pct) / pct;
    left <= ENDS_SOON.as_secs_f64()
}

/// All is made, and not checked yet.
fn made() -> EventBody {
    EventBody::Progress {
        pct: Some(100.0),
        out_time_us: None,
        fps: None,
        speed: None,
    }
}

/// `FFmpeg` also ends well when there is no frame at the chosen time; it then leaves an empty picture.
fn has_frame(finished: &Finished) -> bool {
    finished.progress.frames.is_some_and(|frames| frames > 0)
}

/// What has no frame is not worth a check.
fn need_frame(finished: Finished) -> Result<(), Failure> {
    if has_frame(&finished) {
        return Ok(());
    }
    Err(Failure {
        code: FailureCode::CorruptInput,
        detail: finished.diagnostics,
    })
}

fn without_detail(code: FailureCode) -> Failure {
    Failure {
        code,
        detail: String::new(),
    }
}

fn internal(detail: &str) -> Failure {
    Failure {
        code: FailureCode::WorkerInternal,
        detail: detail.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{JobKey, JobLimits, JobSpec, Params, Sha256Digest};
    use crate::jobs::Slots;

    fn job(jobs_dir: &std::path::Path) -> Arc<Job> {
        let key = JobKey {
            job: uuid::Uuid::nil(),
            attempt: 1,
        };
        let spec = JobSpec {
            preset: Preset::Poster,
            preset_version: 1,
            params: Params::default(),
            input_size: 1,
            input_sha256: Sha256Digest::of(b"x"),
            deadline_ms: 1,
            limits: JobLimits::default(),
        };
        let slot = Slots::new(1).take(Preset::Poster).unwrap();
        let folder = Folder::create(jobs_dir, key, None).unwrap();
        Job::new(key, spec, folder, slot)
    }

    /// There is one thread for everything else here, so that a check on it would wait for itself.
    #[tokio::test(flavor = "current_thread")]
    async fn a_check_holds_nobody_up() {
        let jobs = tempfile::tempdir().unwrap();
        let job = job(jobs.path());
        let (answered, answer) = std::sync::mpsc::channel();
        let checking = check(&job, move |_| {
            let patience = Duration::from_mins(1);
            answer
                .recv_timeout(patience)
                .map_err(|_| internal("nobody answered"))
        });
        let answering = async { answered.send("here").unwrap() };
        let (checked, ()) = tokio::join!(checking, answering);
        assert_eq!(checked, Ok("here"));
        let defect = check(&job, |_| -> Result<(), Failure> { panic!("a defect") });
        assert_eq!(defect.await.unwrap_err().code, FailureCode::WorkerInternal);
    }
}
