//! What a job is for: a picture and a description of a real clip.

use bytes::BytesMut;
use futures::TryStreamExt as _;
use media_worker::api::{
    ErrorCode, EventBody, FailureCode, JobKey, JobLimits, JobSpec, JobState, MediaMetadata,
    OutputRole, Preset, Sha256Digest,
};
use media_worker::client::ClientError;
use media_worker::outputs::Peaks;

use crate::corpus::{made, uneven_film};
use crate::support::{ASKED_AT_START, Worker, assert_failed, clip, new_key, spec};

async fn fetch(worker: &Worker, key: JobKey, name: &str) -> Vec<u8> {
    let pieces = worker.client.output(key, name).await.unwrap();
    let bytes: BytesMut = pieces.try_collect().await.unwrap();
    bytes.to_vec()
}

#[tokio::test]
async fn a_poster_is_a_webp_picture_of_the_clip() {
    let worker = Worker::start().await;
    let status = worker
        .complete(&spec(Preset::Poster, &clip()), &clip())
        .await;
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    let outputs = worker.client.outputs(status.key()).await.unwrap();
    let [poster] = &outputs[..] else {
        panic!("one output is expected: {outputs:?}")
    };
    assert_eq!(
        (poster.name.as_str(), poster.role),
        ("poster.webp", OutputRole::Poster)
    );
    assert_eq!((poster.width, poster.height), (Some(1280), Some(720)));

    let bytes = fetch(&worker, status.key(), "poster.webp").await;
    assert_eq!(
        (bytes.len() as u64, Sha256Digest::of(&bytes)),
        (poster.size, poster.sha256)
    );
    assert_eq!(
        (&bytes[..4], &bytes[8..16]),
        (&b"RIFF"[..], &b"WEBPVP8 "[..])
    );
    let side = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]) & 0x3FFF;
    assert_eq!((side(26), side(28)), (1280, 720));
}

/// The digest of every stream, as it is coded.
fn streams(film: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mp4");
    std::fs::write(&path, film).unwrap();
    let mut command = std::process::Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-i"]).arg(path);
    command.args(["-map", "0", "-c", "copy", "-f", "streamhash", "-"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_film_that_plays_everywhere_keeps_its_streams() {
    let worker = Worker::start().await;
    let make = async |film: &[u8], preset_version| {
        let order = media_worker::api::JobSpec {
            preset_version,
            ..spec(Preset::WebVideo, film)
        };
        let status = worker.complete(&order, film).await;
        assert_eq!(status.state, JobState::Succeeded, "{status:?}");
        fetch(&worker, status.key(), "web.mp4").await
    };
    // Its sound has six channels.
    let film = make(&clip(), 2).await;
    assert_ne!(streams(&film), streams(&clip()));
    assert_eq!(streams(&make(&film, 2).await), streams(&film));
    let by_the_former_recipe = make(&film, 1).await;
    assert_ne!(streams(&by_the_former_recipe), streams(&film));
}

#[tokio::test]
async fn metadata_describes_the_clip() {
    let worker = Worker::start().await;
    let status = worker
        .complete(&spec(Preset::Metadata, &clip()), &clip())
        .await;
    let result = status.result.clone().expect("a result");
    assert!(result.ffmpeg_version.starts_with("ffmpeg version "));
    let metadata = result.metadata;
    assert!(
        (metadata.duration_seconds.unwrap() - 5.28).abs() < 0.05,
        "{metadata:?}"
    );
    assert_eq!(metadata.bytes, Some(clip().len() as u64));
    assert_eq!((metadata.video.len(), metadata.audio.len()), (1, 1));
    let (video, audio) = (&metadata.video[0], &metadata.audio[0]);
    assert_eq!(video.codec.as_deref(), Some("h264"));
    assert_eq!((video.width, video.height), (Some(1280), Some(720)));
    assert_eq!(video.pixel_format.as_deref(), Some("yuv420p"));
    assert_eq!(audio.codec.as_deref(), Some("aac"));
    assert!(audio.sample_rate.unwrap() >= 44_100 && audio.channels.unwrap() >= 2);

    let document = fetch(&worker, status.key(), "metadata.json").await;
    assert_eq!(
        serde_json::from_slice::<MediaMetadata>(&document).unwrap(),
        metadata
    );
    assert_eq!(
        worker.programs_started("ffmpeg").await,
        ASKED_AT_START,
        "only to ask what it is"
    );
}

#[tokio::test]
async fn events_tell_the_whole_story_and_can_be_resumed() {
    let worker = Worker::start().await;
    let status = worker
        .complete(&spec(Preset::Poster, &clip()), &clip())
        .await;
    let follow = async |after| {
        let events = worker.client.events(status.key(), after).await.unwrap();
        events.try_collect::<Vec<_>>().await.unwrap()
    };
    let events = follow(0).await;
    let visited = events.iter().filter_map(|event| match &event.body {
        EventBody::State { state } => Some(*state),
        _ => None,
    });
    assert_eq!(
        visited.collect::<Vec<_>>(),
        [
            JobState::AwaitingInput,
            JobState::Receiving,
            JobState::Ready,
            JobState::Running,
            JobState::Succeeded,
        ]
    );
    let numbers: Vec<_> = events.iter().map(|event| event.seq).collect();
    assert_eq!(numbers, (1..=status.last_seq).collect::<Vec<_>>());
    assert!(matches!(
        events.last().unwrap().body,
        EventBody::Result { failure: None, .. }
    ));
    assert_eq!(follow(3).await, &events[3..]);
    assert_eq!(follow(status.last_seq).await, &events[events.len() - 1..]);
}

#[tokio::test]
async fn outputs_stay_until_they_are_acknowledged() {
    let worker = Worker::start().await;
    let status = worker
        .complete(&spec(Preset::Poster, &clip()), &clip())
        .await;
    let key = status.key();
    assert!(!status.files_deleted);
    assert_eq!(worker.job_folders().len(), 1);
    for _ in 0..2 {
        assert!(worker.client.ack(key).await.unwrap().files_deleted);
        assert_eq!(worker.job_folders(), Vec::<String>::new());
    }
    let gone = worker.client.output(key, "poster.webp").await.err();
    assert_eq!(gone, Some(ClientError::NotFound));
    for name in ["input", "../lock", "metadata.json", ""] {
        let error = worker.client.output(key, name).await.err();
        assert_eq!(error, Some(ClientError::NotFound), "{name:?}");
    }
}

#[tokio::test]
async fn an_ended_job_is_forgotten_after_its_time() {
    let worker = Worker::start_with(&["--keep-seconds", "3"]).await;
    let status = worker
        .complete(&spec(Preset::Metadata, &clip()), &clip())
        .await;
    // Asking for nothing else, until the sweep has passed.
    while !worker.client.jobs().await.unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(
        worker.client.status(status.key()).await,
        Err(ClientError::NotFound)
    );
    assert_eq!(worker.job_folders(), Vec::<String>::new());
}

#[tokio::test]
async fn a_job_can_narrow_the_limits() {
    let worker = Worker::start().await;
    let narrowed = |limits| media_worker::api::JobSpec {
        limits,
        ..spec(Preset::Poster, &clip())
    };
    let short = JobLimits {
        max_duration_seconds: Some(1),
        ..JobLimits::default()
    };
    let small = JobLimits {
        max_pixels: Some(1280 * 719),
        ..JobLimits::default()
    };
    let tiny = JobLimits {
        max_output_bytes: Some(100),
        ..JobLimits::default()
    };
    for (limits, code) in [
        (short, FailureCode::TooLong),
        (small, FailureCode::TooLargeDimensions),
        (tiny, FailureCode::OutputCheckFailed),
    ] {
        assert_failed(&worker.complete(&narrowed(limits), &clip()).await, code);
    }
    assert_eq!(
        worker.job_folders(),
        Vec::<String>::new(),
        "a failure leaves no file"
    );
}

#[tokio::test]
async fn the_same_order_again_changes_nothing() {
    let worker = Worker::start().await;
    let (key, order) = (new_key(), spec(Preset::Poster, &clip()));
    assert!(worker.client.put_job(key, &order).await.unwrap().created);
    let again = worker.client.put_job(key, &order).await.unwrap();
    assert_eq!(
        (again.created, again.status.state),
        (false, JobState::AwaitingInput)
    );
    worker.send(key, &clip()).await.unwrap();
    assert_eq!(
        worker.send(key, &clip()).await.unwrap().state,
        JobState::Ready
    );
    worker.client.start(key).await.unwrap();
    worker.client.start(key).await.unwrap();
    worker.wait_for_end(key).await;
    assert_eq!(
        worker.client.start(key).await.unwrap().state,
        JobState::Succeeded
    );
    assert_eq!(
        worker
            .client
            .put_job(key, &order)
            .await
            .unwrap()
            .status
            .state,
        JobState::Succeeded
    );
    assert_eq!(worker.programs_started("ffprobe").await, 1, "it ran once");

    let other = spec(Preset::Metadata, &clip());
    let conflict = ClientError::Conflict {
        code: ErrorCode::SpecDiffers,
    };
    assert_eq!(worker.client.put_job(key, &other).await, Err(conflict));
}

#[tokio::test]
async fn a_newer_attempt_fences_off_the_older_one() {
    let worker = Worker::start_misbehaving(&[]).await;
    let first = worker.stall().await;
    let second = JobKey {
        attempt: 2,
        ..first
    };
    let order = spec(Preset::Metadata, &clip());
    assert!(worker.client.put_job(second, &order).await.unwrap().created);
    assert_eq!(
        worker.children(),
        Vec::<i32>::new(),
        "the older attempt was killed"
    );
    assert_eq!(worker.job_folders().len(), 1);
    assert_eq!(
        worker.client.status(first).await,
        Err(ClientError::NotFound)
    );
    let stale = worker.client.put_job(first, &order).await;
    assert_eq!(
        stale,
        Err(ClientError::Conflict {
            code: ErrorCode::StaleAttempt
        })
    );
    worker.send(second, &clip()).await.unwrap();
    worker.client.start(second).await.unwrap();
    worker.wait_for_end(second).await;
}

#[tokio::test]
async fn a_slot_is_the_next_ones_as_soon_as_a_program_has_ended() {
    let worker = Worker::start_with(&["--slots", "1"]).await;
    let order = spec(Preset::WebVideo, &clip());
    let first = worker.order(&order, &clip()).await;
    let limits = worker.client.limits().await.unwrap();
    assert_eq!((limits.free, limits.free_general), (1, Some(0)));
    let is_made =
        |event: &_| matches!(event, EventBody::Progress { pct: Some(pct), .. } if *pct >= 100.0);
    worker.wait_for(first, is_made).await;
    let limits = worker.client.limits().await.unwrap();
    assert_eq!((limits.free, limits.free_general), (2, Some(1)));
    let second = worker.order(&order, &clip()).await;
    for key in [first, second] {
        worker.wait_for_end(key).await;
        let status = worker.client.status(key).await.unwrap();
        assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    }
}

#[tokio::test]
async fn there_is_no_queue() {
    let worker = Worker::start_with(&["--slots", "1"]).await;
    let order = spec(Preset::Poster, &clip());
    let keys = [new_key(), new_key(), new_key()];
    for key in &keys[..2] {
        worker.client.put_job(*key, &order).await.unwrap();
    }
    assert_eq!(worker.client.limits().await.unwrap().free, 0);
    let busy = worker.client.put_job(keys[2], &order).await;
    assert!(matches!(busy, Err(ClientError::Busy { .. })), "{busy:?}");
    worker.client.cancel(keys[0]).await.unwrap();
    assert!(
        worker
            .client
            .put_job(keys[2], &order)
            .await
            .unwrap()
            .created
    );
}

/// A decoder's own frames of so much sound have no room in the memory of the run.
#[tokio::test]
async fn a_waveform_shows_the_longest_sound() {
    let worker = Worker::start().await;
    let sound = made("x.flac", "-f lavfi -i sine=f=1000:r=8000:d=7200");
    let order = JobSpec {
        deadline_ms: 600_000,
        ..spec(Preset::Waveform, &sound)
    };
    let key = worker.order(&order, &sound).await;
    worker.wait_for_end(key).await;
    let status = worker.client.status(key).await.unwrap();
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    let peaks = fetch(&worker, key, "waveform.json").await;
    let peaks: Peaks = serde_json::from_slice(&peaks).unwrap();
    assert_eq!(peaks.samples, 7200 * 4000);
    let is_loud = |(lowest, highest): &(i16, i16)| *lowest < -1000 && *highest > 1000;
    assert!(peaks.peaks.iter().all(is_loud));
}

/// The time of each frame of a film in seconds, and whether it is a key frame, as ffprobe sees them.
fn frames(film: &[u8]) -> Vec<(f64, bool)> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("film"), film).unwrap();
    let output = std::process::Command::new("ffprobe")
        .args(
            "-v error -select_streams v -show_entries packet=pts_time,flags -of csv=p=0 film"
                .split(' '),
        )
        .current_dir(folder.path())
        .output()
        .unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let frame = |line: &str| {
        let (time, flags) = line.split_once(',').unwrap();
        (time.parse().unwrap(), flags.starts_with('K'))
    };
    lines.lines().map(frame).collect()
}

#[tokio::test]
async fn a_film_of_uneven_frames_has_at_most_sixty_a_second() {
    let worker = Worker::start().await;
    let film = uneven_film();
    for (preset, name, most) in [
        (Preset::Hls, "v360p.m4s", 545),
        (Preset::WebVideo, "web.mp4", 545),
        (Preset::Preview, "preview.mp4", 60),
    ] {
        let status = worker.complete(&spec(preset, &film), &film).await;
        assert_eq!(status.state, JobState::Succeeded, "{status:?}");
        let frames = frames(&fetch(&worker, status.key(), name).await);
        assert!(
            (most / 2..=most).contains(&frames.len()),
            "{name}: {}",
            frames.len()
        );
        if preset == Preset::Hls {
            let keys = frames.iter().filter(|(_, is_key)| *is_key);
            let seconds: Vec<_> = keys.map(|(time, _)| time.floor()).collect();
            assert_eq!(
                seconds,
                [0.0, 4.0, 8.0],
                "a segment begins every four seconds"
            );
        }
    }
}
