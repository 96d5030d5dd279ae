//! Every recipe on the real clip, through the real server and worker; what comes out is measured with ffprobe.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Server, clip};

/// The clip with its owner, and a folder for what is made of it.
struct Studio {
    server: Server,
    token: String,
    media: String,
    folder: tempfile::TempDir,
}

impl Studio {
    async fn open(name: &str, content: Vec<u8>) -> Self {
        let mut server = Server::start().await;
        server.launch_worker().await;
        let token = server.token("ada@example.com").await;
        let media = server.upload(&token, name, content).await;
        Self {
            server,
            token,
            media,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn with_clip() -> Self {
        Self::open("bigbuckbunny.mp4", clip()).await
    }

    /// The job once it has ended.
    async fn run(&self, preset: &str) -> Value {
        let job = self.server.job(&self.token, &self.media, preset).await;
        self.server.ended(&self.token, &job).await
    }

    /// Runs a preset and fetches all that it made, checking names, types, sizes and digests: the paths.
    async fn make(&self, preset: &str, expected: &[(&str, &str)]) -> Vec<PathBuf> {
        let seen = self.run(preset).await;
        assert_eq!(
            (&seen["state"], &seen["progress"]),
            (&json!("succeeded"), &json!(1.0)),
            "{seen}\n{}",
            self.server.worker_log()
        );
        let outputs = seen["outputs"].as_array().unwrap();
        let named: Vec<_> = outputs
            .iter()
            .map(|output| {
                let text = |key: &str| output[key].as_str().unwrap();
                (text("name"), text("content_type"))
            })
            .collect();
        assert_eq!(named, expected, "{seen}");
        let mut paths = Vec::new();
        for output in outputs {
            paths.push(self.fetch(seen["id"].as_str().unwrap(), output).await);
        }
        paths
    }

    async fn fetch(&self, job: &str, output: &Value) -> PathBuf {
        let name = output["name"].as_str().unwrap();
        let path = format!("/v1/jobs/{job}/outputs/{name}");
        let answer = self.server.get(&path, &self.token).await;
        let content_type = answer.headers()["content-type"].to_str().unwrap();
        assert_eq!(output["content_type"], content_type);
        let content = answer.bytes().await.unwrap();
        assert_eq!(output["bytes"], content.len());
        let target = self.folder.path().join(name);
        std::fs::write(&target, content).unwrap();
        target
    }
}

/// What ffprobe says of a file.
fn probe(path: &Path) -> Value {
    let output = std::process::Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-of",
            "json",
            "-show_format",
            "-show_streams",
        ])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Type and codec of every stream, in order.
fn codecs(probe: &Value) -> Vec<(&str, &str)> {
    let streams = probe["streams"].as_array().unwrap().iter();
    streams
        .map(|stream| {
            let text = |key: &str| stream[key].as_str().unwrap();
            (text("codec_type"), text("codec_name"))
        })
        .collect()
}

fn size(probe: &Value) -> (u64, u64) {
    let side = |key: &str| probe["streams"][0][key].as_u64().unwrap();
    (side("width"), side("height"))
}

fn seconds(probe: &Value) -> f64 {
    let text = probe["format"]["duration"].as_str().unwrap();
    text.parse().unwrap()
}

/// Where a box of an MP4 file begins.
fn position(path: &Path, kind: &[u8]) -> usize {
    let content = std::fs::read(path).unwrap();
    content.windows(4).position(|four| four == kind).unwrap()
}

#[tokio::test]
async fn a_film_for_the_web_is_h264_and_aac_and_plays_while_it_loads() {
    let studio = Studio::with_clip().await;
    let made = studio.make("web-video", &[("web.mp4", "video/mp4")]).await;
    let seen = probe(&made[0]);
    assert_eq!(codecs(&seen), [("video", "h264"), ("audio", "aac")]);
    assert_eq!(size(&seen), (1280, 720));
    assert_eq!(seen["streams"][0]["pix_fmt"], "yuv420p");
    assert_eq!(seen["streams"][1]["sample_rate"], "48000");
    assert!((seconds(&seen) - 5.28).abs() < 0.2, "{seen}");
    assert!(position(&made[0], b"moov") < position(&made[0], b"mdat"));
}

#[tokio::test]
async fn a_preview_is_short_silent_and_small() {
    let studio = Studio::with_clip().await;
    let made = studio
        .make("preview", &[("preview.mp4", "video/mp4")])
        .await;
    let seen = probe(&made[0]);
    assert_eq!(codecs(&seen), [("video", "h264")]);
    assert_eq!(size(&seen), (480, 270));
    assert!((seconds(&seen) - 4.0).abs() < 0.2, "{seen}");
    assert!(std::fs::metadata(&made[0]).unwrap().len() < 500_000);
}

#[tokio::test]
async fn the_sound_alone_is_aac_without_pictures() {
    let studio = Studio::with_clip().await;
    let made = studio.make("audio", &[("audio.m4a", "audio/mp4")]).await;
    let seen = probe(&made[0]);
    assert_eq!(codecs(&seen), [("audio", "aac")]);
    assert_eq!(seen["streams"][0]["channels"], 2);
    assert!((seconds(&seen) - 5.28).abs() < 0.2, "{seen}");
}

/// A transparent PNG of this size, made by FFmpeg.
fn png(width: u32, height: u32) -> Vec<u8> {
    picture(&format!("color=red@0.5:size={width}x{height},format=rgba"))
}

fn picture(source: &str) -> Vec<u8> {
    let output = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", source])
        .args(["-frames:v", "1", "-c:v", "png", "-f", "image2pipe", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[tokio::test]
async fn a_large_picture_becomes_a_webp_that_fits_and_stays_transparent() {
    let studio = Studio::open("large.png", png(3000, 1500)).await;
    let made = studio.make("image", &[("image.webp", "image/webp")]).await;
    let seen = probe(&made[0]);
    assert_eq!(codecs(&seen), [("video", "webp")]);
    assert_eq!(size(&seen), (2048, 1024));
    assert_eq!(seen["streams"][0]["pix_fmt"], "yuva420p");
}

#[tokio::test]
async fn an_opaque_picture_becomes_an_avif_too() {
    let studio = Studio::open("large.png", picture("testsrc2=size=3000x1500,format=rgb24")).await;
    let expected = [("image.webp", "image/webp"), ("image.avif", "image/avif")];
    let made = studio.make("image", &expected).await;
    for (path, codec) in made.iter().zip(["webp", "av1"]) {
        let seen = probe(path);
        assert_eq!(codecs(&seen), [("video", codec)]);
        assert_eq!(size(&seen), (2048, 1024));
    }
}

#[tokio::test]
async fn a_waveform_is_peaks_and_a_picture() {
    let studio = Studio::with_clip().await;
    let expected = [
        ("waveform.json", "application/json"),
        ("waveform.png", "image/png"),
    ];
    let made = studio.make("waveform", &expected).await;
    let peaks: Value = serde_json::from_slice(&std::fs::read(&made[0]).unwrap()).unwrap();
    let samples = peaks["samples"].as_f64().unwrap() / peaks["sample_rate"].as_f64().unwrap();
    assert!((samples - 5.28).abs() < 0.2, "{samples}");
    let peaks: Vec<(i16, i16)> = serde_json::from_value(peaks["peaks"].clone()).unwrap();
    assert!((1000..=2000).contains(&peaks.len()), "{}", peaks.len());
    assert!(peaks.iter().any(|peak| peak.1 > 1000), "it is not silent");
    assert_eq!(size(&probe(&made[1])), (1200, 160));
}

#[tokio::test]
async fn what_a_recipe_needs_and_the_file_does_not_have_is_named() {
    let studio = Studio::open("small.png", png(64, 64)).await;
    for (preset, code) in [
        ("audio", "no_audio_stream"),
        ("waveform", "no_audio_stream"),
    ] {
        let seen = studio.run(preset).await;
        assert_eq!(seen["error"]["code"], code, "{seen}");
    }
    let studio = Studio::with_clip().await;
    let seen = studio.run("image").await;
    assert_eq!(seen["error"]["code"], "no_video_stream", "{seen}");
}

#[tokio::test]
async fn a_film_in_several_sizes_leads_from_its_playlist_to_every_size_it_has() {
    let studio = Studio::with_clip().await;
    let playlist = "application/vnd.apple.mpegurl";
    let expected = [
        ("master.m3u8", playlist),
        ("v360p.m3u8", playlist),
        ("v360p.m4s", "video/mp4"),
        ("v720p.m3u8", playlist),
        ("v720p.m4s", "video/mp4"),
    ];
    let made = studio.make("hls", &expected).await;
    for (path, sides) in [(&made[1], (640, 360)), (&made[3], (1280, 720))] {
        let seen = probe(path);
        assert_eq!(codecs(&seen), [("video", "h264"), ("audio", "aac")]);
        assert_eq!(size(&seen), sides);
        assert!((seconds(&seen) - 5.28).abs() < 0.2, "{seen}");
    }
    let seen = probe(&made[0]);
    let programs = std::fs::read_to_string(&made[0]).unwrap();
    assert_eq!(programs.matches("#EXT-X-STREAM-INF").count(), 2);
    assert_eq!(
        codecs(&seen).len(),
        4,
        "both sizes with their sound: {seen}"
    );
}
