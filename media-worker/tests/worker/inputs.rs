//! What is refused before `FFmpeg` starts, and what takes more than one run.

use std::path::Path;
use std::process::Command;

use media_worker::api::{FailureCode, JobState, Preset};

use crate::support::{ASKED_AT_START, Worker, assert_failed, clip, spec};

/// Outside of any sandbox.
fn run_ffmpeg(args: &str, path: &Path) {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-loglevel", "error", "-y"])
        .args(args.split(' '))
        .arg(path);
    assert!(command.status().unwrap().success(), "{args}");
}

const VIDEO: &str = "-f lavfi -i testsrc2=s=320x240:r=10:d=2";

#[tokio::test]
async fn text_and_references_never_reach_ffmpeg() {
    let worker = Worker::start().await;
    let mut huge =
        b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\x3E\x80\0\0\x3E\x80\x08\x02\0\0\0".to_vec();
    huge.resize(700_000, 0);
    let unsupported = FailureCode::UnsupportedContainer;
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n";
    for (input, code) in [
        (&b"hello"[..], unsupported),
        (playlist.as_bytes(), unsupported),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", unsupported),
        (
            b"<svg xmlns='http://www.w3.org/2000/svg'><image href='/etc/passwd'/></svg>",
            unsupported,
        ),
        (b"<?xml version='1.0'?><MPD><Period/></MPD>", unsupported),
        (
            b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
            unsupported,
        ),
        (b"concat:a.ts|/etc/passwd", unsupported),
        (b"MZ\x90\0", unsupported),
        (b"\0", unsupported),
        (b"\x89PNG\r\n\x1A\n", FailureCode::CorruptInput),
        (&huge, FailureCode::TooLargeDimensions),
    ] {
        for preset in Preset::ALL {
            assert_failed(&worker.complete(&spec(preset, input), input).await, code);
        }
    }
    assert_eq!(worker.programs_started("ffprobe").await, 0);
    assert_eq!(
        worker.programs_started("ffmpeg").await,
        ASKED_AT_START,
        "only to ask what it is"
    );
}

#[tokio::test]
async fn a_rotated_clip_gives_an_upright_poster() {
    let worker = Worker::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (plain, turned) = (
        folder.path().join("plain.mp4"),
        folder.path().join("turned.mp4"),
    );
    run_ffmpeg(&format!("{VIDEO} -c:v libx264 -preset ultrafast"), &plain);
    let args = format!("-i {} -c copy -metadata:s:v rotate=90", plain.display());
    run_ffmpeg(&args, &turned);
    let input = std::fs::read(turned).unwrap();
    let status = worker.complete(&spec(Preset::Poster, &input), &input).await;
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    assert!(status.result.unwrap().metadata.video[0].rotation.is_some());
    let poster = &worker
        .client
        .outputs(worker.client.jobs().await.unwrap()[0].key())
        .await
        .unwrap()[0];
    assert_eq!((poster.width, poster.height), (Some(240), Some(320)));
}

#[tokio::test]
async fn a_time_without_a_frame_falls_back_to_the_start() {
    let worker = Worker::start().await;
    let params = media_worker::api::Params {
        seek_ms: Some(3_600_000),
    };
    let order = media_worker::api::JobSpec {
        params,
        ..spec(Preset::Poster, &clip())
    };
    let status = worker.complete(&order, &clip()).await;
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    assert_eq!(
        worker.programs_started("ffmpeg").await,
        ASKED_AT_START + 2,
        "no frame, the first frame"
    );
}
