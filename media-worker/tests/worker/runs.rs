//! Single runs through the real launcher: which limit ends them, and which system calls `FFmpeg` makes.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use media_worker::api::FailureCode;
use media_worker::input::Container;
use media_worker::presets::{self, Invocation, Program};
use media_worker::runner::{Ending, Finished, KillReason, Place, Runner, Spawner};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{beside_worker, clip, misbehaving_ffmpeg, with_order};

/// Makes a film until it is stopped.
const ENDLESS: &str = "-nostdin -loglevel error -progress pipe:1 -f lavfi -i testsrc2=s=640x360 -c:v libx264 \
                       -preset ultrafast -y out.mp4";

fn poster(args: &str) -> Invocation {
    Invocation {
        args: args.split_whitespace().map(str::to_owned).collect(),
        ..presets::poster(Container::Mov, 0)
    }
}

async fn run(ffmpeg: &Path, invocation: &Invocation) -> Finished {
    let folder = tempfile::tempdir().unwrap();
    run_in(folder.path(), ffmpeg, invocation).await
}

async fn run_in(folder: &Path, ffmpeg: &Path, invocation: &Invocation) -> Finished {
    std::fs::write(folder.join("input"), with_order("stall")).unwrap();
    let runner = Runner {
        spawner: Spawner::start().unwrap(),
        launcher: env!("CARGO_BIN_EXE_gatelog-media-launcher").into(),
        ffmpeg: ffmpeg.to_owned(),
        ffprobe: "/usr/bin/ffprobe".into(),
        degraded: false,
        yielding: false,
    };
    let place = Place {
        dir: folder,
        uid: None,
        deadline: Instant::now() + Duration::from_mins(5),
    };
    let never = CancellationToken::new();
    runner.run(invocation, place, &never, |_| ()).await.unwrap()
}

/// At a soft limit alone `FFmpeg` would finish its file and look fine.
#[tokio::test]
async fn a_run_that_uses_up_its_cpu_is_killed_outright() {
    let mut invocation = poster(ENDLESS);
    invocation.limits.cpu_seconds = 1;
    invocation.limits.file_bytes = 1 << 30;
    invocation.wall = Duration::from_mins(5);
    let finished = run(Path::new("/usr/bin/ffmpeg"), &invocation).await;
    assert_eq!(finished.ending, Ending::Signalled(9), "{finished:?}");
    assert!(!finished.progress.ended);
    let code = finished.ending.failure("", 1, finished.elapsed);
    assert_eq!(code, Some(FailureCode::LimitCpu));
}

#[tokio::test]
async fn a_file_that_grows_too_large_ends_its_run() {
    let mut invocation = poster(ENDLESS);
    invocation.limits.file_bytes = 100_000;
    invocation.wall = Duration::from_mins(5);
    let finished = run(Path::new("/usr/bin/ffmpeg"), &invocation).await;
    let code = finished
        .ending
        .failure(&finished.diagnostics, 60, finished.elapsed);
    assert_eq!(code, Some(FailureCode::LimitOutput), "{finished:?}");
}

/// Where `FFmpeg` is told to stop it ends well, whatever is left, and what it made shows that it was stopped.
#[tokio::test]
async fn a_film_that_is_left_off_has_at_least_its_size() {
    let mut invocation = poster(ENDLESS);
    let end = invocation.args.len() - 1;
    let stop = ["-fs", "300000"].map(str::to_owned);
    invocation.args.splice(end..end, stop);
    invocation.limits.file_bytes = 1 << 20;
    invocation.wall = Duration::from_mins(5);
    let folder = tempfile::tempdir().unwrap();
    let finished = run_in(folder.path(), Path::new("/usr/bin/ffmpeg"), &invocation).await;
    assert_eq!(finished.ending, Ending::Exited(0), "{finished:?}");
    assert!(finished.progress.ended);
    let made = std::fs::metadata(folder.path().join("out.mp4")).unwrap();
    assert!(made.len() >= 300_000, "{made:?}");
}

#[tokio::test]
async fn a_run_without_an_advance_is_killed() {
    let mut invocation = poster("");
    invocation.stall = Some(Duration::from_secs(1));
    let finished = run(&misbehaving_ffmpeg(), &invocation).await;
    assert_eq!(finished.ending, Ending::Killed(KillReason::Stall));
}

/// After an upgrade of `FFmpeg` this says whether it calls something new: it is killed for that here, and would only
/// be refused in the launcher.
#[test]
fn every_preset_makes_only_the_listed_calls() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("input"), clip()).unwrap();
    let mov = Container::Mov;
    for invocation in [
        presets::version(),
        presets::probe(mov),
        presets::probe_headers(mov),
        presets::poster(mov, 500),
        presets::encoders(),
        presets::muxers(),
        presets::image(mov),
        presets::image_avif(mov),
        presets::probe_output(mov, presets::AVIF_NAME),
        presets::preview(mov, 500),
        presets::web_video(mov, Some(5.28)),
        presets::web_video_as_it_is(mov, Some(5.28)),
        presets::probe_output(mov, presets::WEB_NAME),
        presets::audio(mov, Some(5.28)),
        presets::hls(mov, presets::rungs(Some(720)), true, Some(5.28)),
        presets::waveform_samples(mov, Some(5.28)),
        presets::waveform_picture(),
    ] {
        let program = match invocation.program {
            Program::Ffmpeg => "/usr/bin/ffmpeg",
            Program::Ffprobe => "/usr/bin/ffprobe",
        };
        let mut command = Command::new(beside_worker("one_layer"));
        command
            .args(["seccomp that tells", program])
            .args(&invocation.args);
        let output = command.current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success(),
            "{:?} {said} {:?}",
            output.status,
            invocation.args
        );
    }
}
