//! Files of every kind: what is refused before `FFmpeg` starts, what breaks it, what works.

use std::path::Path;
use std::process::Command;

use media_worker::api::{FailureCode, JobState, Preset};

use crate::support::{Worker, assert_failed, clip, spec};

/// Makes a file with `FFmpeg`, outside of any sandbox.
fn make(name: &str, args: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    run_ffmpeg(args, &path);
    std::fs::read(path).unwrap()
}

fn run_ffmpeg(args: &str, path: &Path) {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-loglevel", "error", "-y"])
        .args(args.split(' '))
        .arg(path);
    assert!(command.status().unwrap().success(), "{args}");
}

const VIDEO: &str = "-f lavfi -i testsrc2=s=320x240:r=10:d=2";
const SOUND: &str = "-f lavfi -i sine=d=2";

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
        1,
        "only to ask for its version"
    );
}

#[tokio::test]
async fn broken_files_are_corrupt() {
    let worker = Worker::start().await;
    let mp4 = make("x.mp4", &format!("{VIDEO} -c:v libx264 -preset ultrafast"));
    // This muxer writes the index last, so half of the file has none.
    let half = &mp4[..mp4.len() / 2];
    let mut noise = b"\0\0\0\x18ftypisom\0\0\0\0isommp42".to_vec();
    noise.extend((0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
    for input in [
        half,
        &noise,
        b"\0\0\0\x18ftypisom",
        b"\x1A\x45\xDF\xA3",
        b"RIFF....WAVE",
        b"OggS",
    ] {
        for preset in Preset::ALL {
            let status = worker.complete(&spec(preset, input), input).await;
            assert_failed(&status, FailureCode::CorruptInput);
        }
    }
}

#[tokio::test]
async fn every_accepted_container_gives_a_poster() {
    let worker = Worker::start().await;
    let (h264, mjpeg) = ("-c:v libx264 -preset ultrafast", "-c:v mjpeg");
    for (name, args) in [
        ("x.mp4", format!("{VIDEO} {h264} -movflags +faststart")),
        ("x.mov", format!("{VIDEO} {h264}")),
        ("x.mkv", format!("{VIDEO} {h264}")),
        ("x.webm", format!("{VIDEO} -c:v libvpx -deadline realtime")),
        ("x.avi", format!("{VIDEO} {mjpeg} -pix_fmt yuvj420p")),
        ("x.flv", format!("{VIDEO} {h264}")),
        ("x.ts", format!("{VIDEO} {h264}")),
        ("x.mpg", format!("{VIDEO} -r 25 -c:v mpeg2video")),
        ("x.ogv", format!("{VIDEO} -c:v libtheora")),
        ("x.gif", VIDEO.to_owned()),
        ("x.png", format!("{VIDEO} -frames:v 1")),
        ("x.jpg", format!("{VIDEO} -frames:v 1 -pix_fmt yuvj420p")),
        ("x.webp", format!("{VIDEO} -frames:v 1 -c:v libwebp")),
    ] {
        let input = make(name, &args);
        let status = worker.complete(&spec(Preset::Poster, &input), &input).await;
        assert_eq!(status.state, JobState::Succeeded, "{name}: {status:?}");
        let poster = &worker.client.outputs(status.key()).await.unwrap()[0];
        assert_eq!(
            (poster.width, poster.height),
            (Some(320), Some(240)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn sound_has_metadata_but_no_poster() {
    let worker = Worker::start().await;
    for (name, args) in [
        ("x.wav", ""),
        ("x.flac", ""),
        ("x.mp3", " -c:a libmp3lame"),
        ("x.ogg", " -c:a libvorbis -ac 2"),
        ("x.m4a", " -c:a aac"),
    ] {
        let input = make(name, &format!("{SOUND}{args}"));
        let status = worker
            .complete(&spec(Preset::Metadata, &input), &input)
            .await;
        let metadata = status
            .result
            .unwrap_or_else(|| panic!("{name} has metadata"))
            .metadata;
        assert_eq!(
            (metadata.video.len(), metadata.audio.len()),
            (0, 1),
            "{name}"
        );
        let status = worker.complete(&spec(Preset::Poster, &input), &input).await;
        assert_failed(&status, FailureCode::NoVideoStream);
    }
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
async fn too_many_streams_is_not_taken_for_too_little_memory() {
    let worker = Worker::start().await;
    let maps = " -map 0".repeat(40);
    let input = make("x.mkv", &format!("{SOUND}{maps} -c:a pcm_s16le"));
    for preset in Preset::ALL {
        let status = worker.complete(&spec(preset, &input), &input).await;
        assert_failed(&status, FailureCode::TooManyStreams);
    }
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
        3,
        "its version, no frame, the first frame"
    );
}
