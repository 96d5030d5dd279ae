//! How long what was made must be: all that the input has of it, whatever the input says of its length.

use media_worker::api::{FailureCode, JobState, JobStatus, Preset};

use crate::corpus::{made, made_in};
use crate::support::{Worker, assert_failed, spec};

const FILM: &str = "-f lavfi -i testsrc2=s=64x48:r=10:d=20 -f lavfi -i sine=d=20";
const CODECS: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac";

async fn complete(worker: &Worker, preset: Preset, input: &[u8]) -> JobStatus {
    worker.complete(&spec(preset, input), input).await
}

async fn seconds(worker: &Worker, status: &JobStatus) -> f64 {
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    let outputs = worker.client.outputs(status.key()).await.unwrap();
    let made = outputs
        .iter()
        .find_map(|output| output.duration_ms)
        .unwrap();
    std::time::Duration::from_millis(made).as_secs_f64()
}

fn half(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len() / 2]
}

/// A film of 20 s beside subtitles that end after 40.
fn with_late_subtitles(name: &str, codec: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let text = "1\n00:00:01,000 --> 00:00:02,000\nhello\n\n2\n00:00:38,000 --> 00:00:40,000\nbye\n";
    std::fs::write(folder.path().join("x.srt"), text).unwrap();
    let args = format!("{FILM} -i x.srt -map 0 -map 1 -map 2 {CODECS} -c:s {codec}");
    made_in(folder.path(), name, &args)
}

/// Without a header a player goes by the rate of the first frames, which makes these 70 s about 22.
#[tokio::test]
async fn a_sound_may_last_longer_than_its_first_frames_promise() {
    let worker = Worker::start().await;
    let part = |seconds: u32, rate: &str| {
        let source = format!("-f lavfi -i sine=d={seconds}");
        let bare = "-write_xing 0 -id3v2_version 0 -c:a libmp3lame -b:a";
        made("x.mp3", &format!("{source} {bare} {rate}"))
    };
    let sound = [part(10, "320k"), part(60, "64k")].concat();
    let status = complete(&worker, Preset::Audio, &sound).await;
    let length = seconds(&worker, &status).await;
    assert!((69.0..72.0).contains(&length), "{length}");
    let promised = status.result.unwrap().metadata.duration_seconds.unwrap();
    assert!(promised < 30.0, "{promised}");
}

#[tokio::test]
async fn streams_that_nobody_wants_may_last_longer() {
    let worker = Worker::start().await;
    let two_sounds = format!("{FILM} -f lavfi -i sine=d=40 -map 0 -map 1 -map 2 {CODECS}");
    for (name, film) in [
        ("subtitles in mp4", with_late_subtitles("x.mp4", "mov_text")),
        ("subtitles in mkv", with_late_subtitles("x.mkv", "srt")),
        ("two sounds in mp4", made("x.mp4", &two_sounds)),
        ("two sounds in mkv", made("x.mkv", &two_sounds)),
    ] {
        for preset in [Preset::WebVideo, Preset::Hls, Preset::Audio] {
            let status = complete(&worker, preset, &film).await;
            let length = seconds(&worker, &status).await;
            assert!((19.0..21.0).contains(&length), "{name}: {length}");
        }
    }
}

#[tokio::test]
async fn what_is_made_of_a_file_that_was_cut_is_refused() {
    let worker = Worker::start().await;
    let film = |name: &str, args: &str| made(name, &format!("{FILM} {CODECS} {args}"));
    let sound = made("x.flac", "-f lavfi -i sine=d=20");
    for (name, whole, preset) in [
        (
            "mp4",
            film("x.mp4", "-movflags +faststart"),
            Preset::WebVideo,
        ),
        ("mp4", film("x.mp4", "-movflags +faststart"), Preset::Hls),
        (
            "sound of mp4",
            film("x.mp4", "-movflags +faststart"),
            Preset::Audio,
        ),
        ("mkv", film("x.mkv", ""), Preset::WebVideo),
        (
            "subtitles in mkv",
            with_late_subtitles("x.mkv", "srt"),
            Preset::WebVideo,
        ),
        ("flv", film("x.flv", "-ar 44100"), Preset::WebVideo),
        ("flac", sound, Preset::Audio),
    ] {
        let status = complete(&worker, preset, half(&whole)).await;
        assert_eq!(status.state, JobState::Failed, "{name}");
        assert_failed(&status, FailureCode::OutputCheckFailed);
    }
}
