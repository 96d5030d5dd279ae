//! Taking in what a worker made. It is untrusted: only expected names, sizes and digests as declared, the right
//! first bytes, and a media type of our own.

use aggregates::media_job::{
    FailureCode, JobOutput, MediaJob, MediaJobCommand, MediaMetadata, Preset,
};
use aggregates::values::Sha256Hex;
use futures::TryStreamExt as _;
use media_worker::api::{JobKey, JobStatus, OutputFile};
use media_worker::outputs::{AVIF_MAGIC, AVIF_MIME, PLAYLIST_MIME, Peaks};
use media_worker::playlist;
use media_worker::presets::{AVIF_NAME, MASTER_NAME, PEAKS_NAME, RUNGS};
use projections::media_jobs::JobRow;

use super::drive::{Stop, is_decided};
use super::{NAME, store};
use crate::app::App;
use crate::policies::context;
use crate::ports::blobs::{BlobError, output_object};
use crate::ports::clock;
use crate::sniff;
use crate::workers::Worker;

const MIB: u64 = 1024 * 1024;
/// Streams of each kind that an event tells of.
const RESULT_STREAMS: usize = 50;

/// A file that a preset may make.
struct Expected {
    name: &'static str,
    content_type: &'static str,
    max_bytes: u64,
}

/// Stores the outputs and records the success. Of an attempt that is no longer the current one nothing stays.
pub(super) async fn collect(
    app: &App,
    worker: &Worker,
    row: &JobRow,
    key: JobKey,
    status: &JobStatus,
) -> Result<(), Stop> {
    let manifest = worker
        .client
        .outputs(key)
        .await
        .map_err(|_| Stop::Failed(FailureCode::OutputTransferFailed))?;
    if !is_expected(row.preset, &manifest) {
        return Err(Stop::Failed(FailureCode::OutputCheckFailed));
    }
    // What is stored stays until the log has decided: another node may take in the same attempt.
    let (outputs, result) = loop {
        match take_in(app, worker, row, key, &manifest, status).await {
            Ok(taken) => break taken,
            // The worker keeps what it made for a quarter of an hour.
            Err(Untaken::Store(error)) if store::was_away(app, &error).await => {}
            Err(Untaken::Store(_)) => return Err(Stop::Failed(FailureCode::StorageUnavailable)),
            Err(Untaken::Stop(stop)) => return Err(stop),
        }
    };
    let command = MediaJobCommand::Succeed {
        attempt: key.attempt,
        outputs,
        result,
        at: clock::now(),
    };
    match app
        .log
        .execute::<MediaJob>(&row.job_id.to_string(), command, &context(NAME))
        .await
    {
        Ok(_) => Ok(()),
        Err(error) if is_decided(&error) => {
            discard(app, row, key).await;
            Ok(())
        }
        Err(error) => Err(Stop::LetGo(error.to_string())),
    }
}

/// Why outputs were not taken in.
enum Untaken {
    /// The blob store failed.
    Store(BlobError),
    /// The attempt is over.
    Stop(Stop),
}

impl From<Stop> for Untaken {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// Stores what the manifest names and reads what the attempt learnt.
async fn take_in(
    app: &App,
    worker: &Worker,
    row: &JobRow,
    key: JobKey,
    manifest: &[OutputFile],
    status: &JobStatus,
) -> Result<(Vec<JobOutput>, Option<MediaMetadata>), Untaken> {
    let mut outputs = Vec::with_capacity(manifest.len());
    for file in manifest {
        let expected = expected(row.preset).find(|expected| expected.name == file.name);
        let expected = expected.ok_or(Stop::Failed(FailureCode::OutputCheckFailed))?;
        outputs.push(take(app, worker, row, key, file, &expected, manifest).await?);
    }
    Ok((outputs, result(row.preset, status)?))
}

/// The files of a preset.
fn expected(preset: Preset) -> impl Iterator<Item = Expected> {
    let files: &[(&str, &str, u64)] = match preset {
        Preset::Metadata => &[("metadata.json", "application/json", MIB)],
        Preset::Poster => &[("poster.webp", "image/webp", 16 * MIB)],
        Preset::WebVideo => &[("web.mp4", "video/mp4", 4096 * MIB)],
        Preset::Preview => &[("preview.mp4", "video/mp4", 64 * MIB)],
        Preset::Audio => &[("audio.m4a", "audio/mp4", 512 * MIB)],
        Preset::Image => &[
            ("image.webp", "image/webp", 16 * MIB),
            (AVIF_NAME, AVIF_MIME, 16 * MIB),
        ],
        Preset::Waveform => &[
            ("waveform.json", "application/json", MIB),
            ("waveform.png", "image/png", 4 * MIB),
        ],
        Preset::Hls => &[
            ("master.m3u8", PLAYLIST_MIME, MIB),
            ("v360p.m3u8", PLAYLIST_MIME, MIB),
            ("v360p.m4s", "video/mp4", 4096 * MIB),
            ("v720p.m3u8", PLAYLIST_MIME, MIB),
            ("v720p.m4s", "video/mp4", 4096 * MIB),
            ("v1080p.m3u8", PLAYLIST_MIME, MIB),
            ("v1080p.m4s", "video/mp4", 4096 * MIB),
        ],
    };
    files
        .iter()
        .map(|(name, content_type, max_bytes)| Expected {
            name,
            content_type,
            max_bytes: *max_bytes,
        })
}

/// Whether the manifest names every file of the preset once and in order, and no other. Of the rungs of `hls` the
/// upper ones may be missing, of an `image` the AVIF, which not every worker makes.
fn is_expected(preset: Preset, manifest: &[OutputFile]) -> bool {
    let wanted: Vec<&str> = expected(preset).map(|file| file.name).collect();
    let is_complete = match preset {
        Preset::Hls => manifest.len() >= 3 && manifest.len() % 2 == 1,
        Preset::Image => !manifest.is_empty(),
        _ => manifest.len() == wanted.len(),
    };
    is_complete
        && manifest.len() <= wanted.len()
        && manifest
            .iter()
            .zip(wanted)
            .all(|(file, name)| file.name == name)
}

/// Whether a playlist leads to nothing but the files of the same manifest.
fn is_playlist(text: &str, name: &str, manifest: &[OutputFile]) -> bool {
    if name == MASTER_NAME {
        let names = manifest.iter().map(|file| file.name.as_str());
        let variants: Vec<&str> = names
            .filter(|other| RUNGS.iter().any(|rung| rung.playlist == *other))
            .collect();
        return playlist::is_master(text, &variants);
    }
    let segments = RUNGS.iter().find(|rung| rung.playlist == name);
    let segments =
        segments.and_then(|rung| manifest.iter().find(|file| file.name == rung.segments));
    segments.is_some_and(|file| playlist::is_variant(text, &file.name, file.size))
}

async fn take(
    app: &App,
    worker: &Worker,
    row: &JobRow,
    key: JobKey,
    file: &OutputFile,
    expected: &Expected,
    manifest: &[OutputFile],
) -> Result<JobOutput, Untaken> {
    if file.size == 0 || file.size > expected.max_bytes {
        return Err(Stop::Failed(FailureCode::OutputCheckFailed).into());
    }
    let object = output_object(row.job_id, key.attempt, &file.name);
    let transfer = Stop::Failed(FailureCode::OutputTransferFailed);
    let Ok(stream) = worker.client.output(key, &file.name).await else {
        return Err(transfer.into());
    };
    let stored = match app.blobs.put(&object, stream, file.size).await {
        Ok(stored) => stored,
        Err(error @ BlobError::Store(_)) => return Err(Untaken::Store(error)),
        Err(_) => return Err(transfer.into()),
    };
    let sha256 = Sha256Hex::from_bytes(stored.sha256);
    if stored.bytes != file.size || sha256.as_str() != file.sha256.to_string() {
        return Err(transfer.into());
    }
    let is_of_type = is_of_type(app, &object, stored.bytes, expected, manifest).await;
    if !is_of_type.map_err(Untaken::Store)? {
        return Err(Stop::Failed(FailureCode::OutputCheckFailed).into());
    }
    Ok(JobOutput {
        name: file.name.clone(),
        content_type: expected.content_type.to_owned(),
        bytes: stored.bytes,
        sha256,
        object,
    })
}

/// The first bytes are those of the type; a JSON output parses.
async fn is_of_type(
    app: &App,
    object: &str,
    bytes: u64,
    expected: &Expected,
    manifest: &[OutputFile],
) -> Result<bool, BlobError> {
    let wanted = if ["application/json", PLAYLIST_MIME].contains(&expected.content_type) {
        bytes
    } else {
        bytes.min(sniff::HEAD_BYTES as u64)
    };
    let stream = app.blobs.get(object, Some(0..wanted)).await?;
    let head = stream.try_collect::<Vec<_>>().await?.concat();
    Ok(match expected.content_type {
        "application/json" if expected.name == PEAKS_NAME => {
            serde_json::from_slice::<Peaks>(&head).is_ok_and(|peaks| peaks.is_consistent())
        }
        "application/json" => serde_json::from_slice::<MediaMetadata>(&head).is_ok(),
        PLAYLIST_MIME => {
            std::str::from_utf8(&head).is_ok_and(|text| is_playlist(text, expected.name, manifest))
        }
        AVIF_MIME => head.get(4..12) == Some(AVIF_MAGIC),
        other => sniff::content_type(&head) == Some(other),
    })
}

/// What a `metadata` job learnt, in the domain's own form.
fn result(preset: Preset, status: &JobStatus) -> Result<Option<MediaMetadata>, Stop> {
    if preset != Preset::Metadata {
        return Ok(None);
    }
    let metadata = status
        .result
        .as_ref()
        .map(|result| serde_json::to_value(&result.metadata));
    let Some(Ok(value)) = metadata else {
        return Err(Stop::Failed(FailureCode::OutputCheckFailed));
    };
    let mut metadata: MediaMetadata =
        serde_json::from_value(value).map_err(|_| Stop::Failed(FailureCode::OutputCheckFailed))?;
    // The whole list is in the output; an event has room for less than a file may have streams.
    metadata.video.truncate(RESULT_STREAMS);
    metadata.audio.truncate(RESULT_STREAMS);
    Ok(Some(metadata))
}

/// Removes the objects of an attempt that can count no more. If the very same attempt was recorded (by another node, or
/// its answer was lost), the objects are the recorded ones and stay; and so they do while it may still be.
pub(super) async fn discard(app: &App, row: &JobRow, key: JobKey) {
    let loaded = app.log.load::<MediaJob>(&row.job_id.to_string()).await;
    if !loaded.is_ok_and(|(job, _)| is_out(&job, key.attempt)) {
        return;
    }
    if let Err(error) = app.blobs.delete_attempt(row.job_id, key.attempt).await {
        tracing::warn!(%error, "outputs that do not count stay behind");
    }
}

/// Whether nothing of the attempt can ever be an output of the job.
fn is_out(job: &MediaJob, attempt: u32) -> bool {
    match job {
        MediaJob::NotRequested | MediaJob::Succeeded { .. } => false,
        MediaJob::Queued { attempts, .. } => attempt <= attempts.last,
        MediaJob::Dispatched { lease, .. } => attempt < lease.attempt,
        MediaJob::Failed { .. } | MediaJob::Cancelled { .. } | MediaJob::Forgotten { .. } => true,
    }
}

#[cfg(test)]
mod tests {
    use aggregates::media_job::{JobOptions, MediaJobEvent};
    use chrono::{DateTime, Utc};
    use cqrs_es::Aggregate as _;
    use media_worker::api::{OutputRole, Sha256Digest};

    use super::*;

    fn manifest(names: &[&str]) -> Vec<OutputFile> {
        let file = |name: &&str| OutputFile {
            name: (*name).to_owned(),
            role: OutputRole::Rung,
            mime: String::new(),
            size: 100,
            sha256: Sha256Digest::of(b""),
            width: None,
            height: None,
            duration_ms: None,
            codec: None,
        };
        names.iter().map(file).collect()
    }

    #[test]
    fn objects_go_only_when_their_attempt_can_count_no_more() {
        let at = DateTime::<Utc>::UNIX_EPOCH;
        let requested = MediaJobEvent::MediaJobRequested {
            job_id: uuid::Uuid::nil().into(),
            media_id: uuid::Uuid::nil().into(),
            owner: uuid::Uuid::nil().into(),
            preset: Preset::Poster,
            preset_version: 1,
            input_sha256: Sha256Hex::from_bytes([1; 32]),
            input_bytes: 1,
            options: JobOptions::default(),
            deadline_at: at,
            at,
        };
        let dispatched = |attempt| MediaJobEvent::MediaJobDispatched {
            attempt,
            worker: String::new(),
            lease_until: at,
            at,
        };
        let silent = MediaJobEvent::MediaJobLeaseExpired { attempt: 1, at };
        let succeeded = MediaJobEvent::MediaJobSucceeded {
            attempt: 1,
            outputs: Vec::new(),
            result: None,
            at,
        };
        let failed = MediaJobEvent::MediaJobFailed {
            attempt: 1,
            code: FailureCode::DiskFull,
            class: FailureCode::DiskFull.class(),
            at,
        };
        let mut job = MediaJob::default();
        for (event, expected) in [
            (requested, false),
            (dispatched(1), false),
            (silent, true),
            (dispatched(2), true),
            (failed, true),
        ] {
            job.apply(event);
            assert_eq!(is_out(&job, 1), expected, "{job:?}");
        }
        job.apply(succeeded);
        assert!(!is_out(&job, 1), "they are its outputs");
    }

    const TWO: [&str; 5] = [
        "master.m3u8",
        "v360p.m3u8",
        "v360p.m4s",
        "v720p.m3u8",
        "v720p.m4s",
    ];

    #[test]
    fn a_manifest_names_whole_rungs_from_the_smallest_on_and_nothing_else() {
        let is_good = |names: &[&str]| is_expected(Preset::Hls, &manifest(names));
        assert!(is_good(&TWO) && is_good(&TWO[..3]));
        for length in [0, 1, 2, 4] {
            assert!(!is_good(&TWO[..length]), "{length}");
        }
        assert!(!is_good(&["master.m3u8", "v720p.m3u8", "v720p.m4s"]));
        assert!(!is_good(&["master.m3u8", "v360p.m3u8", "../master.key"]));
        let all: Vec<_> = expected(Preset::Hls).map(|file| file.name).collect();
        assert!(is_good(&all) && !is_good(&[all.as_slice(), &["x", "y"]].concat()));
        let is_image = |names: &[&str]| is_expected(Preset::Image, &manifest(names));
        assert!(is_image(&["image.webp"]) && is_image(&["image.webp", "image.avif"]));
        assert!(!is_image(&[]) && !is_image(&["image.avif"]));
        for preset in Preset::ALL {
            let whole: Vec<_> = expected(*preset).map(|file| file.name).collect();
            assert!(is_expected(*preset, &manifest(&whole)), "{preset}");
            let twice = [whole.as_slice(), &whole].concat();
            assert!(!is_expected(*preset, &manifest(&twice)), "{preset}");
        }
    }

    #[test]
    fn a_playlist_leads_to_files_of_its_own_manifest_alone() {
        let two = manifest(&TWO);
        let master = "#EXTM3U\n#EXT-X-VERSION:7\nv360p.m3u8\nv720p.m3u8\n";
        assert!(is_playlist(master, "master.m3u8", &two));
        assert!(!is_playlist(master, "master.m3u8", &two[..3]));
        let elsewhere = master.replace("v720p.m3u8", "http://127.0.0.1/");
        assert!(!is_playlist(&elsewhere, "master.m3u8", &two));
        let variant = "#EXTM3U\n#EXTINF:4,\n#EXT-X-BYTERANGE:100@0\nv720p.m4s\n#EXT-X-ENDLIST\n";
        assert!(is_playlist(variant, "v720p.m3u8", &two));
        assert!(!is_playlist(variant, "v360p.m3u8", &two));
        assert!(!is_playlist(variant, "v720p.m3u8", &two[..3]));
        let beyond = variant.replace("100@0", "101@0");
        assert!(!is_playlist(&beyond, "v720p.m3u8", &two));
    }
}
